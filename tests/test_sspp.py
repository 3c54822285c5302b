"""Batch files for 3DSSPP: the 39 points, the 42 angles, the file and its reader; exports; the tool."""

import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.comparison.sspp import compare_exports
from lib.data.worker import make_worker_truth
from lib.data.worker.anthropometry import reference_subject
from lib.data.worker.body_points import needed_segments, place_points
from lib.data.worker.body_points import point_names as worker_points
from lib.data.worker.kinematics import DOF_INDEX, DOF_NAMES, forward
from lib.ergo.sspp import BatchSettings, Clip, HandLoad, Person, write_batch
from lib.ergo.sspp_angles import joa_angles, joa_names
from lib.ergo.sspp_batch import read_batch
from lib.ergo.sspp_export import export_layout, read_export, version_6_header, write_export_csv
from lib.ergo.sspp_points import LocPoints, conventions, mirrored_points, point_names
from lib.errors import UserError
from lib.pose_result import PoseResult
from lib.skeleton import list_skeletons, load_skeleton
from lib.wild.records import WorldMotion
from tools import sspp as tool

STATURE_M = 1.75
PERSON = Person("male", STATURE_M, 80.0)
PAPER_FORMATS = ("RTM-66", "RTM-37", "RTM-24", "H36M-17")


def is_body(name: str) -> bool:
    return {"left_hip", "left_ankle", "left_shoulder"} <= set(load_skeleton(name).canonical)


BODIES = [name for name in list_skeletons() if is_body(name)]
HANDS = [name for name in list_skeletons() if not is_body(name)]


def posed(frames: int = 1, height_m: float = 0.0, **dofs_deg) -> dict[str, np.ndarray]:
    """Points (F,3) of the reference person in metres: x right, y forward, z up; all angles 0 but those given."""
    subject = reference_subject()
    dofs = np.zeros((len(DOF_NAMES), frames))
    for name, value in dofs_deg.items():
        dofs[DOF_INDEX[name]] = value
    pelvis = np.tile([0.0, 0.530 * subject.stature_mm, 0.0], (frames, 1))
    names = (*worker_points(),)
    rotation, origin = forward(subject, pelvis, dofs, needed_segments(names))
    points = place_points(subject, rotation, origin, names) / 1000.0
    points = points[..., [2, 0, 1]] + [0.0, 0.0, height_m]
    lumbar = origin["abdomen"][:, [2, 0, 1]] / 1000.0
    return {name: points[:, number] for number, name in enumerate(names)} | {"lumbar": lumbar}


def joints_of(body: dict[str, np.ndarray], format_name: str) -> np.ndarray:
    return np.stack([body[name] for name in load_skeleton(format_name).canonical], axis=1)


def loc_of(
    body: dict[str, np.ndarray], format_name: str, convention: str = "joint_centers"
) -> dict[str, np.ndarray]:
    made = LocPoints(load_skeleton(format_name), convention).make(joints_of(body, format_name), STATURE_M)
    return {name: made[:, number] for number, name in enumerate(point_names())}


def joa_of(format_name: str = "RTM-66", **dofs_deg) -> dict[str, int]:
    points = LocPoints(load_skeleton(format_name)).make(joints_of(posed(**dofs_deg), format_name), STATURE_M)
    return dict(zip(joa_names(), joa_angles(points)[0].tolist(), strict=True))


def clip_of(format_name: str = "RTM-66", body: dict | None = None, **more) -> Clip:
    positions = joints_of(body or posed(frames=4), format_name)
    return Clip(**({"task": "lift", "positions_m": positions, "fps": 10.0, "up": (0.0, 0.0, 1.0)} | more))


def written(tmp_path: Path, clips=None, format_name="RTM-66", load=None, **settings):
    path = tmp_path / "batch.txt"
    report = write_batch(
        path,
        clips or [clip_of(format_name)],
        load_skeleton(format_name),
        PERSON,
        load or HandLoad.of_weight(10.0),
        BatchSettings(**settings),
    )
    return path.read_text(), read_batch(path), report


@pytest.fixture(scope="module")
def work() -> dict[str, np.ndarray]:
    """Points of people who lift, kneel and reach, in metres and z up; and each frame's share of stature."""
    truth = make_worker_truth(
        load_skeleton("RTM-66"),
        seed=5,
        subjects=2,
        seconds=4,
        fps=5,
        cameras=1,
        detector=False,
        tasks=["stoop_lift", "kneel", "reach_overhead"],
    )
    return {name: truth.point(name)[:, [2, 0, 1]] / 1000.0 for name in truth.point_names} | {
        "lumbar": truth.origins_mm[:, truth.segments.index("abdomen")][:, [2, 0, 1]] / 1000.0
    }


# points


def test_order_of_the_39_points():
    names = point_names()
    assert len(set(names)) == 39
    places = {
        "top_head": 1,
        "nasion": 13,
        "c7_t1": 19,
        "sternoclavicular": 22,
        "l5_s1": 28,
        "psis_center": 31,
    }
    places |= {
        "left_grip": 49,
        "left_hand": 52,
        "right_shoulder_joint": 55,
        "right_hand": 73,
        "left_hip_joint": 76,
    }
    places |= {"left_ball": 91, "left_toes_skin": 94, "right_hip_joint": 97, "right_toes_skin": 115}
    for name, first_number in places.items():
        assert 3 * names.index(name) + 1 == first_number, name


