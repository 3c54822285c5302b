"""Lifting of long videos: scaling of the input, windows and blending, the way back to pixels, checkpoints.

Beside MotionBERT's video inference (golden values of its reader ``read_input``; what it does with them, by reading):

    what                                  here
    ------------------------------------  --------------------------------------------------------------------------
    Halpe-26 to H36M-17, x and y          equal
    confidence of the made spine          different on purpose: the lower one of hip and neck, not their mean
    box and pixel scaling, one person     equal, 1e-5
    a file with several people, no focus  different on purpose: tracks of one person each, never mixed into one;
                                          the numbers of the mixed array are equal
    neither image size nor box            different on purpose: it crashes there
    a track without a box                 different on purpose: an error, not a pose of zeros
    clips                                 different on purpose: they overlap and are blended; the last one is whole
    depth, models not root-relative       different on purpose: the windows are brought to one depth, and the whole
                                          body of the first frame moves with its root, not the root joint alone
    flip                                  equal, by the skeleton's own pairs
    X3D.npy, also with --pixel            equal
    gt_2d of a config                     different on purpose: x and y are the network's, not the detector's
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lib.checkpoint import save_checkpoint
from lib.config import dump_config, load_config
from lib.data.clips import ClipSet
from lib.data.motion import Motion
from lib.data.normalize import crop_scale
from lib.data.training_data import checkpoint_meta
from lib.engine import Runtime
from lib.errors import UserError
from lib.evaluate import predict
from lib.model.build import build_model
from lib.skeleton import conversion, list_skeletons, load_skeleton
from lib.wild.hand_formats import is_one_hand
from lib.wild.lift import (
    Lifter,
    input_scaling,
    lift,
    load_lifter,
    model_input,
    to_motionbert_units,
)
from lib.wild.lifter import usual_overlap
from lib.wild.records import save_npz
from lib.wild.smooth import SMOOTHERS, smooth, smoothing_note
from lib.wild.windows import blend_weights, window_starts
from tests.example_motion import example_motion
from tools import seam_measure

H36M = load_skeleton("H36M-17")
GOLDEN = Path(__file__).parent / "data/golden"
RUNTIME = Runtime(torch.device("cpu"), 0, 1, "fp32")


class Network(nn.Module):
    """Stands for a network: ``function`` of (N,T,J,C), and a record of the shapes that it was given."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.shapes.append(tuple(x.shape))
        return self.function(x)


def echo(x: torch.Tensor) -> torch.Tensor:
    """x and y as they came, and a depth made of both."""
    return torch.stack([x[..., 0], x[..., 1], x[..., 0] - x[..., 1] / 2], dim=-1)


def lifter(function=echo, skeleton=H36M, **changes) -> Lifter:
    terms = {
        "network": Network(function) if not isinstance(function, nn.Module) else function,
        "skeleton": skeleton,
        "runtime": RUNTIME,
        "clip_len": 16,
        "overlap": 4,
        "batch_size": 3,
        "scale": "image",
        "rootrel": False,
        "no_conf": False,
        "missing": "hold",
        "flip": False,
        "fps": None,
    }
    return Lifter(**(terms | changes))


def motion_2d(lengths=(30, 45), skeleton=H36M, **changes) -> Motion:
    return replace(example_motion(skeleton, lengths, with_3d=False), **changes)


def smooth_motion(num_frames: int, fps: float = 30.0) -> Motion:
    """A person whose joints swing slowly."""
    seconds = np.arange(num_frames)[:, None] / fps
    phase = np.arange(H36M.num_joints)
    xy = np.stack([600 + 80 * np.sin(2 * seconds + phase), 400 + 60 * np.cos(3 * seconds + phase)], axis=-1)
    return Motion(
        joints_2d=xy + 15 * phase[:, None],
        confidence=np.ones(xy.shape[:2]),
        source="walk",
        camera="",
        action="",
        fps=fps,
        size_px=np.array([1280, 720]),
        skeleton=H36M,
    )


# --- windows


