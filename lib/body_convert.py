"""Motion of one body model as motion of another, and how far apart the two are.

Letters: F frames, Q points to fit, K body joints, B shape components; s the source body, t the target.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from lib.body_fit import BodyFit
from lib.body_match import Body, Match, copied_rotations
from lib.geometry import axis_angle_to_matrix, matrix_to_axis_angle

SHAPE_FRAMES = 48  # of one person, spread over its frames, settle its shape
COARSE_POINTS = 1500  # a fit begins on about so many points
FINE_STEPS = 2  # and ends with so many steps on all
BATCH = {"cpu": 64, "cuda": 512}  # frames


class Converted(NamedTuple):
    """Motion of the target body."""

    pose: Tensor
    """(F,Kt*3) axis-angle."""
    shape: Tensor
    """(F,Bt)"""
    shift: Tensor
    """(F,3) metres, from the translation of the source to that of the target."""
    error_mm: Tensor
    """(F,) mean distance of the points to fit."""
    followed_mm: Tensor
    """(F,) the same, each point weighted as in the fit: without what the target cannot follow."""
    largest_mm: Tensor
    """(F,) largest distance of a point."""


def convert_motion(
    source: Body,
    target: Body,
    match: Match,
    pose: Tensor,
    shape: Tensor,
    progress: Callable[[int], object] = lambda frames: None,
) -> Converted:
    """Motion of the source, pose (F,Ks*3) axis-angle and shape (F,Bs), as motion of the target.

    All tensors on one device. Frames of one source shape get one target shape, settled on at most
    ``SHAPE_FRAMES`` of them. ``progress`` is told how many frames are done, each time that some are.
    """
    groups = torch.unique(shape, dim=0, return_inverse=True)[1]
    size = BATCH[pose.device.type]
    new_shape = shape.new_zeros(len(shape), target.points.num_betas)
    made = Converted(
        pose.new_empty(len(pose), 3 * target.points.num_joints),
        new_shape,
        *(shape.new_empty(len(shape), 3), *shape.new_empty(3, len(shape))),
    )

    def convert(frames: Tensor, **options: object) -> None:
        rotations = axis_angle_to_matrix(pose[frames].unflatten(1, (-1, 3)))
        goal = match.goal(source.points(rotations, shape[frames]))
        start = copied_rotations(source, target, rotations)
        fit = _coarse_to_fine(match, goal, start, new_shape[frames], options)
        distances_mm = 1e3 * (match.target(fit.rotations, fit.shape) + fit.shift[:, None] - goal).norm(dim=-1)
        weighted = distances_mm @ match.weights / match.weights.sum()
        turns = matrix_to_axis_angle(fit.rotations).flatten(1)
        results = Converted(turns, fit.shape, fit.shift, distances_mm.mean(1), weighted, distances_mm.amax(1))
        for array, values in zip(made, results, strict=True):
            array[frames] = values
        progress(len(frames))

    sampled, batches = _samples(groups, size)
    for frames in batches:
        convert(frames, groups=torch.unique(groups[frames], return_inverse=True)[1])
    # a shape for each group, from any of its sampled frames
    of_group = new_shape.new_empty(int(groups.max()) + 1, new_shape.shape[1])
    of_group[groups[sampled]] = new_shape[sampled]
    new_shape.copy_(of_group[groups])
    for frames in (~sampled).nonzero()[:, 0].split(size):
        if len(frames):
            convert(frames, keep_shape=True)
    return made


def _samples(groups: Tensor, size: int) -> tuple[Tensor, list[Tensor]]:
    """At most ``SHAPE_FRAMES`` frames of each group, evenly spread: as a mask, and in batches of whole groups."""
    order = groups.argsort(stable=True)
    counts = torch.bincount(groups)
    rank = torch.arange(len(groups), device=groups.device) - (counts.cumsum(0) - counts)[groups[order]]
    chosen = order[rank * SHAPE_FRAMES % counts[groups[order]] < SHAPE_FRAMES]
    counts = counts.clamp(max=SHAPE_FRAMES)
    batch = ((counts.cumsum(0) - counts) // size)[groups[chosen]]
    mask = torch.zeros(len(groups), dtype=torch.bool, device=groups.device)
    mask[chosen] = True
    return mask, list(chosen.split(torch.unique_consecutive(batch, return_counts=True)[1].tolist()))


def _coarse_to_fine(
    match: Match, goal: Tensor, start: Tensor, shape: Tensor, options: dict[str, object]
) -> BodyFit:
    """Fit to every so many points, then some steps on all of them."""
    step = len(match.weights) // COARSE_POINTS
    if step < 2:
        return match.fit(goal, start, shape=shape, **options)
    few = torch.arange(0, len(match.weights), step, device=goal.device)
    coarse = match._replace(target=match.target.take(few), weights=match.weights[few])
    found = coarse.fit(goal[:, few], start, shape=shape, **options)
    return match.fit(goal, found.rotations, shape=found.shape, iterations=FINE_STEPS, **options)
