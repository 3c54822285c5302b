"""Hands in 3D: left ones mirrored into a model of right ones and back, and both joined to a body's wrists.

Letters: F frames, J joints of the body with its hands, H joints of a hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lib.data.hand_sides import mirrored
from lib.data.motion import Motion
from lib.skeleton import Skeleton
from lib.wild.hand_formats import (
    SIDES,
    WRIST,
    bare_hand,
    hand_union,
    joints_of_hand,
    side_lifted,
    sided_hand,
)
from lib.wild.lift import Lifter, lift
from lib.wild.records import Flag, Track

GAP_S = 0.2
"""Longest time over which hands on a body are interpolated: fingers are faster than limbs."""


IN_BOX = 0.5
"""Size of a hand in the box around its track, as in training."""


class LiftedHand(NamedTuple):
    """One hand of a person: ``joints_image`` of its motion filled, frames (F,) of the video, flags (F,H)."""

    motion: Motion
    frames: np.ndarray
    flag: np.ndarray


def lift_hand(
    model: Lifter, motion: Motion, side: str | None, *, progress: Callable[[int], None] | None = None
) -> Motion:
    """``lib.wild.lift.lift`` of one hand of a side, mirrored if the model takes the other one, and mirrored back.

    A model of poses around their root that sees the box around the whole track is shown a hand that stays where it is,
    more or less: on a person who walks through the picture it would be a dot in that box. The result's format says the
    side; without one the hand counts as of the model's side, and the format stays.
    """
    steps = path_to_remove(motion) if model.rootrel and model.scale == "box" else np.zeros((1, 2))
    shown = replace(motion, joints_2d=motion.joints_2d - steps[:, None])
    is_other_side = side is not None and side != side_lifted(model.skeleton)
    lifted = lift(model, mirror(shown) if is_other_side else shown, progress=progress)
    lifted = mirror(lifted) if is_other_side else lifted
    assert lifted.joints_image is not None
    return replace(
        lifted,
        joints_2d=motion.joints_2d,
        joints_image=lifted.joints_image + np.pad(steps, ((0, 0), (0, 1)))[:, None],
        skeleton=sided_hand(model.skeleton, side) if side else model.skeleton,
    )


def path_to_remove(motion: Motion) -> np.ndarray:
    """Steps (F,2) px, less which a hand fills ``IN_BOX`` of the box around its frames; 0 where it does already."""
    points = motion.joints_2d.astype(np.float64)
    path = points.mean(1)
    path -= (path.min(0) + path.max(0)) / 2
    size = np.median(np.ptp(points, axis=1).max(-1))

    def is_enough(share: float) -> bool:
        box = np.ptp((points - share * path[:, None]).reshape(-1, 2), axis=0).max()
        return bool(size >= IN_BOX * box)

    shares = np.linspace(0, 1, 21)
    return next((share for share in shares if is_enough(share)), 1.0) * path


def mirror(motion: Motion) -> Motion:
    """The motion in the mirror image of its pictures: x becomes width - x, and no joints change places."""
    return mirrored(motion, np.ones(motion.num_frames, bool))


def join_hands(
    body: Motion, frames: np.ndarray, flag: np.ndarray, hands: Mapping[str, LiftedHand], hand: Skeleton
) -> tuple[Motion, np.ndarray]:
    """A lifted body with its lifted hands as one motion in ``hand_union`` of both formats, and its flags (F,J).

    frames (F,) and flag are the body's; hands by side, in the format ``hand``. Each hand stands at the body's wrist
    and has the body's scale, since both are in px of the image. Where a hand is not seen, its joints are ABSENT, or
    what the body's own format says of them.
    """
    assert body.joints_image is not None
    skeleton = hand_union(body.skeleton, bare_hand(hand))
    shape = len(frames), skeleton.num_joints
    own = body.skeleton.num_joints
    joints_2d, image = np.full((*shape, 2), np.nan, np.float32), np.full((*shape, 3), np.nan, np.float32)
    confidence, flags = np.zeros(shape, np.float32), np.full(shape, Flag.ABSENT, np.uint8)
    joints_2d[:, :own], image[:, :own] = body.joints_2d, body.joints_image
    confidence[:, :own], flags[:, :own] = body.confidence, flag
    for side, lifted in hands.items():
        wrist, numbers = _places(skeleton, hand, side)
        root = _root(hand)
        _, rows, theirs = np.intersect1d(frames, lifted.frames, return_indices=True)
        known = flags[rows, wrist] != Flag.ABSENT
        rows, theirs = rows[known], theirs[known]
        points = lifted.motion.joints_image[theirs]
        at = np.ix_(rows, list(numbers.values()))
        joints = list(numbers)
        image[at] = (points - points[:, [root]])[:, joints] + image[rows, wrist][:, None]
        joints_2d[at] = lifted.motion.joints_2d[theirs][:, joints]
        confidence[at], flags[at] = (
            lifted.motion.confidence[theirs][:, joints],
            lifted.flag[theirs][:, joints],
        )
    joined = replace(
        body,
        joints_2d=joints_2d,
        joints_image=image,
        confidence=confidence,
        skeleton=skeleton,
        joints_mm=None,
        factor_mm_per_px=None,
    )
    return joined, flags


def join_tracks(body: Track, hands: Sequence[Track], hand: Skeleton) -> Track:
    """A person's keypoints with those of the hands found for them, in ``hand_union`` of both formats."""
    skeleton = hand_union(body.skeleton, bare_hand(hand))
    keypoints = np.full((body.num_frames, skeleton.num_joints, 3), (np.nan, np.nan, 0), np.float32)
    flag = np.full(keypoints.shape[:2], Flag.ABSENT, np.uint8)
    own = body.skeleton.num_joints
    keypoints[:, :own], flag[:, :own] = body.keypoints, body.flag
    for track in hands:
        _, numbers = _places(skeleton, hand, track.side or "")
        first, last = max(body.start, track.start), min(body.stop, track.stop)
        theirs = np.arange(first, last) - track.start
        theirs = theirs[track.present[theirs]]
        at = np.ix_(theirs + track.start - body.start, list(numbers.values()))
        keypoints[at], flag[at] = (
            track.keypoints[theirs][:, list(numbers)],
            track.flag[theirs][:, list(numbers)],
        )
    return replace(body, keypoints=keypoints, flag=flag, skeleton=skeleton)


