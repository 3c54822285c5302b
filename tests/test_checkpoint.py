"""Checkpoints: MotionBERT's load, code is refused, formats are told apart, nothing is lost silently."""

import os

import numpy as np
import pytest
import torch

from lib.checkpoint import check_meta, load_checkpoint, load_weights, model_weights, save_checkpoint
from lib.errors import UserError
from lib.model.DSTformer import DSTformer
from lib.skeleton import load_skeleton


def small_model(joint_format: str, **changes) -> DSTformer:
    options = {"dim_feat": 16, "dim_rep": 16, "depth": 1, "num_heads": 2, "mlp_ratio": 2, "maxlen": 9}
    return DSTformer(num_joints=load_skeleton(joint_format).num_joints, **(options | changes))


class RunsCode:
    def __reduce__(self):
        return os.system, ("echo code ran",)


def test_what_is_saved_is_loaded(tmp_path):
    model = small_model("H36M-17")
    save_checkpoint(tmp_path / "a.bin", {"model_pos": model.state_dict(), "min_loss": 3.5, "epoch": 2})
    loaded = load_checkpoint(tmp_path / "a.bin")
    assert loaded["min_loss"] == 3.5
    report = load_weights(small_model("H36M-17"), model_weights(loaded), skeleton=load_skeleton("H36M-17"))
    assert len(report.loaded) == len(model.state_dict()) and not report.initial and not report.unused


def test_a_checkpoint_of_motionbert_with_prefix_and_numpy_scalar_loads(tmp_path):
    model = small_model("H36M-17")
    weights = {f"module.{name}": value for name, value in model.state_dict().items()}
    torch.save({"epoch": 3, "min_loss": np.float64(37.5), "model_pos": weights}, tmp_path / "best_epoch.bin")
    loaded = load_checkpoint(tmp_path / "best_epoch.bin")
    assert float(loaded["min_loss"]) == 37.5
    assert set(model_weights(loaded)) == set(model.state_dict())


def test_a_checkpoint_that_carries_code_is_refused_by_name(tmp_path, capfd):
    torch.save({"model_pos": {}, "extra": RunsCode()}, tmp_path / "bad.bin")
    with pytest.raises(UserError, match=r"carries code \(\S*system\); refused"):
        load_checkpoint(tmp_path / "bad.bin")
    assert "code ran" not in capfd.readouterr().out


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_broken_checkpoint_is_a_users_mistake(tmp_path, content):
    (tmp_path / "cut.bin").write_bytes(content)
    with pytest.raises(UserError, match=r"cut\.bin"):
        load_checkpoint(tmp_path / "cut.bin")


def test_a_file_that_was_cut_off_is_a_users_mistake(tmp_path):
    save_checkpoint(tmp_path / "a.bin", {"model_pos": small_model("H36M-17").state_dict()})
    whole = (tmp_path / "a.bin").read_bytes()
    (tmp_path / "a.bin").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"cannot be read|refused"):
        load_checkpoint(tmp_path / "a.bin")


