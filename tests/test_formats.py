"""Several joint formats from one backbone: shared layers, turns, exact resume, and each as a model of its own."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import train
from lib import engine
from lib.checkpoint import load_checkpoint, load_weights, model_weights
from lib.checkpoint_formats import all_weights, checkpoint_of_format, split_by_format
from lib.config import ConfigError, dump_config, load_config
from lib.config_formats import format_config, format_configs
from lib.data.format_turns import FormatTurns
from lib.errors import UserError
from lib.model.build import build_model
from lib.run_formats import build_formats, join_formats
from lib.skeleton import load_skeleton
from lib.training_state import TrainingState
from lib.training_step import TrainingStep
from tests.test_shipped import METRICS, release
from tests.test_train import ROOT, assert_equal_runs, command, run, weights_of, write_config

FORMATS = """
ema_decay: 0.9
input_residual: true
formats:
  rtm_24:
    worker: {{seed: 5, clips: 3}}
    losses: {{velocity: 0.5, ergo_angle: 0.1}}
{more}
format_layers: {layers}
"""
HAND = "  Hand-21: {reader: worker_hands, flip: false}"


def tiny_config(folder: Path, layers: str = "embedding", more: str = HAND) -> Path:
    return write_config(folder, extra=FORMATS.format(layers=layers, more=more))


def built(config, seed: int = 0):
    torch.manual_seed(seed)
    formats = build_formats(format_configs(config), torch.device("cpu"))
    return formats, join_formats(formats, None)


def example(skeleton, frames: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, frames, skeleton.num_joints, 3, generator=generator)


# ---------------------------------------------------------------------------------------------- config


def test_a_format_is_the_config_with_what_differs(tmp_path):
    config = load_config(tiny_config(tmp_path))
    main, rtm, hand = format_configs(config)
    assert main == config and list(config.formats) == ["RTM-24", "Hand-21"]
    assert (rtm.joint_format, rtm.num_joints, rtm.root) == ("RTM-24", 24, ["pelvis"])
    assert rtm.losses == {"mpjpe": 1.0, "velocity": 0.5, "ergo_angle": 0.1}
    assert (rtm.worker.seed, rtm.worker.clips, rtm.worker.subjects) == (5, 3, config.worker.subjects)
    assert (hand.reader, hand.flip, hand.root, hand.losses) == (
        "worker_hands",
        False,
        ["Wrist"],
        config.losses,
    )
    assert format_config(config, "rtm-24") == rtm
    with pytest.raises(UserError, match=r"COCO-17.*H36M-17, RTM-24, Hand-21"):
        format_config(config, "COCO-17")


@pytest.mark.parametrize(
    "text", ["RTM-24:", "RTM-66: {root: RHIP, skip_sources: a}\n  RTM-37: {clip_len: 3}"]
)
def test_a_resolved_config_loads_as_the_same(tmp_path, text, caplog):
    config = load_config(write_config(tmp_path, extra=f"formats:\n  {text}\n"))
    (tmp_path / "again.yaml").write_text(dump_config(config))
    again = load_config(tmp_path / "again.yaml")
    assert again == config and format_configs(again) == format_configs(config)
    assert not caplog.records


def test_flags_reach_into_a_format(tmp_path):
    path = tiny_config(tmp_path)
    config = load_config(path, ["formats.rtm_24.losses.velocity=3", "formats.rtm_24.steps_per_epoch=2"])
    rtm = format_config(config, "RTM-24")
    assert (rtm.losses.velocity, rtm.losses.ergo_angle, rtm.steps_per_epoch) == (3, 0.1, 2)
    assert (config.losses.velocity, config.steps_per_epoch) == (1.0, None)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("H36M: {}", "formats.H36M = {}: this is the joint_format of the config itself"),
        ("rtm_24: {}\n  RTM-24: {}", "formats.RTM-24 = {}: the joint format stands twice"),
        ("RTM-25: {}", "formats.RTM-25 = {}: unknown joint format 'RTM-25'"),
        ("RTM-24: {dim_feat: 32}", "formats.RTM-24.dim_feat = 32: all formats share this key"),
        ("RTM-24: {epochs: 3}", "formats.RTM-24.epochs = 3: all formats share this key"),
        ("RTM-24: {no_conf: true}", "formats.RTM-24.no_conf = True: all formats share this key"),
        ("RTM-24: {flipp: true}", "formats.RTM-24.flipp = True: unknown key (did you mean 'flip'?)"),
        ("RTM-24: {flip: 3}", "formats.RTM-24.flip = 3: must be True or False"),
        ("RTM-24: {root_idx: 3}", "formats.RTM-24.root_idx = 3: the root of the joint format RTM-24 is"),
        ("RTM-24: {losses: {velocty: 1}}", "formats.RTM-24.losses.velocty = 1: unknown loss"),
        ("RTM-24: {worker: {fps: x}}", "formats.RTM-24.worker.fps = 'x': must be a number greater than 0"),
        ("RTM-24: {clip_len: 10}", "formats.RTM-24.clip_len = 10: must be at most maxlen = 9"),
        (
            "RTM-24: {dt_file: x.pkl}",
            "formats.RTM-24.dt_file = 'x.pkl': the reader worker does not use this key",
        ),
        ("RTM-24: 3", "formats.RTM-24 = 3: must be a block of key: value lines"),
        ("Hand-21: {upright: [Wrist, Nose]}", "formats.Hand-21.upright = ['Wrist', 'Nose']: "),
    ],
)
def test_a_mistake_in_a_format_is_one_line(tmp_path, block, message):
    with pytest.raises(ConfigError) as caught:
        load_config(write_config(tmp_path, extra=f"formats:\n  {block}\n"))
    (line,) = str(caught.value).splitlines()
    assert f": {message}" in line and "tiny.yaml:" in line


def test_what_the_main_format_s_keys_cannot_mean_for_another_is_told_at_the_format(tmp_path):
    path = write_config(tmp_path, extra="upright: [root, thorax]\nformats:\n  Hand-21: {}\n")
    with pytest.raises(ConfigError, match=r"formats.Hand-21 = \{\}: upright = \['root', 'thorax'\]: .*root"):
        load_config(path)


# ----------------------------------------------------------------------------------------------- model


@pytest.mark.parametrize("layers", ["embedding", "head"])
def test_formats_share_all_but_their_own_layers(tmp_path, layers):
    formats, model = built(load_config(tiny_config(tmp_path, layers)))
    alone = build_model(formats[0].config, formats[0].skeleton)
    weights, own = split_by_format(model.state_dict())
    parts = {"embedding": {"pos_embed"}, "head": {"pos_embed", "head.weight", "head.bias"}}[layers]
    assert weights.keys() == alone.state_dict().keys(), "names of the main format stay as they are"
    assert {name: values.keys() for name, values in own.items()} == {"RTM-24": parts, "Hand-21": parts}
    parameters = list(model.parameters())
    assert len({id(value) for value in parameters}) == len(parameters), "each weight once"
    for other in formats[1:]:
        of_main, of_other = dict(model.named_parameters()), dict(other.model.named_parameters())
        assert {name for name in of_other if of_other[name] is not of_main[name]} == parts
        assert all(any(value is known for known in parameters) for value in of_other.values())


def test_a_format_computes_what_a_model_of_its_own_would(tmp_path):
    formats, _ = built(load_config(tiny_config(tmp_path, "head")))
    for each in formats:
        alone = build_model(each.config, each.skeleton).eval()
        names = alone.state_dict().keys()
        alone.load_state_dict({name: each.model.state_dict()[name] for name in names})
        x = example(each.skeleton)
        assert torch.equal(each.model.eval()(x), alone(x)), each.name


def test_the_main_format_starts_as_if_it_were_alone(tmp_path):
    config = load_config(tiny_config(tmp_path))
    formats, model = built(config)
    torch.manual_seed(0)
    alone = build_model(config, formats[0].skeleton)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in alone.state_dict().items())


def test_embeddings_start_by_anatomical_name(tmp_path):
    (main, rtm, hand), _ = built(load_config(tiny_config(tmp_path)))
    rows = {name: row for row, name in enumerate(main.skeleton.canonical)}
    shared = [(row, rows[name]) for row, name in enumerate(rtm.skeleton.canonical) if name in rows]
    assert len(shared) > 5
    for row, of_main in shared:
        assert torch.equal(rtm.model.pos_embed[0, row], main.model.pos_embed[0, of_main])
    assert not any(
        torch.equal(hand.model.pos_embed[0, 5], main.model.pos_embed[0, row]) for row in rows.values()
    )


@pytest.mark.parametrize("layers", ["embedding", "head"])
def test_a_step_on_one_format_leaves_the_others_own_layers_alone(tmp_path, layers):
    formats, model = built(load_config(tiny_config(tmp_path, layers)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    step = TrainingStep(formats, optimizer, engine.start_runtime(device="cpu"))
    before = {name: value.clone() for name, value in model.state_dict().items()}

    class Clips:
        skeleton = formats[1].skeleton

        def batch(self, ids):
            x = example(self.skeleton)
            return {"input": x, "target": x * 0.5, "confidence": x[..., 2]}

    losses = step(Clips(), torch.arange(2), TrainingState(), 0.01)
    assert set(losses) == {f"RTM-24/{name}" for name in ("loss", "mpjpe", "velocity", "ergo_angle")}
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    own = {name for name in before if name.startswith("formats.")}
    assert changed & own == {name for name in own if name.startswith("formats.RTM-24.")}
    assert {"joints_embed.weight", "temp_embed"} <= changed and "pos_embed" not in changed
    assert ("head.weight" in changed) == (layers == "embedding")


# ------------------------------------------------------------------------------------------------ data


class Plan:
    """Stands for the training data of a format with so many batches."""

    def __init__(self, name: str, count: int) -> None:
        self.name, self.count = name, count

    def epoch_plan(self, epoch, batch_size, seed):
        return [(self.name, (epoch, seed, number)) for number in range(self.count)]


def test_batches_of_formats_alternate_evenly():
    turns = FormatTurns([Plan("a", 8), Plan("b", 4), Plan("c", 1)])
    plan = turns.epoch_plan(3, 16, seed=7)
    assert "".join(name for name, _ in plan) == "abaabacabaaba"
    assert [ids[2] for name, ids in plan if name == "a"] == list(range(8)), "each in its own order"
    assert plan == turns.epoch_plan(3, 16, seed=7)
    assert {ids[:2] for name, ids in plan if name == "a"} == {(3, 7)}, "the main format's order is its own"
    assert len({ids[1] for _, ids in plan}) == 3, "orders of formats are drawn apart"


# ------------------------------------------------------------------------------------------------ runs


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("formats")
    config = tiny_config(folder, "head", more="")
    assert run(config, folder / "run") == 0
    return config, folder / "run"


def alone_config(folder: Path, joint_format: str = "RTM-24") -> Path:
    return write_config(folder, joint_format=joint_format, extra="input_residual: true\n")


def test_a_run_measures_every_format_and_keeps_the_lowest_mean(whole_run):
    _, folder = whole_run
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    rows = [row for row in rows if "validation/mpjpe_mm" in row]
    means = []
    for row in rows:
        errors = [row[f"validation/{name}mpjpe_mm"] for name in ("", "RTM-24/")]
        assert row["validation/mean_mpjpe_mm"] == pytest.approx(sum(errors) / 2)
        assert row["train/RTM-24/ergo_angle"] > 0 and "train/ergo_angle" not in row
        means.append(row["validation/mean_mpjpe_mm"])
    assert load_checkpoint(folder / "best_epoch.bin")["min_loss"] == min(means)
    for name, joints in (("", 17), ("RTM-24", 24)):
        summary = json.loads((folder / name / "metrics.json").read_text())
        assert summary["joint_format"] == (name or "H36M-17")
        assert np.load(folder / name / "X3D.npy").shape[1] == joints


def test_a_stopped_and_resumed_run_is_bit_for_bit_the_whole_run(whole_run, tmp_path, monkeypatch):
    config, whole = whole_run
    calls = iter(range(1000))
    with monkeypatch.context() as patch:
        patch.setattr(engine.StopRequest, "agreed", lambda self, runtime: next(calls) == 3)
        assert run(config, tmp_path / "run") == 130
    assert run(config, tmp_path / "run", "--resume", "auto") == 0
    assert_equal_runs(whole, tmp_path / "run")
    assert {name for name in weights_of(whole) if name.startswith("formats.RTM-24.")}
    best = [all_weights(load_checkpoint(folder / "best_epoch.bin")) for folder in (whole, tmp_path / "run")]
    assert all(torch.equal(value, best[1][name]) for name, value in best[0].items())
    logs = [(folder / "metrics.jsonl").read_text() for folder in (whole, tmp_path / "run")]
    assert logs[0] == logs[1]


def test_a_checkpoint_holds_the_main_format_as_any_checkpoint_does(whole_run):
    _, folder = whole_run
    checkpoint = load_checkpoint(folder / "best_epoch.bin")
    config = load_config(folder / "config.yaml")
    model = build_model(config, load_skeleton("H36M-17"))
    loaded = load_weights(model, model_weights(checkpoint), skeleton=load_skeleton("H36M-17"))
    assert not loaded.unused and not loaded.initial and checkpoint["meta"]["joint_format"] == "H36M-17"
    alone = checkpoint_of_format(checkpoint, "RTM-24")
    assert alone["meta"]["num_joints"] == 24 and alone["model_pos"]["pos_embed"].shape[1] == 24
    assert torch.equal(alone["model_pos"]["temp_embed"], checkpoint["model_pos"]["temp_embed"])
    assert not torch.equal(alone["model_pos"]["head.weight"], checkpoint["model_pos"]["head.weight"])
    assert checkpoint_of_format(checkpoint, "H36M-17") is checkpoint


def test_each_format_is_evaluated_from_the_checkpoint(whole_run, tmp_path, monkeypatch):
    config, folder = whole_run
    best = str(folder / "best_epoch.bin")
    measured = {}

    def report(model, config, runtime, out, test, train_motion):
        measured[out] = test.measure(model, runtime, None)["mpjpe_mm"]

    monkeypatch.setattr(train, "report", report)
    assert run(config, folder, "--evaluate", best, "--out_path", str(tmp_path / "all")) == 0
    of_rtm = format_config(load_config(config), "RTM-24")
    (tmp_path / "rtm.yaml").write_text(dump_config(of_rtm))
    assert run(tmp_path / "rtm.yaml", folder, "--evaluate", best, "--out_path", str(tmp_path / "alone")) == 0
    of_run = {
        name: json.loads((folder / name / "metrics.json").read_text())["mpjpe_mm"] for name in ("", "RTM-24")
    }
    assert measured == {
        tmp_path / "all": pytest.approx(of_run[""], rel=1e-6),
        tmp_path / "all" / "RTM-24": pytest.approx(of_run["RTM-24"], rel=1e-6),
        tmp_path / "alone": pytest.approx(of_run["RTM-24"], rel=1e-6),
    }


def test_a_format_of_a_checkpoint_starts_a_run_of_its_own_exactly(whole_run, tmp_path, monkeypatch):
    _, folder = whole_run
    started = []
    monkeypatch.setattr(train, "freeze_all_but", lambda model, _: started.append(model) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(alone_config(tmp_path), tmp_path / "run", "--pretrained", str(folder / "best_epoch.bin"))
    of_format = checkpoint_of_format(load_checkpoint(folder / "best_epoch.bin"), "RTM-24")["model_pos"]
    assert all(torch.equal(value, of_format[name]) for name, value in started[0].state_dict().items())


def test_a_run_of_several_formats_starts_from_a_checkpoint_of_any(whole_run, tmp_path, monkeypatch, caplog):
    _, folder = whole_run
    caplog.set_level("INFO")
    started = []
    monkeypatch.setattr(train, "freeze_all_but", lambda model, _: started.append(model) or 1 / 0)
    checkpoint = load_checkpoint(folder / "best_epoch.bin")
    torch.save(checkpoint_of_format(checkpoint, "RTM-24"), tmp_path / "rtm.bin")
    config = tiny_config(tmp_path, "head", more="  RTM-37:")
    with pytest.raises(ZeroDivisionError):
        run(config, tmp_path / "a", "--pretrained", str(folder / "best_epoch.bin"))
    weights, everything = started[0].state_dict(), all_weights(checkpoint)
    assert all(torch.equal(value, weights[name]) for name, value in everything.items())
    assert torch.equal(weights["formats.RTM-37.head.weight"], weights["head.weight"])
    with pytest.raises(ZeroDivisionError):
        run(config, tmp_path / "b", "--pretrained", str(tmp_path / "rtm.bin"), "--discard_last_layer")
    weights = started[1].state_dict()
    assert torch.equal(weights["formats.RTM-24.pos_embed"], everything["formats.RTM-24.pos_embed"])
    assert torch.equal(weights["head.weight"], everything["formats.RTM-24.head.weight"])
    assert caplog.text.count("RTM-24: its own layers come from the checkpoint") == 2
    assert caplog.text.count("joints start as those of H36M-17: ") == 2, "RTM-37 is in neither checkpoint"


def test_a_checkpoint_of_other_formats_is_not_continued(whole_run, tmp_path):
    _, folder = whole_run
    other = write_config(tmp_path, extra="ema_decay: 0.9\ninput_residual: true\nformats: {RTM-37: }\n")
    with pytest.raises(UserError, match="cannot continue"):
        run(other, tmp_path / "run", "--resume", str(folder / "latest_epoch.bin"))


def test_another_format_than_the_main_one_is_released(whole_run, tmp_path):
    _, folder = whole_run
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    best = folder / "best_epoch.bin"
    assert release(best, tmp_path, "rtm", "--joint_format", "rtm_24") == 0
    config = load_config(tmp_path / "rtm" / "config.yaml")
    assert (config.joint_format, config.formats) == ("RTM-24", {})
    released = load_checkpoint(tmp_path / "rtm" / "model.safetensors")
    of_format = checkpoint_of_format(load_checkpoint(best), "RTM-24")
    assert released["meta"] == of_format["meta"]
    for name, value in released["model_pos"].items():
        torch.testing.assert_close(value, of_format["model_pos"][name], rtol=1e-3, atol=1e-4)
    with pytest.raises(UserError, match=r"COCO-17.*H36M-17, RTM-24"):
        release(best, tmp_path, "coco", "--joint_format", "COCO-17")


@pytest.mark.slow
def test_two_processes_train_formats_as_one(tmp_path):
    config = tiny_config(tmp_path, "head", more="")
    config.write_text(config.read_text().replace("dropout: 0.1", "dropout: 0.0") + "no_eval: true\n")
    # the mean over the angles that are defined is not that of the processes' means
    flags = ("--set", "epochs=1", "--set", "batch_size=15", "--set", "formats.rtm_24.losses.ergo_angle=0")
    assert run(config, tmp_path / "one", *flags) == 0
    words = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29512"]
    launch = [sys.executable, *words, *command(config, tmp_path / "two", *flags)[1:]]
    subprocess.run(launch, check=True, cwd=ROOT, capture_output=True)
    one, two = weights_of(tmp_path / "one"), weights_of(tmp_path / "two")
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-3, atol=2e-5, msg=name)
