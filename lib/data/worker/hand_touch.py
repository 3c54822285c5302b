"""Shapes as one person's hand makes them: tips that shall touch do touch, whatever the length of the fingers.

C channels, K shapes of which M takes are made, N columns, X free angles.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lib.data.worker.anthropometry import Subject
from lib.data.worker.body_points import place_points
from lib.data.worker.hand_pose import hand_frames
from lib.data.worker.hand_shapes import CHANNELS, coupled, hand_shapes, shape_names, shape_touches
from lib.data.worker.kinematics import FINGERS

TAKES = 4  # of each shape; drawn from in all clips of a person
# deviation between takes, by the end of a channel's name
SPREAD_DEG = {"distal_flexion": 3.0, "flexion": 6.0, "radial": 3.0, "rotation": 4.0}
# angles that may change so that points meet, and how much a degree of it weighs against a millimetre
FREE = tuple(
    row
    for row, name in enumerate(CHANNELS)
    if name.split("_")[0] == "thumb" or name.endswith(("_proximal_flexion", "_intermediate_flexion"))
)
STAY_PER_DEG = 0.15
STEPS, LARGEST_STEP_DEG, DIFFERENCE_DEG = 6, 15.0, 0.1


def hand_takes(
    rng: np.random.Generator, subject: Subject, names: Sequence[str] | None = None, count: int = TAKES
) -> dict[str, np.ndarray]:
    """Channels (C,M) in degrees of ``count`` takes of shapes (None: of all), by name, for a subject's hand."""
    names = shape_names() if names is None else names
    deviation = np.array([_spread_deg(name) for name in CHANNELS])
    shapes = hand_shapes()[:, [shape_names().index(name) for name in names]].repeat(count, axis=1)
    shapes += deviation[:, None] * np.clip(rng.standard_normal(shapes.shape), -2.0, 2.0)
    touches = [shape_touches(name) for name in names for _ in range(count)]
    some = np.array([bool(touch) for touch in touches])
    if some.any():
        shapes[:, some] = touching(subject, shapes[:, some], [touch for touch in touches if touch])
    return dict(zip(names, np.split(shapes, len(names), axis=1), strict=True))


def touching(
    subject: Subject, channels: np.ndarray, touches: Sequence[Sequence[tuple[str, str, float]]]
) -> np.ndarray:
    """Channels (C,N) near the given ones for which the points of each column's touches have their distances.

    A few damped Gauss-Newton steps on the angles of thumb, knuckles and middle joints.
    """
    names = tuple(sorted({point for touch in touches for pair in touch for point in pair[:2]}))
    most, columns = max(map(len, touches)), channels.shape[1]
    pair = np.zeros((2, columns, most), int)
    wanted_mm, weight = np.zeros((columns, most)), np.zeros((columns, most))
    for column, touch in enumerate(touches):
        for place, (a, b, share) in enumerate(touch):
            pair[:, column, place] = names.index(a), names.index(b)
            wanted_mm[column, place], weight[column, place] = share * subject.hand_length_mm, 1.0
    free, column = list(FREE), np.arange(columns)[:, None]
    start, out = coupled(subject, channels), channels.copy()
    out[free] = start[free]
    nudges = np.concatenate([np.zeros((len(free), 1)), DIFFERENCE_DEG * np.eye(len(free))], axis=1)
    for _ in range(STEPS):
        tried = np.repeat(out[:, None], len(free) + 1, axis=1)  # (C,X+1,N)
        tried[free] += nudges[:, :, None]
        points = _points_mm(subject, tried.reshape(len(CHANNELS), -1), names)
        points = points.reshape(len(free) + 1, columns, len(names), 3)
        apart = np.linalg.norm(points[:, column, pair[0]] - points[:, column, pair[1]], axis=-1)  # (X+1,N,P)
        error = weight * (apart[0] - wanted_mm)
        slope = (weight * (apart[1:] - apart[0]) / DIFFERENCE_DEG).transpose(1, 2, 0)  # (N,P,X)
        away = STAY_PER_DEG**2 * (out[free] - start[free]).T
        normal = slope.swapaxes(1, 2) @ slope + STAY_PER_DEG**2 * np.eye(len(free))
        step = -np.linalg.solve(normal, (np.einsum("npx,np->nx", slope, error) + away)[..., None])[..., 0]
        out[free] += np.clip(step, -LARGEST_STEP_DEG, LARGEST_STEP_DEG).T
        out[free] = coupled(subject, out)[free]
    return out


def _spread_deg(name: str) -> float:
    of_finger = name.split("_")[0] in FINGERS
    return next(value for ending, value in SPREAD_DEG.items() if name.endswith(ending)) if of_finger else 0.0


def _points_mm(subject: Subject, channels: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Points (F,P,3) mm of a right hand at the origin."""
    frames = channels.shape[1]
    still = np.broadcast_to(np.eye(3), (frames, 3, 3)), np.zeros((frames, 3))
    rotation, origin = hand_frames(subject, "right", coupled(subject, channels), *still)
    return place_points(subject, rotation, origin, tuple(f"right_{name}" for name in names))
