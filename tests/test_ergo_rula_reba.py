"""RULA and REBA: their published tables cell by cell, limits at their edges, what makes a posture worse."""

from itertools import product

import numpy as np
import pytest

from tests.example_angles import NAN, SIDES, columns, one, random_angles, series

# ---- published tables, typed here a second time from the lists of facts, and reached through angles


def digits(text):
    return [int(letter) for letter in text if letter.isdigit()]


RULA_A = digits(
    "12 22 23 33 | 22 22 33 33 | 23 33 33 44   23 33 34 44 | 33 33 34 44 | 34 44 44 55"
    "33 44 44 55 | 34 44 44 55 | 44 44 45 55   44 44 45 55 | 44 44 45 55 | 44 45 55 66"
    "55 55 56 67 | 56 66 67 77 | 66 67 77 78   77 77 78 89 | 88 88 89 99 | 99 99 99 99"
)
RULA_B = digits(
    "13 23 34 55 66 77  23 23 45 55 67 77  33 34 45 56 67 77  55 56 67 77 77 88  77 77 78 88 88 88  88 88 88 89 99 99"
)
RULA_C = digits("1233455 2234455 3334456 3334566 4445677 4456677 5566777 5567777")
REBA_A = digits("1234 2345 2456 3567 4678   1234 3456 4567 5678 6789   3356 4567 5678 6789 7899")
REBA_B = digits("122 123  123 234  345 455  455 567  678 788  788 899")
REBA_C = [
    int(word)
    for word in (
        "1 1 1 2 3 3 4 5 6 7 7 7  1 2 2 3 4 4 5 6 6 7 7 8  2 3 3 3 4 5 6 7 7 8 8 8  3 4 4 4 5 6 7 8 8 9 9 9 "
        "4 4 4 5 6 7 8 8 9 9 9 9  6 6 6 7 8 8 9 9 10 10 10 10  7 7 7 8 9 9 9 10 10 11 11 11 "
        "8 8 8 9 10 10 10 10 10 11 11 11  9 9 9 10 10 10 11 11 11 12 12 12  10 10 10 11 11 11 11 12 12 12 12 12 "
        "11 11 11 11" + 8 * " 12" + 12 * " 12"
    ).split()
]

# elevation, direction, raised
UPPER_ARMS = [(10, 90, 0), (30, 90, 0), (60, 90, 0), (100, 90, 0), (100, 0, 0), (100, 0, 20)]
# flexion, rotation, lateral
NECKS = [(5, 0, 0), (15, 0, 0), (30, 0, 0), (-20, 0, 0), (-20, 30, 0), (-20, 30, 30)]
TRUNKS = [(0, 0, 0), (10, 0, 0), (40, 0, 0), (70, 0, 0), (70, 30, 0), (70, 30, 30)]


def arm_angles(places):
    """Angles of both arms for places (upper arm, lower arm, wrist, twist), which count from 0."""
    upper, lower, wrist, twist = np.array(places).T
    elevation, direction, raised = np.array(UPPER_ARMS, float)[upper].T
    return {
        "shoulder_elevation": elevation,
        "shoulder_horizontal_abduction": direction,
        "shoulder_raise": raised,
        "elbow_flexion": np.array([80.0, 30.0, 30.0])[lower],
        "hand_lateral": np.array([1.0, 1.0, -0.5])[lower],
        "wrist_flexion": np.array([0.0, -10.0, 30.0, 30.0])[wrist],
        "wrist_deviation": np.array([0.0, 0.0, 0.0, -20.0])[wrist],
        "forearm_pronation": np.array([0.0, 80.0])[twist],
    }


def middle_angles(neck, trunk):
    """Angles of neck and trunk for places, which count from 0."""
    names = (
        "neck_flexion",
        "neck_rotation",
        "neck_lateral",
        "trunk_flexion",
        "back_rotation",
        "trunk_lateral",
    )
    return dict(zip(names, (*np.array(NECKS)[neck].T, *np.array(TRUNKS)[trunk].T), strict=True))


def test_rula_table_a():
    places = list(product(range(6), range(3), range(4), range(2)))
    found = columns("rula", series(len(places), arm_angles(places)))
    for side in SIDES:
        assert found[f"upper_arm_{side}"].tolist() == [1 + place[0] for place in places]
        assert found[f"score_c_{side}"].tolist() == RULA_A


def test_rula_table_b():
    places = list(product(range(6), range(6)))
    angles = middle_angles(*np.array(places).T)
    for leg, legs in enumerate(("balanced", "one or unstable")):
        found = columns("rula", series(36, **angles), legs=legs)
        assert found["score_d"].tolist() == RULA_B[leg::2]


