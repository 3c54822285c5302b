"""Measures of a result in 3D without truth: each on a case whose answer is known."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import savgol_filter

from lib.errors import UserError
from lib.skeleton import load_skeleton
from lib.wild import measure
from lib.wild.camera_pitch import level_camera
from lib.wild.records import Flag, WorldMotion, save_npz
from tests.test_wild_rigid import FPS, FRAMES, figure
from tools.measure_video import main

CAMERA = measure.Camera(focal_px=1000.0, pitch_deg=17.0, size_px=(1280.0, 720.0))


def still_person(frames: int = FRAMES) -> tuple[np.ndarray, np.ndarray]:
    """A standing crowd of joints in the world, and the place of the camera."""
    rng = np.random.default_rng(0)
    pose = rng.uniform(-1, 1, (1, 17, 3)) * [0.4, 0.9, 0.3]
    return np.repeat(pose, frames, 0), np.array([0.2, -0.4, 4.0])


def filmed(positions: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Keypoints (F,J,2) px of positions in the world, by the definition of the axes."""
    turn = level_camera(np.eye(3), CAMERA.pitch_deg)
    points = positions @ np.linalg.inv(turn) + place
    return CAMERA.focal_px * points[..., :2] / points[..., 2:] + np.array(CAMERA.size_px) / 2


def test_constant_limbs_do_not_vary_and_stretched_ones_do():
    skeleton = load_skeleton("H36M-17")
    positions, _ = still_person()
    assert measure.limb_length_variation(positions, skeleton).max() < 1e-12
    growing = positions * np.where(np.arange(FRAMES) % 2, 1.1, 0.9)[:, None, None]
    assert np.allclose(measure.limb_length_variation(growing, skeleton), 0.1)
    growing[:, 3] = np.nan
    growing[5, 3] = 0
    variation = measure.limb_length_variation(growing, skeleton)
    assert np.array_equal(np.isnan(variation), (skeleton.limb_idx == 3).any(1))


def test_sides():
    skeleton = load_skeleton("H36M-17")
    positions, _ = still_person()
    mirrored = positions.copy()
    mirrored[:, skeleton.joint_sides.index("right")] *= 1  # any pose: made symmetric below
    mirrored = (mirrored + mirrored[:, skeleton.flip_idx] * [-1, 1, 1]) / 2
    assert np.abs(list(measure.side_symmetry(mirrored, skeleton).values())).max() < 1e-12
    wrist, elbow = skeleton.index("left_wrist"), skeleton.index("left_elbow")
    mirrored[:, wrist] += mirrored[:, wrist] - mirrored[:, elbow]  # twice as long: 1 less 2 over their mean
    sides = measure.side_symmetry(mirrored, skeleton)
    assert sides["left_elbow-left_wrist"] == pytest.approx(2 / 3)
    assert measure.side_symmetry(np.zeros((3, 21, 3)), load_skeleton("Hand-21")) == {}


def test_jitter_is_the_acceleration():
    skeleton = load_skeleton("H36M-17")
    positions, _ = still_person()
    assert measure.jitter(positions, skeleton, FPS) == (0.0, 0.0)
    time_s = np.arange(FRAMES) / FPS
    falling = positions.copy()
    moved = skeleton.joints.index("nose")
    falling[:, moved, 1] -= 0.5 * 9.81 * time_s**2
    per_s2, sizes = measure.jitter(falling, skeleton, FPS)
    assert per_s2 == pytest.approx(9.81 / 17)
    assert 0 < sizes < np.inf
    assert measure.jitter(positions + 3 * time_s[:, None, None], skeleton, FPS)[0] < 1e-9
    assert np.isnan(measure.jitter(positions[:2], skeleton, FPS)[0])


@pytest.mark.parametrize("how", ["still", "each frame"])
def test_an_exact_projection_is_found_again(how):
    positions, place = still_person()
    positions = positions * np.linspace(0.8, 1.2, FRAMES)[:, None, None]
    keypoints = filmed(positions, place)
    keypoints[4, 2] = np.nan
    positions[7] = np.nan
    image = measure.project(positions, keypoints, CAMERA, how)
    assert np.array_equal(np.isnan(image).any(-1), np.isnan(keypoints).any(-1) | np.isnan(positions).any(-1))
    assert max(measure.reprojection_error(image, keypoints)) < 1e-6


