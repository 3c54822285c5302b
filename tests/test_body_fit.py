"""Fitting a body to points, and converting motion between bodies."""

import pickle
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from scipy import sparse

from lib.body import FREE_BODY, BodyModel, load_body
from lib.body_closest import _closest_in_triangles, closest_points
from lib.body_convert import SHAPE_FRAMES, _samples, convert_motion
from lib.body_fit import fit_body
from lib.body_match import (
    Body,
    match_by_matrix,
    match_closest_points,
    match_keypoints,
    match_same_mesh,
)
from lib.body_motion import body_motion, read_content
from lib.body_points import MovingPoints
from lib.body_transfer import read_transfer
from lib.errors import UserError
from lib.geometry import axis_angle_to_matrix
from lib.skeleton import load_skeleton
from lib.smpl_files import read_smpl
from tests.example_body import make_example_body
from tests.smplx_like_body import BODY_JOINTS, SmplxLike, make_smplx_like
from tools import convert_smpl

F = 12
ARRAYS = make_example_body(400)
ARRAYS["posedirs"] = 0.2 * ARRAYS["posedirs"]  # offsets of neighbours differ less than noise does


def moves(frames: int = F, scale: float = 0.3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Slow waves of every SMPL joint but the hands as poses (frames,72), and one shape (frames,10)."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None, None] / 30
    speed, phase = rng.uniform(1, 4, (24, 3)), rng.uniform(0, 6, (24, 3))
    pose = scale * rng.normal(size=(24, 3)) * np.sin(time * speed + phase)
    pose[:, BODY_JOINTS:] = 0
    pose[:, 0] += [np.pi, 0, 0]  # as in camera axes
    shape = np.repeat(rng.normal(size=(1, 10)), frames, 0)
    return torch.from_numpy(pose.reshape(frames, 72)).float(), torch.from_numpy(shape).float()


def rotations_of(pose: torch.Tensor) -> torch.Tensor:
    return axis_angle_to_matrix(pose.unflatten(-1, (-1, 3)))


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel(ARRAYS, name="example")


@pytest.fixture(scope="module")
def points(body) -> MovingPoints:
    return MovingPoints.of(body)


@pytest.fixture(scope="module")
def vertices(body, points) -> MovingPoints:
    return points.take(torch.arange(body.num_vertices))


@pytest.fixture(scope="module")
def smplx_like() -> SmplxLike:
    return make_smplx_like(ARRAYS)


def smplx_motion(made: SmplxLike, frames: int = F) -> tuple[torch.Tensor, torch.Tensor]:
    """The same motion as ``moves``, of the body with 55 joints; fingers and face at rest."""
    pose, shape = moves(frames)
    pose = torch.cat([pose[:, : 3 * BODY_JOINTS], pose.new_zeros(frames, 3 * (55 - BODY_JOINTS))], 1)
    turn, offset = (torch.from_numpy(part).float() for part in (made.turn, made.offset))
    return pose, (shape - offset) @ turn


def transfer_of(made: SmplxLike) -> torch.Tensor:
    return torch.from_numpy(made.transfer.toarray()).float().to_sparse()


def test_points_move_as_the_body(body, points):
    pose, shape = moves()
    expected = torch.cat([body(pose, shape), body.joints(pose, shape)], 1)
    torch.testing.assert_close(points(rotations_of(pose), shape), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("mixed", [False, True])
def test_derivatives_are_those_of_small_steps(points, mixed):
    points = replace(
        points,
        **{
            field.name: value.double()
            for field in fields(points)
            if torch.is_tensor(value := getattr(points, field.name))
        },
    )
    points = points.take(torch.arange(0, len(points.template), 5))
    if mixed:
        points = points.mixed(torch.full((2, len(points.template)), 1.0 / len(points.template)).double())
    pose, shape = (part[:2].double() for part in moves())
    rotations = rotations_of(pose)
    at, by_pose, by_shape = points.derivatives(rotations, shape)
    torch.testing.assert_close(at, points(rotations, shape))
    world = points.world_rotations(rotations)
    torch.testing.assert_close(points.local_rotations(world), rotations)
    step = 1e-6
    for joint in range(points.num_joints):
        above = world[:, points.parents[joint]] if joint else torch.eye(3).double().expand(2, 3, 3)
        for axis in range(3):
            ends = []
            for sign in (-1, 1):
                turned = rotations.clone()
                turned[:, joint] = axis_angle_to_matrix(sign * step * above[:, axis]) @ rotations[:, joint]
                ends.append(points(turned, shape))
            slope = (ends[1] - ends[0]) / (2 * step)
            torch.testing.assert_close(by_pose[..., 3 * joint + axis], slope, atol=1e-7, rtol=0)
    torch.testing.assert_close(by_pose[..., -3:], torch.eye(3).double().expand(*at.shape, 3))
    for number in range(points.num_betas):
        more = shape + step * torch.eye(points.num_betas).double()[number]
        slope = (points(rotations, more) - at) / step
        torch.testing.assert_close(by_shape[..., number], slope, atol=1e-7, rtol=0)


def test_pose_shape_and_shift_are_found_without_a_start(vertices):
    pose, shape = moves(scale=0.6)
    shift = torch.randn(F, 3, generator=torch.Generator().manual_seed(0))
    fit = fit_body(vertices, vertices(rotations_of(pose), shape) + shift[:, None])
    torch.testing.assert_close(fit.rotations, rotations_of(pose), atol=2e-3, rtol=0)
    torch.testing.assert_close(fit.shape, shape, atol=2e-2, rtol=0)
    torch.testing.assert_close(fit.shift, shift, atol=1e-4, rtol=0)


def test_each_group_has_its_shape_and_a_kept_shape_stays(vertices):
    pose, shape = moves()
    shape = torch.where(torch.arange(F)[:, None] % 2 == 0, shape, -shape)
    target = vertices(rotations_of(pose), shape)
    fit = fit_body(vertices, target, groups=torch.arange(F) % 2)
    torch.testing.assert_close(fit.shape, shape, atol=2e-2, rtol=0)
    wrong = fit_body(vertices, target, shape=0 * shape, keep_shape=True)
    assert not wrong.shape.any()
    error = [
        (vertices(part.rotations, part.shape) + part.shift[:, None] - target).norm(dim=-1).mean()
        for part in (fit, wrong)
    ]
    assert error[0] < 1e-4 < error[1]


def test_points_without_weight_do_not_count(vertices):
    pose, shape = moves()
    target = vertices(rotations_of(pose), shape)
    target[:, ::7] += 0.5
    weights = torch.ones(target.shape[1])
    weights[::7] = 0
    fit = fit_body(vertices, target, weights=weights, rotations=rotations_of(pose))
    torch.testing.assert_close(fit.rotations, rotations_of(pose), atol=5e-3, rtol=0)


def test_joints_alone_can_be_fitted(body, points):
    pose, shape = moves()
    joints = points.take(torch.arange(body.num_vertices, len(points.template)))
    target = body.joints(pose, shape) + 0.3
    start = rotations_of(moves(scale=0.25)[0])
    fit = fit_body(joints, target, rotations=start, pose_prior_mm=1.0)
    assert (joints(fit.rotations, fit.shape) + fit.shift[:, None] - target).norm(dim=-1).mean() < 1e-3


def test_closest_points_of_triangles_are_those_of_many_tries():
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(200, 3, generator=generator)
    corners = torch.randn(200, 3, 3, generator=generator)
    weights, distance = _closest_in_triangles(points, corners)
    torch.testing.assert_close(weights.sum(-1), torch.ones(200))
    assert (weights >= -1e-5).all()
    tries = -torch.rand(5000, 3, generator=generator).log()
    tries = (tries / tries.sum(1, keepdim=True)) @ corners
    nearest = (tries - points[:, None]).norm(dim=-1).amin(1)
    assert (distance <= nearest + 1e-5).all() and (nearest - distance).max() < 0.1


def test_surfaces_that_look_the_other_way_are_not_the_same():
    faces = torch.tensor([[0, 1, 2], [1, 3, 2]])
    floor = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])
    above = floor * 0.5 + torch.tensor([0.2, 0.1, 0.3])
    matrix, distance = closest_points(above, faces, floor, faces)
    torch.testing.assert_close(distance, torch.full((4,), 0.3))
    torch.testing.assert_close(matrix @ floor, above * torch.tensor([1.0, 1, 0]))
    assert closest_points(above, faces.flip(1), floor, faces)[1].isinf().all()


