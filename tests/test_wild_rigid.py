"""Constant limb lengths of lifted tracks, on figures whose limbs are constant by construction."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from lib.data.motion import Labels, Motion
from lib.skeleton import Skeleton, load_skeleton
from lib.wild import rigid
from lib.wild.measure import acceleration_share, limb_length_variation
from lib.wild.records import Flag
from lib.wild.rigid import limb_lengths, limb_sights, rigid_limbs
from lib.wild.rigid_solve import LimbProblem, _Linear, to_camera
from lib.wild.world import FOCAL_OF_IMAGE, make_world

FRAMES, FPS = 120, 30.0
SIZE_PX = np.array([1280, 720])
FOCAL = FOCAL_OF_IMAGE * 1280
FORMATS = pytest.mark.parametrize("name", ["H36M-17", "Hand-21"])


def slow(rng: np.random.Generator, *shape: int, frames: float = 8) -> np.ndarray:
    """Random curves of variance 1 over the first axis, smooth over so many frames."""
    curve = gaussian_filter1d(rng.normal(size=shape), frames, axis=0, mode="nearest")
    return curve / curve.std()


def figure(name: str, frames: int = FRAMES, seed: int = 0) -> tuple[Motion, np.ndarray]:
    """A figure whose limbs keep their lengths (equal on both sides), as seen by a pinhole; and those lengths."""
    rng = np.random.default_rng(seed)
    skeleton = load_skeleton(name)
    drawn = rng.uniform(30, 90, len(skeleton.limbs))
    lengths = (drawn + drawn[skeleton.limb_flip_idx]) / 2
    start, end = skeleton.limb_idx.T
    camera = np.zeros((frames, skeleton.num_joints, 3))
    for limb in np.argsort([depth_in_tree(skeleton, joint) for joint in end], kind="stable"):
        direction = rng.normal(size=3) * [1, 1, 0.7] + 0.6 * slow(rng, frames, 3)
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
        camera[:, end[limb]] = camera[:, start[limb]] + lengths[limb] * direction
    camera[..., :2] += 60 * slow(rng, frames, 1, 2)
    scale = np.exp(0.1 * slow(rng, frames, 1, 1, frames=25))  # of the person in the image, as it comes nearer
    image = camera * scale
    image[..., :2] /= 1 + image[..., 2:] / FOCAL
    image[..., :2] += SIZE_PX / 2
    motion = Motion(
        joints_2d=image[..., :2],
        confidence=np.ones(image.shape[:2]),
        joints_image=image,
        source="figure",
        camera="",
        action="",
        fps=FPS,
        size_px=SIZE_PX,
        skeleton=skeleton,
    )
    return motion, lengths


def depth_in_tree(skeleton: Skeleton, joint: int) -> int:
    parent = int(skeleton.parents[joint])
    return 0 if parent < 0 else 1 + depth_in_tree(skeleton, parent)


def lifted_badly(motion: Motion, seed: int = 1) -> Motion:
    """Depth shrunk and off by slow errors, keypoints by half a pixel."""
    rng = np.random.default_rng(seed)
    pose = motion.joints_image.astype(np.float64)
    pose[:, 1:, 2] = 0.85 * pose[:, 1:, 2] + 12 * slow(rng, motion.num_frames, pose.shape[1] - 1)
    keypoints = pose[..., :2] + 0.5 * rng.normal(size=pose[..., :2].shape)
    pose[..., :2] = keypoints
    return replace(motion, joints_image=pose, joints_2d=keypoints)


def seen(motion: Motion) -> np.ndarray:
    return np.full(motion.confidence.shape, Flag.SEEN, np.uint8)


@FORMATS
def test_what_is_rigid_already_stays(name):
    motion, lengths = figure(name)
    result, report = rigid_limbs(motion, seen(motion))
    size = np.ptp(motion.joints_2d, axis=1).max()
    moved = np.abs(result.joints_image - motion.joints_image) / size
    assert moved.mean() < 0.001
    assert moved.max() < 0.02
    assert report.variation[1] < 0.003
    assert np.allclose(report.lengths, lengths / np.median(lengths), rtol=0.01)


@FORMATS
def test_limbs_become_constant_depth_better_and_the_image_stays(name):
    motion, _ = figure(name)
    lifted = lifted_badly(motion)
    result, report = rigid_limbs(lifted, seen(motion))
    assert report.variation[1] < 0.03 < 0.06 < report.variation[0]
    errors = [np.abs(each.joints_image - motion.joints_image)[..., 2].mean() for each in (lifted, result)]
    assert errors[1] < 0.85 * errors[0]
    size = np.ptp(motion.joints_2d, axis=1).max(-1).mean()
    moved = np.linalg.norm(result.joints_image[..., :2] - lifted.joints_2d, axis=-1)
    assert np.median(moved) < 0.01 * size
    assert 0.8 < acceleration_share(result.joints_image[..., :2], lifted.joints_2d) < 1.2
    assert "limb lengths vary by" in str(report)
    assert str(report).count("\n") == 0


@FORMATS
def test_in_the_world_limbs_are_constant(name):
    motion, _ = figure(name)
    lifted = lifted_badly(motion)
    for given, low, high in ((lifted, 0.06, 1.0), (rigid_limbs(lifted, seen(motion))[0], 0.0, 0.04)):
        world = make_world(given, np.arange(FRAMES), seen(motion), num_frames=FRAMES)
        assert low < np.nanmean(limb_length_variation(world.positions, motion.skeleton)) < high


def test_a_limb_that_points_at_the_camera_is_not_taken_for_short():
    motion, lengths = figure("Hand-21")
    flat = motion.joints_image.copy()
    flat[..., 2] *= 0.6
    flat[..., :2] -= SIZE_PX / 2
    camera = to_camera(flat.astype(np.float64), np.full(FRAMES, FOCAL))
    start, end = motion.skeleton.limb_idx.T
    everything = np.ones((FRAMES, len(start)), bool)
    sights = limb_sights(camera, motion.confidence, everything, motion.skeleton)
    found, _ = limb_lengths(*sights, motion.skeleton, [slice(0, FRAMES)], fps=FPS)
    plain = np.median(np.linalg.norm(camera[:, start] - camera[:, end], axis=-1), 0)
    errors = [
        np.abs(each / np.median(each) * np.median(lengths) / lengths - 1).mean() for each in (plain, found)
    ]
    assert errors[1] < 0.6 * errors[0]


def test_limbs_are_as_long_as_their_mirror_image():
    motion, _ = figure("H36M-17")
    _, report = rigid_limbs(lifted_badly(motion), seen(motion))
    assert np.array_equal(report.lengths, report.lengths[motion.skeleton.limb_flip_idx])


def test_absent_joints_and_the_input_are_left_alone():
    motion, _ = figure("Hand-21")
    lifted, flag = lifted_badly(motion), seen(motion)
    flag[:, 8] = Flag.ABSENT
    flag[30:60, 12] = Flag.ABSENT
    lifted.joints_image[30:60, 12] = np.nan
    before = lifted.joints_image.copy()
    result, report = rigid_limbs(lifted, flag)
    assert np.array_equal(lifted.joints_image, before, equal_nan=True)
    gone = flag == Flag.ABSENT
    assert np.array_equal(result.joints_image[gone], before[gone], equal_nan=True)
    assert np.isfinite(result.joints_image[~gone]).all()
    ends_in_8 = (motion.skeleton.limb_idx == 8).any(1)
    assert np.array_equal(np.isnan(report.lengths), ends_in_8)
    assert report.variation[1] < 0.03
    nothing, none = rigid_limbs(lifted, np.full_like(flag, Flag.ABSENT))
    assert nothing is lifted
    assert none is None


def test_the_same_every_time_and_joints_that_nobody_saw_move_more():
    motion, _ = figure("Hand-21")
    lifted, flag = lifted_badly(motion), seen(motion)
    result, _ = rigid_limbs(lifted, flag)
    assert np.array_equal(result.joints_image, rigid_limbs(lifted, flag)[0].joints_image)
    flag[:, 7] = Flag.INTERPOLATED
    looser, _ = rigid_limbs(lifted, flag)
    moved = [
        np.linalg.norm((each.joints_image - lifted.joints_image)[:, 7, :2], axis=-1).mean()
        for each in (result, looser)
    ]
    assert moved[1] > 1.5 * moved[0]


def test_depth_in_which_the_person_stands_is_kept():
    motion, _ = figure("H36M-17")
    lifted = lifted_badly(motion)
    path = np.linspace(0, 500, FRAMES)[:, None]
    moving = lifted.joints_image.copy()
    moving[..., 2] += path
    result, _ = rigid_limbs(lifted, seen(motion))
    away, _ = rigid_limbs(replace(lifted, joints_image=moving), seen(motion))
    assert np.abs(away.joints_image[..., 2] - path - result.joints_image[..., 2]).max() < 0.05


def test_videos_are_apart_and_one_frame_is_enough():
    motion, _ = figure("Hand-21")
    lifted = lifted_badly(motion)
    parts = Labels.of(["a"] * 50 + ["b"] * 69 + ["c"])
    result, report = rigid_limbs(replace(lifted, camera=parts), seen(motion))
    assert np.isfinite(result.joints_image).all()
    assert report.variation[1] < 0.03
    alone, _ = rigid_limbs(lifted.select(slice(0, 1)), seen(motion)[:1])
    assert alone.joints_image.shape == (1, 21, 3)


def test_no_seam_where_chunks_meet(monkeypatch):
    motion, _ = figure("Hand-21", frames=300)
    lifted = lifted_badly(motion)
    whole, _ = rigid_limbs(lifted, seen(motion))
    monkeypatch.setattr(rigid, "CHUNK", 100)
    cut, _ = rigid_limbs(lifted, seen(motion))
    size = np.ptp(motion.joints_2d, axis=1).max(-1).mean()
    assert 0 < np.abs(cut.joints_image - whole.joints_image).max() < 0.03 * size
    assert np.abs(np.diff(cut.joints_image - whole.joints_image, axis=0)).max() < 0.015 * size


def test_gradient_and_matrix_are_those_of_the_cost():
    motion, lengths = figure("Hand-21", frames=12)
    rng = np.random.default_rng(0)
    pose = motion.joints_image.astype(np.float64) - [*SIZE_PX / 2, 0]
    problem = LimbProblem(
        pose=pose / 50,
        trust=rng.uniform(0.2, 1, pose.shape[:2]),
        focal=np.full(12, FOCAL / 50),
        limbs=motion.skeleton.limb_idx,
        lengths=lengths / 50 * 1.1,
        bound=rng.random((12, len(lengths))) < 0.9,
        size=2.0,
        fps=FPS,
    )
    scale = 0.05 * rng.normal(size=12)
    state = np.concatenate([problem.start.ravel() + 0.02 * rng.normal(size=problem.start.size), scale])
    step = rng.normal(size=state.shape)
    around = _Linear(problem, state)
    slope = (problem.cost(state + 1e-5 * step) - problem.cost(state - 1e-5 * step)) / 2e-5
    assert slope == pytest.approx(2 * around.gradient @ step, rel=1e-5)
    columns = np.stack([around.apply(unit) for unit in np.eye(len(state))])
    assert np.allclose(columns, columns.T)
    # the diagonal only prepares the equations: it leaves out how depth moves a joint across
    across = np.ones(problem.start.shape, bool)
    across[:, 2] = False
    exact = np.concatenate([across.ravel(), np.ones(12, bool)])
    assert np.allclose(np.diag(columns)[exact], around.diagonal[exact])
    assert np.allclose(np.diag(columns), around.diagonal, rtol=1.0)


def test_memory_grows_by_a_few_kilobytes_a_frame(monkeypatch):
    """Apart from the solver, which sees a chunk at a time. With doubles of all frames it was 18 for 66 joints."""
    monkeypatch.setattr(LimbProblem, "solve", lambda self: self.pose.copy())
    peaks = []
    for frames in (1000, 3000):
        motion, _ = figure("RTM-66", frames)
        tracemalloc.start()
        rigid_limbs(motion, seen(motion))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / 2000 < 8000
