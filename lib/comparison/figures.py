"""Figures of a comparison: box plots of angle differences and joint errors, and Bland-Altman plots."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from lib.comparison.compare import Comparison
from lib.comparison.joints import JOINT_MEASURES
from lib.comparison.measures import agreement

COLORS = ("#2878b5", "#e07b39", "#3f8f4f", "#8b4ba8", "#5c6670", "#b5283f", "#8a6d1d", "#1d8a86")
POINTS = 1200  # of a Bland-Altman plot: evenly spaced frames, so that dense plots stay readable
PERCENTILES = (2.5, 25, 50, 75, 97.5)


def angle_boxes(comparison: Comparison) -> bytes:
    """PNG: for each angle and result the differences to the truth: median, middle half, and 95 of 100 frames."""
    angles = list(comparison.truth_deg)
    names = list(comparison.differences_deg)
    figure, axis = plt.subplots(figsize=(9, 1.2 + 0.13 * len(angles) * (len(names) + 1)))
    boxes: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    places: dict[str, list[float]] = {name: [] for name in names}
    for line, angle in enumerate(angles):
        for number, name in enumerate(names):
            own = comparison.differences_deg[name].get(angle)
            values = np.zeros(0) if own is None else own[comparison.angle_frames(angle)]
            if len(values):
                boxes[name].append(_box(values))
                places[name].append(line + 0.8 * ((number + 0.5) / len(names) - 0.5))
    _draw_boxes(axis, boxes, places, 0.7 / len(names), orientation="horizontal")
    axis.axvline(0, color="#18212b", lw=0.8, zorder=0)
    axis.set_yticks(range(len(angles)), [angle.replace("_", " ") for angle in angles], fontsize=8)
    axis.set_ylim(len(angles) - 0.4, -0.6)
    axis.grid(axis="x", alpha=0.3)
    axis.set_xlabel("result less truth, degrees")
    axis.legend(handles=_handles(names), fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    return _png(figure)


def joint_boxes(comparison: Comparison) -> bytes | None:
    """PNG: joint errors on the common joints for each task, one panel a measure; None where there are none."""
    names = list(comparison.common_mm)
    keys = [key for key in JOINT_MEASURES if any(key in errors for errors in comparison.common_mm.values())]
    if not keys:
        return None
    action = np.asarray(comparison.aligned.truth.action)
    tasks = comparison.tasks() or [""]
    width = 1.2 + 0.28 * len(tasks) * (len(names) + 1)
    figure, axes = plt.subplots(1, len(keys), figsize=(max(width, 3.2) * len(keys), 4), squeeze=False)
    for axis, key in zip(axes[0], keys, strict=True):
        boxes: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        places: dict[str, list[float]] = {name: [] for name in names}
        for column, task in enumerate(tasks):
            for number, name in enumerate(names):
                own = comparison.common_mm[name].get(key)
                values = np.zeros(0) if own is None else own[comparison.joint_frames(key) & (action == task)]
                if len(values):
                    boxes[name].append(_box(values))
                    places[name].append(column + 0.8 * ((number + 0.5) / len(names) - 0.5))
        _draw_boxes(axis, boxes, places, 0.7 / len(names), orientation="vertical")
        titles = [task.replace("_", " ") for task in tasks]
        axis.set_xticks(range(len(tasks)), titles, rotation=30, ha="right", fontsize=8)
        axis.set_ylim(bottom=0)
        axis.grid(axis="y", alpha=0.3)
        axis.set_ylabel(f"{JOINT_MEASURES[key][0]}, mm")
    axes[0, 0].legend(handles=_handles(names), fontsize=8)
    return _png(figure)


def bland_altman(comparison: Comparison, angles: Sequence[str]) -> bytes:
    """PNG: difference over mean of truth and result, a line a angle, a column a result; bias and limits drawn in."""
    names = [
        name for name, own in comparison.differences_deg.items() if any(angle in own for angle in angles)
    ]
    width, height = 1.0 + 3.1 * len(names), 0.8 + 2.5 * len(angles)
    figure, axes = plt.subplots(
        len(angles), len(names), figsize=(width, height), squeeze=False, sharex="row", sharey="row"
    )
    # margins in inches: looking for tight ones takes as long as the drawing
    figure.subplots_adjust(
        0.85 / width, 0.5 / height, 1 - 0.1 / width, 1 - 0.3 / height, hspace=0.2, wspace=0.12
    )
    colors = dict(zip(comparison.differences_deg, _colors(len(comparison.differences_deg)), strict=True))
    for line, angle in enumerate(angles):
        used = comparison.angle_frames(angle)
        for axis, name in zip(axes[line], names, strict=True):
            own = comparison.differences_deg[name].get(angle)
            found = None if own is None else agreement(own[used])
            if own is None or found is None:
                axis.set_axis_off()
                continue
            difference = own[used]
            middle = comparison.truth_deg[angle][used] + difference / 2
            shown = np.unique(np.linspace(0, len(difference) - 1, min(POINTS, len(difference))).astype(int))
            axis.scatter(middle[shown], difference[shown], s=4, alpha=0.35, lw=0, color=colors[name])
            axis.axhline(0, color="#18212b", lw=0.5)
            axis.axhline(found.bias, color="#18212b", lw=1.2)
            for limit in (found.low, found.high):
                axis.axhline(limit, color="#18212b", lw=1, ls="--")
            axis.set_title(f"{name}: {found.bias:+.1f} [{found.low:+.0f}, {found.high:+.0f}]", fontsize=8)
            axis.tick_params(labelsize=7)
            axis.grid(alpha=0.25)
        axes[line, 0].set_ylabel(f"{angle.replace('_', ' ')}\nresult less truth, deg", fontsize=8)
    for axis in axes[-1]:
        axis.set_xlabel("mean of both, deg", fontsize=8)
    return _png(figure, tight=False)


def angles_by_figure(angles: Sequence[str]) -> dict[str, list[str]]:
    """Angles that share a Bland-Altman figure, by its name: those of left and right."""
    found: dict[str, list[str]] = {}
    for angle in angles:
        found.setdefault(angle.removeprefix("left_").removeprefix("right_"), []).append(angle)
    return found


def _box(values: np.ndarray) -> dict[str, Any]:
    low, first, middle, third, high = np.percentile(values, PERCENTILES)
    return {"med": middle, "q1": first, "q3": third, "whislo": low, "whishi": high, "fliers": []}


def _draw_boxes(
    axis: Any, boxes: dict[str, list[dict]], places: dict[str, list[float]], width: float, orientation: str
) -> None:
    for color, name in zip(_colors(len(boxes)), boxes, strict=True):
        if boxes[name]:
            axis.bxp(
                boxes[name],
                positions=places[name],
                widths=width,
                orientation=orientation,
                showfliers=False,
                patch_artist=True,
                manage_ticks=False,
                boxprops={"facecolor": color, "edgecolor": color},
                medianprops={"color": "white", "lw": 1.4},
                whiskerprops={"color": color},
                capprops={"color": color},
            )


def _colors(count: int) -> list[str]:
    return [COLORS[number % len(COLORS)] for number in range(count)]


def _handles(names: Sequence[str]) -> list[Any]:
    return [
        plt.Rectangle((0, 0), 1, 1, color=color, label=name)
        for color, name in zip(_colors(len(names)), names, strict=True)
    ]


def _png(figure: Any, tight: bool = True) -> bytes:
    file = BytesIO()
    figure.savefig(file, format="png", dpi=100, bbox_inches="tight" if tight else None)
    plt.close(figure)
    return file.getvalue()
