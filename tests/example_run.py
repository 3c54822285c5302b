"""Runs of infer_wild.py for tests: a small video, keypoints in a file, untrained models."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

import infer_wild
from lib.body import load_body
from lib.body_regressor import keypoint_regressor
from lib.checkpoint import save_checkpoint
from lib.config import load_config, save_config
from lib.data.training_data import checkpoint_meta
from lib.model.build import build_mesh_model, build_model
from lib.skeleton import Skeleton, load_skeleton

DETECTED = load_skeleton("Halpe-26")
SIZE_PX, FPS, FRAMES = (320, 240), 10, 24
SMALL = """
clip_len: 9
maxlen: 9
dim_feat: 16
dim_rep: 16
depth: 1
num_heads: 2
mlp_ratio: 2
threads: 1
"""


def write_video(path: Path, images: Iterable[np.ndarray], pix_fmt: str = "yuv420p", **options: str) -> Path:
    """RGB images (H,W,3) as the frames of an H.264 video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = *SIZE_PX, pix_fmt
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def write_alphapose(path: Path, keypoints: np.ndarray) -> Path:
    people = [
        {
            "image_id": f"{number}.jpg",
            "category_id": 1,
            "keypoints": pose.ravel().tolist(),
            "score": 3.0,
            "idx": 1,
        }
        for number, pose in enumerate(keypoints)
    ]
    path.write_text(json.dumps(people))
    return path


def write_config(folder: Path, joint_format: str, text: str) -> tuple[Any, Skeleton]:
    """Config and skeleton of an untrained model, the config written beside it."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "text.yaml").write_text(f"joint_format: {joint_format}\n{SMALL}{text}")
    config = load_config(folder / "text.yaml")
    save_config(config, folder / "config.yaml")
    return config, load_skeleton(config.joint_format).with_root(*config.root)


def write_mesh_model(folder: Path, joint_format: str) -> Path:
    """An untrained mesh regressor with its config beside it."""
    sets = "task: mesh\nhidden_dim: 16\nsets: [{name: worker, reader: worker, train: true, evaluate: true}]\n"
    config, skeleton = write_config(folder, joint_format, sets)
    body = load_body()
    torch.manual_seed(0)
    model = build_mesh_model(config, body, keypoint_regressor(body, skeleton))
    save_checkpoint(folder / "mesh.bin", {"model": model.state_dict()})
    return folder / "mesh.bin"


def write_model(folder: Path, joint_format: str = "H36M-17", extra: str = "") -> Path:
    """An untrained lifter of a body or a hand with its config beside it."""
    task = "task: hand\nreader: worker_hands\n" if joint_format.startswith("Hand") else "reader: worker\n"
    config, skeleton = write_config(folder, joint_format, task + extra)
    torch.manual_seed(0)
    weights = build_model(config, skeleton).state_dict()
    meta = checkpoint_meta(config, skeleton, fps=float(FPS))
    save_checkpoint(folder / "model.bin", {"model_pos": weights, "meta": meta})
    return folder / "model.bin"


def run(*flags: object) -> int:
    return infer_wild.main([*map(str, flags), "--device", "cpu"])
