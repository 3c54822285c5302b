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
        if self.video is None or not self.video.variable_rate:
            return self.num_frames
        return int(self.video.source_frame.max()) + 1

    def at_constant_rate(self, detections: Detections) -> Detections:
        """Keypoints of the stored frames, as a keypoint file has them, for the frames of the constant rate."""
        if self.video is None or not self.video.variable_rate:
            return detections
        rows = self.video.source_frame.clip(max=detections.num_frames - 1)
        ids = detections.ids
        return replace(
            detections,
            people=[detections.people[row] for row in rows],
            ids=None if ids is None else [ids[row] for row in rows],
        )


def list_footage(
    videos: Sequence[str], keypoint_files: Sequence[str]
) -> list[tuple[Path | None, Path | None]]:
    """(video, keypoint file) of each result to make; a folder stands for the videos in it, sorted by name.

    Raises ``UserError`` if there is nothing, a folder without videos, or not one keypoint file for each video.
    """
    found: list[Path | None] = []
    for path in map(Path, videos):
        if not path.is_dir():
            found.append(path)
            continue
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
    names = [(video or file).stem for video, file in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            f"several inputs are called {', '.join(twice)}: their results would overwrite each other"
        )
    return pairs


def open_footage(
    video: Path | None, keypoint_file: Path | None, size: str | None, rate_fps: float | None
) -> Footage:
    """Look at a video's metadata; without a video its size ("1920x1080") and frame rate must be given."""
    if video is not None:
        info = probe_video(video)
        return Footage(video.stem, info, keypoint_file, info.size_px, info.fps, info.num_frames)
    assert keypoint_file is not None
    numbers = re.fullmatch(r"(\d+)[xX*,](\d+)", size or "")
    if numbers is None or rate_fps is None or rate_fps <= 0:
        raise UserError(
            f"{keypoint_file} comes without its video: add --vid_path, or the image's size and frame rate, "
            "such as --size 1920x1080 --rate 30"
        )
    return Footage(
        keypoint_file.stem, None, keypoint_file, (int(numbers[1]), int(numbers[2])), rate_fps, None
    )
