"""MediaPipe's body (33 points, one person) and hands (21 points each), whose weights lie in its wheel."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from lib.skeleton import load_skeleton
from lib.wild.detectors.base import DETECTORS

log = logging.getLogger(__name__)

OUTSIDE_MARGIN = (
    0.1  # of the longer side of the image: so far outside it a point's confidence has fallen to 0
)
SAME_HAND = 0.3  # of a hand's extent: hands that lie closer on average are one hand, found twice


class _Solution:
    """One of MediaPipe's graphs, which follows people from frame to frame of one video."""

    def __init__(self, name: str, device: str, **options: Any) -> None:
        import mediapipe

        if device != "cpu":
            log.info("MediaPipe runs on the CPU (device %s given)", device)
        self._kind = {"pose": mediapipe.solutions.pose.Pose, "hands": mediapipe.solutions.hands.Hands}[name]
        self._options = options
        self._quiet = True
        self._start()

    def _start(self) -> None:
        with _native_messages_hidden():
            self._graph = self._kind(**self._options)
            # its threads are still starting, and talking: an empty picture waits for them
            self._graph.process(np.zeros((64, 64, 3), np.uint8))

    def process(self, frame: np.ndarray) -> Any:
        """MediaPipe's result for a frame, None if it failed."""
        # the last of its messages comes with the first person; from then on nothing is hidden
        hidden = _native_messages_hidden() if self._quiet else contextlib.nullcontext()
        try:
            with hidden:
                return self._graph.process(np.ascontiguousarray(frame))
        except RuntimeError as error:  # the graph is unusable after one
            log.warning("MediaPipe failed on a frame, which counts as empty: %s", error)
            self._start()
            return None

    def found(self) -> None:
        """Note that somebody was found."""
        self._quiet = False

    def close(self) -> None:
        """Free the graph."""
        self._graph.close()


@DETECTORS.register("mediapipe")
class MediaPipeBody:
    """BlazePose: the most prominent person of each frame; confidence is MediaPipe's visibility.

    smooth: MediaPipe's own filter, which looks back only: in walking a third steadier, a quarter of a frame late.
    """

    def __init__(self, *, device: str = "cpu", smooth: bool = True, min_confidence: float = 0.5) -> None:
        self.skeleton = load_skeleton("MediaPipe-33")
        self._solution = _Solution(
            "pose",
            device,
            model_complexity=1,  # the only one in the wheel
            smooth_landmarks=smooth,
            min_detection_confidence=min_confidence,
            min_tracking_confidence=min_confidence,
        )

    def __call__(self, frame: np.ndarray) -> list[np.ndarray]:
        """The person as one array (33,3): x px, y px, confidence; an empty list if there is none."""
        result = self._solution.process(frame)
        if result is None or result.pose_landmarks is None:
            return []
        self._solution.found()
        landmarks = result.pose_landmarks.landmark
        return [_points(landmarks, np.array([point.visibility for point in landmarks]), frame)]

    def close(self) -> None:
        """Free MediaPipe's graph."""
        self._solution.close()


@DETECTORS.register("mediapipe_hands")
class MediaPipeHands:
    """Up to ``max_hands`` hands of each frame; ``sides`` names those of the last one, "left" or "right".

    MediaPipe gives hands one score instead of one a point: how sure it is of the side.
    """

    def __init__(self, *, device: str = "cpu", max_hands: int = 2, min_confidence: float = 0.5) -> None:
        self.skeleton = load_skeleton("Hand-21")
        self.sides: list[str] = []
        self._solution = _Solution(
            "hands",
            device,
            max_num_hands=max_hands,
            min_detection_confidence=min_confidence,
            min_tracking_confidence=min_confidence,
        )

    def __call__(self, frame: np.ndarray) -> list[np.ndarray]:
        """One array (21,3) a hand: x px, y px, confidence."""
        self.sides = []
        hands: list[np.ndarray] = []
        result = self._solution.process(frame)
        if result is None or result.multi_hand_landmarks is None:
            return hands
        self._solution.found()
        for hand, handedness in zip(result.multi_hand_landmarks, result.multi_handedness, strict=True):
            side = handedness.classification[0]
            points = _points(hand.landmark, np.full(len(hand.landmark), side.score), frame)
            if any(_is_same_hand(points, other) for other in hands):
                continue
            hands.append(points)
            # MediaPipe names sides as in a mirror image (selfie camera); frames of a video are not mirrored
            self.sides.append({"Left": "right", "Right": "left"}[side.label])
        return hands

    def close(self) -> None:
        """Free MediaPipe's graph."""
        self._solution.close()


def _points(landmarks: Any, visibility: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """(J,3) x px, y px, confidence of landmarks in parts of the image's sides.

    MediaPipe also guesses points that lie outside the image, some with a visibility near 1. They stay, but
    nobody can have seen them: their confidence falls to 0 within a margin around the image.
    """
    height, width = frame.shape[:2]
    xy = np.array([(point.x, point.y) for point in landmarks]) * (width, height)
    outside = np.maximum(-xy, xy - (width, height)).max(-1).clip(min=0) / max(width, height)
    confidence = visibility.clip(0, 1) * (1 - outside / OUTSIDE_MARGIN).clip(min=0)
    return np.concatenate([xy, confidence[:, None]], -1).astype(np.float32)


def _is_same_hand(a: np.ndarray, b: np.ndarray) -> bool:
    distance = np.linalg.norm(a[:, :2] - b[:, :2], axis=-1).mean()
    return bool(distance < SAME_HAND * np.linalg.norm(np.ptp(b[:, :2], axis=0)))


@contextlib.contextmanager
def _native_messages_hidden() -> Iterator[None]:
    """Hide what C++ code writes to file descriptor 2, which no setting silences; ``sys.stderr`` stays visible."""
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with (
            open(os.devnull, "wb") as nowhere,  # noqa: PTH123
            open(terminal, "w", buffering=1, closefd=False) as visible,
            contextlib.redirect_stderr(visible),
        ):
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
