"""From the definitions of joint angles to the index arrays that evaluate them.

Letters as in ``lib.angle_plan``: J joints, K directions, F frames of reference, A angles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lib.anatomy import mirror_name, read_yaml
from lib.angle_definitions import AXES, ZERO_POSTURE, Angle, Frame, Vector
from lib.angle_plan import FrameLayer, Plan
from lib.skeleton import Skeleton


def build_plan(
    angles: tuple[Angle, ...], num_joints: int, zero: Mapping[Frame, np.ndarray] | None = None
) -> Plan:
    """Index arrays of angles; ``zero`` turns frames (3,3) so that they stand upright in the zero posture."""
    vectors = [part for angle in angles for part in (angle.start, angle.end, angle.vector) if part]
    layers = frame_layers(angles)
    for layer in layers:
        vectors += [part for frame in layer for part in (frame.first, frame.second)]
    between = list(dict.fromkeys(vector.weights for vector in vectors if vector.weights))
    with_up = any(vector.is_up for vector in vectors)
    matrix = np.zeros((len(between), num_joints))
    for row, weights in zip(matrix, between, strict=True):
        for number, weight in weights:
            row[number] = weight
    rows: dict[Any, int] = {weights: number for number, weights in enumerate(between)}
    if with_up:
        rows["up"] = len(between)
    place = len(between) + with_up
    built = []
    for layer in layers:
        built.append(
            FrameLayer(
                vectors=torch.stack(
                    [
                        _long(_row(rows, getattr(frame, part)) for frame in layer)
                        for part in ("first", "second")
                    ]
                ),
                secondary_sign=_column([frame.second.sign for frame in layer]),
                apart=_column([np.sin(np.radians(frame.apart_deg)) ** 2 for frame in layer]),
                to_axes=torch.from_numpy(
                    np.stack([(zero or {}).get(frame, np.eye(3)) @ axis_order(frame) for frame in layer])
                ),
            )
        )
        for frame in layer:
            rows |= {(frame, axis): place + number for number, axis in enumerate(AXES)}
            place += 3
    turns = [angle for angle in angles if angle.end]
    pairs = [angle for angle in angles if not angle.end]
    order = [*turns, *pairs]

    def places(some: list[Angle], part: str) -> Tensor:
        return _long(_row(rows, getattr(angle, part)) for angle in some)

    def signs(some: list[Angle], part: str) -> Tensor:
        return _column([getattr(angle, part).sign * angle.vector.sign for angle in some])

    return Plan(
        directions=torch.from_numpy(matrix),
        with_up=with_up,
        layers=tuple(built),
        turn=torch.stack([places(turns, part) for part in ("start", "end", "vector")]),
        turn_sign=torch.stack([signs(turns, part) for part in ("start", "end")]),
        least=_column([np.sin(np.radians(angle.pole_deg)) for angle in turns]),
        beyond=_column([np.cos(np.radians(angle.limit_deg)) - (angle.limit_deg == 180) for angle in turns]),
        pair=torch.stack([places(pairs, part) for part in ("start", "vector")]),
        pair_sign=signs(pairs, "start"),
        tilt=_column([float(angle.tilt) for angle in pairs]) > 0,
        order=_long(order.index(angle) for angle in angles),
    )


def frame_layers(angles: tuple[Angle, ...]) -> list[list[Frame]]:
    """Frames of angles: first those of points, then those that use an axis of one before."""
    layers: list[list[Frame]] = []

    def add(vector: Vector | None) -> int:
        frame = vector.frame if vector else None
        if frame is None:
            return 0
        depth = max(add(frame.first), add(frame.second))
        while len(layers) <= depth:
            layers.append([])
        if frame not in layers[depth]:
            layers[depth].append(frame)
        return depth + 1

    for angle in angles:
        for part in (angle.start, angle.end, angle.vector):
            add(part)
    return layers


def axis_order(frame: Frame) -> np.ndarray:
    """Matrix (3,3) that makes x, y, z of first axis, second axis and first x second."""
    first, second = (AXES.index(axis) for axis in frame.axes)
    right_handed = (second - first) % 3 == 1
    order = np.zeros((3, 3))
    order[first, 0], order[second, 1] = frame.first.sign, 1.0
    order[3 - first - second, 2] = frame.first.sign * (1.0 if right_handed != frame.mirrored else -1.0)
    return order


def _row(rows: Mapping[Any, int], vector: Vector) -> int:
    if vector.is_up:
        return rows["up"]
    return rows[vector.weights or (vector.frame, vector.axis)]


def _long(numbers: Iterable[int]) -> Tensor:
    return torch.tensor(list(numbers), dtype=torch.long)


def _column(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def upright(angles: tuple[Angle, ...], plan: Plan, joints: Tensor, up: Tensor) -> dict[Frame, np.ndarray]:
    """Rotation (3,3) of each segment's frame that makes its axes those of the world in the zero posture."""
    rows, _ = plan.table(joints, up)
    frames = [frame for layer in frame_layers(angles) for frame in layer]
    axes = rows[:, -3 * len(frames) :, 0].T.reshape(-1, 3, 3).numpy()
    return {
        frame: np.diag([1.0, 1.0, -1.0 if frame.mirrored else 1.0]) @ own.T
        for frame, own in zip(frames, axes, strict=True)
        if frame.segment and np.isfinite(own).all()
    }


def standing(skeleton: Skeleton) -> Tensor:
    """Joints (J,3) mm of the built-in body in the zero posture: x forward, y up, z to the person's right.

    NaN for points that it does not have.
    """
    points = read_yaml(ZERO_POSTURE)
    mirror = np.array([1.0, 1.0, -1.0])
    bare = {name.removeprefix("right_"): point for name, point in points.items()}
    points = bare | {mirror_name(name): mirror * point for name, point in points.items()} | points
    nowhere = np.full(3, np.nan)
    return torch.from_numpy(np.array([points.get(name, nowhere) for name in skeleton.canonical], float))
