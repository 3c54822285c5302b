"""Hand shapes, and what holds for every shape: joint limits and how the joints of a finger depend on each other.

C channels, F frames. Channels are what a hand is told to do: for each finger the knuckle, its spread, the middle
joint and how far the last joint departs from following it; the five angles of the thumb; wrist and forearm.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import yaml

from lib.data.worker.anthropometry import Subject
from lib.data.worker.fingers import FINGER_LIMITS_DEG
from lib.data.worker.kinematics import DOF_INDEX, DOF_NAMES, FINGERS

SHAPE_FILE = Path(__file__).with_name("hand_shapes.yaml")
# channels of each part of the hand that moves at its own time; names are those of the degrees of freedom
PARTS = {
    "thumb": (
        *(f"thumb_metacarpal_{kind}" for kind in ("flexion", "radial", "rotation")),
        *("thumb_proximal_flexion", "thumb_distal_flexion"),
    ),
    **{
        finger: tuple(
            f"{finger}_{kind}"
            for kind in ("proximal_flexion", "proximal_radial", "intermediate_flexion", "distal_flexion")
        )
        for finger in FINGERS[1:]
    },
    "wrist": ("wrist_flexion", "wrist_radial"),
    "forearm": ("forearm_pronation",),
}
CHANNELS = tuple(name for names in PARTS.values() for name in names)
ROWS = {
    part: slice(CHANNELS.index(names[0]), CHANNELS.index(names[0]) + len(names))
    for part, names in PARTS.items()
}
DISTAL_OF_MIDDLE = (
    0.66  # flexion of the last joint for each degree of the middle one, if nothing presses on it
)
# the side ligaments of the knuckle are slack when it is straight and taut when it is bent
SPREAD_GONE_DEG = 95.0


@lru_cache(maxsize=1)
def _table() -> dict[str, dict]:
    return yaml.safe_load(SHAPE_FILE.read_text(encoding="utf-8"))


def shape_names() -> tuple[str, ...]:
    """Names of all shapes."""
    return tuple(_table()["shapes"])


def hand_shapes() -> np.ndarray:
    """Channels (C,K) in degrees of all K shapes; wrist, forearm and the last joints' departures are 0."""
    shapes = np.zeros((len(CHANNELS), len(shape_names())))
    for column, shape in enumerate(_table()["shapes"].values()):
        for finger, values in shape.items():
            start = ROWS[finger].start
            shapes[start : start + len(values), column] = values
    return shapes


def shape_touches(name: str) -> list[tuple[str, str, float]]:
    """Pairs of points of a shape (``thumb_tip``, ``index_pip``) and their distance in hand lengths."""
    return [tuple(touch) for touch in _table()["touches"].get(name, ())]


def channel_limits(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value (C,) in degrees of every degree of freedom that the channels become."""

    def limits(name: str) -> tuple[float, float]:
        plain = name.partition("_")[2]
        return subject.limits.get(name) or FINGER_LIMITS_DEG.get(name) or FINGER_LIMITS_DEG[plain]

    low, high = np.array([limits(name) for name in CHANNELS], float).T
    return low, high


def coupled(subject: Subject, channels: np.ndarray) -> np.ndarray:
    """Degrees of freedom (C,F) in degrees that a hand can take, closest to the channels (C,F) it is told."""
    low, high = channel_limits(subject)
    angles = np.clip(channels, low[:, None], high[:, None])
    for finger in FINGERS[1:]:
        knuckle, spread, middle, last = angles[ROWS[finger]]
        departure = channels[ROWS[finger]][3]
        room = np.clip(1.0 - np.maximum(knuckle, 0.0) / SPREAD_GONE_DEG, 0.08, 1.0)
        row = CHANNELS.index(f"{finger}_proximal_radial")
        spread[:] = np.clip(spread, low[row] * room, high[row] * room)
        row = CHANNELS.index(f"{finger}_distal_flexion")
        last[:] = np.clip(
            subject.habit.get(f"{finger}_distal", DISTAL_OF_MIDDLE) * middle + departure, low[row], high[row]
        )
    bend, tilt = (CHANNELS.index(name) for name in PARTS["wrist"])
    share = sum((angles[row] / np.where(angles[row] < 0, low[row], high[row])) ** 2 for row in (bend, tilt))
    angles[[bend, tilt]] /= np.maximum(np.sqrt(share), 1.0)
    return angles


def to_dofs(side: str, angles: np.ndarray) -> np.ndarray:
    """All degrees of freedom (D,F) of the worker, those of one hand as given (C,F) and the others 0."""
    dofs = np.zeros((len(DOF_NAMES), angles.shape[1]))
    dofs[[DOF_INDEX[f"{side}_{name}"] for name in CHANNELS]] = angles
    return dofs
