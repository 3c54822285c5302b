"""The loop that all training scripts share: epochs of steps, validation, checkpoints, curves, stopping.

Nothing here knows poses: a script brings the step, the plan of its data and, if it validates, a measure.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from lib.checkpoint import check_meta, save_checkpoint
from lib.checkpoint_formats import format_meta
from lib.engine import AveragedWeights, LearningRate, Runtime, StopRequest
from lib.run_folder import RunFolder
from lib.tracking import NullTracker, Tracker
from lib.training_state import TrainingState, continue_from, make_checkpoint

logger = logging.getLogger(__name__)


class Data(Protocol):
    """What is trained on, planned epoch by epoch."""

    def epoch_plan(self, epoch: int, batch_size: int, seed: int) -> Sequence[tuple[Any, Tensor]]:
        """Batches of an epoch as (set, clip numbers), a function of (epoch, seed) alone."""
        ...

    def clips_in(self, epoch: int, batch_size: int) -> list[int]:
        """Clips that an epoch takes of each of its sets."""
        ...

    def steps_in(self, epoch: int, batch_size: int) -> int:
        """Batches of an epoch."""
        ...


@dataclass(frozen=True)
class Schedule:
    """How long a run is and how often it looks, writes and saves; the config's keys of the same names."""

    epochs: int
    batch_size: int
    seed: int
    log_every_steps: int
    save_every_steps: int | None
    eval_every_epochs: int
    checkpoint_frequency: int

    def steps(self, data: Data) -> list[int]:
        """Steps of each epoch."""
        return [data.steps_in(epoch, self.batch_size) for epoch in range(self.epochs)]

    def clips(self, data: Data) -> list[int]:
        """Clips of each epoch."""
        return [sum(data.clips_in(epoch, self.batch_size)) for epoch in range(self.epochs)]


def build_schedule(config: Any) -> Schedule:
    """The schedule of a config."""
    return Schedule(**{name: config[name] for name in Schedule.__dataclass_fields__})


def build_learning_rate(config: Any, base: float, total_steps: int) -> LearningRate:
    """The learning rate over a run of a config."""
    return LearningRate(
        base=base,
        schedule=config.lr_schedule,
        decay=config.lr_decay,
        minimum=config.min_learning_rate,
        warmup_steps=config.warmup_steps,
        total_steps=total_steps,
    )


