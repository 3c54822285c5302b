"""Planted faults are found and named; sound sets pass in every joint format."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from lib.data.build import build_motion
from lib.data.checks import check_motion, check_split_overlap, raise_or_log
from lib.data.motion import Motion
from lib.errors import UserError
from lib.skeleton import list_skeletons, load_skeleton
from tests.example_motion import example_motion

H36M = load_skeleton("H36M-17")


def sound() -> Motion:
    return example_motion(H36M, (40, 60))


def found(motion: Motion, **keys) -> dict[str, tuple[str, str]]:
    return {f.code: (f.level, f.message) for f in check_motion(motion, clip_len=27, **keys)}


@pytest.mark.parametrize("name", list_skeletons())
def test_a_sound_set_passes(name):
    assert check_motion(example_motion(load_skeleton(name), (40, 60)), clip_len=27) == []


def test_sets_without_3d_pass():
    assert found(example_motion(H36M, (40, 60), with_3d=False)) == {}


def shuffled_joints(motion: Motion) -> Motion:
    return replace(motion, joints_2d=np.roll(motion.joints_2d, 1, axis=1))


def wrong_resolution(motion: Motion) -> Motion:
    return replace(motion, joints_2d=motion.joints_2d / 2)


def size_too_small(motion: Motion) -> Motion:
    return replace(motion, size_px=np.array([400, 300]))


def root_with_depth(motion: Motion) -> Motion:
    return replace(motion, joints_image=motion.joints_image + np.float32([0, 0, 300]))


def sides_swapped(motion: Motion) -> Motion:
    return replace(motion, joints_2d=motion.joints_2d[:, H36M.flip_idx])


def nan_in_labels(motion: Motion) -> Motion:
    labels = motion.joints_image.copy()
    labels[77, 3, 2] = np.nan
    return replace(motion, joints_image=labels)


def labels_in_metres(motion: Motion) -> Motion:
    return replace(motion, joints_mm=motion.joints_mm / 1000, factor_mm_per_px=motion.factor_mm_per_px / 1000)


def wrong_factor(motion: Motion) -> Motion:
    return replace(motion, factor_mm_per_px=motion.factor_mm_per_px * 2)


def percent_confidence(motion: Motion) -> Motion:
    return replace(motion, confidence=motion.confidence * 100)


def unseen_joint(motion: Motion) -> Motion:
    confidence = motion.confidence.copy()
    confidence[:, 9] = 0
    return replace(motion, confidence=confidence)


def empty(motion: Motion) -> Motion:
    return motion.select(slice(0, 0))


# fault -> level, code, and what the message must name
FAULTS = {
    empty: ("error", "empty", "0 clips from .*clip_len 27, longest video 0 frames"),
    shuffled_joints: ("error", "2d_against_3d", "video0, video1.*another order"),
    wrong_resolution: ("error", "2d_against_3d", "resolution"),
    size_too_small: ("error", "outside_image", "400 x 300 px .video0.*res_w, res_h"),
    root_with_depth: ("warning", "root_depth", r"root \(\w+\) is not at depth 0 in video0, video1"),
    sides_swapped: ("error", "left_right_swapped", "swapped between 2D and 3D in video0, video1"),
    nan_in_labels: ("error", "not_finite", "joints_image is NaN or infinite in 1 frames .video1"),
    labels_in_metres: ("error", "unit_mm", "in video0, video1: are they in metres"),
    wrong_factor: ("error", "factor", "video0, video1: check 2.5d_factor"),
    percent_confidence: ("warning", "confidence_range", "expected 0 to 1"),
    unseen_joint: ("warning", "missing_joints", f"{H36M.joints[9]} have confidence 0"),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_planted_faults_are_found_and_named(fault):
    level, code, text = FAULTS[fault]
    findings = found(fault(sound()))
    assert set(findings) == {code}
    assert findings[code][0] == level
    with pytest.raises(AssertionError if level == "warning" else UserError, match=text):
        raise_or_log(check_motion(fault(sound()), clip_len=27))
        raise AssertionError(findings[code][1])


def test_a_wrong_joint_count_is_an_error():
    with pytest.raises(UserError, match=r"\(100, 16, 2\), expected \(100, 17, 2\) .*17 joints of H36M-17"):
        replace(sound(), joints_2d=sound().joints_2d[:, :16])


def test_one_faulty_source_among_many_is_a_warning_that_names_it():
    motion = example_motion(H36M, (30,) * 5)
    xy = motion.joints_2d.copy()
    xy[60:90] = np.roll(xy[60:90], 1, axis=1)
    level, message = found(replace(motion, joints_2d=xy))["2d_against_3d"]
    assert level == "warning" and "in video2:" in message


def test_short_videos_are_told():
    level, message = found(example_motion(H36M, (20, 26)))["short"]
    assert level == "warning" and "clip_len 27, longest video 26 frames" in message


def test_root_depth_matters_only_for_relative_labels():
    assert found(root_with_depth(sound()), rootrel=False) == {}


def test_nan_in_2d_is_no_fault_before_it_is_filled():
    motion = sound()
    motion.joints_2d[3, 2] = np.nan
    assert found(motion) == {}
    assert set(found(replace(motion, missing="hold"))) == {"not_finite"}


def test_all_errors_are_raised_together_and_warnings_logged(caplog):
    faulty = percent_confidence(nan_in_labels(size_too_small(sound())))
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(UserError, match=r"\[not_finite\].*\[outside_image\]"),
    ):
        raise_or_log(check_motion(faulty))
    assert "[confidence_range]" in caplog.text


def test_one_video_in_two_splits():
    train = example_motion(H36M, (40, 60, 30))
    findings = check_split_overlap(train, replace(train.select(slice(40, 100)), source="renamed"))
    assert [(f.level, f.code) for f in findings] == [("error", "split_overlap")]
    assert "1 videos" in findings[0].message and "video1" in findings[0].message


def test_other_videos_of_the_same_name_are_a_warning():
    findings = check_split_overlap(sound(), example_motion(H36M, (40,), seed=9))
    assert [(f.level, f.code) for f in findings] == [("warning", "split_names")]
    assert check_split_overlap(sound(), replace(example_motion(H36M, (40,), seed=9), source="other")) == []


@pytest.mark.parametrize("name", ["H36M-17", "RTM-37"])
def test_the_built_in_data_are_sound(name):
    config = {"reader": "worker", "worker": {"subjects": 2, "seconds": 3}, "seed": 0}
    motions = [build_motion(config, load_skeleton(name), split) for split in ("train", "test")]
    for motion in motions:
        assert check_motion(motion, clip_len=27) == []
    assert check_split_overlap(*motions) == []
