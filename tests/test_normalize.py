"""Pixels to normalized numbers and back, as MotionBERT has them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lib.data.normalize import (
    crop_box,
    crop_scale,
    denormalize_2d,
    denormalize_3d,
    normalize_2d,
    normalize_3d,
)

GOLDEN = Path(__file__).parent / "data" / "golden"
UTILS = np.load(GOLDEN / "up_utils_data.npz")
WILD = np.load(GOLDEN / "up_wild.npz")
SIZES = [(1920, 1080), (1000, 1002), (1080, 1920)]


@pytest.mark.parametrize("size_px", SIZES)
@pytest.mark.parametrize("channels", [2, 3])
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_denormalize_is_the_inverse(size_px, channels, kind):
    x = np.random.default_rng(0).uniform(-500, 2500, (4, 5, 17, channels)).astype(np.float32)
    x = torch.from_numpy(x) if kind == "torch" else x
    there, back = (normalize_2d, denormalize_2d) if channels == 2 else (normalize_3d, denormalize_3d)
    result = back(there(x, size_px), size_px)
    assert type(result) is type(x) and result.dtype == x.dtype
    assert np.abs(np.asarray(result) - np.asarray(x)).max() < 1e-3


def test_corners_of_the_image():
    corners = np.array([[0.0, 0, 0], [1920, 1080, 1920], [960, 540, 0]])
    expected = [[-1, -0.5625, 0], [1, 0.5625, 2], [0, 0, 0]]
    assert np.allclose(normalize_3d(corners, (1920, 1080)), expected)
    assert np.allclose(normalize_2d(corners[:, :2], (1920, 1080)), np.array(expected)[:, :2])
    assert (
        normalize_2d(np.array([[1920, 0]]), (1920, 1080)).dtype == np.float32
    )  # whole numbers do not stay whole


def test_a_size_for_each_frame():
    x = np.random.default_rng(0).uniform(0, 1000, (3, 17, 3)).astype(np.float32)
    sizes = np.array(SIZES, np.float32)
    together = normalize_3d(x, sizes)
    for frame, size in enumerate(SIZES):
        assert np.allclose(together[frame], normalize_3d(x[frame], size), atol=1e-6)
    assert np.array_equal(together, normalize_3d(x, sizes[:, None]))
    assert np.array_equal(normalize_3d(torch.from_numpy(x), sizes).numpy(), together)


def test_motionbert_make_cam():
    # different on purpose: its function for action recognition measures y from the top of a square image
    height, width = WILD["make_cam/1"]
    from_middle = WILD["make_cam/2"][..., :2] + [0, 1 - height / width]
    assert np.abs(normalize_2d(WILD["make_cam/0"][..., :2], (width, height)) - from_middle).max() < 1e-6


# What MotionBERT's crop_scale cases give here. Its scale_range below 1 zooms in and clips what it cuts off,
# the opposite of its crop_scale_3d: here a box only grows (margin), so that those cases differ on purpose.
CROP_SCALE_CASES = {
    "plain": "equal",
    "zero_conf": "equal",
    "few_valid": "equal",
    "degenerate": "equal",
    "two_people": "equal",
    "float32": "equal",
    "3d": "different on purpose: 3D training data are scaled by Augment(scale_range), about the image centre",
}


@pytest.mark.parametrize("number", range(14))
def test_motionbert_crop_scale(number):
    case = {key: UTILS[f"crop_scale/{number}/{key}"] for key in ("name", "input", "scale_range", "output")}
    result = crop_scale(case["input"])
    equal = result.shape == case["output"].shape and np.abs(result - case["output"]).max() < 1e-6
    by_range = case["scale_range"].tolist() != [1, 1] and case["output"].any()
    assert equal == (CROP_SCALE_CASES[str(case["name"])] == "equal" and not by_range)


def test_crop_scale_keeps_confidence_and_its_argument():
    track = np.random.default_rng(0).uniform(0, 900, (7, 17, 3))
    before = track.copy()
    result = crop_scale(track, margin=1.25)
    assert np.array_equal(track, before) and np.array_equal(result[..., 2], track[..., 2])
    assert np.isclose(np.abs(result[..., :2]).max(), 0.8)
    center_x, center_y, side = crop_box(track)
    back = crop_scale(track)[..., :2] * side / 2 + [center_x, center_y]
    assert np.abs(back - track[..., :2]).max() < 1e-9
