"""One figure a set: error by view angle around the person, by clip length, and by frame rate."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from lib.comparison.figures import COLORS
from lib.judging.breakdowns import VIEWS
from lib.judging.rows import ACCELERATION, CLIP_LENGTH, FRAME_RATE, MEASURES, VIEW, WHOLE, Row

DASHES = ("-", "--", ":", "-.")
# breakdown, measure, title, label of its axis
PANELS = (
    (VIEW, "mpjpe_mm", "where the person faces", ""),
    (CLIP_LENGTH, "mpjpe_mm", "clip length", "frames"),
    (FRAME_RATE, "mpjpe_mm", "frame rate", "frames a second"),
    (FRAME_RATE, ACCELERATION, "frame rate", "frames a second"),
)


def judgement_figure(rows: Sequence[Row]) -> bytes | None:
    """PNG of the panels for which there are rows; a colour a lifter, a dash an input; None without any."""
    panels = [panel for panel in PANELS if any(row.by == panel[0] for row in rows)]
    if not panels:
        return None
    figure = plt.figure(figsize=(3.9 * len(panels), 4.8), layout="constrained")
    styles = _styles(rows)
    handles: dict[str, Any] = {}
    for number, (by, measure, title, label) in enumerate(panels, start=1):
        axis = figure.add_subplot(1, len(panels), number, projection="polar" if by == VIEW else None)
        for column, style in styles.items():
            own = [row for row in rows if row.column == column and row.by == by]
            values = {row.group: row.errors[measure] for row in own}
            if values:
                line = (_draw_round if by == VIEW else _draw_line)(axis, values, style)
                handles.setdefault(column, line)
        axis.margins(y=0.08)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.35)
        axis.set_title(f"{title}\n{MEASURES[measure]}", fontsize=9, pad=12)
        axis.tick_params(labelsize=7)
        if by == VIEW:
            axis.set_theta_zero_location("S")  # the camera stands below the picture
            axis.set_xticks(_sectors(), [view.replace(" ", "\n") for view in VIEWS], fontsize=7)
        else:
            axis.set_xscale("log")
            ticks = sorted({float(row.group) for row in rows if row.by == by})
            axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axis.minorticks_off()
            axis.set_xlabel(label, fontsize=8)
    figure.legend(
        handles.values(), handles.keys(), fontsize=8, loc="outside lower center", ncols=min(6, len(handles))
    )
    file = BytesIO()
    figure.savefig(file, format="png", dpi=100, bbox_inches="tight")
    plt.close(figure)
    return file.getvalue()


def _sectors() -> np.ndarray:
    return np.arange(len(VIEWS)) * 2 * np.pi / len(VIEWS)


def _styles(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Colour and dash of each lifter and input, by the name of its column."""
    rows = [row for row in rows if row.by not in WHOLE]
    lifters, inputs = (
        [*dict.fromkeys(names)] for names in zip(*((r.lifter, r.input) for r in rows), strict=True)
    )
    return {
        row.column: {
            "color": COLORS[lifters.index(row.lifter) % len(COLORS)],
            "linestyle": DASHES[inputs.index(row.input) % len(DASHES)],
        }
        for row in rows
    }


def _draw_round(axis: Any, values: dict[str, float], style: dict[str, Any]) -> Any:
    """A closed line through the sectors; a sector without frames leaves a gap."""
    around = [values.get(view, np.nan) for view in VIEWS]
    return axis.plot([*_sectors(), 2 * np.pi], [*around, around[0]], marker="o", ms=3, **style)[0]


def _draw_line(axis: Any, values: dict[str, float], style: dict[str, Any]) -> Any:
    places = sorted(values, key=float)
    return axis.plot(
        [float(place) for place in places], [values[place] for place in places], marker="o", ms=3, **style
    )[0]
