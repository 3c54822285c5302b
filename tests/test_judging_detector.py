"""A detector's own 3D beside lifters: axes, root, the joints and frames that both have, and what is said of it."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.data.motion import Motion
from lib.errors import UserError
from lib.evaluate import truth_mm
from lib.judging.detector_poses import read_detector_poses
from lib.judging.figures import judgement_figure
from lib.judging.inputs import ErrorSource
from lib.judging.judge import JudgedSet, judge_set
from lib.judging.report import Judgement, judgement_text
from lib.judging.rows import ACCELERATION, frame_errors
from lib.skeleton import conversion, load_skeleton
from tests.example_motion import as_split, example_motion
from tests.test_judging import Shifted
from tools import evaluate_model

H36M, MEDIAPIPE = load_skeleton("H36M-17"), load_skeleton("MediaPipe-33")
MADE = conversion(MEDIAPIPE, H36M, allow_missing=True, log=False)
LOST = [12, 13]  # frames without anybody; in the second one the 2D is there
ELSEWHERE_MM = np.array([300.0, -200.0, 100.0])  # a detector counts from where it likes


def people() -> Motion:
    """Two videos of somebody whose root is the middle of the hips, as MediaPipe's is."""
    motion = example_motion(H36M, (60, 40))
    image, hips = (
        motion.joints_image.copy(),
        [H36M.index_canonical(f"{side}_hip") for side in ("left", "right")],
    )
    image[:, H36M.root_idx] = image[:, hips].mean(1)
    confidence = motion.confidence.copy()
    confidence[LOST[0]] = 0
    return replace(motion, joints_image=image, joints_mm=image * 4, confidence=confidence)


def write_set(folder: Path, motion: Motion, off_mm: float = 30.0, **changes: object) -> Path:
    """A pickle in which MediaPipe has every joint but the root's so much too far away; those we lack lie anywhere."""
    back = conversion(H36M, MEDIAPIPE, allow_missing=True, log=False)
    points = back.apply(truth_mm(motion, H36M))[0]
    away = np.where([name.endswith("_hip") for name in MEDIAPIPE.canonical], 0.0, off_mm)
    points = np.nan_to_num(points, nan=500.0) + away[:, None] * [0, 0, 1] + ELSEWHERE_MM
    points[LOST] = np.nan
    split = as_split(motion) | {"size_px": motion.size_px, "fps": motion.fps, "detector": "mediapipe"}
    split |= {"detector_3d": points.astype(np.float32), "detector_3d_format": "MediaPipe-33"} | changes
    path = folder / "set.pkl"
    path.write_bytes(pickle.dumps({"train": split, "test": split}))
    return path


def loaded(path: Path, *flags: str, skeleton: object = H36M) -> JudgedSet:
    arguments = ["-e", "small", "--data", str(path), "--out", "nowhere", *flags]
    return evaluate_model.load_set(str(path), skeleton, evaluate_model.parse_arguments(arguments))


def test_known_errors_of_the_detector_are_its_rows(tmp_path):
    judged, judgement = loaded(write_set(tmp_path, people())), Judgement()
    lifters = [Shifted(judged.motion)]
    judge_set(judged, lifters, judgement, source=ErrorSource(), by=("task", "view_angle"))
    rows = {(row.lifter, row.input, row.by, row.group): row for row in judgement.rows}
    common = {key[:2]: row for key, row in rows.items() if key[2:] == ("common_joints", "MediaPipe-33")}
    exact = [joint for joint, kept in zip(H36M.joints, MADE.exact, strict=True) if kept]
    shifted = sum("hip" not in joint and joint != "root" for joint in exact)
    assert set(common) == {("shifted", "exact"), ("shifted", "given"), ("mediapipe_3d", "given")}
    assert {row.frames for row in common.values()} == {100 - len(LOST)}
    for key in ("mpjpe_mm", "depth_error_mm"):
        own = common["mediapipe_3d", "given"].errors[key]
        assert own == pytest.approx(30 * shifted / len(exact), rel=1e-4)
        assert common["shifted", "given"].errors[key] == pytest.approx(10 * (len(exact) - 1) / len(exact))
    assert (
        common["mediapipe_3d", "given"].errors[ACCELERATION] < 1e-3
    )  # the jump at the lost frames does not count
    whole = rows["mediapipe_3d", "given", "all", "all"]
    assert whole.frames == 98 and whole.errors["mpjpe_mm"] > own + 10  # approximate joints
    assert rows["shifted", "given", "all", "all"].frames == 99
    by_task = [row for key, row in rows.items() if key[0] == "mediapipe_3d" and key[2] == "task"]
    assert sum(row.frames for row in by_task) == 98
    assert any(key[0] == "mediapipe_3d" and key[2] == "view_angle" for key in rows)


