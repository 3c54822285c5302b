#!/usr/bin/env python
"""Run a trained lifter or mesh model over a labelled set and keep its joints, for tools/compare.py.

python tools/predict.py -e runs/a/best_epoch.bin -o runs/a/predictions.npz
python tools/predict.py -e small --data configs/pose3d/compare_rtm.yaml --split test -o runs/small/predictions.npz

The set may be of another joint format that has the model's joints: its 2D keypoints are converted.
"""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib import engine
from lib.body import load_body
from lib.body_regressor import keypoint_regressor
from lib.checkpoint import check_meta, load_checkpoint, load_weights, model_weights, source_skeleton_of
from lib.checkpoint_formats import checkpoint_of_format
from lib.config import load_config
from lib.data.build import build_motion
from lib.data.mesh_clips import MeshClips
from lib.data.missing import fill_missing
from lib.data.motion import Motion
from lib.data.readers.worker import worker_arguments
from lib.data.training_data import build_clips, checkpoint_meta, without_labels
from lib.data.worker.smpl_motion import make_worker_smpl_motion
from lib.errors import UserError, run_script
from lib.evaluate import predict, truth_factor
from lib.mesh_evaluation import predict_joints
from lib.model.build import build_mesh_model, build_model
from lib.model.mesh_regressor import load_mesh_weights
from lib.pose_result import frames_within_videos, save_predictions
from lib.shipped import config_of, weights_file
from lib.skeleton import Skeleton, conversion, load_skeleton

logger = logging.getLogger("ergolift")
SCALE_OF_LABELS = (
    "the scale of a lifter's poses (mm for px) is taken from the labels of each frame, as in its evaluation"
)
"""What must be said beside figures of models that tell the size themselves."""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        *("-e", "--evaluate"),
        required=True,
        metavar="CHECKPOINT",
        help="file of train.py or train_mesh.py, or name of a shipped model",
    )
    add("--config", metavar="FILE", help="config of its run [config.yaml beside it]")
    add("--data", metavar="FILE", help="config of the set [the run's own]")
    add("--split", default="test", help="split of the set [%(default)s]")
    add("-o", "--out_path", required=True, metavar="FILE", help="npz to write")
    add("--name", default="", help="name in a comparison [the folder's]")
    add("--device", help="cpu, cuda or cuda:1 (default: a CUDA GPU if there is one)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    arguments = parse_arguments(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    weights = weights_file(arguments.evaluate)
    config = load_config(config_of(weights, arguments.config))
    data = load_config(arguments.data) if arguments.data else config
    runtime = engine.start_runtime(config.precision, arguments.device, config.threads)
    skeleton = load_skeleton(config.joint_format).with_root(*config.root)
    checkpoint = checkpoint_of_format(load_checkpoint(weights), skeleton.name)
    motion = motion_of_set(data, arguments.split)
    frames = frames_within_videos(motion)
    motion = converted(motion, skeleton)
    if motion.fps and checkpoint.get("meta", {}).get("fps") not in (None, motion.fps):
        logger.warning(
            f"the model was trained at {checkpoint['meta']['fps']:g} frames a second, the set has {motion.fps:g}"
        )
    lift = predict_bodies if config.task == "mesh" else predict_poses
    joints_mm, notes = lift(config, checkpoint, motion, skeleton, runtime)
    save_predictions(arguments.out_path, joints_mm, motion, frames=frames, name=arguments.name, notes=notes)
    print(
        f"{len(joints_mm)} frames of {skeleton.name}, split '{arguments.split}': written to {arguments.out_path}"
    )
    return 0


def motion_of_set(config: Any, split: str) -> Motion:
    """Labelled motion of a config's split, in its own joint format."""
    skeleton = load_skeleton(config.joint_format).with_root(*config.root)
    if config.task != "mesh":
        return build_motion(config, skeleton, split)
    entries = [entry for entry in config.sets if entry["evaluate"] and entry["reader"] == "worker"]
    if len(entries) != 1 or len(config.sets) != 1:
        raise UserError(
            "--data: of mesh configs only built-in motion is read; name the set in a config of task pose3d"
        )
    body = load_body(config.body, gender=config.gender)
    regressor = keypoint_regressor(body, skeleton, config.regressor)
    arguments = worker_arguments(split, config.worker)
    return make_worker_smpl_motion(skeleton, body, regressor, split=split, **arguments)


def converted(motion: Motion, skeleton: Skeleton) -> Motion:
    """The motion in another joint format; the same where it is that already."""
    if motion.skeleton.name == skeleton.name:
        return motion
    made = conversion(motion.skeleton, skeleton)
    joints_2d, confidence = made.apply(motion.joints_2d, motion.confidence)
    labels = {
        name: made.apply(value)[0]
        for name in ("joints_image", "joints_mm")
        if (value := getattr(motion, name)) is not None
    }
    derived = tuple(skeleton.joints[row] for row in np.flatnonzero(~made.exact))
    return replace(
        motion,
        joints_2d=joints_2d,
        confidence=confidence,
        skeleton=skeleton,
        derived_joints=derived,
        **labels,
    )


def predict_poses(
    config: Any, checkpoint: dict[str, Any], motion: Motion, skeleton: Skeleton, runtime: engine.Runtime
) -> tuple[np.ndarray, list[str]]:
    """Joints (F,J,3) mm of a lifter, relative to the root, and what must be known about them."""
    meta = checkpoint.get("meta", {})
    check_meta(meta, checkpoint_meta(config, skeleton, fps=None))
    model = build_model(config, skeleton).to(runtime.device)
    source = source_skeleton_of(meta, None, skeleton)
    load_weights(model, model_weights(checkpoint), skeleton=skeleton, source_skeleton=source)
    factor = truth_factor(motion)
    clips = build_clips(config, motion, training=False)
    normalized, _ = predict(
        model,
        clips,
        skeleton,
        runtime,
        batch_size=config.eval_batch_size,
        rootrel=config.rootrel,
        flip=config.eval_flip,
    )
    joints_mm = normalized * (clips.px_per_unit() * factor)[:, None, None]
    return joints_mm - skeleton.root_of(joints_mm), [SCALE_OF_LABELS]


def predict_bodies(
    config: Any, checkpoint: dict[str, Any], motion: Motion, skeleton: Skeleton, runtime: engine.Runtime
) -> tuple[np.ndarray, list[str]]:
    """Joints (F,J,3) mm of a mesh model's bodies, relative to the root; the bodies have a size of their own."""
    body = load_body(config.body, gender=config.gender).to(runtime.device)
    regressor = keypoint_regressor(body, skeleton, config.regressor)
    model = build_mesh_model(config, body, regressor).to(runtime.device)
    source = source_skeleton_of(checkpoint.get("meta", {}), None, skeleton)
    load_mesh_weights(model, model_weights(checkpoint), skeleton=skeleton, source_skeleton=source)
    margins = config.scale_range_test
    # MeshClips is made for sets with bodies: the zeros stand where theirs would, and nothing reads them
    zeros = np.zeros((motion.num_frames, 3), np.float32)
    clips = MeshClips(
        fill_missing(replace(without_labels(motion), smpl_pose=zeros, smpl_shape=zeros), config.missing),
        config.clip_len,
        config.clip_len,
        no_conf=config.no_conf,
        missing=config.missing,
        input_scale=config.input_scale,
        crop_margin=None if margins is None else sum(margins) / 2,
    )
    return predict_joints(model, clips, runtime, flip=config.eval_flip), []


if __name__ == "__main__":
    run_script(main)
