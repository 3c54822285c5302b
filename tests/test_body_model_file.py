"""The free body model in data/body/free_body.npz: SMPL's layout, symmetry, and points where anatomy has them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lib.anatomy import canonical_names, mirror_name
from lib.body import load_body
from lib.data.worker.anthropometry import reference_subject
from lib.data.worker.body_points import place_points, point_names
from lib.data.worker.kinematics import DOF_NAMES, SIDES, forward
from lib.skeleton import list_skeletons, load_skeleton

FILE = Path(__file__).parent.parent / "data/body/free_body.npz"
SMPL = load_skeleton("SMPL-24")
LEFT, UP, FRONT = range(3)


@pytest.fixture(scope="module")
def body() -> dict[str, np.ndarray]:
    with np.load(FILE) as arrays:
        return {key: arrays[key] for key in arrays.files}


@pytest.fixture(scope="module")
def matrix(body) -> np.ndarray:
    """(P,V) weights of the vertices that make each named point."""
    matrix = np.zeros((len(body["keypoint_names"]), len(body["v_template"])))
    matrix[body["keypoint_rows"], body["keypoint_columns"]] = body["keypoint_values"]
    return matrix


@pytest.fixture(scope="module")
def points(body, matrix) -> dict[str, np.ndarray]:
    return dict(zip(body["keypoint_names"].tolist(), matrix @ body["v_template"], strict=True))


@pytest.fixture(scope="module")
def mirror(body) -> np.ndarray:
    """(V,) number of each vertex's mirror image."""
    number = {tuple(place): v for v, place in enumerate((body["v_template"] + 0.0).tolist())}
    return np.array([number[tuple(p)] for p in (body["v_template"] * [-1, 1, 1] + 0.0).tolist()])


def test_arrays_are_those_of_smpl(body):
    num, faces = len(body["v_template"]), body["f"]
    assert 5000 < num <= 7000
    assert body["shapedirs"].shape == (num, 3, 10)
    assert body["posedirs"].shape == (num, 3, 207)
    assert body["J_regressor"].shape == (24, num)
    assert body["weights"].shape == (num, 24)
    assert faces.shape[1] == 3 and set(np.unique(faces)) == set(range(num))
    assert tuple(body["joint_names"]) == SMPL.joints
    parents, joints = body["kintree_table"]
    assert parents[0] == 2**32 - 1 and parents[1:].tolist() == list(SMPL.parents[1:])
    assert joints.tolist() == list(range(24))
    assert all(np.isfinite(array).all() for array in body.values() if array.dtype.kind == "f")
    assert FILE.stat().st_size < 2_000_000


def test_weights_sum_to_one(body, matrix):
    assert (body["weights"] >= 0).all()
    assert ((body["weights"] > 0).sum(1) <= 4).all()
    for rows in (body["weights"], body["J_regressor"], matrix):
        np.testing.assert_allclose(rows.sum(1, dtype=np.float64), 1, atol=1e-5)
    assert all((body["weights"][:, joint] > 0.4).sum() > 20 for joint in range(24))


def test_the_regressor_makes_the_joints(body):
    off_mm = 1000 * np.linalg.norm(body["J_regressor"] @ body["v_template"] - body["J"], axis=1)
    assert off_mm.max() < 1.5


def test_left_and_right_are_mirror_images(body, matrix, points, mirror):
    swap = np.array(SMPL.flip_idx)
    np.testing.assert_allclose(body["shapedirs"][mirror] * np.array([-1, 1, 1])[:, None], body["shapedirs"])
    np.testing.assert_allclose(body["weights"][mirror][:, swap], body["weights"], atol=1e-6)
    np.testing.assert_allclose(body["J_regressor"][swap][:, mirror], body["J_regressor"], atol=1e-6)
    faces = {tuple(np.roll(face, -face.argmin())) for face in body["f"].astype(int)}
    assert {tuple(np.roll(face, -face.argmin())) for face in mirror[body["f"]][:, ::-1]} == faces
    for name, place in points.items():
        if name.startswith(SIDES) or (name in points and f"left_{name}" not in points):
            np.testing.assert_allclose(points[mirror_name(name)], place * [-1, 1, 1], atol=1e-5, err_msg=name)


def test_the_skin_is_closed_and_faces_outwards(body):
    faces = body["f"].astype(int)
    edges = np.concatenate([faces[:, [k, (k + 1) % 3]] for k in range(3)])
    assert len(np.unique(edges, axis=0)) == len(edges), "two triangles go the same way along an edge"
    one_way = set(map(tuple, edges)) - set(map(tuple, edges[:, ::-1]))
    assert len(one_way) < 0.01 * len(edges)  # only the rims of mouth, eye sockets and eyes
    corners = body["v_template"][faces].astype(np.float64)
    assert (np.linalg.norm(np.cross(*(corners[:, k] - corners[:, 0] for k in (1, 2))), axis=1) > 1e-9).all()
    assert 0.05 < np.linalg.det(corners).sum() / 6 < 0.09  # cubic metres


def test_shape_components_are_people(body):
    sizes = np.linalg.norm(body["shapedirs"], axis=(0, 1))
    assert (np.diff(sizes) < 0).all()
    assert 1.66 < np.ptp(body["v_template"][:, UP]) < 1.74
    for component in range(10):
        for score in (-2, 2):
            skin = body["v_template"] + score * body["shapedirs"][..., component]
            assert 1.4 < np.ptp(skin[:, UP]) < 2.0
            assert 0.03 < np.linalg.det(skin[body["f"].astype(int)].astype(np.float64)).sum() / 6 < 0.15
    taller = body["v_template"] + body["shapedirs"][..., 0]
    assert 0.05 < np.ptp(taller[:, UP]) - np.ptp(body["v_template"][:, UP]) < 0.15


