"""Results as videos: the 2D skeletons over the picture, and the 3D skeleton above a floor.

Letters: F frames, J joints, L limbs, V views.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path

import numpy as np

from lib.skeleton import Skeleton
from lib.wild.anonymize import HeadBlur, hide
from lib.wild.canvas import Canvas
from lib.wild.hand_formats import fine_joints, is_one_hand
from lib.wild.projection import WorldView
from lib.wild.records import Flag, Track, WorldMotion
from lib.wild.video import VideoInfo, VideoWriter, even_size, read_planes

# joints below this confidence are hollow, their limbs thin
LOW_CONFIDENCE = 0.3
TEXT_PX = 22
PANEL, OUTLINE, PAPER, GRID, SHADOW, INK = "#20262c", "#101418", "#f6f7f8", "#cfd4d8", "#dfe2e5", "#30363c"

Progress = Callable[[int], object]


def render_overlay(
    path: str | Path,
    video: VideoInfo,
    tracks: Sequence[Track],
    *,
    anonymize: HeadBlur | None = None,
    progress: Progress | None = None,
    max_height: int = 720,
) -> None:
    """Write the video with the 2D skeletons of ``tracks`` over it, at most ``max_height`` px high.

    Joints that were not seen well are hollow and their limbs thin; several people carry the numbers of their tracks.
    progress(n) is called with the number of frames done since the last call. Raises ``OSError`` where the file
    cannot be written.
    """
    size_px = even_size(video.size_px, max_height)
    scale = np.array(size_px) / video.size_px
    thickness = max(2, round(size_px[1] / 240))
    legend = _legend([track.skeleton for track in tracks], 8 * thickness)
    with VideoWriter(path, size_px, video.fps) as writer, closing(read_planes(video, size_px)) as frames:
        for index, frame in enumerate(frames):
            canvas = Canvas(frame)
            if anonymize:
                boxes = anonymize.boxes(index) * np.tile(scale, 2)
                hide(canvas.y, boxes)
                hide(canvas.uv, boxes / 2)
            for track in tracks:
                if track.start <= index < track.stop:
                    label = str(track.id) if len(tracks) > 1 else ""
                    _draw_person(canvas, track, index - track.start, scale, thickness, label)
            if legend:
                canvas.paste(legend, (2 * thickness, 2 * thickness))
            writer.write(frame)
            if progress:
                progress(1)


def _draw_person(
    canvas: Canvas, track: Track, frame: int, scale: np.ndarray, thickness: int, label: str
) -> None:
    skeleton = track.skeleton
    points = track.keypoints[frame, :, :2] * scale
    known = (track.flag[frame] != Flag.ABSENT) & np.isfinite(points).all(-1)
    sure = known & (track.flag[frame] == Flag.SEEN) & (track.keypoints[frame, :, 2] >= LOW_CONFIDENCE)
    if not known.any():
        return
    ends = skeleton.limb_idx
    drawn, strong = known[ends].all(-1), sure[ends].all(-1)
    colors = np.array(skeleton.limb_colors)
    fingers = fine_joints(skeleton)
    fine = fingers[ends].any(-1)
    canvas.lines(points[ends[strong & ~fine]], OUTLINE, thickness + 2)
    canvas.lines(points[ends[strong & fine]], OUTLINE, max(1, thickness // 2) + 1)
    for color in dict.fromkeys(skeleton.limb_colors):
        own = drawn & (colors == color)
        canvas.lines(points[ends[own & ~strong]], color, 1)
        canvas.lines(points[ends[own & strong & fine]], color, max(1, thickness // 2))
        canvas.lines(points[ends[own & strong & ~fine]], color, thickness)
    radius = thickness if skeleton.num_joints - fingers.sum() < 60 else max(1, thickness // 2)
    joint_colors = np.array(skeleton.joint_colors)
    for color in dict.fromkeys(skeleton.joint_colors):
        own = known & (joint_colors == color) & ~fingers
        canvas.dots(points[own & ~sure], color, radius, hollow=True)
        canvas.dots(points[own & sure], color, radius)
    if label:
        x, y = points[known][points[known][:, 1].argmin()]
        height = 8 * thickness
        x, y = max(0, x + height / 2), max(0, y - height)
        canvas.panel((x, y, x + 0.6 * height * len(label) + 4, y + height), PANEL)
        canvas.text(label, (x + 2, y), height, "#ffffff")


def _legend(skeletons: Sequence[Skeleton], height: int) -> Canvas | None:
    """A small panel that names the colours of the sides; None for formats without sides."""
    color_of: dict[str, str] = {}
    for skeleton in skeletons:
        for side, color in zip(skeleton.limb_sides, skeleton.limb_colors, strict=True):
            color_of.setdefault(side, color)
    sides = [side for side in ("left", "right") if side in color_of]
    if not sides:
        return None
    canvas = Canvas.blank((10 * height // 2 * 2, height // 2 * 2), PANEL)
    x = height // 2
    for side in sides:
        canvas.dots(np.array([[x, height / 2]]), color_of[side], height // 4)
        x += height // 2
        x += canvas.text(side, (x, 0), height, "#ffffff") + height
    return canvas.crop((x - height // 2) // 2 * 2)


def render_world(path: str | Path, world: WorldMotion, *, progress: Progress | None = None) -> None:
    """Write the 3D skeleton from two sides, orthographic, above a fixed floor, the whole path in view.

    Limbs of joints that are interpolated are thin; progress and errors as in ``render_overlay``.
    """
    view = WorldView(world)
    background, time_corner = _world_background(view, world)
    limb_idx, colors = world.skeleton.limb_idx, world.skeleton.limb_colors
    fine = fine_joints(world.skeleton)[limb_idx].any(-1)
    with VideoWriter(path, view.size_px, world.fps) as writer:
        for frame in range(world.num_frames):
            canvas = background.copy()
            known = (world.flag[frame] != Flag.ABSENT) & np.isfinite(world.positions[frame]).all(-1)
            seen = known & (world.flag[frame] == Flag.SEEN)
            drawn, strong = known[limb_idx].all(-1), seen[limb_idx].all(-1)
            for segments, shadows, order in view.limbs(frame):
                canvas.lines(shadows[drawn & ~fine], SHADOW, 3)
                canvas.lines(shadows[drawn & fine], SHADOW, 1)
                # neighbours in depth that look the same are drawn by one call
                width = np.where(strong, np.where(fine, 2, 4), 1)
                looks = (
                    (number, (colors[number], int(width[number]))) for number in order[drawn[order]].tolist()
                )
                for (color, width_px), run in groupby(looks, key=lambda look: look[1]):
                    limbs = segments[[number for number, _ in run]]
                    canvas.lines(limbs, color, width_px, rim=PAPER)
            text = f"{world.time_s[frame]:.2f} s" + ("" if known.any() else "   not seen")
            canvas.text(text, time_corner, TEXT_PX, INK)
            writer.write(canvas.frame)
            if progress:
                progress(1)


def _world_background(view: WorldView, world: WorldMotion) -> tuple[Canvas, tuple[int, int]]:
    """What is the same in every frame, and the corner at which the time goes."""
    canvas = Canvas.blank(view.size_px, PAPER)
    canvas.lines(view.grid_px, GRID, 1)
    for corner, caption in view.captions:
        canvas.text(caption, corner, TEXT_PX, INK)
    x = 10
    legend = _legend([world.skeleton], TEXT_PX)
    if legend:
        canvas.paste(legend, (x, 10))
        x += legend.y.shape[1] + 16
    unit = "m" if world.units == "m" else f"of the {world.unit_length}"
    plane = "grid" if is_one_hand(world.skeleton) else "floor"
    note = f"{plane} cells {view.cell:g} {unit}"
    x += canvas.text(note, (x, 10), TEXT_PX, INK) + 24
    return canvas, (x, 10)
