"""H.264 files that browsers play, and pictures as planes to draw on.

The planes of a picture are those of the format nv12: brightness Y (H,W) uint8 and colour UV (H/2,W/2,2) uint8.
"""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from lib.files import atomic_path

# The fastest preset with those of its missing tools switched on that halve the file at little cost.
X264_OPTIONS = {
    "preset": "ultrafast",
    "crf": "25",
    "threads": "1",  # the other cores decode meanwhile
    "x264-params": "cabac=1:no-deblock=0:bframes=2:b-adapt=0:8x8dct=1:aq-mode=1",
}
COLOR_TAGS = ("colorspace", "color_primaries", "color_trc", "color_range")


def even_size(size_px: tuple[int, int], max_height: int | None = None) -> tuple[int, int]:
    """``size_px`` (width, height) reduced to at most ``max_height`` and rounded to even numbers, as H.264 needs."""
    scale = min(1.0, (max_height or size_px[1]) / size_px[1])
    width, height = (max(2, 2 * round(side * scale / 2)) for side in size_px)
    return width, height


def planes_of(frame: av.VideoFrame) -> tuple[np.ndarray, np.ndarray]:
    """Y (H,W) and UV (H/2,W/2,2) of an nv12 frame, as views: writing to them changes the frame."""
    y, uv = (np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size) for plane in frame.planes)
    rows, columns = frame.height, frame.width
    return y[:rows, :columns], uv[: rows // 2, :columns].reshape(rows // 2, columns // 2, 2)


def frame_of(picture: np.ndarray, size_px: tuple[int, int]) -> av.VideoFrame:
    """Picture (H,W,3) uint8 RGB as an nv12 frame of an even size (width, height)."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    frame = frame.reformat(*size_px, "nv12", dst_colorspace=Colorspace.ITU709)
    frame.colorspace, frame.color_range = Colorspace.ITU709, ColorRange.MPEG
    return frame


class VideoWriter:
    """Context manager that writes H.264 in MP4, ready for browsers; the file exists only if all went well.

    Frames are RGB (H,W,3) uint8 or nv12 ``av.VideoFrame``; odd sizes are stretched by a pixel. A full disk or a
    lack of permission raises ``OSError``.
    """

    def __init__(self, path: str | Path, size_px: tuple[int, int], fps: float) -> None:
        self.path = Path(path)
        self.size_px = even_size(size_px)
        self.fps = fps
        self.num_frames = 0
        self._closing = ExitStack()

    def __enter__(self) -> VideoWriter:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self.path))
            options = {"movflags": "+faststart"}
            self._container = stack.enter_context(av.open(str(temporary), "w", format="mp4", options=options))
            rate = Fraction(self.fps).limit_denominator(100_000)
            self._stream = self._container.add_stream("libx264", rate=rate, options=X264_OPTIONS)
            self._stream.width, self._stream.height = self.size_px
            self._stream.pix_fmt = "nv12"
            self._step_s = 1 / rate
            # a picture to start from every second, so that a page can jump
            self._stream.gop_size = max(1, round(self.fps))
            self._closing = stack.pop_all()
        return self

    def write(self, frame: np.ndarray | av.VideoFrame) -> None:
        """Add one frame."""
        if isinstance(frame, np.ndarray):
            frame = frame_of(frame, self.size_px)
        assert (frame.width, frame.height) == self.size_px, f"{frame} in a video of {self.size_px}"
        if self.num_frames == 0:
            copy_color_tags(self._stream.codec_context, frame)
        frame.pts, frame.time_base, frame.pict_type = self.num_frames, self._step_s, 0
        self._container.mux(self._stream.encode(frame))
        self.num_frames += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._closing.__exit__(kind, error, trace)
            return
        with self._closing:
            assert self.num_frames, f"no frame for {self.path}"
            self._container.mux(self._stream.encode(None))


def copy_color_tags(target: Any, source: Any) -> None:
    """Give a frame or encoder the colour space, range and curves of another."""
    for name in COLOR_TAGS:
        setattr(target, name, getattr(source, name))
