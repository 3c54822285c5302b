"""Training losses by name, each for any joint format, and their weighted sum.

A loss is ``loss(prediction (N,T,J,3), target (N,T,J,3), skeleton, weights (N,T,J) | None) -> scalar`` in the
unit of the joints (normalised in training). Gradients are finite everywhere, zero-length and straight limbs
included. Losses of positions multiply each joint's error by ``weights`` before the mean; losses of the shape
of the pose (limbs, angles, centres) have no use for them.

Shapes: N clips, T frames, J joints, L limbs, A angles, K centres.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from lib.errors import UserError
from lib.registry import Registry
from lib.skeleton import Skeleton

Loss = Callable[[Tensor, Tensor, Skeleton, Tensor | None], Tensor]

LOSSES: Registry[Loss] = Registry("loss")
register_loss = LOSSES.register


@lru_cache(maxsize=256)
def columns(skeleton: Skeleton, table: str, device: torch.device) -> tuple[Tensor, ...]:
    """Columns of an index table of the skeleton ("limb_idx" (L,2), ...); ``UserError`` if it is empty."""
    rows = getattr(skeleton, table)
    if len(rows) == 0:
        kind = {"limb_idx": "limbs", "angle_idx": "angles", "center_idx": "centers"}[table]
        raise UserError(f"joint format {skeleton.name} has no {kind}: set the weights of such losses to 0")
    return tuple(torch.tensor(column, device=device) for column in rows.T)


def limb_vectors(joints: Tensor, skeleton: Skeleton) -> Tensor:
    """Limbs (N,T,L,3) of joints (N,T,J,3), from the limb's second to its first joint."""
    start, end = columns(skeleton, "limb_idx", joints.device)
    return joints.index_select(-2, start) - joints.index_select(-2, end)


def limb_lengths(joints: Tensor, skeleton: Skeleton) -> Tensor:
    """Limb lengths (N,T,L) of joints (N,T,J,3)."""
    return torch.linalg.vector_norm(limb_vectors(joints, skeleton), dim=-1)


