"""Truth of a comparison from a config: built-in worker motion, data pickles, and sets of bodies.

Letters: F frames, J joints.
"""

from __future__ import annotations

from typing import Any

import torch

from lib.body import load_body
from lib.body_regressor import keypoint_regressor
from lib.data.build import build_motion
from lib.data.mesh_clips import MeshClips
from lib.data.mesh_sets import build_mesh_evaluation_sets
from lib.data.readers.worker import worker_arguments
from lib.data.worker.generate import make_worker_truth
from lib.errors import UserError
from lib.evaluate import truth_mm
from lib.pose_result import PoseResult, result_of_motion
from lib.skeleton import Skeleton

LABELS = ("true", "2.5d")
MM_PER_M = 1000.0
FRAMES_AT_ONCE = 512


def build_truth(
    config: Any, skeleton: Skeleton, split: str, *, labels: str = "true", name: str = "truth"
) -> PoseResult:
    """Poses of a split of a config's set, with the up direction where it is known (the built-in worker motion).

    labels: "true" is the person's pose in camera axes where the set knows it, else (and with "2.5d") the pose as
    lifters are trained on: seen at the root's depth. Raises ``UserError`` for a set without poses in mm, and for a
    mesh config with more than one set to evaluate.
    """
    if labels not in LABELS:
        raise UserError(f"labels '{labels}'; allowed: {', '.join(LABELS)}")
    if config.task == "mesh":
        return _of_bodies(config, skeleton, split, name)
    if config.reader == "worker":
        truth = make_worker_truth(skeleton, split=split, **worker_arguments(split, config.worker))
        poses = truth.joints_camera_mm if labels == "true" else truth_mm(truth.motion, skeleton)
        up = truth.camera_rotation[:, :, 1]  # the world's y axis, which points up, in camera axes
        return result_of_motion(truth.motion, poses, name=name, kind="truth", up=up)
    motion = build_motion(config, skeleton, split)
    return result_of_motion(motion, truth_mm(motion, skeleton), name=name, kind="truth")


def _of_bodies(config: Any, skeleton: Skeleton, split: str, name: str) -> PoseResult:
    """Joints that the regressor of the config makes from the bodies of its set."""
    sets = build_mesh_evaluation_sets(config, skeleton, split)
    if len(sets) != 1:
        raise UserError(
            f"the config has {len(sets)} sets to evaluate ({', '.join(sets)}), must be one: see the key sets"
        )
    (clips,) = sets.values()
    return result_of_motion(clips.motion, _joints_of_bodies(config, skeleton, clips), name=name, kind="truth")


@torch.no_grad()
def _joints_of_bodies(config: Any, skeleton: Skeleton, clips: MeshClips) -> Any:
    body = load_body(config.body, gender=config.gender)
    regressor = keypoint_regressor(body, skeleton, config.regressor)
    pose, shape = (torch.from_numpy(clips.motion.smpl_pose), torch.from_numpy(clips.motion.smpl_shape))
    parts = zip(pose.split(FRAMES_AT_ONCE), shape.split(FRAMES_AT_ONCE), strict=True)
    return torch.cat([regressor.of(body, *part) for part in parts]).numpy() * MM_PER_M