def test_rula_table_c_and_action_levels():
    places = list(product(range(6), range(3), range(4), range(2), range(6), range(6)))
    neck, trunk = np.array(places)[:, 4:].T
    arms = arm_angles([place[:4] for place in places])
    angles = series(len(places), arms, **middle_angles(neck, trunk))
    seen = set()
    for inputs in ({}, {"legs": "one or unstable"}, {"load_kg": 5}, {"load_kg": 11, "static": "yes"}):
        found = columns("rula", angles, **inputs)
        cells = list(zip(found["score_c_left"].clip(max=8), found["score_d"].clip(max=7), strict=True))
        assert found["score"].tolist() == [RULA_C[int(7 * (c - 1) + d - 1)] for c, d in cells]
        seen |= set(cells)
        for score, level in zip(found["score"], found["level"], strict=True):
            assert level == {1: 0, 2: 0, 3: 1, 4: 1, 5: 2, 6: 2, 7: 3}[score]
    assert len(seen) == 8 * 7


def reba_angles(places):
    neck, trunk, knee = np.array(places).T
    return {
        "neck_flexion": np.array([10.0, 30.0, -10.0])[neck],
        "neck_rotation": np.array([0.0, 0.0, 30.0])[neck],
        "trunk_flexion": np.array([0.0, -15.0, 40.0, 80.0, 80.0])[trunk],
        "trunk_lateral": np.array([0.0, 0.0, 0.0, 0.0, -30.0])[trunk],
        "back_rotation": np.array([0.0, 0.0, 0.0, 0.0, 30.0])[trunk],
        "left_knee_flexion": np.array([0.0, 40.0, 70.0])[knee],
    }


def test_reba_table_a():
    places = list(product(range(3), range(5), range(3)))
    expected = np.array(REBA_A).reshape(3, 5, 4)
    angles = series(len(places), **reba_angles(places))
    assert columns("reba", angles)["score_a"].tolist() == expected[:, :, :3].ravel().tolist()
    found = columns("reba", angles, legs="one or unstable")
    assert found["score_a"].tolist() == expected[:, :, 1:].ravel().tolist()
    found = columns("reba", angles, sitting=True)["score_a"].reshape(3, 5, 3)
    assert (found == expected[:, :, :1]).all()


def test_reba_table_b():
    wrists = {"wrist_flexion": [0.0, 20.0, -20.0], "wrist_deviation": [0.0, 0.0, 20.0]}
    places = list(product(range(6), range(2), range(3)))
    both = arm_angles([(upper, lower, 0, 0) for upper, lower, _ in places])
    both |= {name: np.array(values)[[place[2] for place in places]] for name, values in wrists.items()}
    assert columns("reba", series(36, both))["score_b_right"].tolist() == REBA_B


def test_reba_table_c_and_action_levels():
    postures = list(product(range(3), range(5), range(3), range(6), range(2), range(3)))
    both = arm_angles([(place[3], place[4], 0, 0) for place in postures])
    both["wrist_flexion"] = np.array([0.0, 20.0, 20.0])[[place[5] for place in postures]]
    both["forearm_pronation"] = np.array([0.0, 0.0, 80.0])[[place[5] for place in postures]]
    angles = series(len(postures), both) | series(
        len(postures), **reba_angles([place[:3] for place in postures])
    )
    angles |= {f"{side}_{name}": values for side in SIDES for name, values in both.items()}
    angles["left_knee_flexion"] = np.array([0.0, 40.0, 70.0])[[place[2] for place in postures]]
    seen = set()
    loads = [{"load_kg": 7}, {"load_kg": 12}, {"load_kg": 12, "shock": True}]
    for load, coupling in product([{}, *loads], ("good", "fair", "poor", "unacceptable")):
        for legs in ("balanced", "one or unstable"):
            found = columns("reba", angles, coupling=coupling, legs=legs, **load)
            cells = list(zip(found["score_a"].clip(max=12), found["score_b_left"].clip(max=12), strict=True))
            assert found["score"].tolist() == [REBA_C[int(12 * (a - 1) + b - 1)] for a, b in cells]
            seen |= set(cells)
    assert len(seen) == 12 * 12
    found = columns("reba", angles, static="yes", repetition_per_min=5, unstable=True, load_kg=12)
    words = {1: 0, 2: 1, 3: 1, **dict.fromkeys(range(4, 8), 2), **dict.fromkeys(range(8, 11), 3)}
    assert found["level"].tolist() == [words.get(int(score), 4) for score in found["score"]]
    assert found["score"].max() == 15


# ---- limits and their edges


@pytest.mark.parametrize(
    ("angle", "score"),
    [(0, 1), (20, 1), (20.1, 2), (45, 2), (45.1, 3), (90, 3), (90.1, 4), (-20, 1), (-20.1, 2), (-60, 2)],
)
def test_upper_arm_limits(angle, score):
    both = {"shoulder_elevation": abs(angle), "shoulder_horizontal_abduction": 90 if angle >= 0 else -90}
    assert one("rula", "upper_arm_left", both=both) == score
    assert one("reba", "upper_arm_right", both=both) == score