def limb_pairs(joints: Tensor, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """First and second limb (N,T,A,3) of each angle of joints (N,T,J,3)."""
    limbs = limb_vectors(joints, skeleton)
    first, second = columns(skeleton, "angle_idx", joints.device)
    return limbs.index_select(-2, first), limbs.index_select(-2, second)


def limb_angles(joints: Tensor, skeleton: Skeleton) -> Tensor:
    """Angles (N,T,A) between limbs, radians, as MotionBERT: arc cosine, kept off its vertical ends."""
    cosine = F.cosine_similarity(*limb_pairs(joints, skeleton), dim=-1)
    return torch.acos(cosine.clamp(-1 + 1e-7, 1 - 1e-7))


def limb_angles_smooth(joints: Tensor, skeleton: Skeleton) -> Tensor:
    """Angles (N,T,A) between limbs, radians, by atan2(sine, cosine): exact near 0 and pi.

    An angle with a limb of no length is 0 and passes no gradient on.
    """
    first, second = (F.normalize(limb, dim=-1, eps=1e-6) for limb in limb_pairs(joints, skeleton))
    sine = torch.linalg.vector_norm(torch.linalg.cross(first, second), dim=-1)
    cosine = (first * second).sum(-1)
    no_length = sine.square() + cosine.square() < 1e-12
    return torch.atan2(sine, torch.where(no_length, torch.ones_like(cosine), cosine))


def steps(x: Tensor) -> Tensor:
    """Differences (N,T-1,...) between neighbouring frames."""
    return x[:, 1:] - x[:, :-1]


def weighted_mean(error: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of ``error * weights``; 0 where a clip of one frame leaves nothing to average."""
    if weights is not None:
        error = error * weights
    return error.mean() if error.numel() else error.sum()


@register_loss("mpjpe")
def mpjpe(prediction: Tensor, target: Tensor, skeleton: Skeleton, weights: Tensor | None = None) -> Tensor:
    """Mean distance between predicted and true joints."""
    return weighted_mean(torch.linalg.vector_norm(prediction - target, dim=-1), weights)


@register_loss("n_mpjpe")
def n_mpjpe(prediction: Tensor, target: Tensor, skeleton: Skeleton, weights: Tensor | None = None) -> Tensor:
    """Mean distance after each frame's prediction is scaled to fit best (Rhodin et al., CVPR 2018)."""
    importance = 1.0 if weights is None else weights.unsqueeze(-1)
    overlap = (importance * target * prediction).sum((-2, -1), keepdim=True)
    power = (importance * prediction.square()).sum((-2, -1), keepdim=True)
    scale = overlap / power.clamp_min(1e-12)
    return mpjpe(scale * prediction, target, skeleton, weights)


@register_loss("weighted_2d")
def weighted_2d(
    prediction: Tensor, target: Tensor, skeleton: Skeleton, weights: Tensor | None = None
) -> Tensor:
    """Mean distance in x and y alone; the weights are the detector's confidence."""
    return mpjpe(prediction[..., :2], target[..., :2], skeleton, weights)


@register_loss("velocity")
def velocity(prediction: Tensor, target: Tensor, skeleton: Skeleton, weights: Tensor | None = None) -> Tensor:
    """Mean distance between predicted and true movement per frame; a step counts as its lesser weight."""
    if weights is not None:
        weights = torch.minimum(weights[:, 1:], weights[:, :-1])
    return mpjpe(steps(prediction), steps(target), skeleton, weights)


@register_loss("limb_var")
def limb_var(prediction: Tensor, target: Tensor, skeleton: Skeleton, weights: Tensor | None = None) -> Tensor:
    """Mean variance over time of the predicted limb lengths; 0 for a single frame."""
    lengths = limb_lengths(prediction, skeleton)
    return lengths.var(dim=1).mean() if lengths.shape[1] > 1 else lengths[:, 1:].sum()


@register_loss("limb_gt")
def limb_gt(prediction: Tensor, target: Tensor, skeleton: Skeleton, weights: Tensor | None = None) -> Tensor:
    """Mean difference between predicted and true limb lengths."""
    return F.l1_loss(limb_lengths(prediction, skeleton), limb_lengths(target, skeleton))


@register_loss("center")
def center(prediction: Tensor, target: Tensor, skeleton: Skeleton, weights: Tensor | None = None) -> Tensor:
    """Mean distance of each centre joint from the middle between the two joints that hold it."""
    middle, one, other = (
        prediction.index_select(-2, joints) for joints in columns(skeleton, "center_idx", prediction.device)
    )
    return torch.linalg.vector_norm(middle - (one + other) / 2, dim=-1).mean()


@register_loss("angle")
def angle(prediction: Tensor, target: Tensor, skeleton: Skeleton, weights: Tensor | None = None) -> Tensor:
    """Mean difference between predicted and true limb angles, radians (MotionBERT's form)."""
    return F.l1_loss(limb_angles(prediction, skeleton), limb_angles(target, skeleton))


@register_loss("angle_velocity")
def angle_velocity(
    prediction: Tensor, target: Tensor, skeleton: Skeleton, weights: Tensor | None = None
) -> Tensor:
    """Mean difference between predicted and true change of limb angles per frame, radians."""
    change = steps(limb_angles(prediction, skeleton)) - steps(limb_angles(target, skeleton))
    return weighted_mean(change.abs(), None)


@register_loss("angle_cos")
def angle_cos(
    prediction: Tensor, target: Tensor, skeleton: Skeleton, weights: Tensor | None = None
) -> Tensor:
    """Mean of 1 - cos of the difference between predicted and true limb angles."""
    difference = limb_angles_smooth(prediction, skeleton) - limb_angles_smooth(target, skeleton)
    return weighted_mean(1 - difference.cos(), None)


@register_loss("angle_velocity_cos")
def angle_velocity_cos(
    prediction: Tensor, target: Tensor, skeleton: Skeleton, weights: Tensor | None = None
) -> Tensor:
    """Mean of 1 - cos of the difference between predicted and true change of limb angles per frame."""
    change = steps(limb_angles_smooth(prediction, skeleton)) - steps(limb_angles_smooth(target, skeleton))
    return weighted_mean(1 - change.cos(), None)


class WeightedLosses:
    """Weighted sum of losses by name; a loss of weight 0 is not computed.

    Raises ``UserError`` at construction for an unknown name, a weight that is no number >= 0, no weight above
    0, and a loss that the joint format cannot have (limbs, angles or centres it does not list).
    """

    def __init__(self, skeleton: Skeleton, weights: Mapping[str, float]) -> None:
        for name, weight in weights.items():
            LOSSES.get(name)
            if not 0 <= weight < float("inf"):
                raise UserError(f"weight of loss '{name}' is {weight}: it must be a number from 0 up")
        self.skeleton = skeleton
        self.weights = {name: float(weight) for name, weight in weights.items() if weight > 0}
        if not self.weights:
            raise UserError(f"no loss has a weight above 0; known losses: {', '.join(LOSSES.names())}")
        trial = torch.zeros(1, 2, skeleton.num_joints, 3)
        self(trial, trial)  # tells of a loss without limbs before any data is read

    def __call__(
        self, prediction: Tensor, target: Tensor, confidence: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted sum, and each loss by name without its weight and detached.

        ``prediction`` and ``target`` are (N,T,J,3); ``confidence`` (N,T,J), where given, weighs the joints.
        """
        terms = {
            name: LOSSES.get(name)(prediction, target, self.skeleton, confidence) for name in self.weights
        }
        total = torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
        return total, {name: term.detach() for name, term in terms.items()}
