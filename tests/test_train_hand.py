"""train_hand.py from end to end on tiny sets, sides of hands, and the recipe of docs/add_hand_set.md."""

import json
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import train
import train_hand
from lib import engine
from lib.checkpoint import load_checkpoint
from lib.config import load_config
from lib.data.build import build_motion
from lib.data.hand_sides import check_hand_sides, format_side, mirrored, sides_of_frames
from lib.data.training_data import build_clips
from lib.data.worker.hand_generate import make_hand_motion
from lib.errors import UserError
from lib.evaluate import predict, root_relative_mm
from lib.hands import FINGERS, finger_rows
from lib.model.build import build_model
from lib.skeleton import load_skeleton
from tests.example_motion import as_split
from tests.test_train import assert_equal_runs, weights_of

ROOT = Path(__file__).parents[1]
TINY = """
task: hand
reader: {reader}
joint_format: {joint_format}
worker: {{subjects: 2, clips: 2, cameras_per_clip: 1, seconds: 1.5, fps: 15}}
test_split: test
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
batch_size: 8
learning_rate: 0.001
dropout: 0.1
seed: 3
threads: 1
"""
HAND, LEFT = load_skeleton("Hand-21"), load_skeleton("Hand-21-left")


def write_config(
    folder: Path, joint_format: str = "Hand-21", reader: str = "worker_hands", extra: str = ""
) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(TINY.format(joint_format=joint_format, reader=reader) + extra)
    return path


def run(config: Path, folder: Path, *flags: str, script=train_hand) -> int:
    return script.main(["--config", str(config), "--checkpoint", str(folder), "--device", "cpu", *flags])


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("hand")
    config = write_config(folder)
    assert run(config, folder / "run") == 0
    return config, folder / "run"


def test_a_run_tells_the_error_of_each_finger(whole_run):
    _, folder = whole_run
    summary = json.loads((folder / "metrics.json").read_text())
    table = (folder / "table.txt").read_text()
    assert list(summary["fingers_mm"]) == ["wrist", *FINGERS]
    for name, row in {"this model": summary, **summary["baselines"]}.items():
        per_joint = np.average(list(row["fingers_mm"].values()), weights=[1, 4, 4, 4, 4, 4])
        assert per_joint == pytest.approx(row["mpjpe_mm"], rel=1e-5), name
        assert name in table
    assert {"mean_pose", "untrained"} < set(summary["baselines"]) and "MPJPE mm" in table
    assert summary["fingers_mm"]["wrist"] == 0, "the root"
    stored = np.load(folder / "predictions.npz")
    assert str(stored["joint_format"]) == "Hand-21"
    assert np.array_equal(stored["joints_mm"], np.load(folder / "X3D_mm.npy"))
    assert load_checkpoint(folder / "best_epoch.bin")["meta"]["joint_format"] == "Hand-21"


def test_evaluating_the_best_checkpoint_gives_the_same_figures(whole_run, tmp_path):
    config, folder = whole_run
    assert run(config, folder, "--evaluate", str(folder / "best_epoch.bin"), "--out_path", str(tmp_path)) == 0
    final, again = (json.loads((path / "metrics.json").read_text()) for path in (folder, tmp_path))
    assert again["fingers_mm"] == pytest.approx(final["fingers_mm"], rel=1e-6)


def test_a_stopped_and_resumed_run_is_bit_for_bit_the_whole_run(whole_run, tmp_path, monkeypatch):
    config, whole = whole_run
    calls = iter(range(1000))
    with monkeypatch.context() as patch:
        patch.setattr(engine.StopRequest, "agreed", lambda self, runtime: next(calls) == 2)
        assert run(config, tmp_path / "parts") == 130
    assert run(config, tmp_path / "parts", "--resume", "auto") == 0
    assert_equal_runs(whole, tmp_path / "parts")


def test_train_py_trains_hands_the_same(whole_run, tmp_path):
    config, folder = whole_run
    assert run(config, tmp_path / "run", script=train) == 0
    assert_equal_runs(folder, tmp_path / "run")


def test_a_lifter_of_bodies_is_the_start_of_hands(tmp_path, caplog):
    text = write_config(tmp_path, "H36M-17", "worker").read_text().replace("task: hand", "task: pose3d")
    (tmp_path / "body.yaml").write_text(text + "eval_split: validate\n")
    body = tmp_path / "body"
    assert run(tmp_path / "body.yaml", body, "--set", "epochs=1", "--set", "no_eval=true", script=train) == 0
    flags = ("--pretrained", str(body / "latest_epoch.bin"))
    config = write_config(tmp_path)
    with pytest.raises(UserError, match="--discard_last_layer"):
        run(config, tmp_path / "run", *flags)
    caplog.set_level("INFO")
    assert run(config, tmp_path / "run", *flags, "--discard_last_layer", "--set", "epochs=1") == 0
    assert "starting from" in caplog.text


