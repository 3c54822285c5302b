"""Joint angles: references from segments, commanded degrees of freedom, ergo3d, mirror, camera; and their losses."""

import numpy as np
import pytest
import torch
import yaml

from lib.anatomy import canonical_names
from lib.angle_definitions import ZERO_POSTURE, definitions
from lib.angle_index import standing
from lib.angles import (
    CONVENTIONS,
    angle_names,
    approximate_angles,
    joint_angles,
    missing_angles,
)
from lib.data.worker import make_worker_truth
from lib.data.worker.anthropometry import reference_subject
from lib.data.worker.body_points import canonical_point, needed_segments, place_points
from lib.data.worker.generate import draw_sessions
from lib.data.worker.kinematics import DOF_INDEX, DOF_NAMES, forward
from lib.data.worker.request import Request
from lib.errors import UserError
from lib.geometry import axis_angle_to_matrix, flip_pose
from lib.model import loss_angles
from lib.model.loss import LOSSES, WeightedLosses
from lib.skeleton import Skeleton, list_skeletons, load_skeleton
from tests.angle_oracle import ergo3d_of, references, wrap_deg
from tools.angle_errors import zero_posture

UP = (0.0, 1.0, 0.0)
SKELETONS = [load_skeleton(name) for name in list_skeletons()]
EVERY_SKELETON = pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda skeleton: skeleton.name)
RTM66, RTM37, H36M = (load_skeleton(name) for name in ("RTM-66", "RTM-37", "H36M-17"))
MOTION = {"seed": 3, "subjects": 2, "clips": 6, "seconds": 2.0, "fps": 15.0, "tasks": None, "split": "test"}
CENTRE_SIGN = ("lateral", "rotation")


@pytest.fixture(scope="module")
def truth():
    return make_worker_truth(H36M, **MOTION, cameras=1, detector=False)


@pytest.fixture(scope="module")
def reference(truth):
    people = {session.subject.name: session.subject for session, _ in draw_sessions(Request(**MOTION))}
    return references(truth, people)[0]


def joints_of(truth, skeleton: Skeleton) -> np.ndarray:
    return np.stack([truth.point(canonical_point(name)) for name in skeleton.canonical], axis=1)


def posed(skeleton: Skeleton, commands: list[dict[str, float]]) -> np.ndarray:
    """Joints (F,J,3) of the reference person, each frame with a few degrees of freedom off zero."""
    dofs = np.zeros((len(DOF_NAMES), len(commands)))
    for frame, command in enumerate(commands):
        for name, value in command.items():
            dofs[DOF_INDEX[name], frame] = value
    subject, names = reference_subject(), tuple(map(canonical_point, skeleton.canonical))
    rotation, origin = forward(subject, np.zeros((len(commands), 3)), dofs, needed_segments(names))
    return place_points(subject, rotation, origin, names)


def pose(skeleton: Skeleton, **dofs_deg: float) -> np.ndarray:
    """Joints (1,J,3)."""
    return posed(skeleton, [dofs_deg])


def degrees(joints: np.ndarray, skeleton: Skeleton, **options) -> dict[str, np.ndarray]:
    found = {}
    for convention in CONVENTIONS:
        found |= joint_angles(joints, skeleton, convention=convention, **({"up": UP} | options))
    return {name: np.degrees(angle) for name, angle in found.items()}


def test_the_zero_posture_is_that_of_the_built_in_body():
    assert yaml.safe_load(ZERO_POSTURE.read_text()) == zero_posture()


@EVERY_SKELETON
def test_standing_upright_is_zero(skeleton: Skeleton):
    for name, angle in degrees(standing(skeleton)[None].numpy(), skeleton).items():
        assert np.isnan(angle[0]) or abs(angle[0]) < 1e-4, name


