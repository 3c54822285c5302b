"""MediaPipe's bodies (33 points) and hands (21 points each), whose weights lie in its wheel."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from lib.skeleton import load_skeleton
from lib.wild.detectors.base import DETECTORS, check_range
from lib.wild.detectors.hand_check import HandCheck

log = logging.getLogger(__name__)

OUTSIDE_MARGIN = (
    0.1  # of the longer side of the image: so far outside it a point's confidence has fallen to 0
)
SAME = 0.3  # of its own diagonal: what lies closer to another one on average is the same, found twice
VISIBLE = 0.5  # confidence of the points that tell where somebody is
HIDDEN_MARGIN = 0.1  # of the person's longer side, around a person who is hidden from the next graph
MOST = 20  # people or hands: each graph of a person takes 100 MB
SEARCH_EVERY = 5  # frames, for one more person than are followed


class _Graph:
    """One of MediaPipe's graphs, which finds and follows people from frame to frame of one video."""

    def __init__(self, name: str, device: str, options: dict[str, Any]) -> None:
        from mediapipe.python.solutions import hands, pose

        if device != "cpu":
            log.info("MediaPipe runs on the CPU (device %s given)", device)
        self._kind, self._options = {"pose": pose.Pose, "hands": hands.Hands}[name], options
        self.has_found = False
        self._start()

    def _start(self) -> None:
        self._error: RuntimeError | None = None
        with _native_messages_hidden():
            self._solution = self._kind(**self._options)
            # its threads are still starting, and talking: an empty picture waits for them
            self._solution.process(np.zeros((64, 64, 3), np.uint8))

    def process(self, frame: np.ndarray) -> Any:
        """MediaPipe's result for a frame, None if it failed."""
        try:
            return self._solution.process(np.ascontiguousarray(frame))
        except RuntimeError as error:
            self._error = error
            return None

    def recover(self) -> None:
        """Start again after an error, which leaves the graph unusable."""
        if self._error is not None:
            log.warning("MediaPipe failed on a frame, which counts as empty: %s", self._error)
            with contextlib.suppress(RuntimeError, ValueError):  # it tells its error once more
                self.close()
            self._start()

    def close(self) -> None:
        """Free the graph."""
        self._solution.close()


def _process(
    graphs: Sequence[_Graph], frames: Sequence[np.ndarray], threads: ThreadPoolExecutor
) -> list[Any]:
    """Results of the graphs, each on its own frame, side by side."""
    # the last of MediaPipe's messages come with the first person; from then on nothing is hidden
    quiet = not all(graph.has_found for graph in graphs)
    with _native_messages_hidden() if quiet else contextlib.nullcontext():
        results = list(threads.map(_Graph.process, graphs, frames))
    for graph in graphs:
        graph.recover()
    return results


@DETECTORS.register("mediapipe")
class MediaPipeBody:
    """BlazePose; confidence is MediaPipe's visibility.

    people: at most so many a frame. A graph of MediaPipe follows one person, of its own choice and as long as it
    can; each further graph sees the frame without those whom the graphs before it found in the last frame.
    smooth: MediaPipe's own filter, which looks back only: in walking a third steadier, a quarter of a frame late.
    ``worlds_m`` holds MediaPipe's own 3D of each person of the last frame (33,3): metres from the middle of the hips,
    x right, y down, z forward.
    """

    joint_format = "MediaPipe-33"

    def __init__(
        self, *, device: str = "cpu", people: int = 2, smooth: bool = True, min_confidence: float = 0.5
    ) -> None:
        check_range("mediapipe", "people", people, 1, MOST)
        check_range("mediapipe", "min_confidence", min_confidence, 0, 1)
        self.skeleton = load_skeleton(self.joint_format)
        options = {
            "model_complexity": 1,  # the only one in the wheel
            "smooth_landmarks": smooth,
            "min_detection_confidence": min_confidence,
            "min_tracking_confidence": min_confidence,
        }
        self._graphs = [_Graph("pose", device, options) for _ in range(people)]
        self._last: list[np.ndarray | None] = [None] * people
        self._threads = ThreadPoolExecutor(people)
        self._hand_check = HandCheck(MediaPipeHands)
        self.worlds_m: list[np.ndarray] = []
        self._frame_number = 0

    def __call__(self, frame: np.ndarray) -> list[np.ndarray]:
        """One array (33,3) a person: x px, y px, confidence; an empty list if there is nobody."""
        is_search = self._frame_number % SEARCH_EVERY == 0
        self._frame_number += 1
        followed = [last is not None for last in self._last]
        due = [0] + [
            index
            for index in range(1, len(followed))
            if followed[index] or (is_search and followed[index - 1])
        ]
        frames = [_without(frame, self._last[:index]) for index in due]
        results = _process([self._graphs[index] for index in due], frames, self._threads)
        self._last = [None] * len(self._graphs)
        people: list[np.ndarray] = []
        self.worlds_m = []
        for index, result in zip(due, results, strict=True):
            if result is None or result.pose_landmarks is None:
                continue
            self._graphs[index].has_found = True
            landmarks = result.pose_landmarks.landmark
            person = _points(landmarks, np.array([point.visibility for point in landmarks]), frame)
            if not any(_is_same(person, other) for other in people):
                people.append(person)
                self.worlds_m.append(_metres(result.pose_world_landmarks.landmark))
                self._last[index] = person
        self._hand_check(frame, people)
        return people

    def close(self) -> None:
        """Free MediaPipe's graphs."""
        for graph in self._graphs:
            graph.close()
        self._hand_check.close()
        self._threads.shutdown()


