#!/usr/bin/env python
"""Write a lifter as ONNX, for any number of clips and of frames up to the model's most.

python tools/export_onnx.py small --out small.onnx --check
python tools/export_onnx.py runs/mine/best_epoch.bin --out mine.onnx

What the input must be stands in the file itself (metadata_props). ``--check`` compares onnxruntime with torch and
times both; let nothing else run beside it.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import statistics
import sys
import time
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch.onnx import register_custom_op_symbolic

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib import engine
from lib.checkpoint import load_checkpoint
from lib.config import load_config
from lib.errors import UserError, error_line
from lib.files import atomic_write_bytes
from lib.shipped import weights_file
from lib.skeleton import load_skeleton
from lib.wild.lift import Lifter, load_lifter, model_input
from tools.make_release import trial_motion

OPSET = 17  # the first with LayerNormalization
TOLERANCE = 1e-4
SCALES = {
    "image": "pixels x, y of an image of width w and height h as x / w * 2 - 1 and y / w * 2 - h / w",
    "box": "pixels minus the middle of the square box around all seen keypoints of the track, by half its side, "
    "cut off at -1 and 1",
}
MISSING = {
    "hold": "hold the place where they were last seen",
    "keep": "stay as they are",
}


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT|NAME", help="of train.py or train_hand.py, or a shipped model")
    add("--config", metavar="FILE", help="its YAML [config.yaml beside the checkpoint]")
    add("--out", required=True, metavar="FILE", help="ONNX file to write")
    add("--check", action="store_true", help="compare with torch, and time both")
    add("--repeats", type=int, default=7, help="timed calls of each, in turns [%(default)s]")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    arguments = parse_arguments(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    path = weights_file(arguments.checkpoint)
    meta = load_checkpoint(path).get("meta", {})
    config = load_config(arguments.config or path.with_name("config.yaml"))
    if config.task == "mesh":
        raise UserError(f"{path}: only models of joints are exported, this one is of meshes")
    skeleton = load_skeleton(config.joint_format).with_root(*config.root)
    runtime = engine.start_runtime(device="cpu")
    model = load_lifter(path, config=config, skeleton=skeleton, runtime=runtime, flip=False)
    content = to_onnx(model, {"model": path.parent.name, "fps": meta.get("fps")})
    if arguments.check:
        print(check(model, content, arguments.repeats))
    atomic_write_bytes(arguments.out, content)
    print(
        f"{arguments.out}: {len(content) / 1e6:.1f} MB, {skeleton.name}, 1 to {model.network.maxlen} frames"
    )
    return 0


def to_onnx(model: Lifter, more: dict[str, Any]) -> bytes:
    """Content of an ONNX file from ``keypoints`` (clips, frames, J, 2 or 3) to ``joints`` (clips, frames, J, 3)."""
    import onnx

    register_custom_op_symbolic("aten::mT", _swap_last_two, OPSET)
    axes = {0: "clips", 1: "frames"}
    start = torch.zeros(2, min(2, model.network.maxlen), model.skeleton.num_joints, model.network.dim_in)
    file = io.BytesIO()
    # the plain arithmetic that a compiler gets: without the CPU's own operators, which ONNX does not have
    with mock.patch.object(torch.compiler, "is_compiling", return_value=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.network,
            (start,),
            file,
            dynamo=False,
            opset_version=OPSET,
            input_names=["keypoints"],
            output_names=["joints"],
            dynamic_axes={"keypoints": axes, "joints": axes},
        )
    graph = onnx.load_from_string(file.getvalue())
    onnx.helper.set_model_props(graph, {key: text(value) for key, value in {**facts(model), **more}.items()})
    onnx.checker.check_model(graph)
    return graph.SerializeToString()


def facts(model: Lifter) -> dict[str, Any]:
    """What whoever feeds the file must know."""
    skeleton, scale = model.skeleton, model.scale
    channels = "x, y" if model.no_conf else "x, y, confidence 0 to 1"
    return {
        "joint_format": skeleton.name,
        "joints": skeleton.joints,
        "root": skeleton.root,
        "rootrel": model.rootrel,
        "input_scale": scale,
        "max_frames": model.network.maxlen,
        "input": f"keypoints (clips, frames, {skeleton.num_joints}, {model.network.dim_in}) float32: {channels}. "
        f"x and y are {SCALES[scale]}. Joints of confidence 0 {MISSING[model.missing]}.",
        "output": f"joints (clips, frames, {skeleton.num_joints}, 3) float32 in the input's unit: x right, y down, "
        "z forward" + (", relative to the root." if model.rootrel else "."),
    }


def text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def example(keypoints: np.ndarray, clips: int, frames: int) -> torch.Tensor:
    """Clips of keypoints (F,J,C), in which a joint, a frame and the third clip were not found."""
    x = np.resize(keypoints, (clips, frames, *keypoints.shape[1:]))
    x[:, :, 1] = x[:, 2:3] = x[2:3] = 0
    return torch.from_numpy(x)


def check(model: Lifter, content: bytes, repeats: int) -> str:
    """Table of differences and times; raises ``UserError`` where onnxruntime gives other numbers than torch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # its threads would wait spinning while torch is timed, and make it look two to four times as slow
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def by_torch(x: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            return model.network(x).numpy()

    def by_onnx(x: torch.Tensor) -> np.ndarray:
        return session.run(None, {"keypoints": x.numpy()})[0]

    most = model.network.maxlen
    keypoints = model_input(model, trial_motion(model.skeleton))[..., : model.network.dim_in]
    lines = [f"clips  frames  difference  torch ms  onnxruntime ms  ({torch.get_num_threads()} threads)"]
    for clips, frames in [(n, t) for t in sorted({1, 2, 27, most}) if t <= most for n in (1, 4)]:
        x = example(keypoints, clips, frames)
        difference = float(np.abs(by_torch(x) - by_onnx(x)).max())
        if not difference <= TOLERANCE:
            raise UserError(
                f"onnxruntime differs from torch by {difference:.2g} on {clips} clips of {frames} frames, where "
                f"{TOLERANCE:g} is allowed: nothing was written"
            )
        seconds = {run: [] for run in (by_torch, by_onnx)}
        for _ in range(repeats):
            for run, taken in seconds.items():
                start = time.perf_counter()
                run(x)
                taken.append(time.perf_counter() - start)
        torch_ms, onnx_ms = (1000 * statistics.median(taken) for taken in seconds.values())
        lines.append(f"{clips:5}  {frames:6}  {difference:10.1e}  {torch_ms:8.2f}  {onnx_ms:14.2f}")
    return "\n".join(lines)


def _swap_last_two(graph: Any, x: Any) -> Any:
    """``Tensor.mT``, which the exporter does not know."""
    axes = list(range(x.type().dim()))
    return graph.op("Transpose", x, perm_i=[*axes[:-2], axes[-1], axes[-2]])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ModuleNotFoundError as error:
        print(
            f"error: this needs the package {error.name}: pip install -r requirements-dev.txt",
            file=sys.stderr,
        )
        sys.exit(2)
    except (UserError, OSError) as error:
        print(error_line(error), file=sys.stderr)
        sys.exit(2)
