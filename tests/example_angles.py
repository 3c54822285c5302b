"""Joint angles for tests of posture scores: upright with some others in their place, and random ones."""

import numpy as np

from lib.ergo.inputs import TaskInputs
from lib.ergo.scores import assess

NAN = np.nan
SIDES = ("left", "right")
FPS = 20.0
UPRIGHT = {
    **dict.fromkeys(("trunk_flexion", "trunk_lateral", "back_rotation", "back_flexion", "back_lateral"), 0.0),
    **dict.fromkeys(("neck_flexion", "neck_lateral", "neck_rotation", "head_flexion"), 0.0),
    **{
        f"{side}_{name}": value
        for side in SIDES
        for name, value in {
            "shoulder_elevation": 10.0,
            "shoulder_flexion": 10.0,
            "shoulder_horizontal_abduction": 90.0,  # straight ahead
            "shoulder_rotation": 0.0,
            "shoulder_raise": 0.0,
            "elbow_flexion": 80.0,
            "hand_lateral": 1.0,
            "wrist_flexion": 0.0,
            "wrist_deviation": 0.0,
            "forearm_pronation": 0.0,
            "knee_flexion": 0.0,
        }.items()
    },
}
QUIET = {"static": "no", "repetition_per_min": 0.0}  # no point for time


def series(frames=1, both=None, **given):
    """Upright angles with others in their place; ``both`` goes to both sides."""
    given |= {f"{side}_{name}": values for side in SIDES for name, values in (both or {}).items()}
    return {
        name: np.broadcast_to(np.asarray(given.get(name, value), float), (frames,)).copy()
        for name, value in UPRIGHT.items()
    }


def columns(method, angles, fps=FPS, **inputs):
    return assess(angles, fps, TaskInputs(**{**QUIET, **inputs}), methods=[method]).methods[method].frames


def one(method, column="score", fps=FPS, both=None, inputs=None, **given):
    """A column in the single frame that these angles make."""
    return columns(method, series(1, both, **given), fps, **(inputs or {}))[column][0]


def random_angles(rng, frames):
    wide = {name: rng.normal(0, 40, frames) for name in UPRIGHT}
    for side in SIDES:
        wide[f"{side}_shoulder_elevation"] = rng.uniform(0, 150, frames)
        wide[f"{side}_shoulder_horizontal_abduction"] = rng.uniform(-180, 180, frames)
        wide[f"{side}_elbow_flexion"] = rng.uniform(0, 150, frames)
        wide[f"{side}_knee_flexion"] = rng.uniform(0, 130, frames)
    return wide
