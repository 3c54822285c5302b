"""Shipped models: made of a checkpoint, listed, chosen by the keypoints at hand, trained on, and used for videos."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch

import infer_wild
import train
from lib import run_formats, shipped
from lib.checkpoint import load_checkpoint, model_weights, save_checkpoint
from lib.config import load_config, save_config
from lib.data.training_data import checkpoint_meta
from lib.errors import UserError
from lib.model.build import build_model
from lib.skeleton import load_skeleton
from lib.weight_file import save_weight_file
from lib.wild.flags import parse_arguments
from tools import make_release

TINY = {
    "reader": "worker",
    "clip_len": 3,
    "maxlen": 9,
    "dim_feat": 16,
    "dim_rep": 16,
    "depth": 1,
    "num_heads": 2,
    "mlp_ratio": 2.0,
    "epochs": 1,
    "steps_per_epoch": 1,
    "batch_size": 4,
    "threads": 1,
    "worker": {"subjects": 1, "clips": 1, "cameras_per_clip": 1, "seconds": 1.0},
}
METRICS = {
    "mpjpe_mm": 64.7041,
    "frames": 3840,
    "split": "test",
    "baselines": {"mean_pose": {"mpjpe_mm": 233.4253}},
}
UPRIGHT = ["Wrist", "Middle_0"]


def write_run(folder: Path, joint_format: str, **more) -> Path:
    """A run of an untrained model."""
    folder.mkdir(parents=True)
    text = folder / "text.yaml"
    text.write_text(json.dumps(TINY | {"joint_format": joint_format} | more))
    config = load_config(text)
    skeleton = load_skeleton(config.joint_format).with_root(*config.root)
    torch.manual_seed(0)
    weights = build_model(config, skeleton).state_dict()
    meta = checkpoint_meta(config, skeleton, fps=25.0)
    save_checkpoint(folder / "best_epoch.bin", {"model_pos": weights, "epoch": 7, "meta": meta})
    save_config(config, folder / "config.yaml")
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    return folder / "best_epoch.bin"


def release(checkpoint: Path, out: Path, name: str, *more: str) -> int:
    """Call tools/make_release.py."""
    words = [
        "--summary",
        f"A model named {name}",
        "--licence",
        "Apache-2.0",
        "--data",
        "built-in, 100 % of it",
    ]
    words += ["--limits", "one person", "standing", "--metrics", str(checkpoint.with_name("metrics.json"))]
    return make_release.main([str(checkpoint), "--name", name, "--out", str(out), *words, *more])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of two bodies and a hand."""
    root = tmp_path_factory.mktemp("shipped")
    runs = {
        "small": write_run(root / "runs/small", "H36M-17"),
        "marker": write_run(root / "runs/marker", "RTM-24"),
        "hand": write_run(root / "runs/hand", "Hand-21", reader="worker_hands", upright=UPRIGHT, flip=False),
    }
    for name, checkpoint in runs.items():
        assert release(checkpoint, root / "models", name) == 0
    return root / "models"


