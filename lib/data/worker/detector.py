"""A model of what a 2D keypoint detector gives: noise, bias, left-right swaps, occlusion, and a confidence.

N clips of T frames, J joints, K capsules of the body. Everything is drawn from one generator.
"""

from __future__ import annotations

import numpy as np

from lib.data.worker.timing import smooth_noise_like
from lib.skeleton import Skeleton

# Spread of annotations by joint, as fractions of the square root of the person's area: COCO keypoint
# evaluation (cocodataset.org) and COCO-WholeBody (Jin et al., ECCV 2020), rounded to groups; markers on the
# trunk as hips.
_SPREAD = (
    (("eye", "nose", "mouth", "lip", "brow", "jaw", "nostril", "chin", "forehead", "face"), 0.025),
    (("thumb", "index", "middle_", "ring", "pinky", "hand"), 0.027),
    (("ear", "head", "skull"), 0.035),
    (("wrist", "styloid"), 0.062),
    (("elbow", "epicondyle"), 0.072),
    (("shoulder", "acromion", "neck", "thorax", "notch", "c7", "collar"), 0.079),
    (("toe", "mtp", "ball", "heel", "ankle", "malleolus"), 0.085),
    (("knee", "condyle"), 0.087),
)
_SPREAD_TRUNK = 0.107
ERROR_OF_SPREAD = 0.14  # a good detector's error against the spread of annotations
AREA_ROOT = 0.45  # square root of a person's area against the stature

# points that span the capsules of the body, with radius in fractions of stature
CAPSULES = (
    ("hip_center", "neck_base", 0.068),
    ("skull_base", "head_top", 0.050),
    *(
        (f"{side}_{a}", f"{side}_{b}", radius)
        for side in ("left", "right")
        for a, b, radius in (
            ("shoulder", "elbow", 0.027),
            ("elbow", "wrist", 0.022),
            ("hip", "knee", 0.042),
            ("knee", "ankle", 0.030),
        )
    ),
)
CAPSULE_POINTS = tuple(dict.fromkeys(name for a, b, _ in CAPSULES for name in (a, b)))
_LEG = ("hip", "knee", "ankle", "heel", "toe", "foot", "mtp", "condyle", "malleolus", "trochanter")


def annotation_spread(skeleton: Skeleton) -> np.ndarray:
    """Spread (J,) of annotations of each joint, fraction of the square root of the person's area."""
    spread = [
        next((s for words, s in _SPREAD if any(w in name for w in words)), _SPREAD_TRUNK)
        for name in skeleton.canonical
    ]
    return np.array(spread, np.float32)


def hidden_by_body(
    joints_px: np.ndarray,
    depth_mm: np.ndarray,
    capsule_px: np.ndarray,
    capsule_mm: np.ndarray,
    radius_mm: np.ndarray,
    px_per_mm: np.ndarray,
    behind_mm: float = 15.0,
) -> np.ndarray:
    """Which joints (N,T,J) a limb or the trunk covers, as a camera sees them.

    joints_px (N,T,J,2), depth_mm (N,T,J); capsule ends capsule_px (N,T,K,2,2) and their depths capsule_mm
    (N,T,K,2); radius_mm (K,); px_per_mm (N,T) at the person's depth; behind_mm: how far behind the back of the
    limb a joint lies at least.
    """
    hidden = np.zeros(depth_mm.shape, bool)
    x, y = joints_px[..., 0].copy(), joints_px[..., 1].copy()
    for number, radius in enumerate(radius_mm):
        start, end = capsule_px[:, :, number, 0, None], capsule_px[:, :, number, 1, None]
        axis_x, axis_y = end[..., 0] - start[..., 0], end[..., 1] - start[..., 1]
        off_x, off_y = x - start[..., 0], y - start[..., 1]
        along = (off_x * axis_x + off_y * axis_y) / np.maximum(axis_x**2 + axis_y**2, 1.0)
        np.clip(along, 0.0, 1.0, out=along)
        off_x -= along * axis_x
        off_y -= along * axis_y
        near = off_x**2 + off_y**2 < (radius * px_per_mm[..., None]) ** 2
        front, back = capsule_mm[:, :, number, 0, None], capsule_mm[:, :, number, 1, None]
        hidden |= near & (depth_mm > front + along * (back - front) + radius + behind_mm)
    return hidden


