"""Which joint format the points of a file are in."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lib.errors import UserError
from lib.skeleton import Skeleton, list_skeletons, load_skeleton
from lib.wild.keypoint_files.people_table import PeopleTable

log = logging.getLogger(__name__)

# These two are told apart by the lengths of their limbs. Others of equal size are closer to each other, and points
# of a format that is not known here could be taken for one that is: they are asked for.
TOLD_BY_LIMBS = {"BODY_25", "BODY_25B"}
# mean limb against that of another format; of these two 0.3 to 0.6 in single frames of walking and work
CLEARLY_SHORTER = 0.7
SAMPLE = 500  # people looked at
SAME_NAMES = 0.6  # of the joints


def choose_skeleton(table: PeopleTable, joint_format: str | None, path: Path) -> Skeleton:
    """The format given, that of the layout, that with the joints' names, or the only one with so many joints.

    Raises ``UserError`` if the format given does not fit or if none or several are left.
    """
    number = table.keypoints.shape[1]
    candidates = [load_skeleton(name) for name in list_skeletons()]
    candidates = [skeleton for skeleton in candidates if skeleton.num_joints == number]
    names = [skeleton.name for skeleton in candidates]
    listed = f"formats with {number} points: {', '.join(names) or 'none'}"
    if joint_format is not None:
        skeleton = load_skeleton(joint_format)
        if skeleton.num_joints != number:
            raise UserError(
                f"{path} holds {number} points a person, {skeleton.name} has {skeleton.num_joints}; {listed}; "
                "choose with --keypoints NAME"
            )
        _warn_if_another_fits(skeleton, candidates, table, path)
        return skeleton
    if table.joint_format is not None:
        skeleton = load_skeleton(table.joint_format)
        if table.is_usual_only and (better := _clearly_better(skeleton, candidates, table)):
            raise UserError(
                f"{path} holds {number} points a person, as {skeleton.name} has them, but by the lengths of its limbs "
                f"it looks like {better.name}; {listed}; choose with --keypoints NAME"
            )
        log.info("%s: %d points, read as %s", path, number, skeleton.name)
        _warn_if_another_fits(skeleton, candidates, table, path)
        return skeleton
    if table.joint_names:
        return _by_names(table.joint_names, candidates, path)
    # a hand of unknown side stands for those of known side
    candidates = [s for s in candidates if s.name.removesuffix("-left").removesuffix("-right") == s.name]
    best, is_clear = _shortest_limbs(candidates, table)
    if len(candidates) == 1 or ({s.name for s in candidates} == TOLD_BY_LIMBS and is_clear and best):
        skeleton = best or candidates[0]
        log.info("%s: %d points, read as %s", path, number, skeleton.name)
        return skeleton
    if not candidates:
        raise UserError(
            f"{path} holds {number} points a person, which no known joint format has: write one "
            "(docs/add_joint_format.md) and name its YAML file with --keypoints"
        )
    hint = f" (by the lengths of its limbs it looks like {best.name})" if best and is_clear else ""
    raise UserError(
        f"{path} does not say which of several formats it is in{hint}; {listed}; choose with --keypoints NAME"
    )


def _by_names(names: Sequence[str], candidates: list[Skeleton], path: Path) -> Skeleton:
    def share(skeleton: Skeleton) -> float:
        pairs = zip(map(_plain, names), skeleton.joints, skeleton.canonical, strict=True)
        return float(np.mean([name in (_plain(joint), canonical) for name, joint, canonical in pairs]))

    shares = {skeleton: share(skeleton) for skeleton in candidates if len(names) == skeleton.num_joints}
    highest = max(shares.values(), default=0.0)
    best = [skeleton for skeleton, its_share in shares.items() if its_share == highest >= SAME_NAMES]
    if len(best) != 1:
        where = "several formats" if best else "no known format"
        listed = ", ".join(skeleton.name for skeleton in best or candidates)
        raise UserError(
            f"{path} names {len(names)} joints ({', '.join(map(str, names[:3]))}, ...), which are in this order in "
            f"{where}: choose with --keypoints one of {listed or 'your own'}, or the path of a YAML file"
        )
    log.info("%s: read as %s by the names of its joints", path, best[0].name)
    return best[0]


def _plain(name: str) -> str:
    return str(name).lower().replace(" ", "_")


def _limb_lengths(skeletons: list[Skeleton], table: PeopleTable) -> np.ndarray:
    """Mean length in px of the limbs that each format would give the people; infinite where none is seen."""
    step = max(1, len(table.keypoints) // SAMPLE)
    points = table.keypoints[::step].astype(np.float64)
    xy = np.where(points[..., 2:] > 0, points[..., :2], np.nan)
    means = []
    for skeleton in skeletons:
        ends = xy[:, skeleton.limb_idx]
        lengths = np.linalg.norm(ends[:, :, 0] - ends[:, :, 1], axis=-1)
        means.append(np.mean(lengths[np.isfinite(lengths)]) if np.isfinite(lengths).any() else np.inf)
    return np.array(means)


def _shortest_limbs(skeletons: list[Skeleton], table: PeopleTable) -> tuple[Skeleton | None, bool]:
    """The format whose limbs are shortest, since limbs join neighbours, and whether it is so by far."""
    if not skeletons:
        return None, False
    lengths = _limb_lengths(skeletons, table)
    order = np.argsort(lengths)
    is_clear = len(order) > 1 and lengths[order[0]] < CLEARLY_SHORTER * lengths[order[1]]
    return skeletons[order[0]], bool(is_clear)


def _clearly_better(skeleton: Skeleton, candidates: list[Skeleton], table: PeopleTable) -> Skeleton | None:
    """The one of the candidates whose limbs would be shortest, if they would be so by far."""
    own, *others = _limb_lengths([skeleton, *candidates], table)
    best = int(np.argmin(others)) if others else 0
    return candidates[best] if others and others[best] < CLEARLY_SHORTER * own else None


def _warn_if_another_fits(
    skeleton: Skeleton, candidates: list[Skeleton], table: PeopleTable, path: Path
) -> None:
    better = _clearly_better(skeleton, candidates, table)
    if better:
        log.warning("%s is read as %s, but its limbs look like %s", path, skeleton.name, better.name)
