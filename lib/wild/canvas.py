"""Drawing straight on the planes of a video frame, without a way through RGB.

Letters: S segments, P points, B boxes. Coordinates are px of the frame, x right and y down, colours "#rrggbb".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from lib.wild.video_writer import copy_color_tags, planes_of

# cv2 takes integers of which the last bits are the fraction
FRACTION_BITS = 4
# far outside of any picture, and still an int32 in these units
FARTHEST_PX = 1e5
FONT = cv2.FONT_HERSHEY_SIMPLEX


class Canvas:
    """An nv12 frame as something to draw on; the frame itself changes."""

    def __init__(self, frame: av.VideoFrame) -> None:
        self.frame = frame
        self.y, self.uv = planes_of(frame)

    @classmethod
    def blank(cls, size_px: tuple[int, int], color: str) -> Canvas:
        """A canvas of one colour; size_px (width, height) is even."""
        frame = av.VideoFrame(*size_px, "nv12")
        frame.colorspace = frame.color_primaries = frame.color_trc = Colorspace.ITU709
        frame.color_range = ColorRange.MPEG
        canvas = cls(frame)
        canvas.panel((0, 0, *size_px), color)
        return canvas

    def copy(self) -> Canvas:
        """The same picture in a frame of its own."""
        height, width = self.y.shape
        frame = av.VideoFrame(width, height, "nv12")
        copy_color_tags(frame, self.frame)
        other = Canvas(frame)
        other.y[:], other.uv[:] = self.y, self.uv
        return other

    def lines(self, segments: np.ndarray, color: str, thickness_px: int, rim: str | None = None) -> None:
        """Draw straight lines (S,2,2), over a rim as bright as that colour."""
        if not len(segments):
            return
        y, *uv = yuv(color)
        points = _fixed(segments)
        if rim:
            cv2.polylines(self.y, points, False, yuv(rim)[0], thickness_px + 2, cv2.LINE_8, FRACTION_BITS)
        cv2.polylines(self.y, points, False, y, thickness_px, cv2.LINE_AA, FRACTION_BITS)
        # the colour plane has half the size: one more bit of fraction
        cv2.polylines(self.uv, points, False, uv, (thickness_px + 1) // 2, cv2.LINE_8, FRACTION_BITS + 1)

    def dots(self, points: np.ndarray, color: str, radius_px: int, hollow: bool = False) -> None:
        """Draw discs or rings around points (P,2)."""
        y, *uv = yuv(color)
        for point in _fixed(points):
            width = 1 if hollow else -1
            cv2.circle(self.y, point, radius_px << FRACTION_BITS, y, width, cv2.LINE_AA, FRACTION_BITS)
            cv2.circle(self.uv, point, radius_px << FRACTION_BITS, uv, width, cv2.LINE_8, FRACTION_BITS + 1)

    def panel(self, box: Sequence[float], color: str) -> None:
        """Fill the box x0, y0, x1, y1."""
        y, *uv = yuv(color)
        x0, y0, x1, y1 = (2 * max(0, round(side / 2)) for side in box)
        self.y[y0:y1, x0:x1] = y
        self.uv[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] = uv

    def paste(self, other: Canvas, corner: tuple[int, int]) -> None:
        """Copy a smaller canvas to the even coordinates x, y; what reaches beyond the right and lower edge is lost."""
        x, y = corner
        target = self.y[y : y + len(other.y), x : x + other.y.shape[1]]
        rows, columns = target.shape
        target[:] = other.y[:rows, :columns]
        self.uv[y // 2 :, x // 2 :][: rows // 2, : columns // 2] = other.uv[: rows // 2, : columns // 2]

    def crop(self, width_px: int) -> Canvas:
        """The left part of the canvas, of an even width, as one of its own."""
        part = Canvas.blank((min(width_px, self.y.shape[1]), len(self.y)), "#000000")
        part.paste(self, (0, 0))
        return part

    def text(self, text: str, corner: tuple[float, float], height_px: int, color: str) -> int:
        """Write a line of text from its upper left corner on, in the brightness of ``color``; returns its width.

        Legible on panels without colour, since the colour plane stays as it is.
        """
        brightness = yuv(color)[0]
        x, y = (max(0, round(side)) for side in corner)
        start = x
        for letter in text:
            mask = _letter(letter, height_px)
            patch = self.y[y : y + mask.shape[0], x : x + mask.shape[1]]
            mask = mask[: patch.shape[0], : patch.shape[1]]
            patch += ((brightness - patch.astype(np.int16)) * mask >> 8).astype(np.uint8)
            x += mask.shape[1]
        return x - start


@lru_cache(maxsize=256)
def yuv(color: str) -> tuple[int, int, int]:
    """Y, U and V of "#rrggbb" by ITU-R BT.709, limited range."""
    red, green, blue = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return round(16 + 219 * y), round(128 + 224 * (blue - y) / 1.8556), round(128 + 224 * (red - y) / 1.5748)


@lru_cache(maxsize=1024)
def _letter(letter: str, height_px: int) -> np.ndarray:
    """Coverage 0..256 of a letter as int16, with its space to the next one."""
    scale = height_px / 34
    (width, _), _ = cv2.getTextSize(letter, FONT, scale, 1)
    mask = np.zeros((height_px, max(width, 1)), np.uint8)
    cv2.putText(mask, letter, (0, round(0.79 * height_px)), FONT, scale, 255, 1, cv2.LINE_AA)
    return mask.astype(np.int16) + (mask > 127)


def _fixed(points: np.ndarray) -> np.ndarray:
    return (points.clip(-FARTHEST_PX, FARTHEST_PX) * (1 << FRACTION_BITS)).round().astype(np.int32)