def test_at_most_so_many_frames_of_each_shape_settle_it():
    groups = torch.tensor([0] * 3 + [1] * 1000 + [2] * 60 + [0] * 2)
    mask, batches = _samples(groups, 64)
    assert torch.bincount(groups[mask]).tolist() == [5, SHAPE_FRAMES, SHAPE_FRAMES]
    torch.testing.assert_close(torch.cat(batches).sort().values, mask.nonzero()[:, 0])
    assert sum(len(groups[batch].unique()) for batch in batches) == 3  # none is torn apart
    sampled = (mask & (groups == 1)).nonzero()[:, 0]
    assert sampled.diff().max() <= 22


def test_another_gender_is_converted_vertex_by_vertex(body):
    female = dict(ARRAYS)
    female["v_template"] = ARRAYS["v_template"] + ARRAYS["shapedirs"] @ np.linspace(-1, 1, 10)
    female["shapedirs"] = ARRAYS["shapedirs"][..., ::-1]
    source, target = Body.of(BodyModel(female, name="female", gender="female")), Body.of(body)
    pose, shape = moves(SHAPE_FRAMES + 5)
    done = []
    made = convert_motion(source, target, match_same_mesh(source, target), pose, shape, done.append)
    assert sum(done) == len(pose) and made.error_mm.max() < 0.2
    torch.testing.assert_close(
        body(made.pose, made.shape) + made.shift[:, None], source.model(pose, shape), atol=1e-3, rtol=0
    )
    torch.testing.assert_close(made.shape, made.shape[:1].expand_as(made.shape))


