"""Keypoints that a detector did not find: confidence 0 at a plausible place instead of NaN."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lib.data.motion import Motion
from lib.errors import UserError

POLICIES = ("hold", "keep")


def fill_missing(motion: Motion, policy: str = "hold") -> Motion:
    """The motion with missing keypoints at confidence 0 and a finite place; a filled one stays as it is.

    Missing is a NaN, or a confidence of exactly 0 (MotionBERT's own data keep normal pixel values down to a
    confidence of 0.004). ``hold`` puts the joint where it was last seen in the video, before its first sight
    where it is first seen, and if it is never seen at the root: the mean of the root joints that have a place
    in that frame, else of all joints that have one, else the centre of the image. ``keep`` leaves finite pixel
    values of confidence 0 as they are and does the same for NaN.
    """
    if policy not in POLICIES:
        raise UserError(f"missing: '{policy}' is not known; allowed: {', '.join(POLICIES)}")
    if motion.missing is not None:
        return motion
    unseen = ~(motion.confidence > 0)
    lost = np.isnan(motion.joints_2d).any(-1)
    if not (unseen.any() or lost.any()):
        return replace(motion, missing=policy)
    confidence = np.where(unseen | lost, np.float32(0), motion.confidence)
    replaced = (unseen | lost) if policy == "hold" else lost
    xy = motion.joints_2d.copy()
    frame = np.arange(motion.num_frames)
    first, stop = np.repeat(motion.videos, motion.videos[:, 1] - motion.videos[:, 0], axis=0).T
    never = np.zeros_like(replaced)
    for joint in np.flatnonzero(replaced.any(0)):
        gone = replaced[:, joint]
        last_seen = np.maximum.accumulate(np.where(gone, -1, frame))
        next_seen = np.minimum.accumulate(np.where(gone, motion.num_frames, frame)[::-1])[::-1]
        source = np.where(last_seen >= first, last_seen, next_seen)
        never[:, joint] = source >= stop
        xy[:, joint] = xy[np.where(never[:, joint], frame, source), joint]
    if never.any():
        placed = ~never & (replaced | ~unseen)
        xy = np.where(never[..., None], _root_or_nearest(motion, xy, placed)[:, None], xy)
    return replace(motion, joints_2d=xy, confidence=confidence, missing=policy)


def _root_or_nearest(motion: Motion, xy: np.ndarray, placed: np.ndarray) -> np.ndarray:
    """(F,2) px: mean of the root joints that are ``placed`` (F,J), else of all those, else the image centre."""
    place = motion.size_px / 2
    for weight in (np.float32(placed), placed * motion.skeleton.root_weights):
        total = weight.sum(1, keepdims=True)
        mean = np.einsum("fj,fjc->fc", weight, np.where(placed[..., None], xy, 0)) / np.where(total, total, 1)
        place = np.where(total > 0, mean, place)
    return place
