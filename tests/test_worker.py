"""The built-in worker motion: a person that holds together, stands on the floor, and is filmed exactly."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.config import load_config
from lib.data.build import build_motion
from lib.data.readers.worker import read_worker
from lib.data.subject_splits import SPLITS
from lib.data.worker import TASKS, make_worker_motion, make_worker_truth, split_tasks, worker_clips
from lib.data.worker.anthropometry import draw_subject, reference_subject
from lib.data.worker.body_points import place_points, point_names
from lib.data.worker.camera import RANGES, draw_camera
from lib.data.worker.fingers import FINGER_LIMITS_DEG
from lib.data.worker.generate import LEAD_S, record_session
from lib.data.worker.kinematics import (
    DOF_INDEX,
    DOF_NAMES,
    PARENT,
    SEGMENTS,
    angles_zxy,
    forward,
    mirror_dofs,
)
from lib.data.worker.request import Request
from lib.errors import UserError
from lib.skeleton import conversion, list_skeletons, load_skeleton
from tools.preview_data import contact_sheet, pick_videos

H36M = load_skeleton("H36M-17")
SMALL = {"subjects": 1, "clips": 2, "seconds": 2.0, "fps": 15.0, "cameras": 2}
EVERY_TASK = pytest.mark.parametrize("task", TASKS.names())
EVERY_SKELETON = pytest.mark.parametrize("name", list_skeletons())


@pytest.fixture(scope="module")
def truths():
    """One truth for each task: two people, several cycles."""
    return {
        task: make_worker_truth(H36M, seed=3, subjects=2, clips=1, seconds=6.0, cameras=1, tasks=[task])
        for task in TASKS.names()
    }


def digest(motion) -> str:
    fields = ("joints_2d", "confidence", "joints_image", "joints_mm", "factor_mm_per_px", "size_px")
    names = [*motion.source.names, *motion.camera.names, *motion.action.names]
    arrays = b"".join(getattr(motion, field).tobytes() for field in fields)
    return hashlib.sha256(arrays + "|".join(names).encode()).hexdigest()


# ---- seeds and splits


def test_same_seed_same_bytes_other_seed_other_motion():
    first, again = (make_worker_motion(H36M, seed=5, **SMALL) for _ in range(2))
    assert digest(first) == digest(again)
    assert digest(first) == digest(make_worker_truth(H36M, seed=5, **SMALL).motion)
    assert digest(first) != digest(make_worker_motion(H36M, seed=6, **SMALL))


def test_a_larger_set_begins_with_the_smaller_one():
    small = make_worker_motion(H36M, seed=5, **SMALL)
    large = make_worker_motion(H36M, seed=5, **{**SMALL, "subjects": 2})
    np.testing.assert_array_equal(large.joints_2d[: small.num_frames], small.joints_2d)


@pytest.mark.parametrize(
    "made",
    [
        "make_worker_motion(load_skeleton('RTM-66'), seed=1, subjects=1, clips=6)",
        "make_hand_motion(load_skeleton('Hand-21'), seed=1, subjects=2)",
    ],
    ids=["people", "hands"],
)
def test_the_number_of_threads_changes_no_byte(made):
    code = (
        "import hashlib; from lib.skeleton import load_skeleton; from lib.data.worker import *\n"
        f"motion = {made}\n"
        "print(hashlib.sha256(motion.joints_2d.tobytes() + motion.joints_image.tobytes()).hexdigest())"
    )
    root = Path(__file__).parent.parent
    keys = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env={**os.environ, **dict.fromkeys(keys, threads)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(digests) == 1


def segment_lengths_mm(truth) -> np.ndarray:
    """Distance from each segment's origin to its parent's in the first frame of each person."""
    pairs = np.array([(SEGMENTS.index(a), SEGMENTS.index(b)) for a, b in PARENT.items() if b is not None])
    first = [np.flatnonzero(truth.subject == person)[0] for person in truth.subject.present()]
    origins = truth.origins_mm[first]
    return np.linalg.norm(origins[:, pairs[:, 0]] - origins[:, pairs[:, 1]], axis=-1)


def test_splits_share_no_person_task_or_camera():
    truths = {
        split: make_worker_truth(H36M, seed=0, subjects=2, seconds=0.5, split=split) for split in SPLITS
    }
    bodies = {split: segment_lengths_mm(truth) for split, truth in truths.items()}
    assert {split: len(people) for split, people in bodies.items()} == dict.fromkeys(SPLITS, 2)
    everybody = np.concatenate(list(bodies.values()))
    differences_mm = np.abs(everybody[:, None] - everybody).max(-1)
    assert differences_mm[~np.eye(6, dtype=bool)].min() > 1.0, "nobody is in two splits, or twice in one"
    train, test = truths["train"].motion, truths["test"].motion
    assert not set(train.action.present()) & set(test.action.present())
    assert not set(train.camera.present()) & set(test.camera.present())
    assert not set(map(tuple, train.size_px.tolist())) & set(map(tuple, test.size_px.tolist()))
    assert set(split_tasks("train")) | set(split_tasks("test")) == set(TASKS.names())
    assert len(split_tasks("test")) >= 3


def test_worker_clips_never_end_and_repeat_with_the_seed():
    skeleton, rng = load_skeleton("COCO-17"), np.random.default_rng(0)
    first, second = (worker_clips(skeleton, rng, 27, 6) for _ in range(2))
    assert (np.diff(first.videos, axis=1) == 27).all() and len(first.videos) == 6
    assert digest(first) != digest(second)
    assert digest(first) == digest(worker_clips(skeleton, np.random.default_rng(0), 27, 6))


# ---- joint formats


@EVERY_SKELETON
def test_every_joint_format(name):
    skeleton = load_skeleton(name)
    motion = make_worker_motion(skeleton, seed=1, **SMALL)
    assert motion.num_frames == 1 * 2 * 2 * 30 and len(motion.videos) == 4
    for field in ("joints_2d", "joints_image", "joints_mm", "confidence"):
        assert np.isfinite(getattr(motion, field)).all()
    assert motion.confidence.min() > 0.0 and motion.confidence.max() <= 1.0
    np.testing.assert_allclose(skeleton.root_of(motion.joints_image)[..., 2], 0.0, atol=1e-3)
    inside = (motion.joints_image[..., :2] >= 0) & (motion.joints_image[..., :2] <= motion.size_px[:, None])
    assert inside.mean() > 0.99
    # joints are different points, and mirrored ones lie symmetric about the middle in the mean
    assert np.ptp(motion.joints_mm, axis=1).min() > 20.0


@EVERY_SKELETON
def test_exact_conversions_meet_the_joints_made_directly(name):
    """E.g. elbow = middle of the epicondyles: the points obey every rule that calls itself exact."""
    source = load_skeleton(name)
    joints = make_worker_truth(source, seed=2, **SMALL).joints_camera_mm
    origin = joints[:1, :1]
    for target in map(load_skeleton, list_skeletons()):
        if target.name.startswith("Hand") or name.startswith("Hand"):
            continue  # framed by other points: cameras differ
        rule = conversion(source, target, allow_missing=True, log=False)
        use = rule.exact & ~rule.missing
        if not use.any():
            continue
        points = np.array([target.canonical[row] for row in np.flatnonzero(use)])
        truth = make_worker_truth(source, seed=2, **SMALL)
        world = np.stack([truth.point(name) for name in points], axis=1)
        expected = np.einsum("fpi,fji->fpj", world - truth.camera_position_mm[:, None], truth.camera_rotation)
        made = rule.apply(joints - origin)[0][:, use] + origin
        np.testing.assert_allclose(made, expected, atol=0.05)


def test_a_joint_without_a_point_is_named():
    strange = replace(H36M, canonical=("tail", *H36M.canonical[1:]))
    with pytest.raises(UserError, match="tail"):
        make_worker_motion(strange, seed=0, **SMALL)


# ---- body


def zero_pose(**angles: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Named points (K,3) and segment rotations of the reference person at zero but for the given angles."""
    dofs = np.zeros((len(DOF_NAMES), 1))
    for name, value in angles.items():
        dofs[DOF_INDEX[name]] = value
    subject = reference_subject()
    pelvis = np.array([[0.0, 0.53 * subject.stature_mm, 0.0]])
    rotation, origin = forward(subject, pelvis, dofs)
    points = place_points(subject, rotation, origin, point_names())[0]
    return dict(zip(point_names(), points, strict=True)), {key: value[0] for key, value in rotation.items()}


