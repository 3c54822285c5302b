"""Gloves in CSV files that come from Rokoko Studio -> joints of one hand in mm, by spellings that are data.

Letters: F frames, J joints of a format of one hand. World axes of the result: right-handed, y up, millimetres.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.data.hand_sides import CLEAR
from lib.data.rokoko_columns import (
    AXES,
    UP_TO_Y,
    Spelling,
    columns_of,
    load_spellings,
    spelling_of,
    what_lacks,
)
from lib.data.worker.anthropometry import FINGER_FRACTIONS
from lib.errors import UserError
from lib.hands import FINGERS, hands_of, right_handedness
from lib.skeleton import Skeleton

PALM_MM = (40.0, 140.0)
"""Distance from the wrist to the knuckle of the middle finger that a hand can have."""
LARGEST_STEP_S = 0.5
"""Gloves are sampled far more often than this; a longer step of time is in milliseconds."""
GAP_STEPS = 1.5
BENT = 0.17
"""Sine of the angle from which on a finger is bent enough to show the axis it bends about."""


@dataclass(frozen=True, eq=False)
class HandTake:
    """One hand of one file: joints (F,J,3) mm, time (F,) s or None, and joints that were made from others.

    row (F,): number of each frame in the file, which jumps where rows were left out.
    """

    side: str
    joints_mm: np.ndarray
    time_s: np.ndarray | None
    derived_joints: tuple[str, ...]
    row: np.ndarray

    def pieces(self) -> list[slice]:
        """Runs of frames without a gap in time or a row left out."""
        apart = np.diff(self.row) > 1
        if self.time_s is not None and len(self.time_s) > 2:
            steps = np.diff(self.time_s)
            apart |= (steps > GAP_STEPS * np.median(steps)) | (steps <= 0)
        bounds = [0, *(np.flatnonzero(apart) + 1).tolist(), len(self.joints_mm)]
        return [slice(start, stop) for start, stop in itertools.pairwise(bounds)]

    def fps(self) -> float | None:
        """Frames per second by the file's time; None where it has none."""
        if self.time_s is None or len(self.time_s) < 2:
            return None
        return float(1.0 / np.median(np.diff(self.time_s)))


def read_rokoko(
    path: str | Path,
    skeleton: Skeleton,
    *,
    sides: Sequence[str] = ("left", "right"),
    spellings: Mapping[str, Spelling] | None = None,
    unit_mm: float | None = None,
    axes: str | None = None,
    skip_frames: int = 0,
) -> list[HandTake]:
    """The hands of a file, each in the joints of a format of one hand; a side that the file lacks is left out.

    ``unit_mm`` and ``axes`` ("left_handed", "right_handed") come before those of the spelling. Rows with an empty cell,
    or a value that is not finite, are left out. Raises ``UserError`` for a file without a hand (naming what a spelling
    lacks), a size that no hand has, and a hand that is the mirror image of what its columns are called.
    """
    path, spellings = Path(path), spellings or load_spellings()
    header, delimiter = _header(path)
    found = ((spelling_of(header, side, spellings), side) for side in sides)
    takes = [(spelling, side) for spelling, side in found if spelling is not None]
    if not takes:
        raise UserError(f"{path} {what_lacks(header, sides, spellings)}")
    wanted = sorted({column for spelling, side in takes for column in columns_of(spelling, side, header)})
    try:
        table = np.loadtxt(
            path,
            delimiter=delimiter,
            skiprows=1,
            usecols=[header.index(column) for column in wanted],
            ndmin=2,
            quotechar='"',
            converters=_number,
            encoding="utf-8-sig",
        )[skip_frames:]
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: {error}") from None
    values = dict(zip(wanted, table.T, strict=True))
    return [_take(path, values, spelling, side, skeleton, unit_mm, axes) for spelling, side in takes]


def _number(cell: str) -> float:
    """Value of a cell, NaN of an empty one."""
    return float(cell) if cell.strip() else np.nan


