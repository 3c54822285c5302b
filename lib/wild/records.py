"""What passes between the stages of video inference: who was seen where, one person's track, and the result in 3D.

Letters: F frames, P people of a frame, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import UserError
from lib.files import atomic_path
from lib.skeleton import Skeleton, load_skeleton
from lib.wild.hand_formats import is_one_hand, load_union


class Flag(IntEnum):
    """Where the numbers of a joint in a frame come from."""

    SEEN = 0
    INTERPOLATED = 1
    """Between or beside frames in which it was seen; confidence 0."""
    ABSENT = 2
    """Not known: NaN, confidence 0."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Detections:
    """2D keypoints of everybody in each frame of a video.

    people: F arrays (P,J,3) float32 of x px, y px and confidence 0..1, where P may be 0 and a point that was not
    found is NaN with confidence 0. ids: F arrays (P,) int64 where the source itself tells people apart, else None.
    sides: of hands, what the detector says of each one in each frame ("left", "right", None where it does not know).
    size_px (width, height) and fps are None for a keypoint file whose video is not given.
    """

    skeleton: Skeleton
    people: Sequence[np.ndarray]
    ids: Sequence[np.ndarray] | None = None
    sides: Sequence[Sequence[str | None]] | None = None
    fps: float | None = None
    size_px: tuple[int, int] | None = None
    source: str

    @property
    def num_frames(self) -> int:
        """Number of frames F."""
        return len(self.people)

    def save(self, path: str | Path) -> None:
        """Write as npz: ``keypoints`` (all people one after the other), ``people_per_frame``, ``joints`` and more."""
        counts = np.array([len(people) for people in self.people], np.int64)
        empty = np.zeros((0, self.skeleton.num_joints, 3), np.float32)
        stored: dict[str, Any] = {
            "keypoints": np.concatenate([empty, *self.people]).astype(np.float32),
            "people_per_frame": counts,
            "joint_format": self.skeleton.name,
            "joints": np.array(self.skeleton.joints),
            "source": self.source,
        }
        if self.ids is not None:
            stored["ids"] = np.concatenate([np.zeros(0, np.int64), *self.ids]).astype(np.int64)
        if self.sides is not None:
            stored["sides"] = np.array([side or "" for sides in self.sides for side in sides], "U5")
        if self.fps is not None:
            stored["fps"] = self.fps
        if self.size_px is not None:
            stored["size_px"] = np.array(self.size_px, np.int64)
        save_npz(path, stored)

    @classmethod
    def load(cls, path: str | Path) -> Detections:
        """Read what ``save`` wrote; raises ``UserError`` for another file."""
        stored = load_npz(path, ("keypoints", "people_per_frame", "joint_format", "source"))
        cuts = np.cumsum(stored["people_per_frame"])[:-1]
        sides = np.split(stored["sides"], cuts) if "sides" in stored else None
        return cls(
            skeleton=load_skeleton(str(stored["joint_format"])),
            people=np.split(stored["keypoints"], cuts),
            ids=np.split(stored["ids"], cuts) if "ids" in stored else None,
            sides=sides and [[side or None for side in some.tolist()] for some in sides],
            fps=float(stored["fps"]) if "fps" in stored else None,
            size_px=tuple(map(int, stored["size_px"])) if "size_px" in stored else None,  # type: ignore[arg-type]
            source=str(stored["source"]),
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Track:
    """One person's keypoints from frame ``start`` of the video on, without a hole in the frames.

    keypoints (F,J,3): x px, y px, confidence; NaN and confidence 0 where the flag (F,J) is ``Flag.ABSENT``. side: of a
    hand, "left" or "right" by the vote of its frames; None for bodies, and where nothing tells it.
    """

    id: int
    start: int
    keypoints: np.ndarray
    flag: np.ndarray
    skeleton: Skeleton
    side: str | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.side} hand {self.id}" if self.side else f"person {self.id}"

    @property
    def num_frames(self) -> int:
        """Frames from the first to the last in which the person was seen."""
        return len(self.keypoints)

    @property
    def stop(self) -> int:
        """Frame after the last one."""
        return self.start + self.num_frames

    @property
    def present(self) -> np.ndarray:
        """(F,) bool: frames in which some joint is known."""
        return (self.flag != Flag.ABSENT).any(-1)