@pytest.mark.parametrize(
    ("method", "name", "column", "steps"),
    [
        ("rula", "neck_flexion", "neck", [(-5.1, 4), (-5, 1), (10, 1), (10.1, 2), (20, 2), (20.1, 3)]),
        ("reba", "neck_flexion", "neck", [(-5.1, 2), (-5, 1), (20, 1), (20.1, 2)]),
        (
            "rula",
            "trunk_flexion",
            "trunk",
            [
                (-30, 3),
                (-20, 2),
                (-5.1, 2),
                (-5, 1),
                (5, 1),
                (5.1, 2),
                (20, 2),
                (20.1, 3),
                (60, 3),
                (60.1, 4),
            ],
        ),
        (
            "reba",
            "trunk_flexion",
            "trunk",
            [(-80, 3), (-20.1, 3), (-20, 2), (5, 1), (20, 2), (60, 3), (61, 4)],
        ),
        ("reba", "left_knee_flexion", "legs", [(0, 1), (29.9, 1), (30, 2), (60, 2), (60.1, 3)]),
        ("rula", "left_elbow_flexion", "lower_arm_left", [(59.9, 2), (60, 1), (100, 1), (100.1, 2)]),
        ("rula", "left_wrist_flexion", "wrist_left", [(5, 1), (-5.1, 2), (15, 2), (-15.1, 3)]),
        ("reba", "left_wrist_flexion", "wrist_left", [(15, 1), (-15.1, 2)]),
        ("rula", "neck_lateral", "neck", [(10, 1), (10.1, 2), (-10.1, 2)]),
        ("rula", "back_rotation", "trunk", [(-10, 1), (-10.1, 2)]),
    ],
)
def test_edges_of_part_scores(method, name, column, steps):
    for angle, score in steps:
        assert one(method, column, **{name: angle}) == score, angle


def test_an_arm_to_the_side_is_abducted_and_one_to_the_front_is_not():
    side = {"shoulder_elevation": 45, "shoulder_horizontal_abduction": 0}
    front = {"shoulder_elevation": 89.99, "shoulder_flexion": 89.99, "shoulder_abduction": 70}
    front["shoulder_horizontal_abduction"] = 90
    assert one("rula", "upper_arm_left", both=side) == 2 + 1
    assert one("rula", "upper_arm_left", both=front) == 3
    # without the direction, a level arm's projected angles tell nothing
    front["shoulder_horizontal_abduction"] = NAN
    assert one("rula", "upper_arm_left", both=front) == 3
    aside = {"shoulder_elevation": 45, "shoulder_flexion": 0, "shoulder_abduction": 45}
    aside["shoulder_horizontal_abduction"] = NAN
    assert one("rula", "upper_arm_left", both=aside) == 2 + 1


def test_support_load_and_shock():
    bent = {"shoulder_elevation": 60}
    assert (
        one("rula", "upper_arm_left", both=bent)
        - one("rula", "upper_arm_left", both=bent, inputs={"arms_supported": True})
        == 1
    )
    base = one("rula", "score_d")
    for load, kind, more in (
        (1.9, "static", 0),
        (2, "intermittent", 1),
        (10, "repeated", 2),
        (10.1, "intermittent", 3),
    ):
        assert one("rula", "score_d", inputs={"load_kg": load, "load_kind": kind}) == base + more
    assert one("rula", "score_d", inputs={"shock": True}) == base + 3
    left = columns("rula", series(), load_kg=5, load_side="left")
    assert left["score_c_left"] == left["score_c_right"] + 1
    base = one("reba", "score_a")
    for load, more in ((4.9, 0), (5, 1), (10, 1), (10.1, 2)):
        assert one("reba", "score_a", inputs={"load_kg": load}) == base + more


@pytest.mark.parametrize("method", ["rula", "reba"])
def test_a_worse_angle_never_scores_better(method):
    rng = np.random.default_rng(1)
    frames = 60
    ramps = {
        "trunk_flexion": np.linspace(0, 120, frames),
        "neck_flexion": np.linspace(0, 60, frames),
        "back_rotation": np.linspace(0, 60, frames),
        "left_shoulder_elevation": np.linspace(0, 170, frames),
        "left_wrist_flexion": np.linspace(0, 80, frames),
        "right_knee_flexion": np.linspace(0, 120, frames),
        "right_elbow_flexion": np.linspace(80, 140, frames),
    }
    for name, ramp in ramps.items():
        for _ in range(10):
            angles = random_angles(rng, 1)
            angles["left_shoulder_horizontal_abduction"][:] = (
                90  # an arm straight up is no longer out to the side
            )
            angles = {key: np.repeat(values, frames) for key, values in angles.items()} | {name: ramp}
            assert (np.diff(columns(method, angles)["score"]) >= 0).all(), name
