"""Mesh data: clips with bodies, sets of a config, worker motion of a body, the flip of all of them."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.body import BodyModel, load_body
from lib.body_regressor import keypoint_regressor
from lib.config import ConfigError, load_config
from lib.config_schema import MeshConfig
from lib.config_text import annotation_of, choices
from lib.data import mesh_sets
from lib.data.build import build_motion, load_readers
from lib.data.checks import check_motion
from lib.data.mesh_augment import MeshAugment
from lib.data.mesh_checks import check_body
from lib.data.mesh_clips import MeshClips
from lib.data.mesh_sets import (
    BODY_FORMAT,
    build_mesh_augment,
    build_mesh_evaluation_sets,
    build_mesh_training_data,
    check_mesh_splits,
)
from lib.data.motion import Motion
from lib.data.normalize import crop_clips, crop_scale
from lib.data.readers import READERS
from lib.data.training_data import without_labels
from lib.data.worker.anthropometry import reference_subject
from lib.data.worker.body_points import place_points
from lib.data.worker.generate import draw_sessions
from lib.data.worker.kinematics import DOF_INDEX, DOF_NAMES, forward
from lib.data.worker.request import Request
from lib.data.worker.smpl_motion import make_worker_smpl_motion
from lib.data.worker.smpl_pose import SMPL_AXES, body_pose, t_pose_dofs
from lib.errors import UserError
from lib.geometry import axis_angle_to_matrix, flip_pose, procrustes_align
from lib.mesh_target import mesh_target
from lib.skeleton import load_skeleton
from lib.smpl_files import GENDERS
from tests.example_body import make_example_body
from tests.example_motion import as_split, example_motion
from tools import benchmark_mesh_data

SMPL = load_skeleton(BODY_FORMAT)
H36M = load_skeleton("H36M-17")
SMALL = {"subjects": 1, "clips": 2, "seconds": 2.0, "fps": 10.0, "cameras": 2}


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel(make_example_body(400), name="example")


@pytest.fixture(scope="module")
def regressor(body):
    return keypoint_regressor(body, SMPL)


@pytest.fixture(scope="module")
def worker(body, regressor) -> Motion:
    return make_worker_smpl_motion(SMPL, body, regressor, seed=1, split="train", **SMALL)


def mesh_split(motion: Motion) -> dict:
    split = as_split(motion)
    return split | {"smpl_pose": motion.smpl_pose, "smpl_shape": motion.smpl_shape}


def with_bodies(motion: Motion) -> Motion:
    """The same motion with bodies of its own."""
    rng = np.random.default_rng(5)
    return replace(
        motion,
        smpl_pose=rng.normal(0, 0.3, (motion.num_frames, 72)),
        smpl_shape=rng.normal(0, 1, (motion.num_frames, 10)),
    )


# ---- clips


def test_a_batch_gathers_what_lies_at_its_frames():
    motion = with_bodies(example_motion(H36M, (30, 7)))
    clips = MeshClips(motion, 16, 8, name="a")
    ids = torch.arange(len(clips))
    batch = clips.batch(ids)
    frames = batch["frames"].numpy()
    assert batch["input"].shape == (len(clips), 16, 17, 3) and len(clips) == 4
    assert np.array_equal(batch["pose"].numpy(), motion.smpl_pose[frames])
    assert np.array_equal(batch["shape"].numpy(), motion.smpl_shape[frames])
    assert np.array_equal(batch["confidence"].numpy(), motion.confidence[frames])
    assert set(np.unique(frames)) == set(range(37)) and clips.num_frames == 37
    assert np.allclose(batch["input"][..., 0], motion.joints_2d[frames][..., 0] / 1920 * 2 - 1, atol=1e-6)
    bare = MeshClips(motion, 16, 8, no_conf=True).batch(ids)
    assert bare["input"].shape[-1] == 2 and torch.equal(bare["confidence"], batch["confidence"])


def test_confidence_of_a_batch_is_at_most_one():
    motion = with_bodies(example_motion(H36M))
    motion = replace(motion, confidence=motion.confidence * 3)
    batch = MeshClips(motion, 16, 16).batch([0, 1])
    assert batch["confidence"].max() == batch["input"][..., 2].max() == 1
    assert motion.confidence.max() > 1


def test_a_set_without_bodies_is_refused():
    with pytest.raises(UserError, match="set 'pose' has no smpl_pose"):
        MeshClips(example_motion(H36M), 16, 16, name="pose")


@pytest.mark.parametrize("margin", [1.0, 2.5])
def test_crop_of_a_batch_is_that_of_each_clip(margin):
    x = MeshClips(with_bodies(example_motion(H36M)), 16, 16).batch([0, 1, 2])["input"]
    x[0, :, 3, 2] = 0
    x[0, :, 3, :2] = -7  # not seen: outside the box
    x[1, ..., 2] = 0  # nothing seen
    cropped = crop_clips(x, x[..., 2] > 0, torch.full((3,), margin))
    for clip, given in zip(cropped.numpy(), x.numpy(), strict=True):
        expected = crop_scale(given, margin)
        expected[..., 2] = given[..., 2]
        assert np.allclose(clip, expected, atol=1e-5)
    evaluated = MeshClips(with_bodies(example_motion(H36M)), 16, 16, crop_margin=2.0).batch([2])["input"]
    assert evaluated[..., :2].abs().max().item() == pytest.approx(0.5, abs=1e-5)


# ---- mirror


def test_the_mirrored_batch_is_a_mirrored_person(body, regressor, worker):
    """Keypoints of the mirrored pose are those of the pose in a mirror: a symmetric body tells."""
    symmetric = replace(worker, smpl_shape=np.zeros_like(worker.smpl_shape))
    batch = MeshClips(symmetric, 8, 8).batch(range(4))
    flip = MeshAugment(SMPL, SMPL, flip=True)
    mirrored = flip(batch, torch.Generator().manual_seed(0))
    turned = [i for i in range(4) if not torch.equal(mirrored["pose"][i], batch["pose"][i])]
    assert 0 < len(turned) < 4
    before, after = (mesh_target(body, regressor, b, SMPL)["kp_3d"] for b in (batch, mirrored))
    for clip in range(4):
        expected = flip_pose(before[clip], torch.tensor(SMPL.flip_idx)) if clip in turned else before[clip]
        assert torch.allclose(after[clip], expected, atol=12)  # mm: the example body is not quite symmetric
        x = flip_pose(batch["input"][clip], torch.tensor(SMPL.flip_idx))
        assert torch.equal(mirrored["input"][clip], x if clip in turned else batch["input"][clip])
    assert torch.equal(mirrored["shape"], batch["shape"])


def test_augmentation_draws_for_each_clip_and_changes_nothing_given():
    batch = MeshClips(with_bodies(example_motion(H36M)), 16, 4).batch(range(8))
    copies = {key: value.clone() for key, value in batch.items()}
    augment = MeshAugment(H36M, SMPL, scale_range=[1, 4])
    out = augment(batch, torch.Generator().manual_seed(0))["input"]
    largest = out[..., :2].abs().amax((1, 2, 3))
    assert largest.min() >= 0.25 - 1e-5 and largest.max() <= 1 + 1e-5 and len(set(largest.tolist())) == 8
    assert torch.equal(out, augment(batch, torch.Generator().manual_seed(0))["input"])
    assert all(torch.equal(batch[key], copies[key]) for key in batch)
    with pytest.raises(UserError, match="scale_range"):
        MeshAugment(H36M, SMPL, scale_range=[4, 1])


# ---- worker motion of a body


def test_body_of_the_labels_is_what_the_camera_sees(body, regressor, worker):
    """Depth of the 2.5D labels is that of the body; its x, y seen along z lie near the 2D points."""
    pose, shape = torch.from_numpy(worker.smpl_pose), torch.from_numpy(worker.smpl_shape)
    joints = 1000 * regressor.of(body, pose, shape).numpy()
    relative = joints - SMPL.root_of(joints)
    labels = worker.joints_mm - SMPL.root_of(worker.joints_mm)
    assert np.abs(relative[..., 2] - labels[..., 2]).max() < 0.1
    assert np.median(np.abs(relative[..., :2] - labels[..., :2])) < 30  # perspective
    assert not list(check_body(worker, body, regressor))
    assert not [f for f in check_motion(worker) if f.level == "error"]
    assert worker.joints_image is not None and worker.joints_2d.shape[1] == 24
    assert not np.array_equal(worker.joints_2d, worker.joints_image[..., :2])  # a detector looked


def test_same_seed_same_motion_and_splits_share_nobody(body, regressor, worker):
    again = make_worker_smpl_motion(SMPL, body, regressor, seed=1, split="train", **SMALL)
    for name in ("joints_2d", "confidence", "smpl_pose", "smpl_shape", "size_px"):
        assert np.array_equal(getattr(again, name), getattr(worker, name))
    other = make_worker_smpl_motion(SMPL, body, regressor, seed=1, split="test", **SMALL)
    assert not set(other.source.names) & set(worker.source.names)
    assert not np.isclose(other.smpl_shape[0], worker.smpl_shape[0]).any()
    assert np.ptp(worker.smpl_shape, axis=0).max() == 0 and np.abs(worker.smpl_shape).max() <= 2


def test_the_pose_does_not_depend_on_the_camera(worker):
    """Videos of one clip by two cameras differ in the first rotation only."""
    first, second = (worker.select(slice(*video)) for video in worker.videos[:2])
    assert first.source[0] == second.source[0] and first.camera[0] != second.camera[0]
    assert np.allclose(first.smpl_pose[:, 3:], second.smpl_pose[:, 3:])
    assert not np.allclose(first.smpl_pose[:, :3], second.smpl_pose[:, :3])


def t_pose_joints() -> np.ndarray:
    """(K,3) m in SMPL axes: the worker's own joints in the pose at rest."""
    subject = reference_subject()
    rotation, origin = forward(subject, np.zeros((1, 3)), t_pose_dofs())
    return place_points(subject, rotation, origin, SMPL.canonical)[0] @ SMPL_AXES.T / 1000


