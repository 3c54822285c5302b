"""What every posture score gives back, and how its levels over time become a summary.

Letters: F frames. Frames without a score hold NaN in score columns and -1 in level columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from lib.ergo.holds import UNKNOWN, count_events, longest_s, per_minute, steady
from lib.ergo.inputs import TaskInputs
from lib.ergo.limits import Level, Thresholds, action_levels, limits_mark, load_limits
from lib.ergo.posture import Posture
from lib.registry import Registry


@dataclass(frozen=True, eq=False)
class MethodResult:
    """One method over all frames of a series.

    frames: column -> (F,); ``level`` (F,) int is the place in ``levels`` or -1; the other columns are scores or levels
    of parts and sides. summary: text -> value, for people. notes: what the method assumed. mark: "", or what to
    know of its limits (``limits_mark``).
    """

    name: str
    title: str
    levels: tuple[Level, ...]
    frames: Mapping[str, np.ndarray]
    summary: Mapping[str, float | str]
    mark: str
    notes: tuple[str, ...] = field(default=())

    @property
    def level(self) -> np.ndarray:
        """(F,) int: action level of each frame, -1 without a score."""
        return self.frames["level"]

    @property
    def shares(self) -> dict[str, float]:
        """Action level -> share of the scored frames."""
        scored = max(int((self.level != UNKNOWN).sum()), 1)
        return {
            one.name: float((self.level == number).sum()) / scored for number, one in enumerate(self.levels)
        }

    @property
    def risk(self) -> np.ndarray:
        """(F,) int: risk 0 to 3 of each frame, -1 without a score."""
        return np.array([*(one.risk for one in self.levels), UNKNOWN])[self.level]


Method = Callable[[Posture, TaskInputs], MethodResult]
METHODS: Registry[Method] = Registry("posture score")


def level_of(score: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Action level (F,) int of scores (F,), -1 for NaN; highest: the highest score of each level."""
    known = np.isfinite(score)
    return np.where(known, np.searchsorted(highest, np.where(known, score, 0)), UNKNOWN)


def masked_level(level: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Levels (F,) int with -1 where the frame is not known."""
    return np.where(known, level, UNKNOWN)


def worse_side(posture: Posture, sides: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Scores of each side with NaN where its arm is unknown, and the worse of both (F,), NaN where neither is known."""
    masked = {side: posture.scored(score, posture.arms[side].known) for side, score in sides.items()}
    return masked, np.fmax(masked["left"], masked["right"])


def make_result(
    name: str,
    posture: Posture,
    frames: Mapping[str, np.ndarray],
    *,
    notes: tuple[str, ...] = (),
    more: Mapping[str, float | str] | None = None,
) -> MethodResult:
    """Result with its summary: share of time by level, and longest hold and events a minute at each level or worse."""
    levels = action_levels(name)
    summary = level_summary(frames["level"], levels, posture.fps, posture.thresholds)
    worst = frames.get("score")
    if worst is not None and np.isfinite(worst).any():
        summary = {
            "highest score": float(np.nanmax(worst)),
            "median score": float(np.nanmedian(worst)),
        } | summary
    return MethodResult(
        name=name,
        title=str(load_limits(name)["title"]),
        levels=levels,
        frames=frames,
        summary=summary | dict(more or {}),
        mark=limits_mark(name),
        notes=notes,
    )


def level_summary(
    level: np.ndarray, levels: tuple[Level, ...], fps: float, thresholds: Thresholds
) -> dict[str, float | str]:
    """Shares of time of raw frames; holds and events of the steady level (flicker and short gaps removed)."""
    scored = int((level != UNKNOWN).sum())
    summary: dict[str, float | str] = {
        f"{one.name}, share of time": float((level == number).sum()) / scored if scored else 0.0
        for number, one in enumerate(levels)
    }
    still = steady_level(level, fps, thresholds)
    observed = int((still != UNKNOWN).sum())
    for number, one in list(enumerate(levels))[1:]:
        worse = "" if number == len(levels) - 1 else " or worse"
        summary[f"{one.name}{worse}, longest hold in s"] = round(longest_s(still >= number, fps), 3)
        summary[f"{one.name}{worse}, events a minute"] = round(
            per_minute(count_events(still >= number), observed, fps), 1
        )
    return summary


def steady_level(level: np.ndarray, fps: float, thresholds: Thresholds) -> np.ndarray:
    """``steady`` with the thresholds' minimum duration and longest gap."""
    return steady(level, fps, min_duration_s=thresholds["min_duration_s"], max_gap_s=thresholds["max_gap_s"])
