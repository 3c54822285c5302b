"""The sets that a config trains on, checked, cut into clips, and planned epoch by epoch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from lib.data.build import build_motion
from lib.data.checks import check_motion, raise_or_log
from lib.data.clips import ClipSet
from lib.data.motion import Motion
from lib.data.readers.several import joined
from lib.data.recorded_errors import share_of_exact_frames
from lib.data.training_motion import EpochClips, TrainingMotion
from lib.engine import epoch_batches
from lib.errors import UserError
from lib.skeleton import Skeleton

logger = logging.getLogger(__name__)

Plan = list[tuple[EpochClips | ClipSet, Tensor]]


@dataclass(frozen=True)
class TrainingData:
    """Clips with 3D labels, clips with 2D alone, and from which epoch on the latter are used.

    ``steps_per_epoch`` is the most batches that an epoch takes of each set (None: all).
    """

    labelled: EpochClips
    unlabelled: tuple[ClipSet, ...]
    first_unlabelled_epoch: int
    steps_per_epoch: int | None

    @property
    def labelled_motion(self) -> Motion:
        """Frames behind the labelled clips of the first epoch, made again if need be, for checks and baselines."""
        return joined(self.labelled.motions(epoch=0))

    @property
    def num_clips(self) -> int:
        """Clips of all sets."""
        return len(self.labelled) + sum(map(len, self.unlabelled))

    def sets(self, epoch: int) -> list[EpochClips | ClipSet]:
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
        """Batches of one epoch, a function of (epoch, seed) alone: [(set, clip numbers (B,))].

        The labelled clips are from then on those of this epoch.
        """
        self.labelled.show(epoch)
        return [
            (clips, ids)
            for stream, clips in enumerate(self.sets(epoch))
            for ids in epoch_batches(len(clips), batch_size, seed, epoch, stream)[: self.steps_per_epoch]
        ]


def build_training_data(config: Any, skeleton: Skeleton) -> TrainingData:
    """Read the training sets of a config, check them, and cut them into clips.

    Raises ``UserError`` for a set that would train silently on something wrong (see ``lib/data/checks.py``).
    """
    labelled = EpochClips(TrainingMotion(config, skeleton), partial(build_clips, config))
    for motion in labelled.motions(epoch=0):
        raise_or_log(check_motion(motion, rootrel=config.rootrel, clip_len=config.clip_len))
    if config.recorded_errors:
        check_recorded_errors(labelled.motions(epoch=0), from_labels=config.gt_2d or config.synthetic)
    readers_2d = config.readers_2d if config.train_2d else ()
    motions_2d = [
        without_labels(build_motion(config, skeleton, config.train_split, name)) for name in readers_2d
    ]
    return TrainingData(
        labelled=labelled,
        unlabelled=tuple(
            build_clips(config, motion_2d, clip_len=usual_length(motion_2d)) for motion_2d in motions_2d
        ),
        first_unlabelled_epoch=config.pretrain_3d_curriculum,
        steps_per_epoch=config.steps_per_epoch,
    )


def check_recorded_errors(motions: Sequence[Motion], from_labels: bool) -> None:
    """Log how much of the training motion is exact and takes recorded errors; ``UserError`` if nothing is."""
    frames = np.array([motion.num_frames for motion in motions])
    exact = [1.0 if from_labels else share_of_exact_frames(motion) for motion in motions]
    share = float(frames @ exact) / max(int(frames.sum()), 1)
    if not share:
        raise UserError(
            "recorded_errors: no 2D of the training set is exact, all has errors of its own: "
            "leave the key out, or write detector: False for built-in motion, gt_2d: True for other sets"
        )
    logger.info(f"recorded errors are laid over {share:.0%} of the training frames, whose 2D is exact")


def without_labels(motion: Motion) -> Motion:
    """The same motion as a set that has 2D alone."""
    return replace(motion, joints_image=None, joints_mm=None, factor_mm_per_px=None)


def usual_length(motion: Motion) -> int:
    """Median number of frames of a set's videos."""
    return int(np.median(motion.videos[:, 1] - motion.videos[:, 0]))


def build_clips(
    config: Any,
    motion: Motion | Sequence[Motion],
    *,
    training: bool = True,
    clip_len: int | None = None,
) -> ClipSet:
    """Clips of a set as the config cuts and feeds them.

    In training they start every ``data_stride`` frames, and ``synthetic`` input comes from the labels; in evaluation
    they lie side by side. ``clip_len`` may shorten them: tracks of 2D-only sets last a second or two and are not
    stretched to a long clip.
    """
    first = motion if isinstance(motion, Motion) else motion[0]
    labelled = first.joints_image is not None
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
