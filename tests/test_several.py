"""Training sets of several parts, and motion that is new in every epoch."""

import gc
import pickle
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

import train
from lib import engine
from lib.checkpoint import load_checkpoint
from lib.config import ConfigError, load_config
from lib.data import training_motion
from lib.data.build import build_motion
from lib.data.motion import Motion
from lib.data.training_data import build_training_data
from lib.data.worker import make_worker_motion
from lib.errors import UserError
from lib.skeleton import load_skeleton
from tests.example_motion import as_split

H36M = load_skeleton("H36M-17")
WORKER = "{subjects: 1, clips: 2, cameras_per_clip: 1, seconds: 1, fps: 12, detector: false}"
TEXT = """
reader: several
parts:
  - {{reader: worker, worker: {worker}}}
  - {{reader: pickle, dt_root: {folder}, dt_file: filmed.pkl, splits: [train]}}
fresh: true
joint_format: H36M-17
eval_split: validate
test_split: test
clip_len: 3
data_stride: 3
maxlen: 3
dim_feat: 16
dim_rep: 16
depth: 1
num_heads: 2
mlp_ratio: 2
losses: {{mpjpe: 1.0}}
epochs: 3
batch_size: 4
threads: 1
"""


@pytest.fixture
def config_file(tmp_path) -> Path:
    """A config of worker motion and a pickle of detections, in another image size and at another rate."""
    motion = make_worker_motion(H36M, seed=9, subjects=1, clips=2, cameras=1, seconds=1, fps=8)
    split = as_split(motion) | {"size_px": motion.size_px, "fps": 8.0}
    (tmp_path / "filmed.pkl").write_bytes(pickle.dumps({"train": split, "other": split}))
    path = tmp_path / "several.yaml"
    path.write_text(TEXT.format(folder=tmp_path, worker=WORKER))
    return path


def same(a: Motion, b: Motion) -> bool:
    return np.array_equal(a.joints_2d, b.joints_2d) and a.source == b.source


def test_parts_lie_one_after_the_other(config_file):
    config = load_config(config_file)
    motion = build_motion(config, H36M, "train")
    own = build_motion({"reader": "worker", "worker": config.parts[0].worker}, H36M, "train")
    assert (own.num_frames, motion.num_frames) == (24, 40)
    assert same(motion.select(slice(0, 24)), own) and motion.fps is None
    assert len(motion.videos) == 4 and np.isfinite(motion.size_px).all()
    assert set(motion.source[:24].present()).isdisjoint(motion.source[24:].present()), "equal names"
    assert build_motion(config, H36M, "test").num_frames == 24, "the pickle has a share in train alone"
    config.parts[0].splits = ["train"]
    with pytest.raises(UserError, match="parts: none has a share in the split 'test'"):
        build_motion(config, H36M, "test")
    config.parts[1].splits = None
    with pytest.raises(UserError, match="no split 'test'; it has: train, other"):
        build_motion(config, H36M, "test")


def test_fresh_motion_differs_from_epoch_to_epoch_and_is_repeated(config_file):
    data, again = (build_training_data(load_config(config_file), H36M) for _ in range(2))
    assert data.clips_in(0, 4) == data.clips_in(7, 4) == [14]

    def epoch(data, number):
        plan = data.epoch_plan(number, 4, seed=0)
        return torch.cat([clips.batch(sorted(ids.tolist()))["target"] for clips, ids in plan]), plan[0][0]

    first, clips = epoch(data, 0)
    assert not torch.equal(epoch(data, 1)[0], first)
    made, read = clips.batch(range(8)), clips.batch(range(8, 14))
    third = epoch(data, 2)[0]
    assert not torch.equal(clips.batch(range(8))["target"], made["target"])
    assert torch.equal(clips.batch(range(8, 14))["target"], read["target"]), "what is read stays"
    assert torch.equal(epoch(data, 0)[0], first), "the same epoch is the same motion"
    assert torch.equal(epoch(again, 2)[0], third), "whatever came before, as after a resume"
    assert clips.source_names([0]) != clips.source_names([13])
    fixed = build_training_data(load_config(config_file, ["fresh=false"]), H36M)
    assert torch.equal(epoch(fixed, 0)[0], first) and same(fixed.labelled_motion, data.labelled_motion)
    assert torch.equal(epoch(fixed, 2)[0].sort(0)[0], first.sort(0)[0]), "in another order"


