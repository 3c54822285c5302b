"""Scores of single parts of the body that RULA and REBA share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lib.ergo.inputs import TaskInputs
from lib.ergo.limits import score_of
from lib.ergo.posture import Arm, Posture


def upper_arm_score(
    posture: Posture, arm: Arm, inputs: TaskInputs, stock: Mapping[str, Any], rotation_counts: bool = False
) -> np.ndarray:
    """1 to 6 (F,): how far the upper arm is from the trunk, raised shoulder, abduction, support; REBA adds rotation."""
    limits = posture.thresholds
    score = score_of(arm.elevation, stock["upper_arm_deg"])
    score = np.where(arm.is_back, 1 + (arm.elevation > stock["upper_arm_back_deg"]), score)
    aside = np.abs(arm.out) > limits["abducted_deg"]
    if rotation_counts:
        aside |= np.abs(arm.rotation) > limits["arm_rotated_deg"]
    score = score + aside + (arm.raised > limits["raised_deg"])
    return np.clip(score - inputs.arms_supported, 1, 6)


def trunk_amount(posture: Posture, stock: Mapping[str, Any]) -> np.ndarray:
    """1 to 4 (F,) for the trunk's inclination; leaning back counts as leaning forward, up to 3."""
    amount = np.abs(posture.trunk_flexion)
    score = score_of(amount, [posture.thresholds["zero_deg"], *stock["trunk_deg"]])
    return np.where(posture.trunk_flexion < 0, np.minimum(score, 3), score)


def turned(posture: Posture, part: str) -> np.ndarray:
    """(F,) bool: trunk or neck is twisted."""
    return np.abs(getattr(posture, f"{part}_rotation")) > posture.thresholds["twist_deg"]


def bent_aside(posture: Posture, part: str) -> np.ndarray:
    """(F,) bool: trunk or neck is bent to the side."""
    return np.abs(getattr(posture, f"{part}_lateral")) > posture.thresholds["side_bend_deg"]
