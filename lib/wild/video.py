"""Videos in, streamed: upright frames at a constant rate, whatever the container holds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition
from av.video.reformatter import ColorRange, Interpolation

from lib.errors import UserError
from lib.wild.ahead import ahead
from lib.wild.frame_rate import frame_slots, nominal_rate, shown_frames
from lib.wild.video_writer import VideoWriter, copy_color_tags, even_size, planes_of

__all__ = ["VideoInfo", "VideoWriter", "even_size", "planes_of", "probe_video", "read_frames", "read_planes"]

PictureT = TypeVar("PictureT")

log = logging.getLogger(__name__)

FALLBACK_FPS = 25.0
# time stamps that ask for more repeated frames than this are broken
MAX_REPEATS = 20


class Turn(NamedTuple):
    """How stored frames become upright: transposed first, then mirrored."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says of itself; sizes and numbers are those of the frames that are delivered."""

    path: Path
    size_px: tuple[int, int]
    """Width and height of the upright frames."""
    fps: float
    """Constant rate at which frames are delivered."""
    num_frames: int
    """Frames F at that rate; fewer come where the file turns out to be damaged."""
    rotation_deg: int
    """Clockwise turn from the stored to the upright frames."""
    variable_rate: bool
    """Frames are repeated or dropped to make the rate constant."""
    duration_s: float
    start_s: float | None = field(repr=False)
    """Time stamp of the first frame; None: no usable time stamps, stored frames are counted."""
    turn: Turn = field(repr=False)
    source_frame: np.ndarray = field(repr=False, compare=False)
    """(F,) int64: number of the stored frame that each delivered frame shows."""


def probe_video(path: str | Path) -> VideoInfo:
    """Read size, rotation and time stamps of a video, without decoding more than its first frame.

    Raises ``UserError`` for a file that is missing, a folder, no video, broken, or without a frame.
    """
    path = Path(path)
    with _open(path) as container:
        stream = _video_stream(container, path)
        stamps = [packet.pts for packet in _packets(container, stream) if not packet.is_discard]
        # a stream must not be touched once its container is closed
        time_base, pixel_aspect = stream.time_base or Fraction(1), stream.sample_aspect_ratio
        declared = [float(rate) for rate in (stream.average_rate, stream.guessed_rate) if rate]
    first = next((frame for _, frame in _stored_frames(path)), None)
    if first is None:
        raise UserError(
            f"{path}: no frame of this video can be decoded; the file may be damaged or incomplete"
        )

    known = np.array([stamp for stamp in stamps if stamp is not None], np.int64)
    times_s = np.unique(known) * float(time_base)
    fps, slots = declared[0] if declared else FALLBACK_FPS, np.arange(max(len(stamps), 1))
    has_stamps = len(times_s) >= max(2, 0.9 * len(stamps))
    if has_stamps:
        rate = nominal_rate(times_s, float(time_base), declared)
        timed = frame_slots(times_s, times_s[0], rate)
        has_stamps = timed[-1] <= MAX_REPEATS * len(times_s)
        fps, slots = (rate, timed) if has_stamps else (fps, slots)
    if not has_stamps and len(stamps) > 1:
        log.warning("%s has no usable time stamps: taken as %g frames per second", path, fps)
    source_frame = shown_frames(slots)
    turn, rotation_deg = _turn(first)
    if pixel_aspect not in (None, 0, 1):
        log.warning("%s: its pixels are not square (%s); widths are off by that", path, pixel_aspect)
    return VideoInfo(
        path=path,
        size_px=(first.height, first.width) if turn.transpose else (first.width, first.height),
        fps=fps,
        num_frames=len(source_frame),
        rotation_deg=rotation_deg,
        variable_rate=not np.array_equal(source_frame, np.arange(len(slots))),
        duration_s=len(source_frame) / fps,
        start_s=float(times_s[0]) if has_stamps else None,
        turn=turn,
        source_frame=source_frame,
    )


def read_frames(video: VideoInfo) -> Iterator[np.ndarray]:
    """Upright RGB frames (H,W,3) uint8 at the constant rate, decoded ahead in a thread; a damaged tail is logged."""

    width, height = _stored_size(video, video.size_px)

    def rgb(frame: av.VideoFrame) -> np.ndarray:
        return _upright(frame.to_ndarray(format="rgb24", width=width, height=height), video.turn)

    return ahead(_at_constant_rate(video, rgb))