def test_the_last_epoch_is_let_go_before_the_next_is_made(config_file, monkeypatch):
    data = build_training_data(load_config(config_file), H36M)
    plan = data.epoch_plan(0, 4, seed=0)
    old = weakref.ref(data.labelled._clips.motions[0])
    read = data.labelled._clips.motions[1]
    build = training_motion.build_motion

    def watched(*arguments):
        gc.collect()
        assert old() is None
        return build(*arguments)

    monkeypatch.setattr(training_motion, "build_motion", watched)
    data.epoch_plan(1, 4, seed=0)
    assert plan and data.labelled._clips.motions[1] is read


def test_every_worker_reader_can_be_fresh(config_file):
    worker = {"parts": [], "worker.subjects": 1, "worker.clips": 1, "worker.seconds": 1}
    for reader, joint_format in (("worker", "H36M-17"), ("worker_hands", "Hand-21")):
        keys = {"reader": reader, "joint_format": joint_format, "flip": False}
        config = load_config(config_file, worker | keys)
        motion = training_motion.TrainingMotion(config, load_skeleton(config.joint_format))
        (first,), (second,) = motion.of(0), motion.of(1)
        assert first.num_frames == second.num_frames and not same(first, second)
        assert same(first, build_motion(config, load_skeleton(config.joint_format), "train"))


def mistakes(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    return str(caught.value)


def test_mistakes_are_told_with_their_lines(config_file):
    text = config_file.read_text()
    wrong = text.replace("clips: 2", "clip: 2").replace("- {reader: pickle,", "- {reader: pikcle, foo: 1,")
    config_file.write_text(wrong)
    told = mistakes(config_file)
    assert "several.yaml:4: parts[0].worker.clip = 2: unknown key (did you mean 'clips'?)" in told
    assert "several.yaml:5: parts[1].reader = 'pikcle'" in told and "did you mean 'pickle'?" in told
    assert "several.yaml:5: parts[1].foo = 1: unknown key" in told
    config_file.write_text(text.replace("{reader: worker,", "{reader: worker, res_w: 3,"))
    assert "several.yaml:4: parts[0].res_w = 3: the reader worker does not use this key" in mistakes(
        config_file
    )
    config_file.write_text(text.replace("detector: false", "detector: true"))
    assert "fresh" not in mistakes(config_file, "recorded_errors=a.pkl")
    assert "several.yaml:4: parts[0].worker.detector = True: must be False" in mistakes(
        config_file, "recorded_errors=a.pkl"
    )
    config_file.write_text(text)
    told = mistakes(config_file, "recorded_errors=a.pkl", "noise=true", "train_2d=true")
    assert "noise: True adds errors too" in told and "2D-only sets of train_2d" in told
    assert "the reader several needs at least one" in mistakes(config_file, "parts=[]")
    pickles = ["train_reader=pickle", "dt_file=a.pkl"]
    assert "fresh = True: the reader pickle reads the same motion" in mistakes(config_file, *pickles)
    told = mistakes(Path(__file__).parents[1] / "configs/mesh/quickstart.yaml", "recorded_errors=a.pkl")
    assert "unknown key; it belongs to configs of task pose3d" in told


def test_errors_need_exact_2d_to_lie_on(config_file):
    config = load_config(config_file, {"fresh": False, "recorded_errors": "filmed.pkl"})
    assert build_training_data(config, H36M).num_clips == 14
    del config.parts[0]
    with pytest.raises(UserError, match="recorded_errors: no 2D of the training set is exact"):
        build_training_data(config, H36M)
    config.gt_2d = True
    assert build_training_data(config, H36M).num_clips == 6


def test_a_run_on_fresh_motion_resumes_bit_for_bit(config_file, tmp_path, monkeypatch):
    def run(folder: str, *flags: str) -> int:
        errors = ["--set", f"recorded_errors={tmp_path / 'filmed.pkl'}"]
        flags = ("--checkpoint", str(tmp_path / folder), "--device", "cpu", *errors, *flags)
        return train.main(["--config", str(config_file), *flags])

    assert run("whole") == 0
    calls = iter(range(1000))  # the fifth is in the second epoch
    with monkeypatch.context() as patch:
        patch.setattr(engine.StopRequest, "agreed", lambda self, runtime: next(calls) == 5)
        assert run("parts") == 130
    assert run("parts", "--resume", "auto") == 0
    whole, parts = (load_checkpoint(tmp_path / name / "latest_epoch.bin") for name in ("whole", "parts"))
    for name, value in whole["model_pos"].items():
        assert torch.equal(value, parts["model_pos"][name]), name
    logs = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "parts")]
    assert logs[0] == logs[1]
