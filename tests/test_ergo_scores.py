"""Posture scores: symmetry, what is unknown, inputs, standards of what lasts, NIOSH, files, speed."""

import time
from dataclasses import asdict, fields, replace
from itertools import pairwise

import numpy as np
import pytest

from lib.angles import angle_names
from lib.data.worker.generate import make_worker_truth
from lib.ergo.from_joints import posture_angles
from lib.ergo.holds import (
    consumed,
    held_still,
)
from lib.ergo.inputs import TaskInputs
from lib.ergo.limits import action_levels, limits_mark, load_limits, load_thresholds, risk_colors
from lib.ergo.niosh import frequency_multiplier, lift_geometry, niosh
from lib.ergo.posture import Posture
from lib.ergo.scores import METHOD_ORDER, METHODS, assess
from lib.ergo.series_check import radians_note
from lib.ergo.series_csv import write_angles_csv, write_scores_csv
from lib.errors import UserError
from lib.skeleton import load_skeleton
from tests.example_angles import FPS, NAN, QUIET, SIDES, UPRIGHT, columns, one, random_angles, series


@pytest.mark.parametrize("method", METHODS.names())
def test_a_mirrored_person_scores_the_same(method):
    angles = random_angles(np.random.default_rng(2), 500)
    mirrored = {}
    for name, values in angles.items():
        side, _, rest = name.partition("_")
        if side in SIDES:
            mirrored[f"{'right' if side == 'left' else 'left'}_{rest}"] = values
        else:
            mirrored[name] = -values if rest in ("lateral", "rotation") else values
    here, there = (columns(method, some) for some in (angles, mirrored))
    for name, values in here.items():
        swapped = name.replace("left", "#").replace("right", "left").replace("#", "right")
        np.testing.assert_array_equal(values, there[swapped], name)


# ---- what is unknown


def test_unknown_parts_are_neutral_and_listed():
    full = {
        name: UPRIGHT[name]
        for name in ("trunk_flexion", "left_shoulder_elevation", "right_shoulder_elevation")
    }
    assessment = assess({name: np.full(3, value) for name, value in full.items()}, FPS)
    assert assessment.methods["rula"].frames["score"].tolist() == [1, 1, 1]
    text = "\n".join(assessment.assumptions)
    assert "flexion of the neck: unknown in all of the scored frames, taken as straight" in text
    assert "left and right elbow: unknown in all" in text and "load_kg = 0 (default)" in text
    assert (assessment.parts["neck"] == -1).all() and (assessment.parts["trunk"] == 0).all()
    assert (assessment.methods["four_level"].frames["neck"] == -1).all()
    assert "neck" not in "".join(assess(series(5), FPS).assumptions).split("load_kg")[0]


@pytest.mark.parametrize("method", METHODS.names())
def test_frames_without_trunk_or_arms_have_no_score(method):
    angles = series(
        5, both={"shoulder_elevation": [60, NAN, 60, 60, 60]}, trunk_flexion=[30, 30, NAN, 30, 30]
    )
    angles["left_shoulder_elevation"][3] = NAN
    angles |= {f"{side}_shoulder_flexion": angles[f"{side}_shoulder_elevation"] for side in SIDES}
    angles["back_flexion"] = angles["trunk_flexion"]
    found = columns(method, angles)
    assert (found["level"] >= 0).tolist() == [True, False, False, True, True]
    if "score" in found:
        assert np.isfinite(found["score"]).tolist() == [True, False, False, True, True]
        assert np.isnan(found["score_left"][3]) and found["score_right"][3] == found["score"][3]


def test_a_motion_that_cannot_be_scored_is_refused():
    for angles, word in (
        ({"left_elbow_flexion": np.zeros(3)}, "trunk"),
        ({"trunk_flexion": np.zeros(3)}, "upper arm"),
        ({"trunk_flexion": np.zeros(3), "left_shoulder_elevation": np.zeros(2)}, "one length"),
        ({}, "one length"),
    ):
        with pytest.raises(UserError, match=word):
            assess(angles, FPS)
    with pytest.raises(UserError, match="did you mean 'rula'"):
        assess(series(), FPS, methods=["rulla"])
    with pytest.raises(UserError, match="frames per second"):
        assess(series(), 0)