def test_the_tables_and_what_is_said(tmp_path):
    judged, judgement = loaded(write_set(tmp_path, people())), Judgement()
    judge_set(judged, [Shifted(judged.motion)], judgement, source=ErrorSource(), by=("task", "view_angle"))
    text = judgement_text(judgement)
    head, _, rest = text.partition("On the joints that MediaPipe-33 has exactly")
    second, *breakdowns = rest.split("\n\nBy ")
    assert "mean_pose" in head and "mediapipe_3d" in head and "mean_pose" not in second
    assert len(breakdowns) == 2 and all("mediapipe_3d given" in each for each in breakdowns)
    assert "mean_pose" not in breakdowns[0].split("\n- ")[0] and "common joints" not in text
    assert "approximate in the table on all joints are spine, thorax, nose, head" in text
    assert (
        "13 of 17 joints are exact in MediaPipe-33: in the table on these, poses are relative to root" in text
    )
    assert judgement_figure(judgement.rows).startswith(b"\x89PNG")


def test_a_part_of_the_frames_keeps_what_belongs_together(tmp_path):
    motion = people()
    part = loaded(write_set(tmp_path, motion), "--frames", "40")
    assert len(part.own_3d.joints_mm) == part.motion.num_frames == 60  # whole videos
    backwards = loaded(write_set(tmp_path, motion)).select(np.arange(99, -1, -1))
    assert np.flatnonzero(~backwards.own_3d.found).tolist() == [99 - frame for frame in reversed(LOST)]


def test_a_format_with_joints_that_the_detector_lacks(tmp_path):
    rtm = load_skeleton("RTM-37")
    motion = example_motion(rtm)
    split = as_split(motion) | {"size_px": motion.size_px, "fps": 30.0, "detector": "mediapipe"}
    split |= {"detector_3d": np.ones((75, 33, 3)), "detector_3d_format": "MediaPipe-33"}
    path = tmp_path / "set.pkl"
    path.write_bytes(pickle.dumps({"test": split}))
    judged, judgement = loaded(path, skeleton=rtm), Judgement()
    judge_set(judged, [Shifted(motion, skeleton=rtm)], judgement, source=ErrorSource(), by=("task",))
    assert {row.by for row in judgement.rows if row.lifter == "mediapipe_3d"} == {"common_joints"}
    assert set(judged.own_3d.rooted.root) == {"RHIP", "LHIP"}
    assert "mediapipe_3d stands in no table on all joints: it has no HDTP" in judgement_text(judgement)


def test_sets_without_it_and_faulty_ones(tmp_path):
    motion = people()
    path = write_set(tmp_path, motion)
    data = pickle.loads(path.read_bytes())
    del data["test"]["detector_3d"]
    path.write_bytes(pickle.dumps(data))
    assert read_detector_poses(path, "test", H36M) is None and loaded(path).own_3d is None
    for changes, message in (
        (
            {"detector_3d": np.zeros((100, 17, 3))},
            r"\(100, 17, 3\), expected \(100, 33, 3\) for MediaPipe-33",
        ),
        ({"detector_3d_format": "MediaPipe-34"}, "unknown joint format"),
        ({"detector_3d": np.zeros((100, 21, 3)), "detector_3d_format": "Hand-21"}, "fewer than two joints"),
    ):
        path = write_set(tmp_path, motion, **changes)
        with pytest.raises(UserError, match=message):
            read_detector_poses(path, "test", H36M)
    data["test"]["detector_3d"] = np.zeros((100, 33, 3))
    del data["test"]["detector_3d_format"]
    path.write_bytes(pickle.dumps(data))
    with pytest.raises(UserError, match="say it as detector_3d_format"):
        read_detector_poses(path, "test", H36M)


def test_a_pose_that_is_not_finite_is_no_figure():
    motion = people()
    joints_mm, kept = truth_mm(motion, H36M), np.ones(100, bool)
    joints_mm[3, 5, 0] = np.nan
    labels = {"set": "a", "lifter": "b", "input": "exact"}
    with pytest.raises(UserError, match="not finite on 1 of 100 frames"):
        frame_errors(joints_mm, motion, H36M, kept, **labels)
    without = np.delete(np.arange(17), 5)
    errors = frame_errors(joints_mm, motion, H36M, kept, joints=without, **labels)
    assert errors.row().errors["mpjpe_mm"] < 1e-6
