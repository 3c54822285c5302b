"""RULA: rapid upper limb assessment (McAtamney & Corlett 1993), a score 1 to 7 for each frame and side."""

from __future__ import annotations

from typing import Any

import numpy as np

from lib.ergo.activity import activity_note, activity_of
from lib.ergo.inputs import TaskInputs
from lib.ergo.limits import load_limits, look_up, score_of
from lib.ergo.part_scores import bent_aside, trunk_amount, turned, upper_arm_score
from lib.ergo.posture import SIDES, Arm, Posture
from lib.ergo.result import METHODS, MethodResult, level_of, make_result, worse_side


@METHODS.register("rula")
def rula(posture: Posture, inputs: TaskInputs) -> MethodResult:
    """Score of both sides, the worse counts; the load acts all the time and on the hands that hold it."""
    stock = load_limits("rula")
    activity = activity_of(posture, inputs)
    neck = neck_score(posture, stock)
    trunk = trunk_amount(posture, stock) + turned(posture, "trunk") + bent_aside(posture, "trunk")
    legs = np.full(posture.num_frames, 1 if inputs.legs == "balanced" else 2)
    muscle_d = activity["middle"].static | activity["middle"].repeated
    score_d = look_up(stock["table_b"], neck, trunk, legs) + muscle_d + force_score(inputs, stock)
    columns: dict[str, np.ndarray] = {}
    sides = {}
    for side in SIDES:
        arm = posture.arms[side]
        parts = arm_scores(posture, arm, inputs, stock)
        holds_load = inputs.load_side in ("both", side)
        muscle = activity[side].static | activity[side].repeated
        score_c = look_up(stock["table_a"], *parts.values()) + muscle
        score_c = score_c + (force_score(inputs, stock) if holds_load else 0)
        sides[side] = look_up(stock["table_c"], score_c, score_d)
        columns |= {f"{part}_{side}": posture.scored(score, arm.known) for part, score in parts.items()}
        columns[f"muscle_use_{side}"] = posture.scored(muscle, arm.known)
        columns[f"score_c_{side}"] = posture.scored(score_c, arm.known)
    sides, score = worse_side(posture, sides)
    middle = {"neck": neck, "trunk": trunk, "legs": legs, "muscle_use": muscle_d, "score_d": score_d}
    frames = {
        "score_left": sides["left"],
        "score_right": sides["right"],
        "score": score,
        "level": level_of(score, stock["score_levels"]),
        **columns,
        **{name: posture.scored(values) for name, values in middle.items()},
    }
    return make_result("rula", posture, frames, notes=(activity_note(inputs),))


def arm_scores(
    posture: Posture, arm: Arm, inputs: TaskInputs, stock: dict[str, Any]
) -> dict[str, np.ndarray]:
    """upper_arm 1 to 6, lower_arm 1 to 3, wrist 1 to 4, wrist_twist 1 or 2; (F,) each."""
    limits = posture.thresholds
    lower = 2 - ((arm.elbow >= stock["lower_arm_deg"][0]) & (arm.elbow <= stock["lower_arm_deg"][1]))
    lower = lower + ((arm.hand < limits["hand_across_ratio"]) | (arm.hand > limits["hand_out_ratio"]))
    bend = np.abs(arm.wrist_flexion)
    wrist = score_of(bend, [limits["zero_deg"], *stock["wrist_deg"]])
    return {
        "upper_arm": upper_arm_score(posture, arm, inputs, stock),
        "lower_arm": lower,
        "wrist": wrist + (np.abs(arm.wrist_deviation) > limits["deviated_deg"]),
        "wrist_twist": 1 + (np.abs(arm.pronation) > limits["wrist_twisted_deg"]),
    }


def neck_score(posture: Posture, stock: dict[str, Any]) -> np.ndarray:
    """1 to 6 (F,)."""
    score = score_of(posture.neck_flexion, stock["neck_deg"])
    score = np.where(posture.neck_flexion < -posture.thresholds["zero_deg"], 4, score)
    return score + turned(posture, "neck") + bent_aside(posture, "neck")


def force_score(inputs: TaskInputs, stock: dict[str, Any]) -> int:
    """0 to 3 for the load."""
    low, high = stock["load_kg"]
    if inputs.load_kg > high or inputs.shock:
        return 3
    if inputs.load_kg < low:
        return 0
    return 1 if inputs.load_kind == "intermittent" else 2
