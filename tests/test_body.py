"""Bodies against smplx, regressors of every format by rules and from files, targets of a batch."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import smplx
import torch
from smplx.utils import Struct
from smplx.vertex_ids import vertex_ids

import lib.body
import lib.body_skinning
from lib.body import FREE_BODY, BodyModel, load_body
from lib.body_regressor import PUBLISHED_VERTICES, keypoint_regressor
from lib.errors import UserError
from lib.geometry import axis_angle_to_matrix
from lib.mesh_target import mesh_target
from lib.skeleton import list_skeletons, load_skeleton
from lib.smpl_files import read_smpl
from tests.example_body import as_smplx, make_example_body
from tools import make_regressor

WITHOUT_RULES = ["BODY_25B", "COCO-WholeBody-133", "Hand-21", "Hand-21-left", "Hand-21-right"]
WITHOUT_RULES += ["MediaPipe-33", "PoseTrack-17", "UBHand-48"]
WITH_RULES = [name for name in list_skeletons() if name not in WITHOUT_RULES]
needs_free_body = pytest.mark.skipif(not FREE_BODY.is_file(), reason=f"{FREE_BODY.name} is not there")


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel(make_example_body(), name="example")


@pytest.fixture(scope="module")
def smpl_sized() -> BodyModel:
    """As many vertices as SMPL has, so that its vertex ids are taken for valid."""
    return BodyModel(make_example_body(PUBLISHED_VERTICES["smpl"]), name="example")


def random_pose(num: int, num_joints: int = 24, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    pose = 0.6 * torch.randn(num, num_joints * 3, generator=generator)
    pose[0] = 0
    pose[1, :3] = torch.tensor([3.14159, 0, 0])  # how a camera sees people
    return pose, torch.randn(num, 10, generator=generator)


def by_smplx(arrays: dict[str, np.ndarray], pose: torch.Tensor, shape: torch.Tensor, dtype=torch.float32):
    """Vertices and joints of the class SMPL; its own vertex ids point beyond a small mesh."""
    ids = {name: number for number, name in enumerate(vertex_ids["smplh"])}
    model = smplx.SMPL("", data_struct=Struct(**arrays), vertex_ids=ids, batch_size=len(pose), dtype=dtype)
    with torch.no_grad():
        made = model(
            betas=shape.to(dtype), global_orient=pose[:, :3].to(dtype), body_pose=pose[:, 3:].to(dtype)
        )
    return made.vertices, made.joints[:, :24]


@pytest.mark.parametrize("num_vertices", [336, 400, 6600])
def test_vertices_and_joints_are_those_of_smplx(num_vertices):
    arrays = make_example_body(num_vertices)
    body = BodyModel(arrays, name="example")
    pose, shape = random_pose(20)
    vertices, joints = by_smplx(arrays, pose, shape)
    assert (body(pose, shape) - vertices).abs().max() < 1e-6
    assert (body.joints(pose, shape) - joints).abs().max() < 1e-6


def test_in_double_precision_nothing_but_rounding_differs():
    arrays = make_example_body()
    pose, shape = random_pose(20)
    vertices, _ = by_smplx(arrays, pose, shape, torch.float64)
    body = BodyModel(arrays, name="example")
    assert (body(pose, shape) - vertices).abs().max() < 1e-6
    assert (
        body.double()(pose.double(), shape.double()) - vertices
    ).abs().max() < 2e-7  # its template is float32


def test_smplx_bodies_have_55_joints_and_ten_shape_components():
    arrays = as_smplx(make_example_body())
    body = BodyModel(arrays, name="SMPLX_NEUTRAL")
    assert (body.kind, body.num_joints, body.num_betas) == ("smplx", 55, 10)
    assert len(set(body.joint_names)) == 55
    named = dict(zip(body.joint_names, body.parents, strict=True))
    assert body.joint_names[named["left_index_mcp"]] == "left_wrist"
    assert body.joint_names[named["right_thumb_ip"]] == "right_thumb_mcp"
    pose, shape = random_pose(5, 55)
    tensors = {key: torch.from_numpy(array).float() for key, array in arrays.items() if array.dtype == float}
    vertices, joints = smplx.lbs.lbs(
        shape,
        pose,
        tensors["v_template"],
        tensors["shapedirs"][..., :10],
        tensors["posedirs"].flatten(0, 1).T,
        tensors["J_regressor"],
        torch.from_numpy(body.parents),
        tensors["weights"],
    )
    assert (body(pose, shape) - vertices).abs().max() < 2e-6
    assert (body.joints(pose, shape) - joints).abs().max() < 1e-6
    assert BodyModel(arrays, name="x", num_betas=300).num_betas == 300


def test_rotations_are_taken_as_they_are(body, monkeypatch):
    pose, shape = random_pose(6)
    wanted = body(pose, shape)
    rotations = axis_angle_to_matrix(pose.unflatten(-1, (24, 3)))

    def never(*_):
        raise AssertionError("rotations went through axis-angle")

    monkeypatch.setattr(lib.body, "axis_angle_to_matrix", never)
    assert (body(rotations, shape) - wanted).abs().max() == 0


def test_some_vertices_are_those_of_all(body):
    pose, shape = random_pose(4)
    some = [7, 3, 399]
    wanted = body(pose, shape)[:, some]
    for ids in (some, torch.tensor(some), np.array(some)):
        assert (body(pose, shape, ids) - wanted).abs().max() < 1e-6


def test_leading_dimensions_are_free_and_one_shape_serves_all(body):
    pose, shape = random_pose(6)
    pose[:], shape[:] = pose.roll(1, 0), shape[:1]
    wanted = body(pose, shape)
    assert (body(pose.view(2, 3, 72), shape[0]) - wanted.view(2, 3, 400, 3)).abs().max() < 1e-6
    assert (
        body.joints(pose.view(2, 3, 72), shape[:1]).view(6, 24, 3) - body.joints(pose, shape)
    ).abs().max() < 1e-6
    assert (body(pose[2], shape[2]) - wanted[2]).abs().max() < 1e-6
    assert body(pose[:0], shape[:0]).shape == (0, 400, 3)


@pytest.mark.parametrize("posedirs", [True, False])
def test_the_size_of_chunks_changes_nothing(monkeypatch, posedirs):
    body = BodyModel(make_example_body(posedirs=posedirs), name="example")
    assert (body.vertices.posedirs is not None) == posedirs
    pose, shape = random_pose(23)
    wanted = body(pose, shape)
    for bodies in (1, 2, 7):
        monkeypatch.setitem(lib.body_skinning._CHUNK, "cpu", 12 * 400 * bodies)
        assert (body(pose, shape) - wanted).abs().max() < 1e-6


def test_posedirs_may_be_missing():
    arrays = make_example_body(posedirs=False)
    pose, shape = random_pose(3)
    wanted = BodyModel(arrays, name="example")(pose, shape)
    del arrays["posedirs"]
    assert (BodyModel(arrays, name="example")(pose, shape) - wanted).abs().max() == 0


def test_gradients_are_right_and_finite_at_the_zero_pose(body):
    body = copy.deepcopy(body).double()
    pose, shape = random_pose(2)
    pose, shape = pose.double().requires_grad_(), shape.double().requires_grad_()
    some = [0, 57, 399]
    assert torch.autograd.gradcheck(lambda *given: body(*given, some), (pose, shape))
    regressor = keypoint_regressor(body, load_skeleton("SMPL-24")).double()
    assert torch.autograd.gradcheck(lambda *given: regressor.of(body, *given), (pose, shape))


def test_reduced_precision_of_the_training_does_not_reach_the_body(body):
    regressor = keypoint_regressor(body, load_skeleton("SMPL-24"))
    pose, shape = random_pose(4)
    wanted = body(pose, shape), body.joints(pose, shape), regressor.of(body, pose, shape)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        given = body(pose, shape), body.joints(pose, shape), regressor.of(body, pose, shape)
        rows = regressor(given[0])
    assert all((a == b).all() for a, b in zip(wanted, given, strict=True))
    assert (rows - wanted[2]).abs().max() < 1e-6


def test_a_regressor_made_in_inference_serves_training():
    body, other = (BodyModel(make_example_body(seed=seed), name="example") for seed in (0, 1))
    regressor = keypoint_regressor(body, load_skeleton("SMPL-24"))
    pose, shape = random_pose(2)
    with torch.inference_mode():
        regressor.of(other, pose, shape)
    regressor.of(other, pose.requires_grad_(), shape).sum().backward()
    assert pose.grad.isfinite().all()


def test_no_checkpoint_holds_a_body(body):
    regressor = keypoint_regressor(body, load_skeleton("SMPL-24"))
    assert not body.state_dict() and not regressor.state_dict()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weights": np.zeros((400, 23))}, r"weights has the shape \(400, 23\), expected \(400, 24\)"),
        ({"posedirs": np.zeros((400, 3, 9))}, r"posedirs has the shape .* expected \(400, 3, 207\)"),
        ({"v_template": np.zeros((401, 3))}, "has the shape"),
        ({"v_template": np.full((400, 3), "x")}, "v_template holds <U1, expected numbers"),
        ({"kintree_table": np.zeros((2, 24), np.uint32)}, "not that of SMPL"),
        ({"kintree_table": np.stack([np.arange(24), np.arange(24)])}, "not that of SMPL"),
    ],
)
def test_arrays_that_do_not_fit_are_errors(change, says):
    with pytest.raises(UserError, match=says):
        BodyModel(make_example_body() | change, name="example")


def test_other_models_are_refused():
    arrays = make_example_body()
    hand = {"J_regressor": arrays["J_regressor"][:16], "weights": arrays["weights"][:, :16]}
    hand |= {"kintree_table": arrays["kintree_table"][:, :16], "posedirs": arrays["posedirs"][..., :135]}
    with pytest.raises(
        UserError, match=r"MANO has 16 joints; allowed: smpl \(24\), smplh \(52\), smplx \(55\)"
    ):
        BodyModel(arrays | hand, name="MANO")


def test_wrong_sizes_are_errors(body):
    pose, shape = random_pose(2)
    with pytest.raises(UserError, match=r"takes a pose \(..., 72\) axis-angle"):
        body(pose[:, :69], shape)
    with pytest.raises(UserError, match="has 10 shape components"):
        body(pose, shape[:, :9])


@pytest.mark.parametrize("name", WITH_RULES)
def test_every_format_with_rules_has_a_regressor(smpl_sized, name):
    skeleton = load_skeleton(name)
    regressor = keypoint_regressor(smpl_sized, skeleton)
    assert regressor.matrix.shape == (skeleton.num_joints, 6890)
    assert np.abs(regressor.rows.sum(1) - 1).max() < 1e-9
    assert list(regressor.rules) == list(skeleton.joints)
    pose, shape = random_pose(6)
    pose, shape = pose.view(2, 3, 72), shape.view(2, 3, 10)
    vertices = smpl_sized(pose, shape)
    wanted = torch.from_numpy(regressor.rows).float() @ vertices
    assert (regressor(vertices) - wanted).abs().max() < 1e-6
    assert (regressor.of(smpl_sized, pose, shape) - wanted).abs().max() < 1e-6


@pytest.mark.parametrize("name", WITHOUT_RULES)
def test_joints_without_rules_are_named(smpl_sized, name):
    skeleton = load_skeleton(name)
    with pytest.raises(
        UserError, match=f"of {skeleton.name} on body example: give a regressor file"
    ) as caught:
        keypoint_regressor(smpl_sized, skeleton)
    assert any(
        f" {joint}, " in str(caught.value) or f" {joint} of " in str(caught.value)
        for joint in skeleton.joints
    )


def test_vertex_ids_of_the_published_meshes_are_not_used_on_others(body):
    with pytest.raises(
        UserError, match=r"no rule for RPSIS, .*vertex ids are known for 6890 vertices, not 400"
    ):
        keypoint_regressor(body, load_skeleton("RTM-66"))


def test_joints_of_the_markers_lie_where_the_labels_say(smpl_sized):
    skeleton = load_skeleton("RTM-66")
    joints_mm = keypoint_regressor(smpl_sized, skeleton).rows @ make_example_body(6890)["v_template"] * 1000
    place = dict(zip(skeleton.joints, joints_mm, strict=True))
    assert np.linalg.norm(place["LHIP"] - place["LGT"]) == pytest.approx(50.8, abs=1e-3)
    assert np.linalg.norm(place["THORAX"] - place["SS"]) == pytest.approx(9, abs=1e-3)
    assert place["PELVIS"] == pytest.approx(
        np.mean([place[f"{s}{p}SIS"] for s in "LR" for p in "AP"], axis=0)
    )
    for center, *ends in (skeleton.center_idx[:, [0, 1, 2]]).tolist():
        assert joints_mm[center] == pytest.approx(joints_mm[ends].mean(0))
    # the same points in the smaller format
    smaller = load_skeleton("RTM-37")
    rows = keypoint_regressor(smpl_sized, smaller).rows @ make_example_body(6890)["v_template"] * 1000
    for joint, row in zip(smaller.joints, rows, strict=True):
        assert row == pytest.approx(place[joint], abs=1e-9), joint


def test_a_format_of_the_bodys_joints_has_its_joint_regressor(body):
    regressor = keypoint_regressor(body, load_skeleton("SMPL-24"))
    assert (regressor.rows == make_example_body()["J_regressor"]).all()


def test_smplx_has_its_own_vertices_and_finger_joints():
    body = BodyModel(as_smplx(make_example_body(PUBLISHED_VERTICES["smplx"]), 10), name="SMPLX_NEUTRAL")
    skeleton = load_skeleton("RTM-66")
    ids = skeleton.vertex_ids["smplx"]
    rows = keypoint_regressor(body, skeleton).rows
    for joint, vertex in ids.items():
        assert rows[skeleton.index(joint)].nonzero()[0].tolist() == [vertex]
    hand = keypoint_regressor(body, load_skeleton("Hand-21-left"))
    assert {hand.rules[joint] for joint in ("Index_0", "Thumb_1")} == {"joint of the body"}
    assert hand.rules["Index_3"] == f"vertex {vertex_ids['smplx']['lindex']}"


@pytest.fixture(scope="module")
def with_keypoints() -> BodyModel:
    """A small body that brings its own points, as the free body does: those of RTM-66, and a nose."""
    arrays = make_example_body()
    names = (*load_skeleton("RTM-66").canonical, "nose")
    first = np.arange(len(names))
    return BodyModel(
        arrays
        | {
            "keypoint_names": np.array(names),
            "keypoint_rows": np.repeat(first, 2),
            "keypoint_columns": np.stack([first, first + 100], axis=1).ravel(),
            "keypoint_values": np.tile([0.25, 0.75], len(names)),
        },
        name="own",
    )


def test_the_bodys_own_keypoints_go_first(with_keypoints):
    skeleton = load_skeleton("RTM-66")
    rows = keypoint_regressor(with_keypoints, skeleton).rows
    assert (rows[skeleton.index("LHIP")].nonzero()[0] == [62, 162]).all()
    assert set(rows[rows > 0]) == {0.25, 0.75}
    neck = keypoint_regressor(with_keypoints, load_skeleton("H36M-17"))
    assert neck.rules["root"] == "0.5 right_hip + 0.5 left_hip" and "approximate" in neck.rules["thorax"]


def test_given_rules_go_before_all(with_keypoints, body):
    skeleton = load_skeleton("RTM-66")
    rules = {"left_hip": {"joint": "left_knee"}}
    rows = keypoint_regressor(with_keypoints, skeleton, rules=rules).rows
    assert (rows[skeleton.index("LHIP")] == with_keypoints.joint_regressor[4]).all()
    rules = {"left_hip": {"from": "nose", "along": ["nose", "left_ear"], "mm": 1.0}}
    with pytest.raises(UserError, match="no rule for left_hip of SMPL-24"):
        keypoint_regressor(body, load_skeleton("SMPL-24"), rules=rules)


def test_regressor_files_are_taken_as_they_are(tmp_path, body):
    skeleton = load_skeleton("H36M-17")
    matrix = np.random.default_rng(0).normal(size=(17, 400))
    matrix += (1 - matrix.sum(1, keepdims=True)) / 400  # signed and dense
    np.save(tmp_path / "J_regressor_h36m_correct.npy", matrix)
    regressor = keypoint_regressor(body, skeleton, tmp_path / "J_regressor_h36m_correct.npy")
    pose, shape = random_pose(5)
    wanted = torch.from_numpy(matrix).float() @ body(pose, shape)
    assert (regressor.of(body, pose, shape) - wanted).abs().max() < 1e-5
    assert (regressor(body(pose, shape)) - wanted).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("matrix", "says"),
    [
        (np.full((66, 400), 1 / 400), r"is \(66, 400\); H36M-17 on body example needs \(17, 400\)"),
        (np.full((17, 6890), 1 / 6890), "belongs to another joint format or body"),
        (np.full((17, 400), 1 / 500), "the row of root sums to 0.8, not 1"),
        (np.full((17, 400), np.nan), "the row of root sums to nan"),
        (np.array({}), "is no npy file of numbers"),
        (None, "cannot read regressor"),
    ],
)
def test_wrong_regressor_files_are_errors(tmp_path, body, matrix, says):
    if matrix is not None:
        np.save(tmp_path / "x.npy", matrix)
    with pytest.raises(UserError, match=says):
        keypoint_regressor(body, load_skeleton("H36M-17"), tmp_path / "x.npy")


def test_a_regressor_follows_to_another_body_of_the_same_mesh(body):
    skeleton = load_skeleton("SMPL-24")
    regressor = keypoint_regressor(body, skeleton)
    other = BodyModel(make_example_body(seed=1), name="other", gender="male")
    pose, shape = random_pose(3)
    for one in (other, body):
        assert (regressor.of(one, pose, shape) - regressor(one(pose, shape))).abs().max() < 1e-6
    small = BodyModel(make_example_body(336), name="small")
    with pytest.raises(UserError, match="made for a body of 400 vertices, body small has 336"):
        regressor.of(small, pose, shape)
    with pytest.raises(UserError, match="the mesh has 336"):
        regressor(small(pose, shape))


def test_keypoints_are_found_without_vertices(body, monkeypatch):
    regressor = keypoint_regressor(body, load_skeleton("SMPL-24"))
    monkeypatch.setattr(BodyModel, "forward", None)
    pose, shape = random_pose(4)
    batch = {"pose": pose.view(2, 2, 72), "shape": shape.view(2, 2, 10)}
    assert mesh_target(body, regressor, batch, regressor.skeleton)["verts"] is None


@pytest.mark.parametrize("root", [("pelvis",), ("left_hip", "right_hip")])
def test_targets_are_root_relative_millimetres(body, root):
    skeleton = load_skeleton("SMPL-24").with_root(*root)
    regressor = keypoint_regressor(body, skeleton)
    pose, shape = random_pose(6)
    batch = {"pose": pose.view(2, 3, 72), "shape": shape.view(2, 3, 10)}
    before = copy.deepcopy(batch)
    target = mesh_target(body, regressor, batch, skeleton, need_vertices=True)
    vertices, _ = by_smplx(make_example_body(), pose, shape)
    joints = torch.from_numpy(make_example_body()["J_regressor"]).float() @ vertices
    center = joints[:, [skeleton.index(joint) for joint in root]].mean(1, keepdim=True)
    assert (target["theta"].view(6, 82) == torch.cat([pose, shape], dim=-1)).all()
    assert (target["kp_3d"].view(6, 24, 3) - (joints - center) * 1000).abs().max() < 2e-3
    assert (target["verts"].view(6, 400, 3) - (vertices - center) * 1000).abs().max() < 2e-3
    assert all((batch[key] == before[key]).all() for key in batch)


def test_make_regressor_names_where_the_hips_come_from(tmp_path, capsys):
    arrays = make_example_body(PUBLISHED_VERTICES["smpl"])
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **arrays)
    skeleton = load_skeleton("RTM-66")
    numbers = [skeleton.index(joint) for joint in ("LGT", "RGT", "LHIP", "RHIP")]
    hips = {}
    for choice in make_regressor.HIPS:
        out = tmp_path / f"{choice}.npy"
        given = ["--joint_format", "RTM-66", "--body", str(tmp_path), "--hips", choice, "--out", str(out)]
        assert make_regressor.main(given) == 0
        rows = keypoint_regressor(load_body(tmp_path), skeleton, out).rows
        left, right, left_hip, right_hip = rows[numbers] @ arrays["v_template"] * 1000
        hips[choice] = np.array([left_hip - left, right_hip - right])
        if choice == "1in":
            assert left_hip - left == pytest.approx((right - left) * 25.4 / 380)
    assert np.linalg.norm(hips["2in"], axis=1) == pytest.approx(50.8, abs=1e-3)
    assert (hips["format"] == hips["2in"]).all()
    rows = np.load(tmp_path / "joint.npy")
    assert (rows[numbers[2:]] == arrays["J_regressor"][1:3]).all()
    assert "left_greater_trochanter + 50.8 mm of the way left_asis - right_asis" in capsys.readouterr().out
    assert make_regressor.main(["--joint_format", "RTM-66", "--body", str(tmp_path), "--out", "x.txt"]) == 2
    assert make_regressor.main(["--joint_format", "RTM-6", "--body", str(tmp_path), "--out", "x.npy"]) == 2


def test_offsets_in_a_joint_format_are_mirrored(smpl_sized):
    skeleton = load_skeleton("RTM-66")
    only = {"left_hip": {"from": "left_asis", "along": ["left_asis", "right_asis"], "mm": 20.0}}
    with pytest.raises(UserError, match="no rule for"):
        keypoint_regressor(BodyModel(make_example_body(), name="x"), replace(skeleton, offsets=only))
    rows = keypoint_regressor(smpl_sized, replace(skeleton, offsets=only)).rows
    assert (rows[skeleton.index("RHIP")] == smpl_sized.joint_regressor[2]).all()
    assert set(skeleton.offsets) == {"left_hip", "right_hip", "thorax"}


@needs_free_body
@pytest.mark.parametrize("name", list_skeletons())
def test_the_free_body_has_every_joint_format(name):
    skeleton = load_skeleton(name)
    body = load_body()
    regressor = keypoint_regressor(body, skeleton)
    assert np.abs(regressor.rows.sum(1) - 1).max() < 1e-5
    pose, shape = random_pose(3)
    vertices = body(pose, shape)
    assert (regressor.of(body, pose, shape) - regressor(vertices)).abs().max() < 1e-5
    low, high = vertices.amin(1, keepdim=True), vertices.amax(1, keepdim=True)
    keypoints = regressor(vertices)
    assert ((keypoints > low - 0.05) & (keypoints < high + 0.05)).all()


@needs_free_body
def test_the_free_body_runs_on_smplx_too():
    arrays = read_smpl(FREE_BODY)
    body = load_body()
    assert (body.kind, body.num_betas, body.num_vertices < 7000) == ("smpl", 10, True)
    zeros = np.zeros((body.num_vertices, 3, 207), np.float32)
    pose, shape = random_pose(3)
    vertices, joints = by_smplx({"posedirs": zeros, **arrays}, pose, shape)
    assert (body(pose, shape) - vertices).abs().max() < 2e-6
    assert (body.joints(pose, shape) - joints).abs().max() < 2e-6


def test_bodies_and_regressors_work_where_they_are_moved_to():
    # on the device meta nothing is computed, but tensors left on the CPU would be an error
    body = BodyModel(make_example_body(), name="example")
    regressor = keypoint_regressor(body, load_skeleton("SMPL-24")).to("meta")
    body.to("meta")
    pose, shape = (part.to("meta") for part in random_pose(2))
    target = mesh_target(
        body, regressor, {"pose": pose, "shape": shape}, regressor.skeleton, need_vertices=True
    )
    assert {key: value.device.type for key, value in target.items()} == dict.fromkeys(target, "meta")
    assert regressor(body(pose, shape)).shape == body.joints(pose, shape).shape == (2, 24, 3)
