"""Posture scores of a video: angles from joints, flags, files, figure and the page's section."""

import argparse
import base64
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lib.ergo.from_joints import check_can_score, mean_direction, posture_angles
from lib.ergo.inputs import TaskInputs
from lib.ergo.limits import load_thresholds, risk_colors
from lib.ergo.posture import Posture
from lib.ergo.scores import assess
from lib.errors import UserError
from lib.skeleton import list_skeletons, load_skeleton
from lib.wild.ergo import ERGO_FILES, assess_world, ergo_report, score_facts
from lib.wild.ergo_body import SHAPES, lasting_risk, part_of_joint
from lib.wild.ergo_flags import add_ergo_flags, ergo_options, task_inputs, useless_ergo_flags
from lib.wild.ergo_moments import worst_moments
from lib.wild.ergo_section import ergo_section
from lib.wild.flags import parse_arguments
from lib.wild.page import write_page
from lib.wild.records import Flag, Track, WorldMotion
from tests.test_wild_page import browser, frame_of, go_to, gray_of, make_overlay, opened, until  # noqa: F401

FPS = 30.0
UP = (0.0, 1.0, 0.0)
SIDES = ("left", "right")
# somebody who faces +Z, the camera, m: the left side is at +X
STANDING = {
    "hip_center": (0, 0.95, 0),
    "mid_spine": (0, 1.2, 0),
    "neck_base": (0, 1.45, 0),
    "face": (0, 1.58, 0.08),
    "head_top": (0, 1.72, 0.04),
    **{
        f"{side}_{name}": (sign * x, y, z)
        for side, sign in (("left", 1), ("right", -1))
        for name, (x, y, z) in {
            "hip": (0.12, 0.95, 0),
            "knee": (0.12, 0.52, 0.001),
            "ankle": (0.12, 0.09, 0),
            "shoulder": (0.18, 1.42, 0),
            "elbow": (0.18, 1.13, 0.001),
            "wrist": (0.18, 0.88, 0),
        }.items()
    },
}


def pose(skeleton=None, bend_deg=0.0, **places):
    """Joints (J,3) of the standing person; the upper body turned about the hips to the front, joints put elsewhere."""
    skeleton = skeleton or load_skeleton("H36M-17")
    joints = np.array([places.get(name, STANDING[name]) for name in skeleton.canonical], float)
    upper = np.array(
        [name in STANDING and not re.search("hip|knee|ankle", name) for name in skeleton.canonical]
    )
    angle, pivot = np.radians(bend_deg), np.array([0, 0.95, 0])
    y, z = (joints - pivot)[:, 1], (joints - pivot)[:, 2]
    bent = np.stack(
        [joints[:, 0], y * np.cos(angle) - z * np.sin(angle), z * np.cos(angle) + y * np.sin(angle)], -1
    )
    return np.where(upper[:, None], bent + pivot, joints)


def make_world(poses, units="m"):
    positions = np.asarray(poses, float)
    skeleton = load_skeleton("H36M-17")
    known = np.isfinite(positions).all(-1)
    return WorldMotion(
        positions=positions.astype(np.float32),
        root=positions[:, 0].astype(np.float32),
        confidence=known.astype(np.float32),
        flag=np.where(known, Flag.SEEN, Flag.ABSENT).astype(np.uint8),
        time_s=np.arange(len(positions)) / FPS,
        units=units,
        skeleton=skeleton,
        foot_contact=np.ones((len(positions), 2), bool),
        fps=FPS,
        pitch_deg=0.0,
    )


