#!/usr/bin/env python
"""Train a regressor from 2D keypoints to SMPL bodies as one YAML says, or evaluate a checkpoint of it.

python train_mesh.py --config configs/mesh/quickstart.yaml --checkpoint runs/mesh_quickstart
python train_mesh.py --config configs/mesh/quickstart.yaml --evaluate runs/mesh_quickstart/best_epoch.bin
torchrun --nproc_per_node 2 train_mesh.py --config configs/mesh/quickstart.yaml --checkpoint runs/mesh_quickstart
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

# as in train.py: CPU threads that wait spin for a short time only; OpenMP reads this when torch is imported
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lib import engine
from lib.body import BodyModel, load_body
from lib.body_regressor import KeypointRegressor, keypoint_regressor
from lib.checkpoint import check_meta, load_checkpoint, model_weights, source_skeleton_of
from lib.config import add_config_flags, dump_config, load_config
from lib.data.mesh_clips import MeshClips
from lib.data.mesh_sets import (
    MeshTrainingData,
    build_mesh_augment,
    build_mesh_evaluation_sets,
    build_mesh_training_data,
    check_mesh_splits,
)
from lib.errors import UserError, run_script
from lib.legacy import add_legacy_flags, flag_notes, flag_overrides, pretrained_file, wandb_options
from lib.mesh_evaluation import MeanMesh, evaluate_mesh, mean_body
from lib.mesh_report import write_mesh_report
from lib.mesh_target import mesh_target
from lib.model.batch_norm import set_batch_norm
from lib.model.build import build_mesh_model, freeze_all_but
from lib.model.loss_mesh import WeightedMeshLosses
from lib.model.mesh_regressor import MeshRegressor, load_mesh_weights
from lib.run_folder import RunFolder
from lib.skeleton import Skeleton, load_skeleton
from lib.training_loop import Training, build_learning_rate, build_schedule
from lib.training_state import TrainingState

logger = logging.getLogger("ergolift")


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config_flags(parser)
    add_legacy_flags(parser)
    parser.add_argument("--device", help="cpu, cuda or cuda:1 (default: a CUDA GPU if there is one)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    arguments = parse_arguments(argv)
    config = load_config(arguments.config, flag_overrides(arguments, task="mesh"), task="mesh")
    if arguments.print_config:
        print(dump_config(config), end="")
        return 0
    runtime = engine.start_runtime(config.precision, arguments.device, config.threads)
    logging.basicConfig(level=logging.INFO if runtime.is_main else logging.ERROR, format="%(message)s")
    for note in flag_notes(arguments, config):
        logger.warning(note)
    skeleton = load_skeleton(config.joint_format).with_root(*config.root)
    body = load_body(config.body, gender=config.gender).to(runtime.device)
    regressor = keypoint_regressor(body, skeleton, config.regressor)
    try:
        if arguments.evaluate:
            return evaluate_checkpoint(arguments, config, body, regressor, runtime)
        return train(arguments, config, body, regressor, runtime)
    finally:
        engine.stop_runtime()


def train(
    arguments: argparse.Namespace,
    config: Any,
    body: BodyModel,
    regressor: KeypointRegressor,
    runtime: engine.Runtime,
) -> int:
    # everything that can be wrong is built before the data are read
    skeleton = regressor.skeleton
    folder = RunFolder(Path(arguments.checkpoint))
    config_text = dump_config(config)
    start = folder.starting_point(arguments.resume, config_text)
    engine.seed_everything(config.seed)
    model = build_mesh_model(config, body, regressor).to(runtime.device)
    has_head = start is not None
    if start is None and (config.pretrained or config.finetune):
        has_head = start_from_pretrained(model, arguments, config, skeleton)
    num_trained = freeze_all_but(model, config.partial_train)
    optimizer = build_optimizer(model, config)
    average = engine.AveragedWeights(model, config.ema_decay) if config.ema_decay else None
    losses = WeightedMeshLosses(skeleton, config.losses, config.loss_type)

    data = build_mesh_training_data(config, skeleton)
    validation = {} if config.no_eval else build_mesh_evaluation_sets(config, skeleton, config.eval_split)
    check_mesh_splits(data, validation)
    if not has_head:  # a trained head has learned what to add to its own start
        model.head.start_from(*mean_training_body(data))
    training = Training(
        model=model,
        optimizer=optimizer,
        average=average,
        data=data,
        schedule=build_schedule(config),
        folder=folder,
        meta=mesh_meta(config, skeleton),
        runtime=runtime,
        weights_key="model",
    )
    steps = training.schedule.steps(data)
    state = training.place(start)
    logger.info(
        f"{skeleton.name}: {skeleton.num_joints} joints, root {'+'.join(skeleton.root)}; body {body.name}, "
        f"{body.num_vertices} vertices; {num_trained / 1e6:.2f} million weights train on {data.num_clips} clips "
        f"of {config.clip_len} frames, {config.epochs} epochs of {steps[0]} steps, on {runtime.device} x "
        f"{runtime.world_size}"
    )

    judge = build_judge(config, body, regressor, runtime)

    def measure() -> dict[str, float]:
        """Errors on each set; those of the last choose the best checkpoint."""
        found = [judge(model, clips) for clips in validation.values()]
        means = {
            f"{name}/{key}": value
            for name, summary in zip(validation, found, strict=True)
            for key, value in summary.items()
            if isinstance(value, float)
        }
        return {"mpjpe_mm": found[-1]["mpjpe_mm"], **means}

    finished = training.run(
        state,
        build_learning_rate(config, config.lr_head, sum(steps)),
        MeshStep(model, optimizer, losses, config, runtime),
        measure if validation else None,
        training.tracker(state, config_text, wandb_options(arguments, config)),
    )
    if not finished:
        return 130
    if runtime.is_main and validation:
        model.load_state_dict(model_weights(load_checkpoint(folder.best)))
        report(model, config, runtime, folder.path, data)
    return 0


class MeshStep:
    """One optimizer step on a batch of clips: gather, augment, make the true bodies, predict, losses, gradients."""

    def __init__(
        self,
        model: MeshRegressor,
        optimizer: torch.optim.Optimizer,
        losses: WeightedMeshLosses,
        config: Any,
        runtime: engine.Runtime,
    ) -> None:
        self.model, self.optimizer, self.losses, self.config = model, optimizer, losses, config
        self.runtime, self.body, self.regressor = runtime, model.body, model.regressor
        self.predict = torch.compile(model) if config.compile else model
        if runtime.world_size > 1:
            set_batch_norm(model, "all_processes")  # the result does not depend on their number
            # the body's arrays are the same everywhere
            self.predict = DistributedDataParallel(self.predict, broadcast_buffers=False)
        self.augment = build_mesh_augment(config, self.regressor.skeleton)

    def __call__(
        self, clips: MeshClips, ids: Tensor, state: TrainingState, learning_rate: float
    ) -> dict[str, float]:
        """Take the step; returns each loss, averaged over the processes. A loss that is not finite stops the run."""
        runtime, config, skeleton = self.runtime, self.config, self.regressor.skeleton
        # everything random in this step follows from (seed, rank, step): a resumed run repeats it exactly
        engine.seed_everything(config.seed, runtime.rank, state.step)
        generator = engine.seeded_generator(config.seed, state.step, device=runtime.device)
        batch = {
            name: value.to(runtime.device, non_blocking=True) for name, value in clips.batch(ids).items()
        }
        batch = self.augment(batch, generator)
        part, share = runtime.slice_of_batch(len(ids))
        batch = {name: value[part] for name, value in batch.items()}
        target = mesh_target(self.body, self.regressor, batch, skeleton)
        weights = batch["confidence"] if config.confidence_weights else None

        with runtime.autocast():
            prediction = self.predict(batch["input"])
        total, terms = self.losses(prediction, target, weights)
        if not torch.isfinite(total):
            names = ", ".join(sorted(set(clips.source_names(ids[part]))))
            raise UserError(
                f"the loss is {float(total.detach())} at step {state.step}; the batch holds clips of {names}. "
                "Lower lr_head and lr_backbone, or set grad_clip."
            )
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group["share"]
        self.optimizer.zero_grad(set_to_none=True)
        (total * share).backward()
        if config.grad_clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), config.grad_clip)
        self.optimizer.step()
        shared = runtime.mean_over_processes(torch.stack([total.detach(), *terms.values()]) * share)
        return dict(zip(["loss", *terms], shared.tolist(), strict=True))


def build_optimizer(model: MeshRegressor, config: Any) -> torch.optim.Optimizer:
    """AdamW with a learning rate for the backbone and one for the head, ``share`` of which each group takes."""
    groups = []
    for part, rate in (("backbone", config.lr_backbone), ("head", config.lr_head)):
        weights = [weight for weight in getattr(model, part).parameters() if weight.requires_grad]
        groups.append({"params": weights, "lr": rate, "share": rate / config.lr_head})
    return torch.optim.AdamW(groups, weight_decay=config.weight_decay)


def evaluate_checkpoint(
    arguments: argparse.Namespace,
    config: Any,
    body: BodyModel,
    regressor: KeypointRegressor,
    runtime: engine.Runtime,
) -> int:
    if not runtime.is_main:
        return 0
    skeleton = regressor.skeleton
    checkpoint = load_checkpoint(arguments.evaluate)
    meta = checkpoint.get("meta", {})
    check_meta(meta, mesh_meta(config, skeleton))
    model = build_mesh_model(config, body, regressor).to(runtime.device)
    source = source_skeleton_of(meta, None, skeleton)
    lines = load_mesh_weights(model, model_weights(checkpoint), skeleton=skeleton, source_skeleton=source)
    logger.info("\n  ".join(lines))
    try:
        data = build_mesh_training_data(config, skeleton)
    except UserError as error:
        logger.warning(f"without the mean pose of the training set, which cannot be read: {error}")
        data = None
    out = Path(arguments.out_path or Path(arguments.evaluate).parent / "evaluation")
    report(model, config, runtime, out, data)
    return 0


def build_judge(
    config: Any, body: BodyModel, regressor: KeypointRegressor, runtime: engine.Runtime
) -> Callable[[nn.Module, MeshClips], dict[str, Any]]:
    """Function from a model and a set to its errors, by the protocol of a config."""
    return partial(
        evaluate_mesh,
        body=body,
        regressor=regressor,
        skeleton=regressor.skeleton,
        runtime=runtime,
        batch_size=config.eval_batch_size or config.batch_size,
        flip=config.eval_flip,
    )


def report(
    model: MeshRegressor,
    config: Any,
    runtime: engine.Runtime,
    out: Path,
    data: MeshTrainingData | None,
) -> None:
    """Judge a model beside the mean training body and the model untrained; prints tables, writes into ``out``."""
    skeleton = model.regressor.skeleton
    engine.seed_everything(config.seed)
    untrained = build_mesh_model(config, model.body, model.regressor).to(runtime.device)
    others: dict[str, nn.Module] = {"untrained": untrained}
    if data is not None:
        mean = mean_training_body(data)
        untrained.head.start_from(*mean)
        others["mean body"] = MeanMesh(
            *(part.to(runtime.device) for part in mean), model.body, model.regressor
        )
    judge = build_judge(config, model.body, model.regressor, runtime)
    for name, clips in build_mesh_evaluation_sets(config, skeleton, config.eval_split).items():
        summary = judge(model, clips)
        summary["baselines"] = {other: judge(baseline, clips) for other, baseline in others.items()}
        folder = out if len(config.sets) == 1 else out / name
        text = write_mesh_report(folder, summary, model, clips, runtime, flip=config.eval_flip)
        logger.info(
            f"\n{name}, {skeleton.name}, split '{config.eval_split}'\n\n{text}\n\nwritten to {folder}"
        )


def mean_training_body(data: MeshTrainingData) -> tuple[Tensor, Tensor]:
    """Mean rotations and shape of the first set that is trained on."""
    motion = data.sets[0].clips.motion
    return mean_body(motion.smpl_pose, motion.smpl_shape)


def mesh_meta(config: Any, skeleton: Skeleton) -> dict[str, Any]:
    """What a checkpoint says about the terms it was trained on."""
    return {
        "task": "mesh",
        "joint_format": skeleton.name,
        "num_joints": skeleton.num_joints,
        "root": list(skeleton.root),
        "input_scale": config.input_scale,
        "no_conf": config.no_conf,
        "fps": config.fps,
    }


def start_from_pretrained(
    model: MeshRegressor, arguments: argparse.Namespace, config: Any, skeleton: Skeleton
) -> bool:
    """Load the weights to start from; whether they hold a mesh head."""
    path = pretrained_file(arguments, config)
    checkpoint = load_checkpoint(path)
    weights = model_weights(checkpoint)
    lines = load_mesh_weights(
        model,
        weights,
        skeleton=skeleton,
        source_skeleton=source_skeleton_of(
            checkpoint.get("meta", {}), config.pretrained_joint_format, skeleton
        ),
        discard_last_layer=arguments.discard_last_layer,
    )
    logger.info(f"starting from {path}: " + "\n  ".join(lines))
    return any(name.startswith("head.head_pose") for name in weights)


if __name__ == "__main__":
    run_script(main)
