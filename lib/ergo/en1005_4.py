"""EN 1005-4: zones of working postures and movements at machines; trunk flexion unverified."""

from __future__ import annotations

import numpy as np

from lib.ergo.holds import UNKNOWN, count_events, per_minute, runs_of
from lib.ergo.inputs import AUTO, TaskInputs
from lib.ergo.limits import load_limits
from lib.ergo.posture import SIDES, Posture
from lib.ergo.result import METHODS, MethodResult, make_result, masked_level, steady_level

FINE, CONDITIONAL, NOT = 0, 1, 2


@METHODS.register("en1005_4")
def en1005_4(posture: Posture, inputs: TaskInputs) -> MethodResult:
    """Level of trunk, trunk sideways, head and both upper arms, and the worst of them.

    How often a part goes into a zone (events a minute over the whole series, or the inputs' repetition) and whether it
    stays there (static) decide between conditional and not acceptable.
    """
    stock, limits = load_limits("en1005_4"), posture.thresholds
    rates: dict[str, float] = {}

    def visits(name: str, zone: np.ndarray, known: np.ndarray) -> tuple[bool, np.ndarray]:
        """Whether the zone (F,) bool is entered often, and in which frames it is held."""
        inside = steady_level(masked_level(zone.astype(int), known & posture.known), posture.fps, limits)
        rate = inputs.repetition_per_min
        if rate is not None:
            rate = rate if (zone & known & posture.known).any() else 0.0
        else:
            events = count_events(inside == 1)
            # a single visit in a short video says nothing about a minute
            rate = per_minute(events, int((inside != UNKNOWN).sum()), posture.fps) if events > 1 else 0.0
        rates[f"{name}, events a minute"] = round(rate, 1)
        starts, lengths = runs_of(inside)
        is_held = (inside[starts] == 1) & (lengths >= limits["static_posture_s"] * posture.fps)
        held = np.repeat(is_held, lengths)
        if inputs.static != AUTO:
            held = zone & (inputs.static == "yes")
        return rate >= limits["en_movements_per_min"], held

    flexion, everywhere = posture.trunk_flexion, posture.known
    rule = stock["trunk"]
    bent = (flexion > rule["from_deg"]) & (flexion <= rule["to_deg"])
    far = (flexion > rule["to_deg"]) | (flexion < -limits["zero_deg"])
    often, held = visits("trunk bent", bent, everywhere)
    in_zone = np.where(held, CONDITIONAL if inputs.trunk_supported else NOT, CONDITIONAL if often else FINE)
    often, held = visits("trunk far forward or back", far, everywhere)
    beyond = np.where(inputs.trunk_supported | (~held & (not often)), CONDITIONAL, NOT)
    trunk = np.select([bent, far], [in_zone, beyond], FINE)

    aside = (np.abs(posture.trunk_lateral) > limits["side_bend_deg"]) | (
        np.abs(posture.trunk_rotation) > limits["twist_deg"]
    )
    often, _ = visits("trunk sideways or twisted", aside, everywhere)
    sideways = np.where(aside, NOT if often else CONDITIONAL, FINE)

    down = posture.head_flexion > stock["head_deg"]
    often, held = visits("head down", down, posture.head_known)
    head = np.where(down, np.where(held | often, NOT, CONDITIONAL), FINE)
    head[posture.head_flexion < -limits["zero_deg"]] = NOT

    frames = {"trunk": trunk, "trunk_sideways": sideways, "head": masked_level(head, posture.head_known)}
    rule = stock["upper_arm"]
    for side in SIDES:
        arm = posture.arms[side]
        lifted = (arm.elevation > rule["from_deg"]) & (arm.elevation <= rule["to_deg"])
        often, _ = visits(f"{side} upper arm lifted", lifted, arm.known)
        level = np.where(lifted, CONDITIONAL if often else FINE, FINE)
        level[arm.elevation > rule["to_deg"]] = NOT
        frames[f"upper_arm_{side}"] = np.where(arm.known, level, UNKNOWN)
    frames = {name: masked_level(level, posture.known) for name, level in frames.items()}
    worst = np.max(list(frames.values()), axis=0)
    notes = (
        "Line of sight is taken as the head's inclination: where the eyes look is not known. "
        "The limits of trunk flexion (EN 1005-4) were written from memory.",
    )
    return make_result("en1005_4", posture, {"level": worst, **frames}, notes=notes, more=rates)
