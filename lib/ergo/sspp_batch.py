"""Reads batch files of 3DSSPP back, as its own reader would.

F frames. The grammar: command, values, ``#``, in free lines; commands have a long name too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.ergo.sspp_angles import NUM_ANGLES
from lib.ergo.sspp_points import NUM_POINTS
from lib.errors import UserError

LONG_NAMES = {
    "DESCRIPTION": "DES",
    "ANTHROPOMETRY": "ANT",
    "COMMENT": "COM",
    "AUTOEXPORT": "AUT",
    "EXPORT": "EXP",
    "OUTPUT": "EXP",
    "OUT": "EXP",
    "FRAME": "FRM",
    "LOCATIONS": "LOC",
    "JOINTANGLESALL": "JOA",
    "HANDLOADS": "HAN",
}
COUNTS = {
    "ANT": 4,
    "AUT": 1,
    "FRM": 1,
    "LOC": 3 * NUM_POINTS,
    "SUP": 6,
    "HAN": 6,
    "JOA": NUM_ANGLES,
    "EXP": 0,
}
TRIGGERS = ("ANT", "HAN", "JOA")
"""Commands that write a line of results while automatic output is on; LOC does not."""


@dataclass(frozen=True, eq=False, kw_only=True)
class BatchFrame:
    """One frame of a batch file."""

    number: int
    task: str
    source_frame: int | None
    """From the comment before it."""
    points_m: np.ndarray | None
    """(39,3)"""
    angles_deg: np.ndarray | None
    """(42,)"""
    support: tuple[float, ...]
    """Feet, seated, seat pan, back rest, its height in cm, pelvic tilt in degrees."""
    hands: tuple[float, ...]
    """Left magnitude N, vertical and horizontal degrees; then right."""
    exports: int
    """Lines of results that 3DSSPP writes for it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class BatchFile:
    """Content of a batch file."""

    metric: bool
    gender: str
    stature_cm: float
    weight_kg: float
    comments: tuple[str, ...]
    frames: tuple[BatchFrame, ...]

    @property
    def points_m(self) -> np.ndarray:
        """(F,39,3) of a LOC file."""
        return np.stack([frame.points_m for frame in self.frames])

    @property
    def angles_deg(self) -> np.ndarray:
        """(F,42) of a JOA file."""
        return np.stack([frame.angles_deg for frame in self.frames])


def read_batch(path: str | Path) -> BatchFile:
    """Read a batch file of LOC or JOA commands.

    A missing header, unknown commands, wrong numbers of values or values out of range raise ``UserError`` with the
    number of the record.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}") from None
    records = list(_records(text, path))
    if not records or records[0][1:] != ("3DSSPPBATCHFILE", ""):
        raise UserError(f"{path}: must begin with '3DSSPPBATCHFILE #'")
    header: dict[str, tuple[float, ...]] = {}
    comments, frames = [], []
    metric, automatic, task, source = False, False, "", None
    current: dict[str, tuple[float, ...]] = {}
    exports = 0

    def finish() -> None:
        if not current:
            return
        lacking = [name for name in ("SUP", "HAN") if name not in current]
        if lacking or ("LOC" in current) == ("JOA" in current):
            raise UserError(f"{path}: frame {current['FRM'][0]:g} needs SUP, HAN and one of LOC and JOA")
        frames.append(_frame(current, task_of_frame, source_of_frame, exports))

    task_of_frame, source_of_frame = task, source
    for number, command, content in records[1:]:
        where = f"{path}: record {number}: {command}"
        if command == "COM":
            comments.append(content)
            if found := re.match(r"source frame (\d+)", content):
                source = int(found[1])
            continue
        if command == "DES":
            texts = re.fullmatch(r'([01])((?:\s+"[^"]*"){4})', content)
            if texts is None:
                raise UserError(f"{where}: must be 0 or 1 and four texts in quotes, is '{content[:60]}'")
            metric, task = texts[1] == "1", re.findall(r'"([^"]*)"', content)[0]
            continue
        values = _values(command, content, where)
        if command == "FRM":
            finish()
            current, exports, task_of_frame, source_of_frame, source = {"FRM": values}, 0, task, source, None
            continue
        exports += command == "EXP" or (automatic and command in TRIGGERS)
        automatic = values[0] == 1 if command == "AUT" else automatic
        (current if current else header)[command] = values
    finish()
    if "ANT" not in header:
        raise UserError(f"{path}: has no ANT record before its frames")
    gender, kind, stature_cm, weight_kg = header["ANT"]
    return BatchFile(
        metric=metric,
        gender="female" if gender else "male",
        stature_cm=stature_cm if kind == 3 else float("nan"),
        weight_kg=weight_kg if kind == 3 else float("nan"),
        comments=tuple(comments),
        frames=tuple(frames),
    )


def _records(text: str, path: str | Path) -> Iterator[tuple[int, str, str]]:
    """Number, command in its short form and content of each record."""
    *whole, rest = text.split("#")
    if rest.strip():
        raise UserError(f"{path}: the last record has no '#' at its end: the file is cut off")
    for number, record in enumerate(whole, start=1):
        command, _, content = record.strip().partition(" ")
        yield number, LONG_NAMES.get(command, command), content.strip()


def _values(command: str, content: str, where: str) -> tuple[float, ...]:
    if command not in COUNTS:
        raise UserError(f"{where}: unknown command; known: COM, DES, {', '.join(COUNTS)}")
    try:
        values = tuple(map(float, content.split()))
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None
    if len(values) != COUNTS[command]:
        raise UserError(f"{where} has {len(values)} values, needs {COUNTS[command]}")
    if command == "SUP" and not (values[0] in (0, 1, 2, 3) and values[1] in (0, 1) and values[2] in (0, 1)):
        raise UserError(f"{where}: feet must be 0 to 3, seated and seat pan 0 or 1")
    return values


def _frame(current: dict[str, tuple[float, ...]], task: str, source: int | None, exports: int) -> BatchFrame:
    return BatchFrame(
        number=int(current["FRM"][0]),
        task=task,
        source_frame=source,
        points_m=np.reshape(current["LOC"], (NUM_POINTS, 3)) if "LOC" in current else None,
        angles_deg=np.array(current["JOA"]) if "JOA" in current else None,
        support=current["SUP"],
        hands=current["HAN"],
        exports=exports,
    )
