"""The record of a data set: shapes are checked, labels are cheap, parts and joins lose nothing."""

from dataclasses import replace

import numpy as np
import pytest

from lib.data.missing import fill_missing
from lib.data.motion import Labels, Motion
from lib.errors import UserError
from lib.skeleton import list_skeletons, load_skeleton
from tests.example_motion import example_motion

COCO = load_skeleton("COCO-17")
H36M = load_skeleton("H36M-17")


@pytest.mark.parametrize(
    "values",
    [
        ["b", "b", "a", "b"],
        np.array(["b", "b", "a", "b"]),
        np.array(["b", "b", "a", "b"], dtype=object),
        np.array([[b"b"], [b"b"], [b"a"], [b"b"]]),
    ],
)
def test_labels_hold_names_once(values):
    labels = Labels.of(values)
    assert labels.names == ("b", "a") and labels.codes.tolist() == [0, 0, 1, 0]
    assert labels[2] == "a" and (labels == "b").tolist() == [True, True, False, True]
    assert not (labels == "c").any()
    assert labels == Labels([1, 1, 0, 1], ("a", "b")) and labels != labels[:3]
    assert np.asarray(labels[1:3]).tolist() == ["b", "a"] and labels[2:].present() == ["a", "b"]


def test_labels_of_numbers_and_of_nothing():
    assert Labels.of([7, 7, 8]).names == ("7", "8")
    assert len(Labels.of([])) == 0 and Labels.of([]).present() == []
    assert Labels.of("x", 3).codes.tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", list_skeletons())
def test_every_joint_format_makes_a_motion(name):
    skeleton = load_skeleton(name)
    motion = example_motion(skeleton)
    assert motion.joints_2d.shape == (75, skeleton.num_joints, 2) and motion.joints_2d.dtype == np.float32
    assert motion.size_px.shape == (75, 2) and motion.videos.tolist() == [[0, 30], [30, 75]]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("joints_2d", np.zeros((75, 18, 2))),
        ("joints_2d", np.zeros((75, 17))),
        ("confidence", np.ones((75, 17, 1))),
        ("joints_image", np.zeros((75, 17, 2))),
        ("joints_mm", np.zeros((74, 17, 3))),
        ("factor_mm_per_px", np.ones((75, 1))),
        ("size_px", np.ones((75, 3))),
        ("source", ["a"] * 74),
        ("action", ["a"] * 76),
    ],
)
def test_a_wrong_shape_names_its_field(field, value):
    with pytest.raises(UserError, match=field):
        replace(example_motion(H36M), **{field: value})


def test_derived_joints_must_be_joints():
    with pytest.raises(UserError, match="nase"):
        replace(example_motion(H36M), derived_joints=("nase",))


def test_videos_are_runs_of_source_and_camera():
    motion = replace(
        example_motion(H36M, (10,)),
        source=list("aaaabbbbaa"),  # the same name again is another video
        camera=list("1122222211"),
    )
    assert motion.videos.tolist() == [[0, 2], [2, 4], [4, 8], [8, 10]]
    assert motion.select(slice(0, 0)).videos.shape == (0, 2)


def test_select_and_concat_are_inverse():
    motion = replace(example_motion(H36M), derived_joints=("head",))
    joined = Motion.concat([motion.select(slice(0, 30)), motion.select(np.arange(30, 75))])
    for name in ("joints_2d", "confidence", "joints_image", "joints_mm", "factor_mm_per_px", "size_px"):
        assert np.array_equal(getattr(joined, name), getattr(motion, name))
    assert joined.source == motion.source and joined.action == motion.action
    assert (joined.fps, joined.derived_joints) == (30.0, ("head",))


def test_concat_refuses_what_does_not_belong_together():
    with pytest.raises(UserError, match="COCO-17"):
        Motion.concat([example_motion(H36M), example_motion(COCO)])
    with pytest.raises(UserError, match="joints_image"):
        Motion.concat([example_motion(H36M), example_motion(H36M, with_3d=False)])
    assert Motion.concat([example_motion(H36M), replace(example_motion(H36M), fps=60.0)]).fps is None


def test_keypoints_share_memory_where_they_can():
    motion = example_motion(H36M)
    together = np.concatenate([motion.joints_2d, motion.confidence[..., None]], -1)
    assert np.array_equal(motion.keypoints, together)
    packed = replace(motion, joints_2d=together[..., :2], confidence=together[..., 2])
    assert np.shares_memory(packed.keypoints, together) and np.array_equal(packed.keypoints, together)
    other = replace(motion, joints_2d=together[..., :2], confidence=together[::-1, :, 2])
    assert not np.shares_memory(other.keypoints, together)


def missing_example(**changes) -> Motion:
    """Two videos of four frames in which joint 1 is seen as given."""
    motion = example_motion(H36M, (4, 4))
    xy = np.array(motion.joints_2d)
    xy[:, 1, 0] = np.arange(8)
    confidence = np.ones((8, 17), np.float32)
    return replace(motion, joints_2d=xy, confidence=confidence, **changes)


