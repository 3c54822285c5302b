"""Augmentation of a mesh batch on its device: mirror and crop, drawn for each clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lib.data.draws import Draws
from lib.data.normalize import crop_clips
from lib.errors import UserError
from lib.geometry import flip_axis_angle, flip_pose
from lib.skeleton import Skeleton


class MeshAugment:
    """Callable (batch of ``MeshClips``, generator) -> new batch; targets are to be made from the new one.

    flip: half of the clips are seen in a mirror, keypoints by ``skeleton``, rotations by ``body``, the joints
    that smpl_pose turns; the shape stays. scale_range: each clip is cropped to its box times a number between
    these two (MotionBERT's ``crop_scale``).
    """

    def __init__(
        self,
        skeleton: Skeleton,
        body: Skeleton,
        *,
        flip: bool = False,
        scale_range: Sequence[float] | None = None,
    ) -> None:
        if scale_range is not None and not 0 < scale_range[0] <= scale_range[1]:
            raise UserError(f"scale_range: {list(scale_range)} must be two rising numbers above 0")
        self.flip, self.scale_range = flip, scale_range
        self._flip_idx, self._body_flip_idx = (
            torch.from_numpy(np.array(format_.flip_idx)) for format_ in (skeleton, body)
        )

    def __call__(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """A new batch; the tensors of the one given stay as they are."""
        x, pose, confidence = batch["input"], batch["pose"], batch["confidence"]
        draw = Draws(generator, x)
        if self.flip:
            mirrored = draw.uniform(draw.num_clips, 1, 1) < 0.5
            joints = self._flip_idx.to(x.device)
            turned = flip_axis_angle(pose.unflatten(-1, (-1, 3)), self._body_flip_idx.to(x.device))
            x = torch.where(mirrored[..., None], flip_pose(x, joints), x)
            pose = torch.where(mirrored, turned.flatten(-2), pose)
            confidence = torch.where(mirrored, confidence.index_select(-1, joints), confidence)
        if self.scale_range is not None:
            low, high = self.scale_range
            x = crop_clips(x, confidence > 0, low + (high - low) * draw.uniform(draw.num_clips))
        return {**batch, "input": x, "pose": pose, "confidence": confidence}
