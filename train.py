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
from pathlib import Path
from typing import Any

# CPU threads that wait spin for a short time only: beside another program on the same cores a step takes 6 times as
# long, instead of 25 to 70, for a sixth of the speed on idle cores. OpenMP reads this when torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

import torch
from torch import nn

from lib import engine
from lib.checkpoint import (
    check_meta,
    load_checkpoint,
    load_weights,
    model_weights,
    source_skeleton_of,
)
from lib.checkpoint_formats import all_weights, checkpoint_of_format
from lib.config import add_config_flags, dump_config, load_config
from lib.config_formats import format_configs
from lib.data.format_turns import FormatTurns
from lib.data.motion import Motion
from lib.data.training_data import build_training_data, checkpoint_meta
from lib.errors import UserError, run_script
from lib.evaluation_set import EvaluationSet, build_evaluation_set
from lib.legacy import add_legacy_flags, flag_notes, flag_overrides, pretrained_file, wandb_options
from lib.model.build import build_model, freeze_all_but
from lib.report import write_report
from lib.run_folder import RunFolder
from lib.run_formats import (
    MEAN_OF_FORMATS,
    RunFormat,
    build_format_sets,
    build_formats,
    join_formats,
    measure_formats,
    skeleton_of,
)
from lib.shipped import models_table
from lib.training_loop import Training, build_learning_rate, build_schedule
from lib.training_step import TrainingStep

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
    try:
        if arguments.evaluate:
            return evaluate_checkpoint(arguments, config, runtime)
        return train(arguments, config, runtime)
    finally:
        engine.stop_runtime()


def train(arguments: argparse.Namespace, config: Any, runtime: engine.Runtime) -> int:
    # everything that can be wrong is built before the data are read
    folder = RunFolder(Path(arguments.checkpoint))
    config_text = dump_config(config)
    start = folder.starting_point(arguments.resume, config_text)
    engine.seed_everything(config.seed)
    formats = build_formats(format_configs(config), runtime.device)
    pretrained = None
    if start is None and (config.pretrained or config.finetune):
        pretrained = start_from_pretrained(formats[0], arguments, config)
    model = join_formats(formats, pretrained)
    num_trained = freeze_all_but(model, config.partial_train)
    for each in formats:
        if not any(weight.requires_grad for weight in each.model.parameters()):
            raise UserError(f"partial_train: {config.partial_train} leaves nothing of {each.name} to train")
    optimizer = torch.optim.AdamW(
        [weight for weight in model.parameters() if weight.requires_grad],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
    )
    average = engine.AveragedWeights(model, config.ema_decay) if config.ema_decay else None
    step = TrainingStep(formats, optimizer, runtime)

    sets = [build_format_sets(each.config, each.skeleton) for each in formats]
    data = FormatTurns([own.training for own in sets])
    main_meta, *other_metas = [
        checkpoint_meta(each.config, each.skeleton, own.training.labelled_motion.fps)
        for each, own in zip(formats, sets, strict=True)
    ]
    training = Training(
        model=model,
        optimizer=optimizer,
        average=average,
        data=data,
        schedule=build_schedule(config),
        folder=folder,
        meta=main_meta,
        runtime=runtime,
        best_by=MEAN_OF_FORMATS if len(formats) > 1 else "mpjpe_mm",
        format_metas={each.name: meta for each, meta in zip(formats[1:], other_metas, strict=True)},
    )
    steps = training.schedule.steps(data)
    state = training.place(start)
    for each, own in zip(formats, sets, strict=True):
        logger.info(
            f"{each.name}: {each.skeleton.num_joints} joints, root {'+'.join(each.skeleton.root)}; "
            f"{own.training.num_clips} clips of {each.config.clip_len} frames"
        )
    logger.info(
        f"{num_trained / 1e6:.2f} million weights train for {config.epochs} epochs of {steps[0]} steps, "
        f"on {runtime.device} x {runtime.world_size}"
    )
    finished = training.run(
        state,
        build_learning_rate(config, config.learning_rate, sum(steps)),
        step,
        None if config.no_eval else (lambda: measure_formats(formats, sets, runtime, step.losses)),
        training.tracker(state, config_text, wandb_options(arguments, config)),
    )
    if not finished:
        return 130
    if runtime.is_main:
        model.load_state_dict(all_weights(load_checkpoint(folder.best)))
        for each, own in zip(formats, sets, strict=True):
            if own.test is not None:
                out = folder.path if each.is_main else folder.path / each.name
                report(each.model, each.config, runtime, out, own.test, own.training.labelled_motion)
    return 0


def evaluate_checkpoint(arguments: argparse.Namespace, config: Any, runtime: engine.Runtime) -> int:
    if not runtime.is_main:
        return 0
    checkpoint = load_checkpoint(arguments.evaluate)
    out = Path(arguments.out_path or Path(arguments.evaluate).parent / "evaluation")
    main, *others = format_configs(config)
    evaluate_format(checkpoint, main, runtime, out)
    for other in others:
        evaluate_format(checkpoint, other, runtime, out / skeleton_of(other).name)
    return 0


def evaluate_format(checkpoint: dict[str, Any], config: Any, runtime: engine.Runtime, out: Path) -> None:
    """Judge the weights that a checkpoint has for the joint format of a config."""
    skeleton = skeleton_of(config)
    checkpoint = checkpoint_of_format(checkpoint, skeleton.name)
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
    report(model, config, runtime, out, test, train_motion)


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


def start_from_pretrained(main: RunFormat, arguments: argparse.Namespace, config: Any) -> dict[str, Any]:
    """Put a checkpoint's weights into the model of the main format; returns the checkpoint."""
    path = pretrained_file(arguments, config)
    whole = load_checkpoint(path)
    checkpoint = checkpoint_of_format(whole, main.name)
    loaded = load_weights(
        main.model,
        model_weights(checkpoint),
        skeleton=main.skeleton,
        source_skeleton=source_skeleton_of(
            checkpoint.get("meta", {}), config.pretrained_joint_format, main.skeleton
        ),
        discard_last_layer=arguments.discard_last_layer,
        fit_frames=True,
    )
    logger.info(f"starting from {path}: " + "\n  ".join(loaded.lines()))
    return whole


if __name__ == "__main__":
    run_script(main)
