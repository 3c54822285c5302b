"""A comparison as text for a terminal, and as a CSV with one line a quantity, result and task."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

from lib.comparison.compare import Comparison
from lib.comparison.joints import JOINT_MEASURES
from lib.comparison.measures import ALL_TASKS, Agreement, Row
from lib.files import atomic_write_text

Table = list[list[str]]  # the first line is the heading, the first column the name of a line
NAMED = 24  # joints in a line of text
STAND_INS = "~: the format lacks points of the angle, and others stand in"


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """CSV of rows: who, what, in which task, and the measures; empty where a measure is not defined."""
    own = [field.name for field in fields(Row) if field.name != "agreement"]
    columns = [*own, *(field.name for field in fields(Agreement))]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        cells = {
            key: f"{value:.4f}" if isinstance(value, float) else value for key, value in row.cells().items()
        }
        writer.writerow({key: "" if value == "nan" else value for key, value in cells.items()})
    atomic_write_text(path, text.getvalue())


def comparison_text(comparison: Comparison, rows: Sequence[Row]) -> str:
    """Everything for a terminal: what was compared, the means, each angle, each task, and the notes."""
    parts = [
        "\n".join(headline(comparison)),
        "Joints, mm\n" + aligned_text(joint_table(comparison, rows)),
        "Angles, deg: means over the angles\n" + aligned_text(angle_summary(comparison, rows)),
        f"Mean absolute error of each angle, deg; {STAND_INS}\n"
        + aligned_text(angle_table(comparison, rows, _mae)),
        "Bias [limits of agreement] of each angle, deg\n"
        + aligned_text(angle_table(comparison, rows, limits)),
    ]
    if len(comparison.tasks()) > 1:
        parts.append(
            "Each task: mean MAE of the common angles in deg, joints in mm\n"
            + aligned_text(task_table(comparison, rows))
        )
    notes = "\n".join(f"- {note}" for note in comparison.notes)
    return "\n\n".join([*parts, notes] if notes else parts)


def headline(comparison: Comparison) -> list[str]:
    """What is compared, and how many frames of it."""
    aligned = comparison.aligned
    used = int(comparison.used.sum())
    rate = f" at {aligned.truth.fps:g} frames a second" if aligned.truth.fps else ""
    videos = len(aligned.truth.videos())
    lines = [
        f"truth: {aligned.truth.name}, {aligned.truth.skeleton.name}; {used} of {aligned.moments} frames of "
        f"{videos} videos compared{rate} ({used / max(aligned.moments, 1):.1%})"
    ]
    for result in aligned.results:
        have = int(aligned.present[result.name].sum())
        lines.append(
            f"{result.name}: {result.skeleton.name}, {have} of {aligned.moments} frames; "
            f"{len(comparison.differences_deg[result.name])} angles and {len(comparison.points[result.name])} joints "
            "shared with the truth"
        )
    points = comparison.common_points
    common = ", ".join(points[:NAMED]) + (f" and {len(points) - NAMED} more" if len(points) > NAMED else "")
    lines.append(f"common joints ({len(points)}): {common or 'none'}; relative to: {comparison.root}")
    lines.append(f"common angles: {len(comparison.common_angles)} of {len(comparison.truth_deg)}")
    return lines


def joint_table(comparison: Comparison, rows: Sequence[Row]) -> Table:
    """One line a result: mean joint errors in mm, on the common joints and, where they differ, on its own."""
    same = all(points == comparison.common_points for points in comparison.points.values())
    return _summary(
        comparison,
        rows,
        [
            (f"{heading}, {suffix}", f"{heading} {suffix.split()[0]}", "mae")
            for suffix in (("common joints",) if same else ("common joints", "own joints"))
            for heading, *_ in JOINT_MEASURES.values()
        ],
    )


def angle_summary(comparison: Comparison, rows: Sequence[Row]) -> Table:
    """One line a result: means over angles in degrees, of the common ones and, where they differ, of its own."""
    same = all(list(own) == comparison.common_angles for own in comparison.differences_deg.values())
    measures = {"mae": "MAE", "rmse": "RMSE", "median": "median"}
    return _summary(
        comparison,
        rows,
        [
            (name, f"{title} {name.split()[0]}", measure)
            for name in (("common angles",) if same else ("common angles", "own angles"))
            for measure, title in measures.items()
        ],
    )


def _summary(comparison: Comparison, rows: Sequence[Row], columns: Sequence[tuple[str, str, str]]) -> Table:
    """One line a result; columns are (name of the row, heading, measure), those that nobody has are left out."""
    found = {(row.result, row.name): row for row in rows if row.task == ALL_TASKS and row.kind != "angle"}
    names = [result.name for result in comparison.aligned.results]
    kept = [column for column in columns if any((name, column[0]) in found for name in names)]
    table = [["", *(heading for _, heading, _ in kept)]]
    for name in names:
        table.append([name, *(_number(found.get((name, row)), measure) for row, _, measure in kept)])
    return table


def _number(row: Row | None, measure: str = "mae") -> str:
    return "-" if row is None else f"{getattr(row.agreement, measure):.1f}"


def _mae(row: Row) -> str:
    return f"{row.agreement.mae:.1f}"


def limits(row: Row) -> str:
    """Bias and limits of agreement of a row."""
    found = row.agreement
    return f"{found.bias:+.1f} [{found.low:+.0f}, {found.high:+.0f}]"


def angle_table(comparison: Comparison, rows: Sequence[Row], cell: Callable[[Row], str]) -> Table:
    """One line an angle, one column a result; the last column counts frames."""
    found = {(row.result, row.name): row for row in rows if row.task == ALL_TASKS and row.kind == "angle"}
    names = [result.name for result in comparison.aligned.results]
    table = [["angle", *names, "frames"]]
    for angle in comparison.truth_deg:
        held = [found.get((name, angle)) for name in names]
        frames = next((row.agreement.frames for row in held if row), 0)
        marks = ["~" if angle in comparison.stand_ins[name] else "" for name in names]
        cells = ["-" if row is None else cell(row) + mark for row, mark in zip(held, marks, strict=True)]
        table.append([angle, *cells, str(frames)])
    return table


def task_table(comparison: Comparison, rows: Sequence[Row]) -> Table:
    """One line a task: mean angle error and joint error of each result on what all have, and the frames."""
    found = {(row.task, row.result, row.name): row for row in rows}
    names = [result.name for result in comparison.aligned.results]
    measured = [f"{title}, common joints" for title, *_ in JOINT_MEASURES.values()]
    joints = next((name for name in measured if any((ALL_TASKS, each, name) in found for each in names)), "")
    heading = joints.split(",")[0]
    table = [
        [
            "task",
            *(f"{name} deg" for name in names),
            *(f"{name} {heading}" for name in names if joints),
            "frames",
        ]
    ]
    for task in (*comparison.tasks(), ALL_TASKS):
        angles = [found.get((task, name, "common angles")) for name in names]
        errors = [found.get((task, name, joints)) for name in names if joints]
        frames = max([row.agreement.frames for row in (*angles, *errors) if row], default=0)
        table.append([task, *map(_number, angles), *map(_number, errors), str(frames)])
    return table


def aligned_text(table: Table) -> str:
    """Columns of equal width, the first to the left, a line under the heading."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in table
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