def test_anatomical_zero():
    points, rotations = zero_pose()
    for segment, rotation in rotations.items():
        if "thumb" not in segment:
            np.testing.assert_allclose(rotation, np.eye(3), atol=1e-12)
    stature = reference_subject().stature_mm
    assert points["head_vertex"][1] == pytest.approx(stature, abs=0.5)
    # heights of Drillis & Contini
    for name, height in (("shoulder", 0.818), ("knee", 0.285), ("ankle", 0.039), ("hip", 0.530)):
        assert points[f"right_{name}"][1] == pytest.approx(height * stature, abs=0.5)
    assert points["right_shoulder"][1] - points["right_elbow"][1] == pytest.approx(0.186 * stature, abs=0.5)
    assert points["right_eye"][1] == pytest.approx(0.936 * stature, abs=5)
    assert points["right_wrist"][2] > 100.0 > -100.0 > points["left_wrist"][2]  # z is the person's right
    assert points["right_toe_tip"][0] > 100.0  # x is forward
    assert points["right_index_mcp"][0] > points["right_pinky_mcp"][0]  # thumb side in front
    assert points["right_thumb_tip"][2] < points["right_wrist"][2]  # palm to the thigh


FORWARD, UP, RIGHT = 0, 1, 2
MOVES = [  # degree of freedom, point that moves, axis, sign
    ("pelvis_yaw", "nose", RIGHT, -1),
    ("pelvis_tilt", "head_vertex", FORWARD, 1),
    ("pelvis_list", "head_vertex", RIGHT, 1),
    ("trunk_flexion", "head_vertex", FORWARD, 1),
    ("trunk_lateral", "head_vertex", RIGHT, 1),
    ("trunk_rotation", "nose", RIGHT, -1),
    ("neck_flexion", "head_vertex", FORWARD, 1),
    ("neck_lateral", "head_vertex", RIGHT, 1),
    ("neck_rotation", "nose", RIGHT, -1),
    ("right_clavicle_elevation", "right_shoulder", UP, 1),
    ("right_clavicle_protraction", "right_shoulder", FORWARD, 1),
    ("right_shoulder_flexion", "right_elbow", FORWARD, 1),
    ("right_shoulder_abduction", "right_elbow", RIGHT, 1),
    ("right_shoulder_rotation", "right_radial_styloid", RIGHT, -1),
    ("right_elbow_flexion", "right_wrist", FORWARD, 1),
    ("right_forearm_pronation", "right_radial_styloid", RIGHT, -1),
    ("right_wrist_flexion", "right_middle_mcp", RIGHT, -1),
    ("right_wrist_radial", "right_middle_mcp", FORWARD, 1),
    ("right_hip_flexion", "right_knee", FORWARD, 1),
    ("right_hip_abduction", "right_knee", RIGHT, 1),
    ("right_hip_rotation", "right_toe_tip", RIGHT, -1),
    ("right_knee_flexion", "right_ankle", FORWARD, -1),
    ("right_ankle_dorsiflexion", "right_toe_tip", UP, 1),
    ("right_ankle_inversion", "right_fifth_mtp", UP, -1),
    ("right_ankle_rotation", "right_toe_tip", RIGHT, -1),
    ("right_toe_extension", "right_toe_tip", UP, 1),
    ("right_index_proximal_flexion", "right_index_tip", RIGHT, -1),
    ("right_index_proximal_radial", "right_index_tip", FORWARD, 1),
    ("right_ring_intermediate_flexion", "right_ring_tip", RIGHT, -1),
    ("right_middle_distal_flexion", "right_middle_tip", RIGHT, -1),
    ("right_thumb_metacarpal_flexion", "right_thumb_tip", FORWARD, -1),
]


