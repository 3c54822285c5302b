#!/usr/bin/env python
"""Judge trained lifters: how far off they are, and in which tasks, views, clip lengths and frame rates.

python tools/evaluate_model.py -e runs/a/best_epoch.bin plain=runs/b/best_epoch.bin \\
    --data data/motion3d/cmu.pkl configs/quickstart.yaml --out runs/judging

All lifters, and what any lifter has to beat, stand in one table a set, for exact and for noisy 2D: docs/judging.md.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib import engine
from lib.checkpoint import load_checkpoint
from lib.checkpoint_formats import checkpoint_of_format
from lib.config import load_config
from lib.data.build import build_motion
from lib.data.checks import check_motion, raise_or_log
from lib.data.motion import Motion
from lib.data.pickle_layout import find_data_file
from lib.data.readers.pickles import read_pickle
from lib.data.readers.worker import worker_arguments
from lib.data.recorded_errors import load_recorded_errors
from lib.data.worker.generate import make_worker_truth
from lib.errors import UserError, did_you_mean, run_script
from lib.evaluate import truth_factor
from lib.judging.detector_poses import read_detector_poses
from lib.judging.figures import judgement_figure
from lib.judging.inputs import INPUTS, ErrorSource
from lib.judging.judge import BY, JudgedSet, frames_of, judge_set, some_videos
from lib.judging.report import Judgement, write_judgement
from lib.shipped import config_of, weights_file
from lib.skeleton import Skeleton, load_skeleton
from tools.compare import named_values, split_name
from tools.predict import converted, motion_of_set, predict_bodies, predict_poses

logger = logging.getLogger("ergolift")


@dataclass(frozen=True, eq=False)
class Model:
    """A checkpoint with the config of its run, as a lifter to be judged."""

    name: str
    config: Any
    checkpoint: dict[str, Any]
    skeleton: Skeleton
    runtime: engine.Runtime

    @property
    def maxlen(self) -> int:
        """Frames of the longest clip."""
        return int(self.config.maxlen)

    def __call__(self, motion: Motion, clip_len: int | None = None) -> tuple[np.ndarray, Motion]:
        """Joints (F,J,3) mm, and the motion in the model's format.

        Clips, of ``clip_len`` frames or as many as in the run's evaluation, are never longer than their video:
        motion that is stretched would be another one.
        """
        start = time.monotonic()
        motion = converted(motion, self.skeleton)
        predict = predict_bodies if self.config.task == "mesh" else predict_poses
        lengths = np.minimum(np.diff(motion.videos, axis=1)[:, 0], clip_len or self.config.clip_len)
        joints_mm = np.empty((motion.num_frames, self.skeleton.num_joints, 3))
        for length in np.unique(lengths):
            rows = frames_of(motion.videos[lengths == length])
            # the input is that of the motion, whatever the run was fed with
            config = type(self.config)(self.config, clip_len=int(length), gt_2d=False)
            joints_mm[rows] = predict(
                config, self.checkpoint, motion.select(rows), self.skeleton, self.runtime
            )[0]
        logger.info(f"{self.name}: {len(joints_mm)} frames in {time.monotonic() - start:.1f} s")
        return joints_mm, motion


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    several: dict[str, Any] = {"action": "append", "default": []}
    add(
        *("-e", "--evaluate"),
        nargs="+",
        required=True,
        metavar="[NAME=]CHECKPOINT",
        help="files of train.py, train_hand.py or train_mesh.py, or names of shipped models",
    )
    add("--config", **several, metavar="NAME=FILE", help="config of a checkpoint [config.yaml beside it]")
    add("--data", nargs="+", required=True, metavar="[NAME=]SET", help="YAML of configs, or data pickles")
    add("--split", default="test", help="split of the sets [%(default)s]")
    add("--joint_format", help="of the pickles [that of the first checkpoint]")
    add("--fps", type=float, metavar="RATE", help="frames a second of pickles that do not tell")
    add(
        "--input",
        nargs="+",
        choices=INPUTS.names(),
        help="2D to lift from [exact, and the set's own; for sets of exact 2D that of a modelled detector]",
    )
    add(
        "--error_file",
        metavar="FILE",
        help="recording of a detector (tools/film_people.py): input 'recorded'",
    )
    add("--error_split", default="test", help="split of that file [%(default)s]")
    add("--by", nargs="*", choices=BY, help="breakdowns [all]")
    add(
        "--frames",
        type=int,
        default=0,
        help="judge on about so many frames, whole videos spread evenly [all]",
    )
    add("--sweep_frames", type=int, default=4000, help="the same by clip length and frame rate [%(default)s]")
    add("--seed", type=int, default=0, help="of the errors of modelled and recorded detectors")
    add("--out", required=True, type=Path, metavar="FOLDER", help="where tables and figures are written")
    add("--device", help="cpu, cuda or cuda:1 (default: a CUDA GPU if there is one)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    arguments = parse_arguments(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    models = load_models(arguments.evaluate, named_values("config", arguments.config), arguments.device)
    arguments.out.mkdir(parents=True, exist_ok=True)  # it fails now rather than at the end
    judgement = Judgement()
    for text in arguments.data:
        judged = load_set(text, models[0].skeleton, arguments)
        errors = arguments.error_file and load_recorded_errors(
            judged.motion.skeleton, arguments.error_file, arguments.error_split
        )
        judge_set(
            judged,
            models,
            judgement,
            source=ErrorSource(arguments.seed, errors or None),
            inputs=arguments.input,
            by=BY if arguments.by is None else arguments.by,
            sweep_frames=arguments.sweep_frames,
        )
    print(f"\n{write_judgement(arguments.out, judgement, judgement_figure)}\n\nwritten to {arguments.out}")
    return 0


def load_models(texts: list[str], configs: dict[str, str], device: str | None) -> list[Model]:
    """All checkpoints by name; raises ``UserError`` for a name that stands twice or for nobody."""
    models: dict[str, Model] = {}
    for text in texts:
        given, path = split_name(text)
        weights = weights_file(path)
        name = given or weights.resolve().parent.name
        if name in models:
            raise UserError(f"-e: two models are called {name}; give them names, as in NAME={path}")
        config = load_config(config_of(weights, configs.get(name), f"--config {name}=FILE"))
        skeleton = load_skeleton(config.joint_format).with_root(*config.root)
        checkpoint = checkpoint_of_format(load_checkpoint(weights), skeleton.name)
        runtime = engine.start_runtime(config.precision, device, config.threads)
        models[name] = Model(name, config, checkpoint, skeleton, runtime)
    for name in configs:
        if name not in models:
            raise UserError(f"--config {name}: no model has that name{did_you_mean(name, models)}")
    return list(models.values())


def load_set(text: str, usual: Skeleton, arguments: argparse.Namespace) -> JudgedSet:
    """A set by its config or pickle, checked; of ``--frames`` frames if so many are asked for."""
    given, path = split_name(text)
    reader = {".yaml": set_of_config, ".yml": set_of_config, ".pkl": set_of_pickle}.get(Path(path).suffix)
    if reader is None:
        raise UserError(f"--data {path}: cannot tell what this is; allowed: .yaml of a config, .pkl")
    judged = reader(path, given or Path(path).stem, usual, arguments)
    truth_factor(judged.motion)
    raise_or_log(check_motion(judged.motion))
    if arguments.frames <= 0:
        return judged
    return judged.select(frames_of(some_videos(judged.motion.videos, arguments.frames)))


def set_of_config(path: str, name: str, usual: Skeleton, arguments: argparse.Namespace) -> JudgedSet:
    config = load_config(path)
    up = None
    if config.task != "mesh" and config.reader == "worker":
        skeleton = load_skeleton(config.joint_format).with_root(*config.root)
        truth = make_worker_truth(
            skeleton, split=arguments.split, **worker_arguments(arguments.split, config.worker)
        )
        motion, up = truth.motion, truth.camera_rotation[:, :, 1]  # the world's y axis points up
    else:
        motion = motion_of_set(config, arguments.split)
    train = None
    if config.task != "mesh":
        train = or_none(
            lambda: build_motion(config, motion.skeleton, config.train_split, config.get("train_reader"))
        )
    skipped = tuple(config.get("skip_sources") or ())
    return JudgedSet(name, arguments.split, motion, up=up, train=train, skip_sources=skipped)


def set_of_pickle(path: str, name: str, usual: Skeleton, arguments: argparse.Namespace) -> JudgedSet:
    skeleton = load_skeleton(arguments.joint_format) if arguments.joint_format else usual
    motion = read_pickle(skeleton, arguments.split, path, fps=arguments.fps)
    own_3d = read_detector_poses(find_data_file(path), arguments.split, motion.skeleton)
    train = or_none(lambda: read_pickle(skeleton, "train", path))
    return JudgedSet(name, arguments.split, motion, train=train, own_3d=own_3d)


def or_none(read: Any) -> Motion | None:
    """What is read, None if it is not there: only a baseline needs it."""
    try:
        return read()
    except UserError as error:
        logger.warning(f"no training split for baselines: {error}")
        return None


if __name__ == "__main__":
    run_script(main)
