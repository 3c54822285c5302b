"""Angle series as they are given for scores: names that are no angle, and radians in place of degrees.

Letters: F frames.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from lib.angle_definitions import defined_angle_names
from lib.errors import UserError, did_you_mean

NO_ANGLES = ("left_hand_lateral", "right_hand_lateral")
"""Series beside the angles, in half shoulder widths."""
LEAST_S = 2.0  # what is shorter tells nothing about its unit
LEAST_SWING = 1.0  # as radians that of an elbow at work, as degrees more than that of somebody who stands
TIMES_THE_STEP = 8.0  # from frame to frame; noise swings by 3 to 4 of its steps, whatever its size
TIMES_THE_OTHERS = 2.0  # work moves some joints much more than most, swaying does not
RADIANS_NOTE = (
    "the angles look like radians, but scores need degrees (numpy.degrees): none is ever beyond 3.14"
    " while {name} moves a lot"
)


def check_names(angles: Mapping[str, np.ndarray]) -> None:
    """Raise ``UserError`` for a series whose name is no angle: it would be left out silently."""
    known = (*defined_angle_names(), *NO_ANGLES)
    unknown = [name for name in angles if name not in known]
    if unknown:
        told = ", ".join(f"'{name}'{did_you_mean(name, known)}" for name in unknown)
        raise UserError(f"posture scores: no angle is called {told}; docs/angles.md lists them all")


def radians_note(angles_deg: Mapping[str, np.ndarray], fps: float) -> str:
    """A line for the reader if series (F,) can only be radians, "" otherwise.

    Radians never leave 3.14. In degrees nobody but a person who stands still with all joints straight stays within that
    too; so one angle must also swing, smoothly and much more than most: noise and swaying do neither.
    """
    series = {
        name: values[np.isfinite(values)] for name, values in angles_deg.items() if name not in NO_ANGLES
    }
    if any(np.abs(known).max(initial=0.0) > math.pi + 1e-6 for known in series.values()):
        return ""
    series = {name: known for name, known in series.items() if len(known) >= max(LEAST_S * fps, 3)}
    if not series:
        return ""
    swings = {name: float(np.subtract(*np.percentile(known, (95, 5)))) for name, known in series.items()}
    name = max(swings, key=swings.__getitem__)
    step = float(np.median(np.abs(np.diff(series[name]))))
    usual = float(np.median(list(swings.values())))
    is_work = swings[name] >= max(LEAST_SWING, TIMES_THE_STEP * step, TIMES_THE_OTHERS * usual)
    return RADIANS_NOTE.format(name=name.replace("_", " ")) if is_work else ""
