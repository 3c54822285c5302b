"""Smooth curves over time."""

from __future__ import annotations

import numpy as np


def minimum_jerk(phase: np.ndarray) -> np.ndarray:
    """Position 0..1 of a minimum-jerk movement at phase 0..1 (values outside are held)."""
    phase = np.clip(phase, 0.0, 1.0)
    return phase**3 * (10.0 - 15.0 * phase + 6.0 * phase**2)


def smooth_noise(rng: np.random.Generator, rows: int, times_s: np.ndarray, seconds: float) -> np.ndarray:
    """Smooth noise (rows, F) of standard deviation near 1 that wanders over ``seconds``."""
    start = times_s[0]
    knots = rng.standard_normal((rows, int((times_s[-1] - start) / seconds) + 3))
    place = (times_s - start) / seconds + rng.random()
    left = place.astype(np.int64)
    weight = minimum_jerk(place - left)
    return 1.2 * (knots[:, left] * (1.0 - weight) + knots[:, left + 1] * weight)


def smooth_noise_like(rng: np.random.Generator, shape: tuple[int, ...], frames: float) -> np.ndarray:
    """Smooth float32 noise of deviation near 1 along axis 1 of (N,T,...), wandering over ``frames``."""
    knots = rng.standard_normal((shape[0], int(shape[1] / frames) + 3, *shape[2:]), dtype=np.float32)
    place = np.arange(shape[1]) / frames + rng.random()
    left = place.astype(np.int64)
    weight = minimum_jerk(place - left).astype(np.float32).reshape(-1, *[1] * (len(shape) - 2))
    return np.float32(1.2) * (knots[:, left] * (1 - weight) + knots[:, left + 1] * weight)
