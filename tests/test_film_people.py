"""Drawn people before cameras: the picture shows the body where the camera sees it, and the pickle is a data set."""

import numpy as np
import pytest
import torch

from lib.body import load_body
from lib.data.build import build_motion
from lib.data.checks import check_motion
from lib.data.recorded_errors import load_recorded_errors
from lib.data.worker.camera import Camera, look_at
from lib.files import load_pickle
from lib.skeleton import load_skeleton
from lib.wild.detectors import DETECTORS, build_detector, closing_detector
from lib.wild.picture import draw_colors, studio
from tools import film_people

BODY = load_body()


def standing_mm() -> np.ndarray:
    """Vertices (V,3) in mm of the unposed body, its feet on the floor."""
    pose = torch.zeros(1, BODY.num_joints * 3)
    vertices = BODY(pose, torch.zeros(1, BODY.num_betas))[0].numpy() * 1000
    return vertices - [0, vertices[:, 1].min(), 0]


def test_the_picture_shows_the_body_where_the_camera_sees_it():
    position = np.array([1200.0, 1500.0, 3500.0])
    camera = Camera("a", (200, 160), 150.0, look_at(position, np.array([0.0, 900.0, 0.0]), 10.0), position)
    rng = np.random.default_rng(0)
    vertices = standing_mm()
    red = np.tile(np.uint8([255, 0, 0]), (BODY.num_vertices, 1))
    with studio(BODY, red, camera, rng) as shoot:
        picture, moved = shoot(vertices), shoot(vertices + np.array([400, 0, 0]))
    assert picture.shape == (160, 200, 3) and picture.dtype == np.uint8
    for image, offset in ((picture, 0), (moved, 400)):
        y, x = np.nonzero(image[..., 0].astype(int) > image[..., 1:].max(-1).astype(int) + 60)
        seen = camera.project(camera.to_camera(vertices + np.array([offset, 0, 0])))
        for found, expected in ((x, seen[:, 0]), (y, seen[:, 1])):
            assert found.min() == pytest.approx(expected.min(), abs=2)
            assert found.max() == pytest.approx(expected.max(), abs=2)


def test_clothes_differ_from_person_to_person_and_cover_everybody():
    rng = np.random.default_rng(0)
    first, second = draw_colors(rng, BODY), draw_colors(rng, BODY)
    assert first.shape == (BODY.num_vertices, 3) and not np.array_equal(first, second)
    assert 4 <= len(np.unique(first, axis=0)) <= 6
    assert np.array_equal(first, draw_colors(np.random.default_rng(0), BODY))


class Nearsighted:
    """Finds the middle of what is not background, with a confidence, except in the first frame."""

    def __init__(self) -> None:
        self.skeleton, self.frames = load_skeleton("COCO-17"), 0

    def __call__(self, frame: np.ndarray) -> list[np.ndarray]:
        self.frames += 1
        height, width = frame.shape[:2]
        middle = np.tile([width / 2, height / 2, 0.5], (17, 1)).astype(np.float32)
        return [middle] if self.frames > 1 else []


def test_the_pickle_is_a_data_set_and_a_source_of_errors(tmp_path, monkeypatch):
    monkeypatch.setitem(DETECTORS._entries, "nearsighted", Nearsighted)
    flags = ["--detector", "nearsighted", "--joint_format", "H36M-17", "--clips", "1", "--seconds", "1.5"]
    flags += ["--out", str(tmp_path), "--train", "1", "--test", "1", "--fps", "2"]
    assert film_people.main(flags) == 0 and (tmp_path / "sheet.png").stat().st_size > 1000
    skeleton = load_skeleton("H36M-17")
    config = {"reader": "pickle", "dt_file": "H36M-17.pkl", "dt_root": str(tmp_path), "missing": "keep"}
    for split in ("train", "test"):
        motion = build_motion(config, skeleton, split)
        assert (motion.num_frames, motion.fps, len(motion.videos)) == (3, 2.0, 1)
        assert (motion.confidence[0] == 0).all() and (motion.confidence[1:].max(1) == 0.5).all()
        xy = motion.joints_image[..., :2]
        assert ((xy > 0) & (xy < motion.size_px[0])).all()
        stature_mm = np.ptp(motion.joints_mm, axis=1).max()
        assert 700 < stature_mm < 2300
        wrong = [finding.code for finding in check_motion(motion) if finding.level == "error"]
        assert wrong == ["2d_against_3d"], "the detector's"
    errors = load_recorded_errors(skeleton, str(tmp_path / "H36M-17.pkl"))
    assert sorted(set(errors._tables["found"].tolist())) == [1, 2, 4, 5]


