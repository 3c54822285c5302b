"""Hand shapes: angles of all fingers from how far the hand is closed and how far thumb and index pinch."""

from __future__ import annotations

import numpy as np

from lib.data.worker.kinematics import FINGER_DOFS

# degrees for a flat hand, a fist around a handle of about 3 cm, and a pinch of thumb and index tip
_FLAT = {"proximal": 4.0, "intermediate": 6.0, "distal": 3.0}
_FIST = {"proximal": 66.0, "intermediate": 84.0, "distal": 48.0}
_PINCH = {
    "index": (46.0, 58.0, 24.0),
    "middle": (48.0, 52.0, 26.0),
    "ring": (34.0, 38.0, 20.0),
    "pinky": (28.0, 34.0, 18.0),
}
_SPREAD = {"index": 7.0, "middle": 1.0, "ring": -5.0, "pinky": -11.0}
_THUMB = {  # flat, fist, pinch
    "thumb_metacarpal_flexion": (-4.0, 12.0, 20.0),
    "thumb_metacarpal_radial": (8.0, -20.0, -6.0),
    "thumb_metacarpal_rotation": (0.0, 0.0, 0.0),
    "thumb_proximal_flexion": (6.0, 34.0, 18.0),
    "thumb_distal_flexion": (5.0, 45.0, 28.0),
}
FINGER_LIMITS_DEG = {
    "thumb_metacarpal_flexion": (-22, 50),
    "thumb_metacarpal_radial": (-45, 35),
    "thumb_metacarpal_rotation": (-15, 60),
    "thumb_proximal_flexion": (-12, 62),
    "thumb_distal_flexion": (-22, 85),
    "pinky_proximal_radial": (-32, 22),
    "proximal_flexion": (-25, 95),
    "proximal_radial": (-22, 22),
    "intermediate_flexion": (0, 115),
    "distal_flexion": (-5, 85),
}


def finger_angles(grip: np.ndarray, pinch: np.ndarray) -> dict[str, np.ndarray]:
    """Angles (F,) in degrees of every finger joint, without the side, for grip and pinch (F,) in 0..1."""
    grip, pinch = np.clip(grip, 0.0, 1.1), np.clip(pinch, 0.0, 1.0)
    out = {}
    for name in FINGER_DOFS:
        finger, bone, kind = name.split("_")
        if finger == "thumb":
            flat, fist, pinched = _THUMB[name]
        elif kind == "radial":
            flat, fist, pinched = _SPREAD[finger], 0.0, 0.4 * _SPREAD[finger]
        else:
            flat, fist = _FLAT[bone], _FIST[bone]
            pinched = _PINCH[finger][("proximal", "intermediate", "distal").index(bone)]
        closed = flat + (fist - flat) * grip
        out[name] = closed + pinch * (pinched - closed)
    return out
