"""The in-house score: posture (level 0 to 3 of each joint), duration 0 to 3 and frequency 0 or 1.

Definition: vicon-read, conversion_scripts/np_to_ergo_scores.py and its angle limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lib.ergo.holds import UNKNOWN, count_events, per_minute, runs_of
from lib.ergo.inputs import TaskInputs
from lib.ergo.limits import load_limits
from lib.ergo.posture import SIDES, Posture
from lib.ergo.result import METHODS, MethodResult, make_result

LEVELS = ("cautious", "dangerous", "impossible")
DANGEROUS = 2
JOINT_ANGLES = {  # of the limits' words -> names of the angle series, the first that is known
    ("back", "flexion"): ("back_flexion", "trunk_flexion"),
    ("back", "lateral"): ("back_lateral", "trunk_lateral"),
}


@METHODS.register("four_level")
def four_level(posture: Posture, inputs: TaskInputs) -> MethodResult:
    """Level of every joint and the worst of them; a joint whose angles are all unknown has none."""
    stock = load_limits("four_level")
    joints = dict(stock["joints"]) | (dict(stock["seated"]) if inputs.sitting else {})
    frames, summary = {}, {}
    for joint, rules in joints.items():
        for name in _names_of(joint):
            level = joint_level(posture, name, rules)
            frames[name] = np.where(posture.known, level, UNKNOWN)
            kind = "wrist" if joint == "wrist" else "other"
            summary |= {
                f"{name}, {key}": value
                for key, value in _time_scores(frames[name], posture.fps, kind).items()
            }
    worst = np.max(list(frames.values()), axis=0)
    notes = ("Level 'impossible' tells a tracking error rather than a posture.",)
    return make_result("four_level", posture, {"level": worst, **frames}, notes=notes, more=summary)


def joint_level(posture: Posture, joint: str, rules: Mapping[str, Any]) -> np.ndarray:
    """Level (F,) of one joint, -1 where none of its angles is known; rules: angle -> level name -> ranges."""
    rules = dict(rules)
    condition = rules.pop("only_if", None)
    level = np.full(posture.num_frames, UNKNOWN)
    for angle, ranges in rules.items():
        series = _series(posture, joint, angle)
        known = np.isfinite(series)
        one = np.zeros(posture.num_frames, int)
        for number, name in enumerate(LEVELS, start=1):
            for low, high in np.atleast_2d(ranges.get(name, np.zeros((0, 2)))):
                one[(series >= low) & (series <= high)] = number
        level = np.maximum(level, np.where(known, one, UNKNOWN))
    if condition is not None:
        gate = _series(posture, joint.replace("elbow", "shoulder"), condition["angle"])
        low, high = condition["range"]
        is_closed = (gate < low) | (gate > high)
        level = np.where(np.isfinite(gate), level, UNKNOWN)
        level = np.where(is_closed & (level != UNKNOWN), 0, level)
    return level


def _names_of(joint: str) -> tuple[str, ...]:
    return (joint,) if joint in ("back", "neck") else tuple(f"{side}_{joint}" for side in SIDES)


def _series(posture: Posture, joint: str, angle: str) -> np.ndarray:
    return posture.first_of(*JOINT_ANGLES.get((joint, angle), (f"{joint}_{angle}",)))


def _time_scores(level: np.ndarray, fps: float, kind: str) -> dict[str, float]:
    stock = load_limits("four_level")
    known = level[level != UNKNOWN]
    if not len(known):
        return {}
    percent = 100 * float((known >= DANGEROUS).mean())
    rate = per_minute(count_risk_events(known, fps, stock["event_frames"][kind]), len(known), fps)
    return {
        "posture": int(known.max()),
        "duration": int(np.searchsorted(stock["duration_percent"], percent, side="right")),
        "frequency": int(rate > stock["events_per_min"][kind]),
        "dangerous, percent of time": round(percent, 2),
        "events a minute": round(rate, 1),
    }


def count_risk_events(level: np.ndarray, fps: float, event_frames: int) -> int:
    """Stretches of risk (level above 0) of at least so many frames, each ended by as many safe ones.

    level (F,) without unknown frames; event_frames counts frames of the rate for which the score was made.
    """
    least = max(1, round(event_frames * fps / load_limits("four_level")["event_fps"]))
    at_risk = level > 0
    starts, lengths = runs_of(at_risk)
    return count_events(at_risk[starts][lengths >= least])