# angle, degree of freedom, what else must be bent
SWEEPS = [
    *[(name, name, {}) for name in ("neck_flexion", "neck_lateral", "neck_rotation")],
    *[("head_flexion", "neck_flexion", {}), ("head_inclination", "neck_flexion", {})],
    *[("back_rotation", "trunk_rotation", {}), ("back_flexion", "pelvis_tilt", {})],
    *[("trunk_flexion", "pelvis_tilt", {}), ("trunk_inclination", "pelvis_tilt", {})],
    *[("trunk_lateral", "pelvis_list", {}), ("back_lateral", "pelvis_list", {})],
    *[(f"right_shoulder_{name}", f"right_shoulder_{name}", {}) for name in ("flexion", "abduction")],
    *[("right_shoulder_elevation", f"right_shoulder_{name}", {}) for name in ("flexion", "abduction")],
    ("right_shoulder_rotation", "right_shoulder_rotation", {"right_elbow_flexion": 60}),
    *[(f"right_{name}_flexion", f"right_{name}_flexion", {}) for name in ("elbow", "wrist", "hip", "knee")],
    ("right_wrist_deviation", "right_wrist_radial", {}),
    ("right_forearm_pronation", "right_forearm_pronation", {"right_elbow_flexion": 60}),
    ("right_hip_abduction", "right_hip_abduction", {}),
    ("right_hip_rotation", "right_hip_rotation", {"right_knee_flexion": 60}),
    ("right_ankle_flexion", "right_ankle_dorsiflexion", {}),
    ("right_index_mcp_flexion", "right_index_proximal_flexion", {}),
    ("right_middle_pip_flexion", "right_middle_intermediate_flexion", {}),
    ("right_ring_dip_flexion", "right_ring_distal_flexion", {}),
    ("right_pinky_spread", "right_pinky_proximal_radial", {}),
    ("right_thumb_ip_flexion", "right_thumb_distal_flexion", {}),
]
TWO_SIGNS = ("lateral", "rotation", "deviation", "pronation", "spread")
LOOSE = {"H36M-17": ("neck_lateral", "neck_rotation")}  # the lower end of its head moves with the neck


def swapped(name: str) -> str:
    return name.replace("right_", "left_")


@EVERY_SKELETON
def test_one_commanded_movement_at_a_time(skeleton: Skeleton):
    cases = [
        (name, dof, others, value)
        for name, dof, others in SWEEPS
        for value in (10.0, 40.0, *((-15.0,) if name.endswith(TWO_SIGNS) else ()))
    ]
    sides = {"right": lambda name: name, "left": swapped, "bare": lambda name: name.removeprefix("right_")}
    tested = 0
    for side, named in sides.items():
        moved = swapped if side == "left" else str
        commands = [
            {moved(key): angle for key, angle in ({dof: value} | others).items()}
            for _, dof, others, value in cases
        ]
        angles = degrees(posed(skeleton, commands), skeleton)
        for frame, (name, _, _, value) in enumerate(cases):
            if named(name) in angles and name not in LOOSE.get(skeleton.name, ()):
                assert angles[named(name)][frame] == pytest.approx(value, abs=0.1), f"{named(name)} {value}"
                tested += 1
    assert tested


def test_horizontal_angle_of_the_arm_is_0_at_the_side_and_90_in_front():
    name = "right_shoulder_horizontal_abduction"
    assert degrees(pose(RTM66, right_shoulder_abduction=80), RTM66)[name][0] == pytest.approx(0, abs=0.05)
    assert degrees(pose(RTM66, right_shoulder_flexion=80), RTM66)[name][0] == pytest.approx(90, abs=0.05)


@pytest.mark.parametrize("skeleton", [RTM66, RTM37], ids=lambda skeleton: skeleton.name)
def test_angles_are_those_of_the_segments(skeleton: Skeleton, truth, reference):
    """People's own proportions move the zero of a trunk line by a degree or two; nothing else may differ."""
    found = degrees(joints_of(truth, skeleton), skeleton)
    people = np.asarray(truth.subject)
    for name, angle in found.items():
        difference = wrap_deg(angle - reference[name])
        assert np.isfinite(difference).mean() > 0.7, name
        for person in np.unique(people):
            own = difference[people == person]
            assert abs(np.nanmedian(own)) < 4, name
            if not name.endswith(
                ("horizontal_abduction", "elevation", "inclination")
            ):  # there the zero is no constant
                assert np.nanmean(np.abs(own - np.nanmedian(own))) < 0.6, name
    exact = ("elbow", "wrist", "knee", "neck_rotation", "back_rotation", "head", "pronation", "hip_rotation")
    for name in found:
        if any(part in name for part in exact):
            np.testing.assert_allclose(
                np.nan_to_num(found[name] - reference[name]), 0, atol=0.01, err_msg=name
            )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("skeleton", [RTM66, RTM37], ids=lambda skeleton: skeleton.name)
