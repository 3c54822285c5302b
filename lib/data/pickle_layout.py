"""The data pickle of MotionBERT and its fork: a dict of splits, each a dict of arrays over frames.

Keys of a split: joint_2d (F,J,2) px, confidence (F,J) or (F,J,1), joint3d_image (F,J,3) px, camera_name,
source, action, 2.5d_factor (F,) mm per px, joints_2.5d_image (F,J,3) mm. Only joint_2d and source must be
there. Mesh sets add smpl_pose (F,72), axis-angle in camera axes, and smpl_shape (F,10). Ours may add size_px
(2,) or (F,2), fps (one number, or one for each frame) and derived_joints (names); those of hands side, left or
right (one word, or one for each frame), or joint_format, Hand-21-left. Judging alone takes detector_3d (F,K,3) mm, 3D
that the detector tells by itself, with the names detector_3d_format and detector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lib.data.hand_sides import told_sides, with_hands_of_one_side
from lib.data.motion import Labels, Motion
from lib.errors import UserError, did_you_mean
from lib.files import load_pickle
from lib.skeleton import Skeleton


def find_data_file(dt_file: str, dt_root: str | None = None) -> Path:
    """Path of a data pickle: in ``dt_root``; without it as it stands, or in MotionBERT's ``data/motion3d``.

    If there is none, ``UserError`` names the places looked at.
    """
    places = [Path(folder) / dt_file for folder in ([dt_root] if dt_root else ["", "data/motion3d"])]
    for place in places:
        if place.is_file():
            return place
    raise UserError(f"dt_file: no file {' or '.join(map(str, places))}; dt_root gives its folder")


def motion_from_split(
    path: Path,
    split: str,
    skeleton: Skeleton,
    *,
    size_of: Callable[[dict[str, Any], Labels], np.ndarray],
    sample_stride: int = 1,
    fps: float | None = None,
    mirror_left: bool = False,
) -> Motion:
    """One split of a data pickle as Motion.

    ``size_of(split's dict, camera)`` gives the image size (2,) or (F,2). Every ``sample_stride``-th frame of
    each video is kept; ``fps`` holds where the file does not tell. With ``mirror_left`` hands of the other side than
    the format's are mirrored, as far as the file tells their side. Raises ``UserError`` for a missing split
    (naming those there are), missing keys, or arrays of another number of joints.
    """
    content = load_pickle(path)
    parts = content if isinstance(content, dict) else {}
    splits = [name for name, part in parts.items() if isinstance(part, dict)]
    if split not in splits:
        hint = did_you_mean(split, splits)
        raise UserError(f"{path} has no split '{split}'{hint}; it has: {', '.join(splits) or 'none'}")
    data = parts[split]
    for key in ("joint_2d", "source"):
        if key not in data:
            raise UserError(f"{path}: split '{split}' has no '{key}'; it has: {', '.join(data)}")
    joints_2d = np.asarray(data["joint_2d"])
    if joints_2d.ndim != 3 or joints_2d.shape[1] != skeleton.num_joints:
        raise UserError(
            f"{path}: joint_2d of split '{split}' has shape {joints_2d.shape}, expected (frames, "
            f"{skeleton.num_joints}, 2) for joint_format {skeleton.name}"
        )
    camera = Labels.of(data.get("camera_name", ""), len(joints_2d))
    confidence = np.ones(joints_2d.shape[:2], np.float32)
    if data.get("confidence") is not None:
        confidence = np.asarray(data["confidence"])
        confidence = confidence[..., 0] if confidence.ndim == 3 else confidence
    depth = data.get("joint3d_image")
    if data.get("fps") is not None:
        rates = np.unique(data["fps"])
        fps = float(rates[0]) if len(rates) == 1 else None  # None: drawn for each video
    motion = Motion(
        joints_2d=joints_2d[..., :2],
        confidence=confidence,
        joints_image=None if depth is None else np.asarray(depth)[..., :3],
        joints_mm=data.get("joints_2.5d_image"),
        factor_mm_per_px=data.get("2.5d_factor"),
        smpl_pose=data.get("smpl_pose"),
        smpl_shape=data.get("smpl_shape"),
        source=Labels.of(data["source"]),
        camera=camera,
        action=Labels.of(data.get("action", ""), len(joints_2d)),
        fps=fps,
        size_px=size_of(data, camera),
        skeleton=skeleton,
        derived_joints=tuple(data.get("derived_joints", ())),
    )
    sides = told_sides(data, motion.num_frames, f"{path}, split '{split}'")
    if sides is not None:
        motion = with_hands_of_one_side(motion, sides, mirror_left)
    return every_nth_frame(motion, sample_stride)


def every_nth_frame(motion: Motion, stride: int) -> Motion:
    """Every n-th frame of each video, its first included; fps follows."""
    if stride == 1:
        return motion
    starts = np.repeat(motion.videos[:, 0], motion.videos[:, 1] - motion.videos[:, 0])
    kept = motion.select((np.arange(motion.num_frames) - starts) % stride == 0)
    return kept if motion.fps is None else replace(kept, fps=motion.fps / stride)