@pytest.mark.parametrize(("dof", "point", "axis", "sign"), MOVES)
def test_signs_of_the_degrees_of_freedom(dof, point, axis, sign):
    moved = zero_pose(**{dof: 20.0})[0][point] - zero_pose()[0][point]
    assert sign * moved[axis] > 3.0
    if dof.startswith("right_"):  # the left side does the same mirrored
        left = [name.replace("right_", "left_") for name in (dof, point)]
        left_moved = zero_pose(**{left[0]: 20.0})[0][left[1]] - zero_pose()[0][left[1]]
        np.testing.assert_allclose(left_moved, moved * [1, 1, -1], atol=1e-9)


def test_mirror_of_the_mirrored_person():
    rng = np.random.default_rng(0)
    subject = draw_subject(rng, "someone")
    dofs = rng.uniform(-40, 40, (len(DOF_NAMES), 5))
    pelvis = rng.normal(0, 500, (5, 3))
    np.testing.assert_array_equal(mirror_dofs(mirror_dofs(dofs)), dofs)
    names = point_names()
    swapped = [
        names.index(
            name.replace("left_", "right_", 1) if "left_" in name else name.replace("right_", "left_", 1)
        )
        for name in names
    ]
    points = place_points(subject, *forward(subject, pelvis, dofs), names)
    mirrored = place_points(subject, *forward(subject, pelvis * [1, 1, -1], mirror_dofs(dofs)), names)
    np.testing.assert_allclose(mirrored, points[:, swapped] * [1, 1, -1], atol=1e-8)


