"""Labelled motion to train on, part by part, and clips of it that are made anew for every epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from lib.data.build import build_motion, is_generated
from lib.data.clips import ClipSet
from lib.data.motion import Motion
from lib.data.readers.several import parts_of
from lib.errors import UserError
from lib.skeleton import Skeleton


class TrainingMotion:
    """The motions of a config's training split: one, or one for each part of the reader ``several``.

    ``fresh``: generated parts differ from epoch to epoch, a function of ``worker.seed`` and the epoch alone; the
    first epoch's have ``worker.seed`` itself. Parts that are read are read once and kept.
    """

    def __init__(self, config: Mapping[str, Any], skeleton: Skeleton) -> None:
        reader = config["train_reader"] or config["reader"]
        shared = {key: config[key] for key in ("missing", "cache_dir")}
        parts = [config]
        if reader == "several":
            parts = [{**part, **shared} for part in parts_of(config["parts"], config["train_split"])]
        self._parts = [(part, part["reader"] if reader == "several" else reader) for part in parts]
        self.skeleton, self._split, self.fresh = skeleton, config["train_split"], config["fresh"]
        self._kept: dict[int, Motion] = {}

    def of(self, epoch: int) -> list[Motion]:
        """The motions of an epoch."""
        return [self._part(number, epoch if self.fresh else 0) for number in range(len(self._parts))]

    def _part(self, number: int, epoch: int) -> Motion:
        if number in self._kept:
            return self._kept[number]
        config, reader = self._parts[number]
        if self.fresh and is_generated(reader):
            worker = config["worker"]
            config = {**config, "worker": {**worker, "seed": seed_of_epoch(worker["seed"], epoch)}}
            return build_motion(config, self.skeleton, self._split, reader)
        return self._kept.setdefault(number, build_motion(config, self.skeleton, self._split, reader))


def seed_of_epoch(seed: int, epoch: int) -> int:
    """Seed of the motion of an epoch; the first has the seed itself."""
    return seed if epoch == 0 else int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0])


class EpochClips:
    """The labelled clips of the epoch at hand; stands in an epoch's plan for whatever clips that epoch has.

    With fresh motion the last epoch's is let go before the next is made, so that there is never twice as much.
    """

    def __init__(self, motion: TrainingMotion, cut: Callable[[Sequence[Motion]], ClipSet]) -> None:
        self.motion, self._cut = motion, cut
        self._epoch, self._clips = 0, cut(motion.of(0))
        self._count = len(self._clips)

    @property
    def skeleton(self) -> Skeleton:
        """Joint format of the clips."""
        return self.motion.skeleton

    def show(self, epoch: int) -> EpochClips:
        """These clips, with the motion of an epoch."""
        if self.motion.fresh and epoch != self._epoch:
            del self._clips
            self._clips, self._epoch = self._cut(self.motion.of(epoch)), epoch
            if len(self._clips) != self._count:
                raise UserError(
                    f"fresh motion of epoch {epoch + 1} makes {len(self._clips)} clips, that of the first {self._count}"
                )
        return self

    def motions(self, epoch: int) -> list[Motion]:
        """The motion behind the clips of an epoch."""
        return self.show(epoch)._clips.motions

    def __len__(self) -> int:
        return self._count

    def batch(self, ids: Tensor | np.ndarray | Sequence[int]) -> dict[str, Tensor]:
        """As ``ClipSet.batch``."""
        return self._clips.batch(ids)

    def source_names(self, ids: Tensor | np.ndarray | Sequence[int]) -> list[str]:
        """As ``ClipSet.source_names``."""
        return self._clips.source_names(ids)
