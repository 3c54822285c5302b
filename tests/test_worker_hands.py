"""The built-in hand motion: hands that can be, filmed exactly, near and far, from all sides."""

import numpy as np
import pytest

from lib.config_yaml import parse_value
from lib.data.build import build_motion
from lib.data.readers.worker_hands import read_worker_hands
from lib.data.subject_splits import SPLITS
from lib.data.worker import HAND_TASKS, make_hand_motion, make_hand_truth, make_worker_truth, split_hand_tasks
from lib.data.worker.anthropometry import reference_subject
from lib.data.worker.body_points import place_points
from lib.data.worker.hand_detector import detect_hand
from lib.data.worker.hand_pose import hand_frames
from lib.data.worker.hand_shapes import (
    CHANNELS,
    DISTAL_OF_MIDDLE,
    channel_limits,
    coupled,
    hand_shapes,
    shape_names,
    shape_touches,
)
from lib.data.worker.hand_size import draw_hand
from lib.data.worker.hand_touch import hand_takes
from lib.data.worker.kinematics import FINGERS
from lib.errors import UserError
from lib.skeleton import load_skeleton
from tests.test_worker import digest

HAND, LEFT, RIGHT = (load_skeleton(name) for name in ("Hand-21", "Hand-21-left", "Hand-21-right"))
SMALL = {"subjects": 1, "clips": 2, "seconds": 2.0, "fps": 15.0, "cameras": 2}
EVERY_TASK = pytest.mark.parametrize("task", HAND_TASKS.names())
EVERY_HAND = pytest.mark.parametrize("skeleton", (HAND, LEFT, RIGHT), ids=lambda skeleton: skeleton.name)


@pytest.fixture(scope="module")
def truths():
    """One truth for each task: two people."""
    return {
        task: make_hand_truth(HAND, seed=3, subjects=2, clips=1, seconds=5.0, cameras=1, tasks=[task])
        for task in HAND_TASKS.names()
    }


@pytest.fixture(scope="module")
def many():
    """Many short videos with errors of detection."""
    return make_hand_truth(HAND, seed=1, subjects=16, seconds=1.0, fps=10.0)


# ---- seeds and splits


def test_same_seed_same_bytes_other_seed_other_motion():
    first, again = (make_hand_motion(HAND, seed=5, **SMALL) for _ in range(2))
    assert digest(first) == digest(again) == digest(make_hand_truth(HAND, seed=5, **SMALL).motion)
    assert digest(first) != digest(make_hand_motion(HAND, seed=6, **SMALL))
    large = make_hand_motion(HAND, seed=5, **{**SMALL, "subjects": 2})
    np.testing.assert_array_equal(large.joints_2d[: first.num_frames], first.joints_2d)


def bone_lengths_mm(truth) -> np.ndarray:
    """Length (F,J-1) of every bone of the format."""
    parents = np.asarray(HAND.parents)
    joints = truth.joints_camera_mm
    return np.linalg.norm(joints[:, 1:] - joints[:, parents[1:]], axis=-1)


def test_splits_share_no_person_or_camera_and_few_tasks():
    truths = {split: make_hand_truth(HAND, seed=0, subjects=2, seconds=0.5, split=split) for split in SPLITS}
    people = np.concatenate(
        [
            [bone_lengths_mm(truth)[truth.subject == name][0] for name in truth.subject.present()]
            for truth in truths.values()
        ]
    )
    differences_mm = np.abs(people[:, None] - people).max(-1)
    assert differences_mm[~np.eye(6, dtype=bool)].min() > 1.0
    train, test = truths["train"].motion, truths["test"].motion
    assert not set(train.camera.present()) & set(test.camera.present())
    assert not set(map(tuple, train.size_px.tolist())) & set(map(tuple, test.size_px.tolist()))
    both = set(split_hand_tasks("train")) & set(split_hand_tasks("test"))
    assert both == {"free_fingers", "turn_forearm"} and len(split_hand_tasks("test")) == 6
    assert set(split_hand_tasks("train")) | set(split_hand_tasks("test")) == set(HAND_TASKS.names())


# ---- formats and sides


@EVERY_HAND
def test_every_hand_format(skeleton):
    motion = make_hand_motion(skeleton, seed=1, **SMALL)
    assert motion.num_frames == 1 * 2 * 2 * 30 and len(motion.videos) == 4
    for field in ("joints_2d", "joints_image", "joints_mm", "confidence"):
        assert np.isfinite(getattr(motion, field)).all()
    assert motion.confidence.min() >= 0.0 and motion.confidence.max() <= 1.0
    np.testing.assert_array_equal(skeleton.root_of(motion.joints_image)[..., 2], 0.0)