def test_from_smplx_to_smpl(body, smplx_like):
    """The measured errors on the free body are in the slow test; the tubes of this body are coarse."""
    source, target = Body.of(BodyModel(smplx_like.arrays, name="like")), Body.of(body)
    pose, shape = smplx_motion(smplx_like)
    truth = torch.from_numpy(smplx_like.transfer.toarray()).float() @ source.model(pose, shape)
    matches = {
        "matrix": (match_by_matrix(source, target, transfer_of(smplx_like)), 1.5),
        "closest points": (match_closest_points(source, target), 6),
        "joints": (match_keypoints(source, target), 20),
    }
    for name, (match, limit_mm) in matches.items():
        made = convert_motion(source, target, match, pose, shape)
        apart_mm = 1e3 * (body(made.pose, made.shape) + made.shift[:, None] - truth).norm(dim=-1)
        assert apart_mm.mean() < limit_mm, name
        if name == "matrix":
            torch.testing.assert_close(apart_mm.mean(1), made.error_mm, atol=1e-2, rtol=0)
            torch.testing.assert_close(apart_mm.amax(1), made.largest_mm, atol=1e-2, rtol=0)


def test_fingers_hardly_count(body, smplx_like):
    source, target = Body.of(BodyModel(smplx_like.arrays, name="like")), Body.of(body)
    match = match_by_matrix(source, target, transfer_of(smplx_like))
    hand = body.joint_names.index("left_hand_joint")
    follows_hand = body.vertices.weights[hand] > 0.99
    assert follows_hand.any() and (match.weights[follows_hand] < 0.1).all()
    assert (match.weights[body.vertices.weights[body.joint_names.index("left_knee")] > 0.9] > 0.9).all()


def test_a_matrix_of_other_bodies_is_refused(body, smplx_like):
    source, target = Body.of(BodyModel(smplx_like.arrays, name="like")), Body.of(body)
    with pytest.raises(UserError, match=r"7 x 9.* 400 .* like "):
        match_by_matrix(source, target, torch.zeros(7, 9).to_sparse())


def test_surfaces_that_do_not_meet_are_refused(body):
    inside_out = ARRAYS | {"f": ARRAYS["f"][:, ::-1]}
    source = Body.of(BodyModel(inside_out, name="turned"))
    with pytest.raises(UserError, match=r"^\d+ % of the surface of body example .* --keypoints"):
        match_closest_points(source, Body.of(body))


MATRIX = np.array([[0, 0.5, 0.5], [1, 0, 0]])


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("kind", ["csr_matrix", "csc_matrix", "coo_matrix", "csr_array", "coo_array"])
def test_sparse_pickles_of_transfer_matrices(tmp_path, kind, protocol):
    path = tmp_path / "transfer.pkl"
    wide = np.concatenate([MATRIX, MATRIX], 1)  # the second half belongs to normals
    for key, matrix in (("matrix", MATRIX), ("mtx", wide)):
        path.write_bytes(pickle.dumps({key: getattr(sparse, kind)(matrix)}, protocol))
        np.testing.assert_allclose(read_transfer(path, 3).to_dense(), MATRIX)


