"""Keyframes of one hand: every finger, the wrist and the forearm move at times of their own.

C channels (``hand_shapes.CHANNELS``), F frames. Keyframes are joined by minimum-jerk curves (Flash & Hogan 1985).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lib.data.worker.hand_shapes import CHANNELS, PARTS, ROWS
from lib.data.worker.kinematics import FINGERS
from lib.data.worker.timing import minimum_jerk, smooth_noise

UNREST_DEG = {"thumb": 1.6, **dict.fromkeys(FINGERS[1:], 1.6), "wrist": 2.2, "forearm": 2.0}
UNREST_SECONDS = 0.45
TAKE_DEG = 1.2  # between two takes of the same shape, on top of what ``hand_takes`` varies
LAG_S = 0.07  # fingers of one movement do not start together


class HandScript:
    """Keyframes of one clip under construction; ``now`` is the time of the last movement in seconds."""

    def __init__(
        self,
        takes: Mapping[str, np.ndarray],
        rng: np.random.Generator,
        duration_s: float,
        tempo: float = 1.0,
    ) -> None:
        """takes: of each shape by name, as this hand makes it (C,M), see ``hand_touch.hand_takes``."""
        self.takes, self.rng, self.duration_s, self.tempo, self.now = takes, rng, duration_s, tempo, 0.0
        self._times: dict[str, list[float]] = {part: [] for part in PARTS}
        self._values: dict[str, list[np.ndarray]] = {part: [] for part in PARTS}

    @property
    def done(self) -> bool:
        """Whether the keyframes fill the clip."""
        return self.now >= self.duration_s

    def uniform(self, low: float, high: float) -> float:
        """A uniform draw."""
        return float(self.rng.uniform(low, high))

    def choose(self, *names: str) -> str:
        """One of the names."""
        return names[self.rng.integers(len(names))]

    def draw(self, name: str) -> dict[str, np.ndarray]:
        """A take of a named shape, finger by finger: angles a little different every time."""
        takes = self.takes[name]
        values = takes[:, self.rng.integers(takes.shape[1])]
        values = values + TAKE_DEG * self.rng.standard_normal(len(CHANNELS))
        return {finger: values[ROWS[finger]] for finger in FINGERS}

    def move(
        self, seconds: float, parts: Mapping[str, np.ndarray | tuple[float, ...]], lag_s: float = LAG_S
    ) -> None:
        """Bring some parts to new channel values within ``seconds``, each with a start and pace of its own."""
        seconds /= self.tempo
        for part, values in parts.items():
            start = self.now + abs(float(self.rng.normal(0.0, lag_s)))
            self.part(part, start, seconds * self.uniform(0.8, 1.0), values)
        self.now += seconds

    def part(self, part: str, start_s: float, seconds: float, values: np.ndarray | tuple[float, ...]) -> None:
        """Bring one part to new values from a time on; ``now`` stays."""
        times, keys = self._times[part], self._values[part]
        values = np.asarray(values, float)
        if not times:
            times.append(0.0)
            keys.append(values)
            return
        if start_s > times[-1]:
            times.append(start_s)
            keys.append(keys[-1])
        times.append(max(times[-1], start_s) + max(seconds, 0.05))
        keys.append(values)

    def shape(self, seconds: float, name: str) -> None:
        """Bring all fingers into a named shape."""
        self.move(seconds, self.draw(name))

    def hold(self, seconds: float) -> None:
        """Stay as it is."""
        self.now += seconds / self.tempo

    def channels(self, times_s: np.ndarray) -> np.ndarray:
        """Channels (C,F) at the given times, with slow unrest on top."""
        out = np.zeros((len(CHANNELS), len(times_s)))
        for part, rows in ROWS.items():
            knots = np.array(self._times[part])
            if len(knots) < 2:  # one pose throughout, or none given: 0
                out[rows] = self._values[part][0][:, None] if len(knots) else 0.0
                continue
            keys = np.array(self._values[part])
            left = np.clip(np.searchsorted(knots, times_s, side="right") - 1, 0, len(knots) - 2)
            weight = minimum_jerk((times_s - knots[left]) / (knots[left + 1] - knots[left]))
            out[rows] = keys[left].T * (1.0 - weight) + keys[left + 1].T * weight
        calm = self.uniform(0.1, 1.2)
        deviation = calm * np.concatenate([np.full(len(PARTS[part]), UNREST_DEG[part]) for part in PARTS])
        return out + deviation[:, None] * smooth_noise(self.rng, len(CHANNELS), times_s, UNREST_SECONDS)
