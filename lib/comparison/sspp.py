"""Differences of 3DSSPP results between models, as rows of a comparison: from exports, where they are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lib.comparison.measures import ALL_TASKS, LIMIT_SDS, Agreement, Row
from lib.comparison.tables import Table
from lib.ergo.sspp_compare import compare_exports
from lib.ergo.sspp_export import read_export
from lib.errors import UserError

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
    several_tasks = len(set(tables[truth].task)) > 1
    return [
        Row(
            result=found.name,
            joint_format=joint_formats[found.name],
            kind=KIND,
            name=f"{found.category} - {found.column}",
            task=found.task if several_tasks else ALL_TASKS,
            unit="as exported",
            points=1,
            agreement=Agreement(
                frames=found.frames,
                mae=found.mae,
                rmse=found.rmse,
                median=found.median,
                bias=found.mean,
                sd=(found.limit_high - found.mean) / LIMIT_SDS,
                low=found.limit_low,
                high=found.limit_high,
            ),
        )
        for found in compare_exports(tables, truth)
    ]


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
