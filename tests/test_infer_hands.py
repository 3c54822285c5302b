"""infer_wild.py on videos of hands alone and of bodies with hands."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import infer_wild
from lib.wild.detectors import DETECTORS
from lib.wild.exports import EXPORTS
from lib.wild.hand_formats import SIDES, joints_of_hand
from lib.wild.records import Detections, Flag, WorldMotion
from tests.example_hands import (
    BODY,
    HAND,
    HAND_PX,
    PaintedHands,
    body_track,
    hand_at,
    painted,
    two_hands,
    wrist_of,
)
from tests.example_run import FPS, FRAMES, SIZE_PX, run, write_model, write_video


@pytest.fixture(scope="module")
def hand_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("hand"), "Hand-21")


@pytest.fixture(scope="module")
def body_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("body"), "H36M-17")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = [painted()] * FRAMES
    return write_video(tmp_path_factory.mktemp("video") / "hands.mp4", images, "yuv444p", crf="5")


@pytest.fixture
def both_hands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded detector knows where both hands are, the right one not in the last frames."""
    detections = two_hands(FRAMES)

    class Known:
        skeleton, joint_format = HAND, "Hand-21"

        def __init__(self, **options: object) -> None:
            self.frame, self.sides = -1, []

        def __call__(self, frame: np.ndarray) -> list[np.ndarray]:
            self.frame += 1
            self.sides = list(detections.sides[self.frame])
            return list(detections.people[self.frame])

    monkeypatch.setitem(DETECTORS._entries, "mediapipe_hands", Known)


