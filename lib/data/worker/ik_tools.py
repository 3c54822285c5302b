"""What legs, arms and neck share: angles by name, limits without jumps, two bones between two points."""

from __future__ import annotations

import numpy as np

from lib.data.worker.anthropometry import Subject
from lib.data.worker.kinematics import DOF_INDEX, DOF_NAMES, rotation_zxy
from lib.data.worker.script import Commands
from lib.data.worker.timing import minimum_jerk


class Angles:
    """Rows of the (D,F) array by name."""

    def __init__(self, num_frames: int) -> None:
        self.array = np.zeros((len(DOF_NAMES), num_frames))

    def __setitem__(self, name: str, value: np.ndarray | float) -> None:
        self.array[DOF_INDEX[name]] = value

    def __getitem__(self, name: str) -> np.ndarray:
        return self.array[DOF_INDEX[name]]


def limit(subject: Subject, dof: str, value: np.ndarray) -> np.ndarray:
    low, high = subject.limits[dof]
    return np.clip(value, low, high)


def soft_limit(subject: Subject, dof: str, value: np.ndarray) -> np.ndarray:
    """Value that approaches its limit smoothly instead of stopping dead."""
    low, high = subject.limits[dof]
    bound = np.where(value > 0, high, -low)
    return bound * np.tanh(value / bound)


def fold(subject: Subject, dof: str, angle: np.ndarray) -> np.ndarray:
    """Angle on the full circle brought within its limits without a jump.

    Beyond a limit it stays there; half way round the back it crosses over to the other limit.
    """
    low, high = subject.limits[dof]
    gap = low + 360.0 - high
    beyond = np.mod(angle - high, 360.0) / gap  # 0..1 on the way from the upper to the lower limit
    crossing = minimum_jerk((beyond - 0.25) / 0.5)
    return np.where(beyond < 1.0, high + (low - high) * crossing, np.clip(angle, low, high))


def base_to_world(commands: Commands, points: np.ndarray) -> np.ndarray:
    """Points (F,3) of the base frame in the world."""
    turned = rotation_zxy(0.0, 0.0, commands.base[:, 2]) @ points[..., None]
    world = turned[..., 0]
    world[:, 0] += commands.base[:, 0]
    world[:, 2] += commands.base[:, 1]
    return world


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.maximum(norm(vector), 1e-9)[..., None]


def norm(vector: np.ndarray) -> np.ndarray:
    return np.sqrt(dot(vector, vector))  # three columns by hand: several times faster than a reduction


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]


def two_bones(span: np.ndarray, upper: float, lower: float) -> tuple[np.ndarray, np.ndarray]:
    """Bend (F,) of the middle joint in degrees and the angle (F,) radians of the upper bone off the line."""
    cos_middle = (upper**2 + lower**2 - span**2) / (2 * upper * lower)
    cos_upper = (upper**2 + span**2 - lower**2) / (2 * upper * span)
    bend = 180.0 - np.degrees(np.arccos(np.clip(cos_middle, -1.0, 1.0)))
    return bend, np.arccos(np.clip(cos_upper, -1.0, 1.0))


def bone_frame(line: np.ndarray, bulge: np.ndarray, off_line: np.ndarray, hinge_sign: float) -> np.ndarray:
    """Frame (F,3,3) of the upper bone of two whose middle joint bulges from ``line`` towards ``bulge`` (F,3).

    hinge_sign 1 for a knee (the bone below bends back), -1 for an elbow (it bends forward).
    """
    bulge = unit(bulge - dot(bulge, line)[:, None] * line)
    along = np.cos(off_line)[:, None] * line + np.sin(off_line)[:, None] * bulge
    y_axis = -along
    z_axis = hinge_sign * np.cross(line, bulge)
    return np.stack([np.cross(y_axis, z_axis), y_axis, z_axis], axis=-1)
