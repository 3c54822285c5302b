"""Left hands as right ones: mirrored across the sagittal plane, where the data tell which hand is which.

x is negated (image: w - x) and no joint changes its place, so that a hand that points forward still does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lib.data.checks import Finding, named
from lib.data.motion import Labels, Motion
from lib.errors import UserError
from lib.hands import hands_of, right_handedness
from lib.skeleton import Skeleton, load_skeleton

logger = logging.getLogger(__name__)

SIDES = ("left", "right")
CLEAR = 0.3
"""Handedness from which on a set of frames is clearly one hand or the other."""
SAMPLED_FRAMES = 2000


def format_side(skeleton: Skeleton) -> str | None:
    """Side that a format of one hand stands for: Hand-21 and Hand-21-right "right"; None without a single hand."""
    hands = hands_of(skeleton)
    return (hands[0] or "right") if len(hands) == 1 else None


def sides_of_frames(given: str | Sequence[Any] | np.ndarray, num_frames: int, where: str) -> np.ndarray:
    """Side of each frame (F,) as "left" or "right", from one word or one for each frame, in any case."""
    labels = Labels.of(given, num_frames)
    if len(labels) != num_frames:
        raise UserError(f"{where}: side has {len(labels)} entries for {num_frames} frames")
    words = [name.strip().lower() for name in labels.names]
    words = [{"l": "left", "r": "right"}.get(word, word) for word in words]
    if unknown := [name for name, word in zip(labels.names, words, strict=True) if word not in SIDES]:
        raise UserError(f"{where}: side '{unknown[0]}' is not known; allowed: left, right")
    return np.array(words)[labels.codes]


def told_sides(data: Mapping[str, Any], num_frames: int, where: str) -> np.ndarray | None:
    """Sides (F,) that a split of a data pickle tells: by its key ``side``, else by a ``joint_format`` of one side."""
    if data.get("side") is not None:
        return sides_of_frames(data["side"], num_frames, where)
    if data.get("joint_format") is None:
        return None
    hands = hands_of(load_skeleton(str(data["joint_format"])))
    return np.full(num_frames, hands[0]) if len(hands) == 1 and hands[0] else None


def with_hands_of_one_side(motion: Motion, sides: np.ndarray, mirror: bool) -> Motion:
    """The motion with the frames of the other side (F,) than its format's mirrored, if ``mirror``; the log says so.

    A format with both hands, or with none, keeps its frames as they are.
    """
    own = format_side(motion.skeleton)
    if own is None:
        return motion
    others = sides != own
    if others.any():
        did = "mirrored" if mirror else "left as they are (mirror_left: False)"
        other = SIDES[1 - SIDES.index(own)]
        logger.info(
            f"{motion.skeleton.name}: {int(others.sum())} of {len(others)} frames are of {other} hands, {did}"
        )
    return mirrored(motion, others) if mirror else motion


def mirrored(motion: Motion, frames: np.ndarray) -> Motion:
    """The motion with these frames (F,) bool as a mirror shows them; the camera's axis stays where it is."""
    width = motion.size_px[:, 0]

    def flipped(values: np.ndarray | None, from_px: np.ndarray | float) -> np.ndarray | None:
        if values is None:
            return None
        x = np.where(frames[:, None], np.asarray(from_px)[..., None] - values[..., 0], values[..., 0])
        return np.concatenate([x[..., None], values[..., 1:]], axis=-1)

    if not frames.any():
        return motion
    return replace(
        motion,
        joints_2d=flipped(motion.joints_2d, width),
        joints_image=flipped(motion.joints_image, width),
        joints_mm=flipped(motion.joints_mm, 0.0),
    )


def check_hand_sides(motion: Motion) -> Iterator[Finding]:
    """Sources whose labels are clearly hands of the other side than the format says."""
    hands = hands_of(motion.skeleton)
    if motion.joints_mm is None or not motion.num_frames:
        return
    some = np.unique(np.linspace(0, motion.num_frames - 1, SAMPLED_FRAMES).astype(int))
    for hand in hands:
        side = hand or "right"
        sign = 1 if side == "right" else -1
        looks = sign * right_handedness(motion.joints_mm[some], motion.skeleton, hand)
        source = motion.source[some]
        wrong = [name for name in source.present() if np.median(looks[source == name]) < -CLEAR]
        if wrong:
            yield Finding(
                "warning",
                "hand_side",
                f"{len(wrong)} sources look like hands of the other side than '{side}', which {motion.skeleton.name} "
                f"stands for: {named(wrong)}; name the side of each frame in the data (key side) to have them "
                "mirrored",
            )
