"""What frames are told apart by: task, the side from which the person is seen, the camera's pitch, occlusion.

Letters: F frames, J joints, G groups.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lib.data.motion import Motion
from lib.registry import Registry

VIEWS = (
    "to camera",
    "front right",
    "image right",
    "back right",
    "away",
    "back left",
    "image left",
    "front left",
)
"""Where the person faces, in sectors of 45 degrees as seen from above; right and left are those of the image."""
SEEN_CONFIDENCE = 0.5
LEVEL_SHARE = 0.5  # of the shoulder line that must lie level: somebody on their side faces up or down
PITCH_DEG = (-90, -15, -5, 5, 15, 30, 90)
TILT_DEG = (-90, -45, -15, 15, 45, 90)
HIDDEN = {"none": 0.0, "to 10 %": 0.1, "to 25 %": 0.25, "to 50 %": 0.5, "more": 1.0}


@dataclass(frozen=True, eq=False)
class Groups:
    """Group of each frame: ``codes`` (F,) into the G ``names``, -1 where not known; ``note`` says why it is not."""

    codes: np.ndarray
    names: tuple[str, ...]
    note: str = ""


# (motion with labels in mm, up (F,3) in camera axes or None) -> groups
BREAKDOWNS: Registry[Callable[[Motion, np.ndarray | None], Groups]] = Registry("breakdown")


@BREAKDOWNS.register("task")
def by_task(motion: Motion, up: np.ndarray | None) -> Groups:
    """The ``action`` of the set."""
    if motion.action.present() == [""]:
        return _not_known(motion, "the set names no tasks (action)")
    return Groups(motion.action.codes.astype(int), motion.action.names)


@BREAKDOWNS.register("view_angle")
def by_view_angle(motion: Motion, up: np.ndarray | None) -> Groups:
    """Yaw of the body against the camera, from the labels of shoulders and hips, in eight sectors."""
    across = _across_mm(motion)
    if across is None:
        return _not_known(motion, f"{motion.skeleton.name} has neither shoulders nor hips")
    # to the person's left (x right, z forward): the way they face is a quarter turn from there
    yaw_deg = np.degrees(np.arctan2(across[:, 2], across[:, 0]))
    sector = np.round(yaw_deg / (360 / len(VIEWS))).astype(int) % len(VIEWS)
    level = np.hypot(across[:, 0], across[:, 2]) >= LEVEL_SHARE * np.linalg.norm(across, axis=-1)
    return Groups(np.where(level, sector, -1), VIEWS)


@BREAKDOWNS.register("camera_pitch")
def by_camera_pitch(motion: Motion, up: np.ndarray | None) -> Groups:
    """How far the camera looks down, in degrees, where the set knows which way is up."""
    if up is None:
        return _not_known(
            motion,
            "the set does not tell which way is up, so the camera's pitch is not known; trunk_tilt, which mixes it "
            "with the person's bending, stands in",
        )
    pitch_deg = np.degrees(np.arcsin(np.clip(-up[:, 2] / np.linalg.norm(up, axis=-1), -1, 1)))
    return _binned(pitch_deg, PITCH_DEG)


@BREAKDOWNS.register("trunk_tilt")
def by_trunk_tilt(motion: Motion, up: np.ndarray | None) -> Groups:
    """Angle of the trunk out of the image plane, in degrees, negative where its upper end is nearer to the camera."""
    ends = [_middle_mm(motion, part) for part in ("hip", "shoulder")]
    if ends[0] is None or ends[1] is None:
        return _not_known(motion, f"{motion.skeleton.name} has no trunk between shoulders and hips")
    trunk = ends[1] - ends[0]
    sine = trunk[:, 2] / np.maximum(np.linalg.norm(trunk, axis=-1), 1e-9)
    return _binned(np.degrees(np.arcsin(np.clip(sine, -1, 1))), TILT_DEG)


@BREAKDOWNS.register("occlusion")
def by_occlusion(motion: Motion, up: np.ndarray | None) -> Groups:
    """Share of the joints that the input has with a confidence under 0.5."""
    if (motion.confidence == 1).all():
        return _not_known(motion, "exact 2D hides nothing")
    hidden = (motion.confidence < SEEN_CONFIDENCE).mean(-1)
    return Groups(np.searchsorted(list(HIDDEN.values()), hidden - 1e-6), tuple(HIDDEN))


def _binned(values: np.ndarray, edges: tuple[int, ...]) -> Groups:
    names = tuple(f"{low} to {high} deg" for low, high in pairwise(edges))
    return Groups(np.searchsorted(edges, values).clip(1, len(names)) - 1, names)


def _not_known(motion: Motion, why: str) -> Groups:
    return Groups(np.full(motion.num_frames, -1), (), why)


def _pairs(motion: Motion, parts: tuple[str, ...]) -> list[tuple[int, int]]:
    pairs = [
        [motion.skeleton.index_canonical(f"{side}_{part}") for side in ("left", "right")] for part in parts
    ]
    return [(left, right) for left, right in pairs if left is not None and right is not None]


def _across_mm(motion: Motion) -> np.ndarray | None:
    """Sum (F,3) of the ways from the right to the left shoulder and hip."""
    assert motion.joints_mm is not None
    pairs = _pairs(motion, ("shoulder", "hip"))
    return sum(motion.joints_mm[:, a] - motion.joints_mm[:, b] for a, b in pairs) if pairs else None


def _middle_mm(motion: Motion, part: str) -> np.ndarray | None:
    assert motion.joints_mm is not None
    pairs = _pairs(motion, (part,))
    return motion.joints_mm[:, list(pairs[0])].mean(1) if pairs else None
