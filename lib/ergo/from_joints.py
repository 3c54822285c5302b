"""Angle series in degrees, as the posture scores take them, from joints in 3D.

Letters: F frames, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import uniform_filter1d

from lib.angles import angle_names, approximate_angles, joint_angles, missing_angles
from lib.ergo.posture import SIDES
from lib.errors import UserError
from lib.skeleton import Skeleton

NEEDED = ("trunk_flexion", "left_shoulder_elevation", "right_shoulder_elevation")
SCORED = (
    *("trunk_flexion", "trunk_lateral", "back_rotation", "neck_flexion", "neck_lateral", "neck_rotation"),
    *(
        "head_flexion",
        "shoulder_elevation",
        "shoulder_horizontal_abduction",
        "shoulder_rotation",
        "shoulder_raise",
    ),
    *("elbow_flexion", "wrist_flexion", "wrist_deviation", "forearm_pronation", "knee_flexion"),
)
"""Names, of sided ones without the side, that some score reads."""


def check_can_score(skeleton: Skeleton) -> None:
    """Raise ``UserError`` for a joint format whose points do not give the trunk's inclination and the upper arms."""
    names = angle_names(skeleton, "paper")
    lacking = [name for name in NEEDED if name not in names]
    if lacking:
        reasons = missing_angles(skeleton, "paper")
        why = "; ".join(f"{name} {reasons.get(name, 'is not defined')}" for name in lacking)
        raise UserError(
            f"posture scores need a whole body, but the joint format {skeleton.name} lacks: {why}"
        )


def posture_angles(
    joints: np.ndarray,
    skeleton: Skeleton,
    up: Sequence[float] | np.ndarray,
    *,
    fps: float,
    smooth_s: float = 0.0,
) -> dict[str, np.ndarray]:
    """Angle name -> (F,) degrees of joints (F,J,3) in any unit; NaN where undefined or a joint is NaN.

    Both conventions of the shoulder, and ``{side}_hand_lateral``: the wrist's distance from the body's midline in half
    shoulder widths, positive on its own side. smooth_s: angles are the mean direction over so many seconds around each
    frame (the joints stay as they are).
    """
    check_can_score(skeleton)
    joints = np.asarray(joints, np.float64)
    angles: dict[str, np.ndarray] = {}
    for convention in ("paper", "VEHS"):
        for name, values in joint_angles(joints, skeleton, up=up, convention=convention).items():
            angles.setdefault(name, values)
    angles = {name: np.degrees(mean_direction(values, fps, smooth_s)) for name, values in angles.items()}
    return angles | hand_places(joints, skeleton)


def approximations(skeleton: Skeleton) -> list[str]:
    """Lines that say which of the scored angles stand on other points than their definition asks for."""
    used = [
        name
        for name in dict.fromkeys(
            (*approximate_angles(skeleton, "paper"), *approximate_angles(skeleton, "VEHS"))
        )
        if name.removeprefix("left_").removeprefix("right_") in SCORED
    ]
    if not used:
        return []
    return [
        f"{skeleton.name} lacks points of the definitions of {', '.join(used)}: others stand in, with some bias"
    ]


def mean_direction(angle: np.ndarray, fps: float, window_s: float) -> np.ndarray:
    """Centred mean of angles (F,) radians over a window, around the circle; unknown frames stay so and do not count."""
    window = 2 * int(window_s * fps / 2) + 1
    if window <= 1:
        return angle
    known = np.isfinite(angle)
    turned = [
        uniform_filter1d(np.where(known, turn(np.where(known, angle, 0.0)), 0.0), window, mode="constant")
        for turn in (np.sin, np.cos)
    ]
    return np.where(known, np.arctan2(*turned), np.nan)


def hand_places(joints: np.ndarray, skeleton: Skeleton) -> dict[str, np.ndarray]:
    """``{side}_hand_lateral`` (F,) of joints (F,J,3), for the sides whose points the format has."""
    number = {name: skeleton.index_canonical(name) for name in ("left_shoulder", "right_shoulder")}
    if None in number.values():
        return {}
    left, right = (joints[:, number[f"{side}_shoulder"]] for side in SIDES)
    across = right - left
    with np.errstate(invalid="ignore", divide="ignore"):
        half_squared = (across**2).sum(-1) / 2
        places = {}
        for side in SIDES:
            wrist = skeleton.index_canonical(f"{side}_wrist")
            if wrist is not None:
                sign = 1 if side == "right" else -1
                reach = ((joints[:, wrist] - (left + right) / 2) * across).sum(-1)
                places[f"{side}_hand_lateral"] = np.where(
                    half_squared > 0, sign * reach / half_squared, np.nan
                )
    return places
