"""Losses of ergonomic joint angles (``lib.angles``): how far a joint is bent, not where its ends are.

They compare angles as points of the unit circle, so there is no jump at half a turn: 2 sin(difference / 2), which is
the difference in radians as long as it is small. Angles that are undefined in the prediction or in the target do not
count and have no gradient. Angles against the vertical are left out: poses in the image do not know it.

Shapes: N clips, T frames, J joints, A angles.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lib.angles import angle_names, angle_plan
from lib.errors import UserError
from lib.model.loss import register_loss
from lib.skeleton import Skeleton

CONVENTION = "paper"  # of the shoulder: defined for hanging arms too


def unit_angles(joints: Tensor, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """Cosine and sine (2,A,N,T) of the angles of joints (N,T,J,3), and where they are defined (A,N,T); 0 elsewhere."""
    if not angle_names(skeleton, CONVENTION, up=False):
        raise UserError(
            f"joint format {skeleton.name} has no joint angle: set the weights of such losses to 0"
        )
    wide = joints if joints.itemsize > 2 else joints.float()
    plan = angle_plan(skeleton, CONVENTION, False, device=wide.device, dtype=wide.dtype)[0]
    cosine, sine, known = plan.angles(wide.flatten(0, 1))
    place = torch.stack([cosine, sine])
    place = place * torch.where(known, cosine.square() + sine.square(), 1.0).rsqrt()
    place = torch.where(known, place, 0.0)  # NaN of a target would reach the gradient
    return place.unflatten(-1, joints.shape[:2]), known.unflatten(-1, joints.shape[:2])


def mean_chord(prediction: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Mean distance of points (2,...) of the unit circle where ``known`` (...); 0 if that is nowhere."""
    square = (prediction - target).square().sum(0)
    distance = square.clamp_min(1e-14).sqrt()  # the root has no gradient at 0
    return torch.where(known & (square.detach() > 1e-14), distance, 0.0).sum() / known.sum().clamp_min(1)


def turned(place: Tensor) -> Tensor:
    """Turn (2,A,N,T-1) from each frame to the next of angles (2,A,N,T)."""
    (cosine, sine), (later_cosine, later_sine) = place[..., :-1], place[..., 1:]
    return torch.stack([later_cosine * cosine + later_sine * sine, later_sine * cosine - later_cosine * sine])


@register_loss("ergo_angle")
def ergo_angle(
    prediction: Tensor, target: Tensor, skeleton: Skeleton, weights: Tensor | None = None
) -> Tensor:
    """Mean difference between predicted and true joint angles, radians."""
    (predicted, known), (true, also) = unit_angles(prediction, skeleton), unit_angles(target, skeleton)
    return mean_chord(predicted, true, known & also)


@register_loss("ergo_angle_velocity")
def ergo_angle_velocity(
    prediction: Tensor, target: Tensor, skeleton: Skeleton, weights: Tensor | None = None
) -> Tensor:
    """Mean difference between predicted and true change of joint angles per frame, radians."""
    (predicted, known), (true, also) = unit_angles(prediction, skeleton), unit_angles(target, skeleton)
    known = known & also
    return mean_chord(turned(predicted), turned(true), known[..., 1:] & known[..., :-1])