@DETECTORS.register("mediapipe_hands")
class MediaPipeHands:
    """Up to ``max_hands`` hands of each frame; ``sides`` names those of the last one, "left" or "right".

    MediaPipe gives hands one score instead of one a point: how sure it is of the side. ``worlds_m`` as of bodies,
    (21,3) from the middle of the hand.
    """

    joint_format = "Hand-21"

    def __init__(self, *, device: str = "cpu", max_hands: int = 2, min_confidence: float = 0.5) -> None:
        check_range("mediapipe_hands", "max_hands", max_hands, 1, MOST)
        check_range("mediapipe_hands", "min_confidence", min_confidence, 0, 1)
        self.skeleton = load_skeleton(self.joint_format)
        self.sides: list[str] = []
        self.worlds_m: list[np.ndarray] = []
        options = {
            "max_num_hands": max_hands,
            "min_detection_confidence": min_confidence,
            "min_tracking_confidence": min_confidence,
        }
        self._graph = _Graph("hands", device, options)
        self._threads = ThreadPoolExecutor(1)

    def __call__(self, frame: np.ndarray) -> list[np.ndarray]:
        """One array (21,3) a hand: x px, y px, confidence."""
        self.sides, self.worlds_m = [], []
        hands: list[np.ndarray] = []
        (result,) = _process([self._graph], [frame], self._threads)
        if result is None or result.multi_hand_landmarks is None:
            return hands
        self._graph.has_found = True
        found = (result.multi_hand_landmarks, result.multi_hand_world_landmarks, result.multi_handedness)
        for hand, world, handedness in zip(*found, strict=True):
            side = handedness.classification[0]
            points = _points(hand.landmark, np.full(len(hand.landmark), side.score), frame)
            if any(_is_same(points, other) for other in hands):
                continue
            hands.append(points)
            self.worlds_m.append(_metres(world.landmark))
            # MediaPipe names sides as in a mirror image (selfie camera); frames of a video are not mirrored
            self.sides.append({"Left": "right", "Right": "left"}[side.label])
        return hands

    def close(self) -> None:
        """Free MediaPipe's graph."""
        self._graph.close()
        self._threads.shutdown()


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


def _metres(landmarks: Any) -> np.ndarray:
    """(J,3) of landmarks in the world."""
    return np.array([(point.x, point.y, point.z) for point in landmarks], np.float32)


def _is_same(a: np.ndarray, b: np.ndarray) -> bool:
    distance = np.linalg.norm(a[:, :2] - b[:, :2], axis=-1).mean()
    return bool(distance < SAME * np.linalg.norm(np.ptp(b[:, :2], axis=0)))


def _without(frame: np.ndarray, people: Sequence[np.ndarray | None]) -> np.ndarray:
    """The frame with gray boxes in the place of people (a copy if there are any)."""
    boxes = []
    for person in people:
        seen: Any = [] if person is None else person[person[:, 2] > VISIBLE, :2]
        if len(seen):
            low, high = np.min(seen, 0), np.max(seen, 0)
            margin = HIDDEN_MARGIN * (high - low).max()
            boxes.append(np.stack([low - margin, high + margin]).clip(0).astype(int))
    frame = frame.copy() if boxes else frame
    for (left, top), (right, bottom) in boxes:
        frame[top:bottom, left:right] = 128
    return frame


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
