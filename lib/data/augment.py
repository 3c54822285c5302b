"""Augmentation of a batch on its device: mirror, scale, errors of a detector with its confidence, masks.

Everything random is drawn for each clip, from the generator that is passed in.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lib.data.detection_noise import NoiseModel, load_noise_model
from lib.data.draws import Draws
from lib.data.recorded_errors import RecordedErrors, load_recorded_errors
from lib.errors import UserError
from lib.skeleton import Skeleton


class Augment:
    """Callable (batch, generator) -> new batch; a joint format with any number of joints.

    flip: mirror half of the clips. scale_range: multiply each clip's coordinates, about the image centre, by
    a number between these two, as a zoom lens would. noise: errors of a 2D detector on the input, and a
    confidence to match (``detection_noise.py``; noise_path and d2c_params_path are MotionBERT's files,
    noise_std the jitter of each frame in normalized units). recorded_errors: instead, for recorded_error_share of
    the clips, errors and confidence from the recording of a detector in this data pickle (``recorded_errors.py``);
    batches need a target then. mask_ratio, mask_T_ratio: share of joints and
    of whole frames whose input becomes 0 in all channels; each works alone.

    Input and target (if there is one, relative to the root or not) are mirrored and scaled alike, and a
    weight (N,T,J) of the joints is mirrored; noise and masks touch the input only. A batch's other entries
    are passed on.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        flip: bool = False,
        scale_range: Sequence[float] | None = None,
        noise: bool = False,
        noise_std: float = 0.002,
        noise_path: str | None = None,
        d2c_params_path: str | None = None,
        recorded_errors: str | None = None,
        recorded_error_share: float = 0.8,
        mask_ratio: float = 0.0,
        mask_T_ratio: float = 0.0,
    ) -> None:
        shares = {
            "recorded_error_share": recorded_error_share,
            "mask_ratio": mask_ratio,
            "mask_T_ratio": mask_T_ratio,
        }
        for key, ratio in shares.items():
            if not 0 <= ratio <= 1:
                raise UserError(f"{key}: {ratio} is no share between 0 and 1")
        if scale_range is not None and not 0 < scale_range[0] <= scale_range[1]:
            raise UserError(f"scale_range: {list(scale_range)} must be two rising numbers above 0")
        # one index over the J * 3 (or J * 2) numbers of a frame: several times faster than one over joints
        self.flip_columns = {
            channels: torch.tensor(skeleton.flip_idx[:, None] * channels + np.arange(channels)).flatten()
            for channels in (1, 2, 3)
        }
        self.flip, self.scale_range = flip, scale_range
        self.mask_ratio, self.mask_T_ratio = mask_ratio, mask_T_ratio
        self.noise: NoiseModel | None = None
        if noise:
            self.noise = load_noise_model(skeleton, noise_std, noise_path, d2c_params_path)
        if recorded_errors and noise:
            raise UserError("recorded_errors: noise: True adds errors too; keep one of the two")
        self.recorded_error_share = recorded_error_share
        self.recorded: RecordedErrors | None = None
        if recorded_errors:
            self.recorded = load_recorded_errors(skeleton, recorded_errors)

    def __call__(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """A new batch; the tensors of the one given stay as they are."""
        coordinates = {key: batch[key] for key in ("input", "target") if key in batch}
        draw = Draws(generator, coordinates["input"])
        if self.flip:
            chosen = (draw.uniform(draw.num_clips) < 0.5).nonzero().squeeze(1)
            if "weight" in batch:
                coordinates["weight"] = batch["weight"]
            coordinates = {key: self._mirrored(x, chosen) for key, x in coordinates.items()}
        if self.scale_range is not None:
            low, high = self.scale_range
            scale = low + (high - low) * draw.uniform(draw.num_clips, 1, 1, 1)
            coordinates["input"] = _scaled(coordinates["input"], scale, channels=2)
            if "target" in coordinates:
                coordinates["target"] = _scaled(coordinates["target"], scale, channels=3)
        x = coordinates["input"]
        if self.noise is not None:
            x = self.noise(x, draw)
        if self.recorded is not None:
            if "target" not in coordinates:
                raise UserError("recorded_errors: clips without 3D labels cannot be given errors")
            hit = draw.uniform(draw.num_clips, 1, 1, 1) < self.recorded_error_share
            x = torch.where(hit, self.recorded(x, coordinates["target"], draw), x)
        if self.mask_ratio > 0:
            x = x * (draw.uniform(*x.shape[:3], 1) >= self.mask_ratio)
        if self.mask_T_ratio > 0:
            x = x * (draw.uniform(*x.shape[:2], 1, 1) >= self.mask_T_ratio)
        return {**batch, **coordinates, "input": x}

    def _mirrored(self, x: Tensor, clips: Tensor) -> Tensor:
        """Poses (N,T,J,C), or weights (N,T,J), of which those numbered ``clips`` are seen in a mirror."""
        num_joints, channels = x.shape[2], x.shape[3] if x.ndim == 4 else 1
        columns = self.flip_columns[channels].to(x.device)
        clip_size, row_size = x[0].numel(), num_joints * channels
        chosen = x.flatten(1).index_select(0, clips).view(clip_size // row_size * len(clips), row_size)
        chosen = chosen.index_select(1, columns)
        if x.ndim == 4:
            sign = torch.ones(num_joints, channels, dtype=x.dtype, device=x.device)
            sign[:, 0] = -1
            chosen.mul_(sign.flatten())
        return x.flatten(1).index_copy(0, clips, chosen.view(len(clips), clip_size)).view(x.shape)


def _scaled(x: Tensor, scale: Tensor, channels: int) -> Tensor:
    """Coordinates times scale; channels after the first ``channels`` (confidence) as they are."""
    return torch.cat([x[..., :channels] * scale, x[..., channels:]], dim=-1)
