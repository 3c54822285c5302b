"""ergo.png: angles and scores over time, action levels shaded.

Letters: F frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lib.anatomy import side_colors
from lib.draw import plt
from lib.ergo.limits import load_limits, unknown_color
from lib.ergo.result import MethodResult
from lib.ergo.scores import DISCLAIMER, Assessment
from lib.files import atomic_path

INK, EDGE = "#30363c", "#8a949e"
PANELS = {  # title -> label, names of the angle series, the first that is known
    "Trunk and neck": {
        "trunk flexion": ("trunk_flexion", "center", "-"),
        "trunk side bend": ("trunk_lateral", "center", ":"),
        "neck flexion": ("neck_flexion", "neck", "-"),
    },
    "Upper arm elevation": {
        "left": ("left_shoulder_elevation", "left", "-"),
        "right": ("right_shoulder_elevation", "right", "-"),
    },
    "Elbow flexion": {
        "left": ("left_elbow_flexion", "left", "-"),
        "right": ("right_elbow_flexion", "right", "-"),
    },
    "Knee flexion": {
        "left": ("left_knee_flexion", "left", "-"),
        "right": ("right_knee_flexion", "right", "-"),
    },
}


def draw_ergo(
    path: str | Path, angles_deg: Mapping[str, np.ndarray], assessment: Assessment, time_s: np.ndarray
) -> None:
    """Write the figure: angles in degrees, RULA and REBA as lines over their action levels, the others as bands."""
    scored = [result for result in assessment.methods.values() if "score" in result.frames]
    banded = [result for result in assessment.methods.values() if "score" not in result.frames]
    heights = [1.15] * len(PANELS) + [1.15] * len(scored) + [0.42] * len(banded)
    figure, axes = plt.subplots(
        len(heights),
        1,
        figsize=(11, 1.35 * sum(heights) + 1.2),
        sharex=True,
        squeeze=False,
        gridspec_kw={"height_ratios": heights, "hspace": 0.32},
    )
    rows = iter(axes[:, 0])
    try:
        for title, curves in PANELS.items():
            _draw_angles(next(rows), title, curves, angles_deg, time_s)
        for result in scored:
            _draw_score(next(rows), result, time_s)
        for result in banded:
            _draw_band(next(rows), result, time_s)
        axes[-1, 0].set_xlabel("time in s", color=INK)
        if len(time_s) > 1:
            axes[-1, 0].set_xlim(time_s[0], time_s[-1])
        figure.suptitle(
            f"Joint angles and posture scores. {DISCLAIMER}", x=0.07, y=0.995, ha="left", fontsize=11
        )
        figure.subplots_adjust(
            left=0.07, right=0.83, top=1 - 0.42 / figure.get_figheight(), bottom=0.5 / figure.get_figheight()
        )
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=110)
    finally:
        plt.close(figure)


def _draw_angles(
    axis: Any,
    title: str,
    curves: Mapping[str, tuple[str, str, str]],
    angles_deg: Mapping[str, np.ndarray],
    time_s: np.ndarray,
) -> None:
    colors = side_colors() | {"neck": "#8c4fa3"}
    unknown = np.full(len(time_s), np.nan)
    for label, (name, color, line) in curves.items():
        axis.plot(time_s, angles_deg.get(name, unknown), line, color=colors[color], lw=1.3, label=label)
    axis.axhline(0, color=EDGE, lw=0.6)
    axis.set_title(f"{title}, degrees", loc="left", fontsize=9, color=INK, pad=3)
    _legend(axis)


def _draw_score(axis: Any, result: MethodResult, time_s: np.ndarray) -> None:
    highest = load_limits(result.name)["score_levels"]
    edges = [0.5, *(highest + 0.5)]
    for level, low, high in zip(result.levels, edges, edges[1:], strict=False):
        axis.axhspan(low, high, color=level.color, alpha=0.55, lw=0, label=level.name)
    axis.step(time_s, result.frames["score"], where="post", color="#101418", lw=1.3)
    axis.set_ylim(edges[0], edges[-1])
    axis.set_title(f"{result.title}, score of the worse side", loc="left", fontsize=9, color=INK, pad=3)
    _legend(axis, reverse=True)


def _draw_band(axis: Any, result: MethodResult, time_s: np.ndarray) -> None:
    half = (time_s[1] - time_s[0]) / 2 if len(time_s) > 1 else 0.5
    extent = (time_s[0] - half, time_s[-1] + half, 0, 1)
    colors = np.array([_rgb(level.color) for level in result.levels] + [_rgb(unknown_color())], np.uint8)
    axis.imshow(colors[result.level][None], aspect="auto", extent=extent, interpolation="nearest")
    for level in result.levels:
        axis.plot([], [], "s", color=level.color, label=level.name)
    axis.set_yticks([])
    mark = f" ({result.mark})" if result.mark else ""
    axis.set_title(f"{result.title}{mark}", loc="left", fontsize=9, color=INK, pad=3)
    _legend(axis, columns=1)


def _rgb(color: str) -> list[int]:
    return [int(color[at : at + 2], 16) for at in (1, 3, 5)]


def _legend(axis: Any, reverse: bool = False, columns: int = 1) -> None:
    handles, labels = axis.get_legend_handles_labels()
    if reverse:
        handles, labels = handles[::-1], labels[::-1]
    axis.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(1.005, 1.08),
        fontsize=8,
        frameon=False,
        ncols=columns,
        borderaxespad=0,
        labelspacing=0.25,
        handlelength=1.4,
    )
    axis.tick_params(labelsize=8, colors=INK)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
