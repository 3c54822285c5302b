"""Recorded errors of a detector: the right ones, of the right size, on the right clips, and never in place."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.data import recorded_errors
from lib.data.augment import Augment
from lib.data.clips import ClipSet
from lib.data.detection_noise import person_size
from lib.data.draws import Draws
from lib.data.motion import Motion
from lib.data.recorded_errors import RecordedErrors, load_recorded_errors, share_of_exact_frames
from lib.errors import UserError
from lib.geometry import flip_pose
from lib.skeleton import Skeleton, load_skeleton
from tests.example_motion import as_split, example_motion

FORMATS = pytest.mark.parametrize("name", ["H36M-17", "RTM-24", "Hand-21"])
LENGTHS = (6, 9)


def recording(skeleton: Skeleton, lengths: tuple[int, ...] = LENGTHS) -> Motion:
    """Poses unlike each other, so that each frame is nearest to itself, with errors of 20 px."""
    motion = example_motion(skeleton, lengths)
    rng = np.random.default_rng(3)
    image = rng.normal(0, 100, motion.joints_image.shape) + np.array([960, 540, 0])
    image[..., 2] -= skeleton.root_of(image)[..., 2]
    found = image[..., :2] + rng.normal(0, 20, image.shape)[..., :2]
    return replace(motion, joints_image=image, joints_2d=found, joints_mm=None, factor_mm_per_px=None)


def exact(motion: Motion) -> Motion:
    return replace(
        motion,
        joints_2d=motion.joints_image[..., :2],
        confidence=np.ones_like(motion.confidence),
        missing=None,
    )


def draws(clips: torch.Tensor, seed: int = 0) -> Draws:
    return Draws(torch.Generator().manual_seed(seed), clips)


@pytest.fixture
def every_candidate(monkeypatch):
    """So many are drawn that the nearest of all poses is among them."""
    monkeypatch.setattr(recorded_errors, "CANDIDATES", 2000)


@FORMATS
@pytest.mark.parametrize("frames", [1, 4])
def test_a_pose_of_the_recording_gets_its_own_errors_and_those_around(name, frames, every_candidate):
    skeleton = load_skeleton(name)
    motion = recording(skeleton)
    batch, found = (ClipSet(m, frames, 1).batch(range(3)) for m in (exact(motion), motion))
    given = batch["input"].clone()
    noisy = RecordedErrors(motion, skeleton)(batch["input"], batch["target"], draws(given))
    assert torch.equal(batch["input"], given)
    # the errors of a clip are those of its frames as shares of the person, here of its mean size
    truth = batch["target"][..., :2]
    shares = (found["input"][..., :2] - truth) / person_size(truth.flatten(0, 1)[:, None]).view(3, -1, 1, 1)
    expected = truth + shares * person_size(truth)
    assert torch.allclose(noisy[..., :2], expected, atol=1e-5)
    assert torch.allclose(noisy[..., 2], found["input"][..., 2])
    assert (noisy[..., :2] - truth).norm(dim=-1).mean() > 0.01


@FORMATS
def test_size_place_and_mirror_of_the_clip_change_the_errors_alike(name, every_candidate):
    skeleton = load_skeleton(name)
    motion = recording(skeleton)
    batch = ClipSet(exact(motion), 3, 1).batch(range(4))
    x, target = batch["input"], batch["target"]
    errors = RecordedErrors(motion, skeleton)
    off = errors(x, target, draws(x))[..., :2] - x[..., :2]
    scaled = torch.cat([3 * x[..., :2] + 0.5, x[..., 2:]], dim=-1)
    far = errors(scaled, 3 * (target - skeleton.root_of(target)), draws(x))
    assert torch.allclose(far[..., :2] - scaled[..., :2], 3 * off, atol=1e-4)
    mirrored = flip_pose(x, skeleton.flip_idx)
    other = errors(mirrored, flip_pose(target, skeleton.flip_idx), draws(x))
    assert torch.allclose(other[..., :2] - mirrored[..., :2], flip_pose(off, skeleton.flip_idx), atol=1e-5)
    assert torch.allclose(errors(x[..., :2], target, draws(x)), x[..., :2] + off, atol=1e-6), "two channels"


def test_frames_turn_round_at_the_ends_of_a_video():
    skeleton = load_skeleton("H36M-17")
    errors = RecordedErrors(recording(skeleton), skeleton)
    assert errors._around(torch.tensor([[1], [8]]), 9).tolist() == [
        [2, 1, 0, 0, 1, 2, 3, 4, 5],
        [7, 6, 6, 7, 8, 9, 10, 11, 12],
    ]
    mirrored = errors._around(torch.tensor([[15]]), 3).tolist()
    assert mirrored == [[15, 15, 16]], "the mirror image of the first video begins there"


def test_a_lost_point_stays_where_it_was_seen_last(every_candidate):
    skeleton = load_skeleton("H36M-17")
    motion = recording(skeleton)
    confidence = motion.confidence.copy()
    confidence[2:4, 5] = 0
    motion = replace(
        motion, confidence=confidence, joints_2d=np.where(confidence[..., None] > 0, motion.joints_2d, 0)
    )
    batch = ClipSet(exact(motion), 1, 1).batch([3])
    noisy = RecordedErrors(motion, skeleton)(batch["input"], batch["target"], draws(batch["input"]))
    seen_last = ClipSet(motion, 1, 1).batch([1])["input"][0, 0, 5, :2]
    assert noisy[0, 0, 5, 2] == 0 and torch.allclose(noisy[0, 0, 5, :2], seen_last, atol=1e-5)


def test_clips_with_errors_of_their_own_keep_them_and_missing_points_stay_missing():
    skeleton = load_skeleton("H36M-17")
    motion = recording(skeleton)
    own = ClipSet(motion, 3, 1).batch(range(4))
    errors = RecordedErrors(motion, skeleton)
    assert torch.equal(errors(own["input"], own["target"], draws(own["input"])), own["input"])
    batch = ClipSet(exact(motion), 3, 1).batch(range(4))
    x = batch["input"].clone()
    x[:, :, 2] = torch.tensor([9.0, 9.0, 0.0])
    noisy = errors(x, batch["target"], draws(x))
    assert (noisy[:, :, 2, 2] == 0).all() and not torch.equal(noisy[..., :2], x[..., :2])
    assert share_of_exact_frames(motion) == 0 and share_of_exact_frames(exact(motion)) == 1
    assert share_of_exact_frames(Motion.concat([motion, exact(motion)])) == 0.5


def pickled(folder, skeleton: Skeleton) -> str:
    path = folder / "filmed.pkl"
    path.write_bytes(pickle.dumps({"train": as_split(recording(skeleton))}))
    return str(path)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_augmentation_gives_them_to_a_share_of_clips(tmp_path, share):
    skeleton = load_skeleton("H36M-17")
    batch = ClipSet(exact(recording(skeleton, (3,) * 200)), 3, 3).batch(range(200))
    batch["target"] = batch["target"] - skeleton.root_of(batch["target"])
    keys = {"recorded_errors": pickled(tmp_path, skeleton), "recorded_error_share": share}
    augment = Augment(skeleton, flip=True, scale_range=[0.5, 2.0], **keys)
    out, again = (augment(batch, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(out["input"], again["input"])
    off = out["input"][..., :2] - out["target"][..., :2]
    hit = (off - skeleton.root_of(off)).abs().amax((1, 2, 3)) > 1e-3
    assert hit.float().mean() == pytest.approx(share, abs=0.12)
    masked = Augment(skeleton, **keys, mask_ratio=0.9)(batch, torch.Generator().manual_seed(1))["input"]
    assert ((masked == 0).all(-1)).float().mean() > 0.8, "masks come after the errors"


def test_what_cannot_be_is_said(tmp_path):
    skeleton = load_skeleton("H36M-17")
    motion = recording(skeleton)
    with pytest.raises(UserError, match=r"no file nowhere.pkl or data/motion3d"):
        load_recorded_errors(skeleton, "nowhere.pkl")
    file = pickled(tmp_path, skeleton)
    with pytest.raises(UserError, match=r"expected .frames, 24, 2. for joint_format RTM-24"):
        load_recorded_errors(load_skeleton("RTM-24"), file)
    with pytest.raises(UserError, match="no split 'trian'"):
        load_recorded_errors(skeleton, file, "trian")
    with pytest.raises(UserError, match="no 3D labels"):
        RecordedErrors(replace(motion, joints_image=None), skeleton)
    with pytest.raises(UserError, match="found nobody"):
        RecordedErrors(replace(motion, confidence=np.zeros_like(motion.confidence)), skeleton)
    with pytest.raises(UserError, match="keep one of the two"):
        Augment(skeleton, noise=True, recorded_errors=file)
    with pytest.raises(UserError, match=r"recorded_error_share: 1.5"):
        Augment(skeleton, recorded_errors=file, recorded_error_share=1.5)
    x = ClipSet(motion, 1, 1).batch([0])["input"]
    with pytest.raises(UserError, match="without 3D labels"):
        Augment(skeleton, recorded_errors=file)({"input": x}, torch.Generator())