def chain(rest: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Joints (F,K,3) of a tree of bones."""
    world, places = rotations.copy(), np.zeros(rotations.shape[:3])
    for joint, parent in enumerate(SMPL.parents):
        if parent >= 0:
            places[:, joint] = places[:, parent] + world[:, parent] @ (rest[joint] - rest[parent])
            world[:, joint] = world[:, parent] @ rotations[:, joint]
    return places


def test_a_body_of_the_workers_proportions_takes_the_workers_postures():
    """Every task: joints of the body within a centimetre or two of the worker's."""
    rest, subject = t_pose_joints(), reference_subject()
    for session, _ in draw_sessions(Request(seed=0, subjects=1, seconds=2.0, fps=5.0)):
        rotation, origin = forward(subject, session.pelvis_mm, session.dofs)
        worker_mm = place_points(subject, rotation, origin, SMPL.canonical)
        places = chain(rest, body_pose(rest, SMPL.canonical, SMPL.parents, session.dofs))
        error = np.linalg.norm(procrustes_align(places, worker_mm) - worker_mm, axis=-1)
        assert error.mean() < 12 and error.mean(0).max() < 30


def test_at_rest_the_body_is_at_rest_and_hanging_arms_hang(body):
    rest = t_pose_joints()
    names, parents = SMPL.canonical, SMPL.parents
    still = body_pose(rest, names, parents, t_pose_dofs())
    assert np.allclose(still[:, 1:], np.eye(3), atol=1e-6) and np.allclose(still[:, 0], SMPL_AXES.T)
    # a body whose rest pose holds arms and legs otherwise still lets them hang
    own = body.joints(torch.zeros(1, 72), torch.zeros(1, 10))[0].numpy()
    places = chain(own, body_pose(own, names, parents, np.zeros((len(DOF_NAMES), 1))))[0]
    for side in ("left", "right"):
        for start, end in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")):
            bone = places[names.index(f"{side}_{end}")] - places[names.index(f"{side}_{start}")]
            assert -bone[1] / np.linalg.norm(bone) > 0.999  # y is up


@pytest.mark.parametrize(
    ("dof", "joint", "axis", "sign"),
    [  # SMPL axes: x left, y up, z forward, so a bend forward is +x
        ("left_knee_flexion", "left_knee", 0, 1),
        ("right_hip_flexion", "right_hip", 0, -1),
        ("trunk_flexion", "lower_spine_joint", 0, 1),
        ("trunk_rotation", "middle_spine_joint", 1, 1),
        ("right_elbow_flexion", "right_elbow", 1, 1),
        ("left_elbow_flexion", "left_elbow", 1, -1),
        ("right_toe_extension", "right_toe_joint", 0, -1),
        ("left_wrist_flexion", "left_wrist", 2, -1),
    ],
)
def test_one_angle_of_the_worker_turns_one_joint_of_the_body(dof, joint, axis, sign):
    """By 30 degrees (the spine by its share), about the axis that anatomy says, and the right way round."""
    dofs = t_pose_dofs()
    dofs[DOF_INDEX[dof]] = 30
    names = SMPL.canonical
    rotations = body_pose(t_pose_joints(), names, SMPL.parents, dofs)[0]
    expected = np.zeros(3)
    expected[axis] = (
        sign * np.radians(30) * (1.0 if "spine" not in joint else 0.5 if "lower" in joint else 0.35)
    )
    assert np.allclose(rotations[names.index(joint)], axis_angle_to_matrix(expected), atol=1e-6)


def test_a_joint_that_the_worker_does_not_move_is_named():
    names = ("jaw", *SMPL.canonical[1:])
    with pytest.raises(UserError, match="moves no joint jaw"):
        body_pose(t_pose_joints(), names, SMPL.parents, t_pose_dofs())


@pytest.mark.parametrize("name", ["H36M-17", "RTM-37", "RTM-66"])
def test_the_shipped_body_works_in_every_format(name):
    skeleton, shipped = load_skeleton(name), load_body()
    shipped_regressor = keypoint_regressor(shipped, skeleton)
    motion = make_worker_smpl_motion(skeleton, shipped, shipped_regressor, seed=0, split="test", **SMALL)
    assert motion.joints_2d.shape == (80, skeleton.num_joints, 2)
    assert not [f for f in check_motion(motion) if f.level == "error"]
    assert not list(check_body(motion, shipped, shipped_regressor))


def test_joints_of_the_shipped_body_lie_where_the_workers_are():
    """Up to size and place; what is left are other proportions and other definitions of joints."""
    shipped = load_body()
    neutral = torch.zeros(1, shipped.num_betas)
    rest = shipped.joints(torch.zeros(1, shipped.num_joints * 3), neutral)[0].numpy()
    for session, _ in draw_sessions(Request(seed=0, subjects=1, seconds=2.0, fps=2.0)):
        rotation, origin = forward(session.subject, session.pelvis_mm, session.dofs)
        worker_mm = place_points(session.subject, rotation, origin, shipped.joint_names).astype(np.float32)
        pose = body_pose(rest, shipped.joint_names, shipped.parents, session.dofs)
        places = shipped.joints(torch.from_numpy(pose).float(), neutral).numpy()
        error = np.linalg.norm(procrustes_align(places, worker_mm) - worker_mm, axis=-1)
        assert error.mean() < 40 and error.mean(0).max() < 70


# ---- a check of keypoints against bodies


def test_keypoints_of_another_order_are_found(body, regressor, worker):
    def codes(motion) -> list[tuple[str, str]]:
        return [(f.level, f.code) for f in check_body(without_labels(motion), body, regressor)]

    swapped = replace(worker, joints_2d=worker.joints_2d[:, SMPL.flip_idx])
    assert codes(swapped) == [("error", "body_swapped")]
    shuffled = replace(worker, joints_2d=worker.joints_2d[:, np.random.default_rng(0).permutation(24)])
    assert codes(shuffled) == [("error", "body_against_2d")]
    upright = replace(
        worker, smpl_pose=np.where(np.arange(72) == 0, worker.smpl_pose + np.pi, worker.smpl_pose)
    )
    assert codes(upright)[0][1] == "body_against_2d"  # y up where the camera has y down


# ---- sets of a config


@pytest.fixture
def folder(tmp_path, worker, monkeypatch, body) -> Path:
    """Data pickles of three sets in a folder, and the example body in the place of the built-in one."""
    monkeypatch.setattr(mesh_sets, "load_body", lambda *_, **__: body)
    other = replace(worker, source=[f"x{name}" for name in np.asarray(worker.source)])
    for name, parts in {
        "a.pkl": {"train": worker, "test": other},
        "images.pkl": {"train": worker.select(slice(0, 9))},
        "pose.pkl": {"train": replace(worker, smpl_pose=None, smpl_shape=None)},
        "empty.pkl": {"train": worker.select(slice(0, 0))},
    }.items():
        splits = {split: mesh_split(motion) for split, motion in parts.items()}
        for split, motion in parts.items():
            splits[split]["size_px"] = motion.size_px
            if motion.smpl_pose is None:
                del splits[split]["smpl_pose"], splits[split]["smpl_shape"]
        (tmp_path / name).write_bytes(pickle.dumps(splits))
    return tmp_path


def config_of(folder: Path, sets: str, **more) -> dict:
    file = folder / "config.yaml"
    keys = {"clip_len": 8, "data_stride": 4, "batch_size": 4, "batch_size_img": 2, "epochs": 10} | more
    text = "".join(f"{key}: {value}\n" for key, value in keys.items())
    file.write_text(f"task: mesh\njoint_format: SMPL-24\ndata_root: {folder}\n{text}sets:\n{sets}")
    return load_config(file)


SETS = """\
  - {name: a, reader: pickle, file: a.pkl, until_epoch: 3}
  - {name: images, reader: pickle, file: images.pkl, images: true, from_epoch: 1, evaluate: false}
  - {name: made, reader: worker}
worker: {subjects: 1, clips: 1, seconds: 2, fps: 10, cameras_per_clip: 1}
"""


def test_sets_are_trained_on_in_their_epochs_and_evaluated_by_name(folder):
    config = config_of(folder, SETS)
    data = build_mesh_training_data(config, SMPL)
    names = [[clips.name for clips in data.sets_in(epoch)] for epoch in (0, 1, 3)]
    assert names == [["a", "made"], ["a", "images", "made"], ["images", "made"]]
    plan = data.epoch_plan(1, 4, seed=0)
    assert [clips.name for clips, _ in plan] == ["a"] * 4 + ["images"] * 5 + ["made"]
    assert data.steps_in(1, 4) == len(plan)
    assert sum(len(ids) for _, ids in plan) == sum(data.clips_in(1, 4)) == data.num_clips
    for own in data.sets_in(1):  # every clip once
        taken = torch.cat([ids for clips, ids in plan if clips is own])
        assert sorted(taken.tolist()) == list(range(len(own)))
    again = data.epoch_plan(1, 4, seed=0)
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(plan, again, strict=True))
    few = replace(data, steps_per_epoch=1)
    assert few.clips_in(1, 4) == [4, 2, 4] and few.steps_in(1, 4) == 3 == len(few.epoch_plan(1, 4, 0))
    assert data.sets[1].clips.batch([0])["pose"].shape == (1, 1, 72)
    evaluation = build_mesh_evaluation_sets(config, SMPL, "test")
    assert list(evaluation) == ["a", "made"] and len(evaluation["a"]) == 4 * 3
    frames = evaluation["a"].batch(range(12))["frames"]
    assert set(frames.unique().tolist()) == set(range(80))


