"""Hands for tests: keypoints of open hands, somebody with raised arms, and pictures in which hands are found."""

from __future__ import annotations

import numpy as np

from lib.data.motion import Motion
from lib.skeleton import load_skeleton
from lib.wild.records import Detections, Track
from tests.example_run import FPS, FRAMES, SIZE_PX

HAND, BODY = load_skeleton("Hand-21"), load_skeleton("Halpe-26")
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


def seen_at(*stretches: tuple[int, int, str, float], frames: int = 100) -> Detections:
    """One hand at a time: (first frame, frame after the last, side, x)."""
    people = [np.zeros((0, 21, 3), np.float32)] * frames
    sides: list[list[str | None]] = [[] for _ in range(frames)]
    for first, stop, side, x in stretches:
        for frame in range(first, stop):
            people[frame], sides[frame] = hand_at(np.array([x, 150]), side)[None], [side]
    return Detections(skeleton=HAND, people=people, sides=sides, fps=FPS, size_px=SIZE_PX, source="x")


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
