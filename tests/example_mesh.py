"""A small moving body for tests: the example body in slow random motion, with a gap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lib.body import BodyModel
from lib.geometry import axis_angle_to_matrix
from lib.wild.mesh_motion import MeshMotion
from tests.example_body import make_example_body


def example_body(*, posedirs: bool = False, num_vertices: int = 500) -> BodyModel:
    """The example body; without pose offsets linear blend skinning gives its vertices exactly."""
    return BodyModel(make_example_body(num_vertices, posedirs=posedirs), name="example")


def slow_rotations(num_frames: int, num_joints: int, *, seed: int = 0, size: float = 0.5) -> np.ndarray:
    """(F,K,3,3): joints that swing slowly about axes of their own, the root upright."""
    rng = np.random.default_rng(seed)
    axis = rng.normal(0, size, (num_joints, 3))
    axis[0] = [0, 1.5, 0]
    time = np.linspace(0, 6, num_frames)[:, None] + rng.uniform(0, 6, num_joints)
    return axis_angle_to_matrix(np.sin(time)[..., None] * axis).astype(np.float32)


def example_mesh(body: BodyModel, *, num_frames: int = 24, gap: slice = slice(10, 13)) -> MeshMotion:
    """In the world: walks 1.5 m on a floor, 1.1 times its own metres, absent in the gap."""
    path = np.linspace([0.0, 1.02, 0.0], [1.5, 1.02, -0.4], num_frames).astype(np.float32)
    mesh = MeshMotion(
        rotations=slow_rotations(num_frames, body.num_joints),
        shape=np.linspace(1, -1, body.num_betas).astype(np.float32),
        translation=path,
        scale=1.1,
        axes="world",
        units="m",
        fps=30.0,
        body=body.name,
        joint_names=body.joint_names,
    )
    mesh.rotations[gap] = np.nan
    return replace(mesh, translation=np.where(mesh.present[:, None], path, np.nan))