def hands_among(track: Track, hand: Skeleton) -> list[Track] | None:
    """Hands as tracks, of a person whose own keypoints include them; None for a format without.

    A hand of which no frame shows the wrist and half of the joints is left out.
    """
    found = []
    for side in SIDES:
        numbers = joints_of_hand(track.skeleton, bare_hand(hand), side)
        if numbers is None:
            return None
        part = {"keypoints": track.keypoints[:, numbers], "flag": track.flag[:, numbers]}
        known = part["flag"] != Flag.ABSENT
        if (known[:, _root(hand)] & (2 * known.sum(-1) >= len(numbers))).any():
            found.append(replace(track, skeleton=sided_hand(hand, side), side=side, **part))
    return found


def hands_note(hands: Mapping[str, LiftedHand], num_frames: int) -> str:
    """In how many frames the hands are there, and where they stand, for the user."""
    seen = [
        f"the {side} one in {len(hands[side].frames) if side in hands else 0} of {num_frames} frames"
        for side in SIDES
    ]
    return (
        f"Hands were lifted apart from the body, {' and '.join(seen)}; each stands at the body's wrist and has the "
        "body's scale. Which one is left, the body says."
    )


def _places(skeleton: Skeleton, hand: Skeleton, side: str) -> tuple[int, dict[int, int]]:
    """Number of the body's wrist, and of each joint of the hand but the wrist that it shares: in the hand, joined."""
    joints = joints_of_hand(skeleton, hand, side)
    assert joints is not None
    wrist = skeleton.index_canonical(f"{side}_wrist")
    wrist = joints[_root(hand)] if wrist is None else wrist
    return wrist, {number: joint for number, joint in enumerate(joints) if joint != wrist}


def _root(hand: Skeleton) -> int:
    number = bare_hand(hand).index_canonical(WRIST)
    assert number is not None, f"{hand.name} has no wrist"
    return number
