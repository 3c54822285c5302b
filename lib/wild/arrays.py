"""Arrays over all frames of a video, as MotionBERT's users and numpy read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lib.data.motion import Motion
from lib.files import atomic_path
from lib.wild.records import Flag, Track, save_npz


def over_video(values: np.ndarray, frames: np.ndarray, num_frames: int) -> np.ndarray:
    """Rows (N, ...) at their frames (N,) of a video, NaN in all others: (num_frames, ...) float32."""
    filled = np.full((num_frames, *values.shape[1:]), np.nan, np.float32)
    filled[frames] = values
    return filled


def save_poses(path: str | Path, poses: np.ndarray, frames: np.ndarray, num_frames: int) -> None:
    """Write X3D.npy: poses (N,J,3) of the frames (N,) in which the person is present, NaN in the others."""
    with atomic_path(path) as temporary:
        np.save(temporary, over_video(poses, frames, num_frames))


def save_keypoints(
    path: str | Path, track: Track, motion: Motion, frames: np.ndarray, flag: np.ndarray, num_frames: int
) -> None:
    """Write keypoints_2d.npz: what the model was given in its joint format, and what was detected.

    motion (N frames) and flag (N,J) are those of ``track_motion``. Raw points that were not seen are NaN.
    """
    raw = np.full((num_frames, *track.keypoints.shape[1:]), np.nan, np.float32)
    raw[track.start : track.stop] = np.where(track.flag[..., None] == Flag.SEEN, track.keypoints, np.nan)
    flags = np.full((num_frames, *flag.shape[1:]), Flag.ABSENT, np.uint8)
    flags[frames] = flag
    save_npz(
        path,
        {
            "keypoints": over_video(motion.keypoints, frames, num_frames),
            "flag": flags,
            "joints": np.array(motion.skeleton.joints),
            "raw": raw,
            "raw_joints": np.array(track.skeleton.joints),
            "fps": np.array(motion.fps),
            "size_px": motion.size_px[0].astype(np.int64),
            "track_id": np.array(track.id),
        },
    )
