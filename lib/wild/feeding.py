"""Whether the keypoints of a detector or a file can feed a model, told before a video is gone through."""

from __future__ import annotations

from collections.abc import Sequence

from lib.errors import UserError
from lib.skeleton import Skeleton, conversion, list_skeletons, load_skeleton
from lib.wild.detectors import DETECTORS

HAND = "Hand-21"
NAMED_JOINTS, NAMED_FORMATS = 5, 8


def check_can_feed(source: Skeleton, target: Skeleton, allow_missing: bool = False) -> None:
    """Raise ``UserError`` if some joint of a model (``target``) cannot be made from those found (``source``).

    ``allow_missing`` lets joints be absent, but neither the root nor what tells bodies from hands.

    The message names the joints, what ``source`` can feed, and what can feed ``target``.
    """
    missing = conversion(source, target, allow_missing=True, log=False).missing
    if not missing.any():
        return
    known = [load_skeleton(name) for name in list_skeletons() if name not in (source.name, target.name)]
    fed = _listed([source.name, *(one.name for one in known if can_feed(source, one))], NAMED_FORMATS)
    feeding = [target.name, *(one.name for one in known if can_feed(one, target))]
    detectors = [
        name for name in DETECTORS.names() if getattr(DETECTORS.get(name), "joint_format", None) in feeding
    ]
    cure = f"for this one take {_either(detectors)}a keypoint file of {_listed(feeding, NAMED_FORMATS)}"
    for one, other, lifts, finds in (
        (source, target, "bodies", "hands"),
        (target, source, "hands", "bodies"),
    ):
        if _is_hand(one) and not _has_fingers(other):
            raise UserError(
                f"this checkpoint lifts {lifts} ({target.name}), what was found are {finds} ({source.name}): take a "
                f"checkpoint trained on {fed}; {cure}"
            )
    has_root = not missing[target.root_weights > 0].any()
    if allow_missing and has_root:
        return
    lacking = [joint for joint, is_missing in zip(target.joints, missing, strict=True) if is_missing]
    raise UserError(
        f"{source.name} cannot feed this checkpoint, which takes {target.name}: no rule for "
        f"{_listed(lacking, NAMED_JOINTS)}; it can feed checkpoints of {fed}; {cure}"
        + ("; or add --allow_missing, and they stay empty" if has_root else "")
    )


def can_feed(source: Skeleton, target: Skeleton) -> bool:
    """Whether every joint of a model can be made from those found."""
    return not conversion(source, target, allow_missing=True, log=False).missing.any()


def _plain(skeleton: Skeleton) -> set[str]:
    """Anatomical names without their sides."""
    return {name.removeprefix("left_").removeprefix("right_") for name in skeleton.canonical}


def _is_hand(skeleton: Skeleton) -> bool:
    return _plain(skeleton) <= _plain(load_skeleton(HAND))


def _has_fingers(skeleton: Skeleton) -> bool:
    return bool(_plain(skeleton) & (_plain(load_skeleton(HAND)) - {"hand_wrist"}))


def _either(detectors: Sequence[str]) -> str:
    return f"--detector {' or '.join(detectors)}, or " if detectors else ""


def _listed(names: Sequence[str], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
