"""Rotations, alignment, flips and projection of points.

Every function takes torch tensors (any device, differentiable) or numpy arrays and returns the same kind.
Leading dimensions are free, written ``...``. Quaternions are (w, x, y, z); a rotation matrix acts on column
vectors; angles are radians.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Array = TypeVar("Array", np.ndarray, Tensor)


def for_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: a function of tensors that also takes numpy arrays; given only those, it returns them."""

    @functools.wraps(function)
    def wrapper(*arguments: Any) -> Any:
        like = next((argument for argument in arguments if isinstance(argument, Tensor)), None)
        tensors = [
            argument if isinstance(argument, Tensor) else _as_tensor(argument, like) for argument in arguments
        ]
        if like is not None:
            return function(*tensors)
        with torch.no_grad():
            result = function(*tensors)
        return tuple(part.numpy() for part in result) if isinstance(result, tuple) else result.numpy()

    return wrapper


def _as_tensor(array: Any, like: Tensor | None) -> Tensor:
    """A copy (read-only arrays and all strides will do), on the device and in the precision of ``like``."""
    tensor = torch.from_numpy(np.array(array, order="C"))
    if like is None:
        return tensor
    return tensor.to(like.device, like.dtype if tensor.is_floating_point() else None)


@for_arrays
def rot6d_to_matrix(rot6d: Array) -> Array:
    """Rotation matrix (...,3,3) of the 6D representation (...,6) of Zhou et al. (CVPR 2019).

    The six numbers are the first two columns, row by row, in any length and at any angle. Columns of no
    length or in line give a finite matrix that is no rotation.
    """
    first, second = rot6d.reshape(*rot6d.shape[:-1], 3, 2).unbind(-1)
    x = F.normalize(first, dim=-1, eps=1e-6)
    y = F.normalize(second - (x * second).sum(-1, keepdim=True) * x, dim=-1, eps=1e-6)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1)


@for_arrays
def matrix_to_rot6d(matrix: Array) -> Array:
    """6D representation (...,6) of a rotation matrix (...,3,3): its first two columns, row by row."""
    return matrix[..., :2].reshape(*matrix.shape[:-2], 6)


@for_arrays
def axis_angle_to_matrix(axis_angle: Array) -> Array:
    """Rotation matrix (...,3,3) of an axis-angle vector (...,3) (Rodrigues); exact and smooth at zero."""
    square = axis_angle.square().sum(-1, keepdim=True).unsqueeze(-1)
    small = square < 1e-8
    angle = torch.where(small, torch.ones_like(square), square).sqrt()  # the root has no gradient at 0
    sine = torch.where(small, 1 - square / 6, angle.sin() / angle)
    versine = torch.where(small, 0.5 - square / 24, 2 * ((angle / 2).sin() / angle).square())
    cross = cross_matrix(axis_angle)
    return torch.eye(3, dtype=cross.dtype, device=cross.device) + sine * cross + versine * (cross @ cross)


@for_arrays
def cross_matrix(vector: Array) -> Array:
    """Matrix (...,3,3) whose product with u is the cross product of ``vector`` (...,3) and u."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))


@for_arrays
def quaternion_to_matrix(quaternion: Array) -> Array:
    """Rotation matrix (...,3,3) of a quaternion (...,4) of any length but zero."""
    w, x, y, z = F.normalize(quaternion, dim=-1).unbind(-1)
    rows = [
        w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z,
    ]  # fmt: skip
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


@for_arrays
def matrix_to_quaternion(matrix: Array) -> Array:
    """Unit quaternion (...,4), w >= 0, of a rotation matrix (...,3,3) (Shepperd 1978)."""
    m = matrix
    d0, d1, d2 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    squares = torch.stack([1 + d0 + d1 + d2, 1 + d0 - d1 - d2, 1 - d0 + d1 - d2, 1 - d0 - d1 + d2], dim=-1)
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 1, 0] + m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 2, 1] + m[..., 1, 2]
    # Row i is 4 * q_i * q: the row of the largest component never divides by a small number.
    rows = [squares[..., 0], wx, wy, wz, wx, squares[..., 1], xy, xz]
    rows += [wy, xy, squares[..., 2], yz, wz, xz, yz, squares[..., 3]]
    table = torch.stack(rows, dim=-1).unflatten(-1, (4, 4))
    largest = squares.argmax(-1)[..., None, None].expand(*matrix.shape[:-2], 1, 4)
    quaternion = F.normalize(table.gather(-2, largest).squeeze(-2), dim=-1)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)


@for_arrays
def quaternion_to_axis_angle(quaternion: Array) -> Array:
    """Axis-angle vector (...,3), at most pi long, of a unit quaternion (...,4); smooth at the identity."""
    quaternion = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    cosine, axis = quaternion[..., :1], quaternion[..., 1:]
    square = axis.square().sum(-1, keepdim=True)
    small = square < 1e-8
    sine = torch.where(small, torch.ones_like(square), square).sqrt()
    return axis * torch.where(small, 2 + square / 3, 2 * torch.atan2(sine, cosine) / sine)


@for_arrays
def matrix_to_axis_angle(matrix: Array) -> Array:
    """Axis-angle vector (...,3), at most pi long, of a rotation matrix (...,3,3)."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrix))


