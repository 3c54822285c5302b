"""Pose and shape of a body model that fit given points: vertices, joints, or any fixed mix of the two.

Levenberg-Marquardt on the exact derivatives of linear blend skinning, all frames at once; frames of one person
share their shape. Letters: N frames, P points, K body joints, B shape components, D = 3K + 3 unknowns of a
frame (a turn of each joint about the three world axes, then the shift), G groups of frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from lib.body_points import MovingPoints
from lib.geometry import axis_angle_to_matrix, matrix_to_axis_angle

# Points of a chunk of frames; their derivatives, and what these are made of, take about 3 kB each.
_POINTS_AT_ONCE = {"cpu": 40_000, "cuda": 1_000_000}
# Change of the damping after a step that lowers the cost, and after one that does not.
_EASED, _RAISED = 0.1, 10.0
_SETTLED = 1e-3  # relative change of the cost
_SMALLEST = 1e-12  # square metres; keeps solvable the turn of a joint that moves no point


class BodyFit(NamedTuple):
    """Where a body stands."""

    rotations: Tensor
    """(N,K,3,3)"""
    shape: Tensor
    """(N,B)"""
    shift: Tensor
    """(N,3) metres, added to every point."""


def fit_body(
    points: MovingPoints,
    target: Tensor,
    *,
    weights: Tensor | None = None,
    rotations: Tensor | None = None,
    shape: Tensor | None = None,
    groups: Tensor | None = None,
    keep_shape: bool = False,
    pose_prior_mm: float = 0.1,
    shape_prior_mm: float = 0.1,
    iterations: int = 20,
) -> BodyFit:
    """Rotations, shape and shift with which ``points`` lie closest to ``target`` (N,P,3), in metres.

    ``weights`` (P,) of the squared distances. The start is ``rotations`` (N,K,3,3), or else each part turned
    by itself (for points that are no mix), and ``shape`` (N,B), or else the mean shape. Turning a joint by a
    radian from the start, or one unit of a shape component, costs as much as so many mm of distance at every
    point. Frames of one number in ``groups`` (N,), all if None, get one shape; with ``keep_shape`` each frame
    keeps that of the start.
    """
    if shape is None:
        shape = target.new_zeros(len(target), points.num_betas)
    if rotations is None:
        rotations = points.part_rotations(target, shape)
    if keep_shape:
        groups = torch.arange(len(target), device=target.device)
    elif groups is None:
        groups = torch.zeros(len(target), dtype=torch.long, device=target.device)
    weights = torch.ones_like(target[0, :, 0]) if weights is None else weights
    priors = (1e-3 * pose_prior_mm) ** 2, (1e-3 * shape_prior_mm) ** 2
    problem = _Problem(points, target, weights / weights.sum(), rotations, groups, keep_shape, *priors)

    fit = BodyFit(rotations, shape, torch.zeros_like(target[:, 0]))
    fit = fit._replace(shift=torch.einsum("npa,p->na", target - problem.positions(fit), problem.weights))
    cost = problem.cost(fit)
    damping = torch.full_like(cost, 1e-3)
    for _ in range(iterations):
        trial = problem.step(fit, damping)
        trial_cost = problem.cost(trial)
        better = trial_cost < cost
        fit = BodyFit(*(_choose(better[groups], new, old) for new, old in zip(trial, fit, strict=True)))
        settled = (cost - trial_cost).abs() <= _SETTLED * cost
        cost = torch.where(better, trial_cost, cost)
        damping = damping * torch.where(better, _EASED, _RAISED)
        if settled.all():
            break
    return fit


def _choose(chosen: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(chosen.view(-1, *[1] * (old.ndim - 1)), new, old)


@dataclass(frozen=True)
class _Problem:
    points: MovingPoints
    target: Tensor
    weights: Tensor
    start: Tensor
    groups: Tensor
    keep_shape: bool
    pose_prior: float
    shape_prior: float

    def _chunks(self) -> list[slice]:
        size = max(1, _POINTS_AT_ONCE[self.target.device.type] // len(self.points.template))
        return [slice(first, first + size) for first in range(0, len(self.target), size)]

    def positions(self, fit: BodyFit) -> Tensor:
        parts = [self.points(fit.rotations[rows], fit.shape[rows]) for rows in self._chunks()]
        return torch.cat(parts) + fit.shift[:, None]

    def _by_group(self, values: Tensor) -> Tensor:
        count = int(self.groups.max()) + 1
        return values.new_zeros(count, *values.shape[1:]).index_add_(0, self.groups, values)

    def turned(self, fit: BodyFit) -> Tensor:
        """(N,K,3) turn of each joint since the start, in the axes of its parent."""
        return matrix_to_axis_angle(fit.rotations @ self.start.mT)

    def cost(self, fit: BodyFit) -> Tensor:
        """(G,) square metres."""
        squares = (self.positions(fit) - self.target).square().sum(-1) @ self.weights
        squares = squares + self.pose_prior * self.turned(fit).square().sum((1, 2))
        squares = squares + self.shape_prior * fit.shape.square().sum(1)
        return self._by_group(squares)

    def step(self, fit: BodyFit, damping: Tensor) -> BodyFit:
        """The solution of the damped normal equations; ``damping`` (G,) is relative to their diagonal."""
        world = self.points.world_rotations(fit.rotations)
        above = torch.cat(
            [torch.eye(3).to(world).expand_as(world[:, :1]), world[:, self.points.parents[1:]]], 1
        )
        squares = self._squares(fit)
        size = 3 * self.points.num_joints + 3
        priors = torch.full_like(squares[0, :-1, 0], self.shape_prior)
        priors[: size - 3], priors[size - 3 : size] = self.pose_prior, 0
        diagonal = squares.diagonal(dim1=1, dim2=2)[:, :-1]
        diagonal += priors + damping[self.groups, None] * diagonal + _SMALLEST
        squares[:, : size - 3, -1] -= self.pose_prior * (above @ self.turned(fit)[..., None]).flatten(1)
        if not self.keep_shape:
            squares[:, size:-1, -1] -= self.shape_prior * fit.shape
        # How each frame answers the error, and a change of the shape; what is left over decides on the shape.
        answers = torch.linalg.solve(squares[:, :size, :size], squares[:, :size, size:])
        left = self._by_group(squares[:, size:-1, size:] - squares[:, size:-1, :size] @ answers)
        by_shape = torch.linalg.solve(left[..., :-1], left[..., -1:])[self.groups]
        change = (answers[..., -1:] - answers[..., :-1] @ by_shape)[..., 0].to(fit.shift)
        turns = (above.mT @ change[:, :-3].unflatten(1, (-1, 3, 1)))[..., 0]
        shape = fit.shape if self.keep_shape else fit.shape + by_shape[..., 0].to(fit.shape)
        return BodyFit(axis_angle_to_matrix(turns) @ fit.rotations, shape, fit.shift + change[:, -3:])

    def _squares(self, fit: BodyFit) -> Tensor:
        """(N, D + B + 1, D + B + 1): products of the derivatives (B only if the shape is free) and the error."""
        roots = self.weights.sqrt()[:, None, None]
        parts = []
        for rows in self._chunks():
            at, by_pose, by_shape = self.points.derivatives(fit.rotations[rows], fit.shape[rows])
            error = (self.target[rows] - at - fit.shift[rows, None])[..., None]
            columns = [by_pose, error] if self.keep_shape else [by_pose, by_shape, error]
            columns = (roots * torch.cat(columns, -1)).flatten(1, 2)
            parts.append((columns.mT @ columns).double())  # what follows needs the digits
        return torch.cat(parts)