def test_angles_are_those_of_ergo3d(skeleton: Skeleton, truth):
    theirs = ergo3d_of(truth, skeleton)
    own = degrees(joints_of(truth, skeleton), skeleton, zero_posture=False)
    assert len(theirs) == (24 if skeleton is RTM37 else 26)
    for name, angle in theirs.items():
        difference = wrap_deg(own[name] - angle)
        assert np.nanmax(np.abs(difference)) < 0.1, (
            name
        )  # ergo3d's arc cosine is that coarse near 180 degrees


def same(one: np.ndarray, other: np.ndarray, name: str, within: float = 1e-6) -> None:
    """Angles in degrees that agree, half a turn being one angle, and are undefined in the same frames."""
    np.testing.assert_array_equal(np.isnan(one), np.isnan(other), err_msg=name)
    np.testing.assert_allclose(np.nan_to_num(wrap_deg(one - other)), 0, atol=within, err_msg=name)


def mirrored(name: str) -> tuple[str, float]:
    """Name and sign of an angle in the mirror."""
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(side):
            return other + name.removeprefix(side), 1.0
    return name, -1.0 if name.endswith(CENTRE_SIGN) else 1.0


def random_poses(skeleton: Skeleton, seed: int = 0, number: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((number, skeleton.num_joints, 3))


@EVERY_SKELETON
def test_a_mirrored_pose_has_mirrored_angles(skeleton: Skeleton):
    x = random_poses(skeleton)
    found, other = degrees(x, skeleton), degrees(flip_pose(x, skeleton.flip_idx), skeleton)
    if all(name == "center" for name in skeleton.joint_sides):
        pytest.skip("the mirror image of a hand that counts as a right one is not one")
    for name, angle in found.items():
        mirror, sign = mirrored(name)
        if mirror not in other:  # a hand of one side
            continue
        same(other[mirror], sign * angle, name)


@EVERY_SKELETON
def test_turned_moved_and_scaled_poses_have_the_same_angles(skeleton: Skeleton):
    x = random_poses(skeleton)
    turn = axis_angle_to_matrix(np.array([0.4, -1.2, 2.0]))
    found = degrees(x, skeleton)
    moved = degrees(3 * x @ turn.T + [10, -5, 2], skeleton, up=turn @ np.array(UP))
    for name, angle in found.items():
        same(moved[name], angle, name)


def test_a_pitched_camera_does_not_bias_the_back(truth):
    joints = joints_of(truth, RTM37)
    upright = degrees(joints, RTM37)
    camera = np.einsum("fab,fjb->fja", truth.camera_rotation, joints)
    up = truth.camera_rotation @ np.array(UP)
    assert np.degrees(np.arccos(-up[:, 1])).max() > 10  # cameras look down
    for name, angle in degrees(camera, RTM37, up=up).items():
        same(angle, upright[name], name, within=1e-3)


def test_without_up_angles_against_the_vertical_are_left_out():
    with_up, without = (set(angle_names(RTM37, up=up)) for up in (True, False))
    assert with_up - without == {
        *("back_flexion", "back_lateral", "trunk_inclination", "trunk_flexion", "trunk_lateral"),
        *("head_inclination", "head_flexion"),
    }
    assert set(joint_angles(random_poses(RTM37), RTM37)) == without
    assert missing_angles(RTM37, up=False)["back_flexion"] == "needs to know which way is up"


def test_undefined_angles_are_not_numbers():
    arm_down = degrees(pose(RTM66, right_shoulder_flexion=5), RTM66)
    assert np.isnan(arm_down["right_shoulder_horizontal_abduction"])
    assert np.isfinite(
        degrees(pose(RTM66, right_shoulder_flexion=12), RTM66)["right_shoulder_horizontal_abduction"]
    )
    arm_ahead = degrees(pose(RTM66, right_shoulder_flexion=88), RTM66)
    assert np.isnan(arm_ahead["right_shoulder_rotation"])
    straight = degrees(pose(H36M), H36M)
    assert np.isnan(straight["right_shoulder_rotation"]) and np.isnan(straight["left_hip_rotation"])
    assert straight["right_elbow_flexion"] == pytest.approx(0, abs=1e-4)


@EVERY_SKELETON
@pytest.mark.parametrize("kind", ["zero", "line", "one missing", "tiny"])
def test_poses_without_shape_give_no_wrong_number(kind: str, skeleton: Skeleton):
    x = torch.from_numpy(random_poses(skeleton)).float()
    if kind == "zero":
        x = x * 0
    elif kind == "line":
        x = x[..., :1] * torch.tensor([1.0, 2.0, -1.0])
    elif kind == "one missing":
        x[:, 0] = torch.nan
    else:
        x = x * 1e-30
    angles = torch.stack(list(joint_angles(x, skeleton, up=UP).values()))
    assert not angles.isinf().any()
    if kind in ("zero", "tiny"):
        assert angles.isnan().all()


def test_kinds_of_input():
    x = random_poses(RTM37)
    tensor = torch.from_numpy(x).float().view(4, 5, -1, 3).requires_grad_()
    angles = joint_angles(tensor, RTM37, up=torch.tensor(UP))
    assert angles["neck_flexion"].shape == (4, 5) and angles["neck_flexion"].requires_grad
    found = joint_angles(x, RTM37, up=UP)
    assert isinstance(found["neck_flexion"], np.ndarray)
    np.testing.assert_allclose(angles["neck_flexion"].detach().flatten(), found["neck_flexion"], atol=1e-4)
    each = joint_angles(x, RTM37, up=np.tile(UP, (20, 1)))
    np.testing.assert_allclose(each["back_flexion"], found["back_flexion"])
    assert joint_angles(x[:0], RTM37, up=UP)["neck_flexion"].shape == (0,)
    torch.stack(list(angles.values())).nan_to_num().sum().backward()
    assert tensor.grad.isfinite().all()


def test_long_videos_in_parts(monkeypatch):
    x = random_poses(RTM37)
    whole = joint_angles(x, RTM37, up=np.tile(UP, (20, 1)))
    monkeypatch.setattr("lib.angles.FRAMES_AT_ONCE", 7)
    for name, angle in joint_angles(x, RTM37, up=np.tile(UP, (20, 1))).items():
        same(angle, whole[name], name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": np.zeros((5, 17, 3))}, "RTM-37 need joints"),
        ({"up": (0, 1)}, "'up' must be"),
        ({"up": np.zeros((4, 3))}, "'up' must be"),
        ({"convention": "vehs"}, "allowed are paper, VEHS"),
    ],
)
def test_mistakes_are_named(arguments: dict, message: str):
    given = {"x": np.zeros((5, 37, 3)), "up": UP} | arguments
    with pytest.raises(UserError, match=message):
        joint_angles(given.pop("x"), RTM37, **given)


