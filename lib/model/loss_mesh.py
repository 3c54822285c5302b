"""Losses of a posed body by name, each for any joint format, and their weighted sum.

Losses of joints are those of ``lib/model/loss.py``, in mm and relative to the format's root. A loss of the body is
``loss(prediction, target, distance) -> (N,)``, one value a clip: ``prediction`` and ``target`` hold theta
(N,T,K*3+B), axis-angle and shape; ``prediction`` holds rotations (N,T,K,3,3) too; ``distance`` compares two tensors
element by element.

Shapes: N clips, T frames, J joints of the format, K body joints, B shape components.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from lib.errors import UserError, did_you_mean
from lib.geometry import axis_angle_to_matrix
from lib.model.loss import LOSSES, WeightedLosses
from lib.registry import Registry
from lib.skeleton import Skeleton

Distance = Callable[[Tensor, Tensor], Tensor]
MeshLoss = Callable[[Mapping[str, Tensor], Mapping[str, Tensor], Distance], Tensor]

MESH_LOSSES: Registry[MeshLoss] = Registry("mesh loss")
DISTANCES: dict[str, Distance] = {
    "L1": lambda prediction, target: (prediction - target).abs(),
    "MSE": lambda prediction, target: (prediction - target).square(),
}


def split_theta(theta: Tensor, num_body_joints: int) -> tuple[Tensor, Tensor]:
    """Axis-angle (...,K,3) and shape (...,B) of theta (...,K*3+B)."""
    pose, shape = theta.tensor_split([num_body_joints * 3], dim=-1)
    return pose.unflatten(-1, (num_body_joints, 3)), shape


@MESH_LOSSES.register("pose")
def pose(prediction: Mapping[str, Tensor], target: Mapping[str, Tensor], distance: Distance) -> Tensor:
    """Mean distance between the entries of predicted and true rotation matrices."""
    rotations = prediction["rotations"]
    true_pose, _ = split_theta(target["theta"], rotations.shape[-3])
    return distance(rotations, axis_angle_to_matrix(true_pose)).flatten(1).mean(1)


@MESH_LOSSES.register("shape")
def shape(prediction: Mapping[str, Tensor], target: Mapping[str, Tensor], distance: Distance) -> Tensor:
    """Mean distance between predicted and true shape components."""
    num_body_joints = prediction["rotations"].shape[-3]
    predicted, true = (split_theta(body["theta"], num_body_joints)[1] for body in (prediction, target))
    return distance(predicted, true).flatten(1).mean(1)


@MESH_LOSSES.register("norm")
def norm(prediction: Mapping[str, Tensor], target: Mapping[str, Tensor], distance: Distance) -> Tensor:
    """Mean length of theta: keeps angles and shape small (MotionBERT); neither truth nor distance matter."""
    return torch.linalg.vector_norm(prediction["theta"], dim=-1).mean(1)


class WeightedMeshLosses:
    """Weighted sum of losses by name; a loss of weight 0 is not computed.

    ``loss_type`` (L1, MSE) is the distance of the losses of pose and shape. Raises ``UserError`` at construction for an
    unknown name or distance, a wrong weight, and a loss that the joint format cannot have.
    """

    def __init__(self, skeleton: Skeleton, weights: Mapping[str, float], loss_type: str) -> None:
        if loss_type not in DISTANCES:
            raise UserError(f"loss_type '{loss_type}' is not known; allowed: {', '.join(DISTANCES)}")
        known = [*LOSSES.names(), *MESH_LOSSES.names()]
        for name, weight in weights.items():
            if name not in known:
                hint = did_you_mean(name, known)
                raise UserError(f"unknown loss '{name}'{hint}; known: {', '.join(known)}")
            if not 0 <= weight < float("inf"):
                raise UserError(f"weight of loss '{name}' is {weight}: it must be a number from 0 up")
        self.weights = {name: float(weight) for name, weight in weights.items() if weight > 0}
        if not self.weights:
            raise UserError(f"no loss has a weight above 0; known losses: {', '.join(known)}")
        self.skeleton, self.distance = skeleton, DISTANCES[loss_type]
        if of_joints := {name: weight for name, weight in self.weights.items() if name in LOSSES}:
            WeightedLosses(skeleton, of_joints)  # tells of a loss without limbs before any data is read

    def __call__(
        self,
        prediction: Mapping[str, Tensor],
        target: Mapping[str, Tensor | None],
        confidence: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted sum, and each loss by name without its weight and detached.

        ``prediction`` holds theta, rotations and kp_3d (N,T,J,3) mm; ``target`` kp_3d, and theta where the set has
        bodies, for all clips or for those that ``has_smpl`` (N,) marks. Without any, losses of the body are left out.
        ``confidence`` (N,T,J), where given, weighs the joints.
        """
        joints, true_joints = (
            body["kp_3d"] - self.skeleton.root_of(body["kp_3d"]) for body in (prediction, target)
        )
        marked = target.get("has_smpl")
        terms = {}
        for name in self.weights:
            if name not in MESH_LOSSES:
                terms[name] = LOSSES.get(name)(joints, true_joints, self.skeleton, confidence)
            elif target.get("theta") is not None:
                of_clips = MESH_LOSSES.get(name)(prediction, target, self.distance)
                terms[name] = of_clips.mean() if marked is None else _mean_of(of_clips, marked)
        weighted = [self.weights[name] * term for name, term in terms.items()]
        total = torch.stack(weighted).sum() if weighted else joints.sum() * 0
        return total, {name: term.detach() for name, term in terms.items()}


def _mean_of(values: Tensor, marked: Tensor) -> Tensor:
    """Mean of the marked values, 0 if none is; what an unmarked clip holds (NaN) does not matter."""
    marked = marked.to(values.device, torch.bool)
    return torch.where(marked, values, 0).sum() / marked.sum().clamp_min(1)
