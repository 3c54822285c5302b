"""From lifted joints to the world, against motion whose cameras, bodies and paths are known exactly."""

import time
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from lib.data.motion import Labels, Motion
from lib.data.worker import WorkerTruth, make_worker_motion, make_worker_truth
from lib.errors import UserError
from lib.skeleton import list_skeletons, load_skeleton
from lib.wild.body_scale import body_bones
from lib.wild.camera_pitch import estimate_pitch, level_camera
from lib.wild.ground import find_feet, floor_height
from lib.wild.records import Flag, WorldMotion
from lib.wild.slow_curve import slow_curve
from lib.wild.world import FOCAL_OF_IMAGE, make_world


@dataclass(frozen=True)
class Shot:
    """One video of known motion, lifted without error, and its truth in a WorldMotion's axes."""

    motion: Motion
    joints_m: np.ndarray  # (F,J,3) from the place where the person starts
    contact: np.ndarray  # (F,2)
    focal_px: float
    pitch_deg: float
    stature_m: float

    @property
    def root_m(self) -> np.ndarray:
        """(F,3)"""
        return self.motion.skeleton.root_of(self.joints_m)[:, 0]

    def world(self, noise_px: float = 0.0, **options: float | None) -> WorldMotion:
        """What make_world says, with the true stature and focal length unless told otherwise."""
        shape = self.motion.joints_image.shape
        noise = noise_px * np.random.default_rng(0).standard_normal(shape)
        motion = replace(self.motion, joints_image=self.motion.joints_image + noise)
        return world_of(motion, **{"stature_m": self.stature_m, "focal_px": self.focal_px, **options})


def world_of(motion: Motion, **options: float | None) -> WorldMotion:
    """World of a motion that is seen in every frame of its video."""
    flag = np.zeros((motion.num_frames, motion.skeleton.num_joints), np.uint8)
    return make_world(motion, np.arange(motion.num_frames), flag, num_frames=motion.num_frames, **options)


@cache
def shots(joint_format: str, task: str) -> list[Shot]:
    """Two people doing a task, each before three cameras of any lens, height and side."""
    options = {"subjects": 2, "cameras": 3, "seconds": 6.0, "detector": False}
    truth = make_worker_truth(load_skeleton(joint_format), seed=4, tasks=[task], **options)
    return [shot(truth, slice(start, stop)) for start, stop in truth.motion.videos]


def shot(truth: WorkerTruth, part: slice) -> Shot:
    """One video of the truth; the person's stature is that of their highest moment."""
    motion, to_camera = truth.motion.select(part), truth.camera_rotation[part.start]
    forward, up = to_camera[2], np.array([0.0, 1.0, 0.0])
    towards = forward[1] * up - forward
    towards /= np.linalg.norm(towards)
    axes = np.stack([np.cross(up, towards), up, towards])
    world = truth.joints_camera_mm[part] @ to_camera + truth.camera_position_mm[part.start]
    joints = world @ axes.T / 1000.0
    return Shot(
        motion=motion,
        joints_m=joints - motion.skeleton.root_of(joints[:1]) * [1.0, 0.0, 1.0],
        contact=truth.contacts[part].any(-1),
        focal_px=float(truth.focal_px[part.start]),
        pitch_deg=float(np.degrees(np.arcsin(-forward[1]))),
        stature_m=float(truth.point("head_vertex")[part, 1].max()) / 1000.0,
    )


def sizes(joints: np.ndarray) -> np.ndarray:
    """(F,) root mean square distance of joints (F,J,3) from their mean."""
    return np.sqrt(((joints - joints.mean(1, keepdims=True)) ** 2).sum(-1).mean(-1))


def walk(joint_format: str = "H36M-17", seconds: float = 3.0) -> Motion:
    """A person who walks, lifted without error."""
    options = {"subjects": 1, "cameras": 1, "seconds": seconds, "detector": False, "tasks": ["walk"]}
    return make_worker_motion(load_skeleton(joint_format), seed=0, **options)


