"""The hands of people who have been found: looked for in enlarged pictures around each wrist, where they are small.

Letters: F frames of a track, J joints, S wrists of a frame, H hands of a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import percentile_filter
from scipy.optimize import linear_sum_assignment

from lib.data.worker.anthropometry import DRILLIS_CONTINI
from lib.errors import UserError
from lib.skeleton import Skeleton
from lib.wild.body_scale import body_bones
from lib.wild.detectors import Detector, closing_detector
from lib.wild.hand_formats import SIDES, WRIST, bare_hand
from lib.wild.records import Detections, Flag, Track

# In lengths of the hand: side of the picture around a wrist, its middle beyond the wrist along the forearm, how far
# the hand's wrist may be from the body's, and the diagonal of all its points.
PICTURE, BEYOND, NEAR, DIAGONAL = 3.2, 0.4, 1.0, (0.25, 2.0)
PICTURE_PX = 320
# On pictures so small the detector takes left for right nearly as often as not: the body knows it better.
OTHER_SIDE = 0.1
SAME_HAND = 0.3  # of its diagonal: two finds closer to each other are one hand
SIZE_WINDOW_S, TALL = 2.0, 80  # seconds, percentile: limbs that point at the camera look short

FoundHand = tuple[np.ndarray, str | None]
MakeDetector = Callable[[], Detector]


@dataclass(frozen=True, eq=False)
class Wrist:
    """Where to look for one hand: wrist (F,2) px and the middle of the picture (F,2), length of the hand (F,) px."""

    track: Track
    side: str
    place: np.ndarray
    middle: np.ndarray
    hand_px: np.ndarray

    @property
    def id(self) -> int:
        """Number of the hand, unique for all people."""
        return hand_id(self.track, self.side)

    def is_known(self, frame: int) -> bool:
        """Whether the wrist has a place in a frame of the video."""
        inside = self.track.start <= frame < self.track.stop
        return inside and bool(np.isfinite(self.place[frame - self.track.start]).all())


def hand_id(track: Track, side: str) -> int:
    """Number in ``find_hands`` of a person's left or right hand."""
    return 2 * track.id + SIDES.index(side)


def wrists_of(track: Track, fps: float) -> list[Wrist]:
    """Both wrists of a person; raises ``UserError`` for a joint format without them."""
    xy = np.where((track.flag != Flag.ABSENT)[..., None], track.keypoints[..., :2], np.nan)
    hand_px = DRILLIS_CONTINI["hand"] * _stature_px(xy, track.skeleton, fps)
    found = []
    for side in SIDES:
        wrist, elbow = (track.skeleton.index_canonical(f"{side}_{joint}") for joint in ("wrist", "elbow"))
        if wrist is None:
            raise UserError(
                f"{track.skeleton.name} has no {side} wrist: hands cannot be looked for; take another detector or "
                "keypoint file, or leave --hands out"
            )
        along = np.zeros_like(xy[:, wrist])
        if elbow is not None:
            along = xy[:, wrist] - xy[:, elbow]
            along = np.nan_to_num(along / np.linalg.norm(along, axis=-1, keepdims=True).clip(1e-6))
        middle = xy[:, wrist] + BEYOND * hand_px[:, None] * along
        found.append(Wrist(track, side, xy[:, wrist], middle, hand_px))
    return found


def find_hands(
    frames: Iterable[np.ndarray],
    tracks: Sequence[Track],
    make_detector: MakeDetector,
    *,
    source: str,
    fps: float,
    size_px: tuple[int, int],
    progress: Callable[[int], object] | None = None,
) -> Detections:
    """Hands of the people of ``tracks`` in all frames (H,W,3), with ``ids`` of ``hand_id`` and the body's ``sides``.

    Each wrist has a detector of its own, which follows the hand in the picture around it; where that finds nothing, one
    for the whole frame is asked. Of what is found each wrist gets the nearest hand of a fitting size, and no two the
    same; the side is the body's. Frames that are a generator are closed, also after an error.
    """
    wrists = [wrist for track in tracks for wrist in wrists_of(track, fps)]
    people, ids, sides = [], [], []
    with ExitStack() as stack:
        stack.callback(getattr(frames, "close", lambda: None))
        whole = stack.enter_context(closing_detector(make_detector()))
        detectors: dict[int, Detector] = {}
        free: list[Detector] = []  # of people who have left
        skeleton = bare_hand(whole.skeleton)
        root = skeleton.index_canonical(WRIST)
        assert root is not None, f"{skeleton.name} has no wrist"
        for number, frame in enumerate(frames):
            sought = [wrist for wrist in wrists if wrist.is_known(number)]
            hands: list[FoundHand] = []
            for wrist in sought:
                if wrist.id not in detectors:
                    new = free or [stack.enter_context(closing_detector(make_detector()))]
                    detectors[wrist.id] = new.pop()
                hands += _around(frame, wrist, number, detectors[wrist.id])
            owned = _assigned(sought, hands, number, root)
            if len(owned) < len(sought):
                hands += _with_sides(whole, whole(frame))
                owned = _assigned(sought, hands, number, root)
            found = [hands[hand][0] for hand in owned.values()]
            people.append(np.array(found, np.float32).reshape(-1, skeleton.num_joints, 3))
            ids.append(np.array([wrist.id for wrist in owned], np.int64))
            sides.append([wrist.side for wrist in owned])
            free += [detectors.pop(wrist.id) for wrist in sought if wrist.track.stop == number + 1]
            if progress is not None:
                progress(1)
    return Detections(
        skeleton=skeleton, people=people, ids=ids, sides=sides, fps=fps, size_px=size_px, source=source
    )


