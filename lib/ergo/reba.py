"""REBA: rapid entire body assessment (Hignett & McAtamney 2000), a score 1 to 15 for each frame and side."""

from __future__ import annotations

from typing import Any

import numpy as np

from lib.ergo.activity import activity_note, activity_of
from lib.ergo.inputs import TaskInputs
from lib.ergo.limits import load_limits, look_up
from lib.ergo.part_scores import bent_aside, trunk_amount, turned, upper_arm_score
from lib.ergo.posture import SIDES, Posture
from lib.ergo.result import METHODS, MethodResult, level_of, make_result, worse_side

COUPLING = {"good": 0, "fair": 1, "poor": 2, "unacceptable": 3}


@METHODS.register("reba")
def reba(posture: Posture, inputs: TaskInputs) -> MethodResult:
    """Score of both sides, the worse counts; load and grip hold for all frames."""
    stock, limits = load_limits("reba"), posture.thresholds
    turns = {part: turned(posture, part) | bent_aside(posture, part) for part in ("neck", "trunk")}
    neck_is_bent = (posture.neck_flexion > stock["neck_deg"]) | (posture.neck_flexion < -limits["zero_deg"])
    neck = 1 + neck_is_bent + turns["neck"]
    trunk = trunk_amount(posture, stock) + turns["trunk"]
    legs = legs_score(posture, inputs, stock)
    low, high = stock["load_kg"]
    load = int(inputs.load_kg >= low) + int(inputs.load_kg > high)
    score_a = look_up(stock["table_a"], neck, trunk, legs) + load + inputs.shock
    activity = activity_of(posture, inputs)
    columns: dict[str, np.ndarray] = {}
    sides = {}
    for side in SIDES:
        arm = posture.arms[side]
        bent = (np.abs(arm.wrist_deviation) > limits["deviated_deg"]) | (
            np.abs(arm.pronation) > limits["wrist_twisted_deg"]
        )
        inside = (arm.elbow >= stock["lower_arm_deg"][0]) & (arm.elbow <= stock["lower_arm_deg"][1])
        parts = {
            "upper_arm": upper_arm_score(posture, arm, inputs, stock, rotation_counts=True),
            "lower_arm": 2 - inside.astype(int),
            "wrist": 1 + (np.abs(arm.wrist_flexion) > stock["wrist_deg"]) + bent,
        }
        score_b = look_up(stock["table_b"], *parts.values()) + COUPLING[inputs.coupling]
        static = activity[side].static | activity["middle"].static
        repeated = activity[side].repeated_more | activity["middle"].repeated_more
        extra = static.astype(int) + repeated + inputs.unstable
        sides[side] = look_up(stock["table_c"], score_a, score_b) + extra
        columns |= {f"{part}_{side}": posture.scored(score, arm.known) for part, score in parts.items()}
        columns[f"activity_{side}"] = posture.scored(extra, arm.known)
        columns[f"score_b_{side}"] = posture.scored(score_b, arm.known)
    sides, score = worse_side(posture, sides)
    middle = {"neck": neck, "trunk": trunk, "legs": legs, "score_a": score_a}
    frames = {
        "score_left": sides["left"],
        "score_right": sides["right"],
        "score": score,
        "level": level_of(score, stock["score_levels"]),
        **columns,
        **{name: posture.scored(values) for name, values in middle.items()},
    }
    return make_result("reba", posture, frames, notes=(activity_note(inputs),))


def legs_score(posture: Posture, inputs: TaskInputs, stock: dict[str, Any]) -> np.ndarray:
    """1 to 4 (F,): weight on both legs or not, and the more bent knee of somebody who does not sit."""
    base = 1 if inputs.legs == "balanced" or inputs.sitting else 2
    if inputs.sitting:
        return np.full(posture.num_frames, base)
    knee = np.maximum(posture.knee["left"], posture.knee["right"])
    first, second = stock["knee_deg"]
    return base + np.where(knee > second, 2, (knee >= first).astype(int))
