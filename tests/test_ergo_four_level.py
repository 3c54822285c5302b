"""The in-house score of posture, duration and frequency: limits of each joint, time shares, events."""

import numpy as np
import pytest

from lib.ergo.four_level import count_risk_events
from lib.ergo.scores import assess
from tests.example_angles import FPS, NAN, columns, one, series

FOUR = {
    "back_flexion": [
        (-41, 3),
        (-40, 3),
        (-39, 2),
        (-15, 2),
        (-12, 1),
        (-9, 0),
        (29, 0),
        (30, 1),
        (60, 2),
        (119, 2),
        (120, 3),
    ],
    "back_lateral": [(14, 0), (15, 1), (-29, 1), (30, 2), (-59, 2), (60, 3)],
    "back_rotation": [(29, 0), (-30, 1), (45, 2), (-109, 2), (110, 3)],
    "neck_flexion": [(-60, 0), (24, 0), (25, 1), (45, 2), (80, 3)],
    "left_shoulder_elevation": [(44, 0), (45, 1), (89, 1), (90, 2)],
    "right_wrist_flexion": [(19, 0), (20, 1), (-45, 2), (90, 3)],
    "left_knee_flexion": [(-11, 3), (44, 0), (45, 1), (60, 2), (149, 2), (150, 3)],
}


@pytest.mark.parametrize("name", FOUR)
def test_four_levels_of_each_joint(name):
    joint = name.rsplit("_", 1)[0]
    for angle, level in FOUR[name]:
        assert one("four_level", joint, **{name: angle}) == level, angle


def test_four_levels_of_the_elbow_need_a_lifted_arm():
    for elevation, elbow, level in (
        (44, 20, 0),
        (45, 20, 2),
        (45, 45, 2),
        (90, 64, 1),
        (90, 66, 0),
        (90, 151, 3),
        (44, 151, 0),
    ):
        both = {"shoulder_elevation": elevation, "elbow_flexion": elbow}
        assert one("four_level", "left_elbow", both=both) == level
    # whether the arm is lifted is not known: nor is the level
    one_arm = {"right_shoulder_elevation": NAN, "right_elbow_flexion": 20.0}
    assert columns("four_level", series(4, **one_arm))["right_elbow"].tolist() == [-1] * 4


def test_four_levels_of_somebody_who_sits():
    def level(knee, **inputs):
        return one("four_level", "left_knee", both={"knee_flexion": knee}, inputs=inputs)

    assert [level(knee, sitting=True) for knee in (90, 95, 105, -11)] == [0, 1, 2, 3]
    assert level(90) == 2
    assert one("four_level", "back", back_flexion=-20, inputs={"sitting": True}) == 1


@pytest.mark.parametrize(
    ("percent", "score"), [(9, 0), (10, 1), (19, 1), (20, 2), (29, 2), (30, 3), (100, 3)]
)
def test_duration_score(percent, score):
    flexion = np.where(np.arange(1000) < 10 * percent, 70.0, 0.0)
    result = assess(series(1000, back_flexion=flexion), FPS).methods["four_level"]
    assert result.summary["back, duration"] == score
    assert result.summary["back, posture"] == 2


def test_frequency_score_counts_sustained_events():
    def count_slowly(level, window):
        """The definition, frame by frame."""
        count, in_risk = 0, False
        for at in range(len(level)):
            ahead = level[at : at + window]
            if not in_risk and len(ahead) == window and (ahead > 0).all():
                count, in_risk = count + 1, True
            elif in_risk and len(ahead) == window and (ahead == 0).all():
                in_risk = False
        return count

    rng = np.random.default_rng(5)
    for _ in range(50):
        level = np.repeat(rng.integers(0, 3, 40), rng.integers(1, 9, 40))
        for window in (3, 5):
            assert count_risk_events(level, 20.0, window) == count_slowly(level, window)
    # at another rate an event lasts as long
    assert count_risk_events(np.repeat(level, 3), 60.0, 5) == count_risk_events(level, 20.0, 5)
    minute = np.zeros(1200)
    for start in range(0, 1200, 300):
        minute[start : start + 20] = 40
    summary = (
        assess(series(1200, back_flexion=minute, left_wrist_flexion=minute), FPS)
        .methods["four_level"]
        .summary
    )
    assert summary["back, events a minute"] == 4 and summary["back, frequency"] == 1
    assert summary["left_wrist, events a minute"] == 4 and summary["left_wrist, frequency"] == 0
