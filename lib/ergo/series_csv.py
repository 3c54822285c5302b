"""Angles and scores over time as CSV: one row a frame, empty cells where nothing is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lib.ergo.scores import Assessment
from lib.files import atomic_path

ROWS_AT_ONCE = 20_000


def write_angles_csv(path: str | Path, angles_deg: Mapping[str, np.ndarray], time_s: np.ndarray) -> None:
    """Columns frame (from 0), time_s, and one for each angle, named ``<name>_deg``; 0.01 degrees.

    Series that are no angles keep their name.
    """
    named = {
        name if name.endswith("_lateral") and "hand" in name else f"{name}_deg": series
        for name, series in angles_deg.items()
    }
    _write(path, time_s, {name: _texts(series, 2) for name, series in named.items()})


def write_scores_csv(path: str | Path, assessment: Assessment, time_s: np.ndarray) -> None:
    """Columns frame, time_s, then ``<method>_<column>``: scores, part scores and levels; the level also as a word."""
    columns: dict[str, np.ndarray] = {}
    for name, result in assessment.methods.items():
        words = np.array([*(level.name for level in result.levels), ""])
        columns[f"{name}_level_name"] = words[result.level]
        for column, values in result.frames.items():
            known = np.isfinite(values) & (values >= 0 if values.dtype.kind == "i" else True)
            columns[f"{name}_{column}"] = np.where(known, _texts(np.where(known, values, 0), 0), "")
    for part, risk in assessment.parts.items():
        columns[f"risk_{part}"] = np.where(risk >= 0, _texts(risk, 0), "")
    _write(path, time_s, columns)


def _texts(values: np.ndarray, decimals: int) -> np.ndarray:
    rounded = np.round(np.asarray(values, np.float64), decimals)
    texts = np.char.mod(f"%.{decimals}f", np.where(rounded == 0, 0.0, rounded))  # no "-0.00"
    return np.where(np.isfinite(rounded), texts, "")


def _write(path: str | Path, time_s: np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
    times = np.char.mod("%.6f", np.asarray(time_s, np.float64))
    cells = [np.arange(len(times)).astype(str), times, *columns.values()]
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(["frame", "time_s", *columns]) + "\n")
        for start in range(0, len(times), ROWS_AT_ONCE):
            rows = zip(*(column[start : start + ROWS_AT_ONCE].tolist() for column in cells), strict=True)
            file.writelines(",".join(row) + "\n" for row in rows)
