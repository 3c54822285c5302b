"""Hands among joints and over time: formats of bodies with hands, sides, tracks."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.errors import UserError
from lib.skeleton import list_skeletons, load_skeleton
from lib.wild.detectors import detect
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
from lib.wild.keypoint_files import read_keypoints
from lib.wild.records import Detections
from lib.wild.tracks import build_tracks, choose_tracks
from tests.example_hands import BODY, HAND, hand_at, seen_at, two_hands
from tests.example_run import FPS, SIZE_PX

BODIES = [
    name
    for name in list_skeletons()
    if not is_one_hand(load_skeleton(name)) and load_skeleton(name).index_canonical("left_wrist") is not None
]


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