@EVERY_TASK
def test_bones_keep_their_length(truths, task):
    truth = truths[task]
    for person in truth.subject.present():
        mine = truth.subject == person
        for segment, parent in PARENT.items():
            if parent is None:
                continue
            a, b = (truth.origins_mm[mine, SEGMENTS.index(name)] for name in (segment, parent))
            assert np.ptp(np.linalg.norm(a - b, axis=1)) < 0.1


@EVERY_TASK
def test_truth_agrees_with_itself(truths, task):
    truth = truths[task]
    rotations = truth.rotations.astype(float)
    assert np.abs(rotations @ rotations.swapaxes(-1, -2) - np.eye(3)).max() < 1e-5
    assert (np.linalg.det(rotations) > 0.99).all()
    trunk = angles_zxy(truth.segment("pelvis").swapaxes(1, 2) @ truth.segment("thorax"))
    expected = [-truth.dof("trunk_flexion"), truth.dof("trunk_lateral"), truth.dof("trunk_rotation")]
    np.testing.assert_allclose(trunk, expected, atol=0.02)
    for side in ("left", "right"):
        upper, lower = truth.segment(f"{side}_thigh"), truth.segment(f"{side}_shank")
        knee = np.degrees(np.arccos(np.clip((upper[..., 1] * lower[..., 1]).sum(-1), -1, 1)))
        np.testing.assert_allclose(knee, truth.dof(f"{side}_knee_flexion"), atol=0.1)
        elbow = truth.origins_mm[:, SEGMENTS.index(f"{side}_forearm")]
        np.testing.assert_allclose(truth.point(f"{side}_elbow"), elbow, atol=0.01)


# ---- movement


