"""Stretches of time in a series: how long a level holds, how often it comes, what stands still, what repeats.

Levels are whole numbers with -1 for unknown; a frame lasts 1 / fps seconds. Letters: F frames, K series, R runs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import maximum_filter1d, median_filter, minimum_filter1d
from scipy.signal import find_peaks

UNKNOWN = -1
MINUTE_S = 60.0


def runs_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts (R,) and lengths (R,) in frames of the runs of equal values in (F,)."""
    if not len(values):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    return starts, np.diff(np.r_[starts, len(values)])


def steady(level: np.ndarray, fps: float, *, min_duration_s: float, max_gap_s: float) -> np.ndarray:
    """Levels (F,) without flicker: gaps (-1) up to ``max_gap_s`` and levels shorter than ``min_duration_s`` take the
    level before them, at the beginning the one after; longer gaps stay."""
    level = _absorb(level, lambda value, length: (value == UNKNOWN) & (length <= max_gap_s * fps + 1e-6))
    return _absorb(level, lambda value, length: (value != UNKNOWN) & (length < min_duration_s * fps - 1e-6))


def longest_s(mask: np.ndarray, fps: float) -> float:
    """Length in seconds of the longest run of True in (F,)."""
    starts, lengths = runs_of(mask)
    return float(np.max(lengths[mask[starts]], initial=0)) / fps


def count_events(mask: np.ndarray) -> int:
    """How often (F,) bool becomes True; being True in the first frame counts."""
    return int(mask[0]) + int((mask[1:] & ~mask[:-1]).sum()) if len(mask) else 0


def per_minute(count: int, frames: int, fps: float) -> float:
    """Events a minute in so many frames."""
    return count * MINUTE_S * fps / frames if frames else 0.0


def consumed(mask: np.ndarray, limit_s: np.ndarray, fps: float) -> np.ndarray:
    """Share (F,) of the allowed holding time that a hold has used up to each frame; 0 outside of ``mask``.

    limit_s (F,): the time allowed at the posture of that frame; where the posture varies, each frame uses its part.
    """
    used = np.cumsum(np.where(mask, 1 / (fps * limit_s), 0.0))
    before = np.r_[0.0, used[:-1]]
    begins = mask & ~np.r_[False, mask[:-1]]
    return np.where(mask, used - np.maximum.accumulate(np.where(begins, before, 0.0)), 0.0)


def standing_still(
    series: np.ndarray, fps: float, *, longer_than_s: float, band_deg: float, max_gap_s: float
) -> np.ndarray:
    """(F,) bool: frames inside a stretch longer than ``longer_than_s`` in which no series varies by more than the band.

    series (K,F) deg, NaN where unknown: a series that is never known has no say, gaps up to ``max_gap_s`` are bridged,
    and longer ones end a stretch.
    """
    frames = series.shape[1]
    window = int(np.floor(longer_than_s * fps)) + 1
    series = series[np.isfinite(series).any(1)]
    if not len(series) or window > frames:
        return np.zeros(frames, bool)
    bridged = np.stack([_bridge(one, fps, max_gap_s) for one in series])
    known = np.isfinite(bridged)
    top = maximum_filter1d(np.where(known, bridged, np.inf), window, axis=1, mode="constant", cval=np.inf)
    low = minimum_filter1d(np.where(known, bridged, -np.inf), window, axis=1, mode="constant", cval=-np.inf)
    is_still = (top - low <= band_deg).all(0)
    # back from the middle of each window to all of its frames
    origin = 0 if window % 2 else -1
    return maximum_filter1d(is_still.astype(np.uint8), window, mode="constant", origin=origin) > 0


def held_still(
    angle: np.ndarray,
    fps: float,
    *,
    at_least_s: float,
    band_deg: float,
    min_duration_s: float,
    max_gap_s: float,
) -> np.ndarray:
    """(F,) bool: frames inside a stretch of ``at_least_s`` or longer in which an angle varies by no more than the band.

    angle (F,) deg, NaN where unknown. Values that last shorter than ``min_duration_s`` are flicker and end no stretch,
    nor do gaps up to ``max_gap_s``.
    """
    known = np.isfinite(angle)
    if not known.any():
        return np.zeros(len(angle), bool)
    bridged = _bridge(angle, fps, max_gap_s)
    flicker = max(int(np.ceil(min_duration_s * fps - 1e-6)) - 1, 0)  # frames
    places = np.arange(len(angle))
    calm = median_filter(np.interp(places, places[known], angle[known]), 2 * flicker + 1, mode="nearest")
    calm = np.where(np.isfinite(bridged), calm, np.nan)
    # half a frame less, as standing_still asks for longer than that
    window_s = at_least_s - 0.5 / fps
    return standing_still(calm[None], fps, longer_than_s=window_s, band_deg=band_deg, max_gap_s=0.0)


def movements_per_min(series: np.ndarray, fps: float, *, swing_deg: float, max_gap_s: float) -> np.ndarray:
    """Movements a minute (F,) around each frame: peaks of a series that rises and falls by ``swing_deg`` at least.

    series (K,F) deg; the fastest of them counts. Counted in the minute around a frame as far as the series reaches; a
    single movement is no repetition.
    """
    frames = series.shape[1]
    half = round(MINUTE_S * fps / 2)
    first = np.clip(np.arange(frames) - half, 0, None)
    stop = np.minimum(np.arange(frames) + half, frames)
    fastest = np.zeros(frames)
    for one in series:
        if not np.isfinite(one).any():
            continue
        bridged = _bridge(one, fps, max_gap_s)
        # what is unknown for long is low ground: a movement must show both of its slopes
        bridged = np.where(np.isfinite(bridged), bridged, np.nanmax(bridged))
        wlen = min(2 * half + 1, max(frames, 3))
        peaks, _ = find_peaks(bridged, prominence=swing_deg, wlen=wlen)
        counted = np.r_[0, np.cumsum(np.bincount(peaks, minlength=frames))]
        count = counted[stop] - counted[first]
        rate = np.where(count >= 2, count * MINUTE_S * fps / np.maximum(stop - first, 1), 0.0)
        fastest = np.maximum(fastest, rate)
    return fastest


def _absorb(level: np.ndarray, is_absorbed: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    starts, lengths = runs_of(level)
    values = level[starts]
    kept = ~is_absorbed(values, lengths)
    if not kept.any():
        return level.copy()
    places = np.maximum.accumulate(np.where(kept, np.arange(len(starts)), -1))
    places[places < 0] = np.flatnonzero(kept)[0]
    return np.repeat(values[places], lengths)


def _bridge(series: np.ndarray, fps: float, max_gap_s: float) -> np.ndarray:
    """Short gaps of (F,) filled on a straight line; long ones and those at the ends stay NaN."""
    known = np.isfinite(series)
    starts, lengths = runs_of(known)
    is_short = ~known[starts] & (lengths <= max_gap_s * fps + 1e-6)
    is_short &= (starts > 0) & (starts + lengths < len(series))
    fill = np.repeat(is_short, lengths)
    places = np.arange(len(series))
    filled = series.copy()
    if fill.any():
        filled[fill] = np.interp(places[fill], places[known], series[known])
    return filled