@for_arrays
def similarity_transform(source: Array, target: Array) -> tuple[Array, Array, Array]:
    """Scale (...,), rotation (...,3,3) and shift (...,3) with least squared error (Umeyama 1991).

    ``target ~ scale * rotation @ source + shift`` for points (...,P,3). The rotation is proper. Points that
    all coincide give scale 0; points that are not finite give NaN.
    """
    source_mean, target_mean = source.mean(-2, keepdim=True), target.mean(-2, keepdim=True)
    centred = source - source_mean
    covariance = centred.mT @ (target - target_mean)
    finite = covariance.isfinite().all(-1).all(-1)
    left, values, right = torch.linalg.svd(torch.where(finite[..., None, None], covariance, 0))
    # A mirrored fit becomes a rotation by turning the axis of least spread round.
    sign = torch.ones_like(values)
    sign[..., 2] = torch.linalg.det(left @ right).sign()
    rotation = (right.mT * sign.unsqueeze(-2)) @ left.mT
    spread = centred.square().sum((-2, -1))
    scale = torch.where(spread > 0, (values * sign).sum(-1) / spread, 0)
    scale = torch.where(finite, scale, torch.nan)
    shift = target_mean - scale[..., None, None] * source_mean @ rotation.mT
    return scale, rotation, shift.squeeze(-2)


@for_arrays
def procrustes_align(source: Array, target: Array) -> Array:
    """Points ``source`` (...,P,3) scaled, rotated and shifted onto ``target`` (...,P,3) as well as can be."""
    scale, rotation, shift = similarity_transform(source, target)
    return scale[..., None, None] * source @ rotation.mT + shift.unsqueeze(-2)


@for_arrays
def flip_pose(joints: Array, flip_idx: Array) -> Array:
    """Pose (...,J,C) seen in a mirror: x (the first channel) negated, left and right joints swapped.

    ``flip_idx`` (J,) is ``Skeleton.flip_idx``; x must be 0 on the mirror.
    """
    flipped = joints.index_select(-2, flip_idx)
    return torch.cat([-flipped[..., :1], flipped[..., 1:]], dim=-1)


@for_arrays
def flip_axis_angle(axis_angle: Array, flip_idx: Array) -> Array:
    """Joint rotations (...,J,3), axis-angle, of the body in a mirror; ``flip_idx`` as in ``flip_pose``."""
    flipped = axis_angle.index_select(-2, flip_idx)
    return flipped * torch.tensor([1.0, -1.0, -1.0], dtype=flipped.dtype, device=flipped.device)


@for_arrays
def flip_rotations(rotation: Array, flip_idx: Array) -> Array:
    """Joint rotations (...,J,3,3) of the body in a mirror; ``flip_idx`` as in ``flip_pose``."""
    flipped = rotation.index_select(-3, flip_idx)
    sign = torch.tensor([-1.0, 1.0, 1.0], dtype=flipped.dtype, device=flipped.device)
    return flipped * sign[:, None] * sign


@for_arrays
def nearest_rotation(matrix: Array) -> Array:
    """Rotation (...,3,3) with least squared difference from a matrix (...,3,3)."""
    left, _, right = torch.linalg.svd(matrix)
    sign = torch.ones_like(left[..., 0, :])
    sign[..., 2] = torch.linalg.det(left @ right).sign()
    return (left * sign.unsqueeze(-2)) @ right


@for_arrays
def mean_rotation(rotations: Array) -> Array:
    """Rotation (...,3,3) with least summed squared difference from rotations (...,P,3,3) (Moakher 2002).

    Of two it is the one halfway; of two that are half a turn apart, one of both halfway.
    """
    if rotations.shape[-3] != 2:
        return nearest_rotation(rotations.mean(-3))
    first, second = matrix_to_quaternion(rotations).unbind(-2)  # the same, many times faster
    same_side = (first * second).sum(-1, keepdim=True) >= 0
    return quaternion_to_matrix(torch.where(same_side, first + second, first - second))


@for_arrays
def project(points: Array, focal_px: Array, center_px: Array) -> Array:
    """Image position (...,2) of camera points (...,3) through a pinhole; focal and centre (...,2) in px."""
    return points[..., :2] / points[..., 2:] * focal_px + center_px
