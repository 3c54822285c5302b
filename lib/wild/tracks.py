"""People in a video: detections become tracks with their gaps marked, and the user chooses among them.

Letters: F frames, M detections of all frames, J joints.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lib.errors import UserError, did_you_mean
from lib.wild.association import associate
from lib.wild.hand_formats import is_one_hand, side_of_format, sided_hand
from lib.wild.records import Detections, Flag, Track

logger = logging.getLogger(__name__)

SIGNS = {None: 0, "left": -1, "right": 1}
SAME_PERSON_RATIO = 1.35
"""Most by which the heights of two stretches in the image differ if they are to be one person."""
SAME_HAND_RATIO = 2.0
"""The same for hands, which open and close."""
CHOICES = ("longest", "largest", "all")


def build_tracks(
    detections: Detections,
    *,
    fps: float,
    max_gap_s: float = 0.5,
    max_absence_s: float = 2.0,
    min_length_s: float = 0.3,
    min_confidence: float = 0.05,
) -> list[Track]:
    """Tracks of all people, sorted by id: the ids of the detections if they have any, else from 1 by appearance.

    fps is the rate of the detections' frames.
    A joint counts as seen from min_confidence on and keeps the detector's own values. Where a joint or a person is
    not seen for at most max_gap_s, places are interpolated with confidence 0 and ``Flag.INTERPOLATED``; longer gaps
    are NaN and ``Flag.ABSENT``. Somebody lost for at most max_absence_s keeps the id if found again where they were;
    in a video that never shows two people, any later sight is the same person. People seen for less than
    min_length_s (at most half the video) are left out. Hands whose detector tells sides are told apart by them as well:
    each track has the side that most of its frames say, by confidence, and of each side any later sight is the same
    hand if the video never shows two of them at once.
    """
    max_gap = _whole_frames(max_gap_s, fps)
    counts = [len(people) for people in detections.people]
    frames = np.repeat(np.arange(detections.num_frames), counts)
    keypoints = np.concatenate(
        [np.zeros((0, detections.skeleton.num_joints, 3), np.float32), *detections.people]
    )
    seen = np.isfinite(keypoints).all(-1) & (keypoints[..., 2] >= min_confidence)
    votes = _votes(detections, np.where(seen, keypoints[..., 2], 0))
    if detections.ids is not None:
        label = np.concatenate([np.zeros(0, np.int64), *detections.ids])
        rows = _most_confident(frames, label, np.where(seen, keypoints[..., 2], 0).sum(-1))
        rows = rows[seen[rows].any(-1)]
    else:
        label = associate(
            keypoints, seen, frames, fps=fps, max_absence_s=max(max_absence_s, max_gap_s), side=votes
        )
        rows = np.flatnonzero(label >= 0)
    order = rows[np.argsort(label[rows], kind="stable")]
    ids, starts = np.unique(label[order], return_index=True)
    parts = dict(zip(ids.tolist(), np.split(order, starts[1:]), strict=True)) if len(ids) else {}
    # a video of few frames has nobody who is seen for long
    parts = _long_enough(parts, min(_whole_frames(min_length_s, fps), detections.num_frames // 2), frames)
    if detections.ids is None:
        parts = _numbered(parts, frames, keypoints, max_gap, fps, votes)
    return [
        _track(number, frames[rows], keypoints[rows], seen[rows], max_gap, detections, votes[rows])
        for number, rows in sorted(parts.items())
    ]


def choose_tracks(tracks: Sequence[Track], focus: str | int, of_hands: bool = False) -> list[Track]:
    """The tracks that the user wants: 'longest' (most frames seen), 'largest' (median box), 'all', or one id.

    Of hands also 'left' or 'right': the longest of that side. Raises ``UserError`` if there are none, or not this one.
    """
    if not tracks:
        raise UserError(
            f"{'no hand' if of_hands else 'nobody'} was found for long enough: try another --detector, or "
            "--detector_option min_confidence=0.3, or give keypoints by --json_path (with --keypoints if their format "
            "is not clear)"
        )
    text = str(focus).strip().lower()
    if text == "all":
        return list(tracks)
    if text == "longest":
        return [max(tracks, key=_frames_seen)]
    if of_side := [track for track in tracks if text and track.side == text]:
        return [max(of_side, key=_frames_seen)]
    if text == "largest":
        return [max(tracks, key=lambda track: np.median(_box_px(track).prod(-1)))]
    if chosen := [track for track in tracks if str(track.id) == text]:
        return chosen
    known = ", ".join(
        f"{track.id} ({f'{track.side}, ' if track.side else ''}frames {track.start} to {track.stop - 1})"
        for track in tracks
    )
    choices = (*CHOICES, *sorted({track.side for track in tracks if track.side}))
    raise UserError(
        f"--focus {focus}: no such {'hand' if of_hands else 'person'}{did_you_mean(text, choices)}; allowed: "
        f"{', '.join(choices)}, or an id: {known}"
    )


def track_summary(tracks: Sequence[Track], num_frames: int) -> list[dict[str, int | float]]:
    """One row a track: id, first_frame, last_frame, seen_share of the video's frames, mean_height_px of the box."""
    return [
        {
            "id": track.id,
            "first_frame": track.start,
            "last_frame": track.stop - 1,
            "seen_share": _frames_seen(track) / num_frames,
            "mean_height_px": float(_box_px(track)[:, 1].mean()),
        }
        for track in tracks
    ]


