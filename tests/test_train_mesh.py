"""train_mesh.py from end to end on a tiny set: what it writes, that it learns, stops and goes on; its mistakes."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

import train_mesh
from lib import engine
from lib.checkpoint import load_checkpoint, save_checkpoint
from lib.errors import UserError

TINY = """
task: mesh
joint_format: {joint_format}
sets: [{{name: worker, reader: worker, train: true, evaluate: true}}]
worker: {{subjects: 2, clips: 2, cameras_per_clip: 1, seconds: 2.0, fps: 10}}
clip_len: {clip_len}
data_stride: 4
maxlen: 9
dim_feat: 16
dim_rep: 16
depth: 1
num_heads: 2
mlp_ratio: 2
hidden_dim: 16
losses: {{mpjpe: 0.01, pose: 1.0, shape: 0.02, velocity: 0.01, limb_var: 0.001}}
epochs: 2
batch_size: 8
lr_backbone: 0.001
lr_head: 0.001
eval_flip: true
seed: 3
threads: 1
"""


def write_config(folder: Path, joint_format: str = "H36M-17", clip_len: int = 4, extra: str = "") -> Path:
    path = folder / "tiny.yaml"
    path.write_text(TINY.format(joint_format=joint_format, clip_len=clip_len) + extra)
    return path


def run(config: Path, folder: Path, *flags: str) -> int:
    return train_mesh.main(["--config", str(config), "--checkpoint", str(folder), "--device", "cpu", *flags])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mesh")
    assert run(write_config(folder), folder / "run") == 0
    return folder / "run"


def test_what_a_run_leaves(finished: Path):
    names = {path.name for path in finished.iterdir()}
    assert {"best_epoch.bin", "latest_epoch.bin", "table.txt", "metrics.json", "meshes.png"} <= names
    summary = json.loads((finished / "metrics.json").read_text())
    assert {"mpjpe_mm", "pa_mpjpe_mm", "mpjpe_14_mm", "mpve_mm"} <= summary.keys()
    assert set(summary["baselines"]) == {"untrained", "mean body"}
    assert all(np.isfinite(values["mpve_mm"]) for values in summary["baselines"].values())
    checkpoint = load_checkpoint(finished / "best_epoch.bin")
    assert checkpoint["meta"]["task"] == "mesh"
    assert not [name for name in checkpoint["model"] if "smpl" in name or "regressor" in name.lower()]


def test_evaluation_of_a_checkpoint_gives_the_same_figures(finished: Path, tmp_path: Path):
    config = finished.parent / "tiny.yaml"
    flags = ("--evaluate", str(finished / "best_epoch.bin"), "--out_path", str(tmp_path))
    assert run(config, tmp_path / "unused", *flags) == 0
    before, after = (json.loads((path / "metrics.json").read_text()) for path in (finished, tmp_path))
    assert after == before


def test_a_stopped_run_goes_on_as_if_it_had_not(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    steps = 0
    take = train_mesh.MeshStep.__call__

    def stop_at_the_fourth(self, *arguments):
        nonlocal steps
        steps += 1
        if steps == 4:
            signal.raise_signal(signal.SIGTERM)
        return take(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(train_mesh.MeshStep, "__call__", stop_at_the_fourth)
        assert run(finished.parent / "tiny.yaml", tmp_path) == 130
    assert run(finished.parent / "tiny.yaml", tmp_path, "--resume", "auto") == 0
    one, other = (load_checkpoint(folder / "latest_epoch.bin")["model"] for folder in (finished, tmp_path))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("joint_format", ["RTM-66", "RTM-37", "COCO-17"])
def test_other_joint_formats(joint_format: str, tmp_path: Path):
    assert run(write_config(tmp_path, joint_format, extra="steps_per_epoch: 2\n"), tmp_path / "run") == 0


def test_it_starts_from_a_mesh_and_from_a_pose_checkpoint(
    finished: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    config = write_config(tmp_path, extra="steps_per_epoch: 1\n")
    config.write_text(config.read_text().replace("seconds: 2.0", "seconds: 1.5"))  # other data, another mean
    assert run(config, tmp_path / "a", "--pretrained", str(finished / "best_epoch.bin")) == 0
    # a trained head keeps its own start, which the mean of other data would spoil
    head = "head.init_pose"
    trained, started = (
        load_checkpoint(path)["model"]
        for path in (finished / "best_epoch.bin", tmp_path / "a" / "latest_epoch.bin")
    )
    assert torch.equal(trained[head], started[head])
    backbone = {
        name.removeprefix("backbone."): value
        for name, value in load_checkpoint(finished / "best_epoch.bin")["model"].items()
        if name.startswith("backbone.")
    }
    save_checkpoint(tmp_path / "pose.bin", {"model_pos": backbone})
    with caplog.at_level("INFO"):
        assert run(config, tmp_path / "b", "--pretrained", str(tmp_path / "pose.bin")) == 0
    assert "a pose checkpoint: it fills the backbone" in caplog.text


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("body: nowhere/SMPL_NEUTRAL.pkl\n", "smpl.is.tue.mpg.de"),
        ("root_idx: 99\n", "root_idx"),
        ("regressor: other.npy\n", "other.npy"),
        ("gender: female\n", "built-in body is neutral"),
    ],
)
def test_mistakes_are_told_before_anything_is_read(extra: str, words: str, tmp_path: Path):
    with pytest.raises(UserError, match=words):
        run(write_config(tmp_path, extra=extra), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert not engine.torch.distributed.is_initialized()


def test_a_regressor_of_another_body(tmp_path: Path):
    np.save(tmp_path / "other.npy", np.full((17, 6890), 1 / 6890, np.float32))
    with pytest.raises(UserError, match="belongs to another joint format or body"):
        run(write_config(tmp_path, extra=f"regressor: {tmp_path / 'other.npy'}\n"), tmp_path / "run")
