"""A person's body at rest with its skin, for programs that move it themselves: glTF, the page.

Letters: V vertices, M triangles, K joints, W joints of a vertex.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lib.body import BodyModel
from lib.wild.mesh_motion import MeshMotion

MOST_JOINTS = 8
"""Joints that move a vertex, as two sets of glTF hold them."""
SMALLEST_WEIGHT = 1e-4  # less moves a vertex by less than 0.1 mm


@dataclass(frozen=True, eq=False, kw_only=True)
class Skin:
    """Vertices (V,3) and joints (K,3) of a shaped body at rest, in the units of its ``MeshMotion``.

    faces (M,3); parents (K,), -1 for the root; joint_ids and weights (V,W) of the joints that move each vertex, the
    heaviest first, rows sum to 1, W at most ``MOST_JOINTS``. is_exact: moving it so gives the body's own vertices; not
    so for a body that also corrects its surface for the pose, as SMPL does (by about a centimetre at bent joints).
    """

    vertices: np.ndarray
    faces: np.ndarray
    joints: np.ndarray
    parents: np.ndarray
    joint_names: tuple[str, ...]
    joint_ids: np.ndarray
    weights: np.ndarray
    is_exact: bool


def skin_of(body: BodyModel, mesh: MeshMotion) -> Skin:
    """The skin of a person's shape and size."""
    device = next(body.buffers()).device
    num_joints = len(mesh.joint_names)
    rest = torch.eye(3, device=device).expand(1, num_joints, 3, 3)
    shape = torch.as_tensor(mesh.shape, dtype=torch.float32, device=device)[None]
    with torch.inference_mode():
        vertices, joints = body(rest, shape)[0].cpu().numpy(), body.joints(rest, shape)[0].cpu().numpy()
    dense = body.vertices.weights.T.cpu().numpy().astype(np.float64)
    order = np.argsort(-dense, axis=1, kind="stable")[:, :MOST_JOINTS]
    weights = np.take_along_axis(dense, order, 1)
    weights[weights < SMALLEST_WEIGHT] = 0.0
    used = max(1, int((weights > 0).sum(1).max()))
    weights, order = weights[:, :used], np.where(weights > 0, order, 0)[:, :used]
    return Skin(
        vertices=(vertices * mesh.scale).astype(np.float32),
        faces=np.asarray(body.faces, np.int64),
        joints=(joints * mesh.scale).astype(np.float32),
        parents=np.asarray(body.parents, np.int64),
        joint_names=mesh.joint_names,
        joint_ids=order,
        weights=(weights / weights.sum(1, keepdims=True)).astype(np.float32),
        is_exact=body.vertices.posedirs is None,
    )


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals (V,3) float32 of vertices (V,3): means over triangles (M,3), weighted by area."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    of_faces = np.cross(b - a, c - a)
    corners = faces.ravel()
    sums = np.stack(
        [np.bincount(corners, np.repeat(of_faces[:, axis], 3), len(vertices)) for axis in range(3)], axis=-1
    )
    length = np.linalg.norm(sums, axis=-1, keepdims=True)
    return (sums / np.maximum(length, 1e-20)).astype(np.float32)