def test_points_that_66_joints_define():
    body = posed(trunk_flexion=30.0, left_elbow_flexion=40.0, right_hip_flexion=20.0, right_knee_flexion=35.0)
    loc = loc_of(body, "RTM-66")
    same = {"top_head": "head_vertex", "head_origin": "ear_center", "sternoclavicular": "thorax"}
    same |= {"suprasternale": "suprasternal_notch", "psis_center": "posterior_pelvis"}
    for side in ("left", "right"):
        pairs = {"shoulder_joint": "shoulder", "acromion_skin": "acromion", "elbow_joint": "elbow"}
        pairs |= {"humerus_skin": "lateral_epicondyle", "wrist_joint": "wrist", "hand": "hand_center"}
        pairs |= {"hip_joint": "hip", "knee_joint": "knee", "femur_skin": "lateral_femoral_condyle"}
        pairs |= {"ankle_joint": "ankle", "malleolus_skin": "lateral_malleolus", "head": "ear"}
        same |= {f"{side}_{point}": f"{side}_{joint}" for point, joint in pairs.items()}
        ball = 0.9 * body[f"{side}_foot_ball"] + 0.1 * body[f"{side}_heel"]
        np.testing.assert_allclose(loc[f"{side}_ball"], ball, atol=1e-6)
        # the grip lies 40 mm before the palm, on the side to which the fingers bend
        step = loc[f"{side}_grip"] - loc[f"{side}_hand"]
        assert np.linalg.norm(step) == pytest.approx(0.04, abs=1e-6)
    for point, joint in same.items():
        np.testing.assert_allclose(loc[point], body[joint], atol=1e-6, err_msg=point)
    assert np.linalg.norm(loc["l5_s1"] - body["lumbar"]) < 0.001
    assert np.linalg.norm(loc["nasion"] - loc["head_origin"]) == pytest.approx(0.1, abs=1e-6)
    assert np.linalg.norm(loc["sight_end"] - loc["head_origin"]) == pytest.approx(0.2, abs=1e-6)


def test_the_grip_lies_where_the_fingers_close():
    bent = {
        f"{side}_{finger}_proximal_flexion": 60.0
        for side in ("left", "right")
        for finger in ("index", "middle")
    }
    body = posed(**bent)
    for side in ("left", "right"):
        loc = loc_of(body, "RTM-66")
        towards = body[f"{side}_middle_tip"] - body[f"{side}_middle_mcp"]
        assert ((loc[f"{side}_grip"] - loc[f"{side}_hand"]) * towards).sum() > 0


def test_both_hips_are_made_alike():
    """The public pipeline took the left hip at 0.8 and the right one at 0.9 of the way."""
    body = posed()
    for convention in conventions():
        loc = loc_of(body, "RTM-66", convention)
        mirrored = loc["left_hip_joint"] * [-1.0, 1.0, 1.0]
        np.testing.assert_allclose(mirrored, loc["right_hip_joint"], atol=1e-7, err_msg=convention)
    vehs = loc_of(body, "RTM-66", "VEHS")
    np.testing.assert_allclose(
        vehs["right_hip_joint"], 0.8 * body["right_hip"] + 0.2 * body["right_knee"], atol=1e-6
    )
    spine = 0.7 * body["pelvis"] + 0.15 * (body["t8"] + body["xiphoid"])
    np.testing.assert_allclose(vehs["l5_s1"], spine, atol=1e-6)
    np.testing.assert_allclose(vehs["c7_t1"], body["c7"], atol=1e-6)


# mean distance in mm from the points that 66 joints give, over people at work: hands, feet, all other points
ALLOWED_MM = {"RTM-37": (1, 2, 10), "RTM-24": (1, 50, 30), "H36M-17": (60, 50, 30), "COCO-17": (60, 50, 30)}


@pytest.mark.parametrize("convention", conventions())
@pytest.mark.parametrize("name", ALLOWED_MM)
def test_other_formats_make_the_same_points(work, name, convention):
    expected, given = loc_of(work, "RTM-66", convention), loc_of(work, name, convention)
    hands_mm, feet_mm, others_mm = ALLOWED_MM[name]
    for point in point_names():
        error_mm = 1000.0 * np.linalg.norm(given[point] - expected[point], axis=-1).mean()
        part = point.split("_", 1)[-1]
        allowed_mm = {"hand": hands_mm, "grip": hands_mm, "ball": feet_mm, "toes_skin": feet_mm}.get(
            part, others_mm
        )
        assert error_mm < allowed_mm, point


@pytest.mark.parametrize("name", BODIES)
def test_no_point_is_left_unset(work, name):
    """The public pipeline wrote (0, 0, -z) for points that it did not set."""
    loc = loc_of(work, name)
    head = loc["head_origin"]
    for point, place in loc.items():
        assert np.isfinite(place).all(), point
        assert np.linalg.norm(place - head, axis=-1).max() < 2.0, point
    sides = [
        loc[f"left_{point}"] - loc[f"right_{point}"] for point in ("humerus_skin", "femur_skin", "toes_skin")
    ]
    assert min(np.linalg.norm(side, axis=-1).min() for side in sides) > 0.03


