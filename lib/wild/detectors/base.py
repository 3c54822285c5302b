"""What a detector is, and the table that detectors are filed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from lib.registry import Registry
from lib.skeleton import Skeleton


class Detector(Protocol):
    """Made with keyword options only; may have a method ``close()``."""

    skeleton: Skeleton

    def __call__(self, frame: np.ndarray) -> list[np.ndarray]:
        """Arrays (J,3) of x px, y px and confidence 0..1, one a person, of a frame (H,W,3) uint8 RGB."""
        ...


DETECTORS: Registry[Callable[..., Detector]] = Registry("detector")
