"""Rows that make points inside the body from the vertices around them.

Letters: S bodies, V vertices, K joints, Q points, C vertices near a point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from tools.body_model.points import mirrored

NEAR = 400  # vertices that may make a point
POSED_SPREAD_DEG = 70.0  # of the angle of each joint
REST_SIZE = 2.0  # how much a body at rest counts beside one in a pose
MIN_OWN_WEIGHT = 0.1  # of the joint and its neighbours in the tree on such a vertex
STIFFNESS_M = 0.001  # how far a weight of 1 may be pulled to 0: keeps single weights small


def random_rotations(
    num_bodies: int, num_joints: int, spread_deg: float, rng: np.random.Generator
) -> np.ndarray:
    """Rotations (S,K,3,3) about random axes; angles normal around 0."""
    vectors = rng.normal(0, np.radians(spread_deg) / np.sqrt(3), (num_bodies * num_joints, 3))
    return Rotation.from_rotvec(vectors).as_matrix().reshape(num_bodies, num_joints, 3, 3)


@dataclass(frozen=True)
class InnerPoints:
    """Points inside bodies with their skin, at rest."""

    names: Sequence[str]
    """(Q,); names of the left side stand for both sides."""
    positions: np.ndarray
    """(S,Q,3) metres."""
    weights: np.ndarray
    """(Q,K) of the joints that carry each point."""
    vertices: np.ndarray
    """(S,V,3) metres."""
    vertex_weights: np.ndarray
    """(V,K)"""
    joints: np.ndarray
    """(S,K,3) metres."""
    parents: Sequence[int]
    """(K,); -1 for the root."""
    mirror: np.ndarray
    """(V,) number of each vertex's mirror image."""

    def posed(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Vertices (S,V,3) and points (S,Q,3), each body in a pose of its own."""
        turns = random_rotations(*self.joints.shape[:2], POSED_SPREAD_DEG, rng)
        places = self.joints.copy()
        for joint, parent in enumerate(self.parents):
            if parent >= 0:
                turns[:, joint] = turns[:, parent] @ turns[:, joint]
                offset = self.joints[:, joint] - self.joints[:, parent]
                places[:, joint] = places[:, parent] + _turned(turns[:, parent], offset)
        shifts = places - _turned(turns, self.joints)

        def moved(rest: np.ndarray, weights: np.ndarray) -> np.ndarray:
            blended = np.einsum("qk,skab->sqab", weights, turns, optimize=True)
            return _turned(blended, rest) + np.einsum("qk,ska->sqa", weights, shifts)

        return moved(self.vertices, self.vertex_weights), moved(self.positions, self.weights)

    def near(self, point: int) -> np.ndarray:
        """Numbers (C,) of the vertices next to a point that its joint or a neighbour in the tree moves."""
        own = self.weights[point] > MIN_OWN_WEIGHT
        around = own.copy()
        for joint, parent in enumerate(self.parents):
            if parent >= 0:
                around[parent] |= own[joint]
                around[joint] |= own[parent]
        distance = np.linalg.norm(self.vertices.mean(0) - self.positions[:, point].mean(0), axis=1)
        distance[self.vertex_weights[:, around].sum(1) < MIN_OWN_WEIGHT] = np.inf
        nearest = np.argsort(distance, kind="stable")[:NEAR]
        return np.sort(nearest[np.isfinite(distance[nearest])])


def fit_inner(
    points: InnerPoints, others: InnerPoints, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Rows (V,) by name, of both sides, fitted at rest and in poses, and the errors that they leave.

    Errors by name of the left and middle, on other bodies, mm: mean and largest at rest, mean and largest in poses.
    """
    rng = np.random.default_rng(seed)
    posed = points.posed(rng)
    tests = (others.vertices, others.positions), others.posed(rng)
    at_rest = points.vertices, points.positions
    sizes = np.repeat([REST_SIZE, 1.0], len(points.positions))
    rows, errors = {}, {}
    for number, name in enumerate(points.names):
        if mirrored(name) in rows:
            continue
        near = points.near(number)
        if mirrored(name) == name:
            near = np.union1d(near, points.mirror[near])
        fitted = [
            np.concatenate([rest[:, where], moved[:, where]])
            for rest, moved, where in zip(at_rest, posed, (near, number), strict=True)
        ]
        row = np.zeros(len(points.mirror))
        row[near] = fit_row(fitted[1], fitted[0], sizes)
        if mirrored(name) == name:
            row = (row + row[points.mirror]) / 2
        rows[name], rows[mirrored(name)] = row, row[points.mirror]
        off = [
            np.linalg.norm(row[near] @ skin[:, near] - target[:, number], axis=1) for skin, target in tests
        ]
        errors[name] = 1000 * np.array([statistic(error) for error in off for statistic in (np.mean, np.max)])
    return rows, errors


def fit_row(points: np.ndarray, vertices: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Weights (C,), of either sign and sum 1, that make points (S,3) from vertices (S,C,3): least squares.

    ``sizes`` (S,): weight of each body.
    """
    count = vertices.shape[1]
    matrix = ((vertices - points[:, None]) * sizes[:, None, None]).swapaxes(1, 2).reshape(-1, count)
    normal = matrix.T @ matrix + (STIFFNESS_M**2) * (sizes**2).sum() * np.eye(count)
    solved = np.linalg.solve(normal, np.ones(count))
    return solved / solved.sum()


def _turned(rotations: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return (rotations @ vectors[..., None])[..., 0]