@pytest.mark.parametrize("name", HANDS)
def test_formats_without_a_body_are_refused(name):
    with pytest.raises(UserError, match="cannot be written for 3DSSPP"):
        LocPoints(load_skeleton(name))


@pytest.mark.parametrize("convention", conventions())
@pytest.mark.parametrize("name", BODIES)
def test_points_of_the_mirrored_pose(work, name, convention):
    skeleton = load_skeleton(name)
    rules = LocPoints(skeleton, convention)
    positions = joints_of(work, name)
    flipped = positions[:, skeleton.flip_idx] * np.array([-1.0, 1.0, 1.0])
    expected = mirrored_points(rules.make(positions, STATURE_M))
    np.testing.assert_allclose(rules.make(flipped, STATURE_M), expected, atol=1e-6)


def test_an_absent_joint_spoils_only_its_own_points():
    skeleton = load_skeleton("RTM-66")
    positions = joints_of(posed(frames=2), "RTM-66")
    positions[1, skeleton.index("LWRIST")] = np.nan
    made = LocPoints(skeleton).make(positions, STATURE_M)
    lost = {name for name, place in zip(point_names(), made[1], strict=True) if np.isnan(place).any()}
    assert lost == {"left_wrist_joint", "left_grip"} and np.isfinite(made[0]).all()


def test_unknown_convention():
    with pytest.raises(UserError, match="did you mean 'VEHS'"):
        LocPoints(load_skeleton("RTM-66"), "vehs")


# angles


def test_names_of_the_42_angles():
    names = joa_names()
    assert len(set(names)) == 42
    places = {
        "left_hand_horizontal": 0,
        "left_hand_rotation": 2,
        "left_clavicle_vertical": 8,
        "left_foot_vertical": 14,
    }
    places |= {
        "right_hand_horizontal": 15,
        "right_thigh_horizontal": 24,
        "head_flexion": 30,
        "lower_neck_flexion": 34,
    }
    places |= {"trunk_flexion": 37, "trunk_rotation": 38, "trunk_lateral": 39, "pelvis_rotation": 40}
    assert all(names[place] == name for name, place in places.items())


@pytest.mark.parametrize("name", PAPER_FORMATS)
def test_standing_straight(name):
    """Limbs hang down, trunk and head are upright, feet and shoulders level."""
    angles = joa_of(name)
    for side in ("left", "right"):
        for limb in ("hand", "forearm", "upper_arm", "thigh", "shin"):
            assert angles[f"{side}_{limb}_vertical"] == pytest.approx(-90, abs=5), limb
        assert angles[f"{side}_upper_arm_horizontal"] == 90
        assert angles[f"{side}_foot_vertical"] == pytest.approx(0, abs=2)
        assert angles[f"{side}_foot_horizontal"] == pytest.approx(90, abs=4)
        assert angles[f"{side}_clavicle_horizontal"] == pytest.approx(-15, abs=6)
        assert angles[f"{side}_clavicle_vertical"] == pytest.approx(0, abs=8)
    for flexion in ("head", "upper_neck", "lower_neck", "trunk"):
        assert angles[f"{flexion}_flexion"] == pytest.approx(90, abs=4), flexion
    level = [name for name in joa_names()[30:] if not name.endswith("flexion")]
    assert all(angles[name] == 0 for name in level)


@pytest.mark.parametrize("side", ["left", "right"])
def test_limbs_in_known_poses(side):
    forwards = joa_of(**{f"{side}_shoulder_flexion": 90.0})
    assert forwards[f"{side}_upper_arm_horizontal"] == pytest.approx(90, abs=1)
    assert forwards[f"{side}_upper_arm_vertical"] == pytest.approx(0, abs=1)
    aside = joa_of(**{f"{side}_shoulder_abduction": 60.0})
    assert aside[f"{side}_upper_arm_horizontal"] == pytest.approx(0, abs=1)
    assert aside[f"{side}_upper_arm_vertical"] == pytest.approx(-30, abs=1)
    thigh = joa_of(**{f"{side}_hip_flexion": 50.0, f"{side}_knee_flexion": 70.0})
    assert thigh[f"{side}_thigh_horizontal"] == pytest.approx(90, abs=1)
    assert thigh[f"{side}_thigh_vertical"] == pytest.approx(-40, abs=1)
    assert thigh[f"{side}_shin_horizontal"] == pytest.approx(-90, abs=1)
    assert thigh[f"{side}_shin_vertical"] == pytest.approx(-70, abs=1)
    other = "right" if side == "left" else "left"
    assert thigh[f"{other}_thigh_vertical"] == -90


def test_trunk_and_head_in_known_poses():
    bent = joa_of(pelvis_tilt=50.0)
    assert bent["trunk_flexion"] == pytest.approx(40, abs=3) and bent["head_flexion"] == pytest.approx(
        40, abs=3
    )
    nodding = joa_of(neck_flexion=20.0)
    assert (
        nodding["head_flexion"] == pytest.approx(70, abs=4)
        and nodding["trunk_flexion"] == joa_of()["trunk_flexion"]
    )
    assert joa_of(trunk_rotation=30.0)["trunk_rotation"] == pytest.approx(30, abs=2)
    assert joa_of(trunk_lateral=20.0)["trunk_lateral"] == pytest.approx(12, abs=6)
    assert joa_of(pelvis_list=10.0)["pelvis_lateral"] == 10
    turned = joa_of(neck_rotation=40.0)
    assert turned["upper_neck_rotation"] + turned["lower_neck_rotation"] == pytest.approx(40, abs=3)