@pytest.fixture
def in_place(models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as if they came with the project."""
    monkeypatch.setattr(shipped, "FOLDER", models)
    return models


@pytest.fixture
def none_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "no_models")


def test_a_release_holds_the_checkpoint_in_half_precision(models: Path):
    before, after = (
        load_checkpoint(path)
        for path in (models / "../runs/small/best_epoch.bin", models / "small/model.safetensors")
    )
    assert after["meta"] == before["meta"]
    assert after["model_pos"].keys() == before["model_pos"].keys()
    for name, value in model_weights(after).items():
        assert value.dtype == torch.float32
        assert torch.equal(value, before["model_pos"][name].half().float())
    assert (models / "small/model.safetensors").stat().st_size < 0.6 * (
        models / "../runs/small/best_epoch.bin"
    ).stat().st_size


def test_its_config_builds_the_same_model_and_names_no_path(tmp_path: Path):
    checkpoint = write_run(
        tmp_path / "run", "H36M-17", root="spine", input_scale="box", pretrained="/home/me/first.bin"
    )
    release(checkpoint, tmp_path / "models", "small")
    full, own = (load_config(path / "config.yaml") for path in (checkpoint.parent, tmp_path / "models/small"))
    for key in (
        "joint_format",
        "root",
        "maxlen",
        "clip_len",
        "dim_feat",
        "input_scale",
        "upright",
        "no_conf",
    ):
        assert own[key] == full[key], key
    for name in ("config.yaml", "card.md"):
        text = (tmp_path / "models/small" / name).read_text()
        assert str(tmp_path) not in text and "/home" not in text
    assert "pretrained: first.bin" in text


def test_the_card_says_what_was_given_and_measured(models: Path):
    text = (models / "small/card.md").read_text()
    for words in (
        "A model named small",
        "Apache-2.0",
        "built-in, 100 % of it",
        "- standing",
        "| split test | 64.7 | 3840 |",
        "| - mean pose | 233.4 |  |",
        "after epoch 7",
        "25 frames/s",
        "dim_feat: 16",
    ):
        assert words in text, words
    assert "$" not in text


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--name", "Small Model"], "small letters"),
        (["--name", "small"], "--force"),
        (["--name", "other", "--metrics", "none.json"], "none.json"),
        (["--name", "other", "--tolerance", "0"], "nothing was written"),
    ],
)
def test_what_cannot_be_released_is_told(models: Path, flags: list[str], words: str):
    checkpoint = models / "../runs/small/best_epoch.bin"
    with pytest.raises(UserError, match=words):
        release(checkpoint, models, *flags[1:])
    assert sorted(path.name for path in models.iterdir()) == ["hand", "marker", "small"]


def test_a_damaged_file_is_told_in_one_line(models: Path, tmp_path: Path):
    whole = (models / "small/model.safetensors").read_bytes()
    for content in (b"", whole[:200], whole[:-50], b"PK" + whole):
        path = tmp_path / "model.safetensors"
        path.write_bytes(content)
        with pytest.raises(UserError, match="cut off") as told:
            load_checkpoint(path)
        assert "\n" not in str(told.value)


def test_names_and_paths(in_place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert shipped.weights_file("small") == in_place / "small/model.safetensors"
    assert shipped.weights_file("runs/x") == Path("runs/x")
    assert shipped.weights_file("x.bin") == Path("x.bin")
    with pytest.raises(UserError, match=r"did you mean 'small'.*shipped: hand, marker, small"):
        shipped.weights_file("smal")
    monkeypatch.chdir(tmp_path)
    Path("small").mkdir()
    assert shipped.weights_file("small") == Path("small")  # what is there goes first


def test_the_table_of_models(in_place: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as left:
        train.main(["--list_models"])
    assert left.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "hand", "marker", "small"]
    weights = load_checkpoint(in_place / "hand/model.safetensors")["model_pos"]
    assert "Hand-21" in lines[1] and "A model named hand" in lines[1]
    assert f"{sum(value.numel() for value in weights.values()) / 1e6:.2f} M" in lines[1]


def test_without_models(none_shipped: None):
    assert shipped.list_models() == []
    assert "no model is shipped yet" in shipped.models_table()
    with pytest.raises(UserError, match=r"'small' is neither a file nor .*no model is shipped yet"):
        shipped.weights_file("small")
    with pytest.raises(UserError, match="no model is shipped yet: train one"):
        shipped.choose_model(load_skeleton("H36M-17"), "train one")


def test_a_folder_that_is_not_whole_is_told(in_place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "half").mkdir()
    save_weight_file(tmp_path / "half/model.safetensors", {"w": torch.zeros(2)}, {})
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    with pytest.raises(UserError, match=r"half lacks config.yaml, card.md, the joint format in"):
        shipped.list_models()


@pytest.mark.parametrize(
    ("keypoints", "name"),
    [
        ("H36M-17", "small"),
        ("RTM-24", "marker"),
        ("COCO-17", "small"),
        ("Hand-21", "hand"),
        ("RTM-66", "marker"),
    ],
)
def test_the_choice_by_keypoints(in_place: Path, keypoints: str, name: str):
    assert shipped.choose_model(load_skeleton(keypoints), "").name == name


def test_the_largest_share_of_exact_joints_decides_then_size(
    in_place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    body = shipped.shipped_model("small")
    larger = shipped.ShippedModel(tmp_path / "large", body.meta, body.num_parameters + 1, "")
    other = shipped.shipped_model("marker")
    for models in ([larger, body, other], [other, body, larger]):
        monkeypatch.setattr(shipped, "list_models", lambda models=models: models)
        assert shipped.choose_model(load_skeleton("H36M-17"), "") is body
    monkeypatch.setattr(shipped, "list_models", lambda: [body])
    with pytest.raises(
        UserError, match=r"no shipped model takes Hand-21 \(shipped: small: H36M-17\): train one"
    ):
        shipped.choose_model(load_skeleton("Hand-21"), "train one")


@pytest.mark.parametrize(
    ("joint_format", "flags"), [("H36M-17", []), ("RTM-37", ["--discard_last_layer"]), ("RTM-37", None)]
)
def test_training_starts_from_a_shipped_model(
    in_place: Path,
    tmp_path: Path,
    joint_format: str,
    flags: list[str] | None,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(run_formats, "build_test_set", lambda *_: None)  # figures take seconds
    config = tmp_path / "mine.yaml"
    sizes = ("dim_feat", "dim_rep", "depth", "num_heads", "mlp_ratio", "maxlen")
    mine = {key: value for key, value in TINY.items() if key not in sizes}
    mine |= {"base": str(in_place / "small/config.yaml"), "joint_format": joint_format}
    config.write_text(json.dumps(mine | {"pretrained": "small", "no_eval": True}))
    argv = ["--config", str(config), "--checkpoint", str(tmp_path / "run"), "--device", "cpu", *(flags or [])]
    if flags is None:
        with pytest.raises(UserError, match="--discard_last_layer"):
            train.main(argv)
        return
    with caplog.at_level(logging.INFO):
        assert train.main(argv) == 0
    assert "starting from" in caplog.text and "small/model.safetensors" in caplog.text
    assert ("rows copied by joint name" in caplog.text) == bool(flags)
    trained = load_checkpoint(tmp_path / "run/latest_epoch.bin")["model_pos"]["joints_embed.weight"]
    start = load_checkpoint(in_place / "small/model.safetensors")["model_pos"]["joints_embed.weight"]
    assert 0 < (trained - start).abs().max() < 0.01  # a single step


def load_by(*flags: str) -> infer_wild.Models:
    return infer_wild.load_models(parse_arguments([*flags, "-o", "out", "--device", "cpu"], ""))


def test_a_video_is_lifted_by_what_its_detector_finds(
    in_place: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    with caplog.at_level(logging.INFO):
        body = load_by("-v", "clip.mp4").main.skeleton.name
    best = shipped.choose_model(load_skeleton("MediaPipe-33"), "")
    assert body == best.meta["joint_format"]
    assert f"the shipped model {best.name} ({body}" in caplog.text and "MediaPipe-33" in caplog.text
    assert load_by("-v", "clip.mp4", "--detector", "mediapipe_hands").of_hands
    keypoints = tmp_path / "keypoints.npy"
    rng = np.random.default_rng(0)
    np.save(keypoints, rng.uniform(1, 99, (4, 24, 3)).astype(np.float32))
    flags = ["-j", str(keypoints), "--keypoints", "RTM-24"]
    assert load_by(*flags).main.skeleton.name == "RTM-24"
    hand = tmp_path / "hand.npy"
    np.save(hand, rng.uniform(1, 99, (4, 21, 3)).astype(np.float32))
    assert load_by("-j", str(hand)).main.skeleton.name == "Hand-21"  # told by the file alone


def test_names_and_hands_without_a_value(in_place: Path):
    models = load_by("-v", "clip.mp4", "-e", "small", "--hands")
    assert models.main.skeleton.name == "H36M-17"
    assert models.hands.skeleton.name == "Hand-21"
    with pytest.raises(UserError, match=r"--config x\.yaml is that of a checkpoint"):
        load_by("-v", "clip.mp4", "--config", "x.yaml")


@pytest.mark.parametrize("flags", [["-v", "clip.mp4"], ["-v", "clip.mp4", "-e", "RUN", "--hands"]])
def test_videos_without_models(none_shipped: None, models: Path, flags: list[str]):
    run = str(models / "../runs/small/best_epoch.bin")
    with pytest.raises(UserError, match="no model is shipped yet: name a checkpoint"):
        load_by(*[run if flag == "RUN" else flag for flag in flags])


def test_what_lies_in_the_repository_is_whole():
    for model in shipped.list_models():
        skeleton = model.skeleton
        config = load_config(model.config)
        network = build_model(config, skeleton.with_root(*config.root))
        network.load_state_dict(model_weights(load_checkpoint(model.weights)))
        assert model.summary and model.weights.stat().st_size < 16e6
