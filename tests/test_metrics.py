"""Errors of poses: published numbers, known cases, and poses that nothing can be computed from."""

from pathlib import Path

import numpy as np
import pytest

from lib import metrics
from lib.errors import UserError
from lib.skeleton import list_skeletons, load_skeleton

GOLDEN = np.load(Path(__file__).parent / "data" / "golden" / "up_losses.npz", allow_pickle=False)
H36M = load_skeleton("H36M-17")
RNG_SEED = 0
POSE_ERRORS = [metrics.mpjpe, metrics.p_mpjpe, metrics.n_mpjpe, metrics.depth_error]


def poses(frames: int = 6, joints: int = 17, seed: int = RNG_SEED) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 300, (frames, joints, 3))


def rotation(seed: int = 1) -> np.ndarray:
    matrix, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return matrix * np.linalg.det(matrix)


@pytest.mark.parametrize("case", range(4))
@pytest.mark.parametrize("name", ["mpjpe", "p_mpjpe"])
def test_as_motionbert(name: str, case: int):
    prediction, target = (GOLDEN[f"numpy_metrics/{case}/{key}"] for key in ("pred", "gt"))
    before = prediction.copy(), target.copy()
    expected = GOLDEN[f"numpy_metrics/{case}/{name}"]
    np.testing.assert_allclose(getattr(metrics, name)(prediction, target), expected, rtol=0, atol=1e-9)
    np.testing.assert_array_equal((prediction, target), before)


@pytest.mark.parametrize("measure", POSE_ERRORS, ids=lambda measure: measure.__name__)
def test_one_value_a_frame(measure):
    target, prediction = poses(), poses(seed=1)
    together = measure(prediction, target)
    assert together.shape == (6,) and together.dtype == np.float64
    one_by_one = np.concatenate([measure(prediction[[frame]], target[[frame]]) for frame in range(6)])
    np.testing.assert_allclose(together, one_by_one)
    np.testing.assert_allclose(measure(prediction.astype(np.float32), target), together, rtol=1e-5)
    np.testing.assert_allclose(measure(target, target), 0, atol=1e-9)
    assert measure(prediction[:0], target[:0]).shape == (0,)


def test_what_each_alignment_takes_away():
    target = poses()
    turned = 0.3 * target @ rotation().T + [100.0, -20.0, 7.0]
    np.testing.assert_allclose(metrics.p_mpjpe(turned, target), 0, atol=1e-9)
    np.testing.assert_allclose(metrics.n_mpjpe(0.3 * target, target), 0, atol=1e-9)
    np.testing.assert_allclose(metrics.mpjpe(target + np.array([3.0, 0.0, 4.0]), target), 5)
    np.testing.assert_allclose(metrics.depth_error(target + np.array([30.0, 50.0, -4.0]), target), 4)
    mirrored = target * [-1, 1, 1]
    assert (metrics.p_mpjpe(mirrored, target) > 50).all()


def test_p_mpjpe_is_never_above_the_error_of_any_other_alignment():
    target, prediction = poses(), poses(seed=1)
    squared = np.square(metrics.procrustes_align(prediction, target) - target).sum((1, 2))
    for seed in range(20):
        draw = np.random.default_rng(seed)
        moved = draw.uniform(0, 1) * prediction @ rotation(seed).T + draw.normal(0, 30, 3)
        assert (squared <= np.square(moved - target).sum((1, 2))).all()