def test_npz_files_of_transfer_matrices(tmp_path):
    np.savez(tmp_path / "dense.npz", matrix=MATRIX)
    sparse.save_npz(tmp_path / "sparse.npz", sparse.csr_matrix(MATRIX))
    for name in ("dense", "sparse"):
        np.testing.assert_allclose(read_transfer(tmp_path / f"{name}.npz", 3).to_dense(), MATRIX)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": MATRIX}, "its keys: x"),
        ({"matrix": MATRIX[0]}, "shape"),
        ({"matrix": sparse.dok_matrix(MATRIX)}, "dok_matrix"),
        ({"matrix": print}, "carries code"),
        ({"matrix": np.full((2, 3), np.nan)}, "not finite"),
        (3, "no transfer matrix"),
    ],
)
def test_other_files_are_no_transfer_matrices(tmp_path, content, message):
    path = tmp_path / "transfer.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match=message) as error:
        read_transfer(path, 3)
    assert "\n" not in str(error.value)


def test_motion_files_by_all_their_names():
    pose, shape = (part.numpy() for part in moves())
    motion = body_motion(
        {"poses": pose, "betas": shape[0], "trans": pose[:, :3], "gender": np.array("f")}, "a"
    )
    assert motion.shape.shape == (F, 10) and set(motion.gender) == {"female"}
    motion = body_motion({"pose": pose.reshape(F, 24, 3), "shape": shape}, "a", "male")
    np.testing.assert_array_equal(motion.pose, pose)
    assert not motion.transl.any() and set(motion.gender) == {"male"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pose": None}, "has no pose or poses"),
        ({"pose": np.zeros((3, 72))}, "do not fit each other"),
        ({"pose": np.zeros((0, 72))}, "do not fit each other"),
        ({"pose": "walk"}, "pose is no array of numbers"),
        ({"shape": np.full((F, 10), np.nan)}, "shape of frame 0 is not finite"),
        ({"transl": np.zeros((F, 2))}, "do not fit each other"),
        ({"gender": "robot"}, "gender is 'robot'; allowed: neutral, female, male"),
        ({"gender": ["male", "male"]}, "2 names for 12 frames"),
    ],
)
def test_motion_that_cannot_be_used(change, message):
    pose, shape = (part.numpy() for part in moves())
    with pytest.raises(UserError, match=message) as error:
        body_motion({"pose": pose, "shape": shape} | change, "walk.npz")
    assert str(error.value).startswith("walk.npz") and "\n" not in str(error.value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, smplx_like):
    """Two bodies, a transfer matrix and motions of the first."""
    folder = tmp_path_factory.mktemp("bodies")
    np.savez(folder / "SMPL_NEUTRAL.npz", **ARRAYS)
    np.savez(folder / "SMPLX_MALE.npz", **smplx_like.arrays)
    sparse.save_npz(folder / "transfer.npz", smplx_like.transfer)
    pose, shape = (part.numpy() for part in smplx_motion(smplx_like))
    np.savez(folder / "walk.npz", poses=pose, betas=shape[0], trans=np.ones((F, 3)), gender="male", fps=30)
    split = {
        "joint_2d": np.zeros((F, 17, 2)),
        "source": ["a"] * 4 + ["b"] * 8,
        "smpl_pose": pose,
        "smpl_shape": shape,
    }
    (folder / "mesh.pkl").write_bytes(pickle.dumps({"train": split, "note": {"by": "us"}}))
    return folder


def run(folder, *more: str, source: str = "SMPLX_MALE.npz") -> int:
    return convert_smpl.main(
        [
            "--source_body",
            str(folder / source),
            "--target_body",
            str(folder / "SMPL_NEUTRAL.npz"),
            "--device",
            "cpu",
            *more,
        ]
    )


def test_the_tool_converts_a_motion_file(folder, capsys, body, smplx_like):
    out = folder / "walk_smpl.npz"
    assert (
        run(
            folder,
            "--input",
            str(folder / "walk.npz"),
            "--out",
            str(out),
            "--transfer",
            str(folder / "transfer.npz"),
        )
        == 0
    )
    told = capsys.readouterr().out
    assert "transfer matrix" in told and "no frame over 10 mm" in told
    made = read_content(out)
    assert made["pose"].shape == (F, 72) and made["shape"].shape == (F, 10) and made["gender"] == "neutral"
    assert made["fps"] == 30
    pose, shape = smplx_motion(smplx_like)
    truth = torch.from_numpy(smplx_like.transfer.toarray()).float() @ BodyModel(
        smplx_like.arrays, name="like"
    )(pose, shape)
    at = (
        body(*(torch.from_numpy(made[key]) for key in ("pose", "shape")))
        + torch.from_numpy(made["transl"])[:, None]
    )
    np.testing.assert_allclose(1e3 * (at - truth - 1).norm(dim=-1).mean(1), made["error_mm"], atol=0.01)


