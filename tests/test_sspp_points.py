"""What 3DSSPP is told about a frame: the 39 points and the 42 angles."""

import re

import numpy as np
import pytest

from lib.data.worker import make_worker_truth
from lib.ergo.sspp_angles import joa_angles, joa_names
from lib.ergo.sspp_points import LocPoints, conventions, mirrored_points, point_names
from lib.errors import UserError
from lib.skeleton import list_skeletons, load_skeleton
from tests.example_sspp import PAPER_FORMATS, STATURE_M, joa_of, joints_of, loc_of, posed


def is_body(name: str) -> bool:
    return {"left_hip", "left_ankle", "left_shoulder"} <= set(load_skeleton(name).canonical)


BODIES = [name for name in list_skeletons() if is_body(name)]
HANDS = [name for name in list_skeletons() if not is_body(name)]


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
