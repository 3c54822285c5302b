"""Training data of several joint formats, whose batches take turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lib.data.training_data import Plan, TrainingData


@dataclass(frozen=True)
class FormatTurns:
    """Data of each format, the main one first; with one format its own plan."""

    formats: Sequence[TrainingData]

    def clips_in(self, epoch: int, batch_size: int) -> list[int]:
        """Clips that an epoch takes of each set of each format."""
        return [count for data in self.formats for count in data.clips_in(epoch, batch_size)]

    def steps_in(self, epoch: int, batch_size: int) -> int:
        """Batches of an epoch."""
        return sum(data.steps_in(epoch, batch_size) for data in self.formats)

    def epoch_plan(self, epoch: int, batch_size: int, seed: int) -> Plan:
        """Batches of one epoch, a function of (epoch, seed) alone: [(set, clip numbers (B,))].

        Each format's come in its own order and evenly over the epoch. The orders are drawn apart: sets of the same
        motion would otherwise show the same people twice in a row.
        """
        plans = [
            data.epoch_plan(epoch, batch_size, seed + number) for number, data in enumerate(self.formats)
        ]
        places = [
            ((place + 0.5) / len(plan), number, place)
            for number, plan in enumerate(plans)
            for place in range(len(plan))
        ]
        return [plans[number][place] for _, number, place in sorted(places)]
