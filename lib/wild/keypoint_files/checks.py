"""What cannot be right in a keypoint file: points that are no numbers, and those of another video."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from lib.errors import UserError
from lib.wild.keypoint_files.people_table import PeopleTable

log = logging.getLogger(__name__)

MAX_FRAMES = 2_000_000  # 18 hours; higher numbers are those of pictures in a collection
SPARE_FRAMES = 0.01  # of the video: programs that read it differ by so much in what they count
MARGIN = 0.1  # of the image: people reach so far out of it
SEEN = 0.3  # confidence
SMALL_MARGIN = 0.02  # of the image: points that are seen lie within it, but for their noise
STRANGE = 0.03  # of the points that are seen


def cleaned(table: PeopleTable, path: Path) -> PeopleTable:
    """Missing points as NaN with confidence 0, confidence within 0..1, people without a point left out.

    Missing is what is NaN or infinite, and x = y = 0, which programs write for it.
    """
    points = table.keypoints
    if not points.size:
        raise UserError(f"{path} holds no people: nobody was found, or it is the wrong file")
    strange = ~np.isfinite(points).all(-1)
    missing = strange | (points[..., :2] == 0).all(-1)
    if missing.all():
        raise UserError(f"{path} holds no point that is a number other than 0")
    rows = ~missing.all(1)  # scripts leave a place empty where nobody was found
    if strange[rows].any():
        log.warning("%s: %d points are NaN or infinite, and count as missing", path, strange[rows].sum())
    top = points[..., 2][~missing].max()
    if top > 1:
        log.info("%s: confidences of up to %.3g, cut off at 1", path, top)
    points = np.concatenate([points[..., :2], points[..., 2:].clip(0, 1)], -1).astype(np.float32)
    points[missing] = (np.nan, np.nan, 0)
    table = replace(
        table,
        keypoints=points[rows],
        frame=table.frame[rows],
        ids=None if table.ids is None else table.ids[rows],
        sides=None if table.sides is None else table.sides[rows],
    )
    if table.ids is not None and len({*zip(table.frame, table.ids, strict=True)}) < len(table.frame):
        log.info("%s: people of one frame share an id, so its ids are not used", path)
        table = replace(table, ids=None)
    return table


def frame_range(table: PeopleTable, num_frames: int | None, path: Path) -> tuple[int, int]:
    """(number of the first frame, number of frames), those of the video if it is given."""
    lowest, highest = min(table.frame), max(table.frame)
    last = highest if table.last is None else table.last
    first = table.first
    if lowest < first:
        raise UserError(f"{path}: frame number {lowest}, frames count from {first}")
    if last - first >= MAX_FRAMES:
        raise UserError(f"{path}: frame number {last}: its entries are not the frames of one video")
    found = last - first + 1
    if num_frames is None:
        return first, int(found)
    if table.last is None and found == num_frames + 1 and lowest > first:
        return first + 1, num_frames  # counted from 1
    spare = max(1, round(SPARE_FRAMES * num_frames))
    if found > num_frames + spare:
        raise UserError(
            f"{path} has {found} frames, the video {num_frames}: it belongs to another video, or the frames were "
            "numbered from elsewhere"
        )
    if table.last is not None and found < num_frames - spare:
        log.warning("%s has only %d of the video's %d frames", path, found, num_frames)
    return first, num_frames


def check_size(table: PeopleTable, size_px: tuple[int, int] | None, path: Path) -> None:
    """Raise ``UserError`` if the coordinates are no px of an image of that size, and warn if some are not."""
    xy = table.keypoints[..., :2][table.keypoints[..., 2] > 0]
    xy = xy if len(xy) else table.keypoints[..., :2][np.isfinite(table.keypoints[..., 0])]
    low, high = xy.min(0), xy.max(0)
    if np.abs(xy).max() <= 2:
        raise UserError(
            f"{path}: coordinates from {low.min():.2g} to {high.max():.2g} are parts of the image, not px: "
            "multiply x by its width and y by its height"
        )
    if size_px is None:
        return
    size = np.array(size_px)
    outside = _share_outside(xy, size, MARGIN)
    if outside > 0.5:
        raise UserError(
            f"{path}: {outside:.0%} of the points lie outside the video's {size_px[0]}x{size_px[1]} px (x up to "
            f"{high[0]:.0f}, y up to {high[1]:.0f}): it belongs to another video or another resolution of it"
        )
    seen = table.keypoints[..., :2][table.keypoints[..., 2] > SEEN]
    outside = _share_outside(seen, size, SMALL_MARGIN) if len(seen) else 0
    if outside > STRANGE:
        (left, top), (right, bottom) = seen.min(0), seen.max(0)
        log.warning(
            "%s: %.0f %% of its points lie outside the video's %dx%d px (x from %.0f to %.0f, y from %.0f to %.0f): "
            "it may belong to another resolution of the video, or to another video; see in overlay.mp4 whether it fits",
            *(path, 100 * outside, *size_px, left, right, top, bottom),
        )


def _share_outside(xy: np.ndarray, size: np.ndarray, margin: float) -> float:
    """Share of points (n,2) px that lie outside the image by more than that part of its sides."""
    return float(((xy < -margin * size) | (xy > (1 + margin) * size)).any(-1).mean())
