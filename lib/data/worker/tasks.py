"""The tasks of industrial work that the worker knows, each a function that writes the keyframes of one clip."""

from __future__ import annotations

from collections.abc import Callable

from lib.data.worker import movements
from lib.data.worker.script import Script
from lib.registry import Registry

Task = Callable[[Script, float], None]
TASKS: Registry[Task] = Registry("worker task")


@TASKS.register("walk")
def walk(script: Script, severity: float) -> None:
    """Walk about, arms swinging."""
    movements.walk_about(script, severity)


@TASKS.register("stoop_lift")
def stoop_lift(script: Script, severity: float) -> None:
    """Lift a box from near the floor with nearly straight legs, and set it down again."""
    movements.lift_cycles(script, squat=script.uniform(0.0, 0.25), severity=severity)
