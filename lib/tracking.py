"""Scalars of a run behind one call, ``log(scalars, step)``: metrics.jsonl, tensorboardX, a PNG of the curves, W&B."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from tensorboardX import SummaryWriter

from lib.files import atomic_write_text

logger = logging.getLogger(__name__)

METRICS_FILE = "metrics.jsonl"
CURVES_FILE = "curves.png"


class NullTracker:
    """Takes everything and writes nothing: the tracker of the processes that are not the main one."""

    def log(self, scalars: Mapping[str, float], step: int) -> None:
        """Ignore the scalars."""

    def draw(self) -> None:
        """Draw nothing."""

    def close(self) -> None:
        """Nothing to close."""


class Tracker(NullTracker):
    """Writes each call's scalars (names like ``train/mpjpe``) as one line, as curves, and to W&B if asked for.

    Lines of steps that a resumed run will do again are dropped first, so that the file reads as one run.
    """

    def __init__(self, folder: Path, resume_step: int = 0, wandb: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        kept = [row for row in read_metrics(folder) if row["step"] <= resume_step]
        atomic_write_text(folder / METRICS_FILE, "".join(json.dumps(row) + "\n" for row in kept))
        self._file = (folder / METRICS_FILE).open("a", encoding="utf-8")
        self._board = SummaryWriter(str(folder / "logs"), purge_step=resume_step or None)
        self._wandb = _start_wandb(wandb) if wandb else None

    def log(self, scalars: Mapping[str, float], step: int) -> None:
        """Write scalars of one step; numbers that are not finite become null in the file."""
        row = {name: value if math.isfinite(value) else None for name, value in scalars.items()}
        self._file.write(json.dumps({"step": step, **row}) + "\n")
        self._file.flush()
        for name, value in scalars.items():
            self._board.add_scalar(name, value, step)
        if self._wandb is not None:
            self._wandb.log(dict(scalars), step=step)

    def draw(self) -> None:
        """Draw the curves as they stand."""
        draw_curves(self.folder)

    def close(self) -> None:
        """Flush everything."""
        self._board.close()
        self._file.close()
        if self._wandb is not None:
            self._wandb.finish()


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Rows of a run's metrics.jsonl; a last line that was cut off by a crash is left out."""
    path = folder / METRICS_FILE
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            logger.warning("%s: a broken line was left out", path)
    return rows


def draw_curves(folder: Path) -> Path | None:
    """Draw every measure of metrics.jsonl over the steps, training and validation in one panel; returns the PNG."""
    rows = read_metrics(folder)
    measures = sorted({name.split("/", 1)[1] for row in rows for name in row if "/" in name})
    if not measures:
        return None
    columns = min(3, len(measures))
    lines = math.ceil(len(measures) / columns)
    figure, axes = plt.subplots(lines, columns, figsize=(4.2 * columns, 2.8 * lines), squeeze=False)
    for axis, measure in zip(axes.flat, measures, strict=False):
        for prefix, colour in (("train", "#1f77b4"), ("validation", "#d62728"), ("rate", "#7f7f7f")):
            points = [(row["step"], row[key]) for row in rows if (key := f"{prefix}/{measure}") in row]
            points = [(step, value) for step, value in points if value is not None]
            if points:
                axis.plot(
                    *zip(*points, strict=True),
                    color=colour,
                    label=prefix,
                    marker="." if len(points) < 30 else "",
                )
        axis.set_title(measure, fontsize=10)
        axis.set_xlabel("step", fontsize=8)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    for axis in axes.flat[len(measures) :]:
        axis.set_visible(False)
    figure.tight_layout()
    path = folder / CURVES_FILE
    figure.savefig(path, dpi=90)
    plt.close(figure)
    return path


def _start_wandb(options: Mapping[str, Any]) -> Any:
    """A W&B run, or None with one line of reason when the package is not installed."""
    try:
        import wandb
    except ImportError:
        logger.warning(
            "W&B was asked for, but the package is not installed (pip install wandb): going on without it"
        )
        return None
    return wandb.init(**options)