def test_sets_build_their_augmentation(folder):
    config = config_of(folder, SETS, scale_range_train="[1, 2]", scale_range_test="[2, 4]")
    augment = build_mesh_augment(config, SMPL)
    assert augment.flip and augment.scale_range == [1, 2]
    x = build_mesh_evaluation_sets(config, SMPL, "test")["a"].batch(range(12))["input"]
    assert x[..., :2].abs().amax() == pytest.approx(1 / 3, abs=1e-4)


def test_videos_of_both_splits_are_refused(folder):
    config = config_of(folder, SETS)
    data = build_mesh_training_data(config, SMPL)
    check_mesh_splits(
        data, build_mesh_evaluation_sets(config_of(folder, SETS.split("\n", 1)[1]), SMPL, "test")
    )
    with pytest.raises(UserError, match="videos are in the training set and in the evaluation set"):
        check_mesh_splits(data, build_mesh_evaluation_sets(config, SMPL, "test"))


def test_readers_of_sets_are_known():
    load_readers()
    assert set(choices(annotation_of(MeshConfig, ("sets", 0, "reader")))) <= set(READERS.names())
    assert set(choices(annotation_of(MeshConfig, ("gender",)))) == set(GENDERS)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{name: p, reader: pickle, file: pose.pkl}", "set 'p' has no smpl_pose"),
        ("{name: p, reader: pickle, file: none.pkl}", "set 'p': dt_file: no file"),
        (
            "{name: p, reader: pickle, file: empty.pkl}",
            "set 'p', split 'train': 0 clips of clip_len 8 from empty.pkl",
        ),
        (
            "{name: p, reader: vehs, file: a.pkl}",
            "set 'p': the reader vehs needs the config keys res_w, res_h",
        ),
    ],
)
def test_faulty_sets_are_refused_in_one_line(folder, entry, message):
    with pytest.raises(UserError, match=message) as caught:
        build_mesh_training_data(config_of(folder, f"  - {entry}\n"), SMPL)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ("  - {name: a, reader: worker}\n  - {name: a, reader: worker}\n", "another set has this name"),
        ("  - {name: a, reader: pickle}\n", "the reader pickle needs one"),
        ("  - {name: a, reader: worker, file: x.pkl}\n", "the reader worker reads no file"),
        ("  - {name: a, reader: worker, from_epoch: 3}\n", "epoch 0 of 10 trains on none of them"),
        ("  - {name: a, reader: worker, train: false}\n", "no set has train: True"),
        ("  - {name: a, reader: worker, from_epoch: 3, until_epoch: 3}\n", "must be greater than from_epoch"),
        ("  - {name: a, reader: worker, res_w: 3}\n", "the other of the two is missing"),
        ("  - {name: a, reader: wroker}\n", "did you mean 'worker'"),
        ("  - {name: a, reader: worker, untl_epoch: 3}\n", "did you mean 'until_epoch'"),
        ("  - {name: a}\n", "is missing; it must be one of h36m, pickle, vehs, worker"),
        ("  []\n", "no set has train: True"),
    ],
)
def test_mistakes_in_sets_are_named(folder, sets, message):
    with pytest.raises(ConfigError) as caught:
        config_of(folder, sets)
    assert message in str(caught.value)