def test_a_series_that_is_no_angle_is_refused():
    with pytest.raises(UserError, match=r"'left_elbow' \(did you mean 'left_elbow_flexion'\?\)"):
        assess(series() | {"left_elbow": np.zeros(1)}, FPS)
    with pytest.raises(UserError, match="no angle is called 'knees'"):
        assess(series() | {"knees": np.zeros(1)}, FPS)
    whole = load_skeleton("RTM-66")
    known = {
        *angle_names(whole, "paper"),
        *angle_names(whole, "VEHS"),
        *angle_names(load_skeleton("UBHand-48")),
    }
    assess({name: np.zeros(2) for name in known}, FPS)


def test_radians_are_told():
    skeleton = load_skeleton("H36M-17")
    truth = make_worker_truth(
        skeleton, seed=0, subjects=1, clips=1, cameras=1, fps=FPS, tasks=["place_on_shelf"], detector=False
    )
    up = truth.camera_rotation[:, :, 1]
    angles = posture_angles(truth.motion.joints_mm, skeleton, up, fps=FPS)
    for given, is_told in (
        (angles, False),
        ({name: np.radians(values) for name, values in angles.items()}, True),
    ):
        assumptions = assess(given, FPS).assumptions
        assert any("look like radians" in line for line in assumptions) == is_told


