"""Heads made unrecognisable, wherever a person was detected and for a while around it.

Letters: F frames, N people of all frames one after the other, J joints, B boxes of a frame. A box is x0, y0, x1, y1
in px of the video.
"""

from __future__ import annotations

import logging
import warnings

import cv2
import numpy as np
from scipy.ndimage import maximum_filter1d

from lib.errors import UserError
from lib.skeleton import Skeleton
from lib.wild.records import Detections

log = logging.getLogger(__name__)

# beginnings of the anatomical names, without the side, of points on the head
HEAD_NAMES = (
    *(
        "nose",
        "face",
        "head_",
        "mid_forehead",
        "ear",
        "skull",
        "chin",
        "eye",
        "mouth",
        "jaw",
        "brow",
        "nostril",
    ),
    *("upper_lip", "lower_lip"),
)
RELIABLE = 0.2
# Height of the head as a multiple of what can be seen, by mean adult proportions (head 0.13, shoulders to hips 0.29,
# between the shoulder joints 0.22, shoulders to ears 0.12 of the stature); the largest counts, as all shrink by
# foreshortening.
HEAD_PER_TRUNK, HEAD_PER_SHOULDERS, HEAD_PER_NECK, HEAD_PER_FACE, HEAD_PER_PERSON = 0.45, 0.6, 1.1, 1.8, 0.15
# half a box's side as a multiple of the height of the head
HALF_BOX = 0.75
MOSAIC_CELLS = 5
HOLD_S = 1.0
# A head that was lost is the one found next if that is no further than it gets in the meantime, in heights of the
# head (a body has 7.5): by a jump or a fall within HOLD_S, later only where it was lost.
REACH_HEADS, REACH_HEADS_PER_S = 4.0, 8.0
MAX_RETURN_S, RETURN_HEADS = 10.0, 1.5
# What is hidden grows while the head is out of sight, with the speed between its places, since a body turns as it
# goes, by so many heights of the head at most.
GROWTH_HEADS_PER_S, GROWTH_OF_SPEED, MAX_GROWTH_HEADS = 0.4, 1.0, 2.0
FALLBACK_FPS = 30.0


class HeadBlur:
    """Boxes around the heads of all detected people, and the blur that hides what is in them.

    Every box is held for about a second before a person is first and after a person was last seen, moving on and
    growing; in a gap everything between its ends is hidden, and around it. So are heads of people whose tracks are
    dropped later. Raises ``UserError`` for a joint format that tells nothing of the head. Several ``detections`` of
    one video, by different detectors, add up; someone whom all of them miss for longer is not hidden.
    """

    def __init__(self, *detections: Detections) -> None:
        self._num_frames = max(source.num_frames for source in detections)
        held = [np.zeros((0, 5))]
        for source in detections:
            hold = max(1, round(HOLD_S * (source.fps or FALLBACK_FPS)))
            empty = np.zeros((0, source.skeleton.num_joints, 3), np.float32)
            heads = head_squares(np.concatenate([empty, *source.people]), source.skeleton)
            frames = np.repeat(np.arange(source.num_frames), [len(people) for people in source.people])
            known = np.isfinite(heads).all(-1)
            chains = _chains(frames[known], heads[known], hold)
            held += [_held(*chain, hold, self._num_frames) for chain in chains]
        rows = np.concatenate(held)
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        self._boxes = rows[:, 1:].astype(np.float32)
        self._starts = np.searchsorted(rows[:, 0], np.arange(self._num_frames + 1))
        log.info(
            "%d of %d frames have heads to hide", np.count_nonzero(np.diff(self._starts)), self._num_frames
        )

    def boxes(self, index: int) -> np.ndarray:
        """Boxes (B,4) px of the frame with that number; none outside of the detections."""
        if not 0 <= index < self._num_frames:
            return self._boxes[:0]
        return self._boxes[self._starts[index] : self._starts[index + 1]]

    def apply(self, image: np.ndarray, index: int) -> np.ndarray:
        """A copy of the picture (H,W,C) of that frame in the video's size, with its heads hidden."""
        hidden = np.array(image)
        hide(hidden, self.boxes(index))
        return hidden


