"""Evaluation of joint angles as a few big tensor operations, from index arrays that are built once.

Every angle is ``atan2(sine, cosine)`` of two dot products of unit vectors. The unit vectors stand in one table: first
directions between points, then the axes of frames made of two of them, then those of frames that use such an axis.

Letters: M frames of all clips, J joints, K directions, F frames of reference, R rows of the table, A angles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce

import torch
from torch import Tensor

NO_LENGTH = 1e-6  # directions shorter than this have no meaning, whatever the unit


@dataclass(frozen=True, eq=False)
class FrameLayer:
    """Frames of reference that are made from rows of the table so far."""

    vectors: Tensor
    """(2,F) rows of the axis that is kept as it is, and of the direction whose part across it is the second axis."""
    secondary_sign: Tensor
    """(F,1)"""
    apart: Tensor
    """(F,1) least squared sine between the two."""
    to_axes: Tensor
    """(F,3,3) x, y, z from first axis, second axis and their normal: order, handedness, zero posture."""


@dataclass(frozen=True, eq=False)
class Plan:
    """All angles of one joint format."""

    directions: Tensor
    """(K,J) weights that make each direction from the joints."""
    with_up: bool
    """Whether the row after the directions is the given vector ``up``."""
    layers: tuple[FrameLayer, ...]
    turn: Tensor
    """(3,A1) rows of the axis that counts as cosine, the axis that counts as sine, the vector."""
    turn_sign: Tensor
    """(2,A1,1)"""
    least: Tensor
    """(A1,1) least length of the vector's part in the plane of the two axes."""
    beyond: Tensor
    """(A1,1) cosine of the greatest turn that has a meaning."""
    pair: Tensor
    """(2,A2) rows of the vectors of an angle between two vectors."""
    pair_sign: Tensor
    """(A2,1)"""
    tilt: Tensor
    """(A2,1) bool: the angle counts from the plane across the second vector."""
    order: Tensor
    """(A,) place of each angle among first the turns, then the pairs."""

    def to(self, device: torch.device, dtype: torch.dtype) -> Plan:
        """The same on a device, in a precision."""

        def move(value: object) -> object:
            if isinstance(value, Tensor):
                return value.to(device, dtype if value.is_floating_point() else None)
            if isinstance(value, FrameLayer):
                return replace(value, **{key: move(part) for key, part in vars(value).items()})
            return tuple(move(part) for part in value) if isinstance(value, tuple) else value

        return replace(self, **{key: move(value) for key, value in vars(self).items()})

    def table(self, joints: Tensor, up: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Unit vectors (3,R,M) and whether they are defined (R,M), of joints (M,J,3) and up (M,3) or (3,).

        What is made of a joint that is NaN is not defined.
        """
        frames = len(joints)
        some_unknown = not bool(torch.isfinite(joints.detach().sum()))  # many times faster than one by one
        if some_unknown:
            unknown = ~torch.isfinite(joints).all(
                -1
            )  # (M,J); a sum would spread their NaN to every direction
            joints = torch.where(unknown[..., None], 0.0, joints)
        rows = self.directions @ joints.permute(2, 1, 0)
        if self.with_up:
            assert up is not None
            rows = torch.cat([rows, up.reshape(-1, 3).T.expand(3, frames)[:, None]], dim=1)
        square = dot(rows, rows)
        rows, defined = rows * square.clamp_min(NO_LENGTH**2).rsqrt(), square.detach() > NO_LENGTH**2
        if some_unknown:
            needed = (self.directions != 0).to(joints.dtype)
            defined[: len(needed)] &= needed @ unknown.T.to(joints.dtype) == 0
        for layer in self.layers:
            first, second = rows.index_select(1, layer.vectors.flatten()).chunk(2, dim=1)
            second = second * layer.secondary_sign
            cosine = dot(first, second)
            square = 1 - cosine.square()
            scale = torch.maximum(square, layer.apart).rsqrt()
            axes = [first, (second - cosine * first) * scale, cross(first, second) * scale]
            # one product for all frames: order of the axes, handedness and zero posture
            axes = layer.to_axes @ torch.stack(axes, dim=2)
            whole = every(defined, layer.vectors) & (square.detach() > layer.apart)
            rows = torch.cat([rows, axes.flatten(1, 2)], dim=1)
            defined = torch.cat([defined, whole.repeat_interleave(3, dim=0)])
        return rows, defined

    def angles(self, joints: Tensor, up: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Cosine and sine (A,M), in common not of length 1, and where the angle is defined (A,M)."""
        rows, defined = self.table(joints, up)
        # all vectors at once: each look-up of its own would cost a gradient as large as the table
        vectors = rows.index_select(1, torch.cat([self.turn.flatten(), self.pair.flatten()]))
        sizes = [self.turn.shape[1]] * 3 + [self.pair.shape[1]] * 2
        start, end, vector, one, other = vectors.split(sizes, dim=1)
        cosine, sine = dot(start, vector) * self.turn_sign[0], dot(end, vector) * self.turn_sign[1]
        length = (cosine.square() + sine.square()).detach().sqrt()
        known = every(defined, self.turn) & (length > self.least) & (cosine.detach() >= self.beyond * length)
        along = dot(one, other) * self.pair_sign
        normal = cross(one, other)
        across = dot(normal, normal).clamp_min(1e-14).sqrt()  # the root has no gradient at 0
        cosine = torch.cat([cosine, torch.where(self.tilt, across, along)])
        sine = torch.cat([sine, torch.where(self.tilt, along, across)])
        known = torch.cat([known, every(defined, self.pair)])
        return tuple(part.index_select(0, self.order) for part in (cosine, sine, known))


def every(defined: Tensor, rows: Tensor) -> Tensor:
    """Whether all those rows (N,A) of a table (R,M) are defined, (A,M); several times faster than ``all``."""
    return reduce(torch.bitwise_and, defined[rows].unbind(0))


def dot(one: Tensor, other: Tensor) -> Tensor:
    """Scalar products (...) of vectors (3,...)."""
    return (one * other).sum(0)


def cross(one: Tensor, other: Tensor) -> Tensor:
    """Vector products (3,...) of vectors (3,...); many times faster than torch's over any dimension but the last."""
    (a, b, c), (d, e, f) = one.unbind(0), other.unbind(0)
    return torch.stack([b * f - c * e, c * d - a * f, a * e - b * d])
