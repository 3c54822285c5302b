"""Evaluation: the published protocol's figures, no frame lost, baselines that are what they say."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lib import engine, evaluate, report
from lib.data.clips import ClipSet
from lib.data.motion import Motion
from lib.data.normalize import normalize_3d
from lib.data.targets import relative_target
from lib.errors import UserError
from lib.skeleton import load_skeleton

GOLDEN = Path(__file__).parent / "data" / "golden"
SKELETON = load_skeleton("H36M-17")
RUNTIME = engine.Runtime(torch.device("cpu"), 0, 1, "fp32")


def random_motion(num_frames: int = 40, seed: int = 0, skeleton=SKELETON) -> Motion:
    """Three videos of unequal length; the 2D input is exact."""
    rng = np.random.default_rng(seed)
    image = rng.uniform(200, 800, (num_frames, skeleton.num_joints, 3)).astype(np.float32)
    image[..., 2] -= 500
    image = image - np.array([0, 0, 1]) * skeleton.root_of(image)
    factor = rng.uniform(2, 4, num_frames).astype(np.float32)
    thirds = np.array_split(np.arange(num_frames), [num_frames // 5, num_frames // 2])
    source = np.concatenate([[f"video{i}"] * len(part) for i, part in enumerate(thirds)])
    action = np.concatenate([[f"action{i % 2}"] * len(part) for i, part in enumerate(thirds)])
    return Motion(
        joints_2d=image[..., :2],
        confidence=np.ones(image.shape[:2]),
        joints_image=image,
        joints_mm=image * factor[:, None, None],
        factor_mm_per_px=factor,
        source=source,
        camera="front",
        action=action,
        size_px=np.array([1000, 800]),
        skeleton=skeleton,
    )


def all_kept(motion: Motion) -> np.ndarray:
    return np.ones(motion.num_frames, bool)


class Oracle(nn.Module):
    """Predicts the root-relative label of a clip, found by its 2D, and ``offset`` more."""

    def __init__(self, motion: Motion, offset: float = 0.0) -> None:
        super().__init__()
        label = torch.from_numpy(normalize_3d(motion.joints_image, motion.size_px[:, None]))
        self.position, self.label = label[..., :2], label - SKELETON.root_of(label) + offset

    def forward(self, x):
        distance = (x[:, :, None, :, :2] - self.position).abs().sum((-1, -2))
        return self.label[distance.argmin(-1)]


@pytest.mark.parametrize("rootrel", [True, False])
def test_the_protocol_of_motionbert_is_reproduced(rootrel):
    """Its figures are means over actions of the frames in whole clips, three faulty recordings left out."""
    golden = np.load(GOLDEN / "up_evaluate.npz", allow_pickle=False)
    readers = np.load(GOLDEN / "up_readers.npz", allow_pickle=False)
    column = {key: golden[f"dataset/test/{key}"] for key in ("source", "action", "camera_name")}
    motion = Motion(
        joints_2d=golden["dataset/test/joint_2d"],
        confidence=golden["dataset/test/confidence"],
        joints_image=golden["dataset/test/joint3d_image"],
        joints_mm=golden["dataset/test/joints_2.5d_image"],
        factor_mm_per_px=golden["dataset/test/2.5d_factor"],
        source=column["source"],
        action=column["action"],
        camera=column["camera_name"],
        size_px=readers["h36m/read_hw"],
        skeleton=SKELETON,
    )
    frames = np.concatenate([readers[f"h36m/split_id/1/{clip}"] for clip in range(4)])
    prediction = torch.from_numpy(golden["prediction"])
    if rootrel:
        prediction = evaluate.with_root_at_zero(prediction, SKELETON)
    prediction = prediction.numpy().reshape(-1, 17, 3)
    scored = motion.select(frames)
    kept = evaluate.kept_frames(scored, ["s_09_act_05_subact_02"])
    summary = evaluate.evaluate(
        evaluate.root_relative_mm(prediction, ClipSet(scored, 9, 9)),
        scored,
        SKELETON,
        kept=kept,
        pck_threshold_mm=150,
    ).summary
    case = 0 if rootrel else 1
    assert summary["action_mean"]["mpjpe_mm"] == pytest.approx(float(golden[f"cases/{case}/e1"]), rel=1e-6)
    assert summary["action_mean"]["p_mpjpe_mm"] == pytest.approx(float(golden[f"cases/{case}/e2"]), rel=1e-6)
    assert summary["frames_left_out"] == 9


@pytest.mark.parametrize("clip_len", [1, 7, 16, 100])
@pytest.mark.parametrize("flip", [False, True])
def test_an_oracle_scores_zero_on_every_frame(clip_len, flip):
    motion = random_motion()
    clips = ClipSet(motion, clip_len, clip_len)
    model = Oracle(Motion.concat([motion, mirrored(motion)]) if flip else motion)
    prediction, _ = evaluate.predict(model, clips, SKELETON, RUNTIME, batch_size=4, rootrel=True, flip=flip)
    error = evaluate.evaluate(
        evaluate.root_relative_mm(prediction, clips),
        motion,
        SKELETON,
        kept=all_kept(motion),
        pck_threshold_mm=150,
    )
    assert error.per_frame["mpjpe_mm"].shape == (motion.num_frames,)
    assert error.per_frame["mpjpe_mm"].max() < 0.05
    assert error.summary["pck"] == 1 and error.summary["frames"] == motion.num_frames


def mirrored(motion: Motion) -> Motion:
    image = motion.joints_image[:, SKELETON.flip_idx].copy()
    image[..., 0] = motion.size_px[:, :1] - image[..., 0]
    return Motion(**{**vars_of(motion), "joints_image": image, "joints_2d": image[..., :2]})


def vars_of(motion: Motion) -> dict:
    return {name: getattr(motion, name) for name in motion.__dataclass_fields__}


def test_predict_reports_the_mean_of_each_loss_over_the_clips():
    motion = random_motion()
    clips = ClipSet(motion, 8, 8)

    def criterion(prediction, target):
        size = torch.tensor(float(len(prediction)))
        return (prediction - target).abs().mean(), {"clips": size}

    _, losses = evaluate.predict(
        Oracle(motion, 0.1),
        clips,
        SKELETON,
        RUNTIME,
        batch_size=4,
        rootrel=True,
        flip=False,
        criterion=criterion,
    )
    assert len(clips) == 6  # batches of 4 and 2
    assert losses["clips"] == pytest.approx((4 * 4 + 2 * 2) / 6)
    assert losses["loss"] == pytest.approx(0.1 * 16 / 17, rel=1e-4)  # the root is set to zero


@pytest.mark.parametrize("format_name", ["H36M-17", "COCO-17"])
def test_the_root_of_a_root_relative_prediction_is_zero(format_name):
    skeleton = load_skeleton(format_name)
    x = torch.randn(2, 3, skeleton.num_joints, 3)
    y = evaluate.with_root_at_zero(x, skeleton)
    assert skeleton.root_of(y).abs().max() < 1e-6
    if skeleton.root_idx is not None:  # as in MotionBERT, the other joints stay where they are
        assert torch.equal(y[:, :, 1:], x[:, :, 1:])


def test_predictions_that_are_not_finite_and_empty_choices_are_refused():
    motion = random_motion()
    prediction = evaluate.truth_mm(motion, SKELETON).copy()
    with pytest.raises(UserError, match="no frame"):
        evaluate.evaluate(prediction, motion, SKELETON, kept=~all_kept(motion), pck_threshold_mm=150)
    prediction[3, 2] = np.nan
    with pytest.raises(UserError, match="not finite on 1 of 40"):
        evaluate.evaluate(prediction, motion, SKELETON, kept=all_kept(motion), pck_threshold_mm=150)


def test_baselines_are_what_their_names_say():
    motion, train = random_motion(seed=1), random_motion(seed=2)
    truth = evaluate.truth_mm(motion, SKELETON)
    poses = evaluate.baselines_mm(ClipSet(motion, 9, 9), train)
    assert np.allclose(poses["depth_zero"][..., :2], truth[..., :2], atol=1e-2)
    assert np.all(poses["depth_zero"][..., 2] == 0)
    assert np.allclose(poses["mean_pose"][0], evaluate.truth_mm(train, SKELETON).mean(0))
    assert np.allclose(poses["mean_depth"][..., 2], poses["mean_pose"][..., 2])


def test_frames_without_error_count_and_frame_mean_is_not_action_mean():
    motion = random_motion()
    prediction = evaluate.truth_mm(motion, SKELETON).copy()
    prediction[motion.action == "action1"] += np.array([10.0, 0, 0])
    summary = evaluate.evaluate(
        prediction, motion, SKELETON, kept=all_kept(motion), pck_threshold_mm=150
    ).summary
    share = (motion.action == "action1").mean()
    assert summary["mpjpe_mm"] == pytest.approx(10 * share, rel=1e-5)
    assert summary["action_mean"]["mpjpe_mm"] == pytest.approx(5, rel=1e-5)


def test_a_degenerate_pose_does_not_end_an_evaluation():
    motion = random_motion()
    summary = evaluate.evaluate(
        np.zeros_like(motion.joints_mm), motion, SKELETON, kept=all_kept(motion), pck_threshold_mm=150
    ).summary
    assert all(np.isfinite(summary[key]) for key in evaluate.POSE_MEASURES)


def test_a_set_without_labels_in_mm_is_a_users_mistake():
    fields = vars_of(random_motion()) | {"joints_mm": None, "factor_mm_per_px": None}
    with pytest.raises(UserError, match="no labels in mm"):
        evaluate.truth_mm(Motion(**fields), SKELETON)


@pytest.mark.parametrize("rootrel", [True, False])
def test_targets_are_relative_to_the_root_or_to_the_first_depth(rootrel):
    target = torch.randn(2, 5, 17, 3)
    before = target.clone()
    relative = relative_target(target, SKELETON, rootrel)
    assert torch.equal(target, before)
    if rootrel:
        assert torch.all(SKELETON.root_of(relative) == 0)
    else:
        assert torch.equal(relative[..., :2], target[..., :2])
        assert torch.all(SKELETON.root_of(relative)[:, 0, :, 2] == 0)
        assert not torch.all(SKELETON.root_of(relative)[:, 1:, :, 2] == 0)


def test_a_report_holds_figures_arrays_and_pictures(tmp_path):
    motion = random_motion()
    prediction = normalize_3d(motion.joints_image, motion.size_px[:, None])
    text = report.write_report(
        tmp_path,
        prediction,
        ClipSet(motion, 9, 9),
        kept=all_kept(motion),
        pck_threshold_mm=150,
        train_motion=motion,
        untrained=np.zeros_like(prediction),
        extra={"split": "test"},
    )
    summary = json.loads((tmp_path / "metrics.json").read_text())
    assert summary["split"] == "test" and "depth_zero" in text
    assert np.allclose(np.load(tmp_path / "X3D.npy"), motion.joints_image, atol=0.01)
    assert (tmp_path / "predictions.png").stat().st_size > 1000
