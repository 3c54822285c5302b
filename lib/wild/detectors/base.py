"""What a detector is, the table that detectors are filed in, and what its options may be."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import numpy as np

from lib.errors import UserError, did_you_mean
from lib.registry import Registry
from lib.skeleton import Skeleton


class Detector(Protocol):
    """Made with keyword options only; may have a method ``close()``.

    Its class may have ``joint_format``, the name of its usual skeleton, so that messages can recommend it. A detector
    of hands may have ``sides``: "left", "right" or None of each hand that it returned last. One that tells 3D may have
    ``worlds_m``: (J,3) metres, x right, y down, z forward, of each person or hand that it returned last.
    """

    skeleton: Skeleton

    def __call__(self, frame: np.ndarray) -> list[np.ndarray]:
        """Arrays (J,3) of x px, y px and confidence 0..1, one a person, of a frame (H,W,3) uint8 RGB."""
        ...


DETECTORS: Registry[Callable[..., Detector]] = Registry("detector")

DetectorT = TypeVar("DetectorT")

# what an option may be, by its annotation; others are not checked
KINDS = {
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    float: (
        "a number",
        lambda value: isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
    ),
    str: ("text", lambda value: isinstance(value, str)),
    types.NoneType: ("none", lambda value: value is None),
}


@contextmanager
def closing_detector(detector: DetectorT) -> Iterator[DetectorT]:
    """The detector, whose ``close()``, if it has one, is called at the end."""
    try:
        yield detector
    finally:
        getattr(detector, "close", lambda: None)()


def check_options(name: str, options: dict[str, Any]) -> None:
    """Raise ``UserError`` for an option that the detector lacks, or of another kind than its annotation says."""
    kind = DETECTORS.get(name)
    try:
        parameters = inspect.signature(kind, eval_str=True).parameters
    except NameError:  # an annotation that is imported for type checkers only
        parameters = inspect.signature(kind).parameters
    for option, value in options.items():
        if option not in parameters:
            hint, known = did_you_mean(option, parameters), ", ".join(parameters)
            raise UserError(f"the detector {name} has no option '{option}'{hint}; it has: {known or 'none'}")
        wanted = parameters[option].annotation
        allowed = [KINDS.get(one) for one in typing.get_args(wanted) or (wanted,)]
        if None not in allowed and not any(fits(value) for _, fits in allowed):  # type: ignore[misc]
            said = " or ".join(words for words, _ in allowed)  # type: ignore[misc]
            raise UserError(f"the detector {name}: its option {option} must be {said}, given {value!r}")


def check_range(name: str, option: str, value: float, low: float, high: float) -> None:
    """Raise ``UserError`` for the option of a detector that lies outside low..high."""
    if not low <= value <= high:
        raise UserError(f"the detector {name}: its option {option} must be {low} to {high}, given {value!r}")