@pytest.mark.parametrize("noise_deg", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("sway_deg", [0.0, 0.4, 0.8])
def test_somebody_who_stands_still_with_straight_joints_is_not_taken_for_radians(noise_deg, sway_deg):
    rng, time_s = np.random.default_rng(5), np.arange(0, 60, 1 / FPS)
    for _ in range(5):
        angles = {}
        for name in UPRIGHT:
            waves = np.sin(2 * np.pi * np.outer([0.05, 0.2, 0.6], time_s) + rng.uniform(0, 6, (3, 1))).sum(0)
            angles[name] = sway_deg * waves / 1.5**0.5 + rng.normal(0, noise_deg, len(time_s))
        assert radians_note(angles, FPS) == ""


# ---- inputs and thresholds


def test_inputs_are_checked_and_told():
    for wrong in (
        {"load_kg": -1},
        {"load_kg": NAN},
        {"load_kg": 551},
        {"coupling": "so so"},
        {"load_side": "middle"},
        {"lift": (2.0, 1.0)},
        {"repetition_per_min": -1.0},
    ):
        with pytest.raises(UserError, match=next(iter(wrong))):
            TaskInputs(**wrong)
    lines = TaskInputs(load_kg=8, shock=True).lines()
    assert any(line.startswith("load_kg = 8: ") for line in lines)
    assert any(line.startswith("shock = yes: ") for line in lines)
    assert any(line.startswith("coupling = good (default): ") for line in lines)
    assert len(lines) == len(fields(TaskInputs)) - 1  # no lift was named
    assert all(entry.metadata["help"] for entry in TaskInputs.fields())


def test_thresholds_can_be_changed_one_by_one(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("twist_deg: 40\n")
    mine = load_thresholds(path)
    angles = series(1, back_rotation=30)
    scores = [
        assess(angles, FPS, TaskInputs(**QUIET), limits).methods["rula"].frames["trunk"][0]
        for limits in (load_thresholds(), mine)
    ]
    assert scores == [2, 1]
    assert any(line.startswith("twist_deg = 40") and "set by the user" in line for line in mine.lines())
    for text, message in (
        ("twist: 3", "did you mean 'twist_deg'"),
        ("twist_deg: much", "a number"),
        ("- 3", "mine"),
    ):
        path.write_text(text + "\n")
        with pytest.raises(UserError, match=message):
            load_thresholds(path)
    assert all(
        "no source at hand" in line for line in load_thresholds().lines() if line.startswith("zero_deg")
    )


def test_every_method_has_levels_and_readable_colors():
    assert sorted(METHOD_ORDER) == METHODS.names()
    assert len(risk_colors()) == 4
    for name in METHOD_ORDER:
        levels = action_levels(name)
        assert [one.risk for one in levels] == sorted(one.risk for one in levels)
        brightness = [luminance(one.color) for one in levels]
        # neighbours stay apart for readers who see no hues
        assert all(abs(a - b) > 0.08 for a, b in pairwise(brightness))


def luminance(color):
    shares = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return float((shares**2.2) @ [0.2126, 0.7152, 0.0722])


# ---- ISO 11226, EN 1005-4


@pytest.mark.parametrize(("angle", "minutes"), [(20.001, 4), (40, 2.5), (60, 1)])
def test_iso_holding_time_of_the_trunk(angle, minutes):
    fps = 10.0
    frames = int(300 * fps)
    flexion = np.full(frames, float(angle))
    found = columns("iso11226", series(frames, trunk_flexion=flexion, neck_flexion=0), fps)["trunk"]
    assert (found[: int(minutes * 60 * fps) - 1] == 1).all()
    assert (found[int(minutes * 60 * fps) + 1 :] == 2).all()
    flexion[int(30 * fps) :: int(30 * fps)] = 0  # flicker ends no hold
    assert columns("iso11226", series(frames, trunk_flexion=flexion), fps)["trunk"].max() == 2
    for start in range(0, frames, int(30 * fps)):
        flexion[start : start + 20] = 0  # two seconds upright do
    assert columns("iso11226", series(frames, trunk_flexion=flexion), fps)["trunk"].max() == 1
    supported = columns("iso11226", series(frames, trunk_flexion=angle), fps, trunk_supported=True)
    assert supported["trunk"].max() == 0


def test_iso_limits():
    def level(column, inputs=None, both=None, **given):
        return one(
            "iso11226", column, both=both, inputs=inputs, fps=0.2, **given
        )  # one frame of five seconds

    assert [level("trunk", trunk_flexion=x) for x in (-6, -5, 20, 60, 60.1)] == [2, 0, 0, 1, 2]
    assert level("trunk", {"trunk_supported": True}, trunk_flexion=-10) == 0
    assert level("trunk", trunk_lateral=-11) == level("trunk", back_rotation=11) == 2
    assert [level("head", head_flexion=x) for x in (-6, 25, 26, 85, 86)] == [2, 0, 1, 1, 2]
    assert level("head", {"head_supported": True}, head_flexion=-30) == 0
    assert [level("neck", neck_flexion=x) for x in (-6, 0, 25, 25.1)] == [2, 0, 0, 2]
    arm = [level("upper_arm_left", both={"shoulder_elevation": x}) for x in (20, 21, 60, 61)]
    assert arm == [0, 1, 1, 2]
    back = {"shoulder_elevation": 15, "shoulder_horizontal_abduction": -90}
    assert level("upper_arm_left", both=back) == level("upper_arm_left", both={"shoulder_raise": 16}) == 2
    assert level("joints_left", both={"wrist_flexion": -70}) == 2 and level("joints_left") == 0
    assert level("knee_left", both={"knee_flexion": 30}) == 2 and level("knee_left") == 0
    sitting = {"sitting": True}
    assert [level("knee_left", sitting, both={"knee_flexion": x}) for x in (30, 45, 90, 91)] == [2, 0, 0, 2]
    assert level("knee_left", sitting, both={"knee_flexion": 30}, trunk_flexion=-15) == 0
    assert level("knee_left", sitting, both={"knee_flexion": NAN}) == 0


def test_iso_rates_what_lasts():
    fps = 10.0
    flexion = np.zeros(300)
    flexion[20:59], flexion[100:140] = 80, 80
    flexion[120] = 0  # flicker
    found = columns("iso11226", series(300, trunk_flexion=flexion), fps)["trunk"]
    assert found[20:59].max() == 0
    assert found[100:140].tolist() == [2] * 20 + [0] + [2] * 19


def test_iso_takes_a_walking_knee_for_a_movement_and_a_bent_one_for_a_hold():
    fps, time_s = 30.0, np.arange(0, 20, 1 / 30.0)
    # two steps of a leg in 2.2 s, as a model sees a knee that it never straightens: 17 to 62 degrees
    walking = 17 + 45 * np.sin(np.pi * time_s / 1.1) ** 4
    assert walking.min() > load_thresholds()["knee_flexed_deg"]
    angles = series(len(time_s), left_knee_flexion=walking, right_knee_flexion=np.roll(walking, 16))
    found = assess(angles, fps, TaskInputs(**QUIET), methods=["iso11226"]).methods["iso11226"]
    assert found.level.max() == 0
    assert found.summary["left knee bent, longest hold in s"] == 0
    rng = np.random.default_rng(2)
    stops = np.where((time_s > 5) & (time_s < 11), 40 + rng.normal(0, 1, len(time_s)), walking)
    angles = series(len(time_s), left_knee_flexion=stops)
    found = assess(angles, fps, TaskInputs(**QUIET), methods=["iso11226"]).methods["iso11226"]
    knee = found.frames["knee_left"]
    assert knee[160:320].min() == 2 and knee[:140].max() == knee[340:].max() == 0
    assert found.summary["left knee bent, longest hold in s"] == pytest.approx(6, abs=0.2)
    assert found.summary["right knee bent, longest hold in s"] == 0


def test_iso_names_every_hold_and_a_swinging_trunk_is_none():
    fps, time_s = 10.0, np.arange(0, 300, 0.1)
    swings = 40 + 15 * np.sin(2 * np.pi * time_s / 3)  # never upright, never still
    assert columns("iso11226", series(len(time_s), trunk_flexion=swings), fps)["trunk"].max() == 0
    # moving on to another angle of the zone is no rest: five minutes at 45 and 59 degrees are too long
    moves = np.where(time_s % 30 < 15, 45.0, 59.0)
    assert (
        columns("iso11226", series(len(time_s), trunk_flexion=moves), fps)["trunk"][-10:].tolist() == [2] * 10
    )
    back = np.where((time_s > 10) & (time_s < 16), -12.0, 0.0)
    angles = series(len(time_s), trunk_flexion=back, back_rotation=np.where(time_s < 5, 20.0, 0.0))
    summary = assess(angles, fps, TaskInputs(**QUIET), methods=["iso11226"]).methods["iso11226"].summary
    assert summary["trunk leaning back, longest hold in s"] == pytest.approx(5.9)
    assert summary["trunk twisted, longest hold in s"] == pytest.approx(5)
    for name in ("head leaning back", "left upper arm behind", "right shoulder raised", "left knee bent"):
        assert summary[f"{name}, longest hold in s"] == 0


@pytest.mark.parametrize("seconds", [3.9, 4.0])
def test_held_still_counts_from_four_seconds_on_and_passes_over_flicker_and_gaps(seconds):
    angle = np.linspace(0, 900, 200)  # 45 degrees a second
    held = slice(60, 60 + round(seconds * 10))
    angle[held] = 30
    angle[75], angle[80:85] = 90, NAN
    rules = {"at_least_s": 4, "band_deg": 5, "min_duration_s": 0.2, "max_gap_s": 0.5}
    found = held_still(angle, 10.0, **rules)
    assert found.tolist() == [seconds == 4 and 60 <= at < 100 for at in range(200)]
    assert not held_still(np.full(200, NAN), 10.0, **rules).any()


def test_consumed_time_starts_again_with_each_hold():
    mask = np.array([1, 1, 0, 1, 1, 1], bool)
    assert consumed(mask, np.full(6, 4.0), 1.0).tolist() == [0.25, 0.5, 0, 0.25, 0.5, 0.75]


def test_en_zones_and_frequency():
    def levels(column, flexion, inputs=None, **given):
        inputs = {"static": "auto", "repetition_per_min": None, **(inputs or {})}
        return columns("en1005_4", series(len(flexion), **{column: flexion}, **given), **inputs)

    minute = int(60 * FPS)
    bends = np.zeros(minute)
    bends[100:140] = 40  # 2 s, once a minute
    assert levels("trunk_flexion", bends)["trunk"].max() == 0
    bends[500:540] = 40
    assert levels("trunk_flexion", bends)["trunk"][120] == 1
    held = np.where(np.arange(minute) < 100, 40.0, 0.0)  # 5 s: static
    assert levels("trunk_flexion", held)["trunk"][0] == 2
    assert levels("trunk_flexion", held, {"trunk_supported": True})["trunk"][0] == 1
    assert levels("trunk_flexion", held, {"static": "no"})["trunk"][0] == 0
    for angle in (70.0, -20.0):
        far = np.where(bends > 0, angle, 0.0)
        assert levels("trunk_flexion", far)["trunk"][120] == 2
        far[500:] = 0
        assert levels("trunk_flexion", far)["trunk"][120] == 1
    aside = np.where(np.arange(minute) < 40, -15.0, 0.0)
    assert levels("trunk_lateral", aside)["trunk_sideways"].tolist()[:41] == [1] * 40 + [0]
    assert levels("trunk_lateral", aside, {"repetition_per_min": 2.0})["trunk_sideways"][0] == 2
    stated = assess(
        series(minute, trunk_lateral=aside), FPS, TaskInputs(repetition_per_min=2.0), methods=["en1005_4"]
    )
    rates = stated.methods["en1005_4"].summary
    assert rates["trunk sideways or twisted, events a minute"] == 2.0
    assert rates["trunk bent, events a minute"] == rates["head down, events a minute"] == 0.0  # never there
    arm = np.repeat([20.0, 21.0, 60.0, 61.0], 300)
    found = levels("left_shoulder_elevation", arm)["upper_arm_left"]
    assert found[::300].tolist() == [0, 0, 0, 2]
    found = levels("left_shoulder_elevation", arm, {"repetition_per_min": 3.0})["upper_arm_left"]
    assert found[::300].tolist() == [0, 1, 1, 2]
    head = np.repeat([-6.0, 0.0, 40.0, 41.0], [40, 500, 620, 40])
    found = levels("head_flexion", head)["head"]
    assert [found[at] for at in (0, 40, 540, 1160)] == [2, 0, 0, 1]
    assert levels("head_flexion", head, {"static": "yes"})["head"][1160] == 2


# ---- NIOSH lifting equation


def rows_of(text):
    """Multipliers below and above 75 cm of a row as the facts write it."""
    pairs = [word.split("/") for word in text.split()]
    return [float(pair[0]) for pair in pairs], [float(pair[-1]) for pair in pairs]


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        (1, "1.00 .97 .94 .91 .88 .84 .80 .75 .70 .60 .52 .45 .41 .37 0/.34 0/.31 0/.28"),
        (2, ".95 .92 .88 .84 .79 .72 .60 .50 .42 .35 .30 .26 0/.23 0/.21 0 0 0"),
        (8, ".85 .81 .75 .65 .55 .45 .35 .27 .22 .18 0/.15 0/.13 0 0 0 0 0"),
    ],
)
def test_niosh_frequency_table(hours, text):
    rates = [0.2, 0.5, *range(1, 16)]
    for is_high, expected in enumerate(rows_of(text)):
        found = [frequency_multiplier(rate, hours, is_high=bool(is_high)) for rate in rates]
        assert found == expected
        assert frequency_multiplier(15.1, hours, is_high=bool(is_high)) == 0
        assert frequency_multiplier(0, hours, is_high=bool(is_high)) == expected[0]
        assert frequency_multiplier(3.2, hours, is_high=bool(is_high)) == expected[rates.index(4)]
    assert frequency_multiplier(1, hours - 0.5, is_high=True) == frequency_multiplier(1, hours, is_high=True)


