"""Hands of a joint format: which it has, its fingers, and whether a pose is a left or a right hand.

Letters: F frames, J joints.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lib.skeleton import Skeleton

FINGERS = ("thumb", "index", "middle", "ring", "pinky")
_PARTS = ("cmc", "mcp", "ip", "pip", "dip", "tip")


def hands_of(skeleton: Skeleton) -> tuple[str, ...]:
    """Sides of the hands with all five fingers: "left", "right", and "" for a hand of unknown side."""
    sides = ("", "left", "right")
    return tuple(side for side in sides if None not in [_joint(skeleton, side, f, "tip") for f in FINGERS])


def is_hand_format(skeleton: Skeleton) -> bool:
    """Whether more than half of the joints belong to fingers, as of Hand-21 and UBHand-48."""
    rows = finger_rows(skeleton)
    return 2 * sum(len(joints) for name, joints in rows.items() if name.split()[-1] in FINGERS) > (
        skeleton.num_joints
    )


def finger_rows(skeleton: Skeleton) -> dict[str, list[int]]:
    """Joint numbers of each wrist and finger ("thumb"; with both hands "left thumb"); none without a hand."""
    rows = {}
    for side in hands_of(skeleton):
        found = {"wrist": [skeleton.index_canonical(_name(side, "hand_wrist"))]}
        found |= {finger: [_joint(skeleton, side, finger, part) for part in _PARTS] for finger in FINGERS}
        for name, joints in found.items():
            present = [joint for joint in joints if joint is not None]
            label = f"{side} {name}" if len(hands_of(skeleton)) > 1 else name
            rows |= {label: present} if present else {}
    return rows


def right_handedness(joints: np.ndarray, skeleton: Skeleton, side: str) -> np.ndarray:
    """How much a pose (F,J,3) looks like a right hand: about 1 or more, a left one the negative, (F,).

    In right-handed axes of any unit. Fingers bend about the line from the little finger's to the index finger's
    knuckle, in a right hand the way a right-handed screw turns along it; and the thumb stands before the palm, whose
    normal (wrist, index, little finger) points out of a right hand's palm and out of a left hand's back. Near 0 for a
    flat hand with the thumb in its plane; the mean over many frames tells.
    """

    def at(name: str) -> np.ndarray:
        number = skeleton.index_canonical(_name(side, name))
        assert number is not None, name
        return np.asarray(joints, np.float64)[..., number, :]

    wrist = at("hand_wrist")
    palm = _unit(np.cross(at("index_mcp") - wrist, at("pinky_mcp") - wrist))
    length = np.linalg.norm(at("middle_mcp") - wrist, axis=-1, keepdims=True)
    thumb = (0.5 * (at("thumb_mcp") + at("thumb_tip")) - wrist) / np.maximum(length, 1e-9)
    across = _unit(at("index_mcp") - at("pinky_mcp"))
    bends = []
    for finger in FINGERS[1:]:
        chain = [wrist, *(at(f"{finger}_{part}") for part in ("mcp", "pip", "tip"))]
        bones = [_unit(end - start) for start, end in pairwise(chain)]
        bends += [np.cross(bone, following) for bone, following in pairwise(bones)]
    return (2 * thumb * palm).sum(-1) + (np.mean(bends, axis=0) * across).sum(-1)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)


def _joint(skeleton: Skeleton, side: str, finger: str, part: str) -> int | None:
    return skeleton.index_canonical(_name(side, f"{finger}_{part}"))


def _name(side: str, joint: str) -> str:
    return f"{side}_{joint}" if side else joint