def fill_gaps(keypoints: np.ndarray, seen: np.ndarray, max_gap: int) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (F,J,3) and flags (F,J) uint8, with linear interpolation over at most max_gap frames.

    What is not seen (F,J) has confidence 0 and, in longer gaps and at the ends, NaN.
    """
    filled = np.where(seen[..., None], keypoints, np.array([np.nan, np.nan, 0], np.float32))
    num_frames = len(seen)
    frame = np.arange(num_frames)[:, None]
    before = np.maximum.accumulate(np.where(seen, frame, -1))
    after = np.minimum.accumulate(np.where(seen, frame, num_frames)[::-1])[::-1]
    short = ~seen & (before >= 0) & (after < num_frames) & (after - before - 1 <= max_gap)
    rows, joints = np.nonzero(short)
    first, last = before[short], after[short]
    share = ((rows - first) / (last - first)).astype(np.float32)[:, None]
    a, b = filled[first, joints, :2], filled[last, joints, :2]
    filled[rows, joints, :2] = a + share * (b - a)
    flag = np.select([seen, short], [Flag.SEEN, Flag.INTERPOLATED], Flag.ABSENT).astype(np.uint8)
    return filled, flag


def _whole_frames(duration_s: float, fps: float) -> int:
    return int(duration_s * fps + 1e-6)


def _most_confident(frames: np.ndarray, ids: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """Rows of the detections (M,), one for each frame and id."""
    order = np.lexsort((quality, ids, frames))
    same = (np.diff(frames[order]) == 0) & (np.diff(ids[order]) == 0)
    if same.any():
        logger.warning(
            "%d detections share their id with a more confident one of the frame: left out", same.sum()
        )
    return order[np.r_[~same, True]] if len(order) else order


def _long_enough(parts: dict[int, np.ndarray], min_frames: int, frames: np.ndarray) -> dict[int, np.ndarray]:
    """Without people of fewer frames than these."""
    long = {number: rows for number, rows in parts.items() if len(rows) >= min_frames}
    if short := [str(frames[rows[0]]) for number, rows in parts.items() if number not in long]:
        places = ", ".join(short[:10]) + ", ..." * (len(short) > 10)
        logger.info(
            "people left out, seen in fewer than %d frames: %d, first seen in frames %s",
            min_frames,
            len(short),
            places,
        )
    return long


def _votes(detections: Detections, confidence: np.ndarray) -> np.ndarray:
    """(M,) what each detection says of its side: minus its confidence for left, plus for right, 0 for nothing."""
    if detections.sides is None:
        is_hand = is_one_hand(detections.skeleton)
        signs = [SIGNS[side_of_format(detections.skeleton) if is_hand else None]] * len(confidence)
    else:
        signs = [SIGNS[side] for sides in detections.sides for side in sides]
    return np.array(signs, np.float64) * confidence.max(1, initial=0)


def _side(votes: np.ndarray) -> str | None:
    """Side by the votes (F,) of a track's frames."""
    return next(side for side, sign in SIGNS.items() if sign == np.sign(votes.sum()))