def hidden_by_objects(rng: np.random.Generator, joints_px: np.ndarray, person_px: np.ndarray) -> np.ndarray:
    """Which joints (N,T,J) lie behind drawn rectangles: things that stand in the way for a while."""
    clips, frames, joints = joints_px.shape[:3]
    hidden = np.zeros((clips, frames, joints), bool)
    for _ in range(2):
        present = rng.random(clips) < 0.3
        anchor = joints_px[
            np.arange(clips), rng.integers(frames, size=clips), rng.integers(joints, size=clips)
        ]
        half = person_px[:, None] * rng.uniform(0.06, 0.28, (clips, 2))
        centre = anchor + rng.normal(0.0, 0.1, (clips, 2)) * person_px[:, None]
        start = rng.uniform(-0.5, 0.8, clips) * frames
        stop = start + rng.uniform(0.2, 1.0, clips) * frames
        time = np.arange(frames)
        shown = present[:, None] & (time >= start[:, None]) & (time < stop[:, None])
        for clip in np.flatnonzero(present):
            away = np.abs(joints_px[clip] - centre[clip])
            inside = (away[..., 0] < half[clip, 0]) & (away[..., 1] < half[clip, 1])
            hidden[clip] |= inside & shown[clip, :, None]
    return hidden


def detect(
    rng: np.random.Generator,
    skeleton: Skeleton,
    joints_px: np.ndarray,
    hidden: np.ndarray,
    stature_px: np.ndarray,
    fps: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Detected joints (N,T,J,2) px and confidence (N,T,J) in (0,1].

    joints_px: exact projections; hidden (N,T,J) bool; stature_px (N,T): how tall the person stands in the
    image.
    """
    clips, frames, joints = hidden.shape
    covered = smooth_in_time(hidden.astype(np.float32), max(1, round(0.1 * fps)))
    wander = smooth_noise_like(rng, (clips, frames, joints), 0.5 * fps)
    skill = rng.normal(0.0, 0.025, (clips, 1, 1)).astype(np.float32)
    confidence = np.clip(0.92 + skill - 0.5 * covered + (0.045 + 0.1 * covered) * wander, 0.05, 1.0)
    sigma = (
        ERROR_OF_SPREAD * AREA_ROOT * annotation_spread(skeleton) * stature_px[..., None].astype(np.float32)
    )
    sigma = sigma * (0.8 + 5.5 * (1.0 - confidence) ** 1.3)
    error = 0.55 * rng.standard_normal((clips, frames, joints, 2), dtype=np.float32)
    error += 0.65 * smooth_noise_like(rng, (clips, frames, joints, 2), 0.25 * fps)
    error += 0.55 * rng.standard_normal((clips, 1, joints, 2), dtype=np.float32)
    # now and then a detection is far off for one frame
    wild = rng.random((clips, frames, joints), dtype=np.float32) < 0.002
    error = np.where(wild[..., None], 4.0 * error, error)
    detected = joints_px + sigma[..., None] * error
    confidence = np.where(wild, 0.6 * confidence, confidence)
    return _swap_sides(rng, skeleton, detected, confidence)


def smooth_in_time(values: np.ndarray, reach: int) -> np.ndarray:
    """Mean over +-reach frames along axis 1, shorter at the ends."""
    total = np.cumsum(np.pad(values, ((0, 0), (1, 0), (0, 0))), axis=1)
    frames = np.arange(values.shape[1])
    stop, start = np.minimum(frames + reach + 1, values.shape[1]), np.maximum(frames - reach, 0)
    return (total[:, stop] - total[:, start]) / (stop - start)[None, :, None].astype(np.float32)


def _swap_sides(
    rng: np.random.Generator, skeleton: Skeleton, joints_px: np.ndarray, confidence: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Exchange left and right arms or legs for a few frames of some clips, as detectors do in side views."""
    legs = np.array([any(word in name for word in _LEG) for name in skeleton.canonical])
    clips, frames = joints_px.shape[:2]
    for clip in np.flatnonzero(rng.random(clips) < 0.15):
        part = legs if rng.random() < 0.6 else ~legs
        start = int(rng.integers(frames))
        during = slice(start, start + int(rng.integers(2, 9)))
        order = np.where(part, skeleton.flip_idx, np.arange(skeleton.num_joints))
        joints_px[clip, during] = joints_px[clip, during][:, order]
        confidence[clip, during] = confidence[clip, during][:, order] * np.where(part, 0.75, 1.0)
    return joints_px, confidence.astype(np.float32)
