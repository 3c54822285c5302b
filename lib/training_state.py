"""Everything a run needs to go on where it stopped, in one small record and one checkpoint dict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import torch
from torch import nn

from lib.checkpoint_formats import all_weights, format_entries, split_by_format
from lib.engine import AveragedWeights
from lib.errors import UserError


@dataclass
class TrainingState:
    """Place of a run: epochs done, steps done in this epoch and in all, and the losses of this epoch so far."""

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    best_mm: float = float("inf")
    loss_sums: dict[str, float] = field(default_factory=dict)
    loss_clips: dict[str, int] = field(default_factory=dict)

    def advance(self, losses: Mapping[str, float], num_clips: int) -> None:
        """Count one optimizer step on ``num_clips`` clips and its losses."""
        self.step += 1
        self.step_in_epoch += 1
        for name, value in losses.items():
            self.loss_sums[name] = self.loss_sums.get(name, 0.0) + value * num_clips
            self.loss_clips[name] = self.loss_clips.get(name, 0) + num_clips

    def epoch_losses(self) -> dict[str, float]:
        """Mean of each loss over the clips of this epoch so far."""
        return {name: total / self.loss_clips[name] for name, total in self.loss_sums.items()}

    def next_epoch(self) -> None:
        """Begin the next epoch."""
        self.epoch, self.step_in_epoch, self.loss_sums, self.loss_clips = self.epoch + 1, 0, {}, {}


def make_checkpoint(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: AveragedWeights | None,
    state: TrainingState,
    meta: dict[str, Any],
    weights_key: str,
    format_metas: Mapping[str, dict[str, Any]],
) -> dict[str, Any]:
    """Checkpoint dict in MotionBERT's layout, with what an exact continuation needs beside it.

    ``weights_key`` (model_pos, or model for a mesh) holds the weights that evaluate best: the averaged ones if there
    are any, with the ones under training beside them as ``training_weights``. The weights that further joint formats
    have of their own stand under ``formats``, with ``format_metas``.
    """
    own = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
    best = own if average is None else {name: value.cpu().clone() for name, value in average.weights.items()}
    weights, weights_of_formats = split_by_format(best)
    checkpoint = {
        "epoch": state.epoch,
        "lr": optimizer.param_groups[0]["lr"],
        "optimizer": optimizer.state_dict(),
        weights_key: weights,
        "min_loss": state.best_mm,
        "meta": meta,
        "progress": asdict(state),
        **format_entries(weights_of_formats, format_metas),
    }
    if average is not None:
        checkpoint["training_weights"] = own
        checkpoint["average_updates"] = average.updates
    return checkpoint


def continue_from(
    checkpoint: dict[str, Any],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: AveragedWeights | None,
    steps: Sequence[int],
) -> TrainingState:
    """Put a checkpoint's weights, optimizer and averages back, and return its place in the run.

    ``steps`` are the steps of each epoch. A checkpoint of MotionBERT has no ``progress``: it continues at the epoch
    it names. Raises ``UserError`` if
    weights or optimizer are of another model.
    """
    weights = all_weights(checkpoint)
    try:
        model.load_state_dict(checkpoint.get("training_weights", weights))
        optimizer.load_state_dict(checkpoint["optimizer"])
    except (KeyError, ValueError, RuntimeError) as error:
        raise UserError(
            f"cannot continue from this checkpoint ({str(error).splitlines()[0]}); "
            "to start a new run from its weights use --pretrained"
        ) from None
    if average is not None:
        device = next(model.parameters()).device
        average.weights = {name: value.to(device).clone() for name, value in weights.items()}
        average.updates = checkpoint.get("average_updates", 0)
    progress = checkpoint.get("progress")
    if progress is None:  # its min_loss is of another protocol (a mean over actions): not taken over
        epoch = int(checkpoint.get("epoch", 0))
        return TrainingState(epoch=epoch, step=sum(steps[:epoch]))
    known = {entry.name for entry in fields(TrainingState)}
    return TrainingState(**{name: value for name, value in progress.items() if name in known})
