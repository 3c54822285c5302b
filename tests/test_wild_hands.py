"""Hands in video: formats, sides, tracks, the search around wrists, 3D with and without a body, infer_wild.py."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch

import infer_wild
from lib import engine
from lib.checkpoint import save_checkpoint
from lib.config import load_config, save_config
from lib.data.motion import Motion
from lib.data.training_data import checkpoint_meta
from lib.errors import UserError
from lib.model.build import build_model
from lib.skeleton import list_skeletons, load_skeleton
from lib.wild.detectors import DETECTORS, detect
from lib.wild.exports import EXPORTS
from lib.wild.hand_formats import (
    SIDES,
    bare_hand,
    fine_joints,
    hand_union,
    is_one_hand,
    joints_of_hand,
    load_union,
    sided_hand,
)
from lib.wild.hand_search import find_hands, hand_id
from lib.wild.hand_stage import only_hands_lack
from lib.wild.hands import (
    LiftedHand,
    hands_among,
    join_hands,
    join_tracks,
    lift_hand,
    mirror,
    path_to_remove,
)
from lib.wild.keypoint_files import read_keypoints
from lib.wild.lifter import load_lifter
from lib.wild.records import Detections, Flag, Track, WorldMotion
from lib.wild.tracks import build_tracks, choose_tracks
from lib.wild.world import check_body_and_camera, make_world

HAND, BODY = load_skeleton("Hand-21"), load_skeleton("Halpe-26")
SIZE_PX, FPS, FRAMES = (320, 240), 10.0, 24
BODIES = [
    name
    for name in list_skeletons()
    if not is_one_hand(load_skeleton(name)) and load_skeleton(name).index_canonical("left_wrist") is not None
]
CONFIG = """
joint_format: {joint_format}
clip_len: 9
maxlen: 9
dim_feat: 16
dim_rep: 16
depth: 1
num_heads: 2
mlp_ratio: 2
threads: 1
"""
# a right hand seen from its palm: fingers up, thumb to the right of the picture; in lengths of the hand
OPEN_HAND = np.concatenate(
    [
        [[0.0, 0.0]],
        *(
            np.array([np.sin(angle), -np.cos(angle)]) * np.linspace(first, last, 4)[:, None]
            for angle, first, last in (
                (0.9, 0.2, 0.6),
                (0.3, 0.45, 0.9),
                (0.05, 0.45, 1.0),
                (-0.2, 0.42, 0.9),
                (-0.45, 0.4, 0.75),
            )
        ),
    ]
)


def hand_at(wrist: np.ndarray, side: str, length_px: float = 60.0, confidence: float = 0.9) -> np.ndarray:
    """(21,3) keypoints of an open hand."""
    shape = OPEN_HAND * (length_px if side == "right" else [-length_px, length_px])
    return np.column_stack([shape + wrist, np.full(21, confidence)]).astype(np.float32)


def two_hands(frames: int = 40) -> Detections:
    """Both hands in every frame, in changing order; they cross in the middle; every fifth side is wrong."""
    people, sides = [], []
    for frame in range(frames):
        x = 80 + 160 * frame / frames
        hands = [hand_at(np.array([x, 200]), "left"), hand_at(np.array([320 - x, 150]), "right")]
        said: list[str | None] = ["left", "right"]
        if frame % 5 == 2:
            said = ["right", "right"]
        order = [0, 1] if frame % 2 else [1, 0]
        people.append(np.stack([hands[number] for number in order]))
        sides.append([said[number] for number in order])
    return Detections(skeleton=HAND, people=people, sides=sides, fps=FPS, size_px=SIZE_PX, source="two hands")


# ---- joint formats


@pytest.mark.parametrize("name", BODIES)
def test_a_body_with_hands_is_a_joint_format_like_others(name: str):
    body = load_skeleton(name)
    both = hand_union(body, HAND)
    joints = both.num_joints
    assert both.joints[: body.num_joints] == body.joints and both.root == body.root
    assert len(set(both.joints)) == len(set(both.canonical)) == joints
    assert (both.flip_idx[both.flip_idx] == np.arange(joints)).all()
    assert [side for side, other in zip(both.joint_sides, both.flip_idx, strict=True) if side == "left"] == [
        "left" for other in both.flip_idx if both.joint_sides[other] == "right"
    ]
    mirrored = np.sort(both.flip_idx[both.limb_idx], 1)
    assert (mirrored == np.sort(both.limb_idx[both.limb_flip_idx], 1)).all()
    assert len(both.limb_sides) == len(both.limb_colors) == len(both.limbs) and both.angle_idx.max() < len(
        both.limbs
    )
    for side in SIDES:
        hand = joints_of_hand(both, HAND, side)
        assert hand is not None and len(set(hand)) == 21
        wrist = both.index_canonical(f"{side}_hand_wrist") or both.index_canonical(f"{side}_wrist")
        assert hand[0] == wrist
        limbs = {frozenset(limb) for limb in both.limb_idx.tolist()}
        assert all(frozenset((hand[a], hand[b])) in limbs for a, b in HAND.limb_idx)
        if both.parents is not None:
            for joint in hand:
                way = [joint]
                while both.parents[way[-1]] >= 0:
                    way.append(int(both.parents[way[-1]]))
                assert len(set(way)) == len(way) <= joints
    assert load_union(both.name).joints == both.joints
    has_all = joints_of_hand(body, HAND, "left") is not None
    assert (both is body) == has_all and hand_union(both, HAND) is both
    assert fine_joints(both).sum() >= 40


def test_formats_of_one_hand():
    assert [name for name in list_skeletons() if is_one_hand(load_skeleton(name))] == [
        "Hand-21",
        "Hand-21-left",
        "Hand-21-right",
    ]
    left = sided_hand(HAND, "left")
    assert left is load_skeleton("Hand-21-left") or left.canonical[0] == "left_hand_wrist"
    assert bare_hand(left).canonical == HAND.canonical and bare_hand(BODY) is BODY
    own = sided_hand(replace(left, name="Claw-left"), "right")
    assert own.name == "Claw-right" and set(own.joint_sides) == {"right"}
    assert not fine_joints(HAND).any()
    with pytest.raises(UserError, match="no left wrist"):
        hand_union(HAND, HAND)
    with pytest.raises(UserError, match="no wrist"):
        hand_union(BODY, replace(HAND, canonical=("thumb_tip", *HAND.canonical[1:])))
    assert load_union("Halpe-26").name == "Halpe-26"
    with pytest.raises(UserError, match="unknown joint format"):
        load_union("Halpe-26+Hand-99")


# ---- sides, tracks


def test_sides_are_kept_in_files(tmp_path: Path):
    detections = replace(
        two_hands(4), sides=[["left", None], ["right", "left"], [None, None], ["left", "right"]]
    )
    detections.save(tmp_path / "detections.npz")
    assert Detections.load(tmp_path / "detections.npz").sides == detections.sides
    read = read_keypoints(tmp_path / "detections.npz", joint_format=None, size_px=SIZE_PX, fps=FPS)
    assert read.sides == detections.sides
    replace(detections, sides=None).save(tmp_path / "old.npz")
    assert Detections.load(tmp_path / "old.npz").sides is None


def test_hands_that_cross_are_told_apart_and_flickering_sides_outvoted(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        tracks = build_tracks(two_hands(), fps=FPS)
    assert sorted((track.side, track.skeleton.name, track.num_frames) for track in tracks) == [
        ("left", "Hand-21-left", 40),
        ("right", "Hand-21-right", 40),
    ]
    by_side = {track.side: track for track in tracks}
    x = by_side["left"].keypoints[:, 0, 0]
    assert (np.diff(x) > 0).all(), "the left hand goes to the right all the time"
    assert "left; in 8 of 40 frames the detector says the other side" in caplog.text
    assert choose_tracks(tracks, "left", of_hands=True) == [by_side["left"]]
    assert choose_tracks(tracks, "right") == [by_side["right"]]
    with pytest.raises(
        UserError, match=r"no such hand.*allowed: longest, largest, all, left, right, or an id: 1"
    ):
        choose_tracks(tracks, "middle", of_hands=True)
    with pytest.raises(UserError, match="no hand was found"):
        choose_tracks([], "left", of_hands=True)


def seen_at(*stretches: tuple[int, int, str, float], frames: int = 100) -> Detections:
    """One hand at a time: (first frame, frame after the last, side, x)."""
    people = [np.zeros((0, 21, 3), np.float32)] * frames
    sides: list[list[str | None]] = [[] for _ in range(frames)]
    for first, stop, side, x in stretches:
        for frame in range(first, stop):
            people[frame], sides[frame] = hand_at(np.array([x, 150]), side)[None], [side]
    return Detections(skeleton=HAND, people=people, sides=sides, fps=FPS, size_px=SIZE_PX, source="x")


@pytest.mark.parametrize(
    ("stretches", "expected"),
    [
        # away for 4 s and back elsewhere: the same hand
        ([(0, 20, "left", 80), (60, 90, "left", 240)], [("left", 0, 90)]),
        # at the same place a second later, but the other side
        ([(0, 20, "left", 150), (30, 60, "right", 150)], [("left", 0, 20), ("right", 30, 60)]),
        # so fast that it is lost without a pause
        ([(0, 20, "right", 50), (20, 40, "right", 280)], [("right", 0, 40)]),
        # in turns
        (
            [(0, 20, "left", 80), (20, 40, "right", 240), (40, 60, "left", 80)],
            [("left", 0, 60), ("right", 20, 40)],
        ),
    ],
)
def test_a_hand_that_was_away(stretches: list, expected: list):
    tracks = build_tracks(seen_at(*stretches), fps=FPS, max_gap_s=0.2)
    assert [(track.side, track.start, track.stop) for track in tracks] == expected


def test_sides_by_the_format_or_not_at_all():
    known = replace(seen_at((0, 20, "left", 80)), sides=None)
    assert build_tracks(known, fps=FPS)[0].side is None
    known = replace(known, skeleton=load_skeleton("Hand-21-left"))
    assert build_tracks(known, fps=FPS)[0].side == "left"


def test_a_detector_tells_its_sides():
    class Both:
        skeleton = HAND
        sides: list[str]

        def __call__(self, frame: np.ndarray) -> list[np.ndarray]:
            self.sides = ["left", "right"]
            return [hand_at(np.array([90, 90]), side) for side in self.sides]

    detector = Both()
    detector.sides = []
    found = detect(detector, [np.zeros((9, 9, 3), np.uint8)] * 3, source="x", fps=FPS, size_px=SIZE_PX)
    assert found.sides == [["left", "right"]] * 3


# ---- 3D of a hand alone


def write_model(folder: Path, joint_format: str, extra: str = "") -> Path:
    """An untrained lifter with its config beside it."""
    folder.mkdir(exist_ok=True, parents=True)
    text = folder / "text.yaml"
    head = "task: hand\nreader: worker_hands\n" if joint_format.startswith("Hand") else "reader: worker\n"
    text.write_text(head + CONFIG.format(joint_format=joint_format) + extra)
    config = load_config(text)
    skeleton = load_skeleton(config.joint_format).with_root(*config.root)
    torch.manual_seed(0)
    save_config(config, folder / "config.yaml")
    weights = build_model(config, skeleton).state_dict()
    meta = checkpoint_meta(config, skeleton, fps=FPS)
    save_checkpoint(folder / "model.bin", {"model_pos": weights, "meta": meta})
    return folder / "model.bin"


@pytest.fixture(scope="module")
def hand_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("hand"), "Hand-21")


@pytest.fixture(scope="module")
def body_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("body"), "H36M-17")


def hand_motion(side: str = "right", frames: int = 20, scale: float = 60.0) -> Motion:
    """A hand that opens and closes a little and moves across the picture."""
    turns = 1 + 0.2 * np.sin(np.arange(frames) / 3)
    places = np.linspace([100, 120], [200, 160], frames)
    places = places if side == "right" else places * [-1, 1] + [SIZE_PX[0], 0]
    points = np.stack([hand_at(place, side, scale * turn) for place, turn in zip(places, turns, strict=True)])
    depth = np.linspace(-10, 10, 21)[None, :, None].repeat(frames, 0)
    return Motion(
        joints_2d=points[..., :2],
        confidence=points[..., 2],
        joints_image=np.concatenate([points[..., :2], depth], -1),
        source="x",
        camera="x",
        action="",
        fps=FPS,
        size_px=np.array(SIZE_PX),
        skeleton=HAND,
    )


@pytest.mark.parametrize("input_scale", ["image", "box"])
def test_a_left_hand_is_the_mirror_image_of_a_right_one(tmp_path: Path, input_scale: str):
    checkpoint = write_model(tmp_path, "Hand-21", f"input_scale: {input_scale}\n")
    config = load_config(checkpoint.with_name("config.yaml"))
    model = load_lifter(
        checkpoint, config=config, skeleton=HAND, runtime=engine.start_runtime("fp32", "cpu", 1), flip=False
    )
    right = lift_hand(model, replace(hand_motion("right"), joints_image=None), "right")
    left = lift_hand(model, replace(hand_motion("left"), joints_image=None), "left")
    assert (right.skeleton.name, left.skeleton.name) == ("Hand-21-right", "Hand-21-left")
    np.testing.assert_allclose(mirror(left).joints_image, right.joints_image, atol=2e-3)
    np.testing.assert_array_equal(left.joints_2d, hand_motion("left").joints_2d)
    root = HAND.index("Wrist")
    np.testing.assert_allclose(right.joints_image[:, root, :2], right.joints_2d[:, root], atol=1e-2)
    assert np.ptp(right.joints_image[..., 2]) > 1
    no_side = lift_hand(model, replace(hand_motion("right"), joints_image=None), None)
    assert no_side.skeleton.name == "Hand-21"
    np.testing.assert_array_equal(no_side.joints_image, right.joints_image)


def test_a_small_hand_that_moves_far_is_kept_in_its_box():
    motion = hand_motion(scale=15.0)
    points = motion.joints_2d.astype(float)
    size = np.median(np.ptp(points, axis=1).max(-1))
    kept = points - path_to_remove(motion)[:, None]
    assert size < 0.2 * np.ptp(points.reshape(-1, 2), axis=0).max()
    assert size > 0.5 * np.ptp(kept.reshape(-1, 2), axis=0).max()
    assert not path_to_remove(hand_motion(scale=150.0)).any()


def hand_world(**given: float) -> WorldMotion:
    motion = replace(hand_motion("left"), skeleton=load_skeleton("Hand-21-left"))
    frames, flag = np.arange(motion.num_frames) + 2, np.zeros(motion.joints_2d.shape[:2], np.uint8)
    flag[5:8] = Flag.ABSENT
    return make_world(motion, frames, flag, num_frames=30, **given)


def test_the_world_of_a_hand_has_no_floor_and_its_own_unit():
    world = hand_world()
    assert world.units == "arbitrary" and world.unit_length == "hand's length" and world.pitch_deg == 0
    assert not world.foot_contact.any() and not world.present[7:10].any()
    notes = " ".join(world.notes)
    assert "hand's length" in notes and "no floor" in notes and "Camera pitch" not in notes
    finger = [world.skeleton.index(f"Middle_{number}") for number in range(4)]
    chain = world.positions[:, [0, *finger]]
    length = np.nanmedian(np.linalg.norm(np.diff(chain, axis=1), axis=-1).sum(1))
    assert length == pytest.approx(1.0, abs=0.15)
    assert world.positions[0 + 2, 12, 1] > world.positions[0 + 2, 0, 1], "fingers up in the picture are up"
    assert np.nanmin(world.positions[..., 1]) == pytest.approx(0, abs=0.1)


def test_metres_of_a_hand():
    unit = hand_world().positions
    for given, length_m in (({"hand_length_m": 0.2}, 0.2), ({"stature_m": 1.75}, 0.189)):
        world = hand_world(**given)
        assert world.units == "m"
        np.testing.assert_allclose(world.positions, unit * length_m, rtol=2e-3, atol=1e-4)
        assert f"{length_m:.3f} m long" in world.notes[0]
    assert "Camera pitch 10.0 deg, as given." in hand_world(pitch_deg=10.0).notes
    for wrong, meant in ((19.0, "0.19"), (190.0, "0.19"), (0.7, "allowed are 0.05 to 0.3")):
        with pytest.raises(UserError, match=meant):
            check_body_and_camera(None, None, None, wrong)


# ---- a body with hands


def body_track(frames: int = FRAMES, number: int = 1) -> Track:
    """Somebody who stands in the middle, arms raised to the sides, hands up; 160 px tall."""
    places = {"nose": (0, -150), "head": (0, -160), "neck": (0, -132), "hip": (0, -80)}
    sided = {
        **{
            "eye": (3, -153),
            "ear": (6, -150),
            "shoulder": (18, -130),
            "elbow": (48, -130),
            "wrist": (70, -130),
        },
        **{"hip": (12, -80), "knee": (14, -42), "ankle": (15, -6), "heel": (15, 0), "big_toe": (18, 0)},
        "small_toe": (22, 0),
    }
    places |= {f"left_{name}": place for name, place in sided.items()}
    places |= {f"right_{name}": (-x, y) for name, (x, y) in sided.items()}
    names = [
        name if name in places else name.replace("_base", "").replace("_center", "") for name in BODY.joints
    ]
    xy = np.array([places[name] for name in names], float) + np.array([160, 200])
    xy = xy + np.stack([5 * np.sin(np.arange(frames) / 4), np.zeros(frames)], -1)[:, None]
    keypoints = np.concatenate([xy, np.full((*xy.shape[:2], 1), 0.9)], -1).astype(np.float32)
    return Track(
        id=number, start=0, keypoints=keypoints, flag=np.zeros(xy.shape[:2], np.uint8), skeleton=BODY
    )


HAND_PX = 0.108 * 160


def wrist_of(track: Track, side: str, frame: int) -> np.ndarray:
    return track.keypoints[frame, track.skeleton.index(f"{side}_wrist"), :2]


class PaintedHands:
    """Finds the hands of pictures in which each pixel holds its own place: where ``hands`` says, if it is large enough.

    A picture of a part of the frame thus tells which part it is. Sides are wrong on purpose.
    """

    skeleton = HAND
    hands: tuple[np.ndarray, ...] = ()
    least_share = 0.2
    whole_frames = 0

    def __init__(self, min_confidence: float = 0.5) -> None:
        self.sides: list[str] = []

    def __call__(self, frame: np.ndarray) -> list[np.ndarray]:
        places = frame[..., :2].astype(float) / 255 * SIZE_PX
        inside = frame[..., 2] > 128
        type(self).whole_frames += frame.shape[:2] == SIZE_PX[::-1]
        rows, columns = np.nonzero(inside)
        across = np.polyfit(places[rows, columns, 0], columns + 0.5, 1)
        down = np.polyfit(places[rows, columns, 1], rows + 0.5, 1)
        self.sides, found = [], []
        for hand in self.hands:
            x, y = np.polyval(across, hand[:, 0]), np.polyval(down, hand[:, 1])
            within = (
                (x > 0).all() and (y > 0).all() and (x < frame.shape[1]).all() and (y < frame.shape[0]).all()
            )
            if within and np.ptp(y) > self.least_share * len(frame):
                found.append(np.column_stack([x, y, hand[:, 2]]).astype(np.float32))
                self.sides.append("left")
        return found


def painted() -> np.ndarray:
    """A frame whose pixels hold their places."""
    y, x = np.mgrid[0 : SIZE_PX[1], 0 : SIZE_PX[0]] + 0.5
    return (
        np.stack([x / SIZE_PX[0] * 255, y / SIZE_PX[1] * 255, np.full_like(x, 255)], -1)
        .round()
        .astype(np.uint8)
    )


def searched(
    hands: tuple[np.ndarray, ...], tracks: list[Track], frames: int = 6, **given: float
) -> Detections:
    detector = type("Painted", (PaintedHands,), {"hands": hands, **given})
    return find_hands(
        (painted() for _ in range(frames)), tracks, detector, source="x", fps=FPS, size_px=SIZE_PX
    )


def test_hands_are_found_around_the_wrists_and_the_body_knows_the_side():
    track = body_track(6)
    hands = tuple(hand_at(wrist_of(track, side, 0), side, HAND_PX) for side in SIDES)
    stray = hand_at(np.array([160.0, 60.0]), "right", HAND_PX)
    found = searched((*hands, stray), [track])
    assert found.skeleton.name == "Hand-21"
    for frame in range(6):
        assert found.ids[frame].tolist() == [hand_id(track, side) for side in found.sides[frame]]
        assert sorted(found.sides[frame]) == ["left", "right"]
        for hand, side in zip(found.people[frame], found.sides[frame], strict=True):
            np.testing.assert_allclose(hand[:, :2], hands[SIDES.index(side)][:, :2], atol=1.5)
    tracks = build_tracks(found, fps=FPS)
    assert [track.side for track in tracks] == ["left", "right"]


def test_a_wrist_gets_no_hand_that_is_far_or_of_another_size_or_of_the_other_wrist():
    track = body_track(3)
    place = wrist_of(track, "left", 0)
    for hand in (
        hand_at(place + np.array([0, 1.3 * HAND_PX]), "left", HAND_PX),
        hand_at(place, "left", 4 * HAND_PX),
    ):
        assert not any(map(len, searched((hand,), [track], 3).people))
    # both wrists at one hand: one of them has it
    both = track.keypoints.copy()
    both[:, BODY.index("right_wrist"), :2] = place + np.array([2, 0])
    found = searched((hand_at(place, "left", HAND_PX),), [replace(track, keypoints=both)], 3)
    assert [sides for sides in found.sides] == [["left"]] * 3


def test_the_whole_frame_is_asked_where_the_picture_around_a_wrist_shows_nothing():
    track = body_track(3)
    hand = hand_at(wrist_of(track, "right", 0), "right", HAND_PX)
    detector = type("Shy", (PaintedHands,), {"hands": (hand,), "least_share": 0.0})
    detector.__call__ = lambda self, frame: (
        PaintedHands.__call__(self, frame)
        if frame.shape[:2] == SIZE_PX[::-1]
        else setattr(self, "sides", []) or []
    )
    found = find_hands((painted() for _ in range(3)), [track], detector, source="x", fps=FPS, size_px=SIZE_PX)
    assert found.sides == [["right"]] * 3


def test_people_without_wrists_or_in_other_frames(tmp_path: Path):
    track = replace(body_track(3), start=2)
    flag = track.flag.copy()
    flag[1, [BODY.index("left_wrist"), BODY.index("right_wrist")]] = Flag.ABSENT
    hands = tuple(hand_at(wrist_of(track, side, 0), side, HAND_PX) for side in SIDES)
    found = searched(hands, [replace(track, flag=flag)], 7)
    assert [len(people) for people in found.people] == [0, 0, 2, 0, 2, 0, 0]
    with pytest.raises(UserError, match="no left wrist"):
        searched(hands, [replace(track, skeleton=HAND, keypoints=np.zeros((3, 21, 3)), flag=flag[:, :21])])


def lifted_body(frames: int = FRAMES) -> tuple[Motion, np.ndarray, np.ndarray]:
    track = body_track(frames)
    depth = np.zeros((frames, BODY.num_joints, 1))
    depth[:, BODY.index("left_wrist")] = 25.0
    motion = Motion(
        joints_2d=track.keypoints[..., :2],
        confidence=track.keypoints[..., 2],
        joints_image=np.concatenate([track.keypoints[..., :2] + 1, depth], -1),
        source="x",
        camera="x",
        action="",
        fps=FPS,
        size_px=np.array(SIZE_PX),
        skeleton=BODY,
    )
    return motion, np.arange(frames) + 3, np.zeros(track.flag.shape, np.uint8)


def test_hands_stand_at_the_body_s_wrists_with_its_scale():
    body, frames, flag = lifted_body()
    flag[7, BODY.index("left_wrist")] = Flag.ABSENT
    hand = hand_motion("left", 12, scale=HAND_PX)
    hands = {"left": LiftedHand(hand, np.arange(12) + 1, np.full((12, 21), Flag.INTERPOLATED, np.uint8))}
    joined, flags = join_hands(body, frames, flag, hands, HAND)
    assert joined.skeleton.name == "Halpe-26+Hand-21"
    np.testing.assert_array_equal(joined.joints_image[:, :26], body.joints_image)
    left, right = (joints_of_hand(joined.skeleton, HAND, side) for side in SIDES)
    seen = np.isin(frames, np.arange(1, 13)) & (np.arange(FRAMES) != 7)
    assert (flags[seen][:, left[1:]] == Flag.INTERPOLATED).all()
    assert (flags[~seen][:, left[1:]] == Flag.ABSENT).all() and (flags[:, right[1:]] == Flag.ABSENT).all()
    assert np.isnan(joined.joints_image[~seen][:, left[1:]]).all(), "nothing is invented"
    relative = joined.joints_image[:, left] - joined.joints_image[:, left[:1]]
    expected = hand.joints_image - hand.joints_image[:, :1]
    np.testing.assert_allclose(relative[0], expected[2], atol=1e-4)
    np.testing.assert_allclose(joined.joints_2d[0, left[1:]], hand.joints_2d[2, 1:])

    world = make_world(joined, frames, flags, num_frames=40, stature_m=1.6)
    fingers = world.positions[3, left] - world.positions[3, left[0]]
    length_px = np.linalg.norm(expected[2, 12])
    assert np.linalg.norm(fingers[12]) == pytest.approx(1.6 * length_px / 160, rel=0.15)
    plain = make_world(body, frames, flag, num_frames=40, stature_m=1.6)
    np.testing.assert_allclose(world.positions[:, :26], plain.positions, atol=1e-5)
    np.testing.assert_array_equal(world.foot_contact, plain.foot_contact)


def test_a_format_that_has_fingers_keeps_them_where_no_hand_was_seen():
    whole = load_skeleton("COCO-WholeBody-133")
    rng = np.random.default_rng(0)
    keypoints = np.concatenate([rng.uniform(50, 200, (4, 133, 2)), np.full((4, 133, 1), 0.9)], -1)
    track = Track(
        id=3,
        start=0,
        keypoints=keypoints.astype(np.float32),
        flag=np.zeros((4, 133), np.uint8),
        skeleton=whole,
    )
    own = hands_among(track, HAND)
    assert [hand.side for hand in own] == ["left", "right"] and [hand.id for hand in own] == [3, 3]
    np.testing.assert_array_equal(
        own[1].keypoints[:, 8], keypoints[:, whole.index_canonical("right_index_tip")].astype(np.float32)
    )
    hidden = track.flag.copy()
    hidden[:, whole.index_canonical("left_hand_wrist")] = Flag.ABSENT
    assert [hand.side for hand in hands_among(replace(track, flag=hidden), HAND)] == ["right"]
    assert hands_among(body_track(), HAND) is None
    np.testing.assert_array_equal(join_tracks(track, own, HAND).keypoints, track.keypoints)


def test_keypoints_of_body_and_hands_are_one_track():
    track = replace(body_track(10), start=4)
    found = replace(seen_at((6, 9, "left", 80), (11, 12, "left", 80), frames=20))
    (hand,) = build_tracks(found, fps=FPS, max_gap_s=0.1)
    joined = join_tracks(track, [hand], HAND)
    left, right = (joints_of_hand(joined.skeleton, HAND, side) for side in SIDES)
    known = (joined.flag[:, left[1:]] != Flag.ABSENT).all(1)
    assert np.flatnonzero(known).tolist() == [2, 3, 4, 7]
    assert np.isnan(joined.keypoints[~known][:, left[1:], :2]).all()
    assert (joined.flag[:, right[1:]] == Flag.ABSENT).all()
    np.testing.assert_array_equal(joined.keypoints[:, :26], track.keypoints)


def test_a_model_with_fingers_needs_hands_beside_a_detector_of_bodies():
    fingers, body = load_skeleton("UBHand-48"), load_skeleton("MediaPipe-33")
    assert only_hands_lack(body, fingers)
    assert not only_hands_lack(body, load_skeleton("H36M-17"))
    assert not only_hands_lack(load_skeleton("COCO-WholeBody-133"), fingers)
    assert not only_hands_lack(HAND, fingers) and not only_hands_lack(body, HAND)


# ---- infer_wild.py


def run(*flags: object) -> int:
    return infer_wild.main([*map(str, flags), "--device", "cpu"])


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "hands.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=int(FPS), options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = *SIZE_PX, "yuv444p"
        for _ in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(painted(), format="rgb24")))
        container.mux(stream.encode(None))
    return path


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
