"""Mesh regressor: from 2D keypoints of a clip to the rotations and the shape of a body.

Parameter names and outputs are those of MotionBERT's MeshRegressor (Zhu et al., ICCV 2023), so its weights load
unchanged. Rotations go to the body as matrices; axis-angle is derived for output alone.

Shapes: N clips, T frames, J joints of the format, C channels, K body joints, B shape components, V vertices.
"""

from __future__ import annotations

import re

import numpy as np
import torch
from torch import Tensor, nn

from lib.anatomy import mirror_name
from lib.body import BodyModel
from lib.body_regressor import KeypointRegressor
from lib.checkpoint import LoadReport, load_weights
from lib.errors import UserError
from lib.geometry import (
    flip_pose,
    flip_rotations,
    matrix_to_axis_angle,
    matrix_to_rot6d,
    mean_rotation,
    rot6d_to_matrix,
)
from lib.model.batch_norm import BatchNorm
from lib.skeleton import Skeleton

MM_PER_M = 1000.0
# MotionBERT's files carry the body's own arrays, more or fewer of them; here they come from the body's file.
_BODY_ARRAYS = re.compile(r"(head\.)?(smpl\.|J_regressor)")


class SMPLRegressor(nn.Module):
    """Rotations of each frame, and one shape for a clip, from the backbone's features.

    Both start from ``init_pose`` (1,K*6) and ``init_shape`` (1,B), to which the layers add: an upright body that
    faces the camera, since SMPL's y points up and the camera's down.
    """

    def __init__(
        self, num_features: int, hidden_dim: int, num_body_joints: int, num_betas: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc1 = nn.Linear(num_features, hidden_dim)
        self.bn1 = BatchNorm(hidden_dim, momentum=0.1)
        self.fc2 = nn.Linear(num_features, hidden_dim)
        self.bn2 = BatchNorm(hidden_dim, momentum=0.1)
        self.head_pose = nn.Linear(hidden_dim, num_body_joints * 6)
        self.head_shape = nn.Linear(hidden_dim, num_betas)
        for layer in (self.head_pose, self.head_shape):
            nn.init.xavier_uniform_(layer.weight, gain=0.01)
            nn.init.zeros_(layer.bias)
        rotations = torch.eye(3).repeat(num_body_joints, 1, 1)
        rotations[0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
        self.register_buffer("init_pose", matrix_to_rot6d(rotations).reshape(1, -1))
        self.register_buffer("init_shape", torch.zeros(1, num_betas))

    @torch.no_grad()
    def start_from(self, rotations: Tensor, shape: Tensor) -> None:
        """Take another start, such as the mean training pose: rotations (K,3,3) and shape (B,)."""
        self.init_pose.copy_(matrix_to_rot6d(rotations).reshape(1, -1))
        self.init_shape.copy_(shape.reshape(1, -1))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Rotations (N,T,K,3,3) and shape (N,T,B), float32, from features (N,T,J,C)."""
        clips, frames = features.shape[:2]
        features = features.flatten(2)
        pose = torch.relu(self.bn1(self.fc1(self.dropout(features.flatten(0, 1)))))
        shape = torch.relu(self.bn2(self.fc2(self.dropout(features.mean(1)))))
        rot6d = self.head_pose(pose) + self.init_pose
        shape = self.head_shape(shape) + self.init_shape
        rotations = rot6d_to_matrix(rot6d.view(clips, frames, -1, 6))
        return rotations, shape[:, None].expand(-1, frames, -1)


class MeshRegressor(nn.Module):
    """Backbone and head that pose a body; ``body`` and ``regressor`` are data and not part of the state dict.

    The regressor's joint format is the input's and the output's. The backbone's own last layer, which makes 3D
    joints, is taken off: it would get no gradient. Raises ``UserError`` if the three do not fit together.
    """

    def __init__(
        self,
        backbone: nn.Module,
        body: BodyModel,
        regressor: KeypointRegressor,
        dim_rep: int = 512,
        hidden_dim: int = 1024,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        skeleton = regressor.skeleton
        if backbone.num_joints != skeleton.num_joints:
            raise UserError(
                f"the backbone was built for {backbone.num_joints} joints, the regressor makes the "
                f"{skeleton.num_joints} of {skeleton.name}: both must be of the config's joint_format"
            )
        if regressor.matrix.shape[1] != body.num_vertices:
            raise UserError(
                f"the regressor of {skeleton.name} is for a body of {regressor.matrix.shape[1]} vertices, "
                f"{body.name} has {body.num_vertices}: take the regressor of this body"
            )
        self.backbone, self.body, self.regressor = backbone, body, regressor
        self.feat_J = skeleton.num_joints
        self.backbone.head = nn.Identity()
        self.head = SMPLRegressor(self.feat_J * dim_rep, hidden_dim, body.num_joints, body.num_betas, dropout)
        names = list(body.joint_names)
        self.body_flip_idx = np.array([names.index(mirror_name(name)) for name in names])

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Posed body of each frame of input (N,T,J,C): see ``mesh_of``."""
        return self.mesh_of(*self.body_parameters(x))

    def body_parameters(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Rotations (N,T,K,3,3) and shape (N,T,B) for input (N,T,J,C)."""
        return self.head(self.backbone.get_representation(x))

    def mesh_of(self, rotations: Tensor, shape: Tensor) -> dict[str, Tensor]:
        """The posed body: ``rotations`` and ``shape`` as given, joints, and theta as MotionBERT has it.

        ``kp_3d`` (N,T,J,3) in mm from the body's origin; ``theta`` (N,T,K*3+B), axis-angle and shape.
        """
        return {
            "theta": torch.cat([matrix_to_axis_angle(rotations).flatten(-2), shape], dim=-1),
            "rotations": rotations,
            "shape": shape,
            "kp_3d": self.regressor.of(self.body, rotations, shape) * MM_PER_M,
        }

    def vertices(self, output: dict[str, Tensor]) -> Tensor:
        """Vertices (N,T,V,3) of an output, mm from the body's origin."""
        return self.body(output["rotations"], output["shape"]) * MM_PER_M

    def predict(self, x: Tensor, flip: bool) -> dict[str, Tensor]:
        """As ``forward``; with ``flip`` averaged with the mirrored prediction for the mirrored input.

        The average is one of rotations: that of axis-angle vectors fails near half a turn, where a body that faces
        the camera stands.
        """
        rotations, shape = self.body_parameters(x)
        if flip:
            mirrored = self.body_parameters(flip_pose(x, self.regressor.skeleton.flip_idx))
            both = torch.stack([rotations, flip_rotations(mirrored[0], self.body_flip_idx)], dim=-3)
            rotations, shape = mean_rotation(both), (shape + mirrored[1]) / 2
        return self.mesh_of(rotations, shape)


def load_mesh_weights(
    model: MeshRegressor,
    weights: dict[str, Tensor],
    *,
    skeleton: Skeleton,
    source_skeleton: Skeleton | None = None,
    discard_last_layer: bool = False,
) -> list[str]:
    """Copy the weights (bare names) of a mesh checkpoint, or of a pose checkpoint for the backbone alone.

    Arrays of the file's body model are left aside. Every other parameter must fit, or ``discard_last_layer`` must be
    given: see ``lib.checkpoint.load_weights``. Returns lines for the user; raises ``UserError`` on a misfit.
    """
    body = [name for name in weights if _BODY_ARRAYS.match(name)]
    parts: dict[str, dict[str, Tensor]] = {"backbone": {}, "head": {}}
    is_mesh = any(name.startswith("backbone.") for name in weights)
    for name, value in weights.items():
        part, _, rest = name.partition(".") if is_mesh else ("backbone", "", name)
        if name not in body and not rest.startswith("head."):  # the backbone's own head makes joints
            parts.setdefault(part, {})[rest] = value
    if len(parts) > 2:
        raise UserError(f"the checkpoint is of another mesh model: it holds {', '.join(sorted(parts))}")
    report = LoadReport()
    for part in ("backbone", "head") if is_mesh else ("backbone",):
        module = getattr(model, part)
        counters = {name: value for name, value in module.state_dict().items() if "num_batches" in name}
        loaded = load_weights(
            module,
            counters | parts[part],  # old files lack the counters, and nothing reads them
            skeleton=skeleton,
            source_skeleton=source_skeleton,
            discard_last_layer=discard_last_layer,
        )
        _add(report, loaded, part)
    lines = report.lines()
    if not is_mesh:
        lines.append("a pose checkpoint: it fills the backbone, and the mesh head starts anew")
    if body:
        lines.append(f"{len(body)} arrays of the file's body model are not needed, such as {body[0]}")
    return lines


def _add(report: LoadReport, part: LoadReport, prefix: str) -> None:
    """Enter what became of a part under the names that the whole model has."""
    report.loaded += [f"{prefix}.{name}" for name in part.loaded]
    report.initial += [f"{prefix}.{name}" for name in part.initial]
    report.unused += [f"{prefix}.{name}" for name in part.unused]
    report.by_joint |= {f"{prefix}.{name}": joints for name, joints in part.by_joint.items()}
