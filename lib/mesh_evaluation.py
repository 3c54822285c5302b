"""From a mesh model and a set to errors in mm: of joints, of joints that most formats share, and of vertices.

Only errors of frames are kept: memory does not grow with the vertices of a set.

Shapes: N clips, T frames, J joints of the format, V vertices, F frames of a set.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lib.body import BodyModel
from lib.body_regressor import KeypointRegressor
from lib.data.mesh_clips import MeshClips
from lib.engine import Runtime
from lib.errors import UserError
from lib.geometry import axis_angle_to_matrix, nearest_rotation, procrustes_align
from lib.mesh_target import mesh_target
from lib.metrics import mpve
from lib.model.mesh_regressor import MM_PER_M, MeshRegressor
from lib.skeleton import Skeleton, conversion, load_skeleton

# Errors that every table carries: key -> heading.
MESH_MEASURES = {
    "mpjpe_mm": "MPJPE",
    "pa_mpjpe_mm": "PA-MPJPE",
    "mpjpe_14_mm": "MPJPE-14",
    "pa_mpjpe_14_mm": "PA-MPJPE-14",
    "mpve_mm": "MPVE",
}
# Joints of the Leeds Sports Pose set, on which papers about meshes report errors, and a format that has them all.
COMMON_JOINTS = (
    *(f"{side}_{joint}" for joint in ("ankle", "knee", "hip") for side in ("left", "right")),
    *(f"{side}_{joint}" for joint in ("wrist", "elbow", "shoulder") for side in ("left", "right")),
    "neck_base",
    "head_top",
)
COMMON_FORMAT = "H36M-17"
FRAMES_AT_ONCE = 512  # whose vertices are in memory: 42 MB for the prediction and for the truth of SMPL


@torch.no_grad()
def evaluate_mesh(
    model: MeshRegressor | MeanMesh,
    clips: MeshClips,
    body: BodyModel,
    regressor: KeypointRegressor,
    skeleton: Skeleton,
    runtime: Runtime,
    *,
    batch_size: int,
    flip: bool,
) -> dict[str, Any]:
    """Mean errors of a model over the frames of a set, all relative to the format's root.

    The truth is ``body`` in the poses of the set. Keys: those of ``MESH_MEASURES`` (the common joints only where the
    format has them or a rule to make them; ``approximate_joints`` names those made by an approximate one), the same
    per action under ``actions``, their means under ``action_mean``, and ``frames``. A frame that several clips cover
    has the mean of its errors. Raises ``UserError`` for frames in no clip and for predictions that are not finite.
    """
    was_training = model.training
    model.eval()
    common = common_joints(skeleton)
    sums: dict[str, Tensor] = {}
    count = torch.zeros(clips.num_frames, dtype=torch.float64)
    for ids in torch.arange(len(clips)).split(batch_size):
        batch = clips.batch(ids)
        frames = batch["frames"].flatten()
        with runtime.autocast():
            output = model.predict(batch["input"].to(runtime.device), flip)
        output = {name: value.float().flatten(0, 1) for name, value in output.items()}
        truth = {name: batch[name].to(runtime.device).flatten(0, 1) for name in ("pose", "shape")}
        for rows in torch.arange(len(frames)).split(FRAMES_AT_ONCE):
            predicted = {name: value[rows] for name, value in output.items()}
            wanted = {name: value[rows] for name, value in truth.items()}
            target = mesh_target(body, regressor, wanted, skeleton, need_vertices=True)
            vertices = model.vertices(predicted)
            errors = mesh_errors(
                predicted["kp_3d"], target["kp_3d"], vertices, target["verts"], skeleton, common
            )
            for name, error in errors.items():
                total = sums.setdefault(name, torch.zeros_like(count))
                total.index_add_(0, frames[rows], error.cpu().double())
        count.index_add_(0, frames, torch.ones_like(frames, dtype=count.dtype))
    model.train(was_training)
    _check_covered(count)
    return _summary({name: (total / count).numpy() for name, total in sums.items()}, clips, common)


@torch.no_grad()
def predict_joints(
    model: MeshRegressor | MeanMesh, clips: MeshClips, runtime: Runtime, *, flip: bool
) -> np.ndarray:
    """Predicted joints (F,J,3) mm of every frame of a set, relative to the format's root, in camera axes.

    Frames that several clips cover have the mean of what is predicted. Raises ``UserError`` for frames in no clip.
    """
    was_training = model.training
    model.eval()
    total, count = torch.zeros(0), torch.zeros(clips.num_frames)
    for ids in torch.arange(len(clips)).split(max(1, FRAMES_AT_ONCE // clips.clip_len)):
        batch = clips.batch(ids)
        frames = batch["frames"].flatten()
        with runtime.autocast():
            joints = model.predict(batch["input"].to(runtime.device), flip)["kp_3d"]
        joints = (joints - clips.skeleton.root_of(joints)).float().flatten(0, 1).cpu()
        if not len(total):
            total = torch.zeros(clips.num_frames, *joints.shape[1:])
        total.index_add_(0, frames, joints)
        count.index_add_(0, frames, torch.ones(len(frames)))
    model.train(was_training)
    _check_covered(count)
    return (total / count[:, None, None]).numpy()


def _check_covered(count: Tensor) -> None:
    """Raise ``UserError`` for frames that were predicted no time."""
    if not bool((count > 0).all()):
        raise UserError(
            f"{int((count == 0).sum())} frames of the set lie in no clip; use a stride of at most clip_len"
        )


def mesh_errors(
    joints: Tensor,
    true_joints: Tensor,
    vertices: Tensor,
    true_vertices: Tensor,
    skeleton: Skeleton,
    common: tuple[Tensor, list[str]] | None,
) -> dict[str, Tensor]:
    """Errors (F,) in mm of joints (F,J,3) and vertices (F,V,3), predicted and true, relative to the format's root.

    ``common`` as ``common_joints`` gives it.
    """
    shift = skeleton.root_of(joints) - skeleton.root_of(true_joints)
    joints, true_joints = joints.double(), true_joints.double()
    errors = _joint_errors(joints, true_joints, shift, "")
    if common is not None:
        matrix = common[0].to(joints.device)
        errors |= _joint_errors(matrix @ joints, matrix @ true_joints, shift, "_14")
    return {**errors, "mpve_mm": mpve(vertices, true_vertices, shift)}


def _joint_errors(joints: Tensor, truth: Tensor, shift: Tensor, suffix: str) -> dict[str, Tensor]:
    aligned = procrustes_align(joints, truth)
    return {
        f"mpjpe{suffix}_mm": torch.linalg.vector_norm(joints - truth - shift, dim=-1).mean(-1),
        f"pa_mpjpe{suffix}_mm": torch.linalg.vector_norm(aligned - truth, dim=-1).mean(-1),
    }


def common_joints(skeleton: Skeleton) -> tuple[Tensor, list[str]] | None:
    """Matrix (14,J) float64 that makes the common joints of a format, and those that it makes approximately.

    None where a joint has no rule, such as for hands.
    """
    carrier = load_skeleton(COMMON_FORMAT)
    rows = [carrier.index_canonical(name) for name in COMMON_JOINTS]
    made = conversion(skeleton, carrier, allow_missing=True, log=False)
    if made.missing[rows].any():
        return None
    approximate = [name for name, row in zip(COMMON_JOINTS, rows, strict=True) if not made.exact[row]]
    return torch.from_numpy(made.matrix[rows]).double(), approximate


def _summary(
    per_frame: dict[str, np.ndarray], clips: MeshClips, common: tuple[Tensor, list[str]] | None
) -> dict[str, Any]:
    broken = ~np.isfinite(per_frame["mpjpe_mm"])
    if broken.any():
        raise UserError(
            f"the model's prediction is not finite on {int(broken.sum())} of {len(broken)} frames"
        )
    summary: dict[str, Any] = {name: float(values.mean()) for name, values in per_frame.items()}
    action = clips.motion.action
    masks = {name: action == name for name in sorted(action.present())}
    summary["actions"] = {
        name: {key: float(values[mask].mean()) for key, values in per_frame.items()}
        | {"frames": int(mask.sum())}
        for name, mask in masks.items()
    }
    summary["action_mean"] = {
        key: float(np.mean([row[key] for row in summary["actions"].values()])) for key in per_frame
    }
    summary["frames"] = clips.num_frames
    if common is not None:
        summary["approximate_joints"] = common[1]
    return summary


class MeanMesh(nn.Module):
    """What any model has to beat: one body in one pose, ``mean_body`` of the training set, whatever it sees."""

    def __init__(
        self, rotations: Tensor, shape: Tensor, body: BodyModel, regressor: KeypointRegressor
    ) -> None:
        super().__init__()
        self.output = {"rotations": rotations, "shape": shape}
        self.output["kp_3d"] = regressor.of(body, rotations, shape) * MM_PER_M
        self.vertices_mm = body(rotations, shape) * MM_PER_M

    def predict(self, x: Tensor, flip: bool) -> dict[str, Tensor]:
        """The same for every frame of x (N,T,J,C)."""
        return {name: value.expand(*x.shape[:2], *value.shape) for name, value in self.output.items()}

    def vertices(self, output: dict[str, Tensor]) -> Tensor:
        """Vertices (...,V,3) mm."""
        return self.vertices_mm.expand(*output["shape"].shape[:-1], *self.vertices_mm.shape)


def mean_body(pose: np.ndarray, shape: np.ndarray) -> tuple[Tensor, Tensor]:
    """Mean rotations (K,3,3) and mean shape (B,) of poses (F,K*3) axis-angle and shapes (F,B)."""
    total = sum(
        axis_angle_to_matrix(torch.from_numpy(part).double().unflatten(-1, (-1, 3))).sum(0)
        for part in np.array_split(pose, len(pose) // 10_000 + 1)
    )
    return nearest_rotation(total).float(), torch.from_numpy(shape.mean(0, dtype=np.float64)).float()
