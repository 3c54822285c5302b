"""Augmentation: for any joint format, per clip, from the generator alone, and never in place."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.data.augment import Augment
from lib.data.build import build_augment
from lib.data.clips import ClipSet
from lib.data.detection_noise import person_size
from lib.errors import UserError
from lib.geometry import flip_pose
from lib.skeleton import list_skeletons, load_skeleton
from tests.example_motion import example_motion

GOLDEN = Path(__file__).parent / "data" / "golden"
UTILS = np.load(GOLDEN / "up_utils_data.npz")
UPSTREAM = np.load(GOLDEN / "up_augment.npz")
H36M = load_skeleton("H36M-17")
HAND = load_skeleton("Hand-21")

EVERYTHING = {
    "flip": True,
    "scale_range": [0.5, 1.5],
    "noise": True,
    "mask_ratio": 0.1,
    "mask_T_ratio": 0.1,
}
ONE_KEY = [{key: value} for key, value in EVERYTHING.items()]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_of(skeleton, clips: int = 16, frames: int = 27, seed: int = 0) -> dict[str, torch.Tensor]:
    motion = example_motion(skeleton, (frames,) * clips, seed=seed)
    return ClipSet(motion, frames, frames).batch(range(clips))


@pytest.fixture
def motionbert_files(tmp_path) -> dict[str, str]:
    noise = {key: torch.from_numpy(UPSTREAM[f"noise/{key}"]) for key in ("mean", "std", "weight")}
    torch.save(noise, tmp_path / "synthetic_noise.pth")
    confidence = {key: UPSTREAM[f"d2c_params/{key}"][()] for key in "abms"}
    (tmp_path / "d2c_params.pkl").write_bytes(pickle.dumps(confidence))
    return {
        "noise_path": str(tmp_path / "synthetic_noise.pth"),
        "d2c_params_path": str(tmp_path / "d2c_params.pkl"),
    }


@pytest.mark.parametrize("channels", ["2d", "3d"])
def test_motionbert_flip(channels):
    case = {key: torch.from_numpy(UTILS[f"flip/H36M/{channels}/{key}"]) for key in ("input", "output")}
    augment = Augment(H36M, flip=True)
    mirrored = augment._mirrored(case["input"], torch.arange(len(case["input"])))
    assert (mirrored - case["output"]).abs().max() < 1e-6


@pytest.mark.parametrize("name", list_skeletons())
def test_flip_takes_whole_clips_and_goes_with_the_label(name):
    skeleton = load_skeleton(name)
    batch = batch_of(skeleton, clips=64, frames=4)
    batch["weight"] = batch["input"][..., 2]
    result = Augment(skeleton, flip=True)(batch, generator())
    assert torch.equal(result["weight"], result["input"][..., 2])
    flipped = {key: flip_pose(batch[key], skeleton.flip_idx) for key in ("input", "target")}
    chosen = 0
    for clip in range(64):
        same = [torch.equal(result[key][clip], batch[key][clip]) for key in flipped]
        mirrored = [torch.equal(result[key][clip], flipped[key][clip]) for key in flipped]
        assert same == [True, True] or mirrored == [True, True]
        chosen += mirrored[0]
    assert 16 < chosen < 48  # 0.5 of 64, four standard deviations


@pytest.mark.parametrize("name", list_skeletons())
def test_every_joint_format_can_be_augmented(name):
    batch = batch_of(load_skeleton(name), clips=4)
    result = Augment(load_skeleton(name), **EVERYTHING)(batch, generator())
    assert {key: value.shape for key, value in result.items()} == {
        key: value.shape for key, value in batch.items()
    }
    assert all(torch.isfinite(value).all() for value in result.values())
    assert ((result["input"][..., 2] >= 0) & (result["input"][..., 2] <= 1)).all()


@pytest.mark.parametrize("keys", [*ONE_KEY, EVERYTHING], ids=str)
def test_only_the_generator_decides_and_nothing_is_changed_in_place(keys):
    batch = batch_of(H36M)
    before = {key: value.clone() for key, value in batch.items()}
    augment = Augment(H36M, **keys)
    torch.manual_seed(1)
    first = augment(batch, generator(5))
    torch.manual_seed(2)
    again, other = augment(batch, generator(5)), augment(batch, generator(6))
    for key, value in before.items():
        assert torch.equal(batch[key], value)
        assert torch.equal(first[key], again[key])
    assert not torch.equal(first["input"], other["input"])
    assert not torch.equal(first["input"], before["input"])


@pytest.mark.parametrize("keys", ONE_KEY, ids=str)
def test_every_clip_has_draws_of_its_own(keys):
    one = batch_of(H36M, clips=1)
    batch = {key: value.repeat(32, *[1] * (value.ndim - 1)) for key, value in one.items()}
    result = Augment(H36M, **keys)(batch, generator())["input"]
    different = len({clip.numpy().tobytes() for clip in result})
    assert different == 2 if "flip" in keys else different >= 30


def test_scale_zooms_input_and_label_alike():
    batch = batch_of(H36M)
    result = Augment(H36M, scale_range=[0.5, 2.0])(batch, generator())
    ratio = result["target"] / batch["target"]
    scale = ratio[:, 0, 0, 0]
    assert torch.allclose(
        ratio.nan_to_num(1.0)[..., :2], scale[:, None, None, None].expand_as(ratio[..., :2])
    )
    assert torch.allclose(result["input"][..., :2], batch["input"][..., :2] * scale[:, None, None, None])
    assert torch.equal(result["input"][..., 2], batch["input"][..., 2])
    assert (scale >= 0.5).all() and (scale <= 2).all() and scale.std() > 0.2


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_masks_work_alone(share):
    batch = batch_of(H36M, clips=32)
    batch["input"] = torch.ones_like(batch["input"])
    joints = Augment(H36M, mask_ratio=share)(batch, generator())["input"]
    frames = Augment(H36M, mask_T_ratio=share)(batch, generator())["input"]
    for masked in (joints, frames):
        assert set(masked.unique().tolist()) == {0.0, 1.0}
        assert torch.equal(masked.amin(-1), masked.amax(-1))  # all channels at once
        assert abs(1 - masked.mean().item() - share) < 0.05
    assert torch.equal(frames.amin((2, 3)), frames.amax((2, 3)))  # whole frames
    assert not torch.equal(joints.amin((2, 3)), joints.amax((2, 3)))


@pytest.mark.parametrize("zoom", [1.0, 0.25])
@pytest.mark.parametrize("skeleton", [H36M, HAND], ids=lambda s: s.name)
def test_built_in_noise_follows_the_size_of_what_is_seen(skeleton, zoom):
    batch = batch_of(skeleton, clips=64, frames=81)
    batch["input"] = batch["input"] * torch.tensor([zoom, zoom, 0]) + torch.tensor([0, 0, 1.0])
    noisy = Augment(skeleton, noise=True, noise_std=0.0)(batch, generator())["input"]
    off = (noisy - batch["input"])[..., :2] / person_size(batch["input"])
    assert 0.004 < off.std() < 0.012 and off.abs().max() <= 0.05
    distance = off.norm(dim=-1).flatten()
    correlation = np.corrcoef(distance, noisy[..., 2].flatten())[0, 1]
    assert correlation < -0.2  # the further off, the less confident
    # an error lasts: it is nearly the same in the next frame
    steps = (off[:, 1:] - off[:, :-1]).std()
    assert steps < off.std() / 3


def test_noise_keeps_missing_keypoints_missing_and_two_channels_two():
    batch = batch_of(H36M)
    batch["input"][:, :, 3, 2] = 0
    augment = Augment(H36M, noise=True)
    assert (augment(batch, generator())["input"][:, :, 3, 2] == 0).all()
    batch["input"] = batch["input"][..., :2]
    result = Augment(H36M, **EVERYTHING)(batch, generator())["input"]
    assert result.shape == batch["input"].shape


# MotionBERT's Augmenter2D on the same clips with its own noise files. Draws come from a passed generator in
# another order, so that no random case can be equal; what is compared is stated with it.
UPSTREAM_CASES = {
    0: "noise: different on purpose, drawn per clip (its jitter is shared by the batch); same statistics",
    1: "mask: different on purpose, frames drawn per clip (its are shared by the batch); same shares",
    2: "noise and mask: different on purpose, as above",
}


@pytest.mark.parametrize("number", UPSTREAM_CASES)
def test_motionbert_noise_and_masks(number, motionbert_files):
    case = {key: UPSTREAM[f"cases/{number}/{key}"] for key in ("input", "output", "noise", "mask")}
    given = torch.from_numpy(case["input"]).clone()
    given[..., 2] = 1
    keys = dict(motionbert_files, noise=True) if case["noise"] else {}
    if case["mask"]:
        keys |= {"mask_ratio": 0.05, "mask_T_ratio": 0.1}
    ours = Augment(H36M, **keys)({"input": given.repeat(64, 1, 1, 1)}, generator())["input"].numpy()
    given, theirs = given.numpy(), case["output"]
    assert not np.array_equal(ours[:2], theirs)
    kept, their_kept = (ours != 0).any(-1), (theirs != 0).any(-1)
    assert abs(kept.mean() - their_kept.mean()) < 0.08
    if not case["noise"]:
        return
    off, their_off = ((x - y)[..., :2] for x, y in ((ours, np.tile(given, (64, 1, 1, 1))), (theirs, given)))
    for joint in range(17):  # the means and deviations of each joint come from the file
        mine, other = off[:, :, joint][kept[:, :, joint]], their_off[:, :, joint][their_kept[:, :, joint]]
        assert np.abs(mine.mean(0) - other.mean(0)).max() < 0.006
        assert np.abs(mine.std(0) / other.std(0) - 1).max() < 0.6
    assert abs(ours[..., 2][kept].mean() - theirs[..., 2][their_kept].mean()) < 0.03
    assert abs(ours[..., 2][kept].std() - theirs[..., 2][their_kept].std()) < 0.03


def test_noise_files_of_other_joints_or_content_are_refused(motionbert_files, tmp_path):
    with pytest.raises(UserError, match="17 joints, Hand-21 has 21"):
        Augment(HAND, noise=True, **motionbert_files)
    torch.save({"mean": 1}, tmp_path / "other.pth")
    with pytest.raises(UserError, match="must hold mean, std and weight"):
        Augment(H36M, noise=True, noise_path=str(tmp_path / "other.pth"))
    torch.save({"mean": Path()}, tmp_path / "evil.pth")
    with pytest.raises(UserError, match="no file of plain tensors"):
        Augment(H36M, noise=True, noise_path=str(tmp_path / "evil.pth"))
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1]))
    with pytest.raises(UserError, match="numbers a, b, m and s"):
        Augment(H36M, noise=True, d2c_params_path=str(tmp_path / "list.pkl"))
    with pytest.raises(UserError, match="cannot read"):
        Augment(H36M, noise=True, noise_path="nowhere.pth")


@pytest.mark.parametrize(
    "keys", [{"mask_ratio": 5}, {"mask_T_ratio": -0.1}, {"scale_range": [1.0, 0.5]}], ids=str
)
def test_impossible_keys_are_refused(keys):
    with pytest.raises(UserError, match=next(iter(keys))):
        Augment(H36M, **keys)


def test_the_config_decides():
    config = {"flip": True, "noise": False, "mask_ratio": 0.2, "scale_range": None, "epochs": 3}
    augment = build_augment(config, H36M)
    assert (
        augment.flip and augment.noise is None and augment.mask_ratio == 0.2 and augment.scale_range is None
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_a_gpu():
    batch = {key: value.cuda() for key, value in batch_of(H36M).items()}
    for device in ("cpu", "cuda"):
        result = Augment(H36M, **EVERYTHING)(batch, torch.Generator(device).manual_seed(0))
        assert result["input"].is_cuda and torch.isfinite(result["input"]).all()