def hide(image: np.ndarray, boxes: np.ndarray) -> None:
    """Replace what is in the boxes (B,4) px of an image or plane (H,W) or (H,W,C) by a few blurred cells, in place."""
    height, width = image.shape[:2]
    low = np.clip(np.floor(boxes[:, :2]), 0, [width, height]).astype(int)
    high = np.clip(np.ceil(boxes[:, 2:]), 0, [width, height]).astype(int)
    for (x0, y0), (x1, y1) in zip(low, high, strict=True):
        region = image[y0:y1, x0:x1]
        if region.size:
            rows, columns = region.shape[:2]
            cells = (min(MOSAIC_CELLS, columns), min(MOSAIC_CELLS, rows))
            coarse = cv2.resize(region, cells, interpolation=cv2.INTER_AREA)
            region[:] = cv2.resize(coarse, (columns, rows)).reshape(region.shape)


def check_can_anonymize(skeleton: Skeleton) -> None:
    """Refuse, with ``UserError``, a joint format that does not tell where the head is."""
    head, shoulders, _ = _head_joints(skeleton)
    if not head and not shoulders:
        raise UserError(
            f"heads cannot be hidden: {skeleton.name} has no joint at the head or the shoulders; "
            "use a detector or keypoints with them, or leave --anonymize out"
        )


def _head_joints(skeleton: Skeleton) -> tuple[list[int], list[int], list[int]]:
    """Joints of the head, the shoulders and the hips."""
    head = [number for number, name in enumerate(skeleton.canonical) if _bare(name).startswith(HEAD_NAMES)]
    pairs = (
        [skeleton.index_canonical(f"{side}_{part}") for side in ("left", "right")]
        for part in ("shoulder", "hip")
    )
    shoulders, hips = ([number for number in pair if number is not None] for pair in pairs)
    return head, shoulders, hips


