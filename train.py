#!/usr/bin/env python
"""Train a lifter from 2D to 3D joints as one YAML says, or evaluate a checkpoint of it.

python train.py --config configs/quickstart.yaml --checkpoint runs/quickstart
python train.py --config configs/quickstart.yaml --evaluate runs/quickstart/best_epoch.bin --out_path runs/evaluation
python train.py --config my.yaml --checkpoint runs/mine --pretrained small
torchrun --nproc_per_node 2 train.py --config configs/quickstart.yaml --checkpoint runs/quickstart
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# CPU threads that wait spin for a short time only: beside another program on the same cores a step takes 6 times as
# long, instead of 25 to 70, for a sixth of the speed on idle cores. OpenMP reads this when torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lib import engine
from lib.checkpoint import (
    check_meta,
    load_checkpoint,
    load_weights,
    model_weights,
    source_skeleton_of,
)
from lib.config import add_config_flags, dump_config, load_config
from lib.data.augment import Augment
from lib.data.build import build_augment
from lib.data.checks import check_split_overlap, raise_or_log
from lib.data.clips import in_pieces
from lib.data.hand_sides import check_hand_sides
from lib.data.motion import Motion
from lib.data.targets import relative_target
from lib.data.training_data import build_training_data, checkpoint_meta
from lib.errors import UserError
from lib.evaluation_set import EvaluationSet, build_evaluation_set
from lib.legacy import add_legacy_flags, flag_notes, flag_overrides, pretrained_file, wandb_options
from lib.model.build import build_model, freeze_all_but
from lib.model.loss import WeightedLosses
from lib.report import write_report
from lib.run_folder import RunFolder
from lib.shipped import models_table
from lib.skeleton import Skeleton, load_skeleton
from lib.training_loop import Training, build_learning_rate, build_schedule
from lib.training_state import TrainingState

logger = logging.getLogger("ergolift")


def parse_arguments(argv: list[str] | None, description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config_flags(parser)
    add_legacy_flags(parser)
    parser.add_argument("--device", help="cpu, cuda or cuda:1 (default: a CUDA GPU if there is one)")
    parser.add_argument("--list_models", action=ListModels, nargs=0, help="list the shipped models and stop")
    return parser.parse_args(argv)


class ListModels(argparse.Action):
    """Like ``--help``: needs no other flag."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(models_table())
        parser.exit()


def main(argv: list[str] | None = None, task: str = "pose3d", description: str | None = __doc__) -> int:
    """Train or evaluate a config of a task: "pose3d", which takes those of hands too, or "hand"."""
    arguments = parse_arguments(argv, description)
    config = load_config(arguments.config, flag_overrides(arguments, task), task=task)
    if arguments.print_config:
        print(dump_config(config), end="")
        return 0
    runtime = engine.start_runtime(config.precision, arguments.device, config.threads)
    logging.basicConfig(level=logging.INFO if runtime.is_main else logging.ERROR, format="%(message)s")
    for note in flag_notes(arguments, config):
        logger.warning(note)
    skeleton = load_skeleton(config.joint_format).with_root(*config.root)
    try:
        if arguments.evaluate:
            return evaluate_checkpoint(arguments, config, skeleton, runtime)
        return train(arguments, config, skeleton, runtime)
    finally:
        engine.stop_runtime()


def train(arguments: argparse.Namespace, config: Any, skeleton: Skeleton, runtime: engine.Runtime) -> int:
    # everything that can be wrong is built before the data are read
    folder = RunFolder(Path(arguments.checkpoint))
    config_text = dump_config(config)
    start = folder.starting_point(arguments.resume, config_text)
    engine.seed_everything(config.seed)
    model = build_model(config, skeleton).to(runtime.device)
    if start is None and (config.pretrained or config.finetune):
        start_from_pretrained(model, arguments, config, skeleton)
    num_trained = freeze_all_but(model, config.partial_train)
    optimizer = torch.optim.AdamW(
        [weight for weight in model.parameters() if weight.requires_grad],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
    )
    average = engine.AveragedWeights(model, config.ema_decay) if config.ema_decay else None
    step = TrainingStep(model, optimizer, config, skeleton, runtime)

    data = build_training_data(config, skeleton)
    validation = None if config.no_eval else build_evaluation_set(config, skeleton, config.eval_split)
    test = build_test_set(config, skeleton, validation)
    raise_or_log(check_hand_sides(data.labelled_motion))
    for other in {validation, test} - {None}:
        raise_or_log(check_split_overlap(data.labelled_motion, other.motion))
    training = Training(
        model=model,
        optimizer=optimizer,
        average=average,
        data=data,
        schedule=build_schedule(config),
        folder=folder,
        meta=checkpoint_meta(config, skeleton, data.labelled_motion.fps),
        runtime=runtime,
    )
    steps = training.schedule.steps(data)
    state = training.place(start)
    logger.info(
        f"{skeleton.name}: {skeleton.num_joints} joints, root {'+'.join(skeleton.root)}; "
        f"{num_trained / 1e6:.2f} million weights train on {data.num_clips} clips of {config.clip_len} frames, "
        f"{config.epochs} epochs of {steps[0]} steps, on {runtime.device} x {runtime.world_size}"
    )
    finished = training.run(
        state,
        build_learning_rate(config, config.learning_rate, sum(steps)),
        step,
        (lambda: validation.measure(model, runtime, step.losses)) if validation else None,
        training.tracker(state, config_text, wandb_options(arguments, config)),
    )
    if not finished:
        return 130
    if runtime.is_main and test is not None:
        model.load_state_dict(model_weights(load_checkpoint(folder.best)))
        report(model, config, runtime, folder.path, test, data.labelled_motion)
    return 0


