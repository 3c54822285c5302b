"""Poses of several results in the same moments: by source, camera and frame number, with frame rates brought together.

One grid of moments serves all: in each video those of the lowest frame rate. What has another rate is interpolated
there, joint by joint, between its two neighbouring frames. Letters: G moments, F frames, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lib.data.motion import Labels
from lib.errors import UserError
from lib.pose_result import PoseResult, video_text

Video = tuple[str, str]
NAMED = 3  # videos in a message
SAME_PLACE = (
    0.5  # boxes of one person in one image lie nearer to each other than this share of their diagonal
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Aligned:
    """Truth and results in the same G moments, in this order; a pose is NaN where there is none.

    present (G,) bool for each result by name: moments that the truth and this result have. moments counts those
    that anybody has; notes say what was done to bring them together.
    """

    truth: PoseResult
    results: tuple[PoseResult, ...]
    present: dict[str, np.ndarray]
    moments: int
    notes: tuple[str, ...]

    @property
    def shared(self) -> np.ndarray:
        """(G,) moments that the truth and all results have."""
        return np.logical_and.reduce(list(self.present.values()))


def align(truth: PoseResult, results: Sequence[PoseResult], *, allow_missing: bool = False) -> Aligned:
    """Bring results to the moments of the truth.

    Results in camera axes take the truth's up direction. Raises ``UserError`` for names that stand twice, rates of
    which some are unknown, videos and frames without a partner (unless ``allow_missing``), and results that see the
    person at another place of the image than the truth does, so that their camera cannot be the same.
    """
    everybody = [truth, *results]
    _check_names(results)
    rates = _common_rates(everybody)
    videos = [result.videos() for result in everybody]
    _check_videos(everybody, videos)
    keys = list(dict.fromkeys(key for each in videos for key in each))
    grids = {key: _moments(everybody, videos, rates, key) for key in keys}
    keys = [key for key in keys if len(grids[key])]
    parts = [
        [_frames_at(grids[key], result, each.get(key), rate) for key in keys]
        for result, each, rate in zip(everybody, videos, rates, strict=True)
    ]
    found = [_joined(result, each) for result, each in zip(everybody, parts, strict=True)]
    has = [np.isfinite(joints).all(-1).any(-1) for joints, _ in found]
    video_of = np.repeat(np.arange(len(keys)), [len(grids[key]) for key in keys])
    seconds = np.concatenate([grids[key] for key in keys]) if keys else np.zeros(0)
    lacking = [
        _lacking(result, mask, video_of, seconds, keys)
        for result, mask in zip(everybody, has, strict=True)
        if not mask.all()
    ]
    if lacking and not allow_missing:
        raise UserError("; ".join(lacking) + "; --allow_missing compares the frames that all have")
    if not np.logical_and.reduce(has).any():
        raise UserError(f"no frame of {truth.name} has a partner in all results: {'; '.join(lacking)}")
    for result, (_, nearest) in zip(results, found[1:], strict=True):
        _check_place(truth, found[0][1], result, nearest, video_of, keys)

    labels = {
        "source": Labels.of(np.array([key[0] for key in keys], dtype=object)[video_of]),
        "camera": Labels.of(np.array([key[1] for key in keys], dtype=object)[video_of]),
        "action": Labels.of(_actions(everybody, [nearest for _, nearest in found])),
    }
    lowest = min(rates)
    frame = np.round(seconds * lowest).astype(np.int64)
    grid = {"frame": frame, "fps": lowest if truth.fps else None, "box_px": None}
    moved = [
        replace(result, joints_mm=joints, up=_up_at(result, nearest), **labels, **grid)
        for result, (joints, nearest) in zip(everybody, found, strict=True)
    ]
    for place, result in enumerate(moved):
        if result.up is None and result.axes == truth.axes == "camera":
            moved[place] = replace(result, up=moved[0].up)
    return Aligned(
        truth=moved[0],
        results=tuple(moved[1:]),
        present={result.name: has[0] & mask for result, mask in zip(results, has[1:], strict=True)},
        moments=len(frame),
        notes=(*lacking, *_rate_notes(everybody, lowest)),
    )


def _check_names(results: Sequence[PoseResult]) -> None:
    names = [result.name for result in results]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise UserError(f"two results are called '{doubled[0]}': name them, such as small=FILE large=FILE")
    if not results:
        raise UserError("nothing to compare: name at least one result")


def _check_videos(everybody: Sequence[PoseResult], videos: Sequence[dict[Video, np.ndarray]]) -> None:
    for result, own in zip(everybody[1:], videos[1:], strict=True):
        if not own.keys() & videos[0].keys():
            first, wanted = (video_text(next(iter(each))) if each else "none" for each in (own, videos[0]))
            raise UserError(
                f"{result.name} has no video of {everybody[0].name}: its first is {first}, the truth's is {wanted}; "
                f"--source {result.name}=... and --camera {result.name}=... say which one a single video is"
            )


def _common_rates(everybody: Sequence[PoseResult]) -> list[float]:
    """Frames a second of each; 1 for all where none is known, so that frame numbers alone count."""
    unknown = [result.name for result in everybody if result.fps is None]
    if unknown and len(unknown) < len(everybody):
        raise UserError(
            f"the frame rate of {', '.join(unknown)} is not known, and that of the others is: give it with --fps"
        )
    return [float(result.fps or 1.0) for result in everybody]


def _rate_notes(everybody: Sequence[PoseResult], lowest: float) -> list[str]:
    if everybody[0].fps is None:
        return ["frame rates are not known: frames are matched by their number"]
    others = [f"{result.name} ({result.fps:g})" for result in everybody if result.fps != lowest]
    return (
        [f"compared at {lowest:g} frames a second, to which {', '.join(others)} came down"] if others else []
    )


def _moments(
    everybody: Sequence[PoseResult],
    videos: Sequence[dict[Video, np.ndarray]],
    rates: Sequence[float],
    key: Video,
) -> np.ndarray:
    """Seconds of a video at which it is compared: frames of the lowest rate while anybody has any."""
    spans = [
        (result.frame[each[key][0]] / rate, result.frame[each[key][-1]] / rate)
        for result, each, rate in zip(everybody, videos, rates, strict=True)
        if key in each
    ]
    lowest = min(rates)
    first, last = min(start for start, _ in spans) * lowest, max(stop for _, stop in spans) * lowest
    return np.arange(np.ceil(first - 1e-3), np.floor(last + 1e-3) + 1) / lowest


def _frames_at(
    seconds: np.ndarray, result: PoseResult, rows: np.ndarray | None, rate: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the frames before and after each moment (-1: none), and the weight of the second.

    A moment outside of the frames belongs to the nearest one within half a frame.
    """
    if rows is None or not len(rows):
        none = np.full(len(seconds), -1)
        return none, none, np.zeros(len(seconds))
    place = seconds * rate
    nearest = np.round(place)
    place = np.where(np.abs(place - nearest) < 1e-3, nearest, place)
    before, after = np.floor(place), np.ceil(place)
    row_before, row_after = (_row_of(number, result.frame[rows], rows) for number in (before, after))
    weight = place - before
    # beside a hole, or beyond the ends, the frame that is there counts if it is the nearer one
    row_before, row_after = (
        np.where((row_before < 0) & (weight >= 0.5), row_after, row_before),
        np.where((row_after < 0) & (weight <= 0.5), row_before, row_after),
    )
    return row_before, row_after, weight


