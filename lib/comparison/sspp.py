"""Differences of 3DSSPP results between models, as rows of a comparison: from exports, where they are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lib.comparison.measures import ALL_TASKS, Row, agreement
from lib.comparison.tables import Table
from lib.ergo.sspp_export import ExportTable, export_layout, read_export
from lib.errors import UserError, did_you_mean

KIND = "3DSSPP"


def sspp_rows(exports: Mapping[str, str | Path], truth: str, joint_formats: Mapping[str, str]) -> list[Row]:
    """Rows of every numeric column of exports (files by the results' names), against the one of the truth.

    joint_formats: of each result by name. Raises ``UserError`` without an export of the truth or of a result, and for
    exports of other frames or units.
    """
    if truth not in exports or len(exports) < 2:
        raise UserError(
            f"--sspp: give the export of {truth} and of one result at least; given: {', '.join(exports)}"
        )
    tables = {name: read_export(path) for name, path in exports.items()}
    return compare_exports(tables, truth, joint_formats)


def compare_exports(
    tables: Mapping[str, ExportTable], reference: str, joint_formats: Mapping[str, str] | None = None
) -> list[Row]:
    """Differences to ``reference`` for every other table, task and numeric column ("category - name") of both.

    Frames are matched by task and number. Raises ``UserError`` for an unknown reference, exports in other units, and
    exports that do not hold the same frames of the same tasks: nothing is paired by its place alone.
    """
    if reference not in tables:
        raise UserError(
            f"no export '{reference}'{did_you_mean(reference, tables)}; given: {', '.join(tables)}"
        )
    truth = tables[reference]
    rows = _rows(truth, reference)
    tasks = np.array([task for task, _ in rows])
    groups = {ALL_TASKS: np.ones(len(tasks), bool)}
    if len(set(tasks)) > 1:
        groups = {task: tasks == task for task in dict.fromkeys(tasks.tolist())} | groups
    found = []
    for name, table in tables.items():
        if name == reference:
            continue
        own = _rows(table, name)
        _refuse_other_frames(set(rows), set(own), reference, name)
        _refuse_other_units(truth, table, reference, name)
        order = [own[key] for key in rows]
        for column in (column for column in truth.columns if column in table.columns):
            difference = (
                table.values[order, table.columns.index(column)]
                - truth.values[list(rows.values()), truth.columns.index(column)]
            )
            found += [
                Row(
                    result=name,
                    joint_format=(joint_formats or {}).get(name, ""),
                    kind=KIND,
                    name=" - ".join(column),
                    task=task,
                    unit="as exported",
                    points=1,
                    agreement=measured,
                )
                for task, members in groups.items()
                if (measured := agreement(difference[members]))
            ]
    return found


def sspp_table(rows: Sequence[Row]) -> Table:
    """One line a column of 3DSSPP in which any result differs: MAE, bias and limits of each result."""
    kept = [row for row in rows if row.kind == KIND and row.task == ALL_TASKS]
    names = list(dict.fromkeys(row.result for row in kept))
    found = {(row.name, row.result): row.agreement for row in kept}
    table = [["3DSSPP", *(f"{name}: MAE, bias [limits]" for name in names), "frames"]]
    for quantity in dict.fromkeys(row.name for row in kept if row.agreement.mae > 0):
        held = [found.get((quantity, name)) for name in names]
        cells = [
            "-" if each is None else f"{each.mae:.1f}, {each.bias:+.1f} [{each.low:+.1f}, {each.high:+.1f}]"
            for each in held
        ]
        table.append([quantity, *cells, str(max(each.frames for each in held if each))])
    return table


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