def work(frames=60):
    """Upright, bent in the middle third, with three frames in which nobody is seen."""
    angle = np.where((np.arange(frames) >= frames // 3) & (np.arange(frames) < 2 * frames // 3), 70.0, 0.0)
    poses = np.stack([pose(bend_deg=each) for each in angle])
    poses[5:8] = np.nan
    return make_world(poses)


# ---- angles from joints


@pytest.mark.parametrize("bend_deg", [0.0, 30.0, 75.0])
def test_the_trunk_bends_as_much_as_it_was_turned(bend_deg):
    angles = posture_angles(pose(bend_deg=bend_deg)[None], load_skeleton("H36M-17"), UP, fps=FPS)
    upright = posture_angles(pose()[None], load_skeleton("H36M-17"), UP, fps=FPS)
    assert angles["trunk_flexion"][0] - upright["trunk_flexion"][0] == pytest.approx(bend_deg, abs=0.01)
    assert angles["left_shoulder_elevation"][0] == pytest.approx(
        upright["left_shoulder_elevation"][0], abs=0.01
    )


@pytest.mark.parametrize("side", SIDES)
def test_arms_to_the_side_the_front_and_the_back(side):
    sign = 1 if side == "left" else -1
    elbows = {
        "side": (sign * 0.47, 1.42, 0),
        "front": (sign * 0.18, 1.42, 0.29),
        "back": (sign * 0.18, 1.22, -0.2),
    }
    poses = [pose(**{f"{side}_elbow": place}) for place in elbows.values()]
    angles = posture_angles(np.stack(poses), load_skeleton("H36M-17"), UP, fps=FPS)
    arm = Posture(angles, FPS, load_thresholds()).arms[side]
    np.testing.assert_allclose(arm.out, [90, 0, 0], atol=9)  # the zero of angles is a body of its own
    np.testing.assert_allclose(arm.flexion, [90, 90, -45], atol=9)
    assert arm.is_back.tolist() == [False, False, True]


def test_hands_are_placed_across_the_body():
    places = {"left_wrist": (-0.09, 1.0, 0.3), "right_wrist": (-0.36, 1.0, 0.3)}
    angles = posture_angles(pose(**places)[None], load_skeleton("H36M-17"), UP, fps=FPS)
    assert angles["left_hand_lateral"][0] == pytest.approx(-0.5) and angles["right_hand_lateral"][
        0
    ] == pytest.approx(2)
    frames = assess(angles, FPS).methods["rula"].frames
    assert frames["lower_arm_left"][0] >= 2 and frames["lower_arm_right"][0] >= 2


def test_an_absent_joint_takes_only_its_own_angles():
    poses = np.stack([pose(bend_deg=20)] * 3)
    whole = posture_angles(poses, load_skeleton("H36M-17"), UP, fps=FPS)
    poses[1, load_skeleton("H36M-17").index_canonical("left_wrist")] = np.nan
    poses[2] = np.nan
    found = posture_angles(poses, load_skeleton("H36M-17"), UP, fps=FPS)
    gone = {name for name in found if np.isfinite(whole[name][1]) and not np.isfinite(found[name][1])}
    assert (
        {"left_elbow_flexion", "left_hand_lateral"}
        <= gone
        <= {
            "left_elbow_flexion",
            "left_hand_lateral",
            "left_shoulder_rotation",
        }
    )
    assert found["trunk_flexion"][1] == pytest.approx(20, abs=3)
    assert not any(np.isfinite(values[2]) for values in found.values())


def test_angles_are_averaged_around_the_circle_and_gaps_stay():
    turned = np.radians(np.where(np.arange(40) % 2, 179.0, -179.0))
    turned[10] = np.nan
    found = mean_direction(turned, FPS, 0.5)
    assert np.isnan(found[10]) and np.isfinite(np.delete(found, 10)).all()
    assert np.abs(np.degrees(np.delete(found, 10))).min() > 178
    np.testing.assert_array_equal(mean_direction(turned, FPS, 0.0), turned)
    steps = np.repeat([0.0, 1.0], 20)
    assert 0 < mean_direction(steps, FPS, 0.2)[19] < 0.5 and mean_direction(steps, FPS, 0.2)[3] == 0


def test_hands_alone_cannot_be_scored():
    with pytest.raises(UserError, match=r"whole body.*Hand-21"):
        check_can_score(load_skeleton("Hand-21"))


@pytest.mark.parametrize("name", list_skeletons())
def test_joints_of_every_format_have_a_place_on_the_body_map(name):
    skeleton = load_skeleton(name)
    parts = [part_of_joint(joint) for joint in skeleton.canonical]
    assert set(parts) - {None} <= set(SHAPES)
    for joint, mirror in zip(range(skeleton.num_joints), skeleton.flip_idx, strict=True):
        assert (parts[joint] or "").split("_", 1)[-1] == (parts[mirror] or "").split("_", 1)[-1]


def test_parts_of_joints():
    expected = {
        "right_elbow": "right_upper_arm",
        "left_wrist": "left_forearm",
        "left_index_tip": "left_wrist",
        "nose": "neck",
        "right_ear": "neck",
        "left_big_toe": "legs",
        "left_toe_tip": "legs",
        "hip_center": "trunk",
        "neck_base": "neck",
        "shoulder_center": "trunk",
        "index_tip": None,
    }
    assert {joint: part_of_joint(joint) for joint in expected} == expected


# ---- flags


def parse(*words):
    parser = argparse.ArgumentParser()
    add_ergo_flags(parser)
    return parser.parse_args(words)


def test_every_input_has_a_flag():
    assert task_inputs(parse()) == TaskInputs()
    given = parse(
        "--ergo",
        "--load_kg=8",
        "--load_side=left",
        "--shock",
        "--sitting",
        "--coupling=fair",
        "--lift",
        "1",
        "2.5",
    )
    expected = TaskInputs(
        load_kg=8, load_side="left", shock=True, sitting=True, coupling="fair", lift=(1.0, 2.5)
    )
    assert task_inputs(given) == expected
    assert useless_ergo_flags(given) == []
    lines = useless_ergo_flags(parse("--load_kg", "8", "--ergo_smooth", "0"))
    assert lines == ["--load_kg has no effect without --ergo", "--ergo_smooth has no effect without --ergo"]
    lines = useless_ergo_flags(parse("--ergo", "--duration_h", "2"))
    assert lines == ["--duration_h has no effect without --lift"]
    with pytest.raises(UserError, match="load_kg"):
        task_inputs(parse("--load_kg", "-3"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--ergo_smooth", "9"], "--ergo_smooth 9"),
        (["--lift", "1", "2"], "--stature"),
        (["--lift", "1", "2", "--stature", "1.7", "--coupling", "unacceptable"], "good, fair and poor"),
        (["--lift", "1", "2", "--stature", "1.7", "--duration_h", "9"], "duration_h is 9"),
    ],
)
def test_flags_that_cannot_be_are_told_before_the_video_is_read(words, message):
    arguments = parse_arguments(["-v", "clip.mp4", "-o", "out", "--ergo", *words], "")
    with pytest.raises(UserError, match=message):
        ergo_options(arguments)


def test_a_lift_in_a_video_of_few_frames_a_second():
    world = make_world(np.stack([pose()] * 8))
    world = replace(world, fps=2.0, time_s=np.arange(8) / 2.0)
    assert assess_world(world, TaskInputs(lift=(0.25, 3.7))).lift is not None


# ---- scores of a motion


def test_a_bent_person_scores_worse_and_absent_frames_have_none():
    world = work()
    found = assess_world(world, smooth_s=0.0).assessment
    score = found.methods["rula"].frames["score"]
    assert np.isnan(score[5:8]).all() and np.isfinite(np.delete(score, slice(5, 8))).all()
    assert found.methods["rula"].frames["trunk"][30] == 4 and found.methods["rula"].frames["trunk"][0] == 1
    assert score[30] > score[0]
    assert (found.parts["trunk"][[0, 6, 30]] == [0, -1, 3]).all()


def test_assumptions_name_what_stands_in():
    found = assess_world(replace(work(), pitch_deg=12.0))
    assert any("looks down by 12.0 degrees" in note for note in found.notes)
    assert any("H36M-17 lacks points of the definitions of" in note for note in found.notes)
    assert any("averaged over 0.2 s" in note for note in found.notes)
    assert any("extrapolated" in line for line in found.assessment.assumptions)
    assert any("wrist's flexion: unknown in all" in line for line in found.assessment.assumptions)
    with pytest.raises(UserError, match="--ergo_smooth 9"):
        assess_world(work(), smooth_s=9)


def test_lifting_equation_between_two_moments():
    low = {f"{side}_wrist": (sign * 0.2, 0.4, 0.5) for side, sign in (("left", 1), ("right", -1))}
    high = {f"{side}_wrist": (sign * 0.2, 1.2, 0.3) for side, sign in (("left", 1), ("right", -1))}
    world = make_world(np.stack([pose(**low)] * 30 + [pose(**high)] * 30))
    inputs = TaskInputs(load_kg=10, lift=(0.3, 1.7), duration_h=1)
    geometry, begin, end = assess_world(world, inputs).lift
    assert (geometry.h_cm, geometry.v_cm, geometry.d_cm) == pytest.approx((50, 40, 80), abs=0.1)
    assert begin.weight_limit == pytest.approx(23 * 0.5 * 0.895 * (0.82 + 4.5 / 80), rel=1e-3)
    assert end.weight_limit > begin.weight_limit
    with pytest.raises(UserError, match="--stature"):
        assess_world(replace(world, units="arbitrary"), inputs)
    with pytest.raises(UserError, match="ends at 5 s"):
        assess_world(world, replace(inputs, lift=(1.0, 5.0)))
    with pytest.raises(UserError, match="good, fair and poor"):
        assess_world(world, replace(inputs, coupling="unacceptable"))
    absent = world.positions.copy()
    absent[:, world.skeleton.index_canonical("left_ankle")] = np.nan
    found = assess_world(replace(world, positions=absent), inputs)
    assert found.lift is None and any("left_ankle" in note for note in found.notes)
    assert np.isfinite(found.assessment.methods["rula"].frames["score"]).all()


def test_a_lift_outside_of_the_equation_is_marked_in_the_result_and_on_the_page(tmp_path):
    inputs = TaskInputs(load_kg=10, lift=(0.3, 1.7), duration_h=1)

    def lifted(height_m):
        poses = [
            pose(**{f"{side}_wrist": (sign * 0.2, y, 0.4) for side, sign in (("left", 1), ("right", -1))})
            for y in (0.4, height_m)
            for _ in range(30)
        ]
        return make_world(np.stack(poses))

    world = lifted(1.9)
    found = assess_world(world, inputs)
    _, begin, end = found.lift
    assert not begin.outside and end.outside == ("V of 190 cm is over 175",)
    told = score_facts(found)["NIOSH lifting equation"]
    assert re.search(
        r"begin: weight limit [\d.]+ kg, lifting index [\d.]+; end: outside of the equation", told
    )
    html = make_report(world, tmp_path, inputs)[1].html
    assert "End: outside of the equation.</strong> V of 190 cm is over 175." in html
    assert "Begin: outside" not in html and ">inf<" not in html and ">nan<" not in html
    found = assess_world(lifted(-0.3), inputs)
    assert any("at its end the hands came out 30 cm below the floor" in note for note in found.notes)
    found = assess_world(lifted(4.0), inputs)  # no hand is there: the joints are wrong
    assert found.lift is None and any("d of the lifting equation is 360" in note for note in found.notes)


def test_the_script_of_the_docs_runs_from_another_folder(tmp_path):
    root = Path(__file__).parents[1]
    code = re.findall(r"```python\n(.*?)```", (root / "docs" / "angles.md").read_text("utf-8"), re.DOTALL)
    work().save(tmp_path / "out" / "X3D_world.npz")
    done = subprocess.run(
        [sys.executable, "-c", code[1]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "left knee: bent up to" in done.stdout and "RULA {'acceptable': " in done.stdout
    assert "load_kg = 8" in done.stdout
    skeleton = load_skeleton("RTM-37")
    names = {"x": np.ones((2, skeleton.num_joints, 3))}
    exec(code[0], names)
    assert names["skeleton"] == skeleton and "neck_flexion" in names["angles"]


# ---- worst moments


def test_moments_are_the_worst_ones_spread_over_time():
    angle = np.zeros(1800)
    for start in (100, 600, 1100):
        angle[start : start + 100] = 70
    angle[1130:1150] = 90  # as bad for every score
    poses = np.stack([pose(bend_deg=bend) for bend in (0.0, 70.0, 90.0)])[np.searchsorted([0, 70, 90], angle)]
    found = assess_world(make_world(poses), TaskInputs(repetition_per_min=0, static="no")).assessment
    frames = worst_moments(found)
    assert frames == sorted(frames) and 3 <= len(frames) <= 10
    assert np.diff(frames).min() > 60
    assert sum(angle[frame] > 0 for frame in frames) >= 3
    assert {int(np.searchsorted([350, 850], frame)) for frame in frames if angle[frame]} == {0, 1, 2}
    at_ease = replace(
        found,
        methods={
            name: replace(one, frames={**one.frames, "level": 0 * one.level})
            for name, one in found.methods.items()
        },
    )
    assert worst_moments(at_ease) == []


# ---- files, figure, section


def pictures_of(html):
    data = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    return [
        cv2.imdecode(np.frombuffer(base64.b64decode(one), np.uint8), cv2.IMREAD_GRAYSCALE) for one in data
    ]


def make_report(world, folder, inputs=None, methods=None, **pictures):
    """Files and section of a report."""
    section = ergo_report(assess_world(world, inputs, methods=methods), world, folder, **pictures)
    return [folder / name for name in ERGO_FILES], section


def test_report_files_and_pictures_from_the_overlay(tmp_path):
    world = work()
    overlay = make_overlay(tmp_path / "overlay.mp4", frames=world.num_frames)
    files, section = make_report(world, tmp_path, TaskInputs(load_kg=8), overlay=overlay)
    assert [file.name for file in files] == ["angles.csv", "scores.csv", "ergo.png"]
    for file in files[:2]:
        assert len(file.read_text().splitlines()) == world.num_frames + 1
    drawn = cv2.imread(str(files[2]))
    colors = {tuple(int(color[at : at + 2], 16) for at in (5, 3, 1)) for color in risk_colors()}
    seen = {tuple(pixel) for pixel in drawn.reshape(-1, 3)[::7].tolist()}
    assert drawn.shape[0] > 600 and len(colors & seen) >= 3
    frames = worst_moments(assess_world(world, TaskInputs(load_kg=8)).assessment)
    shown = pictures_of(section.html)
    assert len(shown) == len(frames) >= 2
    for frame, picture in zip(frames, shown, strict=True):
        assert abs(float(picture.mean()) - gray_of(frame)) < 2.5, "another frame, or not the overlay's"
    assert "screening aid, not a certified assessment" in section.html.lower()
    assert (
        "load_kg = 8" in section.html
        and "zero_deg = 5" in section.html
        and "ISO 11226 <small>limits not verified<" in section.html
        and "EN 1005-4 <small>limits verified in part<" in section.html
    )
    assert "events a minute, extrapolated from 1.9 s" in section.html
    assert not re.search(r"<td>[\d.]*\.\d\d+</td>", section.html)
    slow = replace(world, fps=0.9, time_s=np.arange(world.num_frames) / 0.9)
    told = ergo_section(assess_world(slow).assessment, slow, (), []).html
    assert "events a minute<" in told and "extrapolated" not in told
    for hold in ("left knee bent", "trunk leaning back", "trunk twisted"):
        assert f'<th scope="row">{hold}</th>' in section.html
    assert "style=" not in section.html and not re.search(r"\son\w+=", section.html)  # the page's policy


def test_pictures_are_cropped_to_the_person(tmp_path):
    world = work()
    overlay = make_overlay(tmp_path / "overlay.mp4", frames=world.num_frames)
    points = np.tile(np.array([[100.0, 60.0, 1.0]]), (world.num_frames, 17, 1))
    points[:, :8, 1] += 60
    track = Track(
        id=1,
        start=0,
        keypoints=points,
        flag=np.zeros(points.shape[:2], np.uint8),
        skeleton=load_skeleton("COCO-17"),
    )
    section = make_report(world, tmp_path, overlay=overlay, track=track, size_px=(320, 180))[1]
    for picture in pictures_of(section.html):
        assert picture.shape == (42, 30) or abs(picture.shape[0] - 41) <= 2


def test_without_a_video_skeletons_are_drawn(tmp_path):
    section = make_report(work(), tmp_path)[1]
    assert not pictures_of(section.html)
    assert section.html.count("The skeleton at") >= 1 and "nan" not in section.html


def test_a_broken_overlay_is_told(tmp_path):
    (tmp_path / "overlay.mp4").write_bytes(b"no video")
    with pytest.raises(UserError, match=r"overlay\.mp4"):
        make_report(work(), tmp_path, overlay=tmp_path / "overlay.mp4")


def test_facts_tell_the_levels_of_every_method():
    found = assess_world(work())
    facts = score_facts(found)
    assert "screening aid" in facts.pop("posture scores")
    assert list(facts) == [result.title for result in found.assessment.methods.values()]
    assert all("share of time: " in text and "%" in text for text in facts.values())


def test_other_inputs_are_another_result():
    world = work()
    keys = [
        assess_world(world, inputs, methods=methods, smooth_s=smooth_s).key
        for inputs, methods, smooth_s in [
            (None, None, 0.2),
            (TaskInputs(load_kg=8), None, 0.2),
            (None, ["rula"], 0.2),
            (None, None, 0.4),
        ]
    ]
    assert len(set(keys)) == len(keys)


def test_lasting_risk():
    assert lasting_risk(np.array([-1, -1])) == -1
    assert lasting_risk(np.array([0] * 95 + [3] * 5)) == 0
    assert lasting_risk(np.array([0] * 88 + [1] * 6 + [3] * 6 + [-1] * 50)) == 1


@pytest.mark.parametrize("motion", ["one frame", "one method"])
def test_small_motions_make_a_report(tmp_path, motion):
    world = make_world([pose()]) if motion == "one frame" else work()
    files, section = make_report(world, tmp_path, methods=["iso11226"] if motion == "one method" else None)
    assert all(file.stat().st_size for file in files)
    write_page(
        tmp_path / "report.html",
        world=world,
        overlay=None,
        summary={},
        downloads=files,
        title="x",
        sections=[section],
    )


# ---- in a browser


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder, world = tmp_path_factory.mktemp("ergo"), work()
    overlay = make_overlay(folder / "overlay.mp4", frames=world.num_frames)
    files, section = make_report(world, folder, TaskInputs(load_kg=8), overlay=overlay)
    path = folder / "report.html"
    write_page(
        path, world=world, overlay=overlay, summary={}, downloads=files, title="bend", sections=[section]
    )
    return path


def test_timeline_and_moments_seek_the_video(browser, report):  # noqa: F811
    with opened(browser, report) as tab:
        until(tab, "document.querySelector('video').readyState >= 2")
        box = tab.locator("#ergo-lines").bounding_box()
        tab.locator("#ergo-lines").click(position={"x": 0.5 * box["width"], "y": 10})
        tab.wait_for_timeout(200)
        assert 15 < frame_of(tab) < 45
        buttons = tab.locator(".ergo-moment")
        for number in range(buttons.count()):
            buttons.nth(number).click()
            tab.wait_for_timeout(120)
            second = float(buttons.nth(number).get_attribute("data-seconds"))
            assert frame_of(tab) == round(second * FPS)
            assert "current" in buttons.nth(number).get_attribute("class")


def in_sight(tab):
    """Share of the video's height that the window shows."""
    return tab.evaluate(
        "(() => { const { top, bottom, height } = document.querySelector('video').getBoundingClientRect();"
        "return (Math.min(bottom, innerHeight) - Math.max(top, 0)) / height })()"
    )


@pytest.mark.parametrize("target", ["#ergo-lines", ".ergo-moment", "#heat"])
def test_a_click_far_down_the_page_brings_the_video_back(browser, report, target):  # noqa: F811
    with opened(browser, report) as tab:
        until(tab, "document.querySelector('video').readyState >= 2")
        clicked = tab.locator(target).first
        clicked.evaluate("one => one.scrollIntoView({ block: 'start' })")
        tab.evaluate("scrollBy(0, -120)")
        assert in_sight(tab) < 0.3
        box = clicked.bounding_box()
        clicked.click(position={"x": 0.6 * box["width"], "y": 12})
        until(tab, "document.querySelector('video').getBoundingClientRect().top > -5")
        assert in_sight(tab) > 0.9


def test_names_of_methods_wrap_on_a_small_screen(browser, report):  # noqa: F811
    with opened(browser, report) as tab:
        tab.set_viewport_size({"width": 390, "height": 800})
        tab.evaluate(
            "() => { window.told = []; const own = CanvasRenderingContext2D.prototype.fillText;"
            "CanvasRenderingContext2D.prototype.fillText = function (text, x, ...rest) {"
            "if (this.canvas.id === 'ergo-lines' && x === 0) told.push([text, this.measureText(text).width]);"
            "return own.call(this, text, x, ...rest) } }"
        )
        tab.set_viewport_size({"width": 389, "height": 800})
        until(tab, "told.length > 4")
        told = tab.evaluate("told")
        names = " ".join(name for name, _ in told)
        for result in assess_world(work()).assessment.methods.values():
            assert result.title in names
        assert max(width for _, width in told) < 0.3 * 362


def test_the_body_map_follows_the_time(browser, report):  # noqa: F811
    with opened(browser, report) as tab:
        trunk = tab.locator("#ergo-now [data-part=trunk] path")
        go_to(tab, 0)
        tab.wait_for_timeout(150)
        assert trunk.get_attribute("fill") == risk_colors()[0]
        go_to(tab, 30)
        tab.wait_for_timeout(150)
        assert trunk.get_attribute("fill") == risk_colors()[3]
        plain = tab.evaluate("document.getElementById('view').toDataURL()")
        tab.check("#ergo-colors")
        colored = tab.evaluate("document.getElementById('view').toDataURL()")
        tab.uncheck("#ergo-colors")
        assert colored != plain and tab.evaluate("document.getElementById('view').toDataURL()") == plain
