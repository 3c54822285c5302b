"""Time stamps of a video's stored frames -> the frames shown at a constant rate.

Letters: K stored frames, F frames at the constant rate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

COMMON_RATES_FPS = (
    *(24000 / 1001, 30000 / 1001, 60000 / 1001, 120000 / 1001),
    *(5.0, 10.0, 12.0, 12.5, 15.0, 20.0, 24.0, 25.0, 30.0, 48.0, 50.0, 60.0, 90.0, 100.0, 120.0, 240.0),
)
# a rate this close to a common or declared one is that one: stamps in whole milliseconds are no better
RATE_TOLERANCE = 0.02


def nominal_rate(times_s: np.ndarray, resolution_s: float, declared_fps: Sequence[float]) -> float:
    """Frames per second by the most common step of the rising time stamps (K,), K >= 2, and its multiples.

    resolution_s is the unit in which the container counts time; of the rates that the stamps allow, those that the
    container declares go before the common ones, and these before the measured one.
    """
    span_s = float(times_s[-1] - times_s[0])
    fps = (len(times_s) - 1) / span_s
    # where one step fits all frames, their whole span is the most exact measure
    if not np.array_equal(frame_slots(times_s, times_s[0], fps), np.arange(len(times_s))):
        steps_s = np.diff(times_s)
        in_common_steps = steps_s / _most_common_step(steps_s, resolution_s)
        whole = np.abs(in_common_steps - np.rint(in_common_steps)) < 0.2
        span_s = float(steps_s[whole].sum())
        fps = float(np.rint(in_common_steps[whole]).sum()) / span_s
    # the last frame may move by a quarter of a step at most
    tolerance = min(RATE_TOLERANCE, (0.25 / fps + resolution_s) / span_s)
    for rates in (declared_fps, COMMON_RATES_FPS):
        nearest = min(rates, key=lambda rate: abs(rate - fps), default=0.0)
        if abs(nearest / fps - 1.0) <= tolerance:
            return float(nearest)
    return fps


def frame_slots(times_s: np.ndarray | float, start_s: float, fps: float) -> np.ndarray:
    """Numbers (K,) int64 of the frames at the constant rate from which on the stored frames are shown.

    Rounded to the nearest one, so that stamps which jitter by less than half a step lose and repeat no frame.
    """
    return np.floor((np.asarray(times_s) - start_s) * fps + 0.5 + 1e-6).astype(np.int64)


def shown_frames(slots: np.ndarray) -> np.ndarray:
    """(F,) int64: the stored frame that is shown in each frame at the constant rate; slots (K,) rise from 0."""
    return np.searchsorted(slots, np.arange(slots[-1] + 1), side="right") - 1


def _most_common_step(steps_s: np.ndarray, resolution_s: float) -> float:
    # bins as wide as the rounding of the stamps; the neighbours of the fullest bin hold the same step
    width_s = max(resolution_s, 0.02 * float(np.median(steps_s)))
    bins = np.rint(steps_s / width_s).astype(np.int64)
    values, counts = np.unique(bins, return_counts=True)
    fullest = values[counts.argmax()]
    return float(steps_s[np.abs(bins - fullest) <= 1].mean())
