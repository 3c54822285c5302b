"""Clips: no frame is lost, nothing is random, batches are what the frames say; MotionBERT's own cases."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.data.clips import ClipSet, clip_frames, in_pieces
from lib.data.motion import Labels
from lib.data.normalize import normalize_2d, normalize_3d
from lib.errors import UserError
from lib.skeleton import list_skeletons, load_skeleton
from tests.example_motion import example_motion

UTILS = np.load(Path(__file__).parent / "data" / "golden" / "up_utils_data.npz")
COCO = load_skeleton("COCO-17")
H36M = load_skeleton("H36M-17")

EQUAL = "equal"
TAIL = "different on purpose: left-over frames get a last window, theirs are dropped"
SHORT = "different on purpose: a short video is stretched evenly, theirs at random"
LAST = "different on purpose: a short last video is kept, theirs is dropped"
REPEATED = (
    "different on purpose: a name that comes again is a video of its own, whose short second run they drop"
)

SPLITS = {
    "two_exact": EQUAL,
    "remainder": TAIL,
    "overlap": TAIL,
    "short_first": SHORT,
    "short_middle": SHORT,
    "short_last_dropped": LAST,
    "only_short": LAST,
    "single_frame_videos": LAST,
    "exact_one": EQUAL,
    "one_less": SHORT,
    "n1": EQUAL,
    "stride_gt_n": TAIL,
    "repeat_name": REPEATED,
    "empty": EQUAL,
    "h36m_like": TAIL,
    "h36m_test": TAIL,
}

# MotionBERT's resample(ori_len, target_len): without randomness it is what a short video gets here
RESAMPLES = {"replay": "not used: a short video is stretched, not repeated", "random": SHORT, "even": EQUAL}


def split_case(number: int) -> tuple[str, np.ndarray, int, int, np.ndarray]:
    case = f"split_clips/{number}/"
    names = UTILS.get(case + "vid_list", [])
    runs = [UTILS[key] for key in UTILS.files if key.startswith(case + "vid_list/runs")]
    for name, count in runs:
        names = [*names, *[name] * int(count)]
    clip_len, stride = int(UTILS[case + "n_frames"]), int(UTILS[case + "data_stride"])
    results = [UTILS[key] for key in UTILS.files if key.startswith(case + "result/")]
    labels = Labels.of(names)
    bounds = np.r_[0, np.flatnonzero(np.diff(labels.codes)) + 1, len(labels)]
    videos = np.stack([bounds[:-1], bounds[1:]], 1)[: len(labels)]
    return str(UTILS[case + "name"]), videos, clip_len, stride, np.array(results, int).reshape(-1, clip_len)


@pytest.mark.parametrize("number", range(16))
def test_motionbert_split_clips(number):
    name, videos, clip_len, stride, theirs = split_case(number)
    ours = clip_frames(videos, clip_len, stride)
    assert (SPLITS[name] == EQUAL) == np.array_equal(ours, theirs)
    whole = {tuple(clip) for clip in theirs.tolist() if clip[-1] - clip[0] == clip_len - 1}
    assert whole <= set(map(tuple, ours.tolist()))  # whatever they cut whole is here too
    if stride <= clip_len:
        assert np.array_equal(np.unique(ours), np.arange(videos[-1, 1] if len(videos) else 0))


@pytest.mark.parametrize("number", range(18))
def test_motionbert_resample(number):
    case = f"resample/{number}/"
    length, target = int(UTILS[case + "ori_len"]), int(UTILS[case + "target_len"])
    kind = (
        "replay" if case + "kw/replay" in UTILS else "even" if case + "kw/randomness" in UTILS else "random"
    )
    if length > target:
        return  # a video longer than a clip is cut, never thinned
    ours = clip_frames(np.array([[0, length]]), target, target)[0]
    trivial = length in (1, target)
    assert np.array_equal(ours, UTILS[case + "result"]) == (RESAMPLES[kind] == EQUAL or trivial)


@pytest.mark.parametrize("length", [1, 26, 27, 28, 80, 81, 485])
@pytest.mark.parametrize("stride", [1, 9, 27])
def test_no_frame_is_lost(length, stride):
    clips = clip_frames(np.array([[10, 10 + length], [500, 527]]), 27, stride)
    assert set(range(10, 10 + length)) == set(clips[clips < 500].tolist())
    assert (np.diff(clips, axis=1) >= 0).all() and clips[-1].tolist() == list(range(500, 527))


@pytest.mark.parametrize(("clip_len", "stride"), [(0, 1), (27, 0)])
def test_clips_of_nothing_are_refused(clip_len, stride):
    with pytest.raises(UserError, match="at least 1"):
        clip_frames(np.array([[0, 5]]), clip_len, stride)


@pytest.mark.parametrize("name", list_skeletons())
def test_a_batch_is_what_the_frames_say(name):
    skeleton = load_skeleton(name)
    motion = example_motion(skeleton, (50, 12, 27))  # the second is stretched
    clips = ClipSet(motion, 27, 9)
    batch = clips.batch(range(len(clips)))
    frames = clip_frames(motion.videos, 27, 9)
    assert len(clips) == len(frames) and np.array_equal(batch["frames"], frames)
    expected = np.concatenate(
        [normalize_2d(motion.joints_2d, motion.size_px), motion.confidence[..., None]], axis=-1
    )
    assert np.abs(batch["input"].numpy() - expected[frames]).max() < 1e-6
    labels = normalize_3d(motion.joints_image, motion.size_px)
    assert np.abs(batch["target"].numpy() - labels[frames]).max() < 1e-6
    assert {key: value.dtype for key, value in batch.items()} == {
        "input": torch.float32,
        "target": torch.float32,
        "frames": torch.int64,
    }


def test_a_batch_is_new_memory():
    motion = example_motion(H36M)
    clips = ClipSet(motion, 27, 9)
    first = clips.batch([0, 1])
    for value in first.values():
        value.zero_()
    assert (
        clips.batch([0, 1])["input"].abs().sum() > 0 and motion.joints_2d.any() and motion.joints_image.any()
    )


def test_several_motions_of_several_sizes():
    motions = [
        example_motion(H36M, (40,), size_px=(1920, 1080)),
        example_motion(H36M, (30, 10), size_px=(1000, 1002), seed=1),
    ]
    clips = ClipSet(motions, 27, 27)
    ids = [3, 0, 2, 1]
    batch = clips.batch(ids)
    alone = [ClipSet(motion, 27, 27) for motion in motions]
    assert (len(clips), clips.num_frames) == (5, 80)
    for row, clip in enumerate(ids):
        owner, number, offset = (0, clip, 0) if clip < 2 else (1, clip - 2, 40)
        one = alone[owner].batch([number])
        assert torch.equal(batch["input"][row], one["input"][0])
        assert torch.equal(batch["target"][row], one["target"][0])
        assert torch.equal(batch["frames"][row], one["frames"][0] + offset)
    assert clips.source_names([0, 4]) == ["video0", "video1"]
    assert np.allclose(clips.px_per_unit(), np.repeat([960, 500], 40))


def test_two_d_only_sets():
    motion = example_motion(H36M, with_3d=False)
    assert set(ClipSet(motion, 27, 27).batch([0])) == {"input", "frames"}
    with pytest.raises(UserError, match="make two sets"):
        ClipSet([motion, example_motion(H36M)], 27, 27)
    with pytest.raises(UserError, match="synthetic"):
        ClipSet(motion, 27, 27, synthetic=True)
    with pytest.raises(UserError, match="COCO-17"):
        ClipSet([motion, example_motion(COCO, with_3d=False)], 27, 27)


@pytest.mark.parametrize("key", ["gt_2d", "synthetic"])
def test_two_d_from_three_d(key):
    batch = ClipSet(example_motion(H36M), 27, 27, **{key: True}).batch([0, 1])
    assert torch.equal(batch["input"][..., :2], batch["target"][..., :2])
    assert (batch["input"][..., 2] == 1).all()


@pytest.mark.parametrize("input_scale", ["image", "box"])
def test_a_set_without_frames_is_a_set_of_no_clips(input_scale):
    motion = example_motion(H36M).select(slice(0))
    clips = ClipSet(motion, 27, 27, input_scale=input_scale)
    assert len(clips) == 0 and len(clips.px_per_unit()) == 0
    assert clips.batch([])["input"].shape == (0, 27, 17, 3)


def test_no_confidence():
    motion = example_motion(H36M)
    with_confidence, without = (ClipSet(motion, 27, 27, no_conf=flag).batch([0]) for flag in (False, True))
    assert torch.equal(without["input"], with_confidence["input"][..., :2])


def test_missing_keypoints_are_filled_once():
    motion = example_motion(H36M)
    motion.joints_2d[5, 3] = np.nan
    motion.confidence[7, 4] = 0
    batch = ClipSet(motion, 75, 75).batch([0])
    assert torch.isfinite(batch["input"]).all()
    held, kept = (ClipSet(motion, 30, 30, missing=policy).motions[0] for policy in ("hold", "keep"))
    assert np.array_equal(held.joints_2d[7, 4], motion.joints_2d[6, 4])
    assert np.array_equal(kept.joints_2d[7, 4], motion.joints_2d[7, 4])


def test_box_scale():
    motion = example_motion(H36M, (30, 45))
    motion.confidence[:30, 2] = 0
    motion.joints_2d[:30, 2] = 5000  # not seen: the box does not reach there
    clips = ClipSet(motion, 15, 15, input_scale="box", missing="keep")
    batch = clips.batch(range(2))
    xy = batch["input"][..., :2][batch["input"][..., 2] > 0]
    assert xy.abs().max() <= 1 + 1e-5 and (xy.max(0).values - xy.min(0).values).max() > 1.99
    # the labels have the same scale: back in px they are themselves but for the place of the box
    pose_px = batch["target"].numpy() * clips.px_per_unit()[batch["frames"]][..., None, None]
    label = motion.joints_image[batch["frames"]]
    assert np.abs((pose_px - pose_px[..., :1, :]) - (label - label[..., :1, :])).max() < 1e-2
    with pytest.raises(UserError, match="image, box"):
        ClipSet(motion, 15, 15, input_scale="person")


def test_nothing_seen_falls_back_to_the_image():
    motion = example_motion(H36M, (15, 15))
    motion.confidence[:15] = 0
    filled = replace(motion, missing="keep")
    clips = ClipSet(filled, 15, 15, input_scale="box")
    assert np.allclose(clips.px_per_unit()[:15], 960) and (clips.px_per_unit()[15:] < 960).all()


def test_pieces_of_a_batch_are_the_shorter_clips():
    motion = example_motion(H36M, (54, 81))
    long, short = ClipSet(motion, 27, 27), ClipSet(motion, 9, 9)
    pieces = in_pieces(long.batch(range(len(long))), 9)
    for name, value in short.batch(range(len(short))).items():
        assert torch.equal(pieces[name], value)
