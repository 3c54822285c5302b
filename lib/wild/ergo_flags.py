"""Flags of the posture scores, made from the fields of ``TaskInputs``."""

from __future__ import annotations

import argparse
from typing import Any

from lib.ergo.inputs import TaskInputs
from lib.ergo.scores import METHODS, load_thresholds
from lib.errors import UserError

SMOOTH_S = 0.2
OF_LIFT = ("lifts_per_min", "duration_h")
LIFT_NEEDS_METRES = "--lift needs lengths in metres: give the person's height with --stature"


def add_ergo_flags(parser: argparse.ArgumentParser) -> None:
    """Add the group of flags; ``task_inputs`` reads them back."""
    add = parser.add_argument_group("posture scores (what a video cannot show is stated here)").add_argument
    add("--ergo", action="store_true", help="joint angles and posture scores: a screening aid")
    add(
        "--ergo_methods",
        nargs="+",
        choices=METHODS.names(),
        metavar="METHOD",
        help=f"of {', '.join(METHODS.names())} [all]",
    )
    add("--ergo_thresholds", metavar="FILE", help="YAML with other thresholds; see docs/scores.md")
    add(
        "--ergo_smooth",
        type=float,
        default=SMOOTH_S,
        metavar="S",
        help="mean of the angles over so many seconds, 0 for none [%(default)s]",
    )
    for field in TaskInputs.fields():
        rules, flag = field.metadata, f"--{field.name}"
        text = rules["help"]
        if isinstance(field.default, bool):
            add(flag, action="store_true", help=text)
            continue
        if field.default is not None:
            text += f" [{field.default:g}]" if isinstance(field.default, float) else f" [{field.default}]"
        options = {"default": field.default, "help": text}
        if "choices" in rules:
            add(flag, choices=rules["choices"], **options)
        else:
            count = {"nargs": len(rules["metavar"])} if isinstance(rules["metavar"], tuple) else {}
            add(flag, type=float, metavar=rules["metavar"], **count, **options)


def ergo_options(arguments: argparse.Namespace) -> dict[str, Any] | None:
    """Arguments of ``assess_world`` beside the motion; None without ``--ergo``. Raises ``UserError`` as they do."""
    if not arguments.ergo:
        return None
    check_smoothing(arguments.ergo_smooth)
    inputs = task_inputs(arguments)
    if inputs.lift and arguments.stature is None:
        raise UserError(LIFT_NEEDS_METRES)
    return {
        "inputs": inputs,
        "thresholds": load_thresholds(arguments.ergo_thresholds),
        "methods": arguments.ergo_methods,
        "smooth_s": arguments.ergo_smooth,
    }


def check_smoothing(smooth_s: float) -> None:
    """Refuse a window that cannot be with ``UserError``."""
    if not 0 <= smooth_s <= 5:
        raise UserError(f"--ergo_smooth {smooth_s:g}: seconds, 0 to 5")


def check_lift_time(lift_s: tuple[float, float] | None, num_frames: int | None, fps: float) -> None:
    """Refuse a lift beyond the end of a video with ``UserError``; ``num_frames`` None: the length is not known yet."""
    if lift_s and num_frames is not None and lift_s[1] > num_frames / fps + 1e-6:
        raise UserError(
            f"--lift ends at {lift_s[1]:g} s, but the video at {num_frames / fps:.2f} s: give seconds within it"
        )


def task_inputs(arguments: argparse.Namespace) -> TaskInputs:
    """What the flags say; raises ``UserError`` for values that are not allowed."""
    given = {field.name: getattr(arguments, field.name) for field in TaskInputs.fields()}
    return TaskInputs(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    )


def useless_ergo_flags(arguments: argparse.Namespace) -> list[str]:
    """One line for each given flag that does nothing without ``--ergo`` or ``--lift``."""
    defaults = {field.name: field.default for field in TaskInputs.fields()}
    defaults |= {"ergo_methods": None, "ergo_thresholds": None, "ergo_smooth": SMOOTH_S}
    given = [name for name, default in defaults.items() if getattr(arguments, name) != default]
    if not arguments.ergo:
        return [f"--{name} has no effect without --ergo" for name in given]
    return [
        f"--{name} has no effect without --lift" for name in given if name in OF_LIFT and not arguments.lift
    ]