class TrainingStep:
    """One optimizer step on a batch of clips: gather, augment, predict, losses, gradients."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        config: Any,
        skeleton: Skeleton,
        runtime: engine.Runtime,
    ) -> None:
        self.model, self.optimizer, self.config = model, optimizer, config
        self.skeleton, self.runtime = skeleton, runtime
        self.predict = torch.compile(model) if config.compile else model
        if runtime.world_size > 1:
            self.predict = DistributedDataParallel(self.predict)
        self.augment: Augment = build_augment(config, skeleton)
        self.losses = WeightedLosses(skeleton, config.losses)
        self.losses_2d = WeightedLosses(skeleton, {"weighted_2d": 1.0})

    def __call__(
        self, clips: Any, ids: Tensor, state: TrainingState, learning_rate: float
    ) -> dict[str, float]:
        """Take the step; returns each loss, averaged over the processes. A loss that is not finite stops the run."""
        runtime, config = self.runtime, self.config
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
        batch["target"] = relative_target(label, self.skeleton, config.rootrel)
        # every process draws for the whole batch and takes its part: the result does not depend on their number
        batch = self.augment(batch, generator)
        part, share = runtime.slice_of_batch(len(ids))
        x, target = batch["input"][part], batch["target"][part]
        weights = batch["weight"][part] if "weight" in batch else None

        with runtime.autocast():
            prediction = self.predict(x)
        losses = self.losses if labelled else self.losses_2d
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
            nn.utils.clip_grad_norm_(self.model.parameters(), config.grad_clip)
        self.optimizer.step()
        shared = runtime.mean_over_processes(torch.stack([total.detach(), *terms.values()]) * share)
        return dict(zip(["loss", *terms], shared.tolist(), strict=True))


def evaluate_checkpoint(
    arguments: argparse.Namespace, config: Any, skeleton: Skeleton, runtime: engine.Runtime
) -> int:
    if not runtime.is_main:
        return 0
    checkpoint = load_checkpoint(arguments.evaluate)
    meta = checkpoint.get("meta", {})
    check_meta(meta, checkpoint_meta(config, skeleton, fps=None))
    model = build_model(config, skeleton).to(runtime.device)
    load_weights(
        model,
        model_weights(checkpoint),
        skeleton=skeleton,
        source_skeleton=source_skeleton_of(meta, None, skeleton),
    )
    test = build_evaluation_set(config, skeleton, config.test_split or config.eval_split)
    try:
        train_motion = build_training_data(config, skeleton).labelled_motion
    except UserError as error:
        logger.warning(f"without baselines of the training set, which cannot be read: {error}")
        train_motion = None
    out = Path(arguments.out_path or Path(arguments.evaluate).parent / "evaluation")
    report(model, config, runtime, out, test, train_motion)
    return 0


def build_test_set(config: Any, skeleton: Skeleton, validation: EvaluationSet | None) -> EvaluationSet | None:
    """Set of the final table; None if a run that asks for no evaluation has none."""
    split = config.test_split or config.eval_split
    if validation is not None and split == config.eval_split:
        return validation
    try:
        return build_evaluation_set(config, skeleton, split)
    except UserError as error:
        if not config.no_eval:
            raise
        logger.warning(f"there will be no final table: {error}")
        return None


def report(
    model: nn.Module,
    config: Any,
    runtime: engine.Runtime,
    out: Path,
    test: EvaluationSet,
    train_motion: Motion | None,
) -> None:
    """Judge a model beside the baselines; prints the table and writes everything into ``out``."""
    engine.seed_everything(config.seed)
    untrained = build_model(config, test.skeleton).to(runtime.device)
    text = write_report(
        out,
        test.predict(model, runtime)[0],
        test.clips,
        kept=test.kept,
        pck_threshold_mm=config.pck_threshold_mm,
        train_motion=train_motion,
        untrained=test.predict(untrained, runtime)[0],
        extra={"split": test.split, "joint_format": test.skeleton.name, "root": list(test.skeleton.root)},
    )
    logger.info(f"\n{test.skeleton.name}, split '{test.split}'\n\n{text}\n\nwritten to {out}")


def start_from_pretrained(
    model: nn.Module, arguments: argparse.Namespace, config: Any, skeleton: Skeleton
) -> None:
    path = pretrained_file(arguments, config)
    checkpoint = load_checkpoint(path)
    loaded = load_weights(
        model,
        model_weights(checkpoint),
        skeleton=skeleton,
        source_skeleton=source_skeleton_of(
            checkpoint.get("meta", {}), config.pretrained_joint_format, skeleton
        ),
        discard_last_layer=arguments.discard_last_layer,
        fit_frames=True,
    )
    logger.info(f"starting from {path}: " + "\n  ".join(loaded.lines()))


def run_script(main: Callable[[], int]) -> None:
    """Leave with what ``main`` returns, or after a user's mistake with one line and code 2."""
    try:
        sys.exit(main())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    run_script(main)