@pytest.mark.parametrize("name", ["H36M-17", "UBHand-48", "COCO-WholeBody-133"])
def test_other_formats_are_refused(name):
    with pytest.raises(UserError, match="one hand"):
        make_hand_motion(load_skeleton(name), seed=0, **SMALL)


def test_a_left_hand_is_the_mirror_image_of_the_right_one():
    left, right, unnamed = (make_hand_truth(skeleton, seed=4, **SMALL) for skeleton in (LEFT, RIGHT, HAND))
    assert digest(right.motion) == digest(unnamed.motion)
    mirrored = right.motion.joints_2d.copy()
    mirrored[..., 0] = right.motion.size_px[:, None, 0] - mirrored[..., 0]
    np.testing.assert_allclose(left.motion.joints_2d, mirrored, atol=2e-3)
    np.testing.assert_allclose(left.motion.joints_image[..., 2], right.motion.joints_image[..., 2], atol=2e-3)
    np.testing.assert_array_equal(left.motion.confidence, right.motion.confidence)
    np.testing.assert_allclose(left.joints_camera_mm, right.joints_camera_mm * [-1, 1, 1], atol=2e-3)
    np.testing.assert_array_equal(left.dofs_deg, right.dofs_deg)
    np.testing.assert_allclose(np.linalg.det(left.camera_rotation), 1.0, atol=1e-9)
    assert left.dof_names[0].startswith("left_") and right.segments[0] == "right_forearm"


def test_a_right_hand_before_the_camera():
    """Palm to the camera and fingers up: the thumb is on the right of the image, and bent fingers come nearer."""
    subject, names = reference_subject(), tuple(f"right_{name}" for name in HAND.canonical)
    still = np.eye(3)[None], np.zeros((1, 3))
    flat, bent = (
        place_points(subject, *hand_frames(subject, "right", shape[:, None], *still), names)[0]
        for shape in (hand_shapes()[:, shape_names().index(name)] for name in ("flat", "curled"))
    )
    tips = [HAND.canonical.index(f"{finger}_tip") for finger in FINGERS]
    in_image = flat * [1, -1, 1]  # the segment's y, towards the forearm, is the camera's y, down
    assert (flat[tips[1:], 1] < -100.0).all() and (in_image[tips, 1] > 0.0).all()
    assert flat[tips[0], 0] > flat[tips[1], 0] > flat[tips[4], 0]
    assert (bent[tips[1:], 2] < flat[tips[1:], 2] - 30.0).all()


# ---- hands that can be


@EVERY_TASK
def test_joint_limits_and_coupling(truths, task):
    truth = truths[task]
    low, high = channel_limits(reference_subject())
    for row, name in enumerate(CHANNELS):
        values = truth.dof(f"right_{name}")
        slack = 0.1 * (high[row] - low[row]) if name.startswith(("wrist", "forearm")) else 1e-3
        assert values.min() >= low[row] - slack and values.max() <= high[row] + slack, name
    for finger in FINGERS[1:]:
        knuckle, spread, middle, last = (
            truth.dof(f"right_{finger}_{kind}")
            for kind in ("proximal_flexion", "proximal_radial", "intermediate_flexion", "distal_flexion")
        )
        assert np.abs(spread[knuckle > 80.0]).max(initial=0.0) < 6.0
        assert np.abs(last - DISTAL_OF_MIDDLE * middle).max() < 50.0
        if middle.std() > 15.0:
            assert np.corrcoef(middle, last)[0, 1] > 0.6


def test_the_last_joint_follows_the_middle_one(many):
    ratio = [
        np.polyfit(*(many.dof(f"right_{finger}_{bone}_flexion") for bone in ("intermediate", "distal")), 1)[0]
        for finger in FINGERS[1:]
    ]
    np.testing.assert_allclose(ratio, 0.66, atol=0.08)


def test_wrist_bends_less_sideways_when_it_is_bent():
    told = np.zeros((len(CHANNELS), 1))
    told[[CHANNELS.index("wrist_flexion"), CHANNELS.index("wrist_radial")]] = [[78.0], [24.0]]
    angles = coupled(reference_subject(), told)[:, 0]
    assert angles[CHANNELS.index("wrist_radial")] < 20.0 < angles[CHANNELS.index("wrist_flexion")] < 60.0


@EVERY_TASK
def test_bones_keep_their_length(truths, task):
    truth = truths[task]
    for person in truth.subject.present():
        assert np.ptp(bone_lengths_mm(truth)[truth.subject == person], axis=0).max() < 0.01


