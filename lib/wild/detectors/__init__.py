"""Detectors: each finds the keypoints of everybody in a picture; chosen by name (see docs/add_detector.md).

A detector is a class in a file of this folder; a new file is found without being listed anywhere.
Letters: F frames, P people of a frame, J joints.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np

from lib.errors import UserError
from lib.wild.detectors.base import DETECTORS, Detector, check_options, closing_detector
from lib.wild.records import Detections

__all__ = ["DETECTORS", "Detector", "build_detector", "closing_detector", "detect"]

MAX_CONFIDENCE = 1.001  # networks round

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def build_detector(name: str, **options: Any) -> Detector:
    """Detector of that name; raises ``UserError`` for a wrong name or option and for a library not installed."""
    check_options(name, options)
    try:
        return DETECTORS.get(name)(**options)
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise UserError(
            f"the detector {name} needs the package {package}, which is not installed: run 'make setup', "
            f"or choose another detector ({', '.join(DETECTORS.names())}) or a keypoint file"
        ) from None


def detect(
    detector: Detector,
    frames: Iterable[np.ndarray],
    *,
    source: str,
    fps: float | None,
    size_px: tuple[int, int] | None,
    progress: Callable[[int], object] | None = None,
) -> Detections:
    """Keypoints of everybody in all frames, which are taken one at a time; ``progress(1)`` is called after each.

    A detector of hands that names their sides (``sides`` of its last frame) tells them too.

    Raises ``UserError`` for a detector that returns something else than it should. Frames that are a generator
    are closed, also after an error.
    """
    people = []
    sides: list[list[str | None]] = []
    try:
        for number, frame in enumerate(frames):
            people.append(_checked(detector(frame), detector, number))
            sides.append(list(getattr(detector, "sides", ())))
            if progress is not None:
                progress(1)
    finally:
        getattr(frames, "close", lambda: None)()
    return Detections(
        skeleton=detector.skeleton,
        people=people,
        sides=sides if hasattr(detector, "sides") else None,
        fps=fps,
        size_px=size_px,
        source=source,
    )


def _checked(found: Any, detector: Detector, number: int) -> np.ndarray:
    """(P,J,3) float32 of what a detector returned for frame ``number``."""
    shape = (detector.skeleton.num_joints, 3)

    def refuse(what: str) -> NoReturn:
        raise UserError(
            f"the detector {type(detector).__name__} returned {what} for frame {number}, where a list is expected "
            f"with one array {shape} a person, of x px, y px and confidence 0 to 1 of the joints of "
            f"{detector.skeleton.name} (docs/add_detector.md)"
        )

    if not isinstance(found, list | tuple):
        refuse("None" if found is None else f"one {_kind(found)}")
    for person in found:
        if not isinstance(person, np.ndarray) or person.shape != shape or person.dtype.kind not in "fiu":
            refuse(f"a list with {'None' if person is None else f'one {_kind(person)}'}")
        confidence = person[:, 2]
        if not ((confidence >= 0) & (confidence <= MAX_CONFIDENCE)).all():  # nor NaN
            refuse(f"confidences from {confidence.min():.3g} to {confidence.max():.3g}")
    return np.stack(found).astype(np.float32, copy=False) if found else np.zeros((0, *shape), np.float32)


def _kind(value: Any) -> str:
    shape = getattr(value, "shape", None)
    dtype = f" of {value.dtype}" if isinstance(value, np.ndarray) and value.dtype.kind not in "fiu" else ""
    return type(value).__name__ + (f" {tuple(shape)}" if shape is not None else "") + dtype
