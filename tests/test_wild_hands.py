"""3D of hands in video: alone, searched for around a body's wrists, and joined to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib import engine
from lib.config import load_config
from lib.data.motion import Motion
from lib.errors import UserError
from lib.skeleton import load_skeleton
from lib.wild.hand_formats import SIDES, joints_of_hand
from lib.wild.hand_search import find_hands, hand_id
from lib.wild.hand_stage import only_hands_lack
from lib.wild.hands import LiftedHand, hands_among, join_hands, join_tracks, lift_hand, mirror, path_to_remove
from lib.wild.lifter import load_lifter
from lib.wild.records import Detections, Flag, Track, WorldMotion
from lib.wild.tracks import build_tracks
from lib.wild.world import check_body_and_camera, make_world
from tests.example_hands import (
    BODY,
    HAND,
    HAND_PX,
    PaintedHands,
    body_track,
    hand_at,
    hand_motion,
    painted,
    seen_at,
    wrist_of,
)
from tests.example_run import FPS, FRAMES, SIZE_PX, write_model


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
