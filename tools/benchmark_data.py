#!/usr/bin/env python
"""Measure the way of data from a big pickle to batches on one core; prints a table and writes JSON.

    python tools/benchmark_data.py --frames 1500000 --out runs/benchmark_data.json

Makes a data pickle of drawn motion in a temporary folder (1 GB for 1.5 million frames of 17 joints), indexes
it, opens the index, and gathers batches: with and without flip of half the clips, and from one pickle a clip.
Memory is the peak of a process of its own. Let nothing else run beside it.
"""

from __future__ import annotations

import argparse
import json
import pickle
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.allocator import keep_freed_memory
from lib.data.augment import Augment
from lib.data.build import build_motion
from lib.data.clips import ClipSet
from lib.files import atomic_write_text
from lib.skeleton import load_skeleton

VIDEO_FRAMES = 2500
AIMS = {
    "index_s": "< 15",
    "index_peak_gb": "< 4",
    "open_s": "< 0.3",
    "gather_clips_per_s": "> 50000",
    "gather_with_label_clips_per_s": "",
    "flip_clips_per_s": "> 20000",
    "pickles_clips_per_s": "",
}


def write_big_pickle(file: str, joint_format: str, num_frames: int) -> None:
    """A data pickle of drawn motion, float32 as MotionBERT's, in videos of 2500 frames."""
    rng = np.random.default_rng(0)
    num_joints = load_skeleton(joint_format).num_joints
    joints = rng.random((num_frames, num_joints, 3), dtype=np.float32) * 1000
    split = {
        "joint_2d": joints[..., :2].copy(),
        "confidence": rng.random((num_frames, num_joints), dtype=np.float32) * 0.9 + 0.1,
        "joint3d_image": joints,
        "joints_2.5d_image": joints * 4,
        "2.5d_factor": np.full(num_frames, 4, np.float32),
        "camera_name": np.repeat("front", num_frames),
        "source": [f"video_{frame // VIDEO_FRAMES:05d}" for frame in range(num_frames)],
        "action": np.repeat("walk", num_frames),
    }
    with Path(file).open("wb") as stream:
        pickle.dump({"train": split}, stream, protocol=4)


def open_motion(config: dict[str, Any]) -> tuple[float, float]:
    """Seconds of ``build_motion`` and the process's peak memory in GB; the index is made if there is none."""
    torch.set_num_threads(1)
    skeleton = load_skeleton(config["joint_format"])
    start = time.perf_counter()
    build_motion(config, skeleton, "train")
    seconds = time.perf_counter() - start
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def gather(config: dict[str, Any], clip_len: int, batch_size: int, seconds: float) -> dict[str, float]:
    """Clips per second of each way to a batch."""
    torch.set_num_threads(1)
    keep_freed_memory()
    skeleton = load_skeleton(config["joint_format"])
    motion = build_motion(config, skeleton, "train")
    labelled = ClipSet(motion, clip_len, clip_len // 3)
    unlabelled = ClipSet(without_labels(motion), clip_len, clip_len // 3)
    augment = Augment(skeleton, flip=True)
    generator = torch.Generator().manual_seed(0)

    def ids(number: int) -> torch.Tensor:
        return torch.randint(number, (batch_size,), generator=generator)

    with tempfile.TemporaryDirectory() as folder:
        files = write_clip_files(labelled, Path(folder), min(2000, len(labelled)))

        def from_files() -> None:
            clips = [pickle.loads(files[number].read_bytes()) for number in ids(len(files)).tolist()]
            for key in ("data_input", "data_label"):
                torch.from_numpy(np.stack([clip[key] for clip in clips]))

        ways: dict[str, Callable[[], Any]] = {
            "gather_clips_per_s": lambda: unlabelled.batch(ids(len(unlabelled))),
            "gather_with_label_clips_per_s": lambda: labelled.batch(ids(len(labelled))),
            "flip_clips_per_s": lambda: augment(labelled.batch(ids(len(labelled))), generator),
            "pickles_clips_per_s": from_files,
        }
        return {name: rate(way, batch_size, seconds) for name, way in ways.items()}


def without_labels(motion: Any) -> Any:
    """The same motion as a set of 2D alone."""
    return replace(motion, joints_image=None, joints_mm=None, factor_mm_per_px=None)


def write_clip_files(clips: ClipSet, folder: Path, count: int) -> list[Path]:
    """The first clips in MotionBERT's layout, one pickle each."""
    files = [folder / f"{number:08d}.pkl" for number in range(count)]
    for number, file in enumerate(files):
        batch = clips.batch([number])
        content = {"data_input": batch["input"][0].numpy(), "data_label": batch["target"][0].numpy()}
        file.write_bytes(pickle.dumps(content))
    return files


def rate(way: Callable[[], Any], batch_size: int, seconds: float) -> float:
    """Clips per second of a way to a batch, after a first round that reads the frames from the disk."""
    for timed in (False, True):
        batches, start = 0, time.perf_counter()
        while (passed := time.perf_counter() - start) < seconds:
            way()
            batches += 1
        if timed:
            return batches * batch_size / passed
    raise AssertionError


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Result of a function that ran in a new process: its memory and caches are its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main(argv: list[str] | None = None) -> int:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=1_500_000)
    parser.add_argument("--joint_format", default="H36M-17")
    parser.add_argument("--clip_len", type=int, default=243)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement of batches")
    parser.add_argument("--folder", type=Path, help="where the pickle is made (a temporary folder)")
    parser.add_argument("--out", type=Path, help="JSON to write")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        file = str(Path(folder) / "big.pkl")
        alone(write_big_pickle, file, arguments.joint_format, arguments.frames)
        config = {
            "reader": "vehs",
            "dt_file": file,
            "res_w": 1000,
            "res_h": 1000,
            "cache_dir": str(Path(folder) / "cache"),
            "joint_format": arguments.joint_format,
        }
        index_s, index_peak_gb = alone(open_motion, config)
        measured = {
            "index_s": index_s,
            "index_peak_gb": index_peak_gb,
            "open_s": alone(open_motion, config)[0],
            **alone(gather, config, arguments.clip_len, arguments.batch_size, arguments.seconds),
        }
    print(
        f"{arguments.frames} frames of {arguments.joint_format}, {arguments.clip_len} a clip, one core; aims"
    )
    for name, value in measured.items():
        print(f"{name:32} {value:12,.{2 if value < 100 else 0}f}   {AIMS[name]}")
    if arguments.out:
        settings = {
            key: getattr(arguments, key) for key in ("frames", "joint_format", "clip_len", "batch_size")
        }
        atomic_write_text(arguments.out, json.dumps({"settings": settings, **measured}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
