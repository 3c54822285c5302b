"""What a mesh model should find: keypoints and vertices of the bodies of a batch, made on its device.

Letters: N clips, T frames, J joints, V vertices, K body joints, B shape components.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lib.body import BodyModel
from lib.body_regressor import KeypointRegressor
from lib.skeleton import Skeleton


@torch.no_grad()
def mesh_target(
    body: BodyModel,
    regressor: KeypointRegressor,
    batch: Mapping[str, Tensor],
    skeleton: Skeleton,
    need_vertices: bool = False,
) -> dict[str, Tensor | None]:
    """Targets of a batch with ``pose`` (N,T,K*3) axis-angle and ``shape`` (N,T,B), as MotionBERT defines them.

    ``theta`` (N,T,K*3+B): pose, then shape. ``kp_3d`` (N,T,J,3) and ``verts`` (N,T,V,3) in mm, both relative to
    the root keypoint of the format; ``verts`` is None unless ``need_vertices``, and then costs nothing.
    """
    pose, shape = batch["pose"], batch["shape"]
    keypoints_mm = regressor.of(body, pose, shape) * 1000
    root_mm = skeleton.root_of(keypoints_mm)
    vertices_mm = body(pose, shape).mul_(1000).sub_(root_mm) if need_vertices else None
    return {
        "theta": torch.cat([pose, shape], dim=-1),
        "kp_3d": keypoints_mm - root_mm,
        "verts": vertices_mm,
    }
