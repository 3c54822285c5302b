"""Ergonomic joint angles of any joint format, differentiable; defined in ``configs/angles``, see docs/angles.md.

Letters: N clips, T frames of a clip, F frames of a set, J joints, A angles.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from lib.angle_definitions import CONVENTIONS, angles_of
from lib.angle_index import build_plan, standing, upright
from lib.angle_plan import Plan
from lib.errors import UserError
from lib.skeleton import Skeleton

__all__ = ["CONVENTIONS", "angle_names", "angle_plan", "approximate_angles", "joint_angles", "missing_angles"]

FRAMES_AT_ONCE = 1 << 14  # of a long video, so that memory does not grow with it

Array = TypeVar("Array", np.ndarray, Tensor)


def joint_angles(
    x: Array, skeleton: Skeleton, *, up: Any = None, convention: str = "paper", zero_posture: bool = True
) -> dict[str, Array]:
    """Joint angles by name, each (N,T) radians, of joints x (N,T,J,3) or (F,J,3) in any right-handed axes and unit.

    Only the angles that the format has; NaN where an angle is undefined. ``up``, (3,) or (...,3) as x without its
    joints, is needed for angles against the vertical, which are left out without it. ``convention`` of the shoulder:
    "paper" (flexion, abduction) or "VEHS" (elevation, horizontal abduction). ``zero_posture`` False leaves angles as
    the points give them: not counted from the zero posture of the built-in body. Tensor in, tensor out, differentiable.
    """
    given = x if isinstance(x, Tensor) else torch.from_numpy(np.array(x, order="C"))
    if given.ndim < 2 or given.shape[-2:] != (skeleton.num_joints, 3):
        expected = f"(..., {skeleton.num_joints}, 3)"
        raise UserError(f"joint angles of {skeleton.name} need joints {expected}, given {tuple(x.shape)}")
    joints = given if given.is_floating_point() and given.itemsize > 2 else given.float()
    flat = joints.reshape(-1, *joints.shape[-2:])
    vertical = None if up is None else _vertical(up, joints)
    plan, zero = angle_plan(skeleton, convention, up is not None, zero_posture, flat.device, flat.dtype)

    def angles(part: Tensor, part_up: Tensor | None) -> Tensor:
        cosine, sine, known = plan.angles(part, part_up)
        raw = torch.atan2(torch.where(known, sine, 0.0), torch.where(known, cosine, 1.0))
        return torch.where(known, wrap(raw - zero), math.nan)

    if flat.requires_grad and torch.is_grad_enabled():
        found = angles(flat, vertical)
    else:
        cuts = [slice(start, start + FRAMES_AT_ONCE) for start in range(0, max(len(flat), 1), FRAMES_AT_ONCE)]
        found = torch.cat(
            [angles(flat[cut], None if vertical is None else vertical[cut]) for cut in cuts], dim=1
        )
    names = angle_names(skeleton, convention, up=up is not None)
    found = found.view(len(names), *joints.shape[:-2])
    return dict(zip(names, found.unbind(0) if isinstance(x, Tensor) else list(found.numpy()), strict=True))


def _vertical(up: Any, joints: Tensor) -> Tensor:
    """Up (M,3) of each frame of joints (...,J,3)."""
    vertical = torch.as_tensor(np.array(up) if not isinstance(up, Tensor) else up).to(joints)
    try:
        return vertical.expand(*joints.shape[:-2], 3).reshape(-1, 3)
    except RuntimeError as error:
        expected = f"(3,) or {(*joints.shape[:-2], 3)}"
        raise UserError(f"joint angles: 'up' must be {expected}, given {tuple(vertical.shape)}") from error


def wrap(angle: Tensor) -> Tensor:
    """Angle in radians brought to within half a turn of 0."""
    return angle - 2 * math.pi * torch.round(angle.detach() / (2 * math.pi))


def angle_names(skeleton: Skeleton, convention: str = "paper", *, up: bool = True) -> tuple[str, ...]:
    """Names of the angles that a format has; without ``up`` those that need no vertical."""
    return tuple(angle.name for angle in angles_of(skeleton, convention, up)[0])


def approximate_angles(skeleton: Skeleton, convention: str = "paper") -> tuple[str, ...]:
    """Names of the angles for which the format lacks the points of the definition and others stand in."""
    return tuple(angle.name for angle in angles_of(skeleton, convention, True)[0] if angle.approximate)


def missing_angles(skeleton: Skeleton, convention: str = "paper", *, up: bool = True) -> dict[str, str]:
    """Name and reason of each angle that a format does not have."""
    return dict(angles_of(skeleton, convention, up)[1])


@lru_cache(maxsize=64)
def angle_plan(
    skeleton: Skeleton,
    convention: str,
    up: bool,
    zero_posture: bool = True,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> tuple[Plan, Tensor]:
    """Index arrays of all angles of a format, and the angle (A,1) in radians that counts as zero."""
    angles, _ = angles_of(skeleton, convention, up)
    plan = build_plan(angles, skeleton.num_joints)
    zero = torch.tensor([math.radians(angle.zero_deg) for angle in angles], dtype=torch.float64)[:, None]
    if zero_posture:
        joints = standing(skeleton)[None]
        vertical = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
        plan = build_plan(angles, skeleton.num_joints, upright(angles, plan, joints, vertical))
        cosine, sine, known = plan.angles(joints, vertical)
        zero = torch.where(known, torch.atan2(sine, cosine), zero)
    return plan.to(device, dtype), zero.to(device, dtype)