def test_weak_perspective_and_what_is_off():
    positions, _ = still_person()
    turn = level_camera(np.eye(3), CAMERA.pitch_deg)
    rng = np.random.default_rng(1)
    scale, shift = rng.uniform(50, 200, (FRAMES, 1, 1)), rng.uniform(0, 500, (FRAMES, 1, 2))
    keypoints = scale * (positions @ turn.T)[..., :2] + shift
    image = measure.project(positions, keypoints, CAMERA, "weak perspective")
    assert max(measure.reprojection_error(image, keypoints)) < 1e-9
    sides = measure.box_sides(keypoints)
    image[..., 0] += 0.03 * sides[:, None]
    assert measure.reprojection_error(image, keypoints)[0] == pytest.approx(0.03)
    with pytest.raises(UserError, match="allowed: still, each frame, weak perspective"):
        measure.project(positions, keypoints, CAMERA, "moving")


def test_a_frozen_or_smoothed_pose_does_not_pass():
    rng = np.random.default_rng(2)
    keypoints = np.cumsum(rng.normal(size=(300, 17, 2)), 0) + rng.normal(size=(300, 17, 2))
    keypoints[50:60, 4] = np.nan
    share = measure.acceleration_share
    assert share(keypoints, keypoints) == pytest.approx(1.0)
    assert share(np.zeros_like(keypoints), keypoints) == 0.0
    smooth = savgol_filter(np.nan_to_num(keypoints), 9, 3, axis=0)
    assert share(smooth, keypoints) < 0.2
    assert share(keypoints + rng.normal(size=keypoints.shape), keypoints) > 1.3
    jumped = keypoints.copy()
    jumped[100] += 500
    assert share(keypoints, jumped) < 0.1
    assert share(keypoints, jumped, without_wildest=True) == pytest.approx(1.0)
    assert np.isnan(share(keypoints[:2], keypoints[:2]))


def result_folder(path, *, shake: float = 0.0):
    """A result as infer_wild.py leaves it, of a figure before a level camera."""
    motion, _ = figure("H36M-17")
    rng = np.random.default_rng(3)
    points = motion.joints_image.astype(np.float64) - [640, 360, 0]
    points[..., :2] *= 1 + points[..., 2:] / (1.2 * 1280)
    positions = level_camera(points / 300, 0.0) + shake * rng.normal(size=points.shape)
    keypoints = motion.keypoints.astype(np.float32)
    flag = np.full(keypoints.shape[:2], Flag.SEEN, np.uint8)
    world = WorldMotion(
        positions=positions,
        root=positions[:, 0],
        confidence=keypoints[..., 2],
        flag=flag,
        time_s=np.arange(FRAMES) / FPS,
        units="m",
        skeleton=motion.skeleton,
        foot_contact=np.zeros((FRAMES, 2), bool),
        fps=FPS,
        pitch_deg=0.0,
    )
    path.mkdir()
    world.save(path / "X3D_world.npz")
    keypoints_2d = {"keypoints": keypoints, "flag": flag, "joints": np.array(motion.skeleton.joints)}
    save_npz(path / "keypoints_2d.npz", keypoints_2d | {"size_px": np.array([1280, 720])})
    return world


def test_the_tool(tmp_path, capsys):
    good, bad = tmp_path / "good", tmp_path / "bad"
    result_folder(good)
    result_folder(bad, shake=0.02)
    file = tmp_path / "measures.json"
    assert main([str(good), str(bad), "--json", str(file)]) == 0
    stored = json.loads(file.read_text())
    good_one, bad_one = stored[str(good)], stored[str(bad)]
    assert good_one["reprojection_median"] < 1e-5
    assert good_one["acceleration_share"] == pytest.approx(1.0, abs=1e-3)
    for key in ("limb_length_variation", "side_difference", "jitter_per_s2", "reprojection_still_95"):
        assert bad_one[key] > good_one[key]
    assert bad_one["acceleration_share"] > 1.5
    shown = capsys.readouterr().out
    assert "reprojection, one still camera" in shown
    assert "left_elbow-left_wrist" in shown
    world = good / "X3D_world.npz"
    assert main([str(world), "--json", str(file)]) == 0
    assert json.loads(file.read_text()) == {str(world): good_one}
    with pytest.raises(UserError, match=r"keypoints_2d\.npz lacks"):
        main([str(good / "keypoints_2d.npz")])


def test_the_tool_refuses_what_is_no_result(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*X3D_world.npz"):
        main([str(tmp_path)])
    world = result_folder(tmp_path / "out")
    with pytest.raises(UserError, match="must be positive"):
        main([str(tmp_path / "out"), "--focal", "-3"])
    replace(world, positions=world.positions[:9], flag=world.flag[:9]).save(
        tmp_path / "out" / "X3D_world.npz"
    )
    with pytest.raises(UserError, match="different runs"):
        main([str(tmp_path / "out")])
    empty = replace(world, flag=np.full_like(world.flag, Flag.ABSENT))
    empty.save(tmp_path / "out" / "X3D_world.npz")
    with pytest.raises(UserError, match="in no frame"):
        main([str(tmp_path / "out")])