@pytest.mark.parametrize("clip_len", [1, 2, 7, 16, 243])
@pytest.mark.parametrize("num_frames", [1, 2, 15, 16, 17, 31, 32, 100, 243, 244, 1000])
def test_weights_of_every_frame_sum_to_one(num_frames, clip_len):
    starts, length = (
        window_starts(num_frames, clip_len, usual_overlap(clip_len)),
        min(num_frames, clip_len),
    )
    assert starts[0] == 0 and starts[-1] + length == num_frames
    total = np.zeros(num_frames)
    for start, weights in zip(starts, blend_weights(starts, length), strict=True):
        assert (weights >= 0).all()
        total[start : start + length] += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_windows_start_and_end_at_next_to_nothing_and_overlap_little():
    starts = window_starts(1000, 243, usual_overlap(243))
    weights = blend_weights(starts, 243)
    assert len(starts) == 5 and np.diff(starts).max() <= 243 - 30
    assert weights[1:, 0].max() < 0.002 and weights[:-1, -1].max() < 0.002
    assert weights[0, 0] == weights[-1, -1] == 1
    assert (np.abs(np.diff(weights, axis=1)) < 2 / 30).all()


def test_without_overlap_windows_are_cut_hard():
    starts = window_starts(20, 5, 0)
    np.testing.assert_array_equal(starts, [0, 5, 10, 15])
    np.testing.assert_array_equal(blend_weights(starts, 5), 1)


# --- scaling of the input