def test_angles_keep_their_limits_and_do_not_depend_on_the_heading():
    assert joa_of(pelvis_list=60.0)["trunk_lateral"] == 40
    pose = {"trunk_flexion": 30.0, "left_shoulder_flexion": 60.0, "trunk_lateral": 10.0}
    assert joa_of(**pose, pelvis_yaw=130.0) == joa_of(**pose)


@pytest.mark.parametrize("name", PAPER_FORMATS)
def test_angles_of_the_mirrored_pose(work, name):
    points = LocPoints(load_skeleton(name)).make(joints_of(work, name), STATURE_M)
    angles, mirrored = joa_angles(points), joa_angles(mirrored_points(points))
    names = joa_names()
    for number, angle in enumerate(names):
        swapped = re.sub("^(left|right)", lambda found: {"left": "right"}.get(found[0], "left"), angle)
        sign = -1 if number >= 30 and angle.endswith(("rotation", "lateral")) else 1
        difference = mirrored[:, names.index(swapped)] - sign * angles[:, number]
        assert np.abs((difference + 180) % 360 - 180).max() <= 1, angle


def test_angles_refuse_unknown_points():
    with pytest.raises(UserError, match="every point"):
        joa_angles(np.full((2, 39, 3), np.nan))


# batch file


@pytest.mark.parametrize("form", ["LOC", "JOA"])
@pytest.mark.parametrize("name", PAPER_FORMATS)
def test_round_trip(tmp_path, name, form):
    text, batch, report = written(tmp_path, format_name=name, form=form)
    assert batch.metric and batch.gender == "male" and (batch.stature_cm, batch.weight_kg) == (175.0, 80.0)
    assert [frame.number for frame in batch.frames] == [0, 1, 2, 3] and report.frames == 4
    points = LocPoints(load_skeleton(name)).make(clip_of(name).positions_m, STATURE_M)
    if form == "LOC":
        shift = batch.points_m - points
        np.testing.assert_allclose(shift, np.broadcast_to(shift[:, :1], shift.shape), atol=0.0011)
        numbers = [len(line.split()) - 2 for line in text.split("\n") if line.startswith("LOC")]
        assert numbers == [117] * 4
        decimals = re.findall(r"\.(\d+)", " ".join(re.findall(r"LOC (.*) #", text)))
        assert max(map(len, decimals)) == 3
    else:
        np.testing.assert_array_equal(batch.angles_deg, joa_angles(points))
        assert [len(line.split()) - 2 for line in text.split("\n") if line.startswith("JOA")] == [42] * 4
    assert all(frame.exports == 1 for frame in batch.frames)  # one line of results each
    assert all(frame.support[0] == 0 for frame in batch.frames)


def test_the_file_as_its_reader_wants_it(tmp_path):
    lines = written(tmp_path, [clip_of(task='say "hi" #1 \u00fc')])[0].split("\n")
    assert lines[0] == "3DSSPPBATCHFILE #"
    assert lines[-1] == "COM Task done #"  # no line break: an empty command would be an error
    assert all(line.endswith(" #") and line.count("#") == 1 for line in lines)
    assert all(len(line) < 256 for line in lines if line.startswith("COM"))
    commands = [line.split()[0] for line in lines if not line.startswith("COM")]
    assert commands == ["3DSSPPBATCHFILE", "DES", "ANT", "AUT", *["FRM", "LOC", "SUP", "HAN"] * 4]
    assert (
        'DES 1 "say hi 1 ?" "ErgoLift" "" "" #' in lines
        and "ANT 0 3 175 80 #" in lines
        and "AUT 1 #" in lines
    )
    assert not any("-0 " in line.replace("-0.", "") for line in lines)


def test_loads_are_newtons_and_point_down(tmp_path):
    batch = written(tmp_path, load=HandLoad.of_weight(10.0))[1]
    assert batch.frames[0].hands == pytest.approx((49.05, -90, 0, 49.05, -90, 0))
    left = written(tmp_path, load=HandLoad.of_weight(10.0, "left"), load_seconds=(0.1, 0.2))[1]
    assert [frame.hands[0] for frame in left.frames] == pytest.approx([0, 98.1, 98.1, 0])
    assert all(frame.hands[3] == 0 for frame in left.frames)
    assert any("standing in every frame" in comment for comment in batch.comments)
    # seconds are those of the video, also where frames are missing in between
    late = written(
        tmp_path, [replace(clip_of("RTM-66"), frames=np.array([7, 8, 20, 21]))], load_seconds=(0.1, 1)
    )
    assert [frame.hands[0] > 0 for frame in late[1].frames] == [False, True, False, False]


@pytest.mark.parametrize(
    ("seconds", "message"), [((3.0, 1.0), "before it is put down"), ((30.0, 40.0), "no frame")]
)
def test_a_load_that_nobody_ever_holds_is_refused(tmp_path, seconds, message):
    with pytest.raises(UserError, match=message):
        written(tmp_path, load_seconds=seconds)