def test_missing_file_and_missing_weights_are_named(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        load_checkpoint(tmp_path / "none.bin")
    torch.save({"weights": {}}, tmp_path / "other.bin")
    with pytest.raises(UserError, match=r"no weights under .*weights"):
        load_checkpoint(tmp_path / "other.bin")


def test_another_joint_format_needs_the_flag_that_says_so():
    source, target = load_skeleton("H36M-17"), load_skeleton("RTM-66")
    weights = small_model("H36M-17").state_dict()
    with pytest.raises(UserError, match="--discard_last_layer"):
        load_weights(small_model("RTM-66"), weights, skeleton=target)
    with pytest.raises(UserError, match=r"H36M-17.*RTM-66.*--discard_last_layer"):
        load_weights(small_model("RTM-66"), weights, skeleton=target, source_skeleton=source)


def test_a_format_of_equal_size_is_not_taken_for_the_same_one():
    with pytest.raises(UserError, match=r"COCO-17.*H36M-17"):
        load_weights(
            small_model("H36M-17"),
            small_model("COCO-17").state_dict(),
            skeleton=load_skeleton("H36M-17"),
            source_skeleton=load_skeleton("COCO-17"),
        )


def test_66_joints_start_from_17_with_rows_copied_by_name():
    source, target = load_skeleton("H36M-17"), load_skeleton("RTM-66")
    old, new = small_model("H36M-17"), small_model("RTM-66")
    initial = new.pos_embed.detach().clone()
    report = load_weights(
        new, old.state_dict(), skeleton=target, source_skeleton=source, discard_last_layer=True
    )
    copied = report.by_joint["pos_embed"]
    assert {"left_knee", "right_elbow", "left_shoulder"} <= set(copied)
    for row, name in enumerate(target.canonical):
        expected = old.pos_embed[0, source.canonical.index(name)] if name in copied else initial[0, row]
        assert torch.equal(new.pos_embed[0, row], expected), name
    assert torch.equal(new.head.weight, old.head.weight)
    assert not report.initial


def test_without_the_source_format_the_embedding_stays_initial_and_says_so():
    report = load_weights(
        small_model("RTM-66"),
        small_model("H36M-17").state_dict(),
        skeleton=load_skeleton("RTM-66"),
        discard_last_layer=True,
    )
    assert report.initial == ["pos_embed"]
    assert "pos_embed" in "\n".join(report.lines())


def test_a_deeper_checkpoint_is_not_cut_silently():
    with pytest.raises(UserError, match=r"blocks_st\.1.*model missing"):
        load_weights(
            small_model("H36M-17"),
            small_model("H36M-17", depth=2).state_dict(),
            skeleton=load_skeleton("H36M-17"),
        )


def test_a_checkpoint_of_other_terms_is_refused():
    meta = {"input_scale": "box", "root": ["root"], "fps": 30}
    check_meta(meta, {"input_scale": "box", "root": ["root"], "fps": None, "no_conf": False})
    check_meta({}, {"input_scale": "image"})  # MotionBERT's files tell nothing
    with pytest.raises(UserError, match="input_scale: checkpoint box, config image"):
        check_meta(meta, {"input_scale": "image"})


def test_loading_nothing_is_an_error():
    with pytest.raises(UserError, match="no parameter"):
        load_weights(
            small_model("H36M-17"),
            {"other.weight": torch.zeros(3)},
            skeleton=load_skeleton("H36M-17"),
            discard_last_layer=True,
        )


def test_saving_leaves_the_old_file_when_it_fails(tmp_path):
    save_checkpoint(tmp_path / "a.bin", {"model_pos": {"w": torch.ones(2)}})
    with pytest.raises(Exception, match=r"pickle|lambda|local"):
        save_checkpoint(tmp_path / "a.bin", {"model_pos": {}, "broken": lambda: None})
    assert torch.equal(load_checkpoint(tmp_path / "a.bin")["model_pos"]["w"], torch.ones(2))
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("frames", [1, 5, 9, 17])
def test_a_model_for_other_clips_begins_with_the_frames_of_the_old_one(frames):
    model = small_model("H36M-17")
    rows = torch.linspace(1, 0, frames)[None, :, None, None].expand(1, frames, 1, 16).clone()
    weights = {**small_model("H36M-17").state_dict(), "temp_embed": rows}
    report = load_weights(model, weights, skeleton=load_skeleton("H36M-17"), fit_frames=True)
    loaded = model.temp_embed.detach()
    if frames == 1:
        assert torch.equal(loaded, rows.expand_as(loaded))
    elif frames == 17:
        assert torch.equal(loaded, rows[:, :9])
    else:
        assert torch.allclose(loaded[0, :, 0, 3], torch.linspace(1, 0, 9), atol=1e-6)
    told = [f"temp_embed: 9 frames made from {frames}"] if frames != 9 else []
    assert report.lines()[1:] == told
    if told:
        with pytest.raises(UserError, match="temp_embed: file"):
            load_weights(model, weights, skeleton=load_skeleton("H36M-17"))


@torch.no_grad()
def test_a_model_of_single_frames_begins_clips_with_what_it_knows():
    torch.manual_seed(0)
    H36M = load_skeleton("H36M-17")
    single, model = small_model("H36M-17", maxlen=1), small_model("H36M-17")
    for block in (*single.blocks_st, *single.blocks_ts):  # as after training: values that matter
        torch.nn.init.orthogonal_(block.attn_t.qkv.weight)
        torch.nn.init.orthogonal_(block.attn_t.proj.weight)
    torch.nn.init.normal_(single.joints_embed.weight)
    clip = torch.rand(2, 9, 17, 3)
    wanted = single(clip.reshape(18, 1, 17, 3)).reshape(2, 9, 17, 3)

    def off() -> float:
        return float((model(clip) - wanted).abs().mean() / wanted.std())

    load_weights(model, single.state_dict(), skeleton=H36M, fit_frames=True)
    begun = off()
    for block in (*model.blocks_st, *model.blocks_ts):
        torch.nn.init.zeros_(block.attn_t.qkv.weight[:32])  # queries and keys: every frame counts the same
    assert begun < 0.6 * off()
    still = clip[:, :1].expand(2, 9, 17, 3)
    load_weights(model, single.state_dict(), skeleton=H36M, fit_frames=True)
    assert torch.allclose(model(still), single(clip[:, :1]).expand(2, 9, 17, 3), atol=1e-5)
