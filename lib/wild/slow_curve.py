"""A slow, robust curve through noisy values over time; F frames."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import correlate1d

ROUNDS = 3  # of weighing down what lies far from the curve
RIDGE = 0.02  # keeps the slope finite where the weighted frames all lie at one moment
SPARSE = 0.02  # share of the heaviest window's weight below which the curve is bridged from its neighbours
TOLERANCE = 0.005  # residuals of this size are never outliers


def slow_curve(values: np.ndarray, weights: np.ndarray, sigma: float) -> np.ndarray:
    """Curve (F,) through weighted values (F,): local straight lines in Gaussian windows of sigma frames.

    Straight lines keep a trend up to the first and last frame, where a moving mean would flatten it. Outliers,
    far beyond the median residual and TOLERANCE, lose weight (Cauchy weights). Values of weight 0 may be NaN;
    without any weight the curve is NaN.
    """
    usable = (weights > 0) & np.isfinite(values)
    if not usable.any():
        return np.full(len(values), np.nan)
    values = np.where(usable, values, 0.0)
    weights = np.where(usable, weights, 0.0) / weights[usable].max()
    robust = np.ones(len(values))
    for _ in range(ROUNDS):
        curve = _local_lines(values, weights * robust, sigma)
        residual = np.abs(values - curve)
        spread = 1.4826 * np.median(residual[usable]) + TOLERANCE
        robust = 1.0 / (1.0 + (residual / (2.4 * spread)) ** 2)
    return curve


def _local_lines(values: np.ndarray, weights: np.ndarray, sigma: float) -> np.ndarray:
    reach = max(1, round(3.5 * sigma))
    step = np.arange(-reach, reach + 1) / max(sigma, 0.3)
    window = np.exp(-0.5 * step**2)

    def moment(signal: np.ndarray, power: int) -> np.ndarray:
        return correlate1d(signal, window * step**power, mode="constant")

    count, first, second = (moment(weights, power) for power in range(3))
    total, tilted = moment(weights * values, 0), moment(weights * values, 1)
    second = second + RIDGE * count
    dense = count > SPARSE * count.max()
    determinant = np.where(dense, count * second - first**2, 1.0)
    curve = (second * total - first * tilted) / determinant
    frames = np.arange(len(values))
    return np.where(dense, curve, np.interp(frames, frames[dense], curve[dense]))