def test_the_tool_rewrites_a_data_pickle(folder, capsys):
    out = folder / "mesh_smpl.pkl"
    options = [
        "--input",
        str(folder / "mesh.pkl"),
        "--out",
        str(out),
        "--limit_mm",
        "0.01",
        "--transfer",
        str(folder / "transfer.npz"),
    ]
    assert run(folder, *options) == 0
    told = capsys.readouterr().out
    assert "source a, frames 0-3\n" in told and "source b, frames 4-11\n" in told
    made = read_content(out)
    assert made["note"] == {"by": "us"} and made["train"]["source"][0] == "a"
    assert made["train"]["smpl_pose"].shape == (F, 72) and made["train"]["smpl_error_mm"].shape == (F,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--input", "none.npz", "--out", "a.npz"], "cannot read"),
        (["--input", "walk.npz", "--out", "a.txt"], "ends in .npz or .pkl"),
        (["--input", "mesh.pkl", "--out", "a.npz"], "must end in .pkl"),
        (["--input", "walk.npz", "--out", "a.npz", "--keypoints", "RTM-66"], "no rule for"),
        (["--input", "walk.npz", "--out", "a.npz", "--transfer", "walk.npz"], "no transfer matrix"),
    ],
)
def test_mistakes_are_one_line(folder, capsys, monkeypatch, options, message):
    monkeypatch.chdir(folder)
    assert run(folder, *options) == 2
    assert not (folder / "a.npz").exists()
    line = capsys.readouterr().err
    assert message in line and line.count("\n") == 1


def test_a_body_of_other_joints_is_named(folder, capsys):
    assert (
        run(
            folder,
            "--input",
            str(folder / "walk.npz"),
            "--out",
            str(folder / "a.npz"),
            source="SMPL_NEUTRAL.npz",
        )
        == 2
    )
    assert "is the neutral body, asked for male" in capsys.readouterr().err
    options = ["--input", str(folder / "mesh.pkl"), "--out", str(folder / "a.pkl")]
    assert run(folder, *options, source="SMPL_NEUTRAL.npz") == 2
    assert "165 numbers of pose a frame, body SMPL_NEUTRAL has 72" in capsys.readouterr().err


def test_runs_of_frames():
    assert convert_smpl.runs([3, 7, 8, 9, 20]) == "3, 7-9, 20"
    assert convert_smpl.runs(range(0, 100, 2)).endswith("38, and 30 more runs")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("foreign_mm", "curl"), [(0.0, 0.0), (2.0, 0.3)], ids=["same shapes", "2 mm and fingers apart"]
)
def test_errors_on_the_free_body(capsys, foreign_mm, curl):
    """100 frames from 55 joints to 24: prints the errors against the transferred vertices (run with -s)."""
    made = make_smplx_like(read_smpl(FREE_BODY), foreign_mm=foreign_mm)
    source, target = Body.of(BodyModel(made.arrays, name="like")), Body.of(load_body())
    pose, shape = smplx_motion(made, 100)
    pose[:, 75:] = curl * torch.randn(1, 90, generator=torch.Generator().manual_seed(0))
    transfer = transfer_of(made)
    truth = torch.stack([transfer @ vertices for vertices in source.model(pose, shape)])
    matches = [match_by_matrix(source, target, transfer), match_closest_points(source, target)]
    matches.append(match_keypoints(source, target, load_skeleton("RTM-66")))
    followed = matches[0].weights > 0.5
    for match, limit_mm in zip(matches, (1.5, 2, 3.5), strict=True):
        result = convert_motion(source, target, match, pose, shape)
        apart_mm = 1e3 * (target.model(result.pose, result.shape) + result.shift[:, None] - truth).norm(
            dim=-1
        )
        frames = apart_mm.mean(1)
        with capsys.disabled():
            print(
                f"\n{match.kind}: mean {frames.mean():.2f} mm, median {frames.median():.2f}, 95th percentile "
                f"{frames.quantile(0.95):.2f}, maximum {frames.max():.2f}; largest of a vertex {apart_mm.max():.1f}; "
                f"without fingers and face {apart_mm[:, followed].mean():.2f}; reported {result.error_mm.mean():.2f}"
            )
        assert apart_mm[:, followed].mean() < limit_mm + foreign_mm
