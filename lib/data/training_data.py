"""The sets that a config trains on, checked, cut into clips, and planned epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from lib.data.build import build_motion
from lib.data.checks import check_motion, raise_or_log
from lib.data.clips import ClipSet
from lib.data.motion import Motion
from lib.engine import epoch_batches
from lib.skeleton import Skeleton

Plan = list[tuple[ClipSet, Tensor]]


@dataclass(frozen=True)
class TrainingData:
    """Clips with 3D labels, clips with 2D alone, and from which epoch on the latter are used.

    ``steps_per_epoch`` is the most batches that an epoch takes of each set (None: all).
    ``labelled_motion`` are the frames behind the labelled clips: baselines are computed from them.
    """

    labelled: ClipSet
    labelled_motion: Motion
    unlabelled: tuple[ClipSet, ...]
    first_unlabelled_epoch: int
    steps_per_epoch: int | None

    @property
    def num_clips(self) -> int:
        """Clips of all sets."""
        return len(self.labelled) + sum(map(len, self.unlabelled))

    def sets(self, epoch: int) -> list[ClipSet]:
        """The sets of an epoch, 2D-only ones first as MotionBERT takes them."""
        return [*(self.unlabelled if epoch >= self.first_unlabelled_epoch else ()), self.labelled]

    def clips_in(self, epoch: int, batch_size: int) -> list[int]:
        """Clips that an epoch takes of each of its sets."""
        most = float("inf") if self.steps_per_epoch is None else self.steps_per_epoch * batch_size
        return [int(min(len(clips), most)) for clips in self.sets(epoch)]

    def steps_in(self, epoch: int, batch_size: int) -> int:
        """Batches of an epoch."""
        return sum(-(-count // batch_size) for count in self.clips_in(epoch, batch_size))

    def epoch_plan(self, epoch: int, batch_size: int, seed: int) -> Plan:
        """Batches of one epoch, a function of (epoch, seed) alone: [(set, clip numbers (B,))]."""
        return [
            (clips, ids)
            for stream, clips in enumerate(self.sets(epoch))
            for ids in epoch_batches(len(clips), batch_size, seed, epoch, stream)[: self.steps_per_epoch]
        ]


def build_training_data(config: Any, skeleton: Skeleton) -> TrainingData:
    """Read the training sets of a config, check them, and cut them into clips.

    Raises ``UserError`` for a set that would train silently on something wrong (see ``lib/data/checks.py``).
    """
    motion = build_motion(config, skeleton, config.train_split, config.train_reader)
    raise_or_log(check_motion(motion, rootrel=config.rootrel, clip_len=config.clip_len))
    readers_2d = config.readers_2d if config.train_2d else ()
    motions_2d = [
        without_labels(build_motion(config, skeleton, config.train_split, name)) for name in readers_2d
    ]
    return TrainingData(
        labelled=build_clips(config, motion),
        labelled_motion=motion,
        unlabelled=tuple(
            build_clips(config, motion_2d, clip_len=usual_length(motion_2d)) for motion_2d in motions_2d
        ),
        first_unlabelled_epoch=config.pretrain_3d_curriculum,
        steps_per_epoch=config.steps_per_epoch,
    )


def without_labels(motion: Motion) -> Motion:
    """The same motion as a set that has 2D alone."""
    return replace(motion, joints_image=None, joints_mm=None, factor_mm_per_px=None)


def usual_length(motion: Motion) -> int:
    """Median number of frames of a set's videos."""
    return int(np.median(motion.videos[:, 1] - motion.videos[:, 0]))


def build_clips(
    config: Any,
    motion: Motion,
    *,
    training: bool = True,
    clip_len: int | None = None,
) -> ClipSet:
    """Clips of a set as the config cuts and feeds them.

    In training they start every ``data_stride`` frames, and ``synthetic`` input comes from the labels; in evaluation
    they lie side by side. ``clip_len`` may shorten them: tracks of 2D-only sets last a second or two and are not
    stretched to a long clip.
    """
    labelled = motion.joints_image is not None
    return ClipSet(
        motion,
        min(config.clip_len, clip_len or config.clip_len),
        config.data_stride if training else config.clip_len,
        gt_2d=config.gt_2d and labelled,
        synthetic=config.synthetic and labelled and training,
        no_conf=config.no_conf,
        missing=config.missing,
        input_scale=config.input_scale,
    )


def checkpoint_meta(config: Any, skeleton: Skeleton, fps: float | None) -> dict[str, Any]:
    """What a checkpoint says about the terms it was trained on."""
    return {
        "joint_format": skeleton.name,
        "num_joints": skeleton.num_joints,
        "root": list(skeleton.root),
        "rootrel": config.rootrel,
        "input_scale": config.input_scale,
        "input_residual": config.input_residual,
        "upright": config.get("upright"),
        "no_conf": config.no_conf,
        "fps": fps,
    }
