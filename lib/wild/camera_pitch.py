"""How far the camera looks down, from frames in which the person stands upright.

Camera axes: x right, y down, z forward. F frames, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.skeleton import Skeleton

# Bend of the straighter knee and of the other one: people walk with one knee nearly straight at a time.
STANDING_KNEE_DEG, OTHER_KNEE_DEG = 30.0, 60.0
TRUNK_DEG = 15.0  # between the trunk and the line from ankles to hips
ASIDE_DEG = 30.0  # a body that leans further to the side of the image does not stand
LARGEST_DEG = 70.0  # seen more from above, upright and lying cannot be told apart
ENOUGH_S = 0.5
_PARTS = ("shoulder", "hip", "knee", "ankle")


@dataclass(frozen=True)
class PitchEstimate:
    """Pitch in degrees, positive where the camera looks down, and from how many frames; None: not known."""

    pitch_deg: float | None
    num_frames: int


def estimate_pitch(
    joints: np.ndarray, confidence: np.ndarray, skeleton: Skeleton, *, fps: float
) -> PitchEstimate:
    """Pitch of the camera from joints (F,J,3) in camera axes, any unit, and their confidence (F,J).

    Takes the frames in which a knee is straight and the trunk continues the line of the legs, and the median lean
    there of the line from ankles to shoulders: right if the person stands upright on average. A trunk that bends
    at the hips is not in line with the legs, so bending is not taken for a pitch. A frame counts
    if all these joints were seen in it: neither NaN nor of confidence 0, as interpolated ones are.
    """
    numbers = [[skeleton.index_canonical(f"{side}_{part}") for side in ("left", "right")] for part in _PARTS]
    if any(None in pair for pair in numbers):
        return PitchEstimate(None, 0)
    shoulders, hips, knees, ankles = (joints[:, pair] for pair in numbers)  # (F,2,3)
    shoulder, hip, ankle = shoulders.mean(1), hips.mean(1), ankles.mean(1)
    bend_deg = _angle_deg(hips - knees, knees - ankles)
    up = shoulder - ankle
    upright = (
        (bend_deg.min(-1) < STANDING_KNEE_DEG)
        & (bend_deg.max(-1) < OTHER_KNEE_DEG)
        & (_angle_deg(hip - ankle, shoulder - hip) < TRUNK_DEG)
        & (np.abs(up[:, 0]) < np.tan(np.radians(ASIDE_DEG)) * np.hypot(up[:, 1], up[:, 2]))
        & (confidence[:, np.ravel(numbers)] > 0).all(-1)
    )
    num_frames = int(upright.sum())
    if num_frames < max(2.0, ENOUGH_S * fps):
        return PitchEstimate(None, num_frames)
    pitch_deg = float(np.median(np.degrees(np.arctan2(-up[:, 2], -up[:, 1]))[upright]))
    return PitchEstimate(pitch_deg if abs(pitch_deg) <= LARGEST_DEG else None, num_frames)


def level_camera(points: np.ndarray, pitch_deg: float) -> np.ndarray:
    """Points (...,3) from the axes of a camera that looks down by the pitch: y up, z towards the camera."""
    cosine, sine = np.cos(np.radians(pitch_deg)), np.sin(np.radians(pitch_deg))
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack([x, -cosine * y - sine * z, sine * y - cosine * z], axis=-1)


def _angle_deg(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angle between vectors (...,3), in degrees."""
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1)))
