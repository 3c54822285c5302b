"""A model of what a 2D hand detector gives: every point of the hand, smooth, the hidden ones guessed.

N clips of T frames, J joints. Everything is drawn from one generator.
"""

from __future__ import annotations

import numpy as np

from lib.data.worker.detector import smooth_in_time
from lib.data.worker.kinematics import FINGERS
from lib.data.worker.timing import smooth_noise_like
from lib.skeleton import Skeleton

# bones as capsules between points: half thickness as fractions of the length of the hand
_THICK = {"thumb": 0.050, "index": 0.043, "middle": 0.045, "ring": 0.042, "pinky": 0.036}
_PALM = 0.062
HAND_CAPSULES = (
    *(("hand_wrist", f"{finger}_mcp", _PALM) for finger in FINGERS[1:]),
    ("thumb_cmc", "thumb_mcp", _PALM),
    ("thumb_mcp", "thumb_ip", _THICK["thumb"]),
    ("thumb_ip", "thumb_tip", _THICK["thumb"]),
    *(
        (f"{finger}_{a}", f"{finger}_{b}", _THICK[finger])
        for finger in FINGERS[1:]
        for a, b in (("mcp", "pip"), ("pip", "dip"), ("dip", "tip"))
    ),
)
BEHIND_MM = 3.0  # a joint counts as hidden that lies so far behind the back of a bone
SAME_CONFIDENCE = 0.5  # share of videos in which the detector tells one number for the whole hand
# errors as shares of the hand's box, ranges over videos: of seen joints, and how many times more of hidden ones
SEEN, HIDDEN_TIMES = (0.006, 0.019), (2.0, 4.0)
# new in every frame, share of the hand's box; 0.0008 in the landmarks of MediaPipe, more in those of others
JITTER = (0.0003, 0.003)
LOST = 0.2  # share of videos in which the hand is lost for a while


def detect_hand(
    rng: np.random.Generator, skeleton: Skeleton, joints_px: np.ndarray, hidden: np.ndarray, fps: float
) -> tuple[np.ndarray, np.ndarray]:
    """Detected joints (N,T,J,2) px and confidence (N,T,J) in 0..1 from exact projections and what is hidden.

    A hand that is lost has confidence 0 and stays where it was seen last.
    """
    clips, frames, joints = hidden.shape
    exact = joints_px.astype(np.float32)
    extent = exact.max(2) - exact.min(2)
    box_px = smooth_in_time(
        np.hypot(extent[..., 0], extent[..., 1])[..., None] / np.float32(2**0.5), max(1, round(0.2 * fps))
    )
    covered = smooth_in_time(hidden.astype(np.float32), max(1, round(0.07 * fps)))

    def per_video(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, (clips, 1, 1)).astype(np.float32)

    sigma = box_px * per_video(*SEEN) * (1.0 + (per_video(*HIDDEN_TIMES) - 1.0) * covered)
    sigma = sigma * _reach(skeleton)
    new = box_px * np.exp(per_video(*np.log(JITTER))) * (1.0 + covered)
    shape = (clips, frames, joints, 2)
    jitter = rng.standard_normal(shape, dtype=np.float32)
    jitter += np.float32(0.5) * rng.standard_normal((clips, frames, 1, 2), dtype=np.float32)
    slow = 0.7 * smooth_noise_like(rng, shape, 0.35 * fps)
    slow += 0.7 * _finger_noise(rng, skeleton, clips, frames, fps)
    fixed = 0.6 * rng.standard_normal((clips, 1, joints, 2), dtype=np.float32)
    detected = exact + sigma[..., None] * (fixed + slow) + new[..., None] * jitter
    whole = 0.35 * smooth_noise_like(rng, (clips, frames, 1, 2), 0.35 * fps)
    detected += (box_px * per_video(*SEEN))[..., None] * whole
    confidence = _confidence(rng, covered, fps)
    return _lose(rng, detected, confidence, fps)


def _reach(skeleton: Skeleton) -> np.ndarray:
    """Error (J,) of each joint against that of the others: tips and the wrist are harder."""
    size = {"tip": 1.15, "wrist": 1.15, "cmc": 1.1, "mcp": 0.9}
    return np.array([size.get(name.rpartition("_")[2], 1.0) for name in skeleton.canonical], np.float32)


def _finger_noise(
    rng: np.random.Generator, skeleton: Skeleton, clips: int, frames: int, fps: float
) -> np.ndarray:
    """Slow error (N,T,J,2) that a finger has as a whole, growing towards its tip."""
    along = {"mcp": 0.3, "cmc": 0.2, "pip": 0.8, "ip": 0.9, "dip": 1.1, "tip": 1.4}
    noise = smooth_noise_like(rng, (clips, frames, len(FINGERS) + 1, 2), 0.4 * fps)
    column, weight = [], []
    for name in skeleton.canonical:
        finger, _, joint = name.removeprefix("left_").removeprefix("right_").partition("_")
        column.append(FINGERS.index(finger) if finger in FINGERS else len(FINGERS))
        weight.append(along.get(joint, 0.3))
    return noise[:, :, column] * np.array(weight, np.float32)[:, None]


def _confidence(rng: np.random.Generator, covered: np.ndarray, fps: float) -> np.ndarray:
    """(N,T,J): either a number for each joint, low where it is hidden, or one for the hand that tells little."""
    clips, frames, joints = covered.shape
    skill = rng.normal(0.0, 0.03, (clips, 1, 1)).astype(np.float32)
    wander = smooth_noise_like(rng, (clips, frames, joints), 0.4 * fps)
    each = np.clip(0.9 + skill - 0.5 * covered + (0.04 + 0.1 * covered) * wander, 0.05, 1.0)
    doubt = np.abs(smooth_noise_like(rng, (clips, frames, 1), 0.5 * fps)) * rng.exponential(
        0.03, (clips, 1, 1)
    )
    one = np.clip(0.985 - doubt, 0.5, 1.0).astype(np.float32)
    return np.where(rng.random((clips, 1, 1)) < SAME_CONFIDENCE, one, each)


def _lose(
    rng: np.random.Generator, detected: np.ndarray, confidence: np.ndarray, fps: float
) -> tuple[np.ndarray, np.ndarray]:
    """Some hands are lost for some frames."""
    frames = detected.shape[1]
    for clip in np.flatnonzero(rng.random(len(detected)) < LOST):
        start = int(rng.integers(1, max(frames, 2)))
        lost = slice(start, start + 1 + int(rng.exponential(0.15) * fps))
        detected[clip, lost] = detected[clip, start - 1]
        confidence[clip, lost] = 0.0
    return detected, confidence
