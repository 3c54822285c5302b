"""From the angles of one hand to its segments in the world. C channels, F frames; axes as in ``kinematics``."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from lib.data.worker.anthropometry import Subject, reference_subject
from lib.data.worker.body_points import body_points
from lib.data.worker.hand_shapes import to_dofs
from lib.data.worker.kinematics import FINGERS, ORIGIN_JOINT, PARENT, SEGMENTS, local_rotation, side_offset

MIRROR = np.array([1.0, 1.0, -1.0])  # the plane of the world that exchanges left and right hands


@lru_cache(maxsize=2)
def hand_segments(side: str) -> tuple[str, ...]:
    """Names of the segments of a forearm and its hand, parents first."""
    parts = ("forearm", "hand", *(f"{finger}_" for finger in FINGERS))
    return tuple(name for name in SEGMENTS if name.startswith(tuple(f"{side}_{part}" for part in parts)))


@lru_cache(maxsize=2)
def hand_points(side: str) -> tuple[str, ...]:
    """Names of the points of a forearm and its hand."""
    places = body_points(reference_subject())
    return tuple(name for name, (segment, _) in places.items() if segment in hand_segments(side))


def hand_frames(
    subject: Subject, side: str, angles: np.ndarray, forearm: np.ndarray, wrist_mm: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Segment rotations (F,3,3) and origins (F,3) mm of a hand and its forearm, by segment name.

    angles (C,F) in degrees; forearm: rotation (F,3,3) of a right forearm before pronation, and wrist_mm (F,3),
    both in the world and mirrored for a left hand.
    """
    dofs = to_dofs(side, angles)
    if side == "left":
        forearm, wrist_mm = forearm * MIRROR[:, None] * MIRROR, wrist_mm * MIRROR
    rotation: dict[str, np.ndarray] = {}
    origin: dict[str, np.ndarray] = {}
    for segment in hand_segments(side):
        part, parent, local = segment.partition("_")[2], PARENT[segment], local_rotation(segment, dofs)
        if part == "forearm":
            rotation[segment] = forearm @ local
            origin[segment] = wrist_mm - rotation[segment] @ side_offset(subject, "wrist", side)
            continue
        assert parent is not None
        rotation[segment] = rotation[parent] @ local
        origin[segment] = origin[parent] + rotation[parent] @ side_offset(subject, ORIGIN_JOINT[part], side)
    return rotation, origin