def test_poses_that_cannot_be_aligned():
    target = poses()
    constant = np.full_like(target, 5.0)
    centred = target - target.mean(1, keepdims=True)
    np.testing.assert_allclose(metrics.p_mpjpe(constant, target), np.linalg.norm(centred, axis=-1).mean(-1))
    np.testing.assert_allclose(metrics.n_mpjpe(0 * target, target), np.linalg.norm(target, axis=-1).mean(-1))
    np.testing.assert_allclose(metrics.p_mpjpe(target, constant), 0, atol=1e-9)
    line = np.arange(17.0)[:, None] * [1.0, 2.0, 3.0] + np.zeros((6, 1, 1))
    assert np.isfinite(metrics.p_mpjpe(line, target)).all()
    np.testing.assert_allclose(metrics.p_mpjpe(line, 2 * line + 1), 0, atol=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("broken", ["prediction", "target"])
def test_a_broken_frame_does_not_stop_or_spoil_the_others(broken: str, value: float):
    pair = {"prediction": poses(), "target": poses(seed=1)}
    measures = [*POSE_ERRORS, metrics.pck, metrics.auc, lambda *pair: metrics.limb_length_error(*pair, H36M)]
    whole = [measure(**pair) if measure in POSE_ERRORS else measure(*pair.values()) for measure in measures]
    pair[broken][2, 4] = value
    for measure, expected in zip(measures, whole, strict=True):
        with np.errstate(invalid="ignore"):
            found = measure(*pair.values())
        assert not np.isfinite(found[2]) or measure in (metrics.pck, metrics.auc)
        np.testing.assert_allclose(np.delete(found, 2), np.delete(expected, 2))


def test_velocity_and_acceleration_stay_within_a_video():
    frames = np.arange(7.0)[:, None, None]
    target = np.zeros((7, 2, 3))
    prediction = frames**2 * np.array([1.0, 0.0, 0.0]) + np.zeros((7, 2, 3))  # moves 2f - 1, accelerates by 2
    np.testing.assert_allclose(metrics.mpjve(prediction, target), [np.nan, 1, 3, 5, 7, 9, 11])
    np.testing.assert_allclose(
        metrics.acceleration_error(prediction, target), [np.nan, 2, 2, 2, 2, 2, np.nan]
    )
    videos = np.array([[0, 4], [4, 5], [5, 7]])
    np.testing.assert_allclose(
        metrics.mpjve(prediction, target, videos), [np.nan, 1, 3, 5, np.nan, np.nan, 11]
    )
    np.testing.assert_allclose(
        metrics.acceleration_error(prediction, target, videos), [np.nan, 2, 2] + [np.nan] * 4
    )
    assert np.isnan(metrics.acceleration_error(prediction[:1], target[:1])).all()
    with pytest.raises(UserError, match="6 frames, prediction and target 7"):
        metrics.mpjve(prediction, target, np.array([[0, 6]]))


def test_a_steady_offset_has_no_velocity_error():
    target = poses()
    np.testing.assert_allclose(metrics.mpjve(target + 50, target)[1:], 0, atol=1e-9)
    np.testing.assert_allclose(metrics.acceleration_error(target + 50, target)[1:-1], 0, atol=1e-9)


def test_pck_and_auc():
    target = np.zeros((3, 4, 3))
    prediction = np.zeros((3, 4, 3))
    prediction[..., 2] = [[0, 0, 0, 0], [75, 75, 150, 151], [1000, 149, 151, 400]]
    np.testing.assert_allclose(metrics.pck(prediction, target), [1, 0.75, 0.25])
    np.testing.assert_allclose(metrics.pck(prediction, target, threshold_mm=100), [1, 0.5, 0])
    thresholds = np.linspace(0, 150, 31)
    expected = np.mean([metrics.pck(prediction, target, threshold) for threshold in thresholds], axis=0)
    np.testing.assert_allclose(metrics.auc(prediction, target), expected)
    target, prediction = poses(), poses() + np.random.default_rng(2).normal(0, 60, (6, 17, 3))
    expected = np.mean([metrics.pck(prediction, target, threshold) for threshold in thresholds], axis=0)
    np.testing.assert_allclose(metrics.auc(prediction, target), expected)


@pytest.mark.parametrize("name", list_skeletons())
def test_limb_length_error(name: str):
    skeleton = load_skeleton(name)
    target = poses(joints=skeleton.num_joints)
    turned = target @ rotation().T + 70
    np.testing.assert_allclose(metrics.limb_length_error(turned, target, skeleton), 0, atol=1e-9)
    lengths = [np.linalg.norm(target[:, one] - target[:, other], axis=-1) for one, other in skeleton.limb_idx]
    expected = 0.5 * np.mean(lengths, axis=0)
    np.testing.assert_allclose(metrics.limb_length_error(1.5 * target, target, skeleton), expected)


@pytest.mark.parametrize(
    ("prediction", "target"),
    [(poses(5), poses(6)), (poses()[0], poses()[0]), (poses()[..., :2], poses()[..., :2])],
)
def test_shapes_that_do_not_fit_are_refused(prediction: np.ndarray, target: np.ndarray):
    for measure in (*POSE_ERRORS, metrics.pck, metrics.auc, metrics.mpjve):
        with pytest.raises(UserError, match="frames, joints, 3"):
            measure(prediction, target)