@pytest.mark.parametrize("root", [[], ["root_idx=0"]])
def test_both_arms_and_hands_train_with_either_root(tmp_path, root):
    config = write_config(tmp_path, "UBHand-48", "worker")
    flags = [
        text for key in (*root, "epochs=1", "worker.clips=1", "steps_per_epoch=2") for text in ("--set", key)
    ]
    assert run(config, tmp_path / "run", *flags) == 0
    meta = load_checkpoint(tmp_path / "run" / "best_epoch.bin")["meta"]
    assert meta["root"] == (["left_shoulder"] if root else ["left_shoulder", "right_shoulder"])
    pose_mm = np.load(tmp_path / "run" / "X3D_mm.npy")
    shoulders = [load_skeleton("UBHand-48").index(f"{side}_shoulder") for side in ("left", "right")]
    origin = pose_mm[:, shoulders[0]] if root else pose_mm[:, shoulders].mean(1)
    assert np.abs(origin).max() < 1e-2
    summary = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert list(summary["fingers_mm"])[:2] == ["left wrist", "left thumb"]
    with pytest.raises(UserError, match="root"):
        other = ["--set", "root=right_shoulder"]
        run(config, tmp_path, "--evaluate", str(tmp_path / "run" / "best_epoch.bin"), *other)


