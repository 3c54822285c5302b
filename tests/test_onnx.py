"""ONNX export: the same numbers as torch for any number of clips and frames, and what the file says of itself."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from lib import engine, shipped
from lib.checkpoint import save_checkpoint
from lib.config import load_config, save_config
from lib.data.training_data import checkpoint_meta
from lib.errors import UserError
from lib.model.build import build_model
from lib.skeleton import load_skeleton
from lib.wild.lift import Lifter, load_lifter
from tools import export_onnx, make_release

MAXLEN = 40  # more than the frames up to which attention is written out on a CPU
TINY = {
    "reader": "worker",
    "clip_len": 3,
    "maxlen": MAXLEN,
    "dim_feat": 16,
    "dim_rep": 16,
    "depth": 2,
    "num_heads": 2,
    "mlp_ratio": 2.0,
    "threads": 1,
}
KINDS = {
    "plain": {"joint_format": "H36M-17"},
    "residual": {"joint_format": "RTM-24", "input_residual": True, "att_fuse": False},
    "without confidence": {
        "joint_format": "H36M-17",
        "no_conf": True,
        "rootrel": False,
        "input_scale": "box",
    },
    "upright": {
        "joint_format": "Hand-21",
        "reader": "worker_hands",
        "flip": False,
        "input_residual": True,
        "upright": ["Wrist", "Middle_0"],
    },
}


def write_run(folder: Path, **keys) -> Path:
    """An untrained model whose weights are large enough to matter."""
    folder.mkdir(parents=True)
    text = folder / "text.yaml"
    text.write_text(json.dumps(TINY | keys))
    config = load_config(text)
    skeleton = load_skeleton(config.joint_format).with_root(*config.root)
    torch.manual_seed(0)
    network = build_model(config, skeleton)
    weights = {name: value + 0.1 * torch.randn_like(value) for name, value in network.state_dict().items()}
    meta = checkpoint_meta(config, skeleton, fps=25.0)
    save_checkpoint(folder / "best_epoch.bin", {"model_pos": weights, "meta": meta})
    save_config(config, folder / "config.yaml")
    return folder / "best_epoch.bin"


def load(checkpoint: Path) -> Lifter:
    config = load_config(checkpoint.with_name("config.yaml"))
    skeleton = load_skeleton(config.joint_format).with_root(*config.root)
    runtime = engine.start_runtime(device="cpu")
    return load_lifter(checkpoint, config=config, skeleton=skeleton, runtime=runtime, flip=False)


@pytest.mark.parametrize("kind", KINDS)
def test_onnxruntime_gives_the_numbers_of_torch(tmp_path: Path, kind: str):
    model = load(write_run(tmp_path / "run", **KINDS[kind]))
    session = onnxruntime.InferenceSession(export_onnx.to_onnx(model, {}), providers=["CPUExecutionProvider"])
    channels = model.network.dim_in
    rng = np.random.default_rng(0)
    for clips, frames in ((1, 1), (3, 1), (2, 2), (1, 27), (3, MAXLEN)):
        poses = rng.uniform(-0.5, 0.5, (50, model.skeleton.num_joints, channels)).astype(np.float32)
        x = export_onnx.example(poses, clips, frames)
        assert clips < 3 or not x[2].any()
        with torch.inference_mode():
            expected = model.network(x).numpy()
        (found,) = session.run(None, {"keypoints": x.numpy()})
        assert found.shape == (clips, frames, model.skeleton.num_joints, 3)
        assert np.abs(expected[:2]).max() > 0.1
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_the_file_says_how_to_feed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Of a shipped model, by its name."""
    checkpoint = write_run(tmp_path / "run", **KINDS["residual"])
    checkpoint.with_name("metrics.json").write_text('{"mpjpe_mm": 1.0, "split": "test"}')
    words = ["--summary", "A model", "--licence", "none", "--data", "none", "--limits", "untrained"]
    words += ["--metrics", str(checkpoint.with_name("metrics.json")), "--tolerance", "100"]
    make_release.main([str(checkpoint), "--name", "small", "--out", str(tmp_path / "models"), *words])
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "models")
    out = tmp_path / "small.onnx"
    assert export_onnx.main(["small", "--out", str(out), "--check", "--repeats", "1"]) == 0
    printed = capsys.readouterr().out
    assert all(f"\n    {clips}  {frames:6}  " in printed for clips in (1, 4) for frames in (1, 2, 27, MAXLEN))
    told = {entry.key: entry.value for entry in onnx.load(out).metadata_props}
    assert told["model"] == "small"
    assert told["joint_format"] == "RTM-24" and len(json.loads(told["joints"])) == 24
    assert json.loads(told["root"]) == list(load_skeleton("RTM-24").root)
    assert (told["input_scale"], told["fps"], told["max_frames"]) == ("image", "25.0", str(MAXLEN))
    assert "x / w * 2 - 1" in told["input"] and "confidence 0" in told["input"]
    assert "relative to the root" in told["output"]
    assert str(tmp_path) not in str(told)


def test_other_numbers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    checkpoint, out = write_run(tmp_path / "run", **KINDS["plain"]), tmp_path / "model.onnx"
    monkeypatch.setattr(export_onnx, "TOLERANCE", 0.0)
    with pytest.raises(UserError, match=r"onnxruntime differs from torch by .*nothing was written"):
        export_onnx.main([str(checkpoint), "--out", str(out), "--check", "--repeats", "1"])
    assert not out.exists()