def test_niosh_by_hand():
    best = niosh(25, 75, 25, 0, lifts_per_min=0.2, hours=1)
    assert best.weight_limit == pytest.approx(23)
    assert np.isnan(best.lifting_index)
    # 23 * 25/50 * (1 - .003*45) * (.82 + 4.5/90) * (1 - .0032*45) * .75 * .95
    found = niosh(50, 30, 90, -45, lifts_per_min=1, hours=8, coupling="fair", load=10)
    assert found.weight_limit == pytest.approx(23 * 0.5 * 0.865 * 0.87 * 0.856 * 0.75 * 0.95)
    assert found.lifting_index == pytest.approx(10 / found.weight_limit)
    inch = niosh(23, 15, 48, 0, lifts_per_min=0.2, hours=1, coupling="fair", load=44, units="inch")
    assert inch.weight_limit == pytest.approx(51 * 10 / 23 * 0.8875 * 0.8575 * 0.95)
    assert niosh(50, 76, 90, 0, lifts_per_min=1, hours=8, coupling="fair").coupling == 1


def test_niosh_beyond_its_limits():
    fine = {"h": 25, "v": 75, "d": 25, "a_deg": 0}
    for wrong, text in (
        ({"h": 64}, "H of 64 cm is over 63"),
        ({"v": 176}, "V of 176 cm is over 175"),
        ({"d": 176}, "D of 176 cm is over 175"),
        ({"a_deg": -136}, "A of 136 degrees is over 135"),
        ({"lifts_per_min": 16}, "16 lifts a minute for 1 h are too many"),
    ):
        found = niosh(**{**fine, "lifts_per_min": 0.2, **wrong}, hours=1, load=5)
        assert found.weight_limit == 0 and found.lifting_index == np.inf
        assert found.outside == (text,)
    assert len(niosh(64, 176, 25, 0, lifts_per_min=0.2, hours=1).outside) == 2
    inch = niosh(26, 30, 10, 0, lifts_per_min=0.2, hours=1, units="inch")
    assert inch.outside == ("H of 26 in is over 25",) and set(inch.lines()) == set(asdict(inch)) - {"outside"}
    assert niosh(**{**fine, "h": 0, "d": 0}, lifts_per_min=0.2, hours=1).weight_limit == pytest.approx(23)
    edge = niosh(63, 175, 175, 135, lifts_per_min=0.2, hours=1)
    assert edge.weight_limit == pytest.approx(23 * 25 / 63 * 0.7 * (0.82 + 4.5 / 175) * 0.568)
    assert edge.outside == ()
    for name, values in {
        "coupling": ("unacceptable",),
        "units": ("feet",),
        "hours": (9, -1, NAN),
        "load": (-1, 551, NAN, np.inf),
        "h": (-1, 201),
        "v": (-1, 301),
        "d": (-1, 301),
        "a_deg": (181, NAN),
        "lifts_per_min": (-1, 61),
    }.items():
        for value in values:
            with pytest.raises(UserError, match=name):
                niosh(**{**fine, "lifts_per_min": 1, "hours": 1, name: value})
    assert niosh(**fine, lifts_per_min=1, hours=1, load=1200, units="inch").lifting_index > 20


