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
from lib.data.worker import make_hand_truth, make_worker_truth
from lib.errors import UserError
from lib.evaluate import truth_mm
from lib.pose_result import PoseResult, result_of_motion
from lib.skeleton import Skeleton

LABELS = ("true", "2.5d")
TRUTHS = {"worker": make_worker_truth, "worker_hands": make_hand_truth}
"""Readers of sets that know more than their labels: where the joints are in camera axes, and which way is up."""
TRUE_NOTE = "the pose itself in camera axes"
LABEL_NOTE = "labels as lifters learn them: the pose as seen at the root's depth (2.5D)"
UNKNOWN_NOTE = f"{LABEL_NOTE}; the set does not hold the pose itself"
MM_PER_M = 1000.0
FRAMES_AT_ONCE = 512


def build_truth(
    config: Any, skeleton: Skeleton, split: str, *, labels: str = "true", name: str = "truth"
) -> PoseResult:
    """Poses of a split of a config's set, with the up direction where it is known (the built-in motions).

    labels: "true" is the person's pose in camera axes where the set knows it, else (and with "2.5d") the pose as
    lifters are trained on: seen at the root's depth; the notes say which. Raises ``UserError`` for a set without poses
    in mm, and for a mesh config with more than one set to evaluate.
    """
    if labels not in LABELS:
        raise UserError(f"labels '{labels}'; allowed: {', '.join(LABELS)}")
    if config.task == "mesh":
        return _of_bodies(config, skeleton, split, name)
    if config.reader in TRUTHS:
        truth = TRUTHS[config.reader](skeleton, split=split, **worker_arguments(split, config.worker))
        motion, up = truth.motion, truth.camera_rotation[:, :, 1]  # the world's y axis, up, in camera axes
        poses, note = truth.joints_camera_mm, TRUE_NOTE
        if labels != "true":
            poses, note = truth_mm(motion, skeleton), LABEL_NOTE
    else:
        motion, up = build_motion(config, skeleton, split), None
        poses, note = truth_mm(motion, skeleton), UNKNOWN_NOTE if labels == "true" else LABEL_NOTE
    return result_of_motion(motion, poses, name=name, kind="truth", up=up, notes=(note,))


def _of_bodies(config: Any, skeleton: Skeleton, split: str, name: str) -> PoseResult:
    """Joints that the regressor of the config makes from the bodies of its set."""
    sets = build_mesh_evaluation_sets(config, skeleton, split)
    if len(sets) != 1:
        raise UserError(
            f"the config has {len(sets)} sets to evaluate ({', '.join(sets)}), must be one: see the key sets"
        )
    (clips,) = sets.values()
    return result_of_motion(
        clips.motion, _joints_of_bodies(config, skeleton, clips), name=name, kind="truth", notes=(TRUE_NOTE,)
    )


@torch.no_grad()
def _joints_of_bodies(config: Any, skeleton: Skeleton, clips: MeshClips) -> Any:
    body = load_body(config.body, gender=config.gender)
    regressor = keypoint_regressor(body, skeleton, config.regressor)
    pose, shape = (torch.from_numpy(clips.motion.smpl_pose), torch.from_numpy(clips.motion.smpl_shape))
    parts = zip(pose.split(FRAMES_AT_ONCE), shape.split(FRAMES_AT_ONCE), strict=True)
    return torch.cat([regressor.of(body, *part) for part in parts]).numpy() * MM_PER_M