@EVERY_TASK
def test_planted_feet_stay_where_they_are(truths, task):
    truth = truths[task]
    for number, side in enumerate(("left", "right")):
        for column, point in ((0, f"{side}_heel_sole"), (1, f"{side}_foot_ball")):
            place, planted = truth.point(point), truth.contacts[:, number, column]
            changes = np.flatnonzero(np.diff(planted.astype(int))) + 1
            videos = truth.motion.videos[1:, 0]
            for run in np.split(np.arange(len(place)), np.union1d(changes, videos)):
                if planted[run[0]]:
                    assert np.linalg.norm(place[run] - place[run].mean(0), axis=1).max() < 5.0
        assert truth.point(f"{side}_heel_sole")[:, 1].min() > -1.5  # not through the floor
        assert truth.point(f"{side}_foot_ball")[:, 1].min() > 8.0
        assert truth.point(f"{side}_toe_tip")[:, 1].min() > -12.0
    assert truth.contacts.any(axis=(1, 2)).all()  # nobody floats


@EVERY_TASK
def test_joint_limits_hold(task):
    for seed in range(3):
        seeds = np.random.SeedSequence([seed, 11])
        subject = draw_subject(np.random.default_rng(seed), "someone")
        request = Request(seed=seed, seconds=7.5, fps=20.0, split=SPLITS[seed])
        session = record_session(seeds, subject, [task], request, LEAD_S)
        for name, values in zip(DOF_NAMES, session.dofs, strict=True):
            plain = name.removeprefix("left_").removeprefix("right_")
            finger = plain.partition("_")[2] if plain not in FINGER_LIMITS_DEG else plain
            low, high = subject.limits.get(plain) or FINGER_LIMITS_DEG.get(finger, (-np.inf, np.inf))
            assert values.min() > low - 0.5 and values.max() < high + 0.5, name
        for side in ("left", "right"):
            assert session.dofs[DOF_INDEX[f"{side}_knee_flexion"]].min() > 0.4  # never bent backward


@EVERY_TASK
def test_movement_is_smooth_and_upright(truths, task):
    truth = truths[task]
    same_video = np.diff(truth.motion.source.codes) == 0
    wrists = np.stack([truth.point("left_wrist"), truth.point("right_wrist")])
    speed = np.linalg.norm(np.diff(wrists, axis=1), axis=-1)[:, same_video] * truth.motion.fps
    assert 50.0 < speed.max() < 5000.0  # mm/s: somebody works, nothing jumps
    trunk_up = truth.segment("thorax")[:, 1, 1]
    assert trunk_up.min() > -0.55  # never head down
    assert truth.point("head_vertex")[:, 1].min() > 250.0


def test_hands_stay_out_of_the_chest(truths):
    for truth in truths.values():
        thorax, origin = truth.segment("thorax"), truth.origins_mm[:, SEGMENTS.index("thorax")]
        for name in ("left_wrist", "right_wrist", "left_hand_center", "right_hand_center"):
            local = ((truth.point(name) - origin)[:, None] @ thorax)[:, 0]
            inside = (np.abs(local[:, 1]) < 230) & (np.hypot(local[:, 0] / 95, local[:, 2] / 130) < 1)
            assert inside.mean() < 0.02


# ---- camera and detector


def test_projection_is_exact_without_a_detector():
    truth = make_worker_truth(H36M, seed=4, detector=False, **SMALL)
    motion, joints = truth.motion, truth.joints_camera_mm.astype(float)
    px = joints[..., :2] / joints[..., 2:] * truth.focal_px[:, None, None] + motion.size_px[:, None] / 2
    np.testing.assert_allclose(motion.joints_2d, px, atol=0.01)
    np.testing.assert_array_equal(motion.joints_2d, motion.joints_image[..., :2])
    assert (motion.confidence == 1.0).all()
    # the published 2.5D relation: predictions in px times the factor are the millimetres
    np.testing.assert_allclose(
        motion.joints_mm, motion.joints_image * motion.factor_mm_per_px[:, None, None], rtol=1e-5
    )
    depth = joints[..., 2] - H36M.root_of(joints)[..., 2]
    np.testing.assert_allclose(motion.joints_mm[..., 2], depth, atol=0.05)
    world = np.einsum("fji,fj->fi", truth.camera_rotation, joints[:, 0]) + truth.camera_position_mm
    np.testing.assert_allclose(world, truth.point("hip_center"), atol=0.05)


