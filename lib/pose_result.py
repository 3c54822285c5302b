"""Poses of a set in mm with what is needed to compare them: predictions and truth in one record, and their files.

Letters: F frames, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lib.data.motion import Labels, Motion
from lib.errors import UserError
from lib.files import atomic_path
from lib.skeleton import Skeleton

AXES = ("camera", "world", "other")
UNITS = ("mm", "arbitrary")


@dataclass(frozen=True, eq=False, kw_only=True)
class PoseResult:
    """Poses of one or more videos; all arrays and labels are per frame.

    joints_mm (F,J,3), NaN where a joint is not known; only differences between the joints of a frame count. frame
    (F,): number within the video of the source and camera, at ``fps`` frames a second (None: unknown). axes: "camera"
    (x right, y down, z forward), "world", or "other" (a camera that is not the truth's); up (F,3): which way is up in
    them, None where nobody knows. units: "mm", or "arbitrary" for a size that was not measured. box_px (F,4): left,
    top, right, bottom of the 2D keypoints in the image, None without. kind: "prediction" or "truth". notes: what a
    reader of a comparison must know.

    Arrays and labels of other lengths, doubled frames and unknown words raise ``UserError``; one up (3,) serves all.
    """

    name: str
    joints_mm: np.ndarray
    skeleton: Skeleton
    source: Labels
    camera: Labels
    action: Labels
    frame: np.ndarray
    fps: float | None = None
    axes: str = "camera"
    up: np.ndarray | None = None
    units: str = "mm"
    box_px: np.ndarray | None = None
    kind: str = "prediction"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.joints_mm)
        if np.shape(self.joints_mm) != (count, self.skeleton.num_joints, 3):
            raise UserError(
                f"{self.name}: poses have shape {np.shape(self.joints_mm)}, expected (frames, "
                f"{self.skeleton.num_joints}, 3) for {self.skeleton.name}"
            )
        for name in ("source", "camera", "action"):
            object.__setattr__(self, name, Labels.of(getattr(self, name), count))
        if self.up is not None:
            object.__setattr__(self, "up", np.broadcast_to(np.asarray(self.up, np.float64), (count, 3)))
        for name, width in (
            ("source", None),
            ("camera", None),
            ("action", None),
            ("frame", None),
            ("box_px", 4),
        ):
            value = getattr(self, name)
            if value is not None and (len(value) != count or (width and np.shape(value) != (count, width))):
                raise UserError(f"{self.name}: '{name}' has {len(value)} entries for {count} frames")
        for name, allowed in (("axes", AXES), ("units", UNITS)):
            if getattr(self, name) not in allowed:
                raise UserError(f"{self.name}: {name} '{getattr(self, name)}'; allowed: {', '.join(allowed)}")
        if self.fps is not None and not self.fps > 0:
            raise UserError(f"{self.name}: {self.fps} frames a second; must be positive")

    @property
    def num_frames(self) -> int:
        """Number of frames F."""
        return len(self.joints_mm)

    def videos(self) -> dict[tuple[str, str], np.ndarray]:
        """Rows of each video in the order of their frame numbers, by (source, camera).

        Raises ``UserError`` where a frame number stands twice.
        """
        codes = self.source.codes.astype(np.int64) * len(self.camera.names) + self.camera.codes
        order = np.lexsort((self.frame, codes))
        cuts = np.flatnonzero(np.diff(codes[order])) + 1
        found = {}
        for rows in np.split(order, cuts) if len(order) else []:
            key = (self.source[int(rows[0])], self.camera[int(rows[0])])
            doubled = np.flatnonzero(np.diff(self.frame[rows]) == 0)
            if len(doubled):
                raise UserError(
                    f"{self.name}: frame {self.frame[rows[doubled[0]]]} of {video_text(key)} stands twice; "
                    "name videos apart by source and camera"
                )
            found[key] = rows
        return found

    def save(self, path: str | Path) -> None:
        """Write as npz of plain arrays, whole or not at all."""
        stored: dict[str, Any] = {
            "joints_mm": np.asarray(self.joints_mm, np.float32),
            "joint_format": self.skeleton.name,
            "joints": np.array(self.skeleton.joints),
            "root": np.array(self.skeleton.root),
            "frame": np.asarray(self.frame, np.int64),
            "name": self.name,
            "kind": self.kind,
            "axes": self.axes,
            "units": self.units,
            "notes": np.array(self.notes, dtype=str),
        }
        for name in ("source", "camera", "action"):
            labels: Labels = getattr(self, name)
            stored |= {name: labels.codes, f"{name}_names": np.array(labels.names, dtype=str)}
        given = {"fps": self.fps, "up": self.up, "box_px": self.box_px}
        stored |= {name: np.asarray(value) for name, value in given.items() if value is not None}
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **stored)


def video_text(key: tuple[str, str]) -> str:
    """Name of a video for messages."""
    return f"source '{key[0]}'" + (f", camera '{key[1]}'" if key[1] else "")


def frames_within_videos(motion: Motion) -> np.ndarray:
    """(F,) number of each frame within its video; a video in several pieces is counted on from piece to piece."""
    counted: dict[tuple[int, int], int] = {}
    frames = np.zeros(motion.num_frames, np.int64)
    for start, stop in motion.videos:
        key = (int(motion.source.codes[start]), int(motion.camera.codes[start]))
        first = counted.get(key, 0)
        frames[start:stop] = np.arange(first, first + stop - start)
        counted[key] = first + int(stop - start)
    return frames


def result_of_motion(
    motion: Motion,
    joints_mm: np.ndarray,
    *,
    frames: np.ndarray | None = None,
    name: str = "",
    kind: str = "prediction",
    up: np.ndarray | None = None,
    notes: Sequence[str] = (),
) -> PoseResult:
    """Poses (F,J,3) mm in camera axes, labelled as the frames of a motion; frame numbers within videos by default."""
    seen = np.where((motion.confidence > 0)[..., None], motion.joints_2d, np.nan)
    hidden = ~(motion.confidence > 0).any(-1)
    seen[hidden] = motion.joints_2d[hidden]
    return PoseResult(
        name=name,
        joints_mm=joints_mm,
        skeleton=motion.skeleton,
        source=motion.source,
        camera=motion.camera,
        action=motion.action,
        frame=frames_within_videos(motion) if frames is None else np.asarray(frames, np.int64),
        fps=motion.fps,
        up=up,
        box_px=np.concatenate([np.nanmin(seen, 1), np.nanmax(seen, 1)], -1),
        kind=kind,
        notes=tuple(notes),
    )


def save_predictions(
    path: str | Path,
    joints_mm: np.ndarray,
    motion: Motion,
    *,
    frames: np.ndarray | None = None,
    name: str = "",
    notes: Sequence[str] = (),
) -> None:
    """Write predictions (F,J,3) mm of the frames of ``motion`` as npz, for ``tools/compare.py``.

    The file says the joint format, its joints, and of each frame source, camera, action and number within the video
    (``frames`` (F,), by default counted within each run of equal source and camera).
    """
    result_of_motion(motion, joints_mm, frames=frames, name=name, notes=notes).save(path)


def renamed(result: PoseResult, *, source: str | None = None, camera: str | None = None) -> PoseResult:
    """The same result of one video, under another source or camera; several videos raise ``UserError``."""
    given = {"source": source, "camera": camera}
    changed = {key: Labels.of(value, result.num_frames) for key, value in given.items() if value is not None}
    if changed and len(result.videos()) > 1:
        raise UserError(
            f"{result.name} holds {len(result.videos())} videos: only one can be given another name"
        )
    return replace(result, **changed)
