"""Fingers of the whole worker: where small things are handled, each grasp has a shape of its own.

C channels, D degrees of freedom, T frames of a clip, F frames of all clips.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lib.data.worker.anthropometry import Subject
from lib.data.worker.hand_shapes import CHANNELS, coupled
from lib.data.worker.hand_touch import hand_takes
from lib.data.worker.kinematics import DOF_INDEX, FINGER_DOFS, SIDES
from lib.data.worker.script import Commands

TASKS_WITH_GRASPS = ("hand_grasps",)
OPEN = ("open", "relaxed")
POWER = ("power_thin", "power_thick", "power_ball", "hook_deep")
PRECISE = ("pinch", "pinch_flat", "tripod", "lateral")
LET_GO = 0.12  # the hand is open at this much closure and below


def shape_grasps(
    rng: np.random.Generator, subject: Subject, tasks: Sequence[str], commands: Commands, dofs: np.ndarray
) -> None:
    """Give the fingers in ``dofs`` (D,F) a drawn grasp each time a hand closes in tasks that are about hands.

    Changes ``dofs`` in place: only finger angles, and only in clips of ``TASKS_WITH_GRASPS``.
    """
    if not set(tasks) & set(TASKS_WITH_GRASPS):
        return
    takes = hand_takes(rng, subject, (*OPEN, *POWER, *PRECISE), count=2)
    rows = [CHANNELS.index(name) for name in FINGER_DOFS]
    frames = dofs.shape[1] // len(tasks)
    for number, task in enumerate(tasks):
        if task not in TASKS_WITH_GRASPS:
            continue
        clip = slice(number * frames, (number + 1) * frames)
        for side in SIDES:
            grip, pinch = (commands[f"{side}_{name}"][clip] for name in ("grip", "pinch"))
            angles = coupled(subject, _grasped(rng, takes, grip, pinch))[rows]
            dofs[[DOF_INDEX[f"{side}_{name}"] for name in FINGER_DOFS], clip] = angles


def _grasped(
    rng: np.random.Generator, takes: dict[str, np.ndarray], grip: np.ndarray, pinch: np.ndarray
) -> np.ndarray:
    """Channels (C,T) of a hand that closes as told by grip and pinch (T,), another shape at each closing."""

    def take(names: Sequence[str]) -> np.ndarray:
        several = takes[names[rng.integers(len(names))]]
        return several[:, rng.integers(several.shape[1]), None]

    closed = np.clip(np.maximum((grip - 0.08) / 0.8, pinch), 0.0, 1.0)
    opened = take(OPEN)
    out = np.repeat(opened, len(closed), axis=1)
    held = closed > LET_GO
    for run in np.split(np.arange(len(closed)), np.flatnonzero(np.diff(held)) + 1):
        if held[run[0]]:
            shape = take(PRECISE if pinch[run].max() > 0.5 else POWER)
            # nothing jumps where the hand begins to close
            share = np.maximum(closed[run] - LET_GO, 0.0) / (1.0 - LET_GO)
            out[:, run] += share * (shape - opened)
    return out