class Farsighted(Nearsighted):
    """The same, and says that all of its joints are a metre away, where it finds somebody."""

    worlds_m = (np.ones((17, 3)),)


def test_the_detectors_own_3d_lies_beside(tmp_path, monkeypatch):
    flags = ["--joint_format", "H36M-17", "--clips", "2", "--seconds", "1.5", "--fps", "2", "--test", "1"]
    for name, kind in (("nearsighted", Nearsighted), ("farsighted", Farsighted)):
        monkeypatch.setitem(DETECTORS._entries, name, kind)
        assert film_people.main([*flags, "--detector", name, "--out", str(tmp_path / name)]) == 0
    without, split = (
        load_pickle(tmp_path / name / "H36M-17.pkl")["test"] for name in ("nearsighted", "farsighted")
    )
    assert set(split) - set(without) == {"detector_3d", "detector_3d_format"}
    assert (split["detector"], split["detector_3d_format"]) == ("farsighted", "COCO-17")
    assert split["detector_3d"].shape == (6, 17, 3) and len(split["source"]) == 6
    assert np.isnan(split["detector_3d"][[0, 3]]).all()
    assert (split["detector_3d"][[1, 2, 4, 5]] == 1000).all()
    config = {"reader": "pickle", "dt_file": "H36M-17.pkl", "missing": "keep"}
    one, other = (
        build_motion(config | {"dt_root": str(tmp_path / name)}, load_skeleton("H36M-17"), "test")
        for name in ("nearsighted", "farsighted")
    )
    assert np.array_equal(one.keypoints, other.keypoints)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_detectors_3d_has_the_axes_of_the_labels(side):
    """Somebody faces the camera and points to it with one arm; the other one hangs."""
    other = {"left": "right", "right": "left"}[side]
    turn = {"left": -1, "right": 1}
    pose = torch.zeros(1, BODY.num_joints, 3)
    pose[0, BODY.joint_names.index(f"{side}_shoulder"), 1] = turn[side] * 1.4
    pose[0, BODY.joint_names.index(f"{other}_shoulder"), 2] = turn[other] * 1.2
    vertices = BODY(pose.flatten(1), torch.zeros(1, BODY.num_betas))[0].numpy() * 1000
    position = np.array([300.0, 400.0, 4000.0])  # the unposed body has its middle at the origin
    camera = Camera("a", (480, 640), 600.0, look_at(position, np.zeros(3)), position)
    rng = np.random.default_rng(0)
    with (
        closing_detector(build_detector("mediapipe")) as detector,
        studio(BODY, draw_colors(rng, BODY), camera, rng) as shoot,
    ):
        _, world_mm = film_people.tallest(detector, shoot(vertices))
    joints_mm = camera.to_camera(
        BODY.joints(pose.flatten(1), torch.zeros(1, BODY.num_betas))[0].numpy() * 1000
    )

    def ways(points: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        limbs = (
            (f"{side}_shoulder", f"{side}_wrist"),
            (f"{other}_shoulder", f"{other}_wrist"),
            ("right_shoulder", "left_shoulder"),
            ("left_shoulder", "left_ankle"),
        )
        return np.stack([points[names.index(b)] - points[names.index(a)] for a, b in limbs])

    found, truth = ways(world_mm, detector.skeleton.canonical), ways(joints_mm, BODY.joint_names)
    assert truth[0, 2] < -400 and truth[2, 0] > 300 and truth[3, 1] > 1200  # to the camera, right, down
    assert np.abs(found - truth).max() < 200


def test_nobody_to_film_is_a_mistake(tmp_path, capsys):
    assert film_people.main(["--out", str(tmp_path), "--joint_format", "H36M-17"]) == 2
    assert "give --train" in capsys.readouterr().err
