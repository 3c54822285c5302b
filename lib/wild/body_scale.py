"""Metres per px of a lifted person, from the lengths of limbs against published body proportions.

Letters: F frames, J joints, B bones.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

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
    """Bones of a format with a published length: joints (B,2) and fractions of stature (B,).

    Legs and arms; for a hand alone the fingers (Buchholz et al. 1992, a hand being 0.108 of stature); B = 0 for
    a format with neither.
    """
    body = {
        (f"{side}_{a}", f"{side}_{b}"): share for side in ("left", "right") for (a, b), share in _BODY.items()
    }
    hand = {
        tuple(f"{side}{joint if joint == 'hand_wrist' else f'{finger}_{joint}'}" for joint in pair): share
        * DRILLIS_CONTINI["hand"]
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

    confidence (F,J) weighs the bones. Without a stature the unit is the person's own height. A format without
    limbs of known proportion gets the length of all its limbs together as the unit, and refuses a stature
    (``UserError``).
    """
    bones, shares = body_bones(skeleton)
    if not len(bones):
        if stature_m is not None:
            raise UserError(
                f"a stature of {stature_m:g} m cannot scale {skeleton.name}, which has no legs, arms or "
                "fingers: leave --stature out for arbitrary units"
            )
        bones = skeleton.limb_idx
    length_px = np.linalg.norm(np.diff(joints_px[:, bones], axis=2)[:, :, 0], axis=-1)
    if not len(shares):
        typical = np.median(length_px, axis=0)
        shares = typical / max(typical.sum(), 1e-9)
    used = shares > 0
    weights = (0.05 + confidence[:, bones].min(-1))[:, used] * shares[used]
    # in logarithms, so that a bone twice too long and one half as long are the same mistake
    scale = np.log(shares[used]) - np.log(np.maximum(length_px[:, used], 1e-6))
    level = _weighted_median(scale, weights)
    # A person's own proportions, and where a model puts the hips, are constant: out of the way, so that the
    # median does not jump from bone to bone.
    own = np.median(scale - level[:, None], axis=0)
    level = _weighted_median(scale - own, weights) + np.average(own, weights=weights.sum(0))
    seen = weights.sum(-1)
    smooth = [slow_curve(level[part], seen[part], SMOOTHING_S * fps) for part in segments]
    return np.exp(np.concatenate(smooth)) * (stature_m or 1.0)


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted median (F,) of values (F,B)."""
    order = np.argsort(values, axis=1)
    below = np.cumsum(np.take_along_axis(weights, order, 1), axis=1)
    middle = (below < 0.5 * below[:, -1:]).sum(axis=1)
    return np.take_along_axis(np.take_along_axis(values, order, 1), middle[:, None], 1)[:, 0]
