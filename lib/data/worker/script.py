"""What a worker is told to do: keyframes of control channels and a plan of footsteps, turned into frames.

C channels, F frames. Keyframes are joined by minimum-jerk curves (Flash & Hogan 1985). Hand and gaze targets
are written in the base frame: its origin lies on the floor midway between the feet, x points where the feet
point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.data.worker.anthropometry import Subject
from lib.data.worker.feet import Footsteps, FootTracks
from lib.data.worker.timing import minimum_jerk, smooth_noise

CENTRE_CHANNELS = {
    "forward": 0.0,  # pelvis against the base, mm
    "right": 0.0,
    "height": 1.0e4,  # of the hip centres, mm; the legs' reach limits it
    "yaw": 0.0,  # pelvis against the base, degrees
    "tilt": 0.0,
    "list": 0.0,
    "trunk_flexion": 0.0,
    "trunk_lateral": 0.0,
    "trunk_rotation": 0.0,
    "neck_lateral": 0.0,
    "gaze": 0.0,  # 0: head straight on the trunk, 1: looks at the point gaze_x, gaze_y, gaze_z (mm)
    "gaze_x": 3000.0,
    "gaze_y": 1500.0,
    "gaze_z": 0.0,
}
SIDE_CHANNELS = {
    "ik": 0.0,  # 0: arm hangs as told by the four angles below, 1: the grip centre goes to x, y, z (mm)
    "x": 300.0,
    "y": 900.0,
    "z": 0.0,
    "pitch": 60.0,  # fingers: 0 down, 90 forward, 180 up
    "inward": 0.0,  # fingers turned to the other side, degrees
    "roll": 0.0,  # -90 palm up, 0 palm to the midline, 90 palm down (fingers forward)
    "elbow_out": 0.0,  # how far the elbow is held out to the side, 0 hanging, 1 level
    "arm_flexion": 0.0,  # shoulder against gravity, degrees
    "arm_abduction": 0.0,
    "elbow": 18.0,
    "pronation": 15.0,
    "wrist": 0.0,
    "swing": 1.0,  # how much of the arm swing of gait this arm takes part in
    "twist": 0.0,  # forearm rotation on top of whatever the hand does, degrees (turning a screwdriver)
    "heel_raise": 0.0,  # foot pitch about the ball, degrees
    "grip": 0.25,  # fingers: 0 flat, 1 fist
    "pinch": 0.0,  # 1: thumb and index tip meet
}
CHANNELS = {
    **CENTRE_CHANNELS,
    **{f"{side}_{name}": value for side in ("left", "right") for name, value in SIDE_CHANNELS.items()},
}
CHANNEL_INDEX = {name: number for number, name in enumerate(CHANNELS)}

# slow natural variation: standard deviation by the last word of a channel's name, mm or degrees
_UNREST = {
    **{"forward": 5.0, "right": 6.0, "yaw": 1.0, "tilt": 0.8, "list": 0.6},
    **{
        "trunk_flexion": 1.2,
        "trunk_lateral": 0.9,
        "trunk_rotation": 1.2,
        "neck_lateral": 2.5,
        "gaze_x": 40,
        "gaze_y": 60,
        "gaze_z": 80,
    },
    **{"arm_flexion": 1.5, "arm_abduction": 1.0, "elbow": 2.0, "pronation": 2.5, "wrist": 2.0},
    **{"x": 2.5, "y": 2.5, "z": 2.5, "pitch": 2.0, "inward": 1.5, "roll": 2.0, "grip": 0.02},
}
UNREST = np.array(
    [
        _UNREST.get(name, _UNREST.get(name.removeprefix("left_").removeprefix("right_"), 0.0))
        for name in CHANNELS
    ]
)
UNREST_SECONDS = 0.8


@dataclass(frozen=True)
class Commands:
    """Frames of one or more clips of one subject, ready for the solver: channels (C,F), feet, base (F,3)."""

    channels: np.ndarray
    feet: FootTracks
    base: np.ndarray  # x mm, z mm, yaw degrees of the base on the floor

    def __getitem__(self, name: str) -> np.ndarray:
        return self.channels[CHANNEL_INDEX[name]]

    @classmethod
    def concat(cls, parts: list[Commands]) -> Commands:
        """All clips one after the other."""
        return cls(
            np.concatenate([part.channels for part in parts], axis=1),
            FootTracks.concat([part.feet for part in parts]),
            np.concatenate([part.base for part in parts]),
        )


class Script:
    """Keyframes of one clip under construction; ``now`` is the time of the last keyframe in seconds."""

    def __init__(self, subject: Subject, rng: np.random.Generator, duration_s: float, fps: float) -> None:
        self.subject = subject
        self.rng = rng
        self.duration_s = duration_s
        self.fps = fps
        self.now = 0.0
        self.feet = Footsteps(subject)
        self._values = np.array(list(CHANNELS.values()))
        self._times: list[float] = []
        self._keys: list[np.ndarray] = []
        self._arcs: list[np.ndarray] = []
        habit = subject.habit
        self.set(tilt=habit["pelvis_tilt"], trunk_flexion=habit["trunk_flexion"] - habit["pelvis_tilt"])
        self.set(both_arm_abduction=habit["arm_abduction"], both_elbow_out=habit["elbow_out"])

    @property
    def done(self) -> bool:
        """Whether the keyframes fill the clip."""
        return self.now >= self.duration_s

    def uniform(self, low: float, high: float) -> float:
        """A uniform draw."""
        return float(self.rng.uniform(low, high))

    def __getitem__(self, name: str) -> float:
        """Value of a channel at the last keyframe."""
        return float(self._values[CHANNEL_INDEX[name]])

    def set(self, **channels: Any) -> None:
        """Change channels from the start (before the first movement); ``both_x`` means left_x and right_x."""
        self._assign(channels)

    def to(self, seconds: float, arc: dict[str, float] | None = None, **channels: Any) -> None:
        """Move to new channel values within ``seconds``; ``arc`` bends the way by so much in its middle."""
        if not self._times:
            self._key(0.0)
        self._aim_idle_hands(_both(channels))
        self._assign(channels)
        self.now += seconds
        bend = np.zeros(len(CHANNELS))
        for name, value in _both(arc or {}).items():
            bend[CHANNEL_INDEX[name]] = value
        self._key(self.now, bend)

    def hold(self, seconds: float) -> None:
        """Stay as it is."""
        self.to(seconds)

    def commands(self, start_s: float, frames: int) -> Commands:
        """``frames`` frames from ``start_s`` on."""
        if not self._times:
            self._key(0.0)
        times = start_s + np.arange(frames) / self.fps
        channels = self._interpolate(times)
        feet, base = self.feet.tracks(times)
        channels += UNREST[:, None] * smooth_noise(self.rng, len(CHANNELS), times, UNREST_SECONDS)
        return Commands(channels, feet, base)

    def _interpolate(self, times: np.ndarray) -> np.ndarray:
        keys, knots = np.array(self._keys), np.array(self._times)
        if len(knots) == 1:
            return np.repeat(keys.T, len(times), axis=1)
        left = np.clip(np.searchsorted(knots, times, side="right") - 1, 0, len(knots) - 2)
        weight = minimum_jerk((times - knots[left]) / np.maximum(knots[left + 1] - knots[left], 1e-6))
        bend = np.array(self._arcs)[left + 1].T * np.sin(np.pi * weight) ** 2
        return keys[left].T * (1.0 - weight) + keys[left + 1].T * weight + bend

    def _aim_idle_hands(self, channels: dict[str, Any]) -> None:
        """A hand that starts to reach does so for its new target, not by way of where it worked last."""
        aims = {
            name: channels[name]
            for side in ("left", "right")
            if self[f"{side}_ik"] == 0.0 and channels.get(f"{side}_ik", 0.0) > 0.0
            for name in (f"{side}_{part}" for part in ("x", "y", "z", "pitch", "inward", "roll"))
            if name in channels
        }
        if aims:
            self._assign(aims)
            self._key(
                self.now
            )  # a second keyframe at the same time: the jump does not show, the hand is idle

    def _assign(self, channels: dict[str, Any]) -> None:
        for name, value in _both(channels).items():
            self._values[CHANNEL_INDEX[name]] = value

    def _key(self, time_s: float, bend: np.ndarray | None = None) -> None:
        self._times.append(time_s)
        self._keys.append(self._values.copy())
        self._arcs.append(np.zeros(len(CHANNELS)) if bend is None else bend)


def _both(channels: dict[str, Any]) -> dict[str, Any]:
    out = {}
    for name, value in channels.items():
        if name.startswith("both_"):
            out |= {f"{side}_{name.removeprefix('both_')}": value for side in ("left", "right")}
        else:
            out[name] = value
    return out