def test_lift_geometry_from_joints():
    skeleton = load_skeleton("H36M-17")
    joints = np.zeros((skeleton.num_joints, 3))
    # somebody who faces the camera: the right side is at -X
    for name, place in {
        "left_hip": (0.15, 0.9, 0),
        "right_hip": (-0.15, 0.9, 0),
        "left_ankle": (0.15, 0.1, 0),
        "right_ankle": (-0.15, 0.1, 0),
        "left_wrist": (0.2, 0.4, 0.5),
        "right_wrist": (-0.2, 0.4, 0.5),
    }.items():
        joints[skeleton.index_canonical(name)] = place
    end = joints.copy()
    for side, x in (("left", 0.6), ("right", 0.4)):
        end[skeleton.index_canonical(f"{side}_wrist")] = (x, 1.2, 0.0)
    lift = lift_geometry(joints, end, skeleton)
    assert (lift.h_cm, lift.v_cm, lift.d_cm, abs(lift.a_deg)) == pytest.approx((50, 40, 80, 0))
    assert (lift.end_h_cm, lift.end_v_cm, abs(lift.end_a_deg)) == pytest.approx((50, 120, 90))
    joints[skeleton.index_canonical("left_ankle")] = NAN
    with pytest.raises(UserError, match="left_ankle"):
        lift_geometry(joints, end, skeleton)