def test_every_joint_of_every_format_is_on_the_body(points):
    used = {name for key in list_skeletons() for name in load_skeleton(key).canonical}
    assert used <= points.keys()
    assert points.keys() <= canonical_names().keys()


def test_the_person_stands_upright_facing_forward(points):
    for side, sign in (("left", 1), ("right", -1)):
        along = [points[f"{side}_{name}"][LEFT] * sign for name in ("hip", "shoulder", "elbow", "wrist")]
        assert 0.05 < along[0] < along[1] < along[2] < along[3]
        assert points[f"{side}_thumb_tip"][FRONT] > points[f"{side}_pinky_tip"][FRONT]
        assert points[f"{side}_lateral_epicondyle"][UP] > points[f"{side}_medial_epicondyle"][UP]
        for front, back in (("big_toe", "heel"), ("asis", "psis"), ("acromion_front", "acromion_back")):
            assert points[f"{side}_{front}"][FRONT] > points[f"{side}_{back}"][FRONT] + 0.08
        for outer, inner in (("lateral_malleolus", "medial_malleolus"), ("fifth_mtp", "first_mtp")):
            assert points[f"{side}_{outer}"][LEFT] * sign > points[f"{side}_{inner}"][LEFT] * sign + 0.04
        heights = [
            points[f"{side}_{name}"][UP] for name in ("heel", "ankle", "knee", "hip", "shoulder", "ear")
        ]
        assert (np.diff(heights) > 0.02).all()
    assert points["nose"][FRONT] > points["ear_center"][FRONT] + 0.07
    assert points["suprasternal_notch"][FRONT] > points["c7"][FRONT] + 0.1


@pytest.mark.parametrize(
    "joint, markers",
    {
        "left_shoulder": ("left_acromion_front", "left_acromion_back"),
        "left_elbow": ("left_lateral_epicondyle", "left_medial_epicondyle"),
        "left_wrist": ("left_radial_styloid", "left_ulnar_styloid"),
        "left_knee": ("left_medial_femoral_condyle", "left_lateral_femoral_condyle"),
        "left_ankle": ("left_medial_malleolus", "left_lateral_malleolus"),
    }.items(),
)
def test_joints_lie_midway_between_their_markers(points, joint, markers):
    middle = (points[markers[0]] + points[markers[1]]) / 2
    assert 1000 * np.linalg.norm(middle - points[joint]) < 8


@pytest.mark.parametrize(
    "first, second, tolerance_mm",
    [
        *(("left_shoulder", "right_shoulder", 15), ("left_asis", "right_asis", 10)),
        *(("left_psis", "right_psis", 10), ("left_hip", "right_hip", 20), ("left_knee", "left_ankle", 25)),
        *(("left_elbow", "left_wrist", 25), ("left_wrist", "left_middle_tip", 15)),
        *(("left_wrist", "left_middle_mcp", 10), ("left_heel", "left_big_toe", 10)),
        *(("left_heel", "left_first_mtp", 15), ("left_first_mtp", "left_fifth_mtp", 15)),
        *(("left_ear", "right_ear", 10), ("left_eye", "right_eye", 6), ("left_ear", "nose", 15)),
        *(
            ("c7", "suprasternal_notch", 10),
            ("hip_center", "neck_base", 20),
            ("neck_base", "head_vertex", 15),
        ),
        *(("left_lateral_malleolus", "left_medial_malleolus", 8), ("chin", "mid_forehead", 15)),
        *(("left_lateral_epicondyle", "left_medial_epicondyle", 8), ("left_big_toe", "left_small_toe", 15)),
        *(("left_radial_styloid", "left_ulnar_styloid", 8), ("hip_center", "pelvis_joint", 10)),
    ],
)
def test_sizes_agree_with_the_built_in_worker(body, points, first, second, tolerance_mm):
    """At the same stature; upper arm and thigh are left out, which differ by 4 to 6 cm."""
    subject, names = reference_subject(), point_names()
    frames = forward(subject, np.zeros((1, 3)), np.zeros((len(DOF_NAMES), 1)))
    worker = dict(zip(names, place_points(subject, *frames, names)[0], strict=True))
    scale = 1000 * np.ptp(body["v_template"][:, UP]) / subject.stature_mm
    expected_mm = scale * np.linalg.norm(worker[first] - worker[second])
    assert abs(1000 * np.linalg.norm(points[first] - points[second]) - expected_mm) < tolerance_mm


def test_rows_of_joints_hold_in_other_poses(matrix, body):
    """The skin around a bent joint still gives its centre."""
    model = load_body()
    pose = torch.zeros(1, 24, 3)
    for joint, turn in {
        "left_knee": (1.6, 0, 0),
        "right_hip": (-1.5, 0, 0),
        "left_elbow": (0, -1.6, 0),
    }.items():
        pose[0, SMPL.joints.index(joint)] = torch.tensor(turn)
    pose[0, [SMPL.joints.index("left_shoulder"), SMPL.joints.index("right_shoulder")], 2] = torch.tensor(
        [-1.2, 1.2]
    )
    shape = torch.tensor([[1.0, -1, 0.5, 0, 0, 0, 0, 0, 0, 0]])
    vertices = model(pose.flatten(1), shape)[0].double().numpy()
    joints = model.joints(pose.flatten(1), shape)[0].numpy()
    off_mm = 1000 * np.linalg.norm(body["J_regressor"].astype(np.float64) @ vertices - joints, axis=1)
    assert off_mm.max() < 10, dict(zip(SMPL.joints, off_mm.round(1), strict=True))
