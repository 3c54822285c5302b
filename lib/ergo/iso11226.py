"""ISO 11226:2000, static working postures, written from memory of the standard (unverified).

Each frame is acceptable, acceptable for a limited time, or not recommended; a limited posture becomes not recommended
when a continuous hold has used up its holding time. A posture is static while the joint stays in the zone and still for
long enough; joints that pass through, or swing in it as a walking knee, are movements and not rated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lib.ergo.holds import UNKNOWN, consumed, held_still, longest_s, runs_of
from lib.ergo.inputs import TaskInputs
from lib.ergo.limits import Thresholds, load_limits
from lib.ergo.posture import SIDES, Arm, Posture
from lib.ergo.result import METHODS, MethodResult, make_result, masked_level, steady_level

FINE, LIMITED, NOT = 0, 1, 2


@METHODS.register("iso11226")
def iso11226(posture: Posture, inputs: TaskInputs) -> MethodResult:
    """Level of each part and side and the worst of them; holds are those between breaks, rest is not counted."""
    stock, limits = load_limits("iso11226"), posture.thresholds
    zero = limits["zero_deg"]
    holds: dict[str, float] = {}

    def held(name: str, angle: np.ndarray, zone: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
        """Frames (F,) bool in which an angle is in a zone and held there still: a static posture."""
        known = posture.known if known is None else known & posture.known
        static = _static(angle, zone, known, posture)
        steady = steady_level(masked_level(static.astype(int), known), posture.fps, limits)
        text = f"{name}, longest hold in s"
        holds[text] = max(holds.get(text, 0.0), round(longest_s(steady == 1, posture.fps), 3))
        return static

    def bent(
        part: str, angle: np.ndarray, known: np.ndarray, supported: bool, rule: dict[str, Any]
    ) -> np.ndarray:
        """Level by angle, and by how long it is held where the angle is limited and not supported."""
        is_bent = angle > rule["from_deg"]
        static = held(f"{part} bent", angle, is_bent, known)
        level = np.where(static, np.where(angle <= rule["to_deg"], LIMITED, NOT), FINE)
        if supported:
            return np.where(level == LIMITED, FINE, level)
        share = (np.clip(angle, rule["from_deg"], rule["to_deg"]) - rule["from_deg"]) / (
            rule["to_deg"] - rule["from_deg"]
        )
        limit_s = 60 * (rule["from_min"] + share * (rule["to_min"] - rule["from_min"]))
        # moving on to another angle of the zone ends no hold: only leaving the zone is rest
        in_zone = steady_level(masked_level(is_bent.astype(int), known), posture.fps, limits) == 1
        used = consumed(in_zone, np.where(static, limit_s, np.inf), posture.fps)
        holds[f"{part} bent, share of the holding time used"] = round(float(used.max(initial=0)), 4)
        return np.where((level == LIMITED) & (used > 1), NOT, level)

    flexion, everywhere = posture.trunk_flexion, posture.known
    trunk = bent("trunk", flexion, everywhere, inputs.trunk_supported, stock["trunk"])
    leans_back = flexion < -zero
    if not inputs.trunk_supported:
        trunk[held("trunk leaning back", flexion, leans_back)] = NOT
    twist, side_bend = posture.trunk_rotation, posture.trunk_lateral
    trunk[held("trunk twisted", twist, np.abs(twist) > limits["twist_deg"])] = NOT
    trunk[held("trunk bent to the side", side_bend, np.abs(side_bend) > limits["side_bend_deg"])] = NOT
    flexion, known = posture.head_flexion, posture.head_known & posture.known
    head = bent("head", flexion, known, inputs.head_supported, stock["head"])
    if not inputs.head_supported:
        head[held("head leaning back", flexion, flexion < -zero, known)] = NOT
    flexion, known = posture.neck_flexion, posture.neck_known
    zones = {"neck bent": flexion > stock["neck_flexion_deg"], "neck leaning back": flexion < -zero}
    neck = np.any([held(name, flexion, zone, known) for name, zone in zones.items()], axis=0)
    frames = {
        "trunk": trunk,
        "head": masked_level(head, posture.head_known),
        "neck": masked_level(np.where(neck, NOT, FINE), known),
    }
    for side in SIDES:
        arm, arm_name = posture.arms[side], f"{side} upper arm"
        level = bent(
            arm_name, arm.elevation, arm.known & posture.known, inputs.arms_supported, stock["upper_arm"]
        )
        is_behind = arm.is_back & (arm.elevation > zero)
        level[held(f"{arm_name} behind", arm.elevation, is_behind, arm.known)] = NOT
        level[held(f"{side} shoulder raised", arm.raised, arm.raised > limits["raised_deg"])] = NOT
        frames[f"upper_arm_{side}"] = np.where(arm.known, level, UNKNOWN)
        extreme = [held(f"{side} arm's joints extreme", *zone) for zone in _extremes(arm, limits)]
        frames[f"joints_{side}"] = np.where(np.any(extreme, axis=0), NOT, FINE)
        zone = _bad_knee(posture, side, inputs, stock, leans_back)
        name = f"{side} knee out of the sitting range" if inputs.sitting else f"{side} knee bent"
        frames[f"knee_{side}"] = np.where(held(name, posture.knee[side], zone), NOT, FINE)
    frames = {name: masked_level(level, posture.known) for name, level in frames.items()}
    worst = np.max(list(frames.values()), axis=0)
    notes = (
        "ISO 11226 is about static postures: what is held still, within "
        f"{limits['static_band_deg']:g} degrees, for less than {limits['static_posture_s']:g} s is a movement and not "
        "rated. Its limits were written from memory.",
        "A hold that changes its angle uses up, frame by frame, the part of the holding time that belongs to the "
        "angle; recovery between holds is not rated.",
    )
    return make_result("iso11226", posture, {"level": worst, **frames}, notes=notes, more=holds)


def _static(angle: np.ndarray, zone: np.ndarray, known: np.ndarray, posture: Posture) -> np.ndarray:
    """Frames (F,) bool of a zone in which its angle is held still for as long as makes a posture static."""
    limits = posture.thresholds
    still = held_still(
        np.where(known, angle, np.nan),
        posture.fps,
        at_least_s=limits["static_posture_s"],
        band_deg=limits["static_band_deg"],
        min_duration_s=limits["min_duration_s"],
        max_gap_s=limits["max_gap_s"],
    )
    inside = steady_level(masked_level(np.where(zone & still, 1, 0), known), posture.fps, limits)
    _, lengths = runs_of(inside)
    is_long = np.repeat(lengths >= limits["static_posture_s"] * posture.fps - 1e-6, lengths)
    return zone & still & (inside == 1) & is_long


def _extremes(arm: Arm, limits: Thresholds) -> list[tuple[np.ndarray, np.ndarray]]:
    """Angle (F,) and where it is extreme, of each joint of an arm."""
    joints = {
        "elbow_extreme_deg": arm.elbow,
        "forearm_extreme_deg": np.abs(arm.pronation),
        "wrist_extreme_deg": np.abs(arm.wrist_flexion),
        "deviation_extreme_deg": np.abs(arm.wrist_deviation),
        "arm_rotation_extreme_deg": np.abs(arm.rotation),
    }
    return [(angle, angle > limits[limit]) for limit, angle in joints.items()]


def _bad_knee(
    posture: Posture, side: str, inputs: TaskInputs, stock: dict[str, Any], leans_back: np.ndarray
) -> np.ndarray:
    """Frames (F,) bool in which a knee is bent while standing, or out of the sitting range while sitting."""
    knee = posture.knee[side]
    if not inputs.sitting:
        return np.abs(knee) > posture.thresholds["knee_flexed_deg"]
    low, high = stock["sitting_knee_deg"]
    is_fine = (knee <= high) & ((knee >= low) | leans_back)
    # an unknown knee is no straight one of a sitting person
    return ~is_fine & np.isfinite(posture.first_of(f"{side}_knee_flexion"))