def test_pickles_and_their_caches_keep_bodies(folder, worker):
    keys = {"dt_root": str(folder), "dt_file": "a.pkl", "sample_stride": 3}
    strided = build_motion(keys, SMPL, "train", "pickle")
    assert np.array_equal(strided.smpl_pose, worker.smpl_pose[strided_frames(worker, 3)])
    for _ in range(2):
        cached = build_motion(keys | {"cache_dir": str(folder / "cache")}, SMPL, "train", "pickle")
        assert np.array_equal(cached.smpl_pose, strided.smpl_pose)
        assert np.array_equal(cached.smpl_shape, strided.smpl_shape)
    batch = MeshClips(cached, 4, 4).batch([1])  # of a video of 7 frames: flush with its end
    assert np.array_equal(batch["pose"][0].numpy(), strided.smpl_pose[3:7])


def strided_frames(motion: Motion, stride: int) -> np.ndarray:
    return np.concatenate([np.arange(start, stop, stride) for start, stop in motion.videos])


# ---- the benchmark


@pytest.mark.parametrize("way", benchmark_mesh_data.WAYS)
def test_every_way_of_the_benchmark_makes_the_same_batch(way, monkeypatch):
    skeleton, shipped = load_skeleton("RTM-37"), load_body()
    shipped_regressor = keypoint_regressor(shipped, skeleton)
    motion = make_worker_smpl_motion(skeleton, shipped, shipped_regressor, seed=0, split="train", **SMALL)
    clips = MeshClips(motion, 4, 4)
    settings = {"joint_format": "RTM-37", "body": None, "batch_size": 3}
    monkeypatch.setattr(
        torch, "rand", lambda *shape, **_: torch.full(shape[0] if shape else (), 0.9)
    )  # no flip
    made = benchmark_mesh_data.batches(way, clips, skeleton, shipped, shipped_regressor, settings)()
    target = made[1] if way == "smplx_per_clip" else made
    ids = torch.randint(len(clips), (3,), generator=torch.Generator().manual_seed(0))
    expected = mesh_target(shipped, shipped_regressor, clips.batch(ids), skeleton, need_vertices=True)
    for key in ("theta", "kp_3d", *(() if way == "joints" else ("verts",))):
        assert torch.allclose(target[key], expected[key], atol=0.05), key  # mm
