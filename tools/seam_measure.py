#!/usr/bin/env python
"""Does a seam show where the windows of a long video meet? Acceleration at window borders against inside windows.

python tools/seam_measure.py -e runs/mine/best_epoch.bin -j out/keypoints_2d.npz

Takes what infer_wild.py showed to the model (keypoints_2d.npz). The motion is played forth and back until it has
--frames frames, and lifted several times with the windows placed elsewhere: every frame near a border is compared with
itself when it lies inside a window, so that what the person does there counts on both sides.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.config import load_config
from lib.data.motion import Motion
from lib.engine import start_runtime
from lib.errors import UserError, run_script
from lib.skeleton import Skeleton, load_skeleton
from lib.wild.lift import Lifter, lift, load_lifter
from lib.wild.records import load_npz
from lib.wild.windows import window_starts

# Poses (F,J,3) px, and the frames (F,) whose acceleration a border may have changed.
Lifted = tuple[np.ndarray, np.ndarray]


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("-e", "--evaluate", required=True, metavar="FILE", help="checkpoint")
    add("--config", metavar="FILE", help="its config [config.yaml beside it]")
    add("-j", "--json_path", required=True, metavar="FILE", help="keypoints_2d.npz of infer_wild.py")
    add("--clip_len", type=int, help="frames of a window [the config's]")
    add("--frames", type=int, default=1000, help="frames to measure on [%(default)s]")
    add("--places", type=int, default=6, help="how many times the windows are placed [%(default)s]")
    add("--device", help="cpu or cuda")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    arguments = parse_arguments(argv)
    path = arguments.config or Path(arguments.evaluate).with_name("config.yaml")
    config = load_config(path, task="pose3d")
    skeleton = load_skeleton(config.joint_format).with_root(*config.root)
    runtime = start_runtime("fp32", arguments.device, config.threads)
    model = load_lifter(
        arguments.evaluate, config=config, skeleton=skeleton, runtime=runtime, clip_len=arguments.clip_len
    )
    motion = forth_and_back(read_motion(Path(arguments.json_path), skeleton), arguments.frames)
    print(report(model, motion, arguments.places))
    return 0


def read_motion(path: Path, skeleton: Skeleton) -> Motion:
    """The longest uninterrupted part of what infer_wild.py showed to the model."""
    stored = load_npz(path, ("keypoints", "joints", "fps", "size_px"))
    if tuple(stored["joints"]) != skeleton.joints:
        raise UserError(f"{path} has other joints than {skeleton.name}: make it with this checkpoint")
    rows = np.flatnonzero(np.isfinite(stored["keypoints"]).all((1, 2)))
    if not len(rows):
        raise UserError(f"{path} has no frame with a person")
    parts = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    keypoints = stored["keypoints"][max(parts, key=len)]
    return Motion(
        joints_2d=keypoints[..., :2],
        confidence=keypoints[..., 2],
        source=str(path),
        camera="",
        action="",
        fps=float(stored["fps"]),
        size_px=stored["size_px"],
        skeleton=skeleton,
        missing="hold",
    )


def forth_and_back(motion: Motion, num_frames: int) -> Motion:
    """A motion played forth and back, so that it never jumps, for ``num_frames`` frames."""
    turn = max(motion.num_frames - 1, 1)
    place = np.arange(num_frames) % (2 * turn)
    return motion.select(np.minimum(np.minimum(place, 2 * turn - place), motion.num_frames - 1))


def report(model: Lifter, motion: Motion, places: int) -> str:
    """Table of the acceleration at borders and inside, for windows cut hard and for blended ones."""
    if model.clip_len == 1 or motion.num_frames <= 2 * model.clip_len or places < 2:
        return (
            f"windows of {model.clip_len} frames in {motion.num_frames} frames, placed {places} times: "
            "there are no borders to compare; windows need 2 frames or more, --frames more than two windows, "
            "--places 2 or more"
        )
    rows = [f"{f'windows of {model.clip_len} frames':28}{'border':>10}{'inside':>10}{'seam':>10}"]
    for name, lift_so in (("cut hard", cut_hard), (f"blended over {model.overlap} or more", blended)):
        border, inside = compare(model, motion, places, lift_so)
        rows.append(f"{name:28}{border:10.4f}{inside:10.4f}{border / inside - 1:+10.1%}")
    rows.append("mean acceleration of the joints relative to the root, px per frame and frame")
    return "\n".join(rows)


def compare(
    model: Lifter, motion: Motion, places: int, lift_so: Callable[[Lifter, Motion], Lifted]
) -> tuple[float, float]:
    """Mean acceleration of frames near a border, and of the same frames where they lie inside a window."""
    at_border, inside = (np.full((places, motion.num_frames), np.nan) for _ in range(2))
    for place in range(places):
        skipped = place * model.clip_len // places
        pose, near = lift_so(model, motion.select(np.s_[skipped:]))
        pose = pose - model.skeleton.root_of(pose)
        acceleration = np.full(len(pose), np.nan)
        acceleration[1:-1] = np.linalg.norm(np.diff(pose, 2, axis=0), axis=-1).mean(-1)
        at_border[place, skipped:][near] = acceleration[near]
        inside[place, skipped:][~near] = acceleration[~near]
    both = np.isfinite(at_border).any(0) & np.isfinite(inside).any(0)
    return float(np.nanmean(at_border[:, both], 0).mean()), float(np.nanmean(inside[:, both], 0).mean())


def cut_hard(model: Lifter, motion: Motion) -> Lifted:
    """Windows side by side."""
    window = np.arange(motion.num_frames) // model.clip_len
    pose = lift(model, replace(motion, camera=window)).joints_image
    assert pose is not None
    change = np.diff(window) > 0
    return pose, np.append(change, False) | np.insert(change, 0, False)


def blended(model: Lifter, motion: Motion) -> Lifted:
    """Overlapping windows, as ``lift`` makes them."""
    pose = lift(model, motion).joints_image
    assert pose is not None
    starts = window_starts(motion.num_frames, model.clip_len, model.overlap)
    frames = np.arange(motion.num_frames)[:, None]
    return pose, ((frames >= starts[1:] - 1) & (frames <= starts[:-1] + model.clip_len)).any(1)


if __name__ == "__main__":
    run_script(main)
