"""How well results agree with the truth: joint angles in degrees and joints in mm, over frames and for each task.

Letters: G moments, J joints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lib.angles import angle_names, approximate_angles, joint_angles
from lib.comparison.alignment import Aligned
from lib.comparison.joints import JOINT_MEASURES, joint_errors, shared_points, shared_root
from lib.comparison.measures import ALL_TASKS, Agreement, Row, agreement, mean_agreement, wrapped_deg
from lib.errors import UserError
from lib.pose_result import PoseResult


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """All differences in the moments of ``aligned``; NaN where the truth or the result does not define them.

    differences_deg and truth_deg: angle -> (G,), the first for each result. errors_mm: measure -> (G,) for each result
    on its own points, ``common_mm`` on those that all have. Only moments of ``used`` (G,) count, and of an angle only
    those in which every result that has the angle defines it. stand_ins: angles for which a result's format lacks
    points of the definition, and others stand in.
    """

    aligned: Aligned
    truth_deg: dict[str, np.ndarray]
    differences_deg: dict[str, dict[str, np.ndarray]]
    stand_ins: dict[str, tuple[str, ...]]
    points: dict[str, list[str]]
    common_points: list[str]
    errors_mm: dict[str, dict[str, np.ndarray]]
    common_mm: dict[str, dict[str, np.ndarray]]
    root: str
    used: np.ndarray
    notes: tuple[str, ...]

    @property
    def common_angles(self) -> list[str]:
        """Angles that the truth and all results have."""
        own = list(self.differences_deg.values())
        return [name for name in self.truth_deg if all(name in angles for angles in own)]

    def angle_frames(self, angle: str) -> np.ndarray:
        """(G,) moments that count for an angle: those in which all results that have it define it."""
        return self._frames_of(self.differences_deg, angle)

    def joint_frames(self, measure: str) -> np.ndarray:
        """(G,) moments that count for a measure of the common joints: those in which all results have it."""
        return self._frames_of(self.common_mm, measure)

    def _frames_of(self, values: Mapping[str, Mapping[str, np.ndarray]], key: str) -> np.ndarray:
        having = [np.isfinite(own[key]) for own in values.values() if key in own]
        return np.logical_and.reduce([self.used, *having])

    def tasks(self) -> list[str]:
        """Names of the tasks in which frames are compared."""
        return [name for name in self.aligned.truth.action[self.used].present() if name]


def compare(aligned: Aligned, *, convention: str = "paper") -> Comparison:
    """Differences of every result to the truth.

    Angles are those of ``lib.angles`` that both formats have, from each one's own joints; those against the up
    direction are left out where it is not known. Raises ``UserError`` if nothing can be compared.
    """
    truth, results = aligned.truth, aligned.results
    truth_deg, *found = (angles_deg(each, convention) for each in (truth, *results))
    notes = _notes(truth, results, _needing_up((truth, *results), (truth_deg, *found), convention))
    differences = {
        result.name: {name: wrapped_deg(own[name] - truth_deg[name]) for name in truth_deg if name in own}
        for result, own in zip(results, found, strict=True)
    }
    truth_deg = {
        name: values for name, values in truth_deg.items() if any(name in own for own in differences.values())
    }
    common = shared_points(truth, results)
    root_name, root = shared_root(truth.skeleton, common)
    points = {result.name: shared_points(truth, [result]) for result in results}
    errors = {}
    for result in results:
        own_root = shared_root(truth.skeleton, points[result.name])[1]
        errors |= joint_errors(truth, [result], points[result.name], own_root)
    if not truth_deg and not common:
        raise UserError(f"{truth.name} ({truth.skeleton.name}) shares no angle and no joint with the results")
    return Comparison(
        aligned=aligned,
        truth_deg=truth_deg,
        differences_deg=differences,
        stand_ins={each.name: approximate_angles(each.skeleton, convention) for each in results},
        points=points,
        common_points=common,
        errors_mm=errors,
        common_mm=joint_errors(truth, results, common, root),
        root=root_name,
        used=aligned.shared,
        notes=(*aligned.notes, *notes),
    )


def angles_deg(result: PoseResult, convention: str) -> dict[str, np.ndarray]:
    """Joint angles (G,) in degrees that the format has and, against up, whose direction is known."""
    up = None if result.up is None else np.array(result.up)
    found = joint_angles(result.joints_mm, result.skeleton, up=up, convention=convention)
    return {name: np.degrees(np.asarray(values)) for name, values in found.items()}


def _needing_up(
    everybody: Sequence[PoseResult], found: Sequence[Mapping[str, np.ndarray]], convention: str
) -> dict[str, set[str]]:
    """Angles that a result's format has and its axes do not, by the result's name."""
    return {
        each.name: set(angle_names(each.skeleton, convention)) - set(angles)
        for each, angles in zip(everybody, found, strict=True)
        if each.up is None
    }


def _notes(truth: PoseResult, results: Sequence[PoseResult], needing_up: Mapping[str, set[str]]) -> list[str]:
    notes = [f"{each.name}: {note}" for each in (truth, *results) for note in each.notes]
    if gone := set().union(*needing_up.values()):
        notes.append(
            f"which way is up is not known for {', '.join(needing_up)}: without {', '.join(sorted(gone))}; "
            "--up tells it"
        )
    others = [each.name for each in results if each.axes != "camera" or truth.axes != "camera"]
    if others:
        notes.append(
            f"{', '.join(others)}: axes differ from the truth's, so joints are compared after alignment only"
        )
    free = [each.name for each in results if each.units != "mm"]
    if free:
        notes.append(f"{', '.join(free)}: lengths were not measured, so MPJPE is left out")
    return notes


def comparison_rows(comparison: Comparison) -> list[Row]:
    """Every quantity of every result, over all frames and for each task."""
    action = np.asarray(comparison.aligned.truth.action)
    masks: Mapping[str, np.ndarray] = {
        ALL_TASKS: np.ones(len(action), bool),
        **{name: action == name for name in comparison.tasks()},
    }
    rows = []
    for result in comparison.aligned.results:
        for task, mask in masks.items():
            rows += _rows_of(comparison, result, task, mask)
    return rows


def _rows_of(comparison: Comparison, result: PoseResult, task: str, mask: np.ndarray) -> list[Row]:
    def row(kind: str, name: str, unit: str, points: int, found: Agreement) -> Row:
        return Row(result.name, result.skeleton.name, kind, name, task, unit, points, found)

    rows: list[Row] = []
    own, common = comparison.errors_mm[result.name], comparison.common_mm[result.name]
    for errors, points, suffix in (
        (own, comparison.points[result.name], "own joints"),
        (common, comparison.common_points, "common joints"),
    ):
        for key, values in errors.items():
            counted = comparison.used if errors is own else comparison.joint_frames(key)
            if found := agreement(values[mask & counted], signed=False):
                rows.append(row("joints", f"{JOINT_MEASURES[key][0]}, {suffix}", "mm", len(points), found))
    angles = {}
    for name, values in comparison.differences_deg[result.name].items():
        if found := agreement(values[mask & comparison.angle_frames(name)]):
            angles[name] = found
    for names, title in ((list(angles), "own angles"), (comparison.common_angles, "common angles")):
        held = [angles[name] for name in names if name in angles]
        if held:
            rows.append(row("mean of angles", title, "deg", len(held), mean_agreement(held)))
    rows += [row("angle", name, "deg", 1, found) for name, found in angles.items()]
    return rows