@pytest.mark.parametrize("joint_format", ["H36M-17", "MediaPipe-33", "RTM-66"])
@pytest.mark.parametrize("task", ["walk", "stoop_lift"])
def test_known_motion(joint_format, task):
    """Scale, pitch, path, height and contacts from lifts without error, on worker motion."""
    pitch_errors, agreement = [], []
    for known in shots(joint_format, task):
        world = known.world()
        assert world.units == "m"
        assert np.median(sizes(world.positions) / sizes(known.joints_m)) == pytest.approx(1.0, abs=0.04)
        pitch_errors.append(world.pitch_deg - known.pitch_deg)
        path_m = np.linalg.norm(np.diff(known.root_m[:, [0, 2]], axis=0), axis=1).sum()
        error_m = world.root - known.root_m
        assert np.linalg.norm(error_m[:, [0, 2]], axis=1).max() < 0.06 + 0.03 * path_m
        assert np.abs(error_m[:, 1]).max() < 0.08
        local = world.positions - world.root[:, None] - (known.joints_m - known.root_m[:, None])
        assert np.linalg.norm(local, axis=-1).mean() < 0.06
        agreement.append(np.mean(world.foot_contact == known.contact))
    assert np.abs(pitch_errors).mean() < 1.5
    assert np.abs(pitch_errors).max() < 4.0
    assert np.min(agreement) > 0.85


@pytest.mark.parametrize(("noise_px", "share"), [(2.0, 0.03), (5.0, 0.12)])
def test_noise_does_not_shake_the_path(noise_px, share):
    """White noise in all three axes; the people are 180 to 530 px tall."""
    for known in shots("H36M-17", "walk"):
        world, calm = known.world(noise_px=noise_px), known.world()
        distance_m = known.focal_px * known.motion.factor_mm_per_px.max() / 1000.0
        assert np.linalg.norm((world.root - calm.root)[:, [0, 2]], axis=1).max() < share * distance_m
        assert np.abs(world.root[:, 1] - known.root_m[:, 1]).max() < 0.06 + 0.03 * noise_px
        assert np.linalg.norm(np.diff(world.root[:, [0, 2]], axis=0), axis=1).max() < 0.1 + 0.03 * noise_px
        assert abs(world.pitch_deg - calm.pitch_deg) < 1.0
        assert np.mean(world.foot_contact == known.contact) > 0.8


def test_a_frame_of_wrong_size_does_not_move_the_person():
    motion = walk()
    image = motion.joints_image.copy()
    image[40] = motion.skeleton.root_of(image)[40] + 2.0 * (image[40] - motion.skeleton.root_of(image)[40])
    way = world_of(replace(motion, joints_image=image)).root - world_of(motion).root
    assert np.abs(way[:, [0, 2]]).max() < 0.05


def test_wrong_focal_length_stretches_depth_only():
    known = shots("H36M-17", "walk")[0]
    true, long = known.world(pitch_deg=0.0), known.world(pitch_deg=0.0, focal_px=1.5 * known.focal_px)
    np.testing.assert_allclose(long.root[:, 2], 1.5 * true.root[:, 2], atol=0.2)
    np.testing.assert_allclose(long.root[:, :2], true.root[:, :2], atol=0.05)
    assert np.mean(long.foot_contact == known.contact) > 0.85  # though standing feet slide by half the path
    assumed = known.world(focal_px=None)
    assert any(
        f"{FOCAL_OF_IMAGE * known.motion.size_px.max():.0f} px, assumed" in note for note in assumed.notes
    )


def test_without_stature_the_unit_is_the_persons_height():
    known = shots("RTM-66", "walk")[0]
    world = known.world(stature_m=None)
    assert world.units == "arbitrary"
    height = np.nanmax(world.positions[..., 1], axis=1)
    assert np.median(height) == pytest.approx(
        0.98, abs=0.06
    )  # of the head's points, knees and neck a little bent
    np.testing.assert_allclose(world.positions * known.stature_m, known.world().positions, atol=1e-4)
    assert any("--stature" in note for note in world.notes)