def _row_of(number: np.ndarray, frames: np.ndarray, rows: np.ndarray) -> np.ndarray:
    at = np.searchsorted(frames, number).clip(0, len(frames) - 1)
    return np.where(frames[at] == number, rows[at], -1)


def _joined(
    result: PoseResult, parts: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Joints (G,J,3) and the row of the nearest frame (G,), -1 where there is none."""
    before, after, weight = (np.concatenate([part[place] for part in parts]) for place in range(3))
    missing = (before < 0) | (after < 0)
    joints = np.array(result.joints_mm[before], np.float64)
    between = np.flatnonzero((before != after) & ~missing)
    share = weight[between, None, None]
    joints[between] = (1 - share) * joints[between] + share * result.joints_mm[after[between]]
    joints[missing] = np.nan
    return joints, np.where(missing, -1, np.where(weight < 0.5, before, after))


def _up_at(result: PoseResult, nearest: np.ndarray) -> np.ndarray | None:
    if result.up is None:
        return None
    return np.where((nearest >= 0)[:, None], result.up[nearest], np.nan)


def _actions(everybody: Sequence[PoseResult], nearest: Sequence[np.ndarray]) -> np.ndarray:
    """Action of each moment (G,): the truth's, else that of the first result that tells one."""
    actions = np.full(len(nearest[0]), "", dtype=object)
    for result, rows in zip(everybody, nearest, strict=True):
        named = np.asarray(result.action, dtype=object)[rows]
        actions = np.where((actions == "") & (rows >= 0), named, actions)
    return actions


def _lacking(
    result: PoseResult, has: np.ndarray, video_of: np.ndarray, seconds: np.ndarray, keys: Sequence[Video]
) -> str:
    """Which frames of which videos one of those that are compared does not have."""
    texts = []
    videos = np.unique(video_of[~has])
    for video in videos[:NAMED]:
        inside = video_of == video
        gone = seconds[inside & ~has]
        all_of_it = "all" if not has[inside].any() else f"{len(gone)} of {inside.sum()}"
        texts.append(f"{all_of_it} frames of {video_text(keys[video])} ({gone[0]:g} s to {gone[-1]:g} s)")
    more = f" and of {len(videos) - NAMED} more videos" if len(videos) > NAMED else ""
    return f"{result.name} lacks {int((~has).sum())} of {len(has)} frames: {', '.join(texts)}{more}"


def _check_place(
    truth: PoseResult,
    truth_rows: np.ndarray,
    result: PoseResult,
    rows: np.ndarray,
    video_of: np.ndarray,
    keys: Sequence[Video],
) -> None:
    """Refuse a result whose person stands elsewhere in the image: names of sources and cameras can agree by chance."""
    if truth.box_px is None or result.box_px is None or {truth.axes, result.axes} != {"camera"}:
        return
    both = (truth_rows >= 0) & (rows >= 0)
    ours, theirs = truth.box_px[truth_rows], result.box_px[rows]
    size, other_size = (np.hypot(*(box[:, 2:] - box[:, :2]).T) for box in (ours, theirs))
    apart = np.hypot(*((ours[:, :2] + ours[:, 2:] - theirs[:, :2] - theirs[:, 2:]) / 2).T)
    far = (apart > SAME_PLACE * np.maximum(size, other_size)) & both
    share = np.bincount(video_of[far], minlength=len(keys)) / np.maximum(
        np.bincount(video_of[both], minlength=len(keys)), 1
    )
    if (share > 0.5).any():
        worst = int(share.argmax())
        raise UserError(
            f"{result.name} sees the person of {video_text(keys[worst])} elsewhere in the image than {truth.name}: "
            "the names agree, the cameras do not. Compare results of the same images; or --own_axes "
            f"{result.name} compares what does not depend on the camera"
        )
