"""train.py from end to end on a tiny set: what it writes, how it stops, and that a resumed run is the same run."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import train
from lib import engine, training_step
from lib.checkpoint import load_checkpoint
from lib.errors import UserError
from lib.model.DSTformer import DSTformer

ROOT = Path(__file__).parents[1]
TINY = """
reader: worker
joint_format: {joint_format}
train_split: train
eval_split: validate
test_split: test
worker: {{subjects: 2, clips: 4, cameras_per_clip: 1, seconds: 2.0, fps: 15}}
clip_len: 9
data_stride: 5
maxlen: 9
dim_feat: 16
dim_rep: 16
depth: 1
num_heads: 2
mlp_ratio: 2
losses: {{mpjpe: 1.0, velocity: 1.0}}
epochs: 2
batch_size: 16
learning_rate: 0.001
dropout: 0.1
flip: true
mask_ratio: 0.05
seed: 3
threads: 1
"""


def write_config(folder: Path, joint_format: str = "H36M-17", extra: str = "") -> Path:
    path = folder / "tiny.yaml"
    path.write_text(TINY.format(joint_format=joint_format) + extra)
    return path


def run(config: Path, folder: Path, *flags: str) -> int:
    return train.main(["--config", str(config), "--checkpoint", str(folder), "--device", "cpu", *flags])


def command(config: Path, folder: Path, *flags: str) -> list[str]:
    flags = ("--config", str(config), "--checkpoint", str(folder), "--device", "cpu", *flags)
    return [sys.executable, str(ROOT / "train.py"), *flags]


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint = load_checkpoint(folder / "latest_epoch.bin")
    return checkpoint.get("training_weights", checkpoint["model_pos"])


def assert_equal_runs(one: Path, other: Path) -> None:
    first, second = weights_of(one), weights_of(other)
    assert all(torch.equal(first[name], second[name]) for name in first)
    optimizers = [
        load_checkpoint(folder / "latest_epoch.bin")["optimizer"]["state"] for folder in (one, other)
    ]
    for key, state in optimizers[0].items():
        assert all(torch.equal(value, optimizers[1][key][name]) for name, value in state.items())


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("whole")
    config = write_config(folder)
    assert run(config, folder / "run") == 0
    return config, folder / "run"


def test_a_run_leaves_everything_it_promises(whole_run):
    _, folder = whole_run
    for name in (
        "best_epoch.bin", "latest_epoch.bin", "config.yaml", "metrics.jsonl", "curves.png",
        "metrics.json", "table.txt", "X3D.npy", "X3D_mm.npy", "predictions.png",
    ):  # fmt: skip
        assert (folder / name).stat().st_size > 0, name
    summary = json.loads((folder / "metrics.json").read_text())
    assert set(summary["baselines"]) == {"mean_pose", "depth_zero", "mean_depth", "untrained"}
    for row in (summary, *summary["baselines"].values()):
        assert row["mpjpe_mm"] >= row["p_mpjpe_mm"] > 0
    assert np.load(folder / "X3D.npy").shape == (summary["frames"] + summary["frames_left_out"], 17, 3)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert {"train/mpjpe", "validation/mpjpe", "validation/mpjpe_mm"} <= set(rows[-1])
    meta = load_checkpoint(folder / "best_epoch.bin")["meta"]
    assert (meta["joint_format"], meta["num_joints"], meta["input_scale"]) == ("H36M-17", 17, "image")


def test_evaluating_the_best_checkpoint_gives_the_same_figures(whole_run, tmp_path):
    config, folder = whole_run
    code = run(config, folder, "--evaluate", str(folder / "best_epoch.bin"), "--out_path", str(tmp_path))
    assert code == 0
    final, again = (json.loads((path / "metrics.json").read_text()) for path in (folder, tmp_path))
    assert again["mpjpe_mm"] == pytest.approx(final["mpjpe_mm"], rel=1e-6)
    assert again["baselines"]["untrained"] == pytest.approx(final["baselines"]["untrained"], rel=1e-6)


def test_an_existing_run_is_not_overwritten(whole_run):
    with pytest.raises(UserError, match="--resume auto"):
        run(*whole_run)


def test_resume_auto_refuses_another_config(whole_run):
    config, folder = whole_run
    with pytest.raises(UserError, match="learning_rate"):
        run(config, folder, "--resume", "auto", "--set", "learning_rate=0.01")


def test_a_finished_run_resumes_to_nothing(whole_run):
    config, folder = whole_run
    before = weights_of(folder)
    assert run(config, folder, "--resume", "auto") == 0
    assert all(torch.equal(before[name], value) for name, value in weights_of(folder).items())


@pytest.mark.parametrize("extra", ["", "ema_decay: 0.9\nlr_schedule: cosine\nclip_lengths: [1, 3, 9]\n"])
def test_a_stopped_and_resumed_run_is_bit_for_bit_the_whole_run(tmp_path, monkeypatch, extra):
    config = write_config(tmp_path, extra=extra)
    assert run(config, tmp_path / "whole") == 0
    calls = iter(range(1000))
    with monkeypatch.context() as patch:
        patch.setattr(engine.StopRequest, "agreed", lambda self, runtime: next(calls) == 3)
        assert run(config, tmp_path / "parts") == 130
    assert load_checkpoint(tmp_path / "parts" / "latest_epoch.bin")["progress"]["step"] == 4
    assert run(config, tmp_path / "parts", "--resume", "auto") == 0
    assert_equal_runs(tmp_path / "whole", tmp_path / "parts")
    logs = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "parts")]
    assert logs[0] == logs[1]


def test_lengths_of_clips_are_drawn_for_each_batch(tmp_path, monkeypatch):
    shapes = set()
    forward = DSTformer.forward

    def seen(self, x, return_rep=False):
        if self.training:
            shapes.add(x.shape[:2])
        return forward(self, x, return_rep)

    monkeypatch.setattr(DSTformer, "forward", seen)
    config = write_config(tmp_path, extra="clip_lengths: [1, 3, 9]\nno_eval: true\n")
    assert run(config, tmp_path / "run", "--set", "epochs=4") == 0
    assert {(144, 1), (48, 3), (16, 9)} <= shapes


def test_17_joints_are_the_start_of_66(whole_run, tmp_path, caplog):
    _, folder = whole_run
    config = write_config(tmp_path, joint_format="RTM-66")
    flags = ("--pretrained", str(folder / "best_epoch.bin"))
    with pytest.raises(UserError, match="--discard_last_layer"):
        run(config, tmp_path / "run", *flags)
    caplog.set_level("INFO")
    assert run(config, tmp_path / "run", *flags, "--discard_last_layer", "--set", "epochs=1") == 0
    assert "rows copied by joint name" in caplog.text


def test_a_loss_that_is_not_finite_stops_and_names_the_sources(tmp_path, monkeypatch):
    config = write_config(tmp_path)
    monkeypatch.setattr(training_step, "relative_target", lambda target, *_: target * float("nan"))
    with pytest.raises(UserError, match=r"loss is nan at step 0.*clips of \S+"):
        run(config, tmp_path / "run")


@pytest.mark.parametrize("extra", ["", "no_conf: true\n", "confidence_weights: true\nrootrel: false\n"])
def test_2d_only_batches_join_after_the_curriculum(tmp_path, extra):
    config = write_config(
        tmp_path, extra="train_2d: true\nreaders_2d: [worker]\npretrain_3d_curriculum: 1\n" + extra
    )
    assert run(config, tmp_path / "run") == 0
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    epochs = [row for row in rows if "train/loss" in row]
    assert "train/weighted_2d" not in epochs[0] and epochs[1]["train/weighted_2d"] > 0


@pytest.mark.parametrize(
    "extra",
    [
        "precision: bf16\n",
        "input_scale: box\neval_flip: true\n",
        "input_residual: true\nactivation_checkpointing: true\ndrop_path: 0.2\n",
        "no_eval: true\npartial_train: [head]\n",
    ],
)
def test_every_switch_trains(tmp_path, extra):
    config = write_config(tmp_path, joint_format="UBHand-48", extra=extra)
    assert run(config, tmp_path / "run", "--set", "epochs=1") == 0
    assert (tmp_path / "run" / "best_epoch.bin").exists()


def test_evaluation_on_other_terms_is_refused(whole_run, tmp_path):
    config, folder = whole_run
    with pytest.raises(UserError, match="input_residual: checkpoint False, config True"):
        run(config, folder, "--evaluate", str(folder / "best_epoch.bin"), "--set", "input_residual=true")


def test_a_checkpoint_of_motionbert_is_continued_in_a_new_folder(whole_run, tmp_path):
    """Its files know neither our place in the run nor our terms; its error is of another protocol."""
    config, folder = whole_run
    theirs = load_checkpoint(folder / "latest_epoch.bin")
    theirs = {key: theirs[key] for key in ("lr", "optimizer", "model_pos")} | {"epoch": 1, "min_loss": 0.1}
    torch.save(theirs, tmp_path / "theirs.bin")
    assert run(config, tmp_path / "run", "--resume", str(tmp_path / "theirs.bin")) == 0
    assert (tmp_path / "run" / "best_epoch.bin").exists()


def test_partial_training_leaves_the_rest_alone(tmp_path):
    config = write_config(tmp_path, extra="partial_train: [head]\nno_eval: true\n")
    assert run(config, tmp_path / "one", "--set", "epochs=1") == 0
    assert run(config, tmp_path / "two", "--set", "epochs=2") == 0
    one, two = weights_of(tmp_path / "one"), weights_of(tmp_path / "two")
    changed = {name for name in one if not torch.equal(one[name], two[name])}
    assert changed == {"head.weight", "head.bias"}


def test_a_users_mistake_is_one_line_and_exit_code_2(tmp_path):
    config = write_config(tmp_path, extra="batch_sise: 3\n")
    done = subprocess.run(command(config, tmp_path / "run"), capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert "batch_size" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path):
    config = write_config(tmp_path, extra="grad_clip: 1.0\n")
    text = (
        config.read_text().replace("dropout: 0.1", "dropout: 0.0").replace("batch_size: 16", "batch_size: 15")
    )
    config.write_text(text)
    assert run(config, tmp_path / "one") == 0
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node",
        "2",
        "--master_port",
        "29511",
    ]
    subprocess.run(
        [*launch, *command(config, tmp_path / "two")[1:]], check=True, cwd=ROOT, capture_output=True
    )
    one, two = weights_of(tmp_path / "one"), weights_of(tmp_path / "two")
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-3, atol=2e-5, msg=name)


@pytest.mark.slow
def test_sigterm_saves_and_exits(tmp_path):
    config = write_config(tmp_path, extra="")
    process = subprocess.Popen(
        command(config, tmp_path / "run", "--set", "epochs=500"), cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    wait_for(tmp_path / "run" / "latest_epoch.bin", process)
    process.send_signal(signal.SIGTERM)
    assert "--resume auto" in process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert load_checkpoint(tmp_path / "run" / "latest_epoch.bin")["progress"]["step"] > 0


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_with_the_same_weights(tmp_path):
    config = write_config(tmp_path, extra="save_every_steps: 2\ncheckpoint_frequency: 1\n")
    flags = ("--set", "epochs=4")
    assert run(config, tmp_path / "whole", *flags) == 0
    moments = random.Random(0)
    for _ in range(3):
        process = subprocess.Popen(
            command(config, tmp_path / "killed", *flags, "--resume", "auto"),
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        wait_for(tmp_path / "killed" / "latest_epoch.bin", process)
        time.sleep(moments.uniform(0, 1.0))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert run(config, tmp_path / "killed", *flags, "--resume", "auto") == 0
    assert_equal_runs(tmp_path / "whole", tmp_path / "killed")


def wait_for(path: Path, process: subprocess.Popen) -> None:
    deadline = time.time() + 120
    while not path.exists() and process.poll() is None and time.time() < deadline:
        time.sleep(0.1)
    assert path.exists()