def _header(path: Path) -> tuple[list[str], str]:
    """Names of the columns in lower case, and what stands between them."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}") from None
    delimiter = max(",;\t", key=line.count)
    return [name.strip().lower() for name in next(csv.reader([line], delimiter=delimiter), [])], delimiter


def _take(
    path: Path,
    values: Mapping[str, np.ndarray],
    spelling: Spelling,
    side: str,
    skeleton: Skeleton,
    unit_mm: float | None,
    axes: str | None,
) -> HandTake:
    points = {
        name: np.stack([values[column] for column in spelling.columns(point, side)], axis=-1)
        for name, point in spelling.points.items()
    }
    angles = {finger: values[column] for finger, column in spelling.angles(side).items() if column in values}
    finite = np.isfinite(np.stack(list(points.values()))).all((0, 2))
    finite &= np.isfinite(np.stack([*angles.values(), np.zeros(len(finite))])).all(0)
    clock = next((values[name] for name in spelling.time if name in values), None)
    if clock is not None:
        finite &= np.isfinite(clock)
    if not finite.any():
        raise UserError(
            f"{path}: the {side} hand has no frame, after skip_frames, in which every value is a number"
        )
    to_world = (unit_mm or spelling.unit_mm) * np.array([1.0, 1.0, AXES[axes or spelling.axes]])
    points = {name: xyz[finite][:, UP_TO_Y[spelling.up]] * to_world for name, xyz in points.items()}
    made = [finger for finger in FINGERS if f"{finger}_tip" not in points]
    for finger in made:
        points[f"{finger}_tip"] = _tip(
            points, finger, side, angles[finger][finite] if finger in angles else None
        )
    (hand,) = hands_of(skeleton)
    bare = [name.removeprefix(f"{hand}_") for name in skeleton.canonical]
    if missing := [name for name in bare if name not in points]:
        raise UserError(
            f"{skeleton.name}: '{missing[0]}' is not in Rokoko's columns; use a format of one hand"
        )
    joints_mm = np.stack([points[name] for name in bare], axis=1)
    _check_size(path, points, side, unit_mm or spelling.unit_mm)
    _check_handedness(path, joints_mm, skeleton, side, axes or spelling.axes)
    time_s = None if clock is None else _seconds(path, clock[finite])
    tips = [skeleton.joints[bare.index(f"{finger}_tip")] for finger in made]
    return HandTake(side, joints_mm, time_s, tuple(tips), np.flatnonzero(finite))


def _seconds(path: Path, clock: np.ndarray) -> np.ndarray:
    """Time in s of a column that is in milliseconds as Rokoko says, or in s as its steps show."""
    step = float(np.median(np.diff(clock))) if len(clock) > 1 else 1.0
    if not step > 0:
        raise UserError(f"{path}: the column of time does not rise")
    return clock * (1.0 if step < LARGEST_STEP_S else 1e-3)


def _tip(
    points: Mapping[str, np.ndarray], finger: str, side: str, flexion_deg: np.ndarray | None
) -> np.ndarray:
    """Tip (F,3) of a finger whose file ends at the last joint: mean proportions, bent by the angle of that joint.

    Proportions of the phalanges: Buchholz et al. (1992). Without the angle two thirds of that of the joint before,
    as fingers usually bend (Rijpkema & Girard 1991).
    """
    chain = ("cmc", "mcp", "ip") if finger == "thumb" else ("mcp", "pip", "dip")
    base, middle, last = (points[f"{finger}_{part}"] for part in chain)
    before, along = _unit(middle - base), last - middle
    length = (
        np.linalg.norm(along, axis=-1, keepdims=True)
        * FINGER_FRACTIONS[finger][-1]
        / FINGER_FRACTIONS[finger][-2]
    )
    along = _unit(along)
    palmar = np.cross(points["index_mcp"] - points["hand_wrist"], points["pinky_mcp"] - points["hand_wrist"])
    palmar = _unit(palmar) * (1.0 if side == "right" else -1.0)
    bent = -_across(before, along)
    sine = np.linalg.norm(bent, axis=-1, keepdims=True)
    towards = _unit(np.where(sine > BENT, bent, _across(palmar, along)))
    if flexion_deg is None:
        cosine = (before * along).sum(-1)
        flexion_deg = np.degrees(2.0 / 3.0 * np.arctan2(sine[:, 0], cosine))
    angle = np.radians(flexion_deg)[:, None]
    return last + length * (np.cos(angle) * along + np.sin(angle) * towards)


def _across(vector: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """The part of vectors (F,3) that is perpendicular to unit vectors."""
    return vector - (vector * unit).sum(-1, keepdims=True) * unit


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-12)


def _check_size(path: Path, points: Mapping[str, np.ndarray], side: str, unit_mm: float) -> None:
    palm_mm = float(np.median(np.linalg.norm(points["middle_mcp"] - points["hand_wrist"], axis=-1)))
    if not PALM_MM[0] < palm_mm < PALM_MM[1]:
        fits = [
            f"{unit:g}"
            for unit in (1000.0, 10.0, 1.0, 25.4)
            if PALM_MM[0] < palm_mm / unit_mm * unit < PALM_MM[1]
        ]
        hint = f"rokoko.unit_mm: {fits[0]} would fit" if fits else "is it a hand at all?"
        raise UserError(
            f"{path}: the palm of the {side} hand is {palm_mm:.4g} mm long at {unit_mm:g} mm a unit, expected "
            f"{PALM_MM[0]:g} to {PALM_MM[1]:g}; {hint}"
        )


def _check_handedness(path: Path, joints_mm: np.ndarray, skeleton: Skeleton, side: str, axes: str) -> None:
    (hand,) = hands_of(skeleton)
    looks = float(np.median(right_handedness(joints_mm, skeleton, hand))) * (1 if side == "right" else -1)
    if looks < -CLEAR:
        other = next(name for name in AXES if name != axes)
        raise UserError(
            f"{path}: read in {axes.replace('_', '-')} axes the {side} hand is the mirror image of one (thumb and "
            f"bent fingers on the back of the palm); write rokoko.axes: {other}, or exchange the columns of the sides"
        )