@pytest.fixture
def painted_hands(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The embedded detector finds both hands of ``body_track``, in the pictures around the wrists alone."""
    track = body_track(1)
    hands = tuple(hand_at(wrist_of(track, side, 0) + np.array([0, 1]), side, HAND_PX) for side in SIDES)
    kind = type("Painted", (PaintedHands,), {"hands": hands, "joint_format": "Hand-21"})
    monkeypatch.setitem(DETECTORS._entries, "mediapipe_hands", kind)
    return


@pytest.fixture(scope="module")
def body_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    track = body_track()
    path = tmp_path_factory.mktemp("body") / "detections.npz"
    keypoints = track.keypoints.copy()
    keypoints[8:16, BODY.index("left_wrist")] = (np.nan, np.nan, 0)
    people = [pose[None] for pose in keypoints]
    Detections(skeleton=BODY, people=people, fps=FPS, size_px=SIZE_PX, source="x").save(path)
    return path


def test_a_video_of_hands_alone(
    tmp_path: Path,
    video: Path,
    hand_checkpoint: Path,
    both_hands: None,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
):
    common = ("-v", video, "-e", hand_checkpoint)
    with caplog.at_level(logging.INFO):
        assert run(*common, "-o", tmp_path / "all", "--focus", "all", "--hand_length", 0.2) == 0
    assert "the model lifts one hand (Hand-21): --detector mediapipe_hands" in caplog.text
    folders = sorted(path.name for path in (tmp_path / "all").iterdir() if path.is_dir())
    assert [name.rpartition("_")[0] for name in folders] == ["left_hand", "right_hand"]
    for name in folders:
        world = WorldMotion.load(tmp_path / "all" / name / "X3D_world.npz")
        assert world.skeleton.name == f"Hand-21-{name.split('_')[0]}" and world.units == "m"
        assert np.isfinite(world.positions).all() and not world.foot_contact.any()
        for kind in EXPORTS.names():
            assert (tmp_path / "all" / name / EXPORTS.get(kind).file_name).stat().st_size > 0
        assert (tmp_path / "all" / name / "report.html").exists()
    text = capsys.readouterr().out
    assert "hands found" in text and "this is left hand" in text and "(right)" in text

    assert run(*common, "-o", tmp_path / "left", "--focus", "left", "--no_render", "--no_flip") == 0
    assert "--no_flip has no effect" in caplog.text
    alone = WorldMotion.load(tmp_path / "left" / "X3D_world.npz")
    assert alone.units == "arbitrary" and alone.skeleton.name == "Hand-21-left"
    assert "arbitrary (1 = the hand's length); --hand_length gives metres" in capsys.readouterr().out
    kept = np.load(tmp_path / "left" / "keypoints_2d.npz")
    assert (np.diff(kept["keypoints"][:, 0, 0]) > 0).all(), "px of the video, not of the mirror image"
    # the detections of one run as the keypoint file of another keep their sides
    file = tmp_path / "left" / "detections.npz"
    assert run(*common, "-j", file, "-o", tmp_path / "again", "--focus", "left", "--no_render") == 0
    again = WorldMotion.load(tmp_path / "again" / "X3D_world.npz")
    np.testing.assert_allclose(again.positions, alone.positions, atol=1e-5)


def test_hands_beside_a_body(
    tmp_path: Path,
    video: Path,
    body_file: Path,
    body_checkpoint: Path,
    hand_checkpoint: Path,
    painted_hands: None,
    capsys: pytest.CaptureFixture[str],
):
    common = ("-v", video, "-j", body_file, "-e", body_checkpoint, "--stature", 1.7)
    out = tmp_path / "out"
    assert run(*common, "-o", out, "--hands", hand_checkpoint) == 0
    world = WorldMotion.load(out / "X3D_world.npz")
    assert world.skeleton.name == "H36M-17+Hand-21" and world.positions.shape == (FRAMES, 57, 3)
    left, right = (joints_of_hand(world.skeleton, HAND, side) for side in SIDES)
    seen = np.ones(FRAMES, bool)
    seen[8:16] = False  # without the body's wrist the hand is not looked for
    for hand, where in ((left, seen), (right, np.ones(FRAMES, bool))):
        np.testing.assert_array_equal((world.flag[:, hand[1:]] == Flag.SEEN).all(1), where)
    assert (world.flag[11, left] == Flag.ABSENT).all() and np.isnan(world.positions[11, left]).all()
    assert np.isfinite(world.positions[seen][:, left]).all()
    assert any("the left one in 16 of 24 frames" in note for note in world.notes)

    table = (out / "X3D.csv").read_text().splitlines()
    assert len(table) == 1 + 57 * FRAMES and any(",left_index_3," in line for line in table)
    content = json.loads((out / "X3D.json").read_text())
    assert content["joints"][-1] == "right_pinky_3"
    assert ["left_wrist", "left_thumb_0"] in content["limbs"]
    assert "left_index_3" in (out / "X3D.trc").read_text()
    assert "JOINT left_index_2" in (out / "X3D_rigid.bvh").read_text()
    assert b"left_index_3" in (out / "X3D.c3d").read_bytes() or (out / "X3D.c3d").stat().st_size > 1000
    assert "left_pinky_3" in (out / "report.html").read_text()
    kept = np.load(out / "keypoints_2d.npz")
    assert kept["keypoints"].shape == (FRAMES, 57, 3) and kept["raw"].shape == (FRAMES, 66, 3)
    assert np.load(out / "X3D.npy").shape == (FRAMES, 17, 3), "what the body's network says"

    # the body itself is as without hands; nothing is run twice
    assert run(*common, "-o", tmp_path / "plain", "--no_render") == 0
    plain = WorldMotion.load(tmp_path / "plain" / "X3D_world.npz")
    np.testing.assert_allclose(world.positions[:, :17], plain.positions, atol=1e-5)
    capsys.readouterr()
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert run(*common, "-o", out, "--hands", hand_checkpoint) == 0
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before
    assert "hands, lift, export, render, page" in capsys.readouterr().out


def test_a_model_of_bodies_with_fingers(tmp_path: Path, video: Path, body_file: Path, painted_hands: None):
    checkpoint = write_model(tmp_path / "model", "UBHand-48")
    flags = ("-v", video, "-j", body_file, "-e", checkpoint, "-o", tmp_path / "out", "--no_render")
    assert run(*flags) == 0
    world = WorldMotion.load(tmp_path / "out" / "X3D_world.npz")
    assert world.skeleton.name == "UBHand-48" and (world.flag[:8] == Flag.SEEN).all()
    absent = [joint for joint, flag in zip(world.skeleton.joints, world.flag[11], strict=True) if flag]
    assert len(absent) == 22 and all(joint.startswith("left_") for joint in absent)


def test_bad_input_is_told_in_one_line(
    tmp_path: Path,
    video: Path,
    body_file: Path,
    body_checkpoint: Path,
    hand_checkpoint: Path,
    painted_hands: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    body, hand = ("-e", body_checkpoint), ("-e", hand_checkpoint)
    monkeypatch.setattr(PaintedHands, "least_share", 2.0)
    cases = {
        "--hands with a body": (
            ("-v", video, *body, "--hands", body_checkpoint),
            "lifts H36M-17, where one of",
        ),
        "--hands beside hands": (
            ("-v", video, *hand, "--hands", hand_checkpoint),
            "as --hands beside a body",
        ),
        "a mesh beside hands": (
            ("-v", video, *hand, "--mesh", tmp_path / "none.bin"),
            "none.bin does not exist",
        ),
        "no hands in the video": (("-v", video, *hand), "no hand was found"),
        "hands looked for in no video": (
            ("-j", body_file, *body, "--hands", hand_checkpoint),
            "give it as --vid_path",
        ),
        "bodies for hands": (("-v", video, "-j", body_file, *hand), "this checkpoint lifts hands"),
        "missing hand checkpoint": (
            ("-v", video, *body, "--hands", tmp_path / "no.bin"),
            "no.bin does not exist",
        ),
        "a hand in cm": (("-v", video, *hand, "--hand_length", 19), "did you mean 0.19"),
        "missing hand config": (
            ("-v", video, *body, "--hands", hand_checkpoint, "--hands_config", tmp_path / "no.yaml"),
            "--hands_config",
        ),
    }
    for name, (flags, words) in cases.items():
        out = tmp_path / name.replace(" ", "_")
        monkeypatch.setattr("sys.argv", ["infer_wild.py", "-o", str(out), *map(str, flags)])
        code = infer_wild.run()
        error = capsys.readouterr().err
        told = [line for line in error.splitlines() if line.startswith("error: ")]
        assert code == 2 and len(told) == 1, f"{name}: {error}"
        assert words in told[0], f"{name}: {told[0]}"