def test_what_formats_have():
    assert approximate_angles(RTM66) == ()
    assert set(missing_angles(H36M)) == {
        f"{side}_{name}"
        for side in ("left", "right")
        for name in ("wrist_flexion", "wrist_deviation", "forearm_pronation", "ankle_flexion")
    }
    assert "index_pip_flexion" in angle_names(load_skeleton("Hand-21"))
    assert "left_index_pip_flexion" in angle_names(load_skeleton("Hand-21-left"))


def test_a_difference_of_angles_has_no_jump_at_half_a_turn():
    """Two arms, one just this and one just that side of straight up behind the back: nearly no error."""
    poses = [torch.from_numpy(pose(RTM66, neck_rotation=turn)).float()[None] for turn in (179.5, -179.5)]
    assert LOSSES.get("ergo_angle")(*poses, RTM66) < 0.02


def test_the_loss_is_the_mean_difference_in_radians():
    one, two = (torch.from_numpy(pose(H36M, right_elbow_flexion=angle))[None] for angle in (40.0, 41.0))
    number = len(joint_angles(one, H36M, convention=loss_angles.CONVENTION))
    known = sum(
        bool(angle.isfinite())
        for angle in joint_angles(one, H36M, convention=loss_angles.CONVENTION).values()
    )
    value = LOSSES.get("ergo_angle")(one, two, H36M)
    assert 0 < known < number
    # the elbow alone moved; angles that take the forearm as a measure turn with it by nothing
    assert value.item() == pytest.approx(np.radians(1.0) / known, rel=0.02)


