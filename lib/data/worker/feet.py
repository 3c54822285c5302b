"""Feet that stay where they stand: a plan of footsteps becomes foot poses, contacts and the base between.

F frames; side 0 is left, 1 is right. A planted foot turns only about its heel (toes up) or its ball (heel
up).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from lib.data.worker.anthropometry import Subject
from lib.data.worker.kinematics import SIDE_SIGN, SIDES, rotation_yzx, rotation_zxy
from lib.data.worker.timing import minimum_jerk

# standard deviations of the filters that turn the feet's midpoint into steady travel, and swings into "is
# stepping"
BASE_SMOOTHING_S, STEPPING_SMOOTHING_S = 0.2, 0.35


@dataclass(frozen=True)
class FootTracks:
    """Per side and frame: place of the flat foot's ankle on the floor and its lift, yaw, pitch, and contacts.

    place (2,F,3) mm world (y is the lift); yaw, pitch (2,F) degrees (pitch < 0: heel up); swing (2,F) 0..1 a
    bump over each swing, stepping (2,F) the same smoothed over about a second; planted (2,F) bool.
    """

    place: np.ndarray
    yaw: np.ndarray
    pitch: np.ndarray
    swing: np.ndarray
    stepping: np.ndarray
    planted: np.ndarray

    @classmethod
    def concat(cls, parts: list[FootTracks]) -> FootTracks:
        """All clips one after the other."""
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts], axis=1) for f in fields(cls)))


@dataclass(frozen=True)
class Step:
    """One swing of a foot: from ``start`` for ``seconds`` to a place on the floor (x, z mm; yaw degrees)."""

    start: float
    seconds: float
    place: tuple[float, float]
    yaw: float
    heel_rise_deg: float
    heel_strike_deg: float
    lift_mm: float


class Footsteps:
    """Standing places of both feet and the steps between them."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        width = 0.5 * 0.115 * subject.stature_mm * subject.habit["stance_width"]
        toe_out = subject.habit["toe_out"]
        self.stand = {side: ((0.0, SIDE_SIGN[side] * width), -SIDE_SIGN[side] * toe_out) for side in SIDES}
        self.steps: dict[str, list[Step]] = {side: [] for side in SIDES}

    def place(self, side: str, x: float, z: float, yaw: float) -> None:
        """Where a foot stands before its first step."""
        self.stand[side] = ((x, z), yaw)

    def last(self, side: str) -> tuple[tuple[float, float], float]:
        """Place and yaw of a foot after its last step so far."""
        steps = self.steps[side]
        return (steps[-1].place, steps[-1].yaw) if steps else self.stand[side]

    def step(
        self,
        side: str,
        start: float,
        seconds: float,
        place: tuple[float, float],
        yaw: float,
        heel_rise_deg: float = 25.0,
        heel_strike_deg: float = 4.0,
        lift_mm: float = 35.0,
    ) -> None:
        """Add a step; steps of one foot follow each other in time."""
        self.steps[side].append(Step(start, seconds, place, yaw, heel_rise_deg, heel_strike_deg, lift_mm))

    def tracks(self, times_s: np.ndarray) -> tuple[FootTracks, np.ndarray]:
        """Foot tracks and the base (F,3): x, z mm and yaw degrees, smooth, midway between the feet."""
        rate = 1.0 / (times_s[1] - times_s[0])
        pad = int(4 * STEPPING_SMOOTHING_S * rate) + 1
        padded = np.arange(-pad, len(times_s) + pad) / rate + times_s[0]
        left, right = (self._side(side, padded) for side in SIDES)
        both = {name: np.stack([left[name], right[name]]) for name in left}
        middle = (both["place"][..., 0].mean(0), both["place"][..., 2].mean(0), both["yaw"].mean(0))
        base = np.stack([_smooth(column, BASE_SMOOTHING_S * rate, pad) for column in middle], axis=1)
        inner = {name: value[:, pad : pad + len(times_s)] for name, value in both.items()}
        stepping = np.stack([_smooth(swing, STEPPING_SMOOTHING_S * rate, pad) for swing in both["swing"]])
        return FootTracks(**inner, stepping=stepping), base

    def _side(self, side: str, times: np.ndarray) -> dict[str, np.ndarray]:
        before, yaw_before = self.stand[side]
        place, yaw = np.zeros((len(times), 3)), np.full(len(times), yaw_before)
        place[:, 0], place[:, 2] = before
        pitch, swing, planted = np.zeros(len(times)), np.zeros(len(times)), np.ones(len(times), bool)
        for step in self.steps[side]:
            phase = np.clip((times - step.start) / step.seconds, 0.0, 1.0)
            moved = phase**2 * (
                3.0 - 2.0 * phase
            )  # steadier than minimum jerk: the knee extends less abruptly
            place[:, 0] += moved * (step.place[0] - before[0])
            place[:, 2] += moved * (step.place[1] - before[1])
            yaw += moved * (step.yaw - yaw_before)
            before, yaw_before = step.place, step.yaw
            bump = np.sin(np.pi * phase) ** 2
            place[:, 1] += step.lift_mm * bump
            swing = np.maximum(swing, bump)
            planted &= (phase <= 0.0) | (phase >= 1.0)
            pitch += _pitch(times - step.start, step)
        return {"place": place, "yaw": yaw, "pitch": pitch, "swing": swing, "planted": planted}


def _smooth(values: np.ndarray, deviation: float, pad: int) -> np.ndarray:
    """Gaussian mean over time; ``pad`` frames fall away at each end."""
    kernel = np.exp(-0.5 * (np.arange(-pad, pad + 1) / deviation) ** 2)
    return np.convolve(values, kernel / kernel.sum(), mode="valid")


def ankle_poses(
    subject: Subject, place: np.ndarray, yaw: np.ndarray, pitch: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ankle centre (F,3) mm, foot rotation (F,3,3) and toe extension (F,) of one foot.

    With the heel up the ball stays where it stands and the toes lie flat; with the toes up the heel stays.
    """
    rotation = rotation_yzx(yaw, pitch, 0.0)
    pivot = np.where((pitch < 0.0)[:, None], subject.joints["toes"] * [1.0, 1.0, 0.0], subject.heel_sole)
    flat = rotation_zxy(0.0, 0.0, yaw)
    shift = (flat @ pivot[..., None] - rotation @ pivot[..., None])[..., 0]
    ankle = place + shift + np.array([0.0, subject.ankle_height_mm, 0.0])
    return ankle, rotation, np.maximum(0.0, -pitch)


def _pitch(since_start: np.ndarray, step: Step) -> np.ndarray:
    """Heel rise before and after toe-off, toes up at heel strike, flat again: smooth, degrees."""
    rise, strike = -step.heel_rise_deg, step.heel_strike_deg
    begin, peak, land = -0.55 * step.seconds, 0.12 * step.seconds, step.seconds
    settle = land + 0.35 * step.seconds
    out = rise * minimum_jerk(np.clip((since_start - begin) / (peak - begin), 0.0, 1.0))
    out += (strike - rise) * minimum_jerk(np.clip((since_start - peak) / (land - peak), 0.0, 1.0))
    return out - strike * minimum_jerk(np.clip((since_start - land) / (settle - land), 0.0, 1.0))
