"""Detectors: each finds the keypoints of everybody in a picture; chosen by name (see docs/add_detector.md).

A detector is a class in a file of this folder; a new file is found without being listed anywhere.
Letters: F frames, P people of a frame, J joints.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from lib.errors import UserError, did_you_mean
from lib.wild.detectors.base import DETECTORS, Detector
from lib.wild.records import Detections

__all__ = ["DETECTORS", "Detector", "build_detector", "detect"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def build_detector(name: str, **options: Any) -> Detector:
    """Detector of that name; raises ``UserError`` for an unknown name or option and for a library not installed."""
    kind = DETECTORS.get(name)
    known = list(inspect.signature(kind).parameters)
    for option in options:
        if option not in known:
            hint = did_you_mean(option, known)
            raise UserError(
                f"the detector {name} has no option '{option}'{hint}; it has: {', '.join(known) or 'none'}"
            )
    try:
        return kind(**options)
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
    """Keypoints of everybody in all frames, which are taken one at a time; ``progress(1)`` is called after each."""
    nobody = np.zeros((0, detector.skeleton.num_joints, 3), np.float32)
    people = []
    for frame in frames:
        found = detector(frame)
        people.append(np.stack(found).astype(np.float32, copy=False) if found else nobody)
        if progress is not None:
            progress(1)
    return Detections(skeleton=detector.skeleton, people=people, fps=fps, size_px=size_px, source=source)