def test_undefined_angles_have_no_gradient():
    straight = torch.from_numpy(pose(H36M)).float()[None].requires_grad_()
    bent = torch.from_numpy(pose(H36M, right_elbow_flexion=60.0, right_shoulder_rotation=20.0)).float()[None]
    LOSSES.get("ergo_angle")(straight, bent, H36M).backward()
    assert straight.grad.isfinite().all()


@pytest.mark.parametrize("name", ["ergo_angle", "ergo_angle_velocity"])
def test_joints_missing_in_the_target_do_not_count(name: str):
    prediction, target = (torch.from_numpy(random_poses(RTM37, seed)).float()[None] for seed in (0, 1))
    target[:, 3:5] = torch.nan
    prediction.requires_grad_()
    value = LOSSES.get(name)(prediction, target, RTM37)
    value.backward()
    assert value > 0 and prediction.grad.isfinite().all()
    if name == "ergo_angle":
        assert prediction.grad[:, 3:5].abs().max() == 0


def test_velocity_is_0_for_a_constant_error():
    x = torch.from_numpy(np.concatenate([pose(RTM37, right_elbow_flexion=a) for a in (20, 30, 40)])).float()[
        None
    ]
    y = torch.from_numpy(np.concatenate([pose(RTM37, right_elbow_flexion=a) for a in (25, 35, 45)])).float()[
        None
    ]
    assert LOSSES.get("ergo_angle_velocity")(x, y, RTM37) < 1e-4 < LOSSES.get("ergo_angle")(x, y, RTM37)


def test_a_format_without_angles_is_refused(tmp_path):
    path = tmp_path / "two.yaml"
    path.write_text("name: two\nroot: nose\njoints: [nose, chin]\nlimbs: [[nose, chin]]\nflip: []\n")
    skeleton = load_skeleton(str(path))
    assert angle_names(skeleton) == ()
    with pytest.raises(UserError, match="two has no joint angle"):
        WeightedLosses(skeleton, {"ergo_angle": 1.0})


def test_definitions_name_points_that_exist():
    """A misspelt point would only look like one that no format has."""
    frames, angles = definitions()
    known = canonical_names()

    def points(value) -> list[str]:
        if isinstance(value, list):
            return [name for part in value for name in points(part)]
        return [value] if isinstance(value, str) and "." not in value and value != "up" else []

    fields = {"segment", "approximate", "apart_deg", "in", "from", "to", "tilt", "convention", "zero_deg"}
    fields |= {"undefined_within_deg", "undefined_beyond_deg"}
    for entries in [*frames.values(), *(one for table in angles.values() for one in table.values())]:
        for entry in entries:
            assert set(entry) - fields <= {"x", "y", "z", "of", "between"}
            for field in set(entry) - fields:
                for name in points(entry[field]):
                    assert name in known, name


def test_a_joint_that_is_unknown_spoils_only_the_angles_that_need_it():
    skeleton = load_skeleton("RTM-37")
    joints = np.random.default_rng(0).normal(size=(4, skeleton.num_joints, 3))
    whole = joint_angles(joints, skeleton, up=(0, 1, 0))
    joints[2, skeleton.index_canonical("left_wrist")] = np.nan
    partial = joint_angles(joints, skeleton, up=(0, 1, 0))
    assert np.isnan(partial["left_elbow_flexion"]).tolist() == [False, False, True, False]
    np.testing.assert_allclose(partial["right_elbow_flexion"], whole["right_elbow_flexion"])
    np.testing.assert_allclose(partial["back_rotation"], whole["back_rotation"])