def read_planes(video: VideoInfo, size_px: tuple[int, int]) -> Iterator[av.VideoFrame]:
    """Upright nv12 frames of an even ``size_px`` (width, height) to draw on, otherwise as ``read_frames``."""
    width, height = _stored_size(video, size_px)

    def planes(frame: av.VideoFrame) -> av.VideoFrame:
        made = frame.reformat(
            width,
            height,
            "nv12",
            interpolation=Interpolation.AREA,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        if any(video.turn):
            turned = av.VideoFrame(*size_px, "nv12")
            for plane, source in zip(planes_of(turned), planes_of(made), strict=True):
                plane[:] = _upright(source, video.turn)
            copy_color_tags(turned, made)
            made = turned
        elif made is frame:
            made.make_writable()  # the decoder may still need its own picture
        return made

    return ahead(_at_constant_rate(video, planes))


@contextmanager
def _open(path: Path) -> Iterator[av.container.InputContainer]:
    """The container; everything that is wrong with the file itself becomes a ``UserError``."""
    try:
        container = av.open(str(path))
    except FileNotFoundError:
        raise UserError(f"no such video: {path}") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder, expected a video file") from None
    except (av.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"cannot read {path} as a video: {reason}; it may be damaged or of another kind"
        ) from None
    with container:
        yield container


def _video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic  # the cover of a piece of music
    ]
    if not streams:
        held = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise UserError(f"{path} holds no video, only {held}")
    return streams[0]


def _packets(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    """Packets up to where the file can be read."""
    try:
        yield from (packet for packet in container.demux(stream) if packet.size)
    except av.FFmpegError as error:
        log.warning("%s ends early: %s", container.name, error.strerror)


def _stored_frames(path: Path) -> Iterator[tuple[float | None, av.VideoFrame]]:
    """Time stamp in seconds, if any, and picture of every frame that can be decoded."""
    with _open(path) as container:
        stream = _video_stream(container, path)
        stream.thread_type = "AUTO"
        for packet in chain(_packets(container, stream), [None]):  # None: what the decoder still holds
            try:
                for frame in stream.decode(packet):
                    yield None if frame.pts is None else float(frame.pts * stream.time_base), frame
            except av.FFmpegError as error:
                log.debug("%s: a packet cannot be decoded: %s", path, error.strerror)


def _at_constant_rate(video: VideoInfo, convert: Callable[[av.VideoFrame], PictureT]) -> Iterator[PictureT]:
    """Converted frames, each as often as its time stamp and the next one's ask for."""
    shown: av.VideoFrame | None = None
    index = decoded = slot = 0
    for time_s, frame in _stored_frames(video.path):
        if video.start_s is None or time_s is None:
            slot = decoded
        else:
            slot = int(frame_slots(time_s, video.start_s, video.fps))
        decoded += 1
        if slot < 0:
            continue
        while shown is not None and index < min(slot, video.num_frames):
            yield convert(shown)
            index += 1
        shown = frame
    while shown is not None and index <= min(slot, video.num_frames - 1):
        yield convert(shown)
        index += 1
    lost = int(video.source_frame[-1]) + 1 - decoded
    if lost > 0:
        log.warning(
            "%s is damaged: %d frames cannot be decoded; it is used to frame %d", video.path, lost, index
        )


def _turn(frame: av.VideoFrame) -> tuple[Turn, int]:
    """The turn that the container asks for, and its rotation in degrees clockwise."""
    for side_data in frame.side_data:
        if side_data.type == SideDataType.DISPLAYMATRIX:
            # x' = a x + c y, y' = b x + d y, of which two are zero
            a, b, _, c, d = np.frombuffer(bytes(side_data), np.int32)[:5].tolist()
            if max(abs(b), abs(c)) > max(abs(a), abs(d)):
                return Turn(True, flip_x=c < 0, flip_y=b < 0), 90 if c < 0 else 270
            return Turn(False, flip_x=a < 0, flip_y=d < 0), 180 if a < 0 and d < 0 else 0
    return Turn(), 0


def _stored_size(video: VideoInfo, upright_px: tuple[int, int]) -> tuple[int, int]:
    return upright_px[::-1] if video.turn.transpose else upright_px


def _upright(image: np.ndarray, turn: Turn) -> np.ndarray:
    """An image (H,W) or (H,W,C) as it is to be seen."""
    if turn.transpose:
        image = cv2.transpose(image)
    if turn.flip_x or turn.flip_y:
        image = cv2.flip(image, {(True, True): -1, (True, False): 1, (False, True): 0}[turn[1:]])
    return image