@EVERY_TASK
def test_hands_move_smoothly(truths, task):
    truth = truths[task]
    for start, stop in truth.motion.videos:
        speed = np.diff(truth.dofs_deg[start:stop], axis=0) * truth.motion.fps
        assert np.abs(speed).max() < 2200.0
        assert np.abs(speed).mean() > 1.0


def test_fingers_move_by_themselves(truths):
    truth = truths["free_fingers"]
    flexion = np.stack([truth.dof(f"right_{finger}_intermediate_flexion") for finger in FINGERS[1:]])
    assert np.abs(np.corrcoef(flexion) - np.eye(4)).max() < 0.7
    assert (np.ptp(flexion, axis=1) > 50.0).all()


def test_every_shape_of_every_hand_touches_what_it_should():
    misses = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        subject = draw_hand(rng, "someone")
        for name, takes in hand_takes(rng, subject).items():
            touches = shape_touches(name)
            names = tuple(f"right_{point}" for touch in touches for point in touch[:2])
            if not names:
                continue
            frames = takes.shape[1]
            still = np.broadcast_to(np.eye(3), (frames, 3, 3)), np.zeros((frames, 3))
            points = place_points(
                subject, *hand_frames(subject, "right", coupled(subject, takes), *still), names
            )
            apart = np.linalg.norm(points[:, ::2] - points[:, 1::2], axis=-1)
            misses += list(np.abs(apart - [touch[2] * subject.hand_length_mm for touch in touches]).ravel())
    assert np.median(misses) < 1.0 and np.mean(np.array(misses) < 6.0) > 0.85


def test_hands_differ_between_people(many):
    lengths = np.array([bone_lengths_mm(many)[many.subject == name][0] for name in many.subject.present()])
    assert ((lengths.std(0) / lengths.mean(0)) > 0.05).all()
    whole = lengths[:, 8] + lengths[:, 9] + lengths[:, 10] + lengths[:, 11]  # wrist to the tip of the middle
    assert 165.0 < whole.mean() < 205.0
    shares = lengths / whole[:, None]
    assert (shares.std(0) / shares.mean(0) > 0.02).all()


# ---- cameras and detector


def test_projection_agrees_with_the_labels():
    truth = make_hand_truth(HAND, seed=2, detector=False, **SMALL)
    motion, joints = truth.motion, truth.joints_camera_mm.astype(float)
    px = joints[..., :2] / joints[..., 2:] * truth.focal_px[:, None, None] + motion.size_px[:, None] / 2
    np.testing.assert_allclose(motion.joints_2d, px, atol=0.02)
    np.testing.assert_array_equal(motion.joints_2d, motion.joints_image[..., :2])
    assert (motion.confidence == 1.0).all()
    np.testing.assert_allclose(
        motion.joints_mm, motion.joints_image * motion.factor_mm_per_px[:, None, None], rtol=1e-5
    )
    depth = joints[..., 2] - HAND.root_of(joints)[..., 2]
    np.testing.assert_allclose(motion.joints_mm[..., 2], depth, atol=0.05)
    world = np.einsum("fji,fkj->fki", truth.camera_rotation, joints) + truth.camera_position_mm[:, None]
    expected = np.stack([truth.point(f"right_{name}") for name in HAND.canonical], axis=1)
    np.testing.assert_allclose(world, expected, atol=0.05)


def test_cameras_near_and_far_from_all_sides(many):
    motion, joints = many.motion, many.joints_camera_mm
    exact = motion.joints_image[..., :2]
    inside = (exact >= 0) & (exact <= motion.size_px[:, None])
    assert inside.mean() > 0.999 and joints[..., 2].min() > 100.0
    share = np.ptp(exact, axis=1).max(-1) / motion.size_px.max(-1)
    assert (share < 0.1).mean() > 0.1 and (share > 0.3).mean() > 0.1 and share.max() > 0.5
    assert np.abs(exact.mean(1) / motion.size_px - 0.5).mean() > 0.08  # seldom in the middle
    wrist, index, middle, pinky = (
        joints[:, HAND.canonical.index(name)]
        for name in ("hand_wrist", "index_mcp", "middle_mcp", "pinky_mcp")
    )
    fingers = (middle - wrist) / np.linalg.norm(middle - wrist, axis=-1, keepdims=True)
    back = np.cross(index - wrist, pinky - wrist)  # right hand: out of the back of the hand, y down
    back /= np.linalg.norm(back, axis=-1, keepdims=True)
    for axis in range(3):
        for direction in (fingers, back):
            assert (direction[:, axis] > 0.7).mean() > 0.02 and (direction[:, axis] < -0.7).mean() > 0.02
    assert (fingers[:, 1] < -0.7).mean() > 0.25, "often held up"


