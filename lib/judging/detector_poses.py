"""3D that a detector tells by itself, beside the lifters of its 2D and on the joints that both have.

Letters: F frames, J joints of a set, K joints of the detector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lib.comparison.joints import shared_root
from lib.data.motion import Motion
from lib.errors import UserError
from lib.files import load_pickle
from lib.judging.breakdowns import Groups
from lib.judging.rows import COMMON, Row, frame_errors
from lib.skeleton import Conversion, Skeleton, conversion, load_skeleton


@dataclass(frozen=True, eq=False)
class DetectorPoses:
    """Poses (F,J,3) mm in camera axes, brought into a set's format by ``made``; NaN where nobody was found."""

    name: str
    own_format: str
    skeleton: Skeleton
    made: Conversion
    joints_mm: np.ndarray

    @cached_property
    def found(self) -> np.ndarray:
        """Frames (F,) bool with a person."""
        return np.isfinite(self.joints_mm[:, self.made.exact]).all((1, 2))

    @cached_property
    def rooted(self) -> Skeleton:
        """The set's format with a root that the detector has exactly: its own, else the middle of the hips."""
        exact = [self.skeleton.canonical[joint] for joint in np.flatnonzero(self.made.exact)]
        _, root = shared_root(self.skeleton, exact)
        return self.skeleton.with_root(
            *(self.skeleton.joints[self.skeleton.canonical.index(name)] for name in root)
        )

    def select(self, frames: Any) -> DetectorPoses:
        """The frames of a slice, index array or mask, in that order."""
        return replace(self, joints_mm=self.joints_mm[frames])

    def rows(self, motion: Motion, kept: np.ndarray, groups: Mapping[str, Groups], name: str) -> list[Row]:
        """Rows beside those of lifters, for a set of that name: the whole, its groups, and the common joints.

        There is no row on all joints if the detector lacks some.
        """
        labels = {"set": name, "lifter": self.name, "input": "given"}
        rows = []
        if not self.made.missing.any():
            joints_mm = self.joints_mm - self.skeleton.root_of(self.joints_mm)
            errors = frame_errors(joints_mm, motion, self.skeleton, kept & self.found, **labels)
            rows = [errors.row()]
            for by, found in groups.items():
                rows += errors.rows_of(by, found)
        return [*rows, self.common_row(self.joints_mm, motion, kept, labels)]

    def common_row(
        self, joints_mm: np.ndarray, motion: Motion, kept: np.ndarray, labels: dict[str, str]
    ) -> Row:
        """Anybody's poses (F,J,3) mm of the set's format on the joints and frames that the detector has."""
        # as NaN, frames without the person leave the accelerations around them undefined for everybody
        joints_mm = np.where(self.found[:, None, None], joints_mm, np.nan)
        joints_mm = joints_mm - self.rooted.root_of(joints_mm)
        exact = np.flatnonzero(self.made.exact)
        errors = frame_errors(joints_mm, motion, self.rooted, kept & self.found, joints=exact, **labels)
        return errors.row(COMMON, self.own_format)

    def notes(self) -> list[str]:
        """What a reader of the rows must know."""
        joints, made = np.array(self.skeleton.joints), self.made
        notes = [
            f"{self.name}: the detector's own 3D in its own metres, while lifters are given the scale of the labels: "
            "compare N-MPJPE and P-MPJPE, too",
            f"{made.exact.sum()} of {len(joints)} joints are exact in {self.own_format}: in the table on these, poses "
            f"are relative to {' and '.join(self.rooted.root)}",
        ]
        if len(approximate := joints[~made.exact & ~made.missing]):
            notes.append(f"{self.name}: approximate in the table on all joints are {', '.join(approximate)}")
        if made.missing.any():
            notes.append(
                f"{self.name} stands in no table on all joints: it has no {', '.join(joints[made.missing])}"
            )
        return notes


def read_detector_poses(path: Path, split: str, skeleton: Skeleton) -> DetectorPoses | None:
    """The detector's own 3D in a split of a data pickle, in a set's joint format; None if there is none.

    Raises ``UserError`` for one of another shape than its format and the frames of the split demand.
    """
    data = load_pickle(path)[split]
    if "detector_3d" not in data:
        return None
    where = f"{path}: detector_3d of split '{split}'"
    if "detector_3d_format" not in data:
        raise UserError(
            f"{where} has no joint format: say it as detector_3d_format, for example MediaPipe-33"
        )
    own = load_skeleton(data["detector_3d_format"])
    joints_mm = np.asarray(data["detector_3d"], np.float64)
    expected = (len(data["joint_2d"]), own.num_joints, 3)
    if joints_mm.shape != expected:
        raise UserError(f"{where} has shape {joints_mm.shape}, expected {expected} for {own.name}")
    made = conversion(own, skeleton, allow_missing=True, log=False)
    if made.exact.sum() < 2:
        raise UserError(f"{where}: {own.name} and {skeleton.name} have fewer than two joints in common")
    name = f"{data.get('detector', 'detector')}_3d"
    return DetectorPoses(name, own.name, skeleton, made, made.apply(joints_mm)[0])
