"""Joint formats of hands: one hand with and without its side, and a body's format with both hands.

Everything goes by anatomical names. Letters: J joints, L limbs, A angles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from lib.anatomy import canonical_names, side_colors
from lib.errors import UserError
from lib.skeleton import Skeleton, list_skeletons, load_skeleton

SIDES = ("left", "right")
WRIST = "hand_wrist"
JOINED = "+"  # between the names of a body's format and a hand's


@lru_cache(maxsize=1)
def hand_points() -> frozenset[str]:
    """Anatomical names of a hand, without a side."""
    known = canonical_names()
    return frozenset(name for name in known if f"left_{name}" in known)


def is_one_hand(skeleton: Skeleton) -> bool:
    """Whether all joints are those of a single hand, of whichever side."""
    return {_bare(name) for name in skeleton.canonical} <= hand_points() and len(_sides(skeleton)) == 1


def fine_joints(skeleton: Skeleton) -> np.ndarray:
    """(J,) bool: fingers of a body, which are drawn finer than its limbs; none in a format of hands alone."""
    fine = np.array([_bare(name) in hand_points() - {WRIST} for name in skeleton.canonical])
    return fine & (not is_one_hand(skeleton))


def side_of_format(skeleton: Skeleton) -> str | None:
    """Side that a format of one hand says; None where it leaves it open."""
    return next(iter(_sides(skeleton)))


def side_lifted(skeleton: Skeleton) -> str:
    """Side that a model of one hand takes: a format that leaves it open is that of a right hand."""
    return side_of_format(skeleton) or "right"


def bare_hand(skeleton: Skeleton) -> Skeleton:
    """A format of one hand whose points have no side, so that hands of both sides can be converted; others as is."""
    if not is_one_hand(skeleton):
        return skeleton
    return replace(skeleton, canonical=tuple(map(_bare, skeleton.canonical)))


def sided_hand(skeleton: Skeleton, side: str) -> Skeleton:
    """The same joints of one hand as those of the left or right one, such as Hand-21-left of Hand-21."""
    name = skeleton.name.removesuffix("-left").removesuffix("-right") + f"-{side}"
    if name in list_skeletons():
        return load_skeleton(name).with_root(*skeleton.root)
    color = side_colors()[side]
    return replace(
        skeleton,
        name=name,
        aliases=(),
        canonical=tuple(f"{side}_{_bare(point)}" for point in skeleton.canonical),
        joint_sides=(side,) * skeleton.num_joints,
        limb_sides=(side,) * len(skeleton.limbs),
        joint_colors=(color,) * skeleton.num_joints,
        limb_colors=(color,) * len(skeleton.limbs),
    )


def joints_of_hand(skeleton: Skeleton, hand: Skeleton, side: str) -> list[int] | None:
    """Numbers in ``skeleton`` of all joints of ``hand`` on that side; None if it lacks one.

    The wrist of a body stands for that of its hand where the format does not tell them apart.
    """
    names = [f"{side}_{_bare(name)}" for name in hand.canonical]
    found = [_or_wrist(skeleton, name) for name in names]
    return None if None in found else found  # type: ignore[return-value]


def hand_union(body: Skeleton, hand: Skeleton) -> Skeleton:
    """A body's format with both hands: its own joints, then those of ``hand`` that it lacks, left before right.

    New joints are called left_... and right_...; the limbs of each hand hang on the body's wrist. Limbs, angles,
    mirror image and tree are those of both formats. A body that has it all already stays as it is. Raises
    ``UserError`` for a body without wrists.
    """
    joints, canonical = list(body.joints), list(body.canonical)
    numbers: dict[str, list[int]] = {}
    for side in SIDES:
        numbers[side] = []
        for joint, point in zip(hand.joints, map(_bare, hand.canonical), strict=True):
            number = _or_wrist(body, f"{side}_{point}")
            if number is None and point == WRIST:
                raise UserError(f"{body.name} has no {side} wrist: hands cannot be joined to it")
            if number is None:
                number = len(joints)
                joints.append(_free_name(f"{side}_{joint.lower()}", joints))
                canonical.append(f"{side}_{point}")
            numbers[side].append(number)
    left, right = numbers["left"], numbers["right"]
    flip = np.arange(len(joints))
    flip[: body.num_joints] = body.flip_idx
    flip[left], flip[right] = right, left

    limbs = [tuple(limb) for limb in body.limb_idx.tolist()]
    place = {frozenset(limb): number for number, limb in enumerate(limbs)}
    of_hand: dict[str, list[int]] = {side: [] for side in SIDES}
    for side in SIDES:
        for a, b in hand.limb_idx.tolist():
            limb = numbers[side][a], numbers[side][b]
            if frozenset(limb) not in place:
                place[frozenset(limb)] = len(limbs)
                limbs.append(limb)
            of_hand[side].append(place[frozenset(limb)])
    if len(joints) == body.num_joints and len(limbs) == len(body.limbs):
        return body
    angles = [tuple(pair) for pair in body.angle_idx.tolist()]
    angles += [(of_hand[side][a], of_hand[side][b]) for side in SIDES for a, b in hand.angle_idx.tolist()]
    new_sides = [name.split("_")[0] for name in canonical[body.num_joints :]]
    new_limbs = range(len(body.limbs), len(limbs))
    limb_sides = [next(side for side in SIDES if number in of_hand[side]) for number in new_limbs]
    color = {side: body.joint_colors[numbers[side][hand.canonical.index(_wrist_of(hand))]] for side in SIDES}
    return replace(
        body,
        name=f"{body.name}{JOINED}{hand.name}",
        aliases=(),
        joints=tuple(joints),
        canonical=tuple(canonical),
        flip_idx=_frozen(flip),
        limbs=tuple((joints[a], joints[b]) for a, b in limbs),
        limb_idx=_frozen(limbs),
        limb_flip_idx=_frozen([place[frozenset((flip[a], flip[b]))] for a, b in limbs]),
        angle_idx=_frozen(list(dict.fromkeys(angles))),
        parents=_parents(body, hand, numbers, len(joints)),
        joint_sides=(*body.joint_sides, *new_sides),
        limb_sides=(*body.limb_sides, *limb_sides),
        joint_colors=(*body.joint_colors, *(color[side] for side in new_sides)),
        limb_colors=(*body.limb_colors, *(color[side] for side in limb_sides)),
    )


def load_union(name: str) -> Skeleton:
    """``load_skeleton`` that also knows the names that ``hand_union`` gives."""
    body, joined, hand = name.partition(JOINED)
    if joined and {body, hand} <= set(list_skeletons()):
        return hand_union(load_skeleton(body), load_skeleton(hand))
    return load_skeleton(name)


def _parents(
    body: Skeleton, hand: Skeleton, numbers: dict[str, list[int]], num_joints: int
) -> np.ndarray | None:
    if body.parents is None or hand.parents is None:
        return None
    parents = np.full(num_joints, -1)
    parents[: body.num_joints] = body.parents
    for side in SIDES:
        for joint, parent in zip(numbers[side], hand.parents.tolist(), strict=True):
            if joint >= body.num_joints:
                parents[joint] = numbers[side][parent]
    return _frozen(parents)


def _sides(skeleton: Skeleton) -> set[str | None]:
    return {
        next((side for side in SIDES if name.startswith(f"{side}_")), None) for name in skeleton.canonical
    }


def _bare(name: str) -> str:
    return name.removeprefix("left_").removeprefix("right_")


def _wrist_of(hand: Skeleton) -> str:
    """Anatomical name of a hand's wrist."""
    for name in hand.canonical:
        if _bare(name) == WRIST:
            return name
    raise UserError(f"{hand.name} has no wrist ({WRIST}): this hand cannot be joined to a body")


def _or_wrist(skeleton: Skeleton, name: str) -> int | None:
    """Number of a joint by its anatomical name; the arm's wrist counts as that of the hand."""
    number = skeleton.index_canonical(name)
    if number is None and name.endswith(WRIST):
        number = skeleton.index_canonical(name.replace(WRIST, "wrist"))
    return number


def _free_name(name: str, taken: Sequence[str]) -> str:
    return name if name not in taken else _free_name(f"{name}_hand", taken)


def _frozen(rows: Sequence[object] | np.ndarray) -> np.ndarray:
    array = np.array(rows, np.int64)
    array.flags.writeable = False
    return array