def test_one_confidence_for_the_hand_in_half_of_the_videos(many):
    motion = many.motion
    same = np.ptp(motion.confidence, axis=1) < 1e-6
    found = motion.confidence[:, 0] > 0.0
    per_video = np.array([same[start:stop].all() for start, stop in motion.videos])
    assert 0.35 < per_video.mean() < 0.65
    assert np.median(motion.confidence[same & found]) > 0.93 and motion.confidence[same & found].min() >= 0.5
    assert 0.0005 < 1.0 - found.mean() < 0.05


def test_errors_are_those_of_hand_detectors(many):
    motion = many.motion
    exact = motion.joints_image[..., :2]
    box_px = np.linalg.norm(np.ptp(exact, axis=1), axis=-1) / np.sqrt(2.0)
    error = np.linalg.norm(motion.joints_2d - exact, axis=-1) / box_px[:, None]
    each = np.ptp(motion.confidence, axis=1) > 1e-6
    sure, unsure = motion.confidence[each] > 0.85, motion.confidence[each] < 0.5
    assert 0.01 < np.median(error[each][sure]) < 0.03
    assert error[each][unsure].mean() > 1.8 * error[each][sure].mean()
    assert 0.03 < unsure.mean() < 0.3


def test_occlusion_lowers_confidence_and_widens_errors():
    exact = np.broadcast_to(np.random.default_rng(0).uniform(100, 300, (1, 1, 21, 2)), (64, 40, 21, 2))
    hidden = np.zeros((64, 40, 21), bool)
    hidden[:, 10:30, 5:9] = True
    found, confidence = detect_hand(np.random.default_rng(1), HAND, exact, hidden, 30.0)
    each = np.ptp(confidence[:, 5], axis=-1) > 1e-6
    assert confidence[each][:, 15:25, 5:9].mean() < 0.6 < 0.8 < confidence[each][:, 15:25, 9:].mean()
    error = np.linalg.norm(found - exact, axis=-1)
    assert error[:, 15:25, 5:9].mean() > 1.7 * error[:, 15:25, 9:].mean()
    jump = np.linalg.norm(np.diff(found[:, :10, :5], axis=1), axis=-1)
    assert np.median(jump) < 0.4 * np.median(error[:, :10, :5]), "errors wander, they do not jump"


# ---- reader, and the fingers of the whole worker


def test_reader_takes_the_keys_of_the_config():
    keys = {"subjects": {"train": 2, "test": 1}, "clips": 1, "seconds": 1, "fps": 10, "cameras_per_clip": 1}
    motion = read_worker_hands(HAND, "train", {**keys, "tasks": ["power_grasp"], "seed": 3})
    assert motion.num_frames == 20 and motion.action.present() == ["power_grasp"] and motion.fps == 10
    config = {"reader": "worker_hands", "joint_format": "Hand-21", "worker": {**keys, "detector": False}}
    assert build_motion(config, HAND, "test").num_frames == 10
    with pytest.raises(UserError, match="did you mean 'seconds'"):
        read_worker_hands(HAND, "train", {"secnds": 3})
    with pytest.raises(UserError, match="power_grasp"):
        read_worker_hands(HAND, "train", {"tasks": ["power_grip"]})
    for key, value in {"subjects": 0, "clips": 0, "cameras_per_clip": 0, "seconds": "0.01"}.items():
        with pytest.raises(UserError):
            read_worker_hands(HAND, "train", {**keys, key: parse_value(str(value), "test")})


def test_the_worker_uses_grasps_where_tasks_are_about_hands():
    truth = make_worker_truth(
        load_skeleton("UBHand-48"), seed=1, subjects=3, clips=1, seconds=8.0, cameras=1, tasks=["hand_grasps"]
    )
    curl = {
        finger: truth.dof(f"right_{finger}_intermediate_flexion")
        + truth.dof(f"left_{finger}_intermediate_flexion")
        for finger in ("index", "pinky")
    }
    assert np.corrcoef(curl["index"], curl["pinky"])[0, 1] < 0.98  # fingers of a grasp differ
    for name in truth.dof_names:
        if any(finger in name for finger in FINGERS):
            jumps = np.abs(np.diff(truth.dof(name)))
            jumps[truth.motion.videos[1:, 0] - 1] = 0.0
            assert jumps.max() < 30.0, name
