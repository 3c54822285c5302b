"""Risk 0 to 3 of each part of the body over time, for a picture of the body: the project's own, from RULA and REBA."""

from __future__ import annotations

import numpy as np

from lib.ergo.holds import UNKNOWN
from lib.ergo.inputs import TaskInputs
from lib.ergo.limits import load_limits
from lib.ergo.part_scores import bent_aside, trunk_amount, turned
from lib.ergo.posture import SIDES, Posture
from lib.ergo.reba import legs_score
from lib.ergo.rula import arm_scores, neck_score

HIGHEST_RISK = 3


def part_risks(posture: Posture, inputs: TaskInputs) -> dict[str, np.ndarray]:
    """Part -> (F,) int risk 0 to 3, -1 without a score: one less than the part's own score in RULA, at most 3.

    Parts: neck, trunk, {left,right}_{upper_arm,forearm,wrist}, legs. Legs by REBA. A part that is unknown has no risk.
    """
    stock = load_limits("rula")
    trunk = trunk_amount(posture, stock) + turned(posture, "trunk") + bent_aside(posture, "trunk")
    knees = [posture.first_of(f"{side}_knee_flexion") for side in SIDES]
    risks = {
        "neck": (neck_score(posture, stock), posture.neck_known),
        "trunk": (trunk, posture.known),
        "legs": (
            legs_score(posture, inputs, load_limits("reba")),
            np.isfinite(knees[0]) | np.isfinite(knees[1]),
        ),
    }
    for side in SIDES:
        arm = posture.arms[side]
        scores = arm_scores(posture, arm, inputs, stock)
        for part, series in (
            ("upper_arm", "shoulder_elevation"),
            ("forearm", "elbow_flexion"),
            ("wrist", "wrist_flexion"),
        ):
            known = arm.known
            if part != "upper_arm":
                known = known & np.isfinite(posture.first_of(f"{side}_{series}"))
            risks[f"{side}_{part}"] = (scores["lower_arm" if part == "forearm" else part], known)
    return {
        part: np.where(known & posture.known, np.clip(score - 1, 0, HIGHEST_RISK), UNKNOWN)
        for part, (score, known) in risks.items()
    }