def test_given_pitch_is_used():
    known = shots("H36M-17", "walk")[0]
    world = known.world(pitch_deg=12.5)
    assert world.pitch_deg == 12.5
    assert any("12.5 deg, as given" in note for note in world.notes)
    up = [0.0, -np.cos(np.radians(12.5)), -np.sin(np.radians(12.5))]  # as a camera sees it that looks down
    np.testing.assert_allclose(level_camera(np.array(up), 12.5), [0.0, 1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(level_camera(np.array([1.0, 0.0, 0.0]), 12.5), [1.0, 0.0, 0.0], atol=1e-12)


@pytest.mark.parametrize(
    ("knee_deg", "trunk_deg", "told"),
    [(0, 0, True), (20, 5, True), (0, 30, False), (0, 80, False), (90, 0, False), (50, 20, False)],
)
def test_pitch_comes_from_upright_bodies_only(knee_deg, trunk_deg, told):
    """A stick figure that faces a camera which looks down by 20 degrees, with knees and hips bent."""
    skeleton = load_skeleton("COCO-17")
    joints = np.zeros((60, 17, 3))
    place, directions = np.zeros(3), np.radians([-knee_deg / 2, knee_deg / 2, -trunk_deg])
    for name, angle in zip(("ankle", "knee", "hip", "shoulder"), (None, *directions), strict=True):
        if angle is not None:  # up and, facing the camera, forward is -z
            place = place + np.array([0.0, -np.cos(angle), np.sin(angle)])
        for side, x in (("left", 0.2), ("right", -0.2)):
            joints[:, skeleton.index_canonical(f"{side}_{name}")] = place + np.array([x, 0.0, 0.0])
    cosine, sine = np.cos(np.radians(20.0)), np.sin(np.radians(20.0))
    seen = joints @ np.array(
        [[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]]
    )  # up becomes (0, -cosine, -sine)
    estimate = estimate_pitch(seen, np.ones((60, 17)), skeleton, fps=30.0)
    assert (estimate.pitch_deg is not None) == told
    if told:
        assert estimate.pitch_deg == pytest.approx(20.0, abs=4.0)
    assert estimate_pitch(seen[:10], np.ones((10, 17)), skeleton, fps=30.0).pitch_deg is None
    assert estimate_pitch(seen, np.zeros((60, 17)), skeleton, fps=30.0).pitch_deg is None


def test_pitch_is_not_made_up():
    motion = shots("H36M-17", "walk")[0].motion.select(slice(0, 8))
    world = world_of(motion)
    assert world.pitch_deg == 0.0
    assert any("--pitch" in note for note in world.notes)


@pytest.mark.parametrize("joint_format", list_skeletons())
def test_every_format(joint_format):
    motion = walk(joint_format, seconds=1.0)
    image = motion.joints_image.copy()
    for stature_m, units in ((None, "arbitrary"), (1.7, "m")):
        world = world_of(motion, stature_m=stature_m)
        assert world.units == units
        assert np.isfinite(world.positions).all()
        assert np.isfinite(world.root).all()
        np.testing.assert_allclose(world.root, world.skeleton.root_of(world.positions)[:, 0], atol=1e-5)
        np.testing.assert_allclose(world.root[0, [0, 2]], 0.0, atol=1e-6)
        assert np.ptp(world.positions[..., 1], axis=1).max() < 1.1 * (stature_m or 1.0)
        assert np.percentile(world.positions[..., 1].min(axis=1), 5) == pytest.approx(0.03, abs=0.05)
    has_feet = motion.skeleton.index_canonical("left_ankle") is not None
    assert world.foot_contact.any() == has_feet
    assert any("no feet" in note for note in world.notes) != has_feet
    np.testing.assert_array_equal(motion.joints_image, image)


def test_bones_are_those_of_the_body_before_those_of_the_hand():
    for joint_format, num_bones in (
        ("H36M-17", 8),
        ("COCO-WholeBody-133", 8),
        ("UBHand-48", 4),
        ("Hand-21", 16),
    ):
        bones, shares = body_bones(load_skeleton(joint_format))
        assert len(bones) == len(shares) == num_bones


def test_limbs_of_unknown_proportion(tmp_path):
    path = tmp_path / "rod.yaml"
    names = "name: Rod\nroot: a\njoints: [a, b, c]\ncanonical: {a: nose, b: chin, c: face}\n"
    path.write_text(names + "flip: []\nlimbs: [[a, b], [b, c]]\n", encoding="utf-8")
    image = (
        np.zeros((5, 3, 3)) + [500.0, 500.0, 0.0] + np.array([0.0, 30.0, 100.0])[:, None] * [1.0, 0.0, 0.0]
    )
    motion = replace(
        walk(seconds=1.0).select(slice(0, 5)),
        **{"skeleton": load_skeleton(str(path)), "joints_2d": image[..., :2], "confidence": np.ones((5, 3))},
        **{"joints_image": image, "joints_mm": None, "factor_mm_per_px": None},
    )
    world = world_of(motion)
    assert np.ptp(world.positions[0, :, 0]) == pytest.approx(1.0, abs=1e-4)
    with pytest.raises(UserError, match="Rod"):
        world_of(motion, stature_m=1.8)


def test_absent_frames_and_joints():
    motion = walk()
    frames = np.arange(motion.num_frames) + 4
    flag = np.zeros((motion.num_frames, 17), np.uint8)
    flag[10] = Flag.ABSENT
    flag[20, 3] = Flag.ABSENT
    flag[30] = Flag.INTERPOLATED
    image, confidence = motion.joints_image.copy(), motion.confidence.copy()
    image[10], image[20, 3], confidence[50] = np.nan, np.nan, np.nan
    motion = replace(motion, joints_image=image, confidence=confidence)
    world = make_world(motion, frames, flag, num_frames=120)
    assert world.num_frames == 120
    expected = np.isin(np.arange(120), np.delete(frames, 10))
    np.testing.assert_array_equal(world.present, expected)
    np.testing.assert_array_equal(np.isfinite(world.root).all(-1), expected)
    np.testing.assert_array_equal(np.isfinite(world.positions).all(-1), world.flag != Flag.ABSENT)
    assert world.flag[24, 3] == Flag.ABSENT
    assert (world.flag[34] == Flag.INTERPOLATED).all()
    assert (world.confidence[world.flag == Flag.ABSENT] == 0).all()
    assert (world.confidence[54] == 0).all()
    np.testing.assert_allclose(world.time_s, np.arange(120) / 30.0)
    whole = world_of(walk()).positions
    np.testing.assert_allclose(world.positions[4:94][expected[4:94]][:5], whole[:5], atol=0.02)


def unseen(known: Shot, *parts: str, invented: float = 0.0) -> tuple[Motion, np.ndarray]:
    """The shot with these joints of both sides absent; a model puts them at so many px from the root."""
    motion, skeleton = known.motion, known.motion.skeleton
    joints = [skeleton.index_canonical(f"{side}_{part}") for side in ("left", "right") for part in parts]
    flag = np.zeros((motion.num_frames, skeleton.num_joints), np.uint8)
    flag[:, joints] = Flag.ABSENT
    image, confidence = motion.joints_image.copy(), motion.confidence.copy()
    image[:, joints] = skeleton.root_of(image) + invented * np.arange(1, len(joints) + 1)[:, None]
    confidence[:, joints] = 0.0
    return replace(motion, joints_image=image, confidence=confidence), flag


def test_legs_out_of_the_image_are_not_made_up():
    """What a model says of joints that nobody saw changes nothing, and no floor or contact comes from it."""
    for known in shots("H36M-17", "walk")[:3]:
        options = {
            "num_frames": known.motion.num_frames,
            "stature_m": known.stature_m,
            "focal_px": known.focal_px,
        }
        frames = np.arange(known.motion.num_frames)
        world, other = (
            make_world(motion, frames, flag, **options)
            for motion, flag in (unseen(known, "knee", "ankle", invented=px) for px in (3.0, -40.0))
        )
        np.testing.assert_array_equal(world.positions, other.positions)
        legs = [
            world.skeleton.index_canonical(f"{side}_{x}")
            for side in ("left", "right")
            for x in ("knee", "ankle")
        ]
        rest = np.delete(np.arange(17), legs)
        assert np.isnan(world.positions[:, legs]).all() and (world.flag[:, legs] == Flag.ABSENT).all()
        assert (world.confidence[:, legs] == 0).all() and world.present.all()
        assert not world.foot_contact.any() and any("No foot was seen" in note for note in world.notes)
        assert any("do not tell it" in note for note in world.notes), "no pitch without legs"
        assert any("without positions: " in note and "left_ankle" in note for note in world.notes)
        truth = known.joints_m[:, rest]
        assert np.median(sizes(world.positions[:, rest]) / sizes(truth)) == pytest.approx(1.0, abs=0.1)
        assert np.percentile(np.nanmin(world.positions[..., 1], axis=1), 5) == pytest.approx(0.0, abs=0.01)


def test_feet_that_are_out_of_the_image_for_a_while_leave_the_floor_where_it_is():
    for known in shots("H36M-17", "walk")[:3]:
        motion, flag = unseen(known, "ankle", invented=30.0)
        seen, half = known.motion, known.motion.num_frames // 2
        image = np.concatenate([seen.joints_image[:half], motion.joints_image[half:]])
        confidence = np.concatenate([seen.confidence[:half], motion.confidence[half:]])
        flag[:half] = Flag.SEEN
        motion = replace(seen, joints_image=image, confidence=confidence)
        options = {"stature_m": known.stature_m, "focal_px": known.focal_px, "pitch_deg": known.pitch_deg}
        frames = np.arange(len(flag))
        world = make_world(motion, frames, flag, num_frames=len(flag), **options)
        assert not world.foot_contact[half:].any() and world.foot_contact[:half].any()
        assert np.abs(world.root[:, 1] - known.root_m[:, 1]).max() < 0.1
        flag[half, known.motion.skeleton.root_weights > 0] = Flag.ABSENT
        world = make_world(motion, frames, flag, num_frames=len(flag), **options)
        assert not world.present[half], "a frame without its root"


def test_legs_that_leave_the_image_tell_nothing_from_then_on():
    """Neither the pitch counts their frames, nor does the person's size jump where the bones become fewer."""
    for known in shots("H36M-17", "walk"):
        absent, flag = unseen(known, "knee", "ankle", invented=30.0)
        image, confidence = absent.joints_image.copy(), absent.confidence.copy()
        image[:40], flag[:40] = known.motion.joints_image[:40], Flag.SEEN
        confidence[:40] = known.motion.confidence[:40]
        motion, frames = replace(absent, joints_image=image, confidence=confidence), np.arange(len(flag))
        options = {"num_frames": len(flag), "stature_m": known.stature_m, "focal_px": known.focal_px}
        world = make_world(motion, frames, flag, **options)
        short = replace(known, motion=known.motion.select(slice(0, 40))).world()
        assert next(note for note in short.notes if "pitch" in note) in world.notes
        rest = ~(flag == Flag.ABSENT).any(0)
        ratio = sizes(world.positions[:, rest]) / sizes(known.joints_m[:, rest])
        assert np.median(ratio[:40]) == pytest.approx(np.median(ratio[40:]), abs=0.008)


def test_interpolated_legs_tell_no_pitch():
    known = shots("H36M-17", "walk")[0]
    confidence = known.motion.confidence.copy()
    confidence[:, known.motion.skeleton.index_canonical("left_ankle")] = 0.0
    world = replace(known, motion=replace(known.motion, confidence=confidence)).world()
    assert any("taken as 0 deg: 0 frames" in note for note in world.notes)


def test_nobodys_limbs():
    """Not even an arm or a leg is seen: the unit is what is seen, and a stature cannot be used."""
    known = shots("H36M-17", "walk")[0]
    motion, flag = unseen(known, "knee", "ankle", "elbow", "wrist")
    frames = np.arange(motion.num_frames)
    world = make_world(motion, frames, flag, num_frames=len(frames))
    assert np.isfinite(world.root).all() and "all limbs seen together" in world.notes[0]
    with pytest.raises(UserError, match=r"no leg, arm or finger is seen"):
        make_world(motion, frames, flag, num_frames=len(frames), stature_m=1.8)


def test_a_foot_that_was_only_interpolated_hardly_moves_the_floor():
    feet = find_feet(load_skeleton("H36M-17"))
    positions, low = np.zeros((60, 17, 3)), slice(22, 37)
    for foot in feet:
        positions[:, foot.joints, 1] = foot.over_sole
    positions[low, :, 1] -= 0.04
    moved_by = []
    for trust in (1.0, 0.0):
        confidence = np.ones((60, 17))
        confidence[low] = trust
        floor = floor_height(positions, confidence, positions[:, 0], feet, [slice(0, 60)], fps=30.0)
        moved_by.append(np.abs(floor).max())
    assert moved_by[1] < 0.2 * moved_by[0]


def test_the_floor_is_found_with_one_foot():
    """The other one is absent, and that it is does not hide the one that stands."""
    for known in shots("H36M-17", "walk")[:3]:
        motion, flag = unseen(known, "ankle", invented=30.0)
        right = known.motion.skeleton.index_canonical("right_ankle")
        motion.joints_image[:, right] = known.motion.joints_image[:, right]
        motion.confidence[:, right], flag[:, right] = known.motion.confidence[:, right], Flag.SEEN
        options = {"stature_m": known.stature_m, "focal_px": known.focal_px, "pitch_deg": known.pitch_deg}
        world = make_world(motion, np.arange(len(flag)), flag, num_frames=len(flag), **options)
        assert np.abs(world.root[:, 1] - known.root_m[:, 1]).max() < 0.1
        assert not world.foot_contact[:, 0].any()
        assert np.mean(world.foot_contact[:, 1] == known.contact[:, 1]) > 0.85


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_hardly_any_frames(kept):
    motion = walk(seconds=1.0)
    flag = np.full((30, 17), Flag.ABSENT, np.uint8)
    flag[:kept] = Flag.SEEN
    world = make_world(motion, np.arange(30), flag, num_frames=30, stature_m=1.8)
    assert world.present.sum() == kept
    assert np.isfinite(world.positions[:kept]).all()
    assert world.notes
    if not kept:
        empty = make_world(motion.select(slice(0, 0)), np.zeros(0, int), flag[:0], num_frames=30)
        assert not empty.present.any()


def test_own_proportions_do_not_move_the_person():
    """The scale stays when other bones, of other proportions than the average, take over."""
    for known in shots("H36M-17", "walk"):
        confidence, half = known.motion.confidence.copy(), known.motion.num_frames // 2
        names = [f"{side}_{part}" for side in ("left", "right") for part in ("knee", "ankle")]
        confidence[half:, [known.motion.skeleton.index_canonical(name) for name in names]] = 0.0
        unseen = replace(known, motion=replace(known.motion, confidence=confidence))
        ratio = sizes(unseen.world().positions) / sizes(known.joints_m)
        assert np.median(ratio[:half]) == pytest.approx(np.median(ratio[half:]), abs=0.008)


@pytest.mark.parametrize(("gap", "names"), [(60, "ab"), (60, "aa"), (0, "ab")])
def test_segments_are_smoothed_apart(gap, names):
    """Between two segments the person has come twice as near at once."""
    motion = walk()
    image = motion.joints_image.copy()
    image[45:] = motion.skeleton.root_of(image)[45:] + 2.0 * (
        image[45:] - motion.skeleton.root_of(image)[45:]
    )
    frames = np.arange(90) + np.repeat([0, gap], 45)
    motion = replace(motion, joints_image=image, camera=Labels.of(np.repeat(list(names), 45)))
    world = make_world(motion, frames, np.zeros((90, 17), np.uint8), num_frames=150, focal_px=2000.0)
    before, after = world.positions[40:45], world.positions[45 + gap : 50 + gap]
    assert sizes(after).mean() / sizes(before).mean() == pytest.approx(1.0, abs=0.06)
    assert np.isnan(world.root[45 : 45 + gap]).all()


def test_a_mistaken_pitch_does_not_sink_the_feet():
    for known in shots("H36M-17", "walk"):
        world = known.world(pitch_deg=known.pitch_deg + 5.0)
        ankles = [world.skeleton.index_canonical(f"{side}_ankle") for side in ("left", "right")]
        low_m = world.positions[:, ankles, 1].min(axis=1)
        assert np.abs(low_m - np.median(low_m)).mean() < 0.04
        assert 0.02 < np.median(low_m) < 0.12


def test_impossible_values():
    motion = walk(seconds=1.0)
    mistakes = [
        ({"stature_m": 175.0}, "did you mean 1.75"),
        ({"stature_m": float("nan")}, "stature"),
        ({"stature_m": 0.0}, "stature"),
        ({"pitch_deg": 120.0}, "-90 to 90"),
        ({"focal_px": -5.0}, "focal"),
    ]
    for options, text in mistakes:
        with pytest.raises(UserError, match=text):
            world_of(motion, **options)


def test_slow_curve():
    frames, rng = np.arange(200.0), np.random.default_rng(0)
    line = 3.0 + 0.02 * frames
    weights = np.ones(200)
    np.testing.assert_allclose(slow_curve(line, weights, 8.0), line, atol=0.01)  # the ends too
    noisy = line + 0.1 * rng.standard_normal(200)
    noisy[[20, 90]] += 50.0
    assert np.abs(slow_curve(noisy, weights, 8.0) - line).max() < 0.12
    weights[60:140], noisy[60:140] = 0.0, np.nan
    curve = slow_curve(noisy, weights, 8.0)
    assert np.abs(curve - line).max() < 0.5
    assert np.isnan(slow_curve(noisy, np.zeros(200), 8.0)).all()
    assert slow_curve(np.ones(1), np.ones(1), 8.0) == pytest.approx(1.0)


def test_ten_minutes_in_under_two_seconds():
    motion = walk("MediaPipe-33", seconds=2.0)
    long = Motion.concat([motion] * 300)
    assert long.num_frames == 18000
    started = time.perf_counter()
    world_of(long)
    assert time.perf_counter() - started < 2.0