def test_heights_are_counted_from_the_floor_at_the_start(tmp_path):
    """A person who is lifted stays lifted: the public pipeline took the feet off every frame."""
    rise = np.repeat([0.0, 0.6], 10)
    body = {
        name: place + np.stack([0 * rise, 0 * rise, rise + 3.0], -1)
        for name, place in posed(frames=20).items()
    }
    clip = clip_of(body=body)
    heel = point_names().index("left_ball")
    heights = written(tmp_path, [clip])[1].points_m[:, heel, 2]
    assert heights[0] == pytest.approx(0.016, abs=0.01) and heights[-1] - heights[0] == pytest.approx(
        0.6, abs=0.002
    )
    each = written(tmp_path, [clip], floor="frame")[1].points_m[:, heel, 2]
    assert np.ptp(each) < 0.002
    given = written(tmp_path, [clip], floor="data")[1].points_m[:, heel, 2]
    assert given[0] == pytest.approx(heights[0] + 3.0, abs=0.002)


@pytest.mark.parametrize("name", PAPER_FORMATS)
def test_which_feet_bear(tmp_path, name):
    """Thresholds in metres: against millimetres nearly every foot bears; no foot is 3, not 0."""
    frames = 60
    left, right = np.zeros(frames), np.zeros(frames)
    left[15:30] = right[30:45] = 1.0
    body = posed(
        frames=frames,
        left_hip_flexion=60 * left,
        left_knee_flexion=60 * left,
        right_hip_flexion=60 * right,
        right_knee_flexion=60 * right,
    )
    body = {
        place: xyz + np.array([[0, 0, 0.3]]) * (np.arange(frames) >= 45)[:, None]
        for place, xyz in body.items()
    }
    batch = written(tmp_path, [clip_of(name, body, fps=30.0)], format_name=name)[1]
    feet = [int(frame.support[0]) for frame in batch.frames]
    assert (
        feet[2:12] == [0] * 10
        and feet[18:27] == [2] * 9
        and feet[33:42] == [1] * 9
        and feet[48:57] == [3] * 9
    )


def test_a_foot_that_slides_does_not_bear_and_the_log_says_so(tmp_path, caplog):
    body = posed(frames=30)
    gone = {name: place + np.arange(30)[:, None] * [0.0, 0.1, 0.0] for name, place in body.items()}
    batch, report = written(tmp_path, [clip_of(body=gone, fps=30.0)])[1:]
    assert {frame.support[0] for frame in batch.frames} == {3} and report.support["none"] == 30
    assert "no foot bears weight in 30 of 30 frames" in caplog.text
    assert "no foot bears weight in 30 of 30 frames" in report.assumptions
    caplog.clear()
    allowed = written(tmp_path, [clip_of(body=gone, fps=30.0)], foot_speed_m_s=5.0)[1]
    assert {frame.support[0] for frame in allowed.frames} == {0} and not caplog.text


def test_pelvic_tilt_is_written_where_it_is_measured(tmp_path):
    upright = written(tmp_path)[1].frames[0].support[5]
    tilted = written(tmp_path, [clip_of(body=posed(frames=4, pelvis_tilt=30.0))])[1].frames[0].support[5]
    assert upright == pytest.approx(-25, abs=1) and tilted - upright == pytest.approx(30, abs=1)
    batch, report = written(tmp_path, format_name="H36M-17")[1:]
    assert batch.frames[0].support[5] == 0 and any(
        "pelvic tilt written as 0" in line for line in report.assumptions
    )


@pytest.mark.parametrize("up", [(0, 1, 0), (0, -1, 0), (0, -0.8, -0.6)])
def test_axes(tmp_path, up):
    """Right-handed axes with any up; x right, y forward, z up come out, whichever way the person faces."""
    turn = np.radians(70.0)
    z = np.array(up, float)
    x = np.array([1.0, 0.0, 0.0])
    to_given = np.stack([x, np.cross(z, x), z], axis=1)
    heading = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    body = {name: place @ heading.T @ to_given.T for name, place in posed(frames=4).items()}
    expected = written(tmp_path)[1].points_m
    for facing in ("person", "frame"):
        points = written(tmp_path, [clip_of(body=body, up=up)], facing=facing)[1].points_m
        np.testing.assert_allclose(points, expected, atol=0.0015)
    room = written(tmp_path, [clip_of(body=body, up=up)], facing="room")[1].points_m
    np.testing.assert_allclose(room, expected @ heading.T, atol=0.0015)
    right = point_names().index("right_hip_joint")
    assert expected[0, right, 0] == pytest.approx(0.086, abs=0.002)


def test_tasks_frames_and_absent_frames(tmp_path):
    lost = clip_of().positions_m.copy()
    lost[1] = np.nan
    clips = [clip_of(task="lift"), clip_of(task="lower", positions_m=lost, frames=np.arange(40, 44))]
    batch, report = written(tmp_path, clips)[1:]
    assert [frame.task for frame in batch.frames] == ["lift"] * 4 + ["lower"] * 3
    assert [frame.source_frame for frame in batch.frames] == [0, 1, 2, 3, 40, 42, 43]
    assert [frame.number for frame in batch.frames] == list(range(7))
    assert report.left_out == 1 and any("1 frames left out" in line for line in report.assumptions)
    batch, report = written(tmp_path, clips, every=2)[1:]
    assert [frame.source_frame for frame in batch.frames] == [0, 2, 40, 42] and report.left_out == 0


