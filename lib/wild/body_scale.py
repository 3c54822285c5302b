"""Metres per px of a lifted person, from the lengths of limbs against published body proportions.

Letters: F frames, J joints, B bones.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np

from lib.data.worker.anthropometry import DRILLIS_CONTINI, FINGER_FRACTIONS
from lib.errors import UserError
from lib.skeleton import Skeleton
from lib.wild.slow_curve import slow_curve

SMOOTHING_S = 0.35  # standard deviation of the Gaussian window: about 0.8 s wide at half height

# Lengths as fractions of stature: Drillis & Contini (1966) in Winter, Biomechanics and Motor Control of Human
# Movement, 4th ed. 2009, figure 4.1.
_BODY = {
    ("hip", "knee"): DRILLIS_CONTINI["hip_height"] - DRILLIS_CONTINI["knee_height"],
    ("knee", "ankle"): DRILLIS_CONTINI["knee_height"] - DRILLIS_CONTINI["ankle_height"],
    ("shoulder", "elbow"): DRILLIS_CONTINI["upper_arm"],
    ("elbow", "wrist"): DRILLIS_CONTINI["forearm"],
}
_FINGER_JOINTS = ("hand_wrist", "mcp", "pip", "dip", "tip")


def body_bones(skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Bones of a format with a published length: joints (B,2) and fractions (B,) of the stature.

    Legs and arms; for hands alone the fingers, as fractions of the hand's length (Buchholz et al. 1992); B = 0 for a
    format with neither.
    """
    body = {
        (f"{side}_{a}", f"{side}_{b}"): share for side in ("left", "right") for (a, b), share in _BODY.items()
    }
    hand = {
        tuple(f"{side}{joint if joint == 'hand_wrist' else f'{finger}_{joint}'}" for joint in pair): share
        for side in ("", "left_", "right_")
        for finger, shares in FINGER_FRACTIONS.items()
        if finger != "thumb"
        for pair, share in zip(pairwise(_FINGER_JOINTS), shares, strict=True)
    }
    for table in (body, hand):
        found = {
            (skeleton.index_canonical(a), skeleton.index_canonical(b)): share
            for (a, b), share in table.items()
        }
        found = {pair: share for pair, share in found.items() if None not in pair}
        if found:
            return np.array(list(found), np.int64), np.array(list(found.values()))
    return np.zeros((0, 2), np.int64), np.zeros(0)


def body_scale(
    joints_px: np.ndarray,
    confidence: np.ndarray,
    skeleton: Skeleton,
    segments: Sequence[slice],
    *,
    fps: float,
    stature_m: float | None,
) -> np.ndarray:
    """Metres per px (F,) of joints (F,J,3) px, one factor for all axes, smooth within each segment of frames.

    confidence (F,J) weighs the bones; those that end in NaN do not count. Without a stature the unit is the person's
    own height; of hands alone ``stature_m`` is the hand's length, and the unit without it. A person of whom no limb
    of known proportion is seen gets the length of all limbs together as the unit, and no stature (``UserError``).
    """
    bones, shares = body_bones(skeleton)
    proportions_known = np.isfinite(_lengths(joints_px, bones)).any()
    if not proportions_known:
        if stature_m is not None:
            raise UserError(
                f"a length of {stature_m:g} m cannot scale {skeleton.name} here: no leg, arm or finger is seen; "
                "leave --stature and --hand_length out for arbitrary units"
            )
        bones = skeleton.limb_idx
        shares = np.ones(len(bones))
    length_px = _lengths(joints_px, bones)
    used = (length_px > 0).any(0)
    if not used.any():
        return np.full(len(joints_px), stature_m or 1.0)
    bones, shares, length_px = bones[used], shares[used], length_px[:, used]
    if not proportions_known:
        typical = np.maximum(np.nanmedian(length_px, axis=0), 1e-9)
        shares = typical / typical.sum()
    weights = np.where(np.isfinite(length_px), 0.05 + confidence[:, bones].min(-1), 0.0) * shares
    # in logarithms, so that a bone twice too long and one half as long are the same mistake
    scale = np.log(shares) - np.log(np.maximum(np.nan_to_num(length_px, nan=1.0), 1e-6))
    level = weighted_median(scale - _own_proportions(scale, weights), weights)
    seen = weights.sum(-1)
    smooth = np.concatenate([slow_curve(level[part], seen[part], SMOOTHING_S * fps) for part in segments])
    # a stretch without any such limb has the scale of the others
    smooth[np.isnan(smooth)] = np.nanmedian(smooth)
    return np.exp(smooth) * (stature_m or 1.0)


def _lengths(joints_px: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """(F,B) px, NaN where an end is."""
    return np.linalg.norm(joints_px[:, bones[:, 0]] - joints_px[:, bones[:, 1]], axis=-1)


def _own_proportions(scale: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """By how much each bone's scale (F,B) always differs (B,) from that of all, 0 on weighted average.

    A person's own proportions, and where a model puts the hips: out of the way, so that the median does not jump from
    bone to bone, nor where bones go out of sight. Least squares over the medians of pairs in frames with both.
    """
    counts, differences = np.zeros((2, scale.shape[1], scale.shape[1]))
    for first, second in combinations(range(scale.shape[1]), 2):
        both = (weights[:, first] > 0) & (weights[:, second] > 0)
        if both.any():
            counts[first, second] = counts[second, first] = both.sum()
            differences[first, second] = np.median(scale[both, first] - scale[both, second])
            differences[second, first] = -differences[first, second]
    own = np.linalg.pinv(np.diag(counts.sum(1)) - counts) @ (counts * differences).sum(1)
    return own - np.average(own, weights=weights.sum(0))


def weighted_median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted median (F,) of values (F,B)."""
    order = np.argsort(values, axis=1, kind="stable")
    below = np.cumsum(np.take_along_axis(weights, order, 1), axis=1)
    middle = (below < 0.5 * below[:, -1:]).sum(axis=1)
    return np.take_along_axis(np.take_along_axis(values, order, 1), middle[:, None], 1)[:, 0]
