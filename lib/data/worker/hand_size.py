"""People's hands: proportions that vary more than those of the worker, and joints where detectors see them.

All lengths in mm; axes as in ``anthropometry``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lib.data.worker.anthropometry import PHALANGES, THUMB_BONES, Subject, draw_subject
from lib.data.worker.hand_shapes import DISTAL_OF_MIDDLE
from lib.data.worker.kinematics import FINGERS

# Joint centres (Buchholz's lengths) are not where people and detectors mark joints: in MediaPipe's hands the palm
# takes 0.53 of the hand's length, not 0.45, and the base of the thumb lies farther from the wrist. Factors of the
# bones from the base of the finger to its tip, and of the palm, measured on MediaPipe's landmarks of an open hand.
MARKED_BONES = {"thumb": (0.74, 0.87, 0.92), "finger": (0.84, 0.82, 1.08)}
MARKED_PALM = 1.19
MARKED_BREADTH = 1.08
MARKED_THUMB_BASE = (1.6, 1.05, 1.0)  # x, y, z
# the knuckles stand on an arch: middle highest; palmar offset as a fraction of the hand's length
ARCH = {"index": 0.028, "middle": 0.0, "ring": 0.012, "pinky": 0.045}


def draw_hand(rng: np.random.Generator, name: str) -> Subject:
    """A person whose hand has proportions of its own: fingers, single bones, palm, thumb base, joint marks."""
    subject = draw_subject(rng, name)

    def around(deviation: float) -> float:
        return 1.0 + deviation * float(np.clip(rng.standard_normal(), -2.3, 2.3))

    marked = rng.uniform(0.0, 0.6) if rng.random() < 0.25 else around(0.2)
    size = around(0.07)  # of the whole hand: what stature does not tell
    breadth, palm, fingers = around(0.06), around(0.02), around(0.03)
    joints = dict(subject.joints)
    length = subject.hand_length_mm * size
    for finger in FINGERS:
        first, *bones = THUMB_BONES if finger == "thumb" else PHALANGES
        factors = MARKED_BONES["thumb" if finger == "thumb" else "finger"]
        own = size * fingers * around(0.03)
        for bone, factor in zip((*bones, "tip"), factors, strict=True):
            joint = f"{finger}_{bone}"
            joints[joint] = joints[joint] * own * around(0.035) * (1.0 + marked * (factor - 1.0))
        base = joints[f"{finger}_{first}"] * size * palm
        if finger == "thumb":
            factor = 1.0 + marked * (np.array(MARKED_THUMB_BASE) - 1.0)
            joints["thumb_metacarpal"] = base * factor * (1.0 + 0.1 * np.clip(rng.standard_normal(3), -2, 2))
            continue
        x, y, _ = base * (1.0 + marked * (MARKED_PALM - 1.0))
        x *= breadth * around(0.04) * (1.0 + marked * (MARKED_BREADTH - 1.0))
        joints[f"{finger}_{first}"] = np.array(
            [x, y * around(0.015), -ARCH[finger] * length * rng.uniform(0.0, 1.4)]
        )
    habit = {f"{finger}_distal": DISTAL_OF_MIDDLE * around(0.14) for finger in FINGERS[1:]}
    return replace(subject, joints=joints, hand_length_mm=length, habit={**subject.habit, **habit})
