"""A judgement as text for a terminal, one long CSV, and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lib.comparison.tables import Table, aligned_text
from lib.files import atomic_write_bytes, atomic_write_text
from lib.judging.rows import ACCELERATION, ALL, COMMON, FRAME_RATE, MEASURES, WHOLE, Row, worst_views

MANY_GROUPS = 40  # tasks of a set that names hundreds; the CSV has them all


@dataclass(eq=False)
class Judgement:
    """Rows of everything judged, and what must be known of each set, in the order of judging."""

    rows: list[Row] = field(default_factory=list)
    about: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def add_set(self, name: str, about: str, notes: Sequence[str]) -> None:
        """Begin a set, described in a line."""
        self.about[name], self.notes[name] = about, list(notes)

    def add_notes(self, name: str, notes: Sequence[str]) -> None:
        """Say something more of a set, once."""
        self.notes[name] += [note for note in notes if note not in self.notes[name]]


def judgement_text(judgement: Judgement) -> str:
    """All sets one after the other: the lifters, each breakdown, the worst views, and the notes."""
    return "\n\n\n".join(_set_text(judgement, name) for name in judgement.about)


def _set_text(judgement: Judgement, name: str) -> str:
    rows = [row for row in judgement.rows if row.set == name]
    parts = [f"{name}: {judgement.about[name]}", aligned_text(_lifters_table(rows, ALL))]
    for own_format in dict.fromkeys(row.group for row in rows if row.by == COMMON):
        title = f"On the joints that {own_format} has exactly, in the frames in which its detector found the person"
        parts.append(f"{title}\n" + aligned_text(_lifters_table(rows, COMMON)))
    baselines = {row.column for row in rows} - {row.column for row in rows if row.by not in WHOLE}
    shown = [row for row in rows if row.column not in baselines]
    for by in dict.fromkeys(row.by for row in shown if row.by not in WHOLE):
        title = by.replace("_", " ")
        parts.append(f"By {title}, MPJPE mm\n" + aligned_text(_groups_table(shown, by, "mpjpe_mm")))
        if by == FRAME_RATE:
            parts.append(
                f"By {title}, {MEASURES[ACCELERATION]}\n"
                + aligned_text(_groups_table(shown, by, ACCELERATION))
            )
    parts.append("\n".join(view.text() for view in worst_views(shown)))
    parts.append("\n".join(f"- {note}" for note in judgement.notes[name]))
    return "\n\n".join(part for part in parts if part)


def _lifters_table(rows: Sequence[Row], by: str) -> Table:
    whole = [row for row in rows if row.by == by]
    defined = [key for key in MEASURES if any(math.isfinite(row.errors[key]) for row in whole)]
    table = [["lifter", "joints", "input", *(MEASURES[key] for key in defined), "frames"]]
    for row in whole:
        numbers = [number_text(row.errors[key]) for key in defined]
        table.append([row.lifter, row.joint_format, row.input, *numbers, str(row.frames)])
    return table


def _groups_table(rows: Sequence[Row], by: str, measure: str) -> Table:
    """One line a group, one column a lifter and input, and how many frames the group has, which may depend on them."""
    columns = list(dict.fromkeys(row.column for row in rows if row.by == by))
    found = {(row.group, row.column): row for row in rows if row.by == by}
    groups = list(dict.fromkeys(group for group, _ in found))
    table = [[by.replace("_", " "), *columns, "frames"]]
    for group in groups[:MANY_GROUPS]:
        of_group = [found.get((group, column)) for column in columns]
        counts = sorted({row.frames for row in of_group if row})
        frames = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        cells = ["-" if row is None else number_text(row.errors[measure]) for row in of_group]
        table.append([group, *cells, frames])
    if len(groups) > MANY_GROUPS:
        table.append([f"and {len(groups) - MANY_GROUPS} more, see judging.csv", *[""] * (len(columns) + 1)])
    return table


def number_text(value: float) -> str:
    """One digit after the point, a dash for what is not defined."""
    return f"{value:.1f}" if math.isfinite(value) else "-"


def write_judgement(out: Path, judgement: Judgement, draw: Callable[[Sequence[Row]], bytes | None]) -> str:
    """Write judging.csv, .json and .txt and for each set the figure that ``draw`` makes; returns the text."""
    text = judgement_text(judgement)
    atomic_write_text(out / "judging.txt", text + "\n")
    atomic_write_text(out / "judging.csv", rows_csv(judgement.rows))
    stored: dict[str, Any] = {
        "sets": {
            name: {"about": about, "notes": judgement.notes[name]} for name, about in judgement.about.items()
        },
        "measures": MEASURES,
        "rows": [_without_nan(row.cells()) for row in judgement.rows],
        "worst_views": [asdict(view) for view in worst_views(judgement.rows)],
    }
    atomic_write_text(out / "judging.json", json.dumps(stored, indent=1, allow_nan=False) + "\n")
    for name in judgement.about:
        picture = draw([row for row in judgement.rows if row.set == name])
        if picture:
            atomic_write_bytes(out / f"{name}.png", picture)
    return text


def rows_csv(rows: Sequence[Row]) -> str:
    """One line a row: who, on what, in which group, and the measures; empty where one is not defined."""
    text = io.StringIO()
    own = ("set", "lifter", "joint_format", "input", "by", "group", "frames")
    writer = csv.DictWriter(text, [*own, *MEASURES], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        cells = _without_nan(row.cells())
        writer.writerow({key: f"{v:.4f}" if isinstance(v, float) else v for key, v in cells.items()})
    return text.getvalue()


def _without_nan(cells: dict[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in cells.items()
    }