def test_missing_keypoints_hold_the_last_seen_place():
    motion = missing_example()
    motion.confidence[[0, 2, 4, 5], 1] = 0
    filled = fill_missing(motion)
    # before the first sight the first seen place, and nothing is taken from the other video
    assert filled.joints_2d[:, 1, 0].tolist() == [1, 1, 1, 3, 6, 6, 6, 7]
    assert np.array_equal(filled.confidence, motion.confidence)
    assert np.array_equal(filled.joints_2d[:, 2:], motion.joints_2d[:, 2:])


def test_nan_becomes_confidence_zero():
    motion = missing_example()
    motion.joints_2d[[2, 3], 1, 1] = np.nan
    motion.confidence[1, 1] = np.nan
    for policy, expected in (("hold", [0, 0, 0, 0]), ("keep", [0, 1, 1, 1])):
        filled = fill_missing(motion, policy)
        assert filled.joints_2d[:4, 1, 0].tolist() == expected
        assert filled.confidence[:4, 1].tolist() == [1, 0, 0, 0]
        assert np.isfinite(filled.joints_2d).all()


def test_a_joint_that_is_never_seen_lies_at_the_root():
    motion = missing_example()
    motion.confidence[:4, 1] = 0
    filled = fill_missing(motion)
    assert np.array_equal(filled.joints_2d[:4, 1], filled.skeleton.root_of(filled.joints_2d)[:4, 0])
    assert np.array_equal(filled.joints_2d[4:], motion.joints_2d[4:])


COCO = load_skeleton("COCO-17")


def test_a_root_that_is_never_seen_lies_among_the_joints_that_are():
    motion = replace(example_motion(COCO, (4, 4)), confidence=np.ones((8, 17), np.float32))
    left, right = (COCO.index(joint) for joint in COCO.root)
    motion.confidence[:, left] = 0
    motion.joints_2d[:, left] = 0  # as detectors write what they did not find
    filled = fill_missing(motion).joints_2d
    assert np.array_equal(filled[:, left], motion.joints_2d[:, right]), (
        "the other hip, whose mean is the root"
    )
    motion.confidence[:4, right] = 0
    seen = np.delete(motion.joints_2d, [left, right], axis=1)
    expected = np.repeat(seen.mean(1, keepdims=True), 2, axis=1)
    assert np.allclose(fill_missing(motion).joints_2d[:4, [left, right]], expected[:4], atol=1e-3)
    motion.confidence[:4] = 0
    assert (fill_missing(motion).joints_2d[:4] == motion.size_px[:4, None] / 2).all()


def test_keep_puts_nothing_at_places_that_were_not_seen():
    motion = replace(example_motion(COCO, (4, 4)), confidence=np.ones((8, 17), np.float32))
    left, right = (COCO.index(joint) for joint in COCO.root)
    motion.joints_2d[:, 0] = np.nan
    motion.confidence[:, left] = 0
    motion.joints_2d[:, left] = 0
    filled = fill_missing(motion, "keep").joints_2d
    assert (filled[:, left] == 0).all() and np.array_equal(filled[:, 0], motion.joints_2d[:, right])


def test_nothing_is_touched_twice_or_in_place():
    motion = missing_example()
    motion.confidence[2, 1] = 0
    before = motion.joints_2d.copy(), motion.confidence.copy()
    filled = fill_missing(motion)
    assert fill_missing(filled, "keep") is filled and filled.missing == "hold"
    assert np.array_equal(motion.joints_2d, before[0]) and np.array_equal(motion.confidence, before[1])
    low = missing_example()
    low.confidence[:] = 0.004  # MotionBERT's data keep normal pixel values down to here
    assert fill_missing(low).joints_2d is low.joints_2d


def test_unknown_policies_are_refused():
    with pytest.raises(UserError, match="hold, keep"):
        fill_missing(example_motion(H36M), "drop")


# ---- bodies


def with_body(motion: Motion, seed: int = 0) -> Motion:
    rng = np.random.default_rng(seed)
    return replace(
        motion,
        smpl_pose=rng.normal(0, 0.3, (motion.num_frames, 72)),
        smpl_shape=rng.normal(0, 1, (motion.num_frames, 10)),
    )


def test_a_body_goes_with_its_frames():
    motion = with_body(example_motion(H36M))
    assert motion.smpl_pose.dtype == motion.smpl_shape.dtype == np.float32
    order = np.r_[70:75, 0:70]
    parts = [motion.select(order[:5]), motion.select(order[5:])]
    joined = Motion.concat(parts)
    for name in ("smpl_pose", "smpl_shape"):
        assert np.array_equal(getattr(joined, name), getattr(motion, name)[order])
    assert example_motion(H36M).smpl_pose is None
    with pytest.raises(UserError, match="with and without smpl_pose"):
        Motion.concat([motion, example_motion(H36M)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"smpl_pose": np.zeros((75, 71))}, r"smpl_pose has shape \(75, 71\)"),
        ({"smpl_pose": np.zeros((74, 72))}, r"smpl_pose has shape \(74, 72\)"),
        ({"smpl_pose": np.zeros((75, 24, 3))}, r"smpl_pose has shape \(75, 24, 3\)"),
        ({"smpl_shape": np.zeros(75)}, r"smpl_shape has shape \(75,\)"),
        ({"smpl_shape": None}, "belong together"),
    ],
)
def test_a_body_of_wrong_shape_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        replace(with_body(example_motion(H36M)), **changes)
