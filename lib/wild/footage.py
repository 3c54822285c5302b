"""What is worked on: videos, keypoint files, or both; and what is known of each before anybody is looked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lib.errors import UserError
from lib.wild.records import Detections
from lib.wild.video import VideoInfo, probe_video

VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".mts", ".3gp")


@dataclass(frozen=True)
class Footage:
    """One video, or one keypoint file whose video is not at hand; size_px is (width, height)."""

    name: str
    video: VideoInfo | None
    keypoint_file: Path | None
    size_px: tuple[int, int]
    fps: float
    num_frames: int | None
    """None where only the keypoint file can tell."""

    @property
    def num_stored_frames(self) -> int | None:
        """Frames as other programs count them: those in the file, where the rate varies."""
        if self.video is None or not self.video.variable_rate or _is_our_own(self.keypoint_file):
            return self.num_frames
        return int(self.video.source_frame.max()) + 1

    def at_constant_rate(self, detections: Detections) -> Detections:
        """Keypoints of the stored frames, as a keypoint file has them, for the frames of the constant rate."""
        if self.video is None or not self.video.variable_rate or _is_our_own(self.keypoint_file):
            return detections
        rows = self.video.source_frame.clip(max=detections.num_frames - 1)
        lists = {name: getattr(detections, name) for name in ("people", "ids", "sides")}
        shown = {name: values and [values[row] for row in rows] for name, values in lists.items()}
        return replace(detections, **shown)


def list_footage(
    videos: Sequence[str], keypoint_files: Sequence[str]
) -> list[tuple[Path | None, Path | None, str]]:
    """(video, keypoint file, folder below --out_path) of each result to make.

    A folder stands for the videos in it, sorted by name; results of several inputs, or of a folder, lie in folders
    of their names. Raises ``UserError`` if there is nothing, a folder without videos, or not one keypoint file for
    each video.
    """
    found: list[Path | None] = []
    has_folder = False
    for path in map(Path, videos):
        if not path.is_dir():
            found.append(path)
            continue
        has_folder = True
        inside = sorted(file for file in path.iterdir() if file.suffix.lower() in VIDEO_SUFFIXES)
        if not inside:
            raise UserError(f"{path} holds no video; a video ends in {', '.join(VIDEO_SUFFIXES)}")
        found += inside
    files: list[Path | None] = list(map(Path, keypoint_files))
    if not found and not files:
        raise UserError("nothing to do: name a video with --vid_path, or a keypoint file with --json_path")
    if found and files and len(found) != len(files):
        raise UserError(
            f"{len(found)} videos and {len(files)} keypoint files: give one file for each video, in order"
        )
    pairs = list(zip(found or [None] * len(files), files or [None] * len(found), strict=True))
    names = [path.stem for path in found or files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            f"several inputs are called {', '.join(twice)}: their results would overwrite each other"
        )
    alone = len(pairs) == 1 and not has_folder
    return [(*pair, "" if alone else name) for pair, name in zip(pairs, names, strict=True)]


def open_footage(
    video: Path | None, keypoint_file: Path | None, size: str | None, rate_fps: float | None
) -> Footage:
    """Look at a video's metadata; without a video its size ("1920x1080") and frame rate must be given."""
    if video is not None:
        info = probe_video(video)
        return Footage(video.stem, info, keypoint_file, info.size_px, info.fps, info.num_frames)
    assert keypoint_file is not None
    if rate_fps is not None and not 1 <= rate_fps <= 1000:
        raise UserError(f"--rate {rate_fps:g}: frames per second, 1 to 1000")
    numbers = re.fullmatch(r"([1-9]\d{1,4})[xX*,]([1-9]\d{1,4})", size or "")
    size_px = (int(numbers[1]), int(numbers[2])) if numbers else None
    if _is_our_own(keypoint_file) and keypoint_file.is_file():
        stored = Detections.load(keypoint_file)
        size_px, rate_fps = size_px or stored.size_px, rate_fps or stored.fps
    if size_px is None or rate_fps is None:
        raise UserError(
            f"{keypoint_file} comes without its video: add --vid_path, or the image's size and frame rate, "
            "such as --size 1920x1080 --rate 30"
        )
    return Footage(keypoint_file.stem, None, keypoint_file, size_px, rate_fps, None)


def _is_our_own(keypoint_file: Path | None) -> bool:
    """Whether a keypoint file is detections.npz, whose frames are those of the constant rate."""
    return keypoint_file is not None and keypoint_file.suffix == ".npz"
