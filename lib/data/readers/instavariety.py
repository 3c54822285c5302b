"""Reader ``instavariety``: MotionBERT's arrays of 2D keypoints from Instagram videos, no 3D."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lib.data.motion import Labels, Motion
from lib.data.normalize import denormalize_2d
from lib.data.readers import register_reader
from lib.data.readers.clips import NOMINAL_SIZE_PX
from lib.errors import UserError
from lib.skeleton import Skeleton


@register_reader("instavariety")
def read_instavariety(
    skeleton: Skeleton, split: str, instavariety_root: str = "data/motion2d/InstaVariety"
) -> Motion:
    """Motion without 3D of ``motion_all.npy`` (F,J,3) and ``id_all.npy`` (F,), one number for each video.

    There is one split only, for training. As MotionBERT does, each video is scaled to the box of its seen
    keypoints (-1..1 once it is normalized), and videos whose root is not seen at the start are left out.
    """
    folder = Path(instavariety_root)
    motion, video = (_open(folder / f"{name}.npy") for name in ("motion_all", "id_all"))
    if motion.shape[1:] != (skeleton.num_joints, 3) or len(motion) != len(video):
        raise UserError(
            f"{folder}: motion_all.npy has shape {motion.shape} with {len(video)} ids, expected "
            f"(frames, {skeleton.num_joints}, 3) for joint_format {skeleton.name}"
        )
    keypoints = np.array(motion, dtype=np.float32)
    source = Labels.of(np.asarray(video))
    starts = np.flatnonzero(np.r_[True, source.codes[1:] != source.codes[:-1]])
    lengths = np.diff(np.r_[starts, len(video)])
    keypoints[..., :2] = _in_box(keypoints, starts, lengths)
    root_seen = skeleton.root_of(keypoints)[starts, 0, 2] > 0
    kept = np.repeat(root_seen, lengths)
    return Motion(
        joints_2d=denormalize_2d(keypoints[kept, :, :2], NOMINAL_SIZE_PX),
        confidence=keypoints[kept, :, 2],
        source=source[kept],
        camera="",
        action="",
        size_px=np.array(NOMINAL_SIZE_PX),
        skeleton=skeleton,
    )


def _in_box(keypoints: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """x, y (F,J,2) of all videos at once, each scaled to the square box around its seen keypoints."""
    seen = keypoints[..., 2:] > 0
    low = np.minimum.reduceat(np.where(seen, keypoints[..., :2], np.inf).min(1), starts)
    high = np.maximum.reduceat(np.where(seen, keypoints[..., :2], -np.inf).max(1), starts)
    half_side = (high - low).max(-1, keepdims=True) / 2
    center = np.where(half_side > 0, (low + high) / 2, 0)
    half_side = np.where(half_side > 0, half_side, 1)
    center, half_side = (np.repeat(of_video, lengths, axis=0)[:, None] for of_video in (center, half_side))
    return ((keypoints[..., :2] - center) / half_side).clip(-1, 1)


def _open(file: Path) -> np.ndarray:
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {file}: {error}") from None
