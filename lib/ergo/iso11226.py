"""ISO 11226:2000, static working postures, written from memory of the standard (unverified).

Each frame is acceptable, acceptable for a limited time, or not recommended; a limited posture becomes not recommended
when a continuous hold has used up its holding time. Postures that last a moment only are movements and not rated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lib.ergo.holds import UNKNOWN, consumed, longest_s, runs_of
from lib.ergo.inputs import TaskInputs
from lib.ergo.limits import load_limits
from lib.ergo.posture import SIDES, Arm, Posture
from lib.ergo.result import METHODS, MethodResult, make_result, masked_level, steady_level

FINE, LIMITED, NOT = 0, 1, 2


@METHODS.register("iso11226")
def iso11226(posture: Posture, inputs: TaskInputs) -> MethodResult:
    """Level of each part and side and the worst of them; holds are those between breaks, rest is not counted."""
    stock, limits = load_limits("iso11226"), posture.thresholds
    zero = limits["zero_deg"]
    holds: dict[str, float] = {}

    def held(
        part: str, angle: np.ndarray, known: np.ndarray, supported: bool, rule: dict[str, Any]
    ) -> np.ndarray:
        """Level by angle, and by how long it is held where the angle is limited and not supported."""
        level = np.select([angle <= rule["from_deg"], angle <= rule["to_deg"]], [FINE, LIMITED], NOT)
        in_hold = steady_level(masked_level(level, known), posture.fps, limits) >= LIMITED
        holds[f"{part} bent, longest hold in s"] = round(longest_s(in_hold, posture.fps), 3)
        if supported:
            return np.where(level == LIMITED, FINE, level)
        share = (np.clip(angle, rule["from_deg"], rule["to_deg"]) - rule["from_deg"]) / (
            rule["to_deg"] - rule["from_deg"]
        )
        limit_s = 60 * (rule["from_min"] + share * (rule["to_min"] - rule["from_min"]))
        used = consumed(in_hold, limit_s, posture.fps)
        holds[f"{part} bent, share of the holding time used"] = round(float(used.max(initial=0)), 4)
        return np.where((level == LIMITED) & (used > 1), NOT, level)

    trunk = held("trunk", posture.trunk_flexion, posture.known, inputs.trunk_supported, stock["trunk"])
    leans_back = posture.trunk_flexion < -zero
    asymmetric = (np.abs(posture.trunk_rotation) > limits["twist_deg"]) | (
        np.abs(posture.trunk_lateral) > limits["side_bend_deg"]
    )
    trunk[(leans_back & (not inputs.trunk_supported)) | asymmetric] = NOT
    head = held(
        "head", posture.head_flexion, posture.head_known & posture.known, inputs.head_supported, stock["head"]
    )
    head[(posture.head_flexion < -zero) & (not inputs.head_supported)] = NOT
    neck = np.where(
        (posture.neck_flexion < -zero) | (posture.neck_flexion > stock["neck_flexion_deg"]), NOT, FINE
    )
    frames = {
        "trunk": trunk,
        "head": masked_level(head, posture.head_known),
        "neck": masked_level(neck, posture.neck_known),
    }
    for side in SIDES:
        arm = posture.arms[side]
        level = held(
            f"{side} upper arm",
            arm.elevation,
            arm.known & posture.known,
            inputs.arms_supported,
            stock["upper_arm"],
        )
        level[(arm.is_back & (arm.elevation > zero)) | (arm.raised > limits["raised_deg"])] = NOT
        frames[f"upper_arm_{side}"] = np.where(arm.known, level, UNKNOWN)
        frames[f"joints_{side}"] = np.where(_is_extreme(arm, posture), NOT, FINE)
        frames[f"knee_{side}"] = _knee(posture, side, inputs, stock, leans_back)
    frames = {name: _lasting(masked_level(level, posture.known), posture) for name, level in frames.items()}
    worst = np.max(list(frames.values()), axis=0)
    notes = (
        f"ISO 11226 is about static postures: what lasts shorter than {limits['static_posture_s']:g} s is not rated. "
        "Its limits were written from memory.",
        "A hold that changes its angle uses up, frame by frame, the part of the holding time that belongs to the "
        "angle; recovery between holds is not rated.",
    )
    return make_result("iso11226", posture, {"level": worst, **frames}, notes=notes, more=holds)


def _lasting(level: np.ndarray, posture: Posture) -> np.ndarray:
    """Levels (F,) in which a posture that is left again soon, a movement, is acceptable."""
    _, lengths = runs_of(steady_level(level, posture.fps, posture.thresholds) >= LIMITED)
    is_long = np.repeat(lengths >= posture.thresholds["static_posture_s"] * posture.fps - 1e-6, lengths)
    return np.where(is_long, level, np.minimum(level, FINE))


def _is_extreme(arm: Arm, posture: Posture) -> np.ndarray:
    limits = posture.thresholds
    return (
        (arm.elbow > limits["elbow_extreme_deg"])
        | (np.abs(arm.pronation) > limits["forearm_extreme_deg"])
        | (np.abs(arm.wrist_flexion) > limits["wrist_extreme_deg"])
        | (np.abs(arm.wrist_deviation) > limits["deviation_extreme_deg"])
        | (np.abs(arm.rotation) > limits["arm_rotation_extreme_deg"])
    )


def _knee(
    posture: Posture, side: str, inputs: TaskInputs, stock: dict[str, Any], leans_back: np.ndarray
) -> np.ndarray:
    knee = posture.knee[side]
    if not inputs.sitting:
        return np.where(np.abs(knee) > posture.thresholds["knee_flexed_deg"], NOT, FINE)
    low, high = stock["sitting_knee_deg"]
    is_fine = (knee <= high) & ((knee >= low) | leans_back)
    # an unknown knee is no straight one of a sitting person
    is_fine |= ~np.isfinite(posture.first_of(f"{side}_knee_flexion"))
    return np.where(is_fine, FINE, NOT)
