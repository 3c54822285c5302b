#!/usr/bin/env python
"""Measure mesh data on one core: batches with targets, against a loader that runs smplx for each clip.

    python tools/benchmark_mesh_data.py --out runs/benchmark_mesh_data.json

The motion is worker motion of the body. A batch is gathered, mirrored in half of its clips, and given its
targets (``lib/mesh_target.py``): joints, and vertices where a loss needs them. The loader does the same in
the way of MotionBERT: one clip after the other, each with all its vertices. Each way runs in a process of its
own, whose peak memory is told. Let nothing else run beside it.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.allocator import keep_freed_memory
from lib.body import BodyModel, load_body
from lib.body_regressor import KeypointRegressor, keypoint_regressor
from lib.data.mesh_augment import MeshAugment
from lib.data.mesh_clips import MeshClips
from lib.data.mesh_sets import BODY_FORMAT
from lib.data.worker.smpl_motion import make_worker_smpl_motion
from lib.files import atomic_write_text
from lib.geometry import flip_axis_angle, flip_pose
from lib.mesh_target import mesh_target
from lib.skeleton import Skeleton, load_skeleton
from lib.smpl_files import read_smpl
from tools.benchmark_data import alone, rate

WAYS = ("joints", "joints_and_vertices", "smplx_per_clip")


def measure(way: str, settings: dict[str, Any]) -> dict[str, float]:
    """Clips per second of one way, and memory in MB: of the process in all, and beyond body and motion."""
    torch.set_num_threads(1)
    keep_freed_memory()
    skeleton, body = load_skeleton(settings["joint_format"]), load_body(settings["body"])
    regressor = keypoint_regressor(body, skeleton)
    start = time.perf_counter()
    motion = make_worker_smpl_motion(
        skeleton, body, regressor, seed=0, subjects=4, seconds=8, fps=20, cameras=2, detector=True
    )
    made_s = time.perf_counter() - start
    clips = MeshClips(motion, settings["clip_len"], settings["clip_len"] // 2)
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    make = batches(way, clips, skeleton, body, regressor, settings)
    clips_per_s = rate(make, settings["batch_size"], settings["seconds"])
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return {
        "clips_per_s": clips_per_s,
        "peak_mb": peak_mb,
        "more_mb": peak_mb - before_mb,
        "motion_frames_per_s": motion.num_frames / made_s,
    }


def batches(
    way: str,
    clips: MeshClips,
    skeleton: Skeleton,
    body: BodyModel,
    regressor: KeypointRegressor,
    settings: dict[str, Any],
) -> Callable[[], Any]:
    """Function that makes one batch."""
    generator = torch.Generator().manual_seed(0)
    augment = MeshAugment(skeleton, load_skeleton(BODY_FORMAT), flip=True)

    def ids() -> torch.Tensor:
        return torch.randint(len(clips), (settings["batch_size"],), generator=generator)

    if way != "smplx_per_clip":
        need_vertices = way == "joints_and_vertices"
        return lambda: mesh_target(
            body, regressor, augment(clips.batch(ids()), generator), skeleton, need_vertices
        )
    smplx_body = smplx_of(settings["body"])
    matrix = regressor.matrix
    flip, body_flip = (torch.tensor(load_skeleton(n).flip_idx) for n in (skeleton.name, BODY_FORMAT))

    def item(number: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        batch = {key: array[0] for key, array in clips.batch([number]).items()}
        x, pose = batch["input"], batch["pose"].view(-1, body.num_joints, 3)
        if torch.rand((), generator=generator) < 0.5:
            x, pose = flip_pose(x, flip), flip_axis_angle(pose, body_flip)
        pose = pose.flatten(1)
        with torch.no_grad():
            made = smplx_body(betas=batch["shape"], body_pose=pose[:, 3:], global_orient=pose[:, :3])
        vertices = made.vertices * 1000
        joints = matrix @ vertices
        root = skeleton.root_of(joints)
        theta = torch.cat([pose, batch["shape"]], -1)
        return x, {"theta": theta, "kp_3d": joints - root, "verts": vertices - root}

    return lambda: torch.utils.data.default_collate([item(number) for number in ids().tolist()])


def smplx_of(path: str | None) -> torch.nn.Module:
    """The class SMPL of the package smplx with the arrays of a body."""
    import smplx
    from smplx.utils import Struct

    from lib.body import FREE_BODY

    arrays = dict(read_smpl(Path(path) if path else FREE_BODY))
    names = (
        "nose",
        "reye",
        "leye",
        "rear",
        "lear",
        "LBigToe",
        "LSmallToe",
        "LHeel",
        "RBigToe",
        "RSmallToe",
        "RHeel",
    )
    fingers = [f"{side}{finger}" for side in "lr" for finger in ("thumb", "index", "middle", "ring", "pinky")]
    ids = dict.fromkeys((*names, *fingers), 0)  # the package's own lie beyond a smaller mesh
    return smplx.SMPL("", data_struct=Struct(**arrays), vertex_ids=ids, num_betas=10, create_transl=False)


def main(argv: list[str] | None = None) -> int:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--joint_format", default="RTM-66")
    parser.add_argument("--body", help="file of a body model [the built-in one]")
    parser.add_argument("--clip_len", type=int, default=16)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--out", type=Path, help="JSON to write")
    arguments = parser.parse_args(argv)
    settings = {key: value for key, value in vars(arguments).items() if key != "out"}
    measured = {way: alone(measure, way, settings) for way in WAYS}
    print(
        f"{arguments.joint_format}, batches of {arguments.batch_size} clips of {arguments.clip_len} frames, "
        "one core"
    )
    slow = measured["smplx_per_clip"]["clips_per_s"]
    for way, figures in measured.items():
        print(
            f"{way:20} {figures['clips_per_s']:9,.0f} clips/s ({figures['clips_per_s'] / slow:5.1f} times)   "
            f"{figures['peak_mb']:6,.0f} MB in all, {figures['more_mb']:6,.0f} MB beyond body and motion"
        )
    print(
        f"worker motion is made at {np.mean([f['motion_frames_per_s'] for f in measured.values()]):,.0f} frames/s"
    )
    if arguments.out:
        atomic_write_text(arguments.out, json.dumps({"settings": settings, **measured}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
