"""A checkpoint as a model that is ready to lift: which skeleton, which scale of its input, how many frames at once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lib.checkpoint import check_meta, load_checkpoint, load_weights, model_weights, source_skeleton_of
from lib.checkpoint_formats import checkpoint_of_format
from lib.data.training_data import checkpoint_meta
from lib.engine import Runtime
from lib.errors import UserError
from lib.evaluate import with_root_at_zero
from lib.geometry import flip_pose
from lib.model.build import build_model
from lib.skeleton import Skeleton

logger = logging.getLogger(__name__)

# Frames of one forward pass, mirror images not counted, where no batch size is given.
_FRAMES_AT_ONCE = {"cpu": 256, "cuda": 16384}


@dataclass(frozen=True, eq=False, kw_only=True)
class Lifter:
    """A network and the terms on which it lifts.

    ``clip_len`` frames make a window, neighbours have ``overlap`` frames in common, ``batch_size`` windows go through
    the network at once, each with its mirror image if ``flip``. ``scale`` of the input: image, box or pixel (see
    ``lib.wild.lift.input_scaling``). ``rootrel``: poses are predicted around their root. ``no_conf``: the network
    does not see the confidence. ``missing``: what it was taught about joints that were not found. ``fps``: rate at
    which motion is shown to it; None leaves the video's own.
    """

    network: nn.Module
    skeleton: Skeleton
    runtime: Runtime
    clip_len: int
    overlap: int
    batch_size: int
    scale: str
    rootrel: bool
    no_conf: bool
    missing: str
    flip: bool
    fps: float | None

    @torch.inference_mode()
    def predict(self, windows: np.ndarray) -> np.ndarray:
        """Normalized poses (N,T,J,3) of normalized keypoints (N,T,J,3) x, y, confidence; T is at most ``clip_len``.

        Root-relative poses have their root at zero.
        """
        x = torch.from_numpy(windows).to(self.runtime.device)
        if self.no_conf:
            x = x[..., :2]
        mirror = self.skeleton.flip_idx
        with self.runtime.autocast():
            if self.flip:
                straight, mirrored = self.network(torch.cat([x, flip_pose(x, mirror)])).float().chunk(2)
                y = (straight + flip_pose(mirrored, mirror)) / 2
            else:
                y = self.network(x).float()
        if self.rootrel:
            y = with_root_at_zero(y, self.skeleton)
        return y.cpu().numpy()


def load_lifter(
    checkpoint_path: str | Path,
    *,
    config: Any,
    skeleton: Skeleton,
    runtime: Runtime,
    **options: Any,
) -> Lifter:
    """Model of a pose checkpoint, by the config of the run that trained it; options: fields of ``LiftingOptions``.

    The input is scaled as the checkpoint's ``meta`` says; files without one are MotionBERT's, which scales by the
    box around the track. Raises ``UserError`` for a file that is no checkpoint, one of another joint format, backbone
    or task, and for options that cannot be.
    """
    wanted = LiftingOptions(**options)
    wanted.check(config)
    checkpoint = checkpoint_of_format(load_checkpoint(checkpoint_path), skeleton.name)
    meta, weights = checkpoint.get("meta", {}), model_weights(checkpoint)
    check_meta(meta, checkpoint_meta(config, skeleton, fps=None))
    _check_joints(checkpoint_path, weights, skeleton)
    network = build_model(config, skeleton)
    load_weights(
        network, weights, skeleton=skeleton, source_skeleton=source_skeleton_of(meta, None, skeleton)
    )
    if not meta:
        logger.info(f"{checkpoint_path} has no meta: taken for MotionBERT's, input scaled by the track's box")
    return Lifter(
        network=network.to(runtime.device).eval(),
        rootrel=config.rootrel,
        **lifting_terms(config, meta, skeleton, runtime, wanted),
    )


@dataclass(frozen=True, kw_only=True)
class LiftingOptions:
    """How a model is to be run; None leaves the usual.

    ``pixel`` scales the input by the image's shorter side, as MotionBERT's flag does, whatever the checkpoint says.
    """

    clip_len: int | None = None
    flip: bool = True
    batch_size: int | None = None
    pixel: bool = False
    model_fps: float | None = None

    def check(self, config: Any) -> None:
        """Refuse what the config's model cannot be run at, with ``UserError``."""
        if self.clip_len is not None and not 1 <= self.clip_len <= config.maxlen:
            raise UserError(
                f"clip_len {self.clip_len} is not possible: the model was built for 1 to {config.maxlen} frames "
                "(maxlen)"
            )
        if self.batch_size is not None and self.batch_size < 1:
            raise UserError(f"batch_size {self.batch_size} is not possible: give 1 or more")
        if self.model_fps is not None and not 0 < self.model_fps < float("inf"):
            raise UserError(
                f"fps {self.model_fps:g} is not possible: give the model's frames per second, such as 30"
            )


def lifting_terms(
    config: Any, meta: Mapping[str, Any], skeleton: Skeleton, runtime: Runtime, wanted: LiftingOptions
) -> dict[str, Any]:
    """Fields that every ``Lifter`` has, whatever its network predicts; a file without ``meta`` is MotionBERT's."""
    clip_len = wanted.clip_len or config.clip_len
    at_once = _FRAMES_AT_ONCE["cpu" if runtime.device.type == "cpu" else "cuda"]
    return {
        "skeleton": skeleton,
        "runtime": runtime,
        "clip_len": clip_len,
        "overlap": usual_overlap(clip_len),
        "batch_size": wanted.batch_size or max(1, at_once // clip_len),
        "scale": "pixel" if wanted.pixel else meta.get("input_scale", "box"),
        "no_conf": config.no_conf,
        "missing": config.missing,
        "flip": wanted.flip,
        "fps": wanted.model_fps,
    }


def usual_overlap(clip_len: int) -> int:
    """Frames that neighbouring windows have in common: an eighth, which costs a seventh of the time.

    At least 16 where windows are short, because a seam fades with the square of their number; at most a third.
    """
    return min(max(clip_len // 8, 16), clip_len // 3)


def _check_joints(path: str | Path, weights: dict[str, torch.Tensor], skeleton: Skeleton) -> None:
    if "pos_embed" in weights and weights["pos_embed"].shape[1] != skeleton.num_joints:
        raise UserError(
            f"checkpoint {path} is of a joint format with {weights['pos_embed'].shape[1]} joints, and the config's "
            f"{skeleton.name} has {skeleton.num_joints}: give the config of the run that trained it (--config)"
        )