def head_squares(keypoints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Centre x, y and height (N,3) px of the heads of people (N,J,3); NaN where no joint is known."""
    check_can_anonymize(skeleton)
    head, shoulders, hips = _head_joints(skeleton)
    points = np.array(keypoints[..., :2], np.float64)
    confidence = np.nan_to_num(keypoints[..., 2])
    # unreliable points only where a person has no others
    weak = confidence < np.where(
        (confidence >= RELIABLE).any(-1, keepdims=True), RELIABLE, np.finfo(float).tiny
    )
    points[weak] = np.nan
    with warnings.catch_warnings():  # of rows without a point, whose result is NaN as it should be
        warnings.simplefilter("ignore", RuntimeWarning)
        shoulder, hip = np.nanmean(points[:, shoulders], 1), np.nanmean(points[:, hips], 1)
        low, high = np.nanmin(points, 1), np.nanmax(points, 1)
        face_low, face_high = np.full((2, len(points), 2), np.nan)
        if head:
            face_low, face_high = np.nanmin(points[:, head], 1), np.nanmax(points[:, head], 1)
        face = (face_low + face_high) / 2
        heights = [
            HEAD_PER_PERSON * (high - low).max(-1),
            HEAD_PER_TRUNK * np.linalg.norm(shoulder - hip, axis=-1),
            HEAD_PER_NECK * np.linalg.norm(face - shoulder, axis=-1),
            HEAD_PER_FACE * np.linalg.norm(face_high - face_low, axis=-1),
        ]
        if len(shoulders) == 2:
            across = points[:, shoulders[0]] - points[:, shoulders[1]]
            heights.append(HEAD_PER_SHOULDERS * np.linalg.norm(across, axis=-1))
        height = np.maximum(np.nanmax(heights, 0), 8.0)[:, None]
        # without a point of the face: up the trunk, else at the top of what is seen
        trunk = shoulder - hip
        above = shoulder + 0.9 * height * trunk / np.linalg.norm(trunk, axis=-1, keepdims=True)
        above = np.where(np.isfinite(above), above, shoulder - [0, 0.9] * height)
        top = np.stack([(low[:, 0] + high[:, 0]) / 2, low[:, 1]], -1)
        centre = np.where(np.isfinite(face), face, np.where(np.isfinite(above), above, top))
    return np.concatenate([centre, height], -1)


def _bare(name: str) -> str:
    return name.removeprefix("left_").removeprefix("right_")


def _chains(frames: np.ndarray, heads: np.ndarray, hold: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Heads that follow each other: for each chain its frames and heads; a wrong link only hides more."""
    longest = round(hold / HOLD_S * MAX_RETURN_S)
    chains: list[list[int]] = []
    open_chains: list[list[int]] = []
    for number, frame in enumerate(frames.tolist()):
        if number and frame != frames[number - 1]:
            open_chains = [chain for chain in open_chains if frame - frames[chain[-1]] <= longest]
        best, best_distance = None, np.inf
        for chain in open_chains:
            gap = frame - frames[chain[-1]]
            last = heads[chain[-1]]
            distance = float(np.hypot(*(heads[number, :2] - last[:2])) / max(heads[number, 2], last[2]))
            reach = REACH_HEADS + REACH_HEADS_PER_S * HOLD_S * gap / hold if gap <= hold else RETURN_HEADS
            if gap > 0 and distance < min(best_distance, reach):
                best, best_distance = chain, distance
        if best is None:
            best = []
            chains.append(best)
            open_chains.append(best)
        best.append(number)
    return [(frames[chain], heads[chain]) for chain in chains]


def _held(frames: np.ndarray, heads: np.ndarray, hold: int, num_frames: int) -> np.ndarray:
    """Rows of frame and box for one chain, from ``hold`` frames before it to as many after it."""
    every = np.arange(max(0, frames[0] - hold), min(num_frames, frames[-1] + hold + 1))
    path = np.stack([np.interp(every, frames, column) for column in heads.T], -1)
    # a head that turns or bends away seems smaller for a moment
    size = maximum_filter1d(path[:, 2], hold | 1, mode="nearest")
    # where it was not seen it may have been at the last place or at the next one: hide all between them
    next_seen = np.searchsorted(frames, every)
    left, right = np.maximum(next_seen - 1, 0), np.minimum(next_seen, len(frames) - 1)
    unseen = np.minimum(np.abs(every - frames[left]), np.abs(frames[right] - every))
    gap = (unseen > 0)[:, None]
    centre, last, following = path[:, :2], heads[left, :2], heads[right, :2]
    seconds = HOLD_S * np.stack([unseen, np.maximum(frames[right] - frames[left], 1)]) / hold
    speed_heads_per_s = np.hypot(*(following - last).T) / size / seconds[1]
    growth = (GROWTH_HEADS_PER_S + GROWTH_OF_SPEED * speed_heads_per_s) * seconds[0]
    half = (size * (HALF_BOX + np.minimum(growth, MAX_GROWTH_HEADS)))[:, None]
    low = np.where(gap, np.minimum(last, following), centre) - half
    high = np.where(gap, np.maximum(last, following), centre) + half
    # beyond its ends the chain may go on as it went, or stop: hide both
    for outside, near, far in ((every < frames[0], 0, 5), (every > frames[-1], -1, -6)):
        far = min(max(far, -len(frames)), len(frames) - 1)
        steps = frames[near] - frames[far]
        speed = (heads[near, :2] - heads[far, :2]) / steps if steps else np.zeros(2)
        moved = (every[outside] - frames[near])[:, None] * speed
        low[outside] += np.minimum(moved, 0)
        high[outside] += np.maximum(moved, 0)
    return np.concatenate([every[:, None], low, high], -1)
