"""Reader ``rokoko``: gloves recorded with Rokoko Studio, filmed by drawn cameras."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lib.data.hand_sides import SIDES, format_side, with_hands_of_one_side
from lib.data.motion import Motion
from lib.data.pickle_layout import every_nth_frame
from lib.data.readers import register_reader
from lib.data.rokoko import HandTake, read_rokoko
from lib.data.rokoko_columns import load_spellings
from lib.data.subject_splits import SPLITS
from lib.data.worker.camera import image_labels
from lib.data.worker.hand_path import place_camera
from lib.errors import UserError, did_you_mean
from lib.skeleton import Skeleton

logger = logging.getLogger(__name__)

# keys under ``rokoko:`` and their defaults
KEYS: dict[str, Any] = {
    "sides": "both",
    "columns": None,
    "unit_mm": None,
    "axes": None,
    "skip_frames": 5,
    "shot_seconds": 2.5,
    "cameras_per_shot": 2,
    "seed": 0,
}


@register_reader("rokoko")
def read_rokoko_folder(
    skeleton: Skeleton,
    split: str,
    rokoko_root: str,
    fps: float | None = None,
    sample_stride: int = 1,
    mirror_left: bool = True,
    rokoko: Mapping[str, Any] | None = None,
) -> Motion:
    """Motion of every .csv file in ``rokoko_root/split`` and its folders, in a format of one hand.

    The 2D is what drawn cameras see, without errors of a detector. ``fps`` holds for files without time.
    ``rokoko``: keys of ``KEYS``. Raises ``UserError`` for a split without files, and for what ``read_rokoko`` refuses.
    """
    given = dict(rokoko or {})
    if unknown := [key for key in given if key not in KEYS]:
        raise UserError(
            f"rokoko: unknown key '{unknown[0]}'{did_you_mean(unknown[0], KEYS)}; allowed: {', '.join(KEYS)}"
        )
    options = KEYS | given
    if format_side(skeleton) is None:
        raise UserError(f"the reader rokoko makes formats of one hand (Hand-21), not {skeleton.name}")
    if split not in SPLITS:
        raise UserError(
            f"split '{split}'{did_you_mean(split, SPLITS)}; the reader rokoko has {', '.join(SPLITS)}"
        )
    folder = Path(rokoko_root) / split
    files = sorted(folder.rglob("*.csv"))
    if not files:
        raise UserError(f"0 recordings in {folder}: put Rokoko's .csv files there, a folder for each split")
    sides = SIDES if options["sides"] == "both" else (options["sides"],)
    spellings = load_spellings(options["columns"])
    videos: list[Motion] = []
    of_frames: list[str] = []
    for file in files:
        takes = read_rokoko(
            file,
            skeleton,
            sides=sides,
            spellings=spellings,
            **{key: options[key] for key in ("unit_mm", "axes", "skip_frames")},
        )
        name = file.relative_to(folder).with_suffix("").as_posix()
        for take in takes:
            rate = take.fps() or fps
            if rate is None:
                raise UserError(f"{file} has no column of time: give the frame rate as fps")
            filmed = _filmed(skeleton, take, name, split, rate, options)
            of_frames += [take.side] * sum(motion.num_frames for motion in filmed)
            videos += filmed
    if not videos:
        raise UserError(
            f"{folder}: no recording is longer than rokoko.skip_frames = {options['skip_frames']}"
        )
    logger.info(f"rokoko, split '{split}': {len(files)} files, {len(videos)} videos, {len(of_frames)} frames")
    motion = with_hands_of_one_side(Motion.concat(videos), np.array(of_frames), mirror_left)
    return every_nth_frame(motion, sample_stride)


def _filmed(
    skeleton: Skeleton,
    take: HandTake,
    name: str,
    split: str,
    fps: float,
    options: Mapping[str, Any],
) -> list[Motion]:
    """Videos of one hand: pieces without gaps, cut into shots, each seen by its own cameras."""
    longest = max(2, round(options["shot_seconds"] * fps))
    shots = [
        shot
        for piece in take.pieces()
        for shot in np.array_split(take.joints_mm[piece], -(-(piece.stop - piece.start) // longest))
        if len(shot) > 1
    ]
    seed = [options["seed"], SPLITS.index(split), zlib.crc32(name.encode()), SIDES.index(take.side)]
    found = []
    for number, shot in enumerate(shots):
        for camera_number in range(options["cameras_per_shot"]):
            generator = np.random.default_rng([*seed, number, camera_number])
            camera = place_camera(
                generator,
                f"{split}_cam{camera_number}",
                split,
                None,
                shot[:: max(1, len(shot) // 60)].reshape(-1, 3),
            )
            camera_mm = camera.to_camera(shot)
            image, factor = image_labels(skeleton, camera_mm, camera.project(camera_mm), camera.focal_px)
            motion = Motion(
                joints_2d=image[..., :2],
                confidence=np.ones(image.shape[:2]),
                joints_image=image,
                joints_mm=image * factor[:, None, None],
                factor_mm_per_px=factor,
                source=f"{name}_{take.side}_{number:03d}",
                camera=camera.name,
                action=Path(name).name,
                fps=round(fps, 3),
                size_px=np.array(camera.size_px),
                skeleton=skeleton,
                derived_joints=take.derived_joints,
            )
            found.append(motion)
    return found
