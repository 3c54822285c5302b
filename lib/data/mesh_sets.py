"""The mesh sets of a config: read, checked, cut into clips, and planned epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lib.body import load_body
from lib.body_regressor import keypoint_regressor
from lib.data.build import build_motion
from lib.data.checks import check_motion, check_split_overlap, raise_or_log
from lib.data.mesh_augment import MeshAugment
from lib.data.mesh_checks import check_body
from lib.data.mesh_clips import MeshClips
from lib.data.missing import fill_missing
from lib.data.motion import Motion
from lib.data.readers.worker import worker_arguments
from lib.data.training_data import without_labels
from lib.data.worker.smpl_motion import make_worker_smpl_motion
from lib.engine import epoch_batches
from lib.errors import UserError
from lib.skeleton import Skeleton, load_skeleton

BODY_FORMAT = "SMPL-24"
"""The joints whose rotations smpl_pose holds, in this order."""


@dataclass(frozen=True)
class MeshTrainingSet:
    """Clips, and in which epochs they are trained on; ``images``: they are single frames."""

    clips: MeshClips
    images: bool
    from_epoch: int
    until_epoch: int | None

    def is_used(self, epoch: int) -> bool:
        """Whether an epoch trains on the set."""
        return self.from_epoch <= epoch and (self.until_epoch is None or epoch < self.until_epoch)


@dataclass(frozen=True)
class MeshTrainingData:
    """All sets of a config that are trained on.

    ``steps_per_epoch`` is the most batches that an epoch takes of each set (None: all). Batches of single images
    have ``batch_size_img`` of them, others the ``batch_size`` that the methods are given.
    """

    sets: tuple[MeshTrainingSet, ...]
    batch_size_img: int
    steps_per_epoch: int | None

    @property
    def num_clips(self) -> int:
        """Clips of all sets."""
        return sum(len(part.clips) for part in self.sets)

    def sets_in(self, epoch: int) -> list[MeshClips]:
        """The sets that an epoch trains on, in the order of the config."""
        return [part.clips for part in self.sets if part.is_used(epoch)]

    def clips_in(self, epoch: int, batch_size: int) -> list[int]:
        """Clips that an epoch takes of each of its sets."""
        most = float("inf") if self.steps_per_epoch is None else self.steps_per_epoch
        used = [part for part in self.sets if part.is_used(epoch)]
        return [int(min(len(part.clips), most * self._batch_size(part, batch_size))) for part in used]

    def steps_in(self, epoch: int, batch_size: int) -> int:
        """Batches of an epoch."""
        used = [part for part in self.sets if part.is_used(epoch)]
        counts = zip(used, self.clips_in(epoch, batch_size), strict=True)
        return sum(-(-count // self._batch_size(part, batch_size)) for part, count in counts)

    def epoch_plan(self, epoch: int, batch_size: int, seed: int) -> list[tuple[MeshClips, Tensor]]:
        """Batches of one epoch, a function of (epoch, seed) alone: [(set, clip numbers (N,))]."""
        return [
            (part.clips, ids)
            for stream, part in enumerate(self.sets)
            if part.is_used(epoch)
            for ids in epoch_batches(
                len(part.clips), self._batch_size(part, batch_size), seed, epoch, stream
            )[: self.steps_per_epoch]
        ]

    def _batch_size(self, part: MeshTrainingSet, batch_size: int) -> int:
        return self.batch_size_img if part.images else batch_size


def build_mesh_training_data(config: Any, skeleton: Skeleton) -> MeshTrainingData:
    """Read the sets of a config that have ``train``, check them, and cut them into clips.

    Raises ``UserError`` for a set without clips or SMPL labels, or that the checks refuse.
    """
    sets = []
    for entry, motion in _motions(config, skeleton, config.train_split, "train"):
        clips = _cut(config, entry, motion, 1 if entry["images"] else config.data_stride, None)
        sets.append(MeshTrainingSet(clips, entry["images"], entry["from_epoch"], entry["until_epoch"]))
    return MeshTrainingData(tuple(sets), config.batch_size_img, config.steps_per_epoch)


def build_mesh_evaluation_sets(config: Any, skeleton: Skeleton, split: str) -> dict[str, MeshClips]:
    """Clips of a split of each set that has ``evaluate``, by name: side by side, no frame left out."""
    margins = config.scale_range_test
    margin = None if margins is None else sum(margins) / 2
    return {
        entry["name"]: _cut(config, entry, motion, _clip_len(config, entry), margin)
        for entry, motion in _motions(config, skeleton, split, "evaluate")
    }


def check_mesh_splits(data: MeshTrainingData, evaluation: Mapping[str, MeshClips]) -> None:
    """Raise ``UserError`` for videos that are in the training and in the evaluation part of a set."""
    for part in data.sets:
        if (other := evaluation.get(part.clips.name)) is not None:
            raise_or_log(check_split_overlap(part.clips.motion, other.motion))


def build_mesh_augment(config: Any, skeleton: Skeleton) -> MeshAugment:
    """The augmentation of training batches that a config asks for."""
    body = load_skeleton(BODY_FORMAT)
    return MeshAugment(skeleton, body, flip=config.flip, scale_range=config.scale_range_train)


def _motions(
    config: Any, skeleton: Skeleton, split: str, use: str
) -> Iterator[tuple[dict[str, Any], Motion]]:
    """Entries of the config's ``sets`` that have ``use``, and their motion of a split, read and checked."""
    body = load_body(config.body, gender=config.gender)
    regressor = keypoint_regressor(body, skeleton, config.regressor)
    for entry in [entry for entry in config.sets if entry[use]]:
        if entry["reader"] == "worker":
            arguments = worker_arguments(split, config.worker)
            motion = make_worker_smpl_motion(skeleton, body, regressor, split=split, **arguments)
            motion = fill_missing(motion, config.missing)
        else:
            motion = _read_file(config, entry, skeleton, split)
        # joints in 3D are made from the body: those of a file would only take memory
        motion = without_labels(motion)
        findings = check_motion(motion, clip_len=_clip_len(config, entry))
        if motion.smpl_pose is not None and not any(finding.level == "error" for finding in findings):
            findings += check_body(motion, body, regressor)
        raise_or_log(findings)
        yield entry, motion


def _read_file(config: Any, entry: dict[str, Any], skeleton: Skeleton, split: str) -> Motion:
    size = entry if entry["res_w"] else config
    keys = {name: config[name] for name in ("sample_stride", "fps", "missing", "cache_dir")}
    keys |= {"dt_root": config.data_root, "dt_file": entry["file"]}
    keys |= {"res_w": size["res_w"], "res_h": size["res_h"]}
    try:
        motion = build_motion(keys, skeleton, split, entry["reader"])
    except UserError as error:
        raise UserError(f"set '{entry['name']}': {error}") from None
    if motion.num_frames == 0:
        raise UserError(
            f"set '{entry['name']}', split '{split}': 0 clips of clip_len {_clip_len(config, entry)} from "
            f"{entry['file']}: it has no frame, and so no shortest video"
        )
    return motion


def _clip_len(config: Any, entry: dict[str, Any]) -> int:
    return 1 if entry["images"] else config.clip_len


def _cut(
    config: Any, entry: dict[str, Any], motion: Motion, stride: int, crop_margin: float | None
) -> MeshClips:
    return MeshClips(
        motion,
        _clip_len(config, entry),
        stride,
        name=entry["name"],
        no_conf=config.no_conf,
        missing=config.missing,
        input_scale=config.input_scale,
        crop_margin=crop_margin,
    )
