"""Detectors of bodies find a person in a picture of a hand, too, and are sure of it: a detector of hands tells."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np

from lib.wild.detectors.base import Detector

log = logging.getLogger(__name__)

EVERY, LOOKS = 10, 5  # frames with people from look to look, and the number of looks
# A hand against the person found, both diagonals of what is seen: a tenth in people, over 1 in a video of a hand
TOO_LARGE = 0.6
VISIBLE = 0.5  # confidence of a point


class HandCheck:
    """Looks into a few frames of a video and warns once if most of them show a hand as large as the person."""

    def __init__(self, make_hands: Callable[[], Detector]) -> None:
        self._make_hands = make_hands
        self._hands: Detector | None = None
        self._frames = 0
        self._is_hand: list[bool] = []

    def __call__(self, frame: np.ndarray, people: Sequence[np.ndarray]) -> None:
        """Take the next frame (H,W,3) uint8 RGB with the people (J,3) found in it."""
        largest = max((_diagonal(person) for person in people), default=0.0)
        if len(self._is_hand) == LOOKS or largest == 0:
            return
        self._frames += 1
        if self._frames % EVERY:
            return
        self._hands = self._hands or self._make_hands()
        self._is_hand.append(any(_diagonal(hand) > TOO_LARGE * largest for hand in self._hands(frame)))
        if len(self._is_hand) == LOOKS:
            self.close()

    def close(self) -> None:
        """Tell, where that has not been done, and free the detector of hands."""
        if self._hands is None:
            return
        getattr(self._hands, "close", lambda: None)()
        self._hands = None
        if 2 * sum(self._is_hand) > len(self._is_hand):
            log.warning(
                "what was found does not look like a person: in %d of %d frames looked at it is a single hand; look at "
                "overlay.mp4; hands need --detector mediapipe_hands",
                *(sum(self._is_hand), len(self._is_hand)),
            )


def _diagonal(points: np.ndarray) -> float:
    """Of the box (px) around the points (J,3) that are visible; 0 if none is."""
    seen = points[points[:, 2] > VISIBLE, :2]
    return float(np.linalg.norm(np.ptp(seen, axis=0))) if len(seen) else 0.0
