"""Reads what 3DSSPP exports, versions 6 and 7, into tidy tables.

The layouts are those that public pipelines read; no file of a 3DSSPP program was at hand.
F frames, C columns.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from lib.anatomy import read_yaml
from lib.ergo.sspp_points import CONFIG_DIR
from lib.errors import UserError
from lib.files import atomic_write_text

LONG_COLUMNS = ("task", "frame", "category", "name", "value")
Column = tuple[str, str]
"""Category and name, for instance ("Low Back", "Sagittal Shear"); names repeat between categories."""


@lru_cache(maxsize=1)
def export_layout() -> dict[str, Any]:
    """Content of sspp_export.yaml."""
    return read_yaml(CONFIG_DIR / "sspp_export.yaml")


@lru_cache(maxsize=1)
def version_6_header() -> tuple[str, ...]:
    """The 566 names of a version 6 line, marker columns included."""
    layout = export_layout()
    names: list[str] = []
    for category, columns in layout["categories"].items():
        if category != layout["first_category"]:
            names.append(category + layout["marker"])
        for column in columns:
            each = column["each"] if isinstance(column, dict) else [[column]]
            names += [" ".join(parts) for parts in itertools.product(*each)]
    return tuple(names)


@dataclass(frozen=True, eq=False, kw_only=True)
class ExportTable:
    """One export: a row for each frame.

    columns: C of category and name, markers left out; cells: F rows of C texts. task, frame: what the row is of.
    """

    source: str
    columns: tuple[Column, ...]
    cells: tuple[tuple[str, ...], ...]
    task: tuple[str, ...]
    frame: np.ndarray
    """(F,) numbers as exported, else counted from 0 within each task."""
    values: np.ndarray
    """(F,C) numbers; NaN for texts and empty cells."""

    def column(self, category: str, name: str) -> np.ndarray:
        """Numbers (F,) of one column; an unknown one raises ``UserError``."""
        if (category, name) not in self.columns:
            raise UserError(f"{self.source} has no column '{category} - {name}'")
        return self.values[:, self.columns.index((category, name))]

    def long(self) -> Iterator[tuple[str, int, str, str, str]]:
        """Rows of task, frame, category, name, value: the tidy table."""
        for task, frame, cells in zip(self.task, self.frame, self.cells, strict=True):
            for (category, name), cell in zip(self.columns, cells, strict=True):
                yield task, int(frame), category, name, cell

    def wide(self) -> Iterator[tuple[str, ...]]:
        """A header of 'category - name', then a row for each frame."""
        yield ("task", "frame", *(f"{category} - {name}" for category, name in self.columns))
        for task, frame, cells in zip(self.task, self.frame, self.cells, strict=True):
            yield (task, str(frame), *cells)


def read_export(path: str | Path) -> ExportTable:
    """Read an export of version 6 (no header) or 7 (the header before every line), told apart by the first line.

    Raises ``UserError`` with the line number for files that are cut off, have another number of fields, or are none
    of the two.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = Path(path).read_text(encoding="cp1252", errors="replace")  # the program runs on Windows
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    try:
        lines = [
            (number, [cell.strip() for cell in cells])
            for number, cells in enumerate(csv.reader(StringIO(text), strict=True), start=1)
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        raise UserError(f"{path} is no CSV file ({error}): cut off, or not an export of 3DSSPP") from None
    if not lines:
        raise UserError(f"{path} is empty: 3DSSPP wrote no frame; is AUT 1 in the batch file?")
    marker = export_layout()["marker"]
    has_header = any(cell.endswith(marker) for cell in lines[0][1]) and _is_header(lines[0][1])
    header, rows = _version_7(lines, path) if has_header else (list(version_6_header()), lines)
    kind = "its header has" if has_header else "an export of version 6 has"
    for number, cells in rows:
        # a comma after the last field is no field
        if len(cells) == len(header) + 1 and not cells[-1]:
            cells.pop()
        if len(cells) != len(header):
            raise UserError(
                f"{path}: line {number} has {len(cells)} fields, {kind} {len(header)}: "
                "cut off, or of another version of 3DSSPP"
            )
    return _table(str(path), header, [cells for _, cells in rows])


def _is_header(cells: Sequence[str]) -> bool:
    return export_layout()["task_column"] in cells


def _version_7(
    lines: list[tuple[int, list[str]]], path: str | Path
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and the lines of data, which must take turns."""
    header = lines[0][1]
    rows = []
    for place, (number, cells) in enumerate(lines):
        if place % 2 == 0 and cells != header:
            raise UserError(
                f"{path}: line {number} must repeat the header, as each line of data has it before"
            )
        if place % 2 == 1:
            if cells == header:
                raise UserError(f"{path}: line {number} is a header where data should be: a line is missing")
            rows.append((number, cells))
    if len(lines) % 2:
        raise UserError(f"{path}: line {lines[-1][0]} is a header without data: the file is cut off")
    while header and not header[-1]:
        header = header[:-1]
    return header, rows


def _table(source: str, header: list[str], rows: list[list[str]]) -> ExportTable:
    layout = export_layout()
    category, columns, kept = layout["first_category"], [], []
    for number, name in enumerate(header):
        if name.endswith(layout["marker"]):
            category = name.removesuffix(layout["marker"])
        elif name:
            columns.append((category, name))
            kept.append(number)
    if doubled := {column for column in columns if columns.count(column) > 1}:
        raise UserError(f"{source}: column '{' - '.join(sorted(doubled)[0])}' stands twice")
    first = layout["first_category"]
    if (first, layout["task_column"]) not in columns:
        raise UserError(f"{source}: has no column '{first} - {layout['task_column']}'")
    cells = tuple(tuple(row[number] for number in kept) for row in rows)
    values = np.array([[_number(cell) for cell in row] for row in cells]).reshape(len(cells), len(columns))
    task = tuple(row[columns.index((first, layout["task_column"]))] for row in cells)
    return ExportTable(
        source=source,
        columns=tuple(columns),
        cells=cells,
        task=task,
        frame=_frames(columns, values, task),
        values=values,
    )


def _frames(columns: list[Column], values: np.ndarray, task: tuple[str, ...]) -> np.ndarray:
    layout = export_layout()
    for name in layout["frame_columns"]:
        if (layout["first_category"], name) in columns:
            numbers = values[:, columns.index((layout["first_category"], name))]
            if np.isfinite(numbers).all():
                return numbers.astype(np.int64)
    counted: dict[str, int] = {}
    frames = []
    for name in task:
        frames.append(counted.get(name, 0))
        counted[name] = frames[-1] + 1
    return np.array(frames, np.int64)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def write_export_csv(path: str | Path, table: ExportTable, wide: bool = False) -> None:
    """Write the tidy table, one row a value, or the wide one, one row a frame."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if wide:
        writer.writerows(table.wide())
    else:
        writer.writerow(LONG_COLUMNS)
        writer.writerows(table.long())
    atomic_write_text(path, text.getvalue())
