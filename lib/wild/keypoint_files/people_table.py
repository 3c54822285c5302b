"""What a layout of keypoint files holds, before its joint format is known, and the table that layouts are filed in.

Letters: R rows, one for each person of each frame; J joints.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lib.errors import UserError
from lib.registry import Registry


@dataclass(frozen=True, eq=False, kw_only=True)
class PeopleTable:
    """keypoints (R,J,3) of x px, y px, confidence; frame (R,) as numbered in the file; ids (R,) if it has them.

    sides (R,): of hands, "left", "right" or None.
    """

    keypoints: np.ndarray
    frame: np.ndarray
    ids: np.ndarray | None = None
    sides: np.ndarray | None = None
    first: int = 0
    """Number of the first frame."""
    last: int | None = None
    """Number of the last frame where the layout lists frames without people too, else None."""
    joint_format: str | None = None
    """Where the layout has only one, or says it."""
    is_usual_only: bool = False
    """The layout does not say its joint format: it is the usual one for so many points."""
    joint_names: Sequence[str] = ()
    """Where the file names its joints."""


class Layout(Protocol):
    """One layout of keypoint files."""

    title: str
    """How its users call it."""

    @staticmethod
    def recognises(path: Path, content: Any) -> bool:
        """Whether a file is of this layout.

        content: what JSON holds, an array, the set of names in an npz, or None for a folder.
        """
        ...

    @staticmethod
    def read(path: Path, content: Any) -> PeopleTable:
        """What is in it; raises ``UserError``, or KeyError, TypeError and the like where it is damaged."""
        ...


KEYPOINT_READERS: Registry[type[Layout]] = Registry("keypoint file layout")


def number_array(rows: Sequence[Any], path: Path) -> np.ndarray:
    """(R,...) float32 of equally long lists of numbers, one a person; a null becomes NaN."""
    if not rows:
        return np.zeros((0, 3), np.float32)
    try:
        with np.errstate(over="ignore"):  # too big for float32: infinite, which counts as missing
            return np.array(rows, np.float32)
    except (ValueError, TypeError, OverflowError):
        lengths = sorted({len(row) for row in rows if isinstance(row, list)})
        if len(lengths) > 1:
            raise UserError(
                f"{path}: people with {lengths[0]} and with {lengths[-1]} numbers: all must have the same joints"
            ) from None
        raise UserError(f"{path}: a person's keypoints must be a list of numbers") from None


def triplets(rows: Sequence[Any], path: Path) -> np.ndarray:
    """(R,J,3) of flat lists x, y, confidence, x, y, confidence, ..."""
    flat = number_array(rows, path)
    if flat.ndim != 2 or flat.shape[1] % 3:
        raise UserError(f"{path}: a person's keypoints must be a flat list of x, y, confidence of each joint")
    return flat.reshape(len(flat), flat.shape[1] // 3, 3)


def frame_numbers(images: Sequence[Any], path: Path) -> tuple[np.ndarray, int]:
    """Frame of each image, given by number or by file name, and the number of the first frame.

    Tools that take a video apart by themselves number from 0 (AlphaPose: "0.jpg"). Pictures with other names come
    from programs that number from 1 (FFmpeg: "frame_0001.jpg"), so with these 1 is the first frame if 0 is absent.
    """
    number_of: dict[Any, int] = {}
    named = False
    for image in dict.fromkeys(images):
        if not isinstance(image, str):
            number_of[image] = int(image)
            continue
        name = image.replace("\\", "/").rpartition("/")[2]
        stem = name.rpartition(".")[0] or name
        digits = re.findall(r"\d+", stem) or re.findall(r"\d+", name)
        if not digits:
            raise UserError(f"{path}: the image name '{image}' holds no number that tells its frame")
        number_of[image] = int(digits[-1])
        named = named or not stem.isdecimal()
    if len(set(number_of.values())) < len(number_of):
        raise UserError(f"{path}: several images have the same number in their names: is it one video?")
    first = 1 if named and min(number_of.values()) == 1 else 0
    return np.array([number_of[image] for image in images], object), first


def integers(values: Sequence[Any]) -> np.ndarray | None:
    """(R,) ids of people; None if any is absent or no number. Lists of one number count as that number."""
    try:
        return np.array([int(value[0] if isinstance(value, list) else value) for value in values], np.int64)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
