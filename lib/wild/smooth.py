"""Smoothing of lifted motion over time, off unless asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.signal import savgol_filter

from lib.data.motion import Motion
from lib.errors import UserError
from lib.registry import Registry


class Smoother(NamedTuple):
    """``apply`` takes (F,J,3) of one video, frames per second and the window, and gives the same shape."""

    apply: Callable[[np.ndarray, float, float], np.ndarray]
    note: str
    """What it does and how much it delays, with {window} seconds in it."""


SMOOTHERS: Registry[Smoother] = Registry("smoothing")
POLYNOMIAL_ORDER = 3


def smooth(motion: Motion, kind: str, *, window_s: float = 0.3) -> Motion:
    """The motion with joints_image smoothed over ``window_s`` seconds, each of its videos on its own.

    Raises ``UserError`` for an unknown kind, a motion without a frame rate, or a window that is not positive.
    """
    smoother = SMOOTHERS.get(kind)
    assert motion.joints_image is not None
    if motion.fps is None:
        raise UserError("smoothing needs the frames per second of the motion: give the video")
    if not 0 < window_s < float("inf"):
        raise UserError(f"a smoothing window of {window_s:g} s is not possible: give for example 0.3")
    result = motion.joints_image.copy()
    for start, stop in motion.videos:
        result[start:stop] = smoother.apply(result[start:stop], motion.fps, window_s)
    return replace(motion, joints_image=result)


def smoothing_note(kind: str, *, window_s: float = 0.3) -> str:
    """What a smoother does and how much it delays, for the user."""
    return SMOOTHERS.get(kind).note.format(window=f"{window_s:g}")


def savitzky_golay(pose: np.ndarray, fps: float, window_s: float) -> np.ndarray:
    """Least-squares polynomials in a centred window (Savitzky and Golay 1964), so that nothing is delayed.

    A window that a video is too short for is cut to fit; one of too few frames leaves the motion as it is.
    """
    window = 2 * min(round(window_s * fps / 2), (len(pose) - 1) // 2) + 1
    if window <= POLYNOMIAL_ORDER + 1:  # the polynomial would go through every point
        return pose
    return savgol_filter(pose, window, POLYNOMIAL_ORDER, axis=0).astype(pose.dtype)


SMOOTHERS.register("savgol")(
    Smoother(
        savitzky_golay,
        "smoothed over {window} s (Savitzky-Golay, centred: no delay; frames near the ends have neighbours on one "
        "side only)",
    )
)