def test_assumptions_stand_in_the_file(tmp_path):
    _, batch, report = written(tmp_path, format_name="H36M-17")
    assert set(report.assumptions) <= set(batch.comments)
    said = " ".join(report.assumptions)
    for word in (
        "H36M-17",
        "l5_s1 =",
        "left and right ball =",
        "z up",
        "joint_centers",
        "lowest foot at the start",
    ):
        assert word in said
    exact = " ".join(written(tmp_path)[2].assumptions)
    assert "acromion" not in exact and len(exact) < len(said)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positions_m": clip_of().positions_m * 1000}, "metres"),
        ({"positions_m": clip_of().positions_m * np.nan}, "no frame"),
        ({"positions_m": clip_of().positions_m[:, :5]}, "66"),
        ({"up": (1.0, 0.0, 0.0)}, "x axis"),
        ({"up": (0.0, 0.0, 0.0)}, "some length"),
        ({"in_room": False}, "floor"),
    ],
)
def test_clips_that_cannot_be_written(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        written(tmp_path, [clip_of(**change)])
    assert not (tmp_path / "batch.txt").exists()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Person("men", 1.75, 80.0),
        lambda: Person("male", 175.0, 80.0),
        lambda: Person("male", 1.75, 8.0),
        lambda: HandLoad(-1.0, 0.0),
        lambda: HandLoad.of_weight(5.0, "lefft"),
        lambda: BatchSettings(every=0),
        lambda: BatchSettings(foot_height_m=0.0),
    ],
)
def test_values_that_cannot_be(make):
    with pytest.raises(UserError):
        make()


@pytest.mark.parametrize("word", ["form", "facing", "floor", "convention"])
def test_unknown_words(tmp_path, word):
    with pytest.raises(UserError, match=r"unknown|allowed"):
        written(tmp_path, **{word: "sideways"})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("3DSSPPBATCHFILE #", "BATCH #", "must begin"),
        ("Task done #", "Task done", "cut off"),
        ("\nLOC 0", "\nLOC 0 1", "118 values"),
        ("\nLOC 0", "\nLOC x", "could not convert"),
        ("SUP 0", "SUP 4", "0 to 3"),
        ("FRM 1", "FRAM 1", "unknown command"),
        ("\nHAN", "\nCOM", "needs SUP, HAN"),
        ("DES 1", "DES 2", "four texts"),
        ("ANT ", "COM ", "no ANT"),
    ],
)
def test_faulty_batch_files(tmp_path, old, new, message):
    path = tmp_path / "batch.txt"
    text = written(tmp_path)[0]
    text = re.sub(r"\nLOC \S+", "\nLOC 0", text)
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(UserError, match=message):
        read_batch(path)


# exports


def export_line(header, task: str, seed: int) -> list[str]:
    """A line of numbers for that header, as the program lays it out."""
    rng = np.random.default_rng(seed)
    info = {"Analyst": "A", "Company Name": "C", "Units": "Metric", "Task Name": task, "Gender": "Male"}
    return [
        info.get(name, "Acceptable" if name == "Balance Status" else f"{rng.normal(100, 30):.2f}")
        if not name.endswith(" Start")
        else ""
        for name in header
    ]


V7_HEADER = [
    *("Analyst", "Company Name", "Units", "Task Name", "Gender", "Height", "Weight", "Summary Start"),
    *(
        "L5/S1 Compression",
        "Minimum Neck Percentile",
        "Strength Capability Percentile Start",
        "Right Wrist Flexion",
    ),
]


def write_export(path: Path, tasks, version: int, seed: int = 0) -> Path:
    header = list(version_6_header()) if version == 6 else V7_HEADER
    lines = []
    for number, task in enumerate(tasks):
        if version == 7:
            lines.append(header)
        lines.append(export_line(header, task, seed + number))
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    return path


def test_columns_of_version_6():
    header = version_6_header()
    assert len(header) == export_layout()["columns"] == 566
    counts, category = {"Info": 0}, "Info"
    for name in header:
        if name.endswith(" Start"):
            category = name.removesuffix(" Start")
        counts[category] = counts.get(category, 0) + (not name.endswith(" Start"))
    assert counts == {
        **{"Info": 7, "Summary": 12, "Strength Capability": 23, "Low Back": 57, "Fatigue": 69, "Balance": 7},
        **{"Hand Forces": 6, "Segment Angles": 39, "Posture Angles": 38, "Joint Locations": 96},
        **{"Joint Forces": 105, "Joint Moments": 96},
    }
    assert header[:9] == (*export_layout()["categories"]["Info"], "Summary Start", "L5/S1 Compression")
    assert header[-1] == "Center of Balls of Feet Z"