def _stature_px(xy: np.ndarray, skeleton: Skeleton, fps: float) -> np.ndarray:
    """(F,) height of a person with joints (F,J,2) px, as limbs of known proportion tell it that are seen from aside."""
    bones, shares = body_bones(skeleton)
    heights = np.linalg.norm(xy[:, bones[:, 0]] - xy[:, bones[:, 1]], axis=-1) / shares
    known = np.isfinite(heights).any(-1)
    if not known.any():  # the diagonal of what is seen
        heights = np.linalg.norm(np.nanmax(xy, 1) - np.nanmin(xy, 1), axis=-1)[:, None]
        known = np.isfinite(heights[:, 0])
    frame = np.arange(len(xy))
    tall = np.nanpercentile(heights[known], TALL, axis=1)
    window = min(2 * round(SIZE_WINDOW_S * fps / 2) + 1, 2 * len(xy) - 1)
    return percentile_filter(np.interp(frame, frame[known], tall), TALL, window)


def _around(frame: np.ndarray, wrist: Wrist, number: int, detector: Detector) -> list[FoundHand]:
    """Hands in the picture around a wrist, in px of the frame."""
    row = number - wrist.track.start
    side_px = PICTURE * wrist.hand_px[row]
    scale = PICTURE_PX / side_px
    corner = wrist.middle[row] - side_px / 2
    place = np.column_stack([np.eye(2) * scale, -corner * scale])
    kind = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    picture = cv2.warpAffine(frame, place, (PICTURE_PX, PICTURE_PX), flags=kind)
    found = detector(picture)
    return _with_sides(
        detector,
        [np.column_stack([hand[:, :2] / scale + corner, hand[:, 2]]).astype(np.float32) for hand in found],
    )


def _with_sides(detector: Detector, hands: Sequence[np.ndarray]) -> list[FoundHand]:
    sides = getattr(detector, "sides", [None] * len(hands))
    return list(zip(hands, sides, strict=True))


def _assigned(
    wrists: Sequence[Wrist], hands: Sequence[FoundHand], number: int, root: int
) -> dict[Wrist, int]:
    """Which of the hands, with their own wrist at joint ``root``, each wrist has in a frame of the video."""
    hands_xy = [hand[:, :2] for hand, _ in hands]
    cost = np.full((len(wrists), len(hands)), np.inf)
    for row, wrist in enumerate(wrists):
        at = number - wrist.track.start
        for column, (xy, (_, side)) in enumerate(zip(hands_xy, hands, strict=True)):
            distance = np.linalg.norm(xy[root] - wrist.place[at]) / wrist.hand_px[at]
            size = _diagonal(xy) / wrist.hand_px[at]
            if distance <= NEAR and DIAGONAL[0] <= size <= DIAGONAL[1]:
                cost[row, column] = distance + OTHER_SIDE * (side not in (None, wrist.side))
    owned: dict[Wrist, int] = {}
    rows, columns = linear_sum_assignment(np.where(np.isfinite(cost), cost, 1e3))
    for row, column in sorted(zip(rows, columns, strict=True), key=lambda pair: cost[pair]):
        twice = any(_is_same(hands_xy[column], hands_xy[other]) for other in owned.values())
        if np.isfinite(cost[row, column]) and not twice:
            owned[wrists[row]] = int(column)
    return owned


def _is_same(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.linalg.norm(a - b, axis=-1).mean() < SAME_HAND * _diagonal(b))


def _diagonal(xy: np.ndarray) -> float:
    return float(np.linalg.norm(np.ptp(xy, axis=0)))
