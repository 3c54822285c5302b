"""Worker motion of an SMPL body: its own surface is what the cameras see, pose and shape are known exactly.

F frames, J joints of a format, K joints of the body, B shape components.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lib.data.film import film
from lib.data.motion import Labels, Motion
from lib.data.worker.body_points import place_points
from lib.data.worker.camera import RANGES
from lib.data.worker.film import Session
from lib.data.worker.generate import draw_sessions
from lib.data.worker.kinematics import forward
from lib.data.worker.request import Request
from lib.data.worker.smpl_pose import body_pose
from lib.geometry import matrix_to_axis_angle
from lib.skeleton import Skeleton

if TYPE_CHECKING:
    from lib.body import BodyModel
    from lib.body_regressor import KeypointRegressor

MOST_DEVIATIONS = 2.0  # of a shape component


def make_worker_smpl_motion(
    skeleton: Skeleton,
    body: BodyModel,
    regressor: KeypointRegressor,
    **request: Any,
) -> Motion:
    """``make_worker_motion`` with bodies: the same people, tasks and splits, filmed by cameras of their own.

    A shape is drawn for each person. The joints are those that ``regressor`` makes from the surface, and so
    the 2D and 3D labels are those of the mesh; smpl_pose is in camera axes.
    """
    asked = Request(**request)
    return Motion.concat(
        [_film(skeleton, body, regressor, session, seeds, asked) for session, seeds in draw_sessions(asked)]
    )


def _film(
    skeleton: Skeleton,
    body: BodyModel,
    regressor: KeypointRegressor,
    session: Session,
    seeds: np.random.SeedSequence,
    request: Request,
) -> Motion:
    """What the cameras see of one person's clips."""
    shape_seed, film_seed = seeds.spawn(2)
    shape = draw_shape(np.random.default_rng(shape_seed), body)
    pose, offset_mm = world_pose(body, session, shape)
    joints_mm = body_mm(body, pose, shape, partial(regressor.of, body)) + offset_mm
    generator = np.random.default_rng(film_seed)
    videos = []
    for clip, task in enumerate(session.tasks):
        frames = slice(clip * session.frames, (clip + 1) * session.frames)
        for number in range(request.cameras):
            seen = film(
                skeleton,
                joints_mm[frames],
                split=request.split,
                name=f"{request.split}_cam{clip * request.cameras + number:02d}",
                fps=request.fps,
                detector=request.detector,
                generator=generator,
                ranges=RANGES[request.split],
            )
            rotations = pose[frames].copy()
            rotations[:, 0] = seen.camera.rotation @ rotations[:, 0]
            videos.append(
                Motion(
                    joints_2d=seen.joints_2d,
                    confidence=seen.confidence,
                    joints_image=seen.joints_image,
                    joints_mm=seen.joints_image * seen.factor_mm_per_px[:, None, None],
                    factor_mm_per_px=seen.factor_mm_per_px,
                    smpl_pose=matrix_to_axis_angle(rotations).reshape(session.frames, -1),
                    smpl_shape=np.tile(shape, (session.frames, 1)),
                    source=Labels.of(f"{session.subject.name}_{clip:02d}_{task}", session.frames),
                    camera=Labels.of(seen.camera.name, session.frames),
                    action=Labels.of(task, session.frames),
                    fps=request.fps,
                    size_px=np.array(seen.camera.size_px),
                    skeleton=skeleton,
                )
            )
    return Motion.concat(videos)


def draw_shape(generator: np.random.Generator, body: BodyModel) -> np.ndarray:
    """Shape components (B,) of a person, float32."""
    shape = generator.standard_normal(body.num_betas)
    return shape.clip(-MOST_DEVIATIONS, MOST_DEVIATIONS).astype(np.float32)


def world_pose(body: BodyModel, session: Session, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (F,K,3,3) of the joints, the first in the world, and what to add (F,1,3) mm to the body's points.

    The body's root joint lies where that point of the worker is.
    """
    device = body.vertices.template.device
    neutral = torch.zeros(1, body.num_betas, device=device)
    with torch.no_grad():
        rest = body.joints(torch.zeros(1, body.num_joints * 3, device=device), neutral)[0].cpu().numpy()
    pose = body_pose(rest, body.joint_names, body.parents, session.dofs)
    rotation, origin = forward(session.subject, session.pelvis_mm, session.dofs, ("pelvis",))
    root_mm = place_points(session.subject, rotation, origin, body.joint_names[:1])
    return pose, root_mm - body_mm(body, pose, shape, body.joints)[:, :1]


def body_mm(
    body: BodyModel, pose: np.ndarray, shape: np.ndarray, points: Callable[[Tensor, Tensor], Tensor]
) -> np.ndarray:
    """Points (F,P,3) mm of a posed body, as ``points`` (such as the body itself) makes them in metres."""
    device = body.vertices.template.device
    rotations = torch.from_numpy(pose).float().to(device)
    betas = torch.from_numpy(shape).to(device).expand(len(pose), -1)
    with torch.no_grad():
        return (1000 * points(rotations, betas)).cpu().numpy()
