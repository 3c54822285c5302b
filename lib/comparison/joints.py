"""Joints that formats share by their anatomical names, and errors of them in mm.

Letters: G moments, J joints, P points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lib import metrics
from lib.pose_result import PoseResult
from lib.skeleton import Skeleton, conversion

# Measures of joints in mm: key -> (heading, function of (prediction, truth), needs the same axes, needs the same unit).
JOINT_MEASURES: dict[str, tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray], bool, bool]] = {
    "mpjpe_mm": ("MPJPE", metrics.mpjpe, True, True),
    "n_mpjpe_mm": ("N-MPJPE", metrics.n_mpjpe, True, False),
    "p_mpjpe_mm": ("P-MPJPE", metrics.p_mpjpe, False, False),
}
ROOTS = (("hip_center",), ("left_hip", "right_hip"), ("pelvis",))
Points = dict[str, np.ndarray]
"""Anatomical name -> weights (J,) over the joints of a format that make the point exactly."""


def shared_points(truth: PoseResult, results: Sequence[PoseResult]) -> list[str]:
    """Anatomical points that the truth and all results have, or make exactly from their joints."""
    everybody = (truth, *results)
    skeletons = [each.skeleton for each in everybody]
    first, *others = (_known_points(each, skeletons) for each in everybody)
    return [name for name in first if all(name in other for other in others)]


def exact_points(skeleton: Skeleton, others: Sequence[Skeleton]) -> Points:
    """Points of any of the formats that one of them makes exactly."""
    found: Points = {}
    for other in others:
        made = conversion(skeleton, other, allow_missing=True, log=False)
        for row in np.flatnonzero(made.exact & ~made.missing):
            found.setdefault(other.canonical[row], made.matrix[row].astype(np.float64))
    return found


def _known_points(result: PoseResult, skeletons: Sequence[Skeleton]) -> Points:
    """Points of a result that are known in some frame: a detector may never give a joint of the format."""
    known = np.isfinite(result.joints_mm).all(-1).any(0)
    made = exact_points(result.skeleton, skeletons)
    return {name: weights for name, weights in made.items() if known[weights != 0].all()}


def shared_root(skeleton: Skeleton, common: Sequence[str]) -> tuple[str, Sequence[str]]:
    """What poses are relative to: the truth's root where all have it, else the hips, else the mean of all points."""
    own = tuple(skeleton.canonical[skeleton.index(joint)] for joint in skeleton.root)
    for names in (own, *ROOTS):
        if all(name in common for name in names):
            return " and ".join(names), names
    return "mean of the common joints", common


def joint_errors(
    truth: PoseResult, results: Sequence[PoseResult], points: Sequence[str], root: Sequence[str]
) -> dict[str, dict[str, np.ndarray]]:
    """Errors (G,) of points relative to the root by measure, for each result, as far as its axes and units allow."""
    skeletons = [each.skeleton for each in (truth, *results)]
    wanted = _points_about(truth, skeletons, points, root)
    errors: dict[str, dict[str, np.ndarray]] = {result.name: {} for result in results}
    for result in results if points and truth.units == "mm" else ():
        given = _points_about(result, skeletons, points, root)
        finite = np.isfinite(given).all((1, 2)) & np.isfinite(wanted).all((1, 2))
        for key, (_, measure, needs_axes, needs_unit) in JOINT_MEASURES.items():
            if (needs_axes and {truth.axes, result.axes} != {"camera"}) or (
                needs_unit and result.units != "mm"
            ):
                continue
            errors[result.name][key] = np.full(len(finite), np.nan)
            errors[result.name][key][finite] = measure(given[finite], wanted[finite])
    return errors


def _points_about(
    result: PoseResult, skeletons: Sequence[Skeleton], names: Sequence[str], root: Sequence[str]
) -> np.ndarray:
    """Points (G,P,3) relative to the mean of the root's; a NaN spreads only to what is made of it."""
    made = exact_points(result.skeleton, skeletons)
    points = np.empty((result.num_frames, len(names), 3))
    for column, name in enumerate(names):
        joints = np.flatnonzero(made[name])
        points[:, column] = np.einsum("gjc,j->gc", result.joints_mm[:, joints], made[name][joints])
    return points - points[:, [names.index(name) for name in root]].mean(1, keepdims=True)