def test_a_users_mistake_is_one_line_and_exit_code_2(tmp_path):
    config = write_config(tmp_path, extra="flip: true\n")
    command = [sys.executable, str(ROOT / "train_hand.py"), "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "a mirrored right hand is a left hand" in done.stderr


# sides


def small_motion(joint_format: str, seed: int = 0):
    return make_hand_motion(
        load_skeleton(joint_format), seed=seed, subjects=1, clips=2, seconds=1.0, cameras=1
    )


@pytest.fixture
def pickled(tmp_path):
    """Write a pickle of a motion as Hand-21 with these further keys, and give a config of it."""

    def write(motion, **more):
        part = as_split(motion) | {"size_px": motion.size_px, "fps": motion.fps} | more
        with (tmp_path / "hands.pkl").open("wb") as file:
            pickle.dump({"train": part}, file)
        path = write_config(tmp_path, reader="pickle", extra=f"dt_file: {tmp_path / 'hands.pkl'}\n")
        path.write_text(re.sub(r"worker: .*\n", "", path.read_text()))
        return load_config(path)

    return write


def test_the_mirror_negates_x_and_moves_no_joint():
    motion = small_motion("Hand-21")
    some = np.arange(motion.num_frames) % 3 == 0
    turned = mirrored(motion, some)
    width = motion.size_px[some, :1]
    assert np.allclose(turned.joints_2d[some, :, 0], width - motion.joints_2d[some, :, 0])
    assert np.allclose(turned.joints_image[some, :, 0], width - motion.joints_image[some, :, 0])
    assert np.array_equal(turned.joints_mm[some], motion.joints_mm[some] * np.float32([-1, 1, 1]))
    for name in ("joints_2d", "joints_image", "joints_mm", "confidence"):
        assert np.array_equal(getattr(turned, name)[~some], getattr(motion, name)[~some])
        assert np.allclose(getattr(mirrored(turned, some), name), getattr(motion, name), atol=1e-3)


def test_fingers_of_a_mirrored_hand_still_point_forward():
    """The fork mirrored along the hand's own length, which turned the fingers back."""
    motion = small_motion("Hand-21-left")
    turned = mirrored(motion, np.ones(motion.num_frames, bool))
    wrist, knuckle = (LEFT.index_canonical(f"left_{name}") for name in ("hand_wrist", "middle_mcp"))
    before, after = (m.joints_mm[:, knuckle] - m.joints_mm[:, wrist] for m in (motion, turned))
    assert np.allclose(after[:, 1:], before[:, 1:]), "up and away from the camera stay what they were"


def test_left_hands_that_the_pickle_names_are_mirrored(pickled, caplog):
    caplog.set_level("INFO")
    motion = replace(small_motion("Hand-21-left"), skeleton=HAND)
    half = motion.num_frames // 2
    config = pickled(motion, side=["left"] * half + ["Right"] * (motion.num_frames - half))
    read = build_motion(config, HAND, "train")
    assert f"{half} of {motion.num_frames} frames are of left hands, mirrored" in caplog.text
    assert np.allclose(read.joints_mm[:half, :, 0], -motion.joints_mm[:half, :, 0])
    assert np.array_equal(read.joints_2d[half:], motion.joints_2d[half:])
    off = build_motion({**config, "mirror_left": False}, HAND, "train")
    assert np.array_equal(off.joints_mm, motion.joints_mm)


def test_sources_and_cameras_do_not_decide_but_the_shape_warns(pickled):
    motion = replace(small_motion("Hand-21-left"), skeleton=HAND, camera="left")
    read = build_motion(pickled(motion), HAND, "train")
    assert np.array_equal(read.joints_mm, motion.joints_mm)
    (finding,) = check_hand_sides(read)
    assert finding.level == "warning" and "other side than 'right'" in finding.message
    for told in ({"side": "left"}, {"joint_format": "Hand-21-left"}):
        assert not list(check_hand_sides(build_motion(pickled(motion, **told), HAND, "train")))


def test_sides_that_cannot_be_are_refused(pickled):
    motion = small_motion("Hand-21")
    with pytest.raises(UserError, match=r"hands\.pkl, split 'train': side 'leftt' is not known"):
        build_motion(pickled(motion, side="leftt"), HAND, "train")
    with pytest.raises(UserError, match=f"side has 2 entries for {motion.num_frames} frames"):
        build_motion(pickled(motion, side=["left", "right"]), HAND, "train")
    assert sides_of_frames(["L", "right"], 2, "").tolist() == ["left", "right"]
    formats = ("Hand-21", "Hand-21-right", "Hand-21-left", "UBHand-48", "H36M-17")
    assert [format_side(load_skeleton(name)) for name in formats] == ["right", "right", "left", None, None]


def test_a_left_hand_and_its_mirrored_right_hand_give_mirror_equal_predictions(pickled):
    right = small_motion("Hand-21")
    left = mirrored(right, np.ones(right.num_frames, bool))
    config = pickled(right, side="right")
    engine.seed_everything(0)
    model = build_model(config, HAND)
    runtime = engine.start_runtime("fp32", "cpu", 1)
    poses = []
    for motion, side in ((right, "right"), (left, "left")):
        clips = build_clips(config, build_motion(pickled(motion, side=side), HAND, "train"), training=False)
        pose, _ = predict(model, clips, HAND, runtime, batch_size=8, rootrel=True, flip=False)
        poses.append(root_relative_mm(pose, clips))
    assert np.abs(poses[0]).max() > 1
    back = poses[1] * [
        -1,
        1,
        1,
    ]  # the left hand's own pose: the prediction in right hands' terms, mirrored back
    assert np.allclose(back, poses[0] * [-1, 1, 1], atol=1e-3)


@pytest.mark.parametrize("name", ["Hand-21", "UBHand-48", "COCO-WholeBody-133"])
def test_fingers_are_found_by_their_names(name):
    skeleton = load_skeleton(name)
    for row, joints in finger_rows(skeleton).items():
        finger = row.split()[-1]
        assert len(joints) == (1 if finger == "wrist" else 4)
        assert all(finger in skeleton.canonical[joint] for joint in joints)


def test_the_recipe_in_the_docs_works(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "add_hand_set.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 100
    blocks = {
        kind: re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL) for kind in ("python", "yaml", "bash")
    }
    monkeypatch.chdir(tmp_path)
    exec(blocks["python"][0], {})
    Path("hands.yaml").write_text(blocks["yaml"][0])
    config = load_config("hands.yaml", task="hand")
    motion = build_motion(config, HAND, "train")
    assert not list(check_hand_sides(motion)) and motion.fps == 30
    for line in blocks["bash"][0].splitlines():
        assert (ROOT / line.split()[1]).is_file()
    small = (
        "epochs=1",
        "steps_per_epoch=2",
        "dim_feat=16",
        "dim_rep=16",
        "depth=1",
        "num_heads=2",
        "test_split=test",
    )
    assert run(Path("hands.yaml"), Path("run"), *(text for key in small for text in ("--set", key))) == 0
    assert weights_of(Path("run")) and torch.isfinite(
        torch.tensor(load_checkpoint("run/best_epoch.bin")["min_loss"])
    )
