r"""Contact sheet of a data set: moments of some videos, the 2D input beside the 3D truth from the side.

    python tools/preview_data.py --config configs/quickstart.yaml --out preview.png
    python tools/preview_data.py --reader worker --joint_format H36M-17 --split test --videos 8

Works for every reader. Look for: limbs that join the wrong joints, left and right exchanged (left blue, right
orange), bodies upside down or flat, depth that runs backwards, and confidence that is low where joints are
seen.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.config import load_config
from lib.config_yaml import parse_value
from lib.data.build import build_motion
from lib.data.motion import Motion
from lib.draw import draw_pose_2d, plt
from lib.errors import UserError
from lib.skeleton import Skeleton, load_skeleton

CELL_INCHES, ROW_INCHES = 1.6, 1.95
LARGE_COUNT = 40  # formats with more joints are drawn with thinner lines


def turned(joints: np.ndarray, degrees: float) -> np.ndarray:
    """Poses (...,J,3) in camera axes turned about the vertical, so that depth becomes width: (...,J,2)."""
    angle = np.radians(degrees)
    x = joints[..., 0] * np.cos(angle) + joints[..., 2] * np.sin(angle)
    return np.stack([x, joints[..., 1]], axis=-1)


def pick_videos(motion: Motion, count: int) -> np.ndarray:
    """Up to ``count`` rows of ``motion.videos``: every action in turn, spread over the set."""
    videos = motion.videos
    by_action: dict[str, list[np.ndarray]] = {}
    for video in videos:
        by_action.setdefault(motion.action[int(video[0])], []).append(video)
    chosen: list[np.ndarray] = []
    for turn in range(max(map(len, by_action.values()), default=0)):
        # another place of each action's list every turn, so that neighbours are not the same recording
        chosen += [group[(turn * 7) % len(group)] for group in by_action.values() if turn < len(group)]
        if len(chosen) >= count:
            break
    return np.array(chosen[:count])


def contact_sheet(
    motion: Motion, path: str | Path, videos: int = 8, moments: int = 5, turn_deg: float = 75.0
) -> Path:
    """Write the PNG: a row a video, for each moment the 2D input and, where there is 3D, the truth turned."""
    skeleton, chosen = motion.skeleton, pick_videos(motion, videos)
    if not len(chosen):
        raise UserError("there are no frames to show")
    views = 1 if motion.joints_image is None else 2
    figure, axes = plt.subplots(
        len(chosen),
        moments * views,
        figsize=(CELL_INCHES * moments * views, ROW_INCHES * len(chosen) + 0.3),
        squeeze=False,
    )
    height_inches = figure.get_figheight()
    figure.subplots_adjust(0.004, 0.16 / height_inches, 0.996, 1.0 - 0.46 / height_inches, 0.02, 0.2)
    for row, (start, stop) in enumerate(chosen):
        frames = np.linspace(start, stop - 1, moments).round().astype(int)
        seen = motion.joints_2d[frames]
        _draw_row(axes[row, ::views], seen, skeleton, motion.confidence[frames])
        if motion.joints_image is not None:
            image = motion.joints_image[frames]
            relative = image - skeleton.root_of(image)
            _draw_row(axes[row, 1::views], turned(relative, turn_deg), skeleton, None)
        width, height = motion.size_px[frames[0]]
        first = int(start)
        about = f"{motion.source[first]}  ({motion.action[first]}), camera {motion.camera[first]}, "
        about += f"{stop - start} frames, {width:.0f} x {height:.0f}"
        axes[row, 0].set_title(about, fontsize=7, loc="left", pad=2)
        for column, frame in enumerate(frames):
            axes[row, column * views].set_xlabel(f"frame {frame - start}", fontsize=6, labelpad=1)
    legend = "2D input (faint: low confidence)" + ("; 3D truth from the side" if views == 2 else "")
    figure.suptitle(f"{skeleton.name}: {legend}", fontsize=9, y=1.0 - 0.04 / height_inches)
    figure.savefig(path, dpi=90)
    plt.close(figure)
    return Path(path)


def _draw_row(axes: np.ndarray, poses: np.ndarray, skeleton: Skeleton, confidence: np.ndarray | None) -> None:
    """Poses (M,J,2) of one video, all on the scale of the largest, each centred in its cell; y down."""
    low, high = np.nanmin(poses, axis=1), np.nanmax(poses, axis=1)
    half = 0.55 * float((high - low).max()) or 1.0
    for number, (axis, centre) in enumerate(zip(axes, (low + high) / 2.0, strict=True)):
        draw_pose_2d(axis, poses[number], skeleton, None if confidence is None else confidence[number])
        axis.set_xlim(centre[0] - half, centre[0] + half)
        axis.set_ylim(centre[1] + half, centre[1] - half)
        axis.set_xticks([])
        axis.set_yticks([])
        if skeleton.num_joints > LARGE_COUNT:
            for line in axis.lines:
                line.set_linewidth(0.7)
            for dots in axis.collections:
                dots.set_sizes([1.0])


def read_motion(options: argparse.Namespace) -> Motion:
    """Motion of the config, or of a reader with default settings."""
    if options.config:
        config: dict[str, Any] = load_config(options.config, options.set)
    elif options.reader and options.joint_format:
        config = {"reader": options.reader, "joint_format": options.joint_format}
        config |= {
            key: parse_value(value, "--set")
            for key, _, value in (text.partition("=") for text in options.set)
        }
    else:
        raise UserError("give --config FILE, or --reader NAME and --joint_format NAME")
    return build_motion(config, load_skeleton(config["joint_format"]), options.split)


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", help="YAML of an experiment")
    parser.add_argument("--reader", help="instead of a config: a reader, with its settings by --set")
    parser.add_argument("--joint_format", help="with --reader: the joint format")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a config key"
    )
    parser.add_argument("--split", default="train", help="default: train")
    parser.add_argument("--videos", type=int, default=8, help="rows (default 8)")
    parser.add_argument("--moments", type=int, default=5, help="moments of each video (default 5)")
    parser.add_argument(
        "--turn", type=float, default=75.0, help="side view: degrees from the camera (default 75)"
    )
    parser.add_argument("--out", default="preview.png", help="PNG to write (default preview.png)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        path = contact_sheet(read_motion(options), options.out, options.videos, options.moments, options.turn)
    except UserError as error:
        print(f"preview_data: {error}", file=sys.stderr)
        return 2
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
