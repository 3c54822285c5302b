"""Held and repeated postures, found in the angle series or stated by the user."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lib.ergo.holds import movements_per_min, standing_still
from lib.ergo.inputs import AUTO, TaskInputs
from lib.ergo.posture import SIDES, Posture


class Activity(NamedTuple):
    """Of one group of parts, each (F,) bool."""

    static: np.ndarray
    repeated: np.ndarray
    """As often as the threshold says, or more often."""
    repeated_more: np.ndarray
    """More often than that."""


def activity_of(posture: Posture, inputs: TaskInputs) -> dict[str, Activity]:
    """``left`` and ``right`` arm (upper arm, elbow) and ``middle`` (trunk, neck): static for over a minute, repeated.

    Found in the series unless the inputs state it. RULA's muscle use and REBA's activity are made of it.
    """

    def where(known: np.ndarray, *series: np.ndarray) -> np.ndarray:
        return np.stack([np.where(known, one, np.nan) for one in series])

    arms = {side: posture.arms[side] for side in SIDES}
    groups = {
        side: where(
            arms[side].known,
            arms[side].elevation,
            np.where(np.isfinite(posture.first_of(f"{side}_elbow_flexion")), arms[side].elbow, np.nan),
        )
        for side in SIDES
    }
    groups["middle"] = where(
        posture.known,
        posture.trunk_flexion,
        np.where(posture.neck_known, posture.neck_flexion, np.nan),
    )
    return {name: _activity(series, posture, inputs) for name, series in groups.items()}


def _activity(series: np.ndarray, posture: Posture, inputs: TaskInputs) -> Activity:
    thresholds, frames = posture.thresholds, posture.num_frames
    if inputs.static == AUTO:
        static = standing_still(
            series,
            posture.fps,
            longer_than_s=thresholds["static_s"],
            band_deg=thresholds["static_band_deg"],
            max_gap_s=thresholds["max_gap_s"],
        )
    else:
        static = np.full(frames, inputs.static == "yes")
    if inputs.repetition_per_min is None:
        rate = movements_per_min(
            series,
            posture.fps,
            swing_deg=thresholds["repeat_swing_deg"],
            max_gap_s=thresholds["max_gap_s"],
        )
    else:
        rate = np.full(frames, inputs.repetition_per_min)
    limit = thresholds["repeated_per_min"]
    return Activity(static, rate >= limit, rate > limit)


def activity_note(inputs: TaskInputs) -> str:
    """How static and repeated were found, for a report."""
    static = "found in the angles" if inputs.static == AUTO else f"stated: {inputs.static}"
    given = inputs.repetition_per_min
    repeated = "counted in the angles" if given is None else f"stated: {given:g} a minute"
    return f"postures held for over a minute: {static}; repetition: {repeated}"