def test_perspective_deviation_is_small():
    """joints_mm is weak perspective; how far that is from the true shape is told in docs/worker_motion.md."""
    truth = make_worker_truth(H36M, seed=4, subjects=3, seconds=2.0)
    true = truth.joints_camera_mm - H36M.root_of(truth.joints_camera_mm)
    weak = truth.motion.joints_mm - H36M.root_of(truth.motion.joints_mm)
    assert np.linalg.norm(true - weak, axis=-1).mean() < 40.0


def test_cameras_keep_everybody_in_the_image():
    rng = np.random.default_rng(0)
    for split in SPLITS:
        for _ in range(20):
            filmed = rng.uniform([-1500, 0, -1500], [1500, 1800, 1500], (40, 3))
            camera = draw_camera(rng, "camera", RANGES[split], filmed)
            seen = camera.to_camera(filmed)
            assert (seen[:, 2] > 400.0).all()
            px = camera.project(seen)
            assert (px >= 0).all() and (px <= camera.size_px).all()
            np.testing.assert_allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)
            assert camera.rotation[1, 1] < 0  # image y points down


def test_detection_errors_grow_as_confidence_falls():
    motion = make_worker_motion(H36M, seed=7, subjects=4, seconds=4.0)
    error = np.linalg.norm(motion.joints_2d - motion.joints_image[..., :2], axis=-1)
    error /= np.ptp(motion.joints_image[..., 1], axis=1)[:, None]  # in heights of the person
    sure, unsure = motion.confidence > 0.8, motion.confidence < 0.5
    assert 0.003 < np.median(error[sure]) < 0.02
    assert error[unsure].mean() > 2.0 * error[sure].mean()
    assert 0.03 < unsure.mean() < 0.3


# ---- reader and preview


def test_the_seed_of_the_config_changes_nobody(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("reader: worker\njoint_format: H36M-17\nworker: {subjects: 1, clips: 1, seconds: 0.5}\n")
    one, other, third = (
        digest(build_motion(load_config(path, keys), H36M, "test"))
        for keys in ({"seed": 1}, {"seed": 2}, {"worker.seed": 2})
    )
    assert one == other != third


def test_reader_takes_the_keys_of_the_config():
    keys = {"subjects": 2, "clips": 1, "seconds": 1, "fps": 10, "cameras_per_clip": 1, "detector": False}
    motion = read_worker(H36M, "train", {**keys, "tasks": ["walk"], "seed": 3})
    assert motion.num_frames == 20 and motion.action.present() == ["walk"] and motion.fps == 10
    assert digest(motion) != digest(read_worker(H36M, "train", {**keys, "tasks": ["walk"]}))
    per_split = {**keys, "subjects": {"train": 3, "test": 1}}
    assert read_worker(H36M, "test", per_split).num_frames == 10
    with pytest.raises(UserError, match="did you mean 'seconds'"):
        read_worker(H36M, "train", {"secnds": 3})
    with pytest.raises(UserError, match="stoop_lift"):
        read_worker(H36M, "train", {"tasks": ["stooplift"]})
    with pytest.raises(UserError, match="train, validate, test"):
        read_worker(H36M, "training", {})


@pytest.mark.parametrize("with_3d", [True, False])
def test_contact_sheet(tmp_path, with_3d):
    motion = make_worker_motion(H36M, seed=0, **SMALL)
    if not with_3d:
        motion = replace(motion, joints_image=None, joints_mm=None, factor_mm_per_px=None)
    path = contact_sheet(motion, tmp_path / "sheet.png", videos=2, moments=2)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_contact_sheet_shows_every_action_first():
    motion = make_worker_motion(H36M, seed=0, subjects=2, seconds=0.5)
    shown = [motion.action[int(start)] for start, _ in pick_videos(motion, 10)]
    assert sorted(shown) == sorted(split_tasks("train"))
