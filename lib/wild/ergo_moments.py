"""The worst moments of a motion, spread over time, and a small picture of each.

Letters: F frames, J joints.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np

from lib.ergo.scores import Assessment
from lib.errors import UserError
from lib.wild.records import Flag, Track, WorldMotion

PICTURE_PX = 260
JPEG_QUALITY = 80
MARGIN = 0.18  # of the person's box, on each side
MOST_MOMENTS = 10
LEAST_APART_S = 0.5


class Moment(NamedTuple):
    """A frame and its picture as HTML."""

    frame: int
    html: str


def severity(assessment: Assessment) -> np.ndarray:
    """(F,) how bad a frame is, 0 to 1: mean risk of the methods, then their scores, then the body's parts; NaN unknown.

    Later terms only tell frames of equal risk apart.
    """
    results = list(assessment.methods.values())
    risk = np.mean([result.risk for result in results], axis=0) / 3
    scores = [
        result.frames["score"] / max(float(np.nanmax(result.frames["score"])), 1)
        for result in results
        if "score" in result.frames and np.isfinite(result.frames["score"]).any()
    ]
    parts = np.mean([np.maximum(values, 0) for values in assessment.parts.values()], axis=0) / 3
    total = risk + 0.1 * (np.mean(scores, axis=0) if scores else 0.0) + 0.01 * parts
    return np.where(assessment.known, total, np.nan)


def worst_moments(assessment: Assessment, count: int = MOST_MOMENTS) -> list[int]:
    """Frames of the worst moments in the order of time, apart by half a second or a twentieth of the scored time.

    The worst frame is taken, its neighbours are left out, and so on; frames in which every method is content are none.
    """
    bad = severity(assessment)
    at_ease = np.all([result.risk <= 0 for result in assessment.methods.values()], axis=0)
    bad = np.where(at_ease | ~np.isfinite(bad), -np.inf, bad)
    apart = round(max(LEAST_APART_S * assessment.fps, int(assessment.known.sum()) / (2 * count)))
    chosen: list[int] = []
    while len(chosen) < count and np.isfinite(worst := bad.max(initial=-np.inf)):
        # the middle of the first stretch of frames that are equally bad
        first = int(bad.argmax())
        same = np.flatnonzero(bad[first:] != worst)
        length = int(same[0]) if len(same) else len(bad) - first
        frame = first + min(length, 2 * apart) // 2
        chosen.append(frame)
        bad[max(0, frame - apart) : frame + apart + 1] = -np.inf
    return sorted(chosen)


def moment_pictures(
    frames: Sequence[int],
    world: WorldMotion,
    overlay: Path | None,
    track: Track | None = None,
    size_px: tuple[int, int] | None = None,
) -> list[Moment]:
    """A picture for each frame: of the overlay, cropped if ``track`` and ``size_px`` tell where, or drawn."""
    if overlay is None:
        return [Moment(frame, drawn_skeleton(world, frame)) for frame in frames]
    made = []
    for frame, picture in zip(frames, frames_of_video(overlay, frames, world.fps), strict=True):
        if track is not None and size_px is not None:
            picture = _crop(picture, track, frame, size_px)
        scale = PICTURE_PX / max(picture.shape[:2])
        if scale < 1:
            picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        _, jpeg = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        data = base64.b64encode(jpeg.tobytes()).decode("ascii")
        height, width = picture.shape[:2]
        alt = f"The video at {world.time_s[frame]:.2f} s"
        made.append(
            Moment(
                frame,
                f'<img src="data:image/jpeg;base64,{data}" width="{width}" height="{height}" alt="{alt}">',
            )
        )
    return made


def frames_of_video(path: Path, frames: Sequence[int], fps: float) -> list[np.ndarray]:
    """RGB pictures (H,W,3) uint8 of frames of a video of constant rate, sought one by one; raises ``UserError``."""
    pictures = []
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            first = float((stream.start_time or 0) * stream.time_base)
            for number in frames:
                wanted_s = first + number / fps
                container.seek(int(wanted_s / stream.time_base), stream=stream, backward=True)
                shown = None
                for frame in container.decode(stream):
                    shown = frame
                    if frame.time is not None and frame.time >= wanted_s - 0.5 / fps:
                        break
                if shown is None:
                    raise UserError(f"cannot read frame {number} of {path}: the video is shorter")
                pictures.append(shown.to_ndarray(format="rgb24"))
    except (av.FFmpegError, OSError, IndexError) as error:
        raise UserError(f"cannot read {path} for the pictures of the worst moments: {error}") from None
    return pictures


def _crop(picture: np.ndarray, track: Track, frame: int, size_px: tuple[int, int]) -> np.ndarray:
    """The part of a frame in which the person is, with a margin; the whole frame where that is not known."""
    at = frame - track.start
    if not 0 <= at < track.num_frames:
        return picture
    points = track.keypoints[at, track.flag[at] != Flag.ABSENT, :2]
    points = points[np.isfinite(points).all(-1)]
    if len(points) < 2:
        return picture
    height, width = picture.shape[:2]
    points = points * (np.array([width, height]) / size_px)
    low, high = points.min(0), points.max(0)
    # as wide as high at least 0.6, so that arms that come and go do not change the picture's form much
    side = (high - low).max() * (1 + 2 * MARGIN)
    half = np.maximum((high - low) * (1 + 2 * MARGIN), [0.7 * side, side]) / 2
    middle = (low + high) / 2
    x0, y0 = np.floor(np.clip(middle - half, 0, [width - 2, height - 2])).astype(int)
    x1, y1 = np.ceil(np.clip(middle + half, [x0 + 2, y0 + 2], [width, height])).astype(int)
    return picture[y0:y1, x0:x1]


def drawn_skeleton(world: WorldMotion, frame: int) -> str:
    """SVG of the skeleton in one frame, seen from the person's left, turned a little to the front."""
    skeleton, joints = world.skeleton, world.positions[frame].astype(np.float64)
    known = np.isfinite(joints).all(-1) & (world.flag[frame] != Flag.ABSENT)
    hips = [skeleton.index_canonical(f"{side}_hip") for side in ("left", "right")]
    across = np.array([1.0, 0.0, 0.0])
    if None not in hips and known[hips].all():
        across = joints[hips[1]] - joints[hips[0]]
    to_right = across[[0, 2]] / max(float(np.hypot(across[0], across[2])), 1e-9)
    front = np.array([to_right[1], -to_right[0]])
    # what points to the front goes to the left of the picture, as seen from the left; a quarter of the width shows
    seen = np.stack(
        [-0.97 * joints[:, [0, 2]] @ front - 0.25 * joints[:, [0, 2]] @ to_right, -joints[:, 1]], -1
    )
    if not known.any():
        return '<svg viewBox="0 0 100 100" role="img" aria-label="not seen"></svg>'
    low, high = seen[known].min(0), seen[known].max(0)
    scale = 88 / max(float((high - low).max()), 1e-9)
    seen = (seen - (low + high) / 2) * scale + 50
    lines = "".join(
        f'<path d="M{seen[a, 0]:.1f} {seen[a, 1]:.1f}L{seen[b, 0]:.1f} {seen[b, 1]:.1f}" stroke="{escape(color)}"/>'
        for (a, b), color in zip(skeleton.limb_idx, skeleton.limb_colors, strict=True)
        if known[a] and known[b]
    )
    label = f"The skeleton at {world.time_s[frame]:.2f} s, from the side"
    return (
        f'<svg viewBox="0 0 100 100" role="img" aria-label="{label}"><g fill="none" stroke-width="2.4" '
        f'stroke-linecap="round">{lines}</g></svg>'
    )
