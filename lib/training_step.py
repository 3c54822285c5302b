"""One optimizer step on a batch of clips: gather, augment, predict, losses, gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lib import engine
from lib.data.build import build_augment
from lib.data.clips import in_pieces
from lib.data.targets import relative_target
from lib.errors import UserError
from lib.model.formats import ByFormat
from lib.model.loss import WeightedLosses
from lib.run_formats import RunFormat
from lib.training_state import TrainingState


class TrainingStep:
    """Takes steps on the clips of any of a run's joint formats: the clips say of which they are."""

    def __init__(
        self, formats: Sequence[RunFormat], optimizer: torch.optim.Optimizer, runtime: engine.Runtime
    ) -> None:
        self.formats = {each.name: each for each in formats}
        self.config, self.optimizer, self.runtime = formats[0].config, optimizer, runtime
        self.parameters = list(formats[0].model.parameters())
        compiled = torch.compile if self.config.compile else lambda model: model
        self.predict: nn.Module = ByFormat({each.name: compiled(each.model) for each in formats})
        if runtime.world_size > 1:  # a step leaves the other formats' own layers out
            self.predict = DistributedDataParallel(self.predict, find_unused_parameters=len(formats) > 1)
        terms = [(each.name, each.skeleton, each.config) for each in formats]
        self.augment = {name: build_augment(config, skeleton) for name, skeleton, config in terms}
        self.losses = {name: WeightedLosses(skeleton, config.losses) for name, skeleton, config in terms}
        self.losses_2d = {name: WeightedLosses(skeleton, {"weighted_2d": 1.0}) for name, skeleton, _ in terms}

    def __call__(
        self, clips: Any, ids: Tensor, state: TrainingState, learning_rate: float
    ) -> dict[str, float]:
        """Take the step; returns each loss, averaged over the processes. A loss that is not finite stops the run."""
        runtime, taught = self.runtime, self.formats[clips.skeleton.name]
        config = taught.config
        # everything random in this step follows from (seed, rank, step): a resumed run repeats it exactly
        engine.seed_everything(config.seed, runtime.rank, state.step)
        generator = engine.seeded_generator(config.seed, state.step, device=runtime.device)
        batch = {
            name: value.to(runtime.device, non_blocking=True) for name, value in clips.batch(ids).items()
        }
        labelled = "target" in batch
        if config.clip_lengths and labelled:
            drawn = torch.randint(len(config.clip_lengths), (), generator=generator, device=runtime.device)
            length = config.clip_lengths[drawn]
            ids, batch = ids.repeat_interleave(config.clip_len // length), in_pieces(batch, length)
        if config.confidence_weights or not labelled:
            batch["weight"] = batch["confidence"] if config.no_conf else batch["input"][..., 2]
        # a set without 3D labels is trained to reproduce its own 2D, weighted by the detector's confidence
        label = batch["target"] if labelled else batch["input"]
        batch["target"] = relative_target(label, taught.skeleton, config.rootrel)
        # every process draws for the whole batch and takes its part: the result does not depend on their number
        batch = self.augment[taught.name](batch, generator)
        part, share = runtime.slice_of_batch(len(ids))
        x, target = batch["input"][part], batch["target"][part]
        weights = batch["weight"][part] if "weight" in batch else None

        with runtime.autocast():
            prediction = self.predict(x, taught.name)
        losses = (self.losses if labelled else self.losses_2d)[taught.name]
        total, terms = losses(prediction.float(), target, weights)
        if not torch.isfinite(total):
            names = ", ".join(sorted(set(clips.source_names(ids[part]))))
            raise UserError(
                f"the loss is {float(total.detach())} at step {state.step}; the batch holds clips of {names}. "
                "Look at them with tools/preview_data.py, or lower learning_rate, or set grad_clip."
            )
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.zero_grad(set_to_none=True)
        (total * share).backward()
        if config.grad_clip:
            nn.utils.clip_grad_norm_(self.parameters, config.grad_clip)
        self.optimizer.step()
        shared = runtime.mean_over_processes(torch.stack([total.detach(), *terms.values()]) * share)
        return taught.named(dict(zip(["loss", *terms], shared.tolist(), strict=True)))
