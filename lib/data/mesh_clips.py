"""Clips with SMPL labels: gathered by number, with no body model in them.

Vertices and joints follow from pose and shape: ``lib/mesh_target.py`` makes them for a whole batch, on its
device.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lib.data.clips import ClipSet, frame_rows
from lib.data.motion import Motion
from lib.data.normalize import crop_clips
from lib.data.training_data import without_labels
from lib.errors import UserError


class MeshClips:
    """Clips of a motion that has smpl_pose and smpl_shape; ``name`` is that of the set.

    no_conf, missing, input_scale as in ``ClipSet``. crop_margin: x, y of each clip are cropped to the square
    box around its seen keypoints, so many times as wide (``crop_scale``); None: as ``input_scale`` says.
    """

    def __init__(
        self,
        motion: Motion,
        clip_len: int,
        stride: int,
        *,
        name: str = "",
        no_conf: bool = False,
        missing: str = "hold",
        input_scale: str = "image",
        crop_margin: float | None = None,
    ) -> None:
        if motion.smpl_pose is None or motion.smpl_shape is None:
            raise UserError(
                f"set '{name}' has no smpl_pose and smpl_shape, which mesh training needs: is it a pose set?"
            )
        self.name, self.motion, self.skeleton = name, motion, motion.skeleton
        self.no_conf, self.crop_margin = no_conf, crop_margin
        # joints in 3D are made from the body: those of the file are not gathered
        self._keypoints = ClipSet(
            without_labels(motion), clip_len, stride, missing=missing, input_scale=input_scale
        )
        self._pose, self._shape = frame_rows(motion.smpl_pose), frame_rows(motion.smpl_shape)

    def __len__(self) -> int:
        return len(self._keypoints)

    @property
    def clip_len(self) -> int:
        """Frames T of a clip."""
        return self._keypoints.clip_len

    @property
    def num_frames(self) -> int:
        """Frames F of the set."""
        return self._keypoints.num_frames

    def source_names(self, ids: Tensor | np.ndarray | Sequence[int]) -> list[str]:
        """Source name of each of the clips ``ids``, for messages."""
        return self._keypoints.source_names(ids)

    def batch(self, ids: Tensor | np.ndarray | Sequence[int]) -> dict[str, Tensor]:
        """Clips ``ids`` (N,): input (N,T,J,3), pose (N,T,K*3), shape (N,T,B), confidence (N,T,J), frames (N,T).

        input: normalized x, y and the confidence, which no_conf leaves out.
        """
        batch = self._keypoints.batch(ids)
        x, frames = batch["input"], batch["frames"]
        confidence = x[..., 2].clamp_(0, 1)  # MotionBERT's own pickles hold some above 1
        if self.crop_margin is not None:
            x = crop_clips(x, confidence > 0, torch.full((len(x),), float(self.crop_margin)))
        return {
            "input": x[..., :2] if self.no_conf else x,
            "pose": self._pose.index_select(0, frames.flatten()).view(*frames.shape, -1),
            "shape": self._shape.index_select(0, frames.flatten()).view(*frames.shape, -1),
            "confidence": confidence,
            "frames": frames,
        }