# ---- files, speed


def test_csv_files_have_a_row_a_frame(tmp_path):
    angles = series(4, trunk_flexion=[30, NAN, -0.001, 70])
    assessment = assess(angles, FPS)
    write_angles_csv(tmp_path / "angles.csv", angles, np.arange(4) / FPS)
    write_scores_csv(tmp_path / "scores.csv", assessment, np.arange(4) / FPS)
    rows = [line.split(",") for line in (tmp_path / "angles.csv").read_text().splitlines()]
    trunk = rows[0].index("trunk_flexion_deg")
    assert [row[trunk] for row in rows[1:]] == ["30.00", "", "0.00", "70.00"]
    assert "left_hand_lateral" in rows[0] and len(rows) == 5
    rows = [line.split(",") for line in (tmp_path / "scores.csv").read_text().splitlines()]
    table = dict(zip(rows[0], zip(*rows[1:], strict=True), strict=True))
    assert len({len(row) for row in rows}) == 1
    assert table["rula_score"][1] == "" and table["rula_level_name"][1] == ""
    assert table["rula_trunk"] == ("3", "", "1", "4") and table["rula_level_name"][2] == "acceptable"
    assert table["risk_trunk"] == ("2", "", "0", "3")


def test_a_hundred_thousand_frames_take_under_two_seconds():
    angles = random_angles(np.random.default_rng(6), 100_000)
    angles = {name: values + np.nan for name, values in angles.items() if "raise" in name} | angles
    start = time.process_time()
    assess(angles, 30.0)
    assert time.process_time() - start < 2