@pytest.mark.parametrize("version", [6, 7])
def test_exports_become_tidy_tables(tmp_path, version):
    path = write_export(tmp_path / "export.txt", ["lift", "lift", "lower", "lift"], version)
    table = read_export(path)
    columns = 566 - 11 if version == 6 else 10
    assert len(table.columns) == columns and table.values.shape == (4, columns)
    assert table.task == ("lift", "lift", "lower", "lift") and table.frame.tolist() == [0, 1, 0, 2]
    header = list(version_6_header()) if version == 6 else V7_HEADER
    expected = export_line(header, "lower", 2)
    assert table.column("Summary", "L5/S1 Compression")[2] == float(
        expected[header.index("L5/S1 Compression")]
    )
    long = list(table.long())
    assert len(long) == 4 * columns and long[0] == ("lift", 0, "Info", "Analyst", "A")
    write_export_csv(tmp_path / "long.csv", table)
    write_export_csv(tmp_path / "wide.csv", table, wide=True)
    with (tmp_path / "long.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert (
        len(rows) == len(long)
        and rows[-1]["task"] == "lift"
        and float(rows[-1]["value"]) == table.values[-1, -1]
    )
    with (tmp_path / "wide.csv").open() as file:
        wide = list(csv.reader(file))
    assert len(wide) == 5 and len(wide[0]) == columns + 2 and wide[0][9] == "Summary - L5/S1 Compression"
    with pytest.raises(UserError, match="no column"):
        table.column("Summary", "L6/S1 Compression")


def test_the_same_name_in_two_categories(tmp_path):
    table = read_export(write_export(tmp_path / "a.exp", ["lift"], 6))
    assert table.column("Summary", "L5/S1 Compression") != table.column("Low Back", "L5/S1 Compression")


def cut_field(lines):
    return [*lines[:-1], lines[-1].rsplit(",", 1)[0]]


@pytest.mark.parametrize(
    ("version", "change", "message"),
    [
        (6, cut_field, "line 3 has 565 fields.* 566"),
        (6, lambda lines: [lines[0] + ",1", *lines[1:]], "line 1 has 567"),
        (6, lambda lines: [*lines[:-1], lines[-1][:300]], "cut off"),
        (6, lambda lines: [], "empty"),
        (6, lambda lines: [lines[0], lines[1].replace("A", '"A', 1)], "no CSV"),
        (7, cut_field, "line 6 has 11 fields.* 12"),
        (7, lambda lines: lines[:-1], "header without data"),
        (7, lambda lines: [*lines[:2], *lines[3:]], "must repeat the header"),
        (7, lambda lines: [lines[0], *lines], "a line is missing"),
        (7, lambda lines: lines[1:], "566"),
    ],
)
def test_exports_that_are_not_whole(tmp_path, version, change, message):
    path = write_export(tmp_path / "export.txt", ["lift"] * 3, version)
    path.write_text("\n".join(change(path.read_text().splitlines())))
    with pytest.raises(UserError, match=message):
        read_export(path)


def test_differences_of_exports(tmp_path):
    truth = read_export(write_export(tmp_path / "a.txt", ["lift", "lift", "lower"], 7))
    other = read_export(write_export(tmp_path / "b.txt", ["lift", "lift", "lower"], 7, seed=9))
    rows = compare_exports({"truth": truth, "same": truth, "model": other}, "truth")
    assert {row.result for row in rows} == {"same", "model"}
    assert {row.task for row in rows} == {"lift", "lower", "all"}
    assert all(row.agreement.largest == row.agreement.bias == 0 for row in rows if row.result == "same")
    column = "Summary - L5/S1 Compression"
    wanted = ("model", "lift", column)
    found = next(row.agreement for row in rows if (row.result, row.task, row.name) == wanted)
    error = (other.column("Summary", "L5/S1 Compression") - truth.column("Summary", "L5/S1 Compression"))[:2]
    assert found.frames == 2 and found.largest == np.abs(error).max()
    assert found.bias == pytest.approx(error.mean()) and found.mae == pytest.approx(np.abs(error).mean())
    assert found.rmse == pytest.approx(np.sqrt((error**2).mean()))
    assert found.high - found.bias == pytest.approx(1.96 * error.std(ddof=1))


def test_frames_are_paired_by_task_and_number(tmp_path):
    path = write_export(tmp_path / "a.txt", ["lift", "lift", "lower"], 7)
    lines = path.read_text().splitlines()
    (tmp_path / "b.txt").write_text("\n".join([*lines[4:], *lines[:4]]))
    rows = compare_exports({"truth": read_export(path), "other": read_export(tmp_path / "b.txt")}, "truth")
    assert rows and all(row.agreement.largest == 0 for row in rows)


def test_exports_that_do_not_belong_together(tmp_path):
    table = {
        name: read_export(write_export(tmp_path / f"{name}.txt", tasks, version))
        for name, tasks, version in [
            ("truth", ["lift"] * 3, 7),
            ("short", ["lift"] * 2, 7),
            ("renamed", ["lower"] * 3, 7),
            ("old", ["lift"] * 3, 6),
        ]
    }
    for name in ("short", "renamed"):
        with pytest.raises(UserError, match="same frames"):
            compare_exports({"truth": table["truth"], name: table[name]}, "truth")
    with pytest.raises(UserError, match="did you mean 'truth'"):
        compare_exports(table, "truht")
    path = tmp_path / "english.txt"
    path.write_text((tmp_path / "truth.txt").read_text().replace("Metric", "English"))
    with pytest.raises(UserError, match="units"):
        compare_exports({"truth": table["truth"], "english": read_export(path)}, "truth")
    # columns that only one version has are left out
    both = compare_exports({"truth": table["truth"], "old": table["old"]}, "truth")
    assert {row.name.split(" - ")[1] for row in both} == {"Height", "Weight", "L5/S1 Compression"}