@dataclass(frozen=True, eq=False)
class Training:
    """A run: what is trained, and everything that goes into its checkpoints."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: AveragedWeights | None
    data: Data
    schedule: Schedule
    folder: RunFolder
    meta: dict[str, Any]
    runtime: Runtime
    weights_key: str = "model_pos"
    """Where MotionBERT keeps the weights: ``model_pos`` of a lifter, ``model`` of a mesh model."""
    best_by: str = "mpjpe_mm"
    """Figure of a validation whose lowest value makes the best checkpoint."""
    format_metas: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """``meta`` of each joint format that is taught beside the main one."""

    def place(self, start: dict[str, Any] | None) -> TrainingState:
        """The run's place: its beginning, or that of a checkpoint, whose weights and optimizer are put back.

        Raises ``UserError`` for a checkpoint of another model or of other terms.
        """
        if start is None:
            return TrainingState()
        check_meta(start.get("meta", {}), self.meta)
        for name, expected in self.format_metas.items():
            check_meta(format_meta(start, name), expected)
        steps = self.schedule.steps(self.data)
        state = continue_from(start, self.model, self.optimizer, self.average, steps)
        if not self.folder.best.exists():
            state.best_mm = float("inf")
        logger.info(f"continuing in epoch {state.epoch + 1} after {state.step_in_epoch} of its steps")
        return state

    def tracker(self, state: TrainingState, config_text: str, wandb: Mapping[str, Any] | None) -> NullTracker:
        """Begin the run's folder and its curves, in the main process; ``wandb`` as ``Tracker`` takes it."""
        if not self.runtime.is_main:
            return NullTracker()
        self.folder.begin(config_text)
        return Tracker(self.folder.path, state.step, wandb)

    def save(self, state: TrainingState, *paths: Path) -> None:
        """Write the checkpoint of this moment, in the main process."""
        if self.runtime.is_main:
            checkpoint = make_checkpoint(
                self.model,
                self.optimizer,
                self.average,
                state,
                self.meta,
                self.weights_key,
                self.format_metas,
            )
            for path in paths:
                save_checkpoint(path, checkpoint)

    def run(
        self,
        state: TrainingState,
        rate: LearningRate,
        step: Callable[[Any, Tensor, TrainingState, float], dict[str, float]],
        measure: Callable[[], dict[str, float]] | None,
        tracker: NullTracker,
    ) -> bool:
        """Train from the place ``state`` to the end; False if the run was asked to stop before.

        ``step(set, clip numbers, state, learning rate)`` gives the losses; ``measure()`` what a validation found,
        of which the lowest ``best_by`` is kept as the best checkpoint (None: the last one is).
        """
        schedule, folder, runtime = self.schedule, self.folder, self.runtime
        stop = StopRequest()
        bar = self._progress_bar(state)
        self.model.train()
        recent: dict[str, float] = {}  # the last losses of each joint format: a step has those of one
        with closing(tracker), closing(bar):
            for epoch in range(state.epoch, schedule.epochs):
                plan = self.data.epoch_plan(epoch, schedule.batch_size, schedule.seed)
                for source, ids in plan[state.step_in_epoch :]:
                    losses = step(source, ids, state, rate.at(state.step, epoch))
                    if self.average is not None:
                        self.average.update(self.model)
                    state.advance(losses, len(ids))
                    recent |= losses
                    bar.update(len(ids))
                    if state.step % schedule.log_every_steps == 0:
                        tracker.log({f"step/{name}": value for name, value in recent.items()}, state.step)
                        bar.set_description(f"epoch {epoch + 1}/{schedule.epochs}", refresh=False)
                        bar.set_postfix_str(figures(recent), refresh=False)
                    if schedule.save_every_steps and state.step % schedule.save_every_steps == 0:
                        self.save(state, folder.latest)
                    if stop.agreed(runtime):
                        self.save(state, folder.latest)
                        logger.info(
                            f"stopped by {stop.name}; saved {folder.latest}; continue with --resume auto"
                        )
                        return False

                row = {f"train/{name}": value for name, value in state.epoch_losses().items()}
                row["rate/learning_rate"] = rate.at(state.step - 1, epoch)
                keep = [] if measure else [folder.best]
                due = (epoch + 1) % schedule.eval_every_epochs == 0 or epoch + 1 == schedule.epochs
                if measure and due and runtime.is_main:
                    with self.average.swapped_into(self.model) if self.average else nullcontext():
                        measured = measure()
                    row |= {f"validation/{name}": value for name, value in measured.items()}
                    if measured[self.best_by] < state.best_mm:
                        state.best_mm = measured[self.best_by]
                        keep.append(folder.best)
                tracker.log(row, state.step)
                tracker.draw()
                if runtime.is_main:
                    bar.write(f"epoch {epoch + 1}: {figures(row)}")
                state.next_epoch()
                if state.epoch % schedule.checkpoint_frequency == 0:
                    keep.append(folder.epoch(state.epoch))
                # the best is written before the latest: a run killed in between measures this epoch again
                self.save(state, *keep, folder.latest)
                runtime.wait_for_all()
        return True

    def _progress_bar(self, state: TrainingState) -> tqdm:
        clips = self.schedule.clips(self.data)
        done = sum(clips[: state.epoch]) + state.step_in_epoch * self.schedule.batch_size
        return tqdm(
            total=sum(clips),
            initial=min(done, sum(clips)),
            unit="clip",
            smoothing=0.05,
            mininterval=0.2 if sys.stderr.isatty() else 10,
            dynamic_ncols=True,
            disable=not self.runtime.is_main,
        )


def figures(values: dict[str, float]) -> str:
    """Names and values on one line."""
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())
