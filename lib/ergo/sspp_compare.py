"""How far the 3DSSPP results of several models differ from those of a reference, column by column.

F frames of a task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lib.ergo.sspp_export import Column, ExportTable, export_layout
from lib.errors import UserError, did_you_mean

ALL_TASKS = "all"
LIMIT_SD = 1.96  # Bland & Altman, Lancet 1986


@dataclass(frozen=True)
class ExportDifference:
    """Differences of one column, a model less the reference, over the frames of a task (``ALL_TASKS``)."""

    name: str
    """The model."""
    task: str
    category: str
    column: str
    frames: int
    reference_mean: float
    mean: float
    mae: float
    rmse: float
    median: float
    """Of the differences without their sign."""
    largest: float
    limit_low: float
    limit_high: float


def compare_exports(tables: Mapping[str, ExportTable], reference: str) -> list[ExportDifference]:
    """Differences to ``reference`` for every other table, task and numeric column that both have.

    Rows are matched by task and frame. Raises ``UserError`` for an unknown reference, exports in other units, and
    exports that do not hold the same frames of the same tasks: nothing is paired by its place alone.
    """
    if reference not in tables:
        raise UserError(
            f"no export '{reference}'{did_you_mean(reference, tables)}; given: {', '.join(tables)}"
        )
    truth = tables[reference]
    rows = _rows(truth, reference)
    differences = []
    for name, table in tables.items():
        if name == reference:
            continue
        own = _rows(table, name)
        _refuse_other_frames(set(rows), set(own), reference, name)
        _refuse_other_units(truth, table, reference, name)
        order = [own[key] for key in rows]
        tasks = np.array([task for task, _ in rows])
        for column in (column for column in truth.columns if column in table.columns):
            expected = truth.values[list(rows.values()), truth.columns.index(column)]
            given = table.values[order, table.columns.index(column)]
            differences += _by_task(name, column, expected, given, tasks)
    return differences


def _rows(table: ExportTable, name: str) -> dict[tuple[str, int], int]:
    """Row of each task and frame, in the order of the file."""
    keys = list(zip(table.task, map(int, table.frame), strict=True))
    if len(set(keys)) < len(keys):
        task, frame = next(key for number, key in enumerate(keys) if key in keys[:number])
        raise UserError(f"export '{name}' ({table.source}): frame {frame} of task '{task}' stands twice")
    return {key: number for number, key in enumerate(keys)}


def _refuse_other_frames(
    expected: set[tuple[str, int]], given: set[tuple[str, int]], reference: str, name: str
) -> None:
    if expected == given:
        return
    task, frame = min(expected ^ given)
    lacking = name if (task, frame) in expected else reference
    raise UserError(
        f"exports '{reference}' ({len(expected)} frames) and '{name}' ({len(given)}) do not hold the same frames: "
        f"'{lacking}' lacks frame {frame} of task '{task}'; write both batch files from the same frames and task names"
    )


def _refuse_other_units(truth: ExportTable, table: ExportTable, reference: str, name: str) -> None:
    layout = export_layout()
    column = (layout["first_category"], layout["units_column"])
    units = []
    for one in (truth, table):
        place = one.columns.index(column) if column in one.columns else None
        units.append(set() if place is None else {row[place].lower() for row in one.cells})
    if all(units) and units[0] != units[1]:
        first, second = (", ".join(sorted(one)) for one in units)
        raise UserError(
            f"exports '{reference}' and '{name}' have other units: {first} and {second}; export both alike"
        )


def _by_task(
    name: str, column: Column, expected: np.ndarray, given: np.ndarray, tasks: np.ndarray
) -> list[ExportDifference]:
    """Rows for each task and, if there are several, for all; none for a column of texts."""
    known = np.isfinite(expected) & np.isfinite(given)
    groups = {task: tasks == task for task in dict.fromkeys(tasks.tolist())}
    if len(groups) > 1:
        groups[ALL_TASKS] = np.ones(len(tasks), bool)
    found = []
    for task, members in groups.items():
        used = members & known
        if not used.any():
            continue
        error = given[used] - expected[used]
        mean, spread = float(error.mean()), float(error.std(ddof=1)) if len(error) > 1 else float("nan")
        size = np.abs(error)
        found.append(
            ExportDifference(
                name=name,
                task=task,
                category=column[0],
                column=column[1],
                frames=len(error),
                reference_mean=float(expected[used].mean()),
                mean=mean,
                mae=float(size.mean()),
                rmse=float(np.sqrt((error**2).mean())),
                median=float(np.median(size)),
                largest=float(size.max()),
                limit_low=mean - LIMIT_SD * spread,
                limit_high=mean + LIMIT_SD * spread,
            )
        )
    return found
