"""Where the floor is, and when a foot stands on it.

World axes: y up. Lengths and heights are in units of the person's stature here; F frames, P points of a foot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import savgol_filter

from lib.data.worker.anthropometry import DRILLIS_CONTINI
from lib.skeleton import Skeleton
from lib.wild.slow_curve import slow_curve

# Height of each point over the sole as a fraction of stature. Ankle: Drillis & Contini (1966) in Winter, 4th ed.
# 2009; the others approximate, for a foot without a shoe.
_OVER_SOLE = {
    "ankle": DRILLIS_CONTINI["ankle_height"],
    "heel": 0.014,
    "foot_ball": 0.007,
    "toe_joint": 0.010,
    "toe_tip": 0.007,
    "big_toe": 0.007,
    "small_toe": 0.007,
}
# A point begins to stand when it is both low and slow, and stands until it is high or fast.
LOW, HIGH = 0.03, 0.06
SLOW_PER_S, FAST_PER_S = 0.25, 0.55
SPEED_S, DEPTH_WEIGHT = 0.2, 0.5
# The floor may seem to slope by a mistaken pitch or focal length, and to sway by noise in the depth.
SLOPE_SD, HEIGHT_SD = 0.1, 0.03
SWAY_S, SWAY = 1.0, 0.05
LEAST_TRUST = 0.05  # weight of a foot that was interpolated, against 1 of one that was seen for sure


@dataclass(frozen=True)
class Foot:
    """Joints of one foot (P,) and their heights over the sole (P,), as fractions of stature."""

    joints: np.ndarray
    over_sole: np.ndarray


def find_feet(skeleton: Skeleton) -> tuple[Foot, Foot] | None:
    """Left and right foot of a format; None if it lacks the points of a foot."""
    feet = []
    for side in ("left", "right"):
        points = {skeleton.index_canonical(f"{side}_{name}"): height for name, height in _OVER_SOLE.items()}
        points.pop(None, None)
        if not points:
            return None
        feet.append(Foot(np.array(list(points), np.int64), np.array(list(points.values()))))
    return feet[0], feet[1]


def floor_height(
    positions: np.ndarray,
    confidence: np.ndarray,
    root: np.ndarray,
    feet: tuple[Foot, Foot] | None,
    segments: Sequence[slice],
    *,
    fps: float,
) -> np.ndarray:
    """Height (F,) of the floor under positions (F,J,3) of a person of stature 1 with root (F,3).

    The floor lies where the lower of the slow feet usually is. It may slope along the root's path and sway a
    little, so that a person who walks with a mistaken pitch neither sinks nor rises. Without feet, or if they are
    never seen (NaN), it is the low end of the lowest joint. Feet of low confidence (F,J) count little.
    """
    joints = np.concatenate([foot.joints for foot in feet or ()] or [np.zeros(0, np.int64)])
    points = positions[:, joints]
    if feet is None or not np.isfinite(points).any():
        return np.full(len(positions), np.percentile(np.nanmin(positions[..., 1], axis=1), 5.0))
    height = points[..., 1] - np.concatenate([foot.over_sole for foot in feet])
    slow = _speed(points, segments, fps) < 0.5 * (SLOW_PER_S + FAST_PER_S)
    heights = np.where(slow, height, np.inf)
    lowest = heights.min(axis=1)
    standing = np.isfinite(lowest)
    known = np.isfinite(height).any(axis=1)
    if standing.sum() < 0.05 * known.sum():  # never still: whatever is low
        return np.full(len(positions), np.percentile(np.nanmin(height[known], axis=1), 10.0))
    trust = np.take_along_axis(confidence[:, joints], heights.argmin(axis=1)[:, None], 1)[:, 0]
    weights = np.where(standing, LEAST_TRUST + trust, 0.0)
    floor = _sloping_floor(np.where(standing, lowest, 0.0), weights, root, fps)
    rest = lowest - floor
    near = standing & (np.abs(rest) < SWAY)
    sway = [slow_curve(rest[part], (near * weights)[part], SWAY_S * fps) for part in segments]
    return floor + np.nan_to_num(np.clip(np.concatenate(sway), -SWAY, SWAY))


def foot_contacts(
    positions: np.ndarray, feet: tuple[Foot, Foot] | None, segments: Sequence[slice], *, fps: float
) -> np.ndarray:
    """(F,2) bool, left and right: a point of the foot is low over the floor at 0, and slow, with hysteresis.

    Positions (F,J,3) of a person of stature 1; a format without feet has no contacts, nor has a foot that is NaN.
    """
    contact = np.zeros((len(positions), 2), bool)
    for side, foot in enumerate(feet or ()):
        points = positions[:, foot.joints]
        height, speed = points[..., 1] - foot.over_sole, _speed(points, segments, fps)
        begins, stays = (height < LOW) & (speed < SLOW_PER_S), (height <= HIGH) & (speed <= FAST_PER_S)
        for part in segments:
            contact[part, side] = _hysteresis(begins[part], ~stays[part]).any(axis=1)
    return contact


def _sloping_floor(height: np.ndarray, weights: np.ndarray, root: np.ndarray, fps: float) -> np.ndarray:
    """Robust plane (F,) under the root's path; its slopes are held near 0 unless the path is long."""
    standing = weights > 0
    middle = np.median(height[standing])
    place = root[:, [0, 2]] - np.median(root[standing][:, [0, 2]], axis=0)
    design = np.column_stack([np.ones(len(root)), place])
    # frames of the same half second tell the same, so the prior weighs as much as that many
    prior = np.diag([0.0, 1.0, 1.0]) * (HEIGHT_SD / SLOPE_SD) ** 2 * fps / 2.0
    floor = np.full(len(root), middle)
    for _ in range(10):
        robust = weights / (1.0 + ((height - floor) / HEIGHT_SD) ** 2)
        solved = np.linalg.solve((design * robust[:, None]).T @ design + prior, design.T @ (robust * height))
        floor = design @ solved
    return floor


def _speed(points: np.ndarray, segments: Sequence[slice], fps: float) -> np.ndarray:
    """Speed (F,P) of points (F,P,3) per second: slope of straight lines over SPEED_S around each frame.

    Depth counts less: a mistaken focal length stretches the path in depth, so that standing feet seem to slide.
    NaN where the point is.
    """
    speed = np.zeros(points.shape[:2])
    known = np.isfinite(points).all(-1)
    points = points.copy()
    frame = np.arange(len(points))
    for point in np.flatnonzero(~known.all(0) & known.any(0)):  # bridged, so that neighbours have a speed
        have = known[:, point]
        for axis in range(3):
            points[:, point, axis] = np.interp(frame, frame[have], points[have, point, axis])
    points[:, ~known.any(0)] = 0.0
    for part in segments:
        frames = part.stop - part.start
        window = min(2 * max(1, round(0.5 * SPEED_S * fps)) + 1, frames - 1 + frames % 2)  # odd
        if window > 1:
            velocity = savgol_filter(points[part], window, 1, deriv=1, delta=1.0 / fps, axis=0)
            speed[part] = np.linalg.norm(velocity * [1.0, 1.0, DEPTH_WEIGHT], axis=-1)
    return np.where(known, speed, np.nan)


def _hysteresis(begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """State (F,P) that the last frame with a beginning or an end has left; false before the first."""
    number = np.arange(1, len(begins) + 1)[:, None]
    began, ended = (np.maximum.accumulate(np.where(event, number, 0), axis=0) for event in (begins, ends))
    return began > ended
