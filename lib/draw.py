"""Poses drawn with matplotlib: 2D in image coordinates, 3D in camera axes shown upright; left and right apart."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from lib.skeleton import Skeleton


def draw_pose_2d(
    axis: Any, joints_px: np.ndarray, skeleton: Skeleton, confidence: np.ndarray | None = None
) -> None:
    """Draw one pose (J, 2) px with y down; joints of low confidence (J,) are faint."""
    alpha = np.ones(len(joints_px)) if confidence is None else 0.15 + 0.85 * np.clip(confidence, 0, 1)
    for (a, b), colour in zip(skeleton.limb_idx, skeleton.limb_colors, strict=True):
        axis.plot(*joints_px[[a, b], :2].T, color=colour, lw=1.6, alpha=min(alpha[a], alpha[b]))
    axis.scatter(*joints_px[:, :2].T, c=list(skeleton.joint_colors), s=5, alpha=alpha, zorder=3)
    axis.set_aspect("equal")


def draw_pose_3d(axis: Any, joints: np.ndarray, skeleton: Skeleton, grey: bool = False) -> None:
    """Draw one pose (J, 3) in camera axes (x right, y down, z forward) on a 3D axis, upright."""
    x, y, z = joints.T
    for (a, b), colour in zip(skeleton.limb_idx, skeleton.limb_colors, strict=True):
        style = {"color": "#555555", "lw": 1.2, "ls": "--"} if grey else {"color": colour, "lw": 2.0}
        axis.plot(x[[a, b]], z[[a, b]], -y[[a, b]], **style)


def frame_pose_3d(axis: Any, joints: np.ndarray, azimuth_deg: float = -70, elevation_deg: float = 12) -> None:
    """Equal limits around poses (..., 3) in camera axes, and a view angle."""
    points = joints.reshape(-1, 3)
    low, high = np.nanmin(points, 0), np.nanmax(points, 0)
    centre, half = (low + high) / 2, float((high - low).max()) / 2 or 1.0
    axis.set_xlim(centre[0] - half, centre[0] + half)
    axis.set_ylim(centre[2] - half, centre[2] + half)
    axis.set_zlim(-centre[1] - half, -centre[1] + half)
    axis.set_box_aspect((1, 1, 1), zoom=1.45)
    axis.view_init(elev=elevation_deg, azim=azimuth_deg)
    axis.set_axis_off()


def prediction_sheet(
    path: str | Path,
    joints_2d_px: np.ndarray,
    prediction_mm: np.ndarray,
    truth_mm: np.ndarray,
    titles: Sequence[str],
    skeleton: Skeleton,
) -> Path:
    """PNG with one column a frame: the 2D input (F, J, 2), and prediction beside truth (F, J, 3) from two sides."""
    count = len(titles)
    figure = plt.figure(figsize=(1.9 * count, 6.6))
    grid = figure.add_gridspec(
        3, count, left=0.01, right=0.99, top=0.86, bottom=0.01, wspace=0.02, hspace=0.02
    )
    for column, title in enumerate(titles):
        axis = figure.add_subplot(grid[0, column])
        draw_pose_2d(axis, joints_2d_px[column], skeleton)
        axis.invert_yaxis()
        axis.set_axis_off()
        axis.set_title(textwrap.fill(title, 26), fontsize=7)
        both = np.stack([prediction_mm[column], truth_mm[column]])
        for row, azimuth in ((1, -80), (2, -10)):
            axis = figure.add_subplot(grid[row, column], projection="3d")
            draw_pose_3d(axis, truth_mm[column], skeleton, grey=True)
            draw_pose_3d(axis, prediction_mm[column], skeleton)
            frame_pose_3d(axis, both, azimuth_deg=azimuth)
    figure.suptitle(
        "2D input; prediction (left blue, right orange) over truth (dashed) from the front and from the side",
        fontsize=9,
    )
    figure.savefig(path, dpi=100)
    plt.close(figure)
    return Path(path)