@pytest.fixture(scope="module")
def halpe() -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (F,26,3) of all people of an AlphaPose file in the order of the file, and who each is."""
    entries = json.loads((GOLDEN / "up_wild.json").read_text())
    keypoints = np.array([entry["keypoints"] for entry in entries], np.float64).reshape(len(entries), -1, 3)
    return keypoints, np.array([entry["idx"] for entry in entries])


@pytest.mark.parametrize("case", range(12))
def test_input_equals_motionbert(case, halpe):
    golden = np.load(GOLDEN / "up_wild.npz")
    name = f"read_input/{case}"
    size_px, scale_range, focus = (golden[f"{name}/{key}"] for key in ("vid_size", "scale_range", "focus"))
    expected = golden[f"{name}/output"]
    if expected.dtype.kind == "U":  # neither size nor box
        assert expected.item().startswith("UnboundLocalError")
        return
    keypoints, person = halpe
    if focus.dtype.kind != "U":
        keypoints = keypoints[person == focus]
    xy, confidence = conversion(load_skeleton("Halpe-26"), H36M, log=False).apply(
        keypoints[..., :2], keypoints[..., 2]
    )
    motion = motion_2d(
        (len(xy),),
        joints_2d=xy,
        confidence=confidence,
        missing="keep",
        size_px=np.array([640, 480] if size_px.dtype.kind == "U" else size_px),
    )
    found = model_input(lifter(scale="pixel" if scale_range.dtype.kind == "U" else "box"), motion)
    np.testing.assert_allclose(found[..., :2], expected[..., :2], atol=1e-5)
    made = np.array([joint == "spine" for joint in H36M.joints])
    np.testing.assert_allclose(found[:, ~made, 2], expected[:, ~made, 2], atol=1e-6)
    assert (found[:, made, 2] <= expected[:, made, 2] + 1e-6).all()


@pytest.mark.parametrize("kind", ["image", "box"])
def test_input_is_scaled_as_in_training(kind):
    motion = motion_2d((40,))
    batch = ClipSet(motion, 40, 40, input_scale=kind).batch([0])["input"][0]
    np.testing.assert_allclose(model_input(lifter(scale=kind), motion), batch, atol=1e-5)


def test_box_leaves_out_what_was_not_seen_and_clips_it():
    motion = motion_2d((20,), missing="keep")
    motion.confidence[3, 5], motion.joints_2d[3, 5] = 0, 1e4
    found = model_input(lifter(scale="box"), motion)
    np.testing.assert_allclose(found, crop_scale(motion.keypoints), atol=1e-5)
    assert found[3, 5, 0] == 1


def test_box_is_one_for_all_segments_of_a_person_but_not_for_two_people():
    apart = np.repeat([0, 300], 20)[:, None, None]
    motion = motion_2d((40,), camera=np.repeat(["segment 1", "segment 2"], 20))
    motion = replace(motion, joints_2d=motion.joints_2d + apart)
    together = model_input(lifter(scale="box"), motion)
    assert together[:20, :, 0].max() < together[20:, :, 0].max() - 0.2
    np.testing.assert_allclose(together, crop_scale(motion.keypoints), atol=1e-5)
    other = model_input(lifter(scale="box"), replace(motion, source=np.repeat(["a", "b"], 20)))
    np.testing.assert_allclose(other[20:], crop_scale(motion.keypoints[20:]), atol=1e-5)


@pytest.mark.parametrize("kind", ["image", "box", "pixel"])
@pytest.mark.parametrize("rootrel", [False, True])
def test_back_in_pixels_and_in_motionberts_units(kind, rootrel):
    motion = motion_2d()
    model = lifter(scale=kind, rootrel=rootrel)
    lifted = lift(model, motion)
    if not rootrel:  # the network says x and y as it got them
        np.testing.assert_allclose(lifted.joints_image[..., :2], motion.joints_2d, atol=1e-3)
    else:
        np.testing.assert_allclose(
            H36M.root_of(lifted.joints_image)[..., :2], H36M.root_of(motion.joints_2d), atol=1e-3
        )
        assert (H36M.root_of(lifted.joints_image)[..., 2] == 0).all()
    given = model_input(model, motion)
    raw = echo(torch.from_numpy(given)).numpy()
    for start, stop in motion.videos:
        if rootrel:
            raw[start:stop, H36M.root_idx] = 0
        else:
            raw[start:stop, :, 2] -= raw[start, H36M.root_idx, 2]
    np.testing.assert_allclose(to_motionbert_units(lifted, model, pixel=False), raw, atol=1e-5)
    width, height = motion.size_px[0]
    pixel = raw * min(width, height) / 2 + np.array([width / 2, height / 2, 0])
    np.testing.assert_allclose(to_motionbert_units(lifted, model, pixel=True), pixel, atol=5e-3)


def test_no_box_and_unknown_scale_are_errors():
    with pytest.raises(UserError, match="fewer than four keypoints"):
        lift(lifter(scale="box"), motion_2d(confidence=np.zeros((75, 17)), missing="keep"))
    with pytest.raises(UserError, match="allowed: image, box, pixel"):
        input_scaling(np.ones((3, 17, 3)), "width", (640, 480))


# --- lifting


def tiny_config(**keys):
    small = {
        **{"reader": "worker", "joint_format": "H36M-17", "clip_len": 16, "maxlen": 16},
        **{
            "dim_feat": 16,
            "dim_rep": 16,
            "depth": 1,
            "num_heads": 2,
            "mlp_ratio": 2,
            "losses": {"mpjpe": 1.0},
        },
    }
    texts = [f"{key}={json.dumps(value)}" for key, value in (small | keys).items()]
    return load_config("configs/quickstart.yaml", texts, task="pose3d")


@pytest.mark.parametrize("name", list_skeletons())
@pytest.mark.parametrize("rootrel", [False, True])
def test_every_format_is_lifted(name, rootrel):
    torch.manual_seed(0)
    skeleton = load_skeleton(name)
    flips = {"flip": False, "eval_flip": False} if is_one_hand(skeleton) else {}
    config = tiny_config(joint_format=name, rootrel=rootrel, input_residual=rootrel, **flips)
    network = build_model(config, skeleton).eval()
    lifted = lift(
        lifter(network, skeleton, flip=True, rootrel=rootrel), motion_2d((1, 9, 50), skeleton=skeleton)
    )
    assert lifted.joints_image.shape == (60, skeleton.num_joints, 3)
    assert np.isfinite(lifted.joints_image).all()


@pytest.mark.parametrize("no_conf", [False, True])
def test_one_window_is_what_evaluation_predicts(no_conf):
    torch.manual_seed(0)
    config = tiny_config(no_conf=no_conf)
    network = build_model(config, H36M).eval()
    motion = motion_2d((16,))
    clips = ClipSet(motion, 16, 16, no_conf=no_conf)
    expected, _ = predict(network, clips, H36M, RUNTIME, batch_size=1, rootrel=True, flip=True)
    model = lifter(network, rootrel=True, flip=True, no_conf=no_conf)
    found = to_motionbert_units(lift(model, motion), model, pixel=False)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_mirrored_motion_gives_the_mirrored_pose():
    torch.manual_seed(0)
    network = build_model(tiny_config(), H36M).eval()
    model = lifter(network, flip=True, rootrel=True)
    motion = motion_2d((40,))
    width = motion.size_px[0, 0]
    mirrored_2d = motion.joints_2d[:, H36M.flip_idx] * [-1, 1] + [width, 0]
    mirrored = replace(motion, joints_2d=mirrored_2d, confidence=motion.confidence[:, H36M.flip_idx])
    there, back = lift(model, motion).joints_image, lift(model, mirrored).joints_image
    np.testing.assert_allclose(
        back[:, H36M.flip_idx] * [-1, 1, 1] + [width, 0, 0], there, atol=width * 1e-5, rtol=0
    )


def test_videos_do_not_touch_each_other():
    def mean_of_window(x):
        return echo(x) + x.mean(1, keepdim=True)

    motion = motion_2d((30, 45))
    together = lift(lifter(mean_of_window), motion).joints_image
    apart = [
        lift(lifter(mean_of_window), motion.select(part)).joints_image for part in (np.s_[:30], np.s_[30:])
    ]
    np.testing.assert_allclose(together, np.concatenate(apart), atol=1e-3)


def test_short_videos_are_fed_as_they_are_and_batches_hold_no_more_than_asked():
    model = lifter(flip=True, batch_size=2)
    lift(model, motion_2d((5, 100)))
    assert model.network.shapes[0] == (2, 5, 17, 3)
    assert {shape[1] for shape in model.network.shapes[1:]} == {16}
    assert max(shape[0] for shape in model.network.shapes) == 4


@pytest.mark.parametrize("fps", [None, 12.0])
def test_progress_counts_every_frame_once(fps):
    counts: list[int] = []
    lift(lifter(fps=fps), motion_2d((5, 100)), progress=counts.append)
    assert sum(counts) == 105 and len(counts) > 2 and min(counts) >= 0


def test_what_was_given_stays_and_only_the_pose_is_new():
    motion = motion_2d()
    before = motion.joints_2d.copy()
    lifted = lift(lifter(), motion)
    assert lifted.joints_2d is motion.joints_2d and motion.joints_image is None
    np.testing.assert_array_equal(motion.joints_2d, before)


def test_joints_that_were_not_found_are_filled_as_in_training():
    motion = motion_2d((30,))
    motion.joints_2d[10:20, 4] = np.nan
    assert np.isfinite(lift(lifter(rootrel=True), motion).joints_image).all()


# --- seams


def leaning(x: torch.Tensor) -> torch.Tensor:
    """A network whose error, another one for each joint, grows towards the ends of the window: up to 13 px there."""
    place = torch.linspace(-1, 1, x.shape[1])[None, :, None, None]
    joint = torch.linspace(-1, 1, x.shape[2])[:, None]
    return echo(x) + 0.01 * joint * (place + place**3)


def acceleration(pose: np.ndarray) -> np.ndarray:
    """Mean over the joints (F,), of the pose relative to its root; 0 for the first and the last frame."""
    pose = pose - H36M.root_of(pose)
    return np.pad(np.linalg.norm(np.diff(pose, 2, axis=0), axis=-1).mean(-1), 1)


@pytest.mark.parametrize("rootrel", [False, True])
def test_blending_leaves_no_seam_where_hard_cuts_do(rootrel):
    motion = smooth_motion(1000)
    model = lifter(leaning, clip_len=243, overlap=usual_overlap(243), rootrel=rootrel)
    smooth_everywhere = acceleration(lift(replace(model, network=Network(echo)), motion).joints_image)
    starts, frames = window_starts(1000, 243, model.overlap), np.arange(1000)[:, None]
    shared = ((frames >= starts[1:] - 1) & (frames <= starts[:-1] + 243)).any(1)
    blended = acceleration(lift(model, motion).joints_image)
    assert blended[shared].mean() < 1.03 * smooth_everywhere[shared].mean()
    cut = acceleration(lift(model, replace(motion, camera=np.arange(1000) // 243)).joints_image)
    borders = np.arange(243, 1000, 243)
    assert cut[borders].mean() > 5 * smooth_everywhere[borders].mean()


def test_the_tool_measures_hard_cuts_and_blending(saved, tmp_path, capsys):
    config = tiny_config()
    path = saved(config)
    path.with_name("config.yaml").write_text(dump_config(config))
    keypoints = smooth_motion(30).keypoints.copy()
    keypoints[20:22] = np.nan
    stored = {"keypoints": keypoints, "joints": np.array(H36M.joints), "fps": 30.0, "size_px": (1280, 720)}
    save_npz(tmp_path / "keypoints_2d.npz", stored)
    given = ["-e", str(path), "-j", str(tmp_path / "keypoints_2d.npz"), "--frames", "100", "--device", "cpu"]
    assert seam_measure.main(given) == 0
    _, hard, blend, _ = capsys.readouterr().out.splitlines()
    assert float(hard.split()[2]) > float(blend.split()[-3]) > 0  # acceleration at borders


def test_depth_of_windows_is_brought_together():
    """A model that is not root-relative says depth relative to each window's first frame."""

    def walking_away(x):  # the depth of the root is x of the root
        depth = x[..., 0] - x[:, :1, :1, 0]
        return torch.cat([x[..., :2], depth[..., None]], dim=-1)

    motion = smooth_motion(300)
    lifted = lift(lifter(walking_away, clip_len=40, overlap=8), motion).joints_image
    expected = motion.joints_2d[..., 0] - motion.joints_2d[:1, :1, 0]
    np.testing.assert_allclose(lifted[..., 2], expected, atol=0.01)