def _numbered(
    parts: dict[int, np.ndarray],
    frames: np.ndarray,
    keypoints: np.ndarray,
    max_gap: int,
    fps: float,
    votes: np.ndarray,
) -> dict[int, np.ndarray]:
    """Ids from 1 in order of appearance; stretches of one side that can be one person or hand get one id."""
    sides = [_side(votes[rows]) for rows in parts.values()]
    people = []
    for side in dict.fromkeys(sides):
        stretches = [rows for rows, own in zip(parts.values(), sides, strict=True) if own == side]
        people += _joined(stretches, frames, keypoints, max_gap, fps, side)
    return dict(enumerate(sorted(people, key=lambda rows: frames[rows[0]]), start=1))


def _joined(
    stretches: list[np.ndarray],
    frames: np.ndarray,
    keypoints: np.ndarray,
    max_gap: int,
    fps: float,
    side: str | None,
) -> list[np.ndarray]:
    """One for all if they can be one person: never two at once, after a pause, about as tall.

    A hand that moves fast is lost without a pause, and only the side tells that it is the same.
    """
    least_gap, ratio = (0, SAME_HAND_RATIO) if side else (max_gap + 1, SAME_PERSON_RATIO)
    gaps = [frames[after[0]] - frames[before[-1]] - 1 for before, after in pairwise(stretches)]
    heights = [np.median(_heights_px(keypoints[rows])) for rows in stretches]
    if gaps and min(gaps) >= least_gap and max(heights) < ratio * min(heights):
        logger.info(
            "never two %s at once: %d stretches, up to %.1f s apart, are taken as one%s",
            f"{side} hands" if side else "people",
            len(stretches),
            max(gaps) / fps,
            "" if side else " person",
        )
        return [np.concatenate(stretches)]
    return stretches


def _heights_px(keypoints: np.ndarray) -> np.ndarray:
    """(M,) height of the box around the joints (M,J,3) that were found."""
    y = np.where(keypoints[..., 2] > 0, keypoints[..., 1], np.nan)
    return np.nanmax(y, 1) - np.nanmin(y, 1)


def _track(
    number: int,
    frames: np.ndarray,
    keypoints: np.ndarray,
    seen: np.ndarray,
    max_gap: int,
    detections: Detections,
    votes: np.ndarray,
) -> Track:
    """Track of one person's detections, in the order of frames."""
    side = _side(votes)
    if outvoted := int((votes * SIGNS[side] < 0).sum()):
        logger.info(
            "hand %d: %s; in %d of %d frames the detector says the other side",
            *(number, side, outvoted, len(frames)),
        )
    start, num_frames = int(frames[0]), int(frames[-1] - frames[0]) + 1
    all_keypoints = np.zeros((num_frames, *keypoints.shape[1:]), np.float32)
    all_seen = np.zeros((num_frames, keypoints.shape[1]), bool)
    all_keypoints[frames - start], all_seen[frames - start] = keypoints, seen
    filled, flag = fill_gaps(all_keypoints, all_seen, max_gap)
    skeleton = sided_hand(detections.skeleton, side) if side else detections.skeleton
    return Track(id=number, start=start, keypoints=filled, flag=flag, skeleton=skeleton, side=side)


def _frames_seen(track: Track) -> int:
    return int((track.flag == Flag.SEEN).any(-1).sum())


def _box_px(track: Track) -> np.ndarray:
    """(F,2) width and height of the box around the joints seen, in the frames in which some are."""
    seen = (track.flag == Flag.SEEN)[..., None]
    xy = track.keypoints[..., :2]
    box = np.where(seen, xy, -np.inf).max(1) - np.where(seen, xy, np.inf).min(1)
    return box[seen.any((1, 2))]
