"""What lasts and what comes again: flicker, gaps, holds, events, somebody who stands still, movements a minute."""

import numpy as np
import pytest

from lib.ergo.holds import count_events, longest_s, movements_per_min, standing_still, steady
from lib.ergo.inputs import TaskInputs
from lib.ergo.scores import assess
from tests.example_angles import FPS, NAN, QUIET, columns, series


def test_flicker_and_short_gaps_are_removed():
    level = np.array([0] * 10 + [2] + [0] * 10 + [-1] * 5 + [0] * 4 + [-1] * 30 + [1] * 10)
    found = steady(level, 10.0, min_duration_s=0.3, max_gap_s=0.5)
    assert found.tolist() == [0] * 30 + [-1] * 30 + [1] * 10
    assert steady(np.array([2, 0, 0, 0]), 10.0, min_duration_s=0.2, max_gap_s=0).tolist() == [0] * 4
    assert steady(np.array([-1, -1]), 10.0, min_duration_s=0.2, max_gap_s=1).tolist() == [-1, -1]
    assert steady(np.zeros(0, int), 10.0, min_duration_s=0.2, max_gap_s=1).tolist() == []
    assert level[10] == 2  # the caller's array stays


def test_longest_hold_and_events():
    mask = np.array([1, 1, 0, 1, 1, 1, 0, 0, 1], bool)
    assert longest_s(mask, 2.0) == 1.5 and count_events(mask) == 3
    assert longest_s(~mask & mask, 2.0) == 0 and count_events(np.zeros(0, bool)) == 0


def test_summary_counts_time_holds_and_events():
    flexion = np.zeros(1200)
    for start in (100, 500, 900):
        flexion[start : start + 100] = 70
    flexion[550] = NAN  # a gap within a hold
    flexion[950] = 0  # flicker within a hold
    assessment = assess(series(1200, trunk_flexion=flexion, back_rotation=30), FPS, TaskInputs(**QUIET))
    summary = assessment.methods["rula"].summary
    assert summary["investigate or worse, events a minute"] == 3
    assert summary["investigate or worse, longest hold in s"] == 5
    shares = assessment.methods["rula"].shares
    assert sum(shares.values()) == pytest.approx(1) and shares["acceptable"] == pytest.approx(901 / 1199)


def test_posture_held_for_over_a_minute_is_static():
    fps, rng = 10.0, np.random.default_rng(3)
    angle = rng.uniform(-4, 4, 2000)
    angle[:300] += 50
    found = standing_still(angle[None], fps, longer_than_s=60, band_deg=10, max_gap_s=0.5)
    assert (np.flatnonzero(found) == np.arange(300, 2000)).all()
    angle[900:903] = NAN
    assert standing_still(angle[None], fps, longer_than_s=60, band_deg=10, max_gap_s=0.5)[300:].all()
    angle[1500:1510] = NAN  # too long: what follows is shorter than a minute
    found = standing_still(angle[None], fps, longer_than_s=60, band_deg=10, max_gap_s=0.5)
    assert (np.flatnonzero(found) == np.arange(300, 1500)).all()
    assert not standing_still(angle[None, :600], fps, longer_than_s=60, band_deg=90, max_gap_s=0.5).any()


@pytest.mark.parametrize("window_s", [0.5, 0.6, 1.0])
def test_standing_still_is_what_a_plain_search_finds(window_s):
    fps, rng = 10.0, np.random.default_rng(4)
    walk = np.cumsum(rng.normal(0, 1, 200))
    window = int(window_s * fps) + 1
    expected = np.zeros(200, bool)
    for start in range(200 - window + 1):
        if np.ptp(walk[start : start + window]) <= 2:
            expected[start : start + window] = True
    found = standing_still(walk[None], fps, longer_than_s=window_s, band_deg=2, max_gap_s=0)
    assert 0 < expected.sum() < 200 and (found == expected).all()


def test_movements_are_counted_by_their_swing():
    fps = 20.0
    time_s = np.arange(0, 180, 1 / fps)
    waves = 30 - 30 * np.cos(2 * np.pi * time_s / 10)  # 6 a minute
    rate = movements_per_min(waves[None], fps, swing_deg=20, max_gap_s=0.5)
    assert rate[1800] == pytest.approx(6)
    assert movements_per_min(waves[None] / 4, fps, swing_deg=20, max_gap_s=0.5).max() == 0
    once = np.where((time_s > 20) & (time_s < 22), 60.0, 0.0)
    assert movements_per_min(once[None], fps, swing_deg=20, max_gap_s=0.5).max() == 0
    angles = series(len(waves), left_shoulder_elevation=waves)
    found = assess(angles, fps).methods["rula"].frames
    assert (found["muscle_use_left"] == 1).all()  # the right arm is still instead
    quiet = assess(angles, fps, TaskInputs(**QUIET)).methods["rula"].frames
    assert (quiet["muscle_use_left"] == 0).all() and (quiet["muscle_use_right"] == 0).all()
    shaken = assess(angles, fps, TaskInputs(static="no")).methods["rula"].frames
    assert (shaken["muscle_use_right"] == 0).all() and (shaken["muscle_use_left"] == 1).all()
    stated = columns("rula", angles, repetition_per_min=4.0)
    assert (stated["muscle_use_right"] == 1).all()
    # RULA: four a minute or more; REBA: more than four
    for rate, extra in ((4.0, 0), (4.1, 1)):
        found = columns("reba", angles, repetition_per_min=rate, static="no")
        assert (found["activity_right"] == extra).all()