# --- frame rate


@pytest.mark.parametrize("rate", [15.0, 24.0, 50.0, 60.0])
def test_a_model_at_its_own_rate_gives_the_motions_frames(rate):
    motion = smooth_motion(120, fps=30.0)
    model = lifter(fps=rate, clip_len=32, overlap=8)
    lifted = lift(model, motion)
    assert lifted.num_frames == 120 and lifted.fps == 30
    np.testing.assert_allclose(lifted.joints_image[..., :2], motion.joints_2d, atol=1.5)
    shown = round(119 * rate / 30) + 1
    assert len(model.network.shapes) == -(-len(window_starts(shown, 32, 8)) // 3)


def test_few_frames_at_another_rate():
    for num_frames in (1, 2, 3):
        assert np.isfinite(lift(lifter(fps=2.0), smooth_motion(num_frames)).joints_image).all()
    with pytest.raises(UserError, match="does not tell its own"):
        lift(lifter(fps=2.0), motion_2d(fps=None))


# --- checkpoints


@pytest.fixture
def saved(tmp_path):
    """A function that writes the checkpoint of a config with other keys, and gives its path."""

    def save(config, with_meta=True):
        torch.manual_seed(0)
        skeleton = load_skeleton(config.joint_format)
        content = {"model_pos": build_model(config, skeleton).state_dict(), "epoch": 1}
        if with_meta:
            content["meta"] = checkpoint_meta(config, skeleton, 30.0)
        save_checkpoint(tmp_path / "best_epoch.bin", content)
        return tmp_path / "best_epoch.bin"

    return save


def loaded(path, config, **options) -> Lifter:
    return load_lifter(
        path, config=config, skeleton=load_skeleton(config.joint_format), runtime=RUNTIME, **options
    )


def test_the_checkpoint_says_how_its_input_is_scaled(saved):
    box, image = tiny_config(input_scale="box"), tiny_config()
    assert loaded(saved(box), box).scale == "box"
    path = saved(image)
    assert loaded(path, image).scale == "image"
    assert loaded(path, image, pixel=True).scale == "pixel"
    assert loaded(saved(image, with_meta=False), image).scale == "box"  # as MotionBERT
    model = loaded(path, image)
    assert model.clip_len == 16 and model.rootrel and model.flip and model.fps is None
    assert lift(model, motion_2d((40,))).joints_image.shape == (40, 17, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip_len": 17}, "1 to 16 frames"),
        ({"clip_len": 0}, "1 to 16 frames"),
        ({"batch_size": 0}, "1 or more"),
        ({"model_fps": -1.0}, "fps -1 is not possible"),
    ],
)
def test_impossible_options_are_refused(options, message, tmp_path):
    with pytest.raises(UserError, match=message) as error:
        loaded(tmp_path / "never_read.bin", tiny_config(), **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("with_meta", [True, False])
@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"joint_format": "Halpe-26"}, r"H36M-17|17 joints"),
        ({"dim_feat": 32}, "does not fit the model"),
        ({"no_conf": True}, "no_conf|does not fit the model"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(keys, message, with_meta, saved):
    path = saved(tiny_config(), with_meta)
    with pytest.raises(UserError, match=message) as error:
        loaded(path, tiny_config(**keys))
    assert "\n" not in str(error.value)


def test_another_joint_format_than_the_models_is_refused():
    with pytest.raises(UserError, match="lifts H36M-17, the motion is COCO-17"):
        lift(lifter(), motion_2d(skeleton=load_skeleton("COCO-17")))


def test_half_precision_is_near(saved):
    config = tiny_config()
    path, motion = saved(config), motion_2d((40,))
    half = load_lifter(path, config=config, skeleton=H36M, runtime=Runtime(torch.device("cpu"), 0, 1, "bf16"))
    expected = lift(loaded(path, config), motion).joints_image
    assert np.abs(lift(half, motion).joints_image - expected).max() < 0.02 * motion.size_px[0, 0]


# --- smoothing


@pytest.mark.parametrize("kind", SMOOTHERS.names())
def test_smoothing_takes_noise_away_without_delay_and_stays_within_a_video(kind):
    rng = np.random.default_rng(0)
    clean = lift(lifter(), smooth_motion(200))
    noisy = replace(clean, joints_image=clean.joints_image + rng.normal(0, 3, clean.joints_image.shape))
    found = smooth(noisy, kind)
    error = np.abs(found.joints_image - clean.joints_image).mean()
    assert error < 0.75 * np.abs(noisy.joints_image - clean.joints_image).mean()
    np.testing.assert_allclose(smooth(clean, kind).joints_image, clean.joints_image, atol=0.2)
    two = replace(noisy, camera=np.repeat(["segment 1", "segment 2"], 100))
    np.testing.assert_array_equal(
        smooth(two, kind).joints_image[:100], smooth(noisy.select(np.s_[:100]), kind).joints_image
    )
    assert "0.3 s" in smoothing_note(kind)


def test_smoothing_of_next_to_nothing():
    for num_frames in (1, 2, 4, 5):
        lifted = lift(lifter(), smooth_motion(num_frames))
        assert smooth(lifted, "savgol").joints_image.shape == (num_frames, 17, 3)


def test_smoothing_that_cannot_be():
    lifted = lift(lifter(), smooth_motion(5))
    with pytest.raises(UserError, match="did you mean 'savgol'"):
        smooth(lifted, "savgoll")
    with pytest.raises(UserError, match="frames per second"):
        smooth(replace(lifted, fps=None), "savgol")
    with pytest.raises(UserError, match="not possible"):
        smooth(lifted, "savgol", window_s=0)
