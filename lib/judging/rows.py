"""Errors of a lifter's poses, frame by frame and by group, as rows of one long table.

Letters: F frames, J joints, V videos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lib import metrics
from lib.data.motion import Motion
from lib.errors import UserError
from lib.evaluate import POSE_MEASURES, truth_mm
from lib.judging.breakdowns import Groups
from lib.skeleton import Skeleton

ACCELERATION, MEASURED = "acceleration_m_per_s2", "mpjpe_measured_joints_mm"
MEASURES = {
    **{key: f"{heading} mm" for key, (heading, _) in POSE_MEASURES.items()},
    MEASURED: "without derived",
    ACCELERATION: "accel. m/s2",
}
ALL, CLIP_LENGTH, FRAME_RATE, VIEW = "all", "clip_length", "frame_rate", "view_angle"
COMMON = "common_joints"  # all frames, on the joints alone that a detector has which tells 3D by itself
WHOLE = (ALL, COMMON)
FEW, LEAST = 0.01, 50  # share and number of frames that a view must have to be called the worst
VIEW_AIM = 0.15
# the baseline that stands beside the lifters in each view: how much there is to know of depth differs between views
YARDSTICK = "mean_depth"


@dataclass(frozen=True)
class Row:
    """Mean errors (NaN where not defined) of one lifter on one input, in the frames of one group."""

    set: str
    lifter: str
    joint_format: str
    input: str
    by: str
    group: str
    frames: int
    errors: Mapping[str, float]

    @property
    def column(self) -> str:
        """What the row's numbers stand under in a table."""
        return f"{self.lifter} {self.input}"

    def cells(self) -> dict[str, str | int | float]:
        """The row flat, in the order of the CSV."""
        own = ("set", "lifter", "joint_format", "input", "by", "group", "frames")
        return {key: getattr(self, key) for key in own} | dict(self.errors)


@dataclass(frozen=True, eq=False)
class FrameErrors:
    """Errors of each frame by measure, (F,), NaN where not defined; rows of any grouping are made from them."""

    labels: Mapping[str, str]
    errors: Mapping[str, np.ndarray]
    kept: np.ndarray

    def row(self, by: str = ALL, group: str = ALL, frames: np.ndarray | None = None) -> Row:
        """Means over the frames (F,) bool that are kept."""
        used = self.kept if frames is None else self.kept & frames
        means = {key: _mean(values[used]) for key, values in self.errors.items()}
        return Row(**self.labels, by=by, group=group, frames=int(used.sum()), errors=means)

    def rows_of(self, by: str, groups: Groups) -> list[Row]:
        """One row for each group with frames."""
        rows = [self.row(by, name, groups.codes == code) for code, name in enumerate(groups.names)]
        return [row for row in rows if row.frames]


def frame_errors(
    joints_mm: np.ndarray,
    motion: Motion,
    skeleton: Skeleton,
    kept: np.ndarray,
    joints: np.ndarray | None = None,
    **labels: str,
) -> FrameErrors:
    """Compare root-relative poses (F,J,3) mm with the labels of a motion; acceleration is that of a second.

    ``joints``: numbers of those that count, all if not given.

    Errors of acceleration per frame step grow with the square of the time between frames; those per second squared
    compare over frame rates. They are NaN where the set does not tell its rate, and so is the mean without derived
    joints where it has none. No frame ``kept`` (F,) raises ``UserError``, and so does a pose kept that is not finite.
    """
    if not kept.any():
        raise UserError(
            "no frame is left to judge by: the person was found in none, or skip_sources leaves none"
        )
    counted = np.arange(skeleton.num_joints) if joints is None else joints
    measured = [joint for joint in counted if skeleton.joints[joint] not in motion.derived_joints]
    truth = truth_mm(motion, skeleton)
    pair = joints_mm[:, counted], truth[:, counted]
    broken = kept & ~np.isfinite(pair[0]).all((1, 2))
    if broken.any():
        raise UserError(f"the prediction is not finite on {int(broken.sum())} of {int(kept.sum())} frames")
    errors = {key: measure(*pair) for key, (_, measure) in POSE_MEASURES.items()}
    errors[MEASURED] = (
        metrics.mpjpe(joints_mm[:, measured], truth[:, measured])
        if motion.derived_joints
        else np.full(len(kept), np.nan)
    )
    per_step = metrics.acceleration_error(*pair, motion.videos)
    errors[ACCELERATION] = per_step * (motion.fps or np.nan) ** 2 / 1000.0
    return FrameErrors({**labels, "joint_format": skeleton.name}, errors, kept)


@dataclass(frozen=True)
class WorstView:
    """The sector in which a lifter is worst, by MPJPE, and its excess over the mean of all frames as a share."""

    set: str
    lifter: str
    input: str
    view: str
    mpjpe_mm: float
    excess: float

    def text(self) -> str:
        """One line for a reader."""
        met = "met" if self.excess <= VIEW_AIM else "missed"
        return (
            f"{self.lifter} {self.input}: worst where the person faces '{self.view}', {self.mpjpe_mm:.1f} mm, "
            f"{self.excess:+.0%} of the mean (aim at most +{VIEW_AIM:.0%}: {met})"
        )


def worst_views(rows: Sequence[Row]) -> list[WorstView]:
    """For each set, lifter (no yardstick) and input the worst view angle among those with 1 % of the frames and 50."""
    found = []
    for whole in (row for row in rows if row.by == ALL and row.lifter != YARDSTICK):
        key = (whole.set, whole.lifter, whole.input)
        views = [
            row
            for row in rows
            if row.by == VIEW
            and (row.set, row.lifter, row.input) == key
            and row.frames >= max(FEW * whole.frames, LEAST)
        ]
        if views:
            worst = max(views, key=lambda row: row.errors["mpjpe_mm"])
            error = worst.errors["mpjpe_mm"]
            found.append(WorstView(*key, worst.group, error, error / whole.errors["mpjpe_mm"] - 1))
    return found


def _mean(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")
