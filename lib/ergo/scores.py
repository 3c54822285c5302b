"""Posture scores from series of joint angles: RULA, REBA, ISO 11226, EN 1005-4 and the in-house four levels.

``assess`` is the one entry; each method is a file of its own and an entry of ``METHODS``. A screening aid, not a
certified assessment. Letters: F frames.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lib.ergo import en1005_4, four_level, iso11226, reba, rula  # noqa: F401 they register themselves
from lib.ergo.body_map import part_risks
from lib.ergo.holds import MINUTE_S
from lib.ergo.inputs import TaskInputs
from lib.ergo.limits import Thresholds, load_thresholds
from lib.ergo.posture import Posture
from lib.ergo.result import METHODS, MethodResult
from lib.ergo.series_check import check_names, radians_note

__all__ = ["METHODS", "METHOD_ORDER", "Assessment", "MethodResult", "TaskInputs", "assess", "load_thresholds"]

logger = logging.getLogger("ergolift")

METHOD_ORDER = ("rula", "reba", "iso11226", "en1005_4", "four_level")
DISCLAIMER = "A screening aid, not a certified assessment."


@dataclass(frozen=True, eq=False)
class Assessment:
    """Scores of one person over time.

    methods: name -> result. assumptions: what was taken for granted, one line each, for the reader. parts: part of the
    body -> (F,) int risk 0 to 3, -1 unknown. known (F,) bool: frames with a score.
    """

    methods: Mapping[str, MethodResult]
    assumptions: tuple[str, ...]
    parts: Mapping[str, np.ndarray]
    known: np.ndarray
    thresholds: Thresholds
    inputs: TaskInputs
    fps: float


def assess(
    angles_deg: Mapping[str, np.ndarray],
    fps: float,
    inputs: TaskInputs | None = None,
    thresholds: Thresholds | None = None,
    methods: Sequence[str] | None = None,
) -> Assessment:
    """Score every frame by every method (or those named).

    angles_deg: name as in ``lib.angles`` -> (F,) degrees, NaN where unknown; beside them ``{side}_hand_lateral``, the
    wrist's distance from the midline in half shoulder widths. Raises ``UserError`` for an unknown method, a name that
    is no angle, or series without trunk or arms; series that look like radians leave a warning.
    """
    check_names(angles_deg)
    inputs, thresholds = inputs or TaskInputs(), thresholds or load_thresholds()
    entries = {name: METHODS.get(name) for name in methods or METHOD_ORDER}
    posture = Posture(angles_deg, fps, thresholds)
    results = {name: method(posture, inputs) for name, method in entries.items()}
    marked = [f"{result.title}: {result.mark}" for result in results.values() if result.mark]
    assumptions = [*inputs.lines(), *posture.assumed]
    if in_radians := radians_note(posture.angles, fps):
        logger.warning(in_radians)
        assumptions.insert(0, in_radians)
    scored_s = posture.known.sum() / fps
    if scored_s < MINUTE_S:
        assumptions.append(
            f"only {scored_s:.1f} s are scored: what is told by the minute is extrapolated from them"
        )
    assumptions += dict.fromkeys(note for result in results.values() for note in result.notes)
    if marked:
        assumptions.append(f"not all limits were checked against the standard's text: {', '.join(marked)}")
    return Assessment(
        methods=results,
        assumptions=tuple(assumptions),
        parts=part_risks(posture, inputs),
        known=posture.known,
        thresholds=thresholds,
        inputs=inputs,
        fps=fps,
    )