def test_the_caller_s_arrays_stay():
    angles = random_angles(np.random.default_rng(7), 50)
    angles["trunk_flexion"][3:5] = NAN
    copies = {name: values.copy() for name, values in angles.items()}
    assess(angles, FPS)
    for name, values in angles.items():
        np.testing.assert_array_equal(values, copies[name])


def test_one_side_known_is_told():
    angles = series(10)
    for name in ("elevation", "flexion"):
        angles[f"left_shoulder_{name}"][:] = NAN
    posture = Posture(angles, FPS, load_thresholds())
    assert any("left arm: unknown in all" in line for line in posture.assumed)


def test_replacing_an_input_changes_only_what_it_should():
    base = TaskInputs(**QUIET)
    heavy = replace(base, load_kg=20)
    angles = random_angles(np.random.default_rng(8), 200)
    light, loaded = (assess(angles, FPS, inputs).methods for inputs in (base, heavy))
    assert (loaded["rula"].frames["score"] >= light["rula"].frames["score"]).all()
    for name in ("iso11226", "en1005_4", "four_level"):
        assert (loaded[name].level == light[name].level).all()


def test_unverified_limits_say_so():
    assert load_limits("iso11226")["verified"] is False
    found = assess(series(), FPS)
    assert any("ISO 11226: limits not verified" in line for line in found.assumptions)
    marks = {name: result.mark for name, result in found.methods.items() if result.mark}
    assert marks == {"iso11226": "limits not verified", "en1005_4": "limits verified in part"}
    assert limits_mark("niosh") == "limits verified in part"