# tool

WRITE = ["--stature", "1.75", "--weight", "80", "--gender", "male"]


def save_world(path: Path, units: str = "m") -> Path:
    body = posed(frames=6)
    positions = joints_of(body, "RTM-37")[..., [0, 2, 1]] * [1.0, 1.0, -1.0]  # z up to y up
    positions = positions / STATURE_M if units == "arbitrary" else positions
    frames, joints = positions.shape[:2]
    WorldMotion(
        positions=positions,
        root=positions[:, 0],
        confidence=np.ones((frames, joints)),
        flag=np.zeros((frames, joints), np.uint8),
        time_s=np.arange(frames) / 30.0,
        units=units,
        skeleton=load_skeleton("RTM-37"),
        foot_contact=np.ones((frames, 2), bool),
        fps=30.0,
        pitch_deg=0.0,
    ).save(path)
    return path


@pytest.mark.parametrize("units", ["m", "arbitrary"])
def test_the_tool_writes_a_result_of_infer_wild(tmp_path, capsys, units):
    source = save_world(tmp_path / "desk" / "X3D_world.npz", units)
    out = tmp_path / "lift.txt"
    arguments = ["write", str(source), str(out), *WRITE, "--load_kg", "10", "--every", "2"]
    assert tool.main(arguments) == 0
    told = capsys.readouterr().out
    assert "3 frames" in told and "feet that bear weight: both in 3" in told
    batch = read_batch(out)
    assert [frame.source_frame for frame in batch.frames] == [0, 2, 4] and batch.frames[0].task == "desk"
    expected = written(tmp_path, [clip_of("RTM-37", posed(frames=6))], format_name="RTM-37", every=2)[1]
    np.testing.assert_allclose(batch.points_m, expected.points_m, atol=0.0015)
    assert any("scaled" in comment for comment in batch.comments) == (units == "arbitrary")
    assert tool.main([*arguments, "--form", "JOA"]) == 0
    assert read_batch(out).angles_deg.shape == (3, 42)


def save_predictions(path: Path, up=None) -> Path:
    z_up = joints_of(posed(frames=8), "RTM-24")
    camera_mm = 1000.0 * np.stack([z_up[..., 0], -z_up[..., 2], z_up[..., 1]], axis=-1)
    camera_mm -= camera_mm[:, load_skeleton("RTM-24").root_idx][:, None]
    PoseResult(
        name="model",
        joints_mm=camera_mm,
        skeleton=load_skeleton("RTM-24"),
        source=["s1"] * 4 + ["s2"] * 4,
        camera="left",
        action="lift",
        frame=np.tile(np.arange(4), 2),
        fps=30.0,
        up=up,
    ).save(path)
    return path


def test_the_tool_writes_predictions(tmp_path, capsys):
    source, out = save_predictions(tmp_path / "predictions.npz"), tmp_path / "lift.txt"
    assert tool.main(["write", str(source), str(out), *WRITE, "--pitch", "0"]) == 0
    batch = read_batch(out)
    assert [frame.task for frame in batch.frames] == ["s1 left"] * 4 + ["s2 left"] * 4
    assert any("every frame anew" in comment for comment in batch.comments)
    expected = written(tmp_path, [clip_of("RTM-24")], format_name="RTM-24")[1]
    np.testing.assert_allclose(batch.points_m[:4], expected.points_m, atol=0.0015)
    assert (
        tool.main(["write", str(source), str(out), *WRITE, "--pitch", "0", "--only", "s2", "--task", "lift"])
        == 0
    )
    assert [frame.task for frame in read_batch(out).frames] == ["lift"] * 4
    capsys.readouterr()
    for more, word in (
        ([], "--pitch"),
        (["--pitch", "0", "--only", "s3"], "s3"),
        (["--pitch", "0", "--floor", "start"], "floor"),
    ):
        assert tool.main(["write", str(source), str(out), *WRITE, *more]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error:") and error.count("\n") == 1 and word in error


def test_the_tool_needs_the_person(tmp_path, capsys):
    source = save_world(tmp_path / "X3D_world.npz", "arbitrary")
    assert tool.main(["write", str(source), str(tmp_path / "lift.txt")]) == 2
    assert "--stature, --weight, --gender" in capsys.readouterr().err


def test_the_tool_refuses_a_frame_rate_that_cannot_be(tmp_path, capsys):
    source = save_world(tmp_path / "X3D_world.npz", "arbitrary")
    for fps in ("0", "-25"):
        assert tool.main(["write", str(source), str(tmp_path / "lift.txt"), *WRITE, "--fps", fps]) == 2
        assert f"--fps {fps}" in capsys.readouterr().err


def test_the_tool_reads_exports(tmp_path, capsys):
    path = write_export(tmp_path / "batchinput_export.txt", ["lift", "lower"], 7)
    assert tool.main(["read", str(path), str(tmp_path / "out.csv")]) == 0
    assert "2 frames, 10 columns; tasks: lift (1), lower (1)" in capsys.readouterr().out
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 21
    assert tool.main(["read", str(tmp_path / "none.txt"), str(tmp_path / "out.csv")]) == 2
