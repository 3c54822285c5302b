"""Angles and scores over time as CSV: one row a frame, empty cells where nothing is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from lib.ergo.holds import UNKNOWN
from lib.ergo.scores import Assessment
from lib.files import atomic_path

ROWS_AT_ONCE = 5_000
Texts = Callable[[slice], np.ndarray]
"""Cells of a column for some of its rows."""


def write_angles_csv(path: str | Path, angles_deg: Mapping[str, np.ndarray], time_s: np.ndarray) -> None:
    """Columns frame (from 0), time_s, and one for each angle, named ``<name>_deg``; 0.01 degrees.

    Series that are no angles keep their name.
    """
    named = {
        name if name.endswith("_lateral") and "hand" in name else f"{name}_deg": series
        for name, series in angles_deg.items()
    }
    _write(path, time_s, {name: partial(_texts, series, 2) for name, series in named.items()})


def write_scores_csv(path: str | Path, assessment: Assessment, time_s: np.ndarray) -> None:
    """Columns frame, time_s, then ``<method>_<column>``: scores, part scores and levels; the level also as a word."""
    columns: dict[str, Texts] = {}
    for name, result in assessment.methods.items():
        words = np.array([*(level.name for level in result.levels), ""])
        columns[f"{name}_level_name"] = partial(_words, words, result.level)
        for column, values in result.frames.items():
            columns[f"{name}_{column}"] = partial(_scores, values)
    columns |= {f"risk_{part}": partial(_scores, risk) for part, risk in assessment.parts.items()}
    _write(path, time_s, columns)


def _texts(values: np.ndarray, decimals: int, rows: slice) -> np.ndarray:
    rounded = np.round(np.asarray(values[rows], np.float64), decimals)
    texts = np.char.mod(f"%.{decimals}f", np.where(rounded == 0, 0.0, rounded))  # no "-0.00"
    return np.where(np.isfinite(rounded), texts, "")


def _scores(values: np.ndarray, rows: slice) -> np.ndarray:
    """Scores, unknown where NaN, or levels, unknown where -1."""
    return np.where(values[rows] == UNKNOWN, "", _texts(values, 0, rows))


def _words(words: np.ndarray, level: np.ndarray, rows: slice) -> np.ndarray:
    return words[level[rows]]


def _write(path: str | Path, time_s: np.ndarray, columns: Mapping[str, Texts]) -> None:
    """Rows in blocks, so that the texts of a long video are never there all at once."""
    frames, times = np.arange(len(time_s)), np.asarray(time_s, np.float64)
    cells = [partial(_texts, frames, 0), partial(_texts, times, 6), *columns.values()]
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(["frame", "time_s", *columns]) + "\n")
        for start in range(0, len(times), ROWS_AT_ONCE):
            block = slice(start, start + ROWS_AT_ONCE)
            file.writelines(
                ",".join(row) + "\n" for row in zip(*(cell(block).tolist() for cell in cells), strict=True)
            )