@dataclass(frozen=True, eq=False, kw_only=True)
class WorldMotion:
    """One person in 3D over all frames of a video: Y up, X to the camera's right, Z towards the camera.

    positions (F,J,3) and root (F,3) in ``units``: "m", or "arbitrary" (1 is ``unit_length``); the floor is at Y = 0,
    under a hand alone the lowest place of its joints; NaN where a frame's flags are all ABSENT. confidence (F,J);
    flag (F,J); foot_contact (F,2) bool, left and right; time_s (F,). The root's path, the floor and the contacts are
    approximate.
    """

    positions: np.ndarray
    root: np.ndarray
    confidence: np.ndarray
    flag: np.ndarray
    time_s: np.ndarray
    units: str
    skeleton: Skeleton
    foot_contact: np.ndarray
    fps: float
    pitch_deg: float
    notes: tuple[str, ...] = field(default=())
    """What was assumed or is approximate, for the report."""

    @property
    def unit_length(self) -> str:
        """What 1 is where units are arbitrary: height of the person, or length of a hand alone."""
        return "hand's length" if is_one_hand(self.skeleton) else "person's height"

    @property
    def num_frames(self) -> int:
        """Frames of the video F."""
        return len(self.positions)

    @property
    def present(self) -> np.ndarray:
        """(F,) bool: frames in which the person is known."""
        return (self.flag != Flag.ABSENT).any(-1)

    def save(self, path: str | Path) -> None:
        """Write as npz."""
        save_npz(
            path,
            {
                "positions": self.positions.astype(np.float32),
                "root": self.root.astype(np.float32),
                "confidence": self.confidence.astype(np.float32),
                "flag": self.flag.astype(np.uint8),
                "foot_contact": self.foot_contact.astype(bool),
                "time_s": self.time_s.astype(np.float64),
                "joints": np.array(self.skeleton.joints),
                "joint_format": self.skeleton.name,
                "units": self.units,
                "fps": self.fps,
                "pitch_deg": self.pitch_deg,
                "notes": np.array(self.notes, dtype=str),
            },
        )

    @classmethod
    def load(cls, path: str | Path, skeleton: Skeleton | None = None) -> WorldMotion:
        """Read what ``save`` wrote; raises ``UserError`` for another file.

        A joint format of the user's own, which no name finds, is given as ``skeleton``. A body with hands
        ("H36M-17+Hand-21") is made anew from the names of its parts.
        """
        arrays = ("positions", "root", "confidence", "flag", "foot_contact", "time_s")
        stored = load_npz(path, (*arrays, "joint_format", "units", "fps", "pitch_deg", "notes"))
        return cls(
            **{name: stored[name] for name in arrays},
            units=str(stored["units"]),
            skeleton=skeleton or load_union(str(stored["joint_format"])),
            fps=float(stored["fps"]),
            pitch_deg=float(stored["pitch_deg"]),
            notes=tuple(map(str, stored["notes"])),
        )


def save_npz(path: str | Path, arrays: dict[str, Any]) -> None:
    """Write a compressed npz, whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_npz(path: str | Path, needed: Sequence[str]) -> dict[str, np.ndarray]:
    """Arrays of an npz (no pickles in it); raises ``UserError`` for a broken file or one that lacks a needed array."""
    try:
        with np.load(path, allow_pickle=False) as file:
            stored = dict(file)
    except Exception as error:  # a damaged archive can raise nearly anything
        raise UserError(f"cannot read {path}: {error}") from None
    lacking = [name for name in needed if name not in stored]
    if lacking:
        raise UserError(f"{path} lacks {', '.join(lacking)}: it was written by something else")
    return stored
