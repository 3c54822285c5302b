"""Rotations, alignment and flips: MotionBERT's values where they are right, and where they are not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lib import geometry
from lib.geometry import (
    axis_angle_to_matrix,
    flip_axis_angle,
    flip_pose,
    flip_rotations,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    matrix_to_rot6d,
    mean_rotation,
    nearest_rotation,
    procrustes_align,
    project,
    quaternion_to_axis_angle,
    quaternion_to_matrix,
    rot6d_to_matrix,
    similarity_transform,
)
from lib.skeleton import list_skeletons, load_skeleton

FOLDER = Path(__file__).parent / "data" / "golden"
GOLDEN = np.load(FOLDER / "up_utils_mesh.npz", allow_pickle=False)
GOLDEN_DATA = np.load(FOLDER / "up_utils_data.npz", allow_pickle=False)

# MotionBERT's function -> ours
SAME = {
    "rot6d_to_rotmat": rot6d_to_matrix,
    "rot6d_to_rotmat_spin": rot6d_to_matrix,  # the same in other words: ours has it once
    "batch_rodrigues": axis_angle_to_matrix,
    "quat2mat": quaternion_to_matrix,
    "rotation_matrix_to_angle_axis": matrix_to_axis_angle,
    "quaternion_to_angle_axis": quaternion_to_axis_angle,
}
# Tested below by name; errors of meshes ("metrics") where meshes are.
OTHERS = {"rotation_matrix_to_quaternion", "flip_thetas", "flip_thetas_batch"}
OTHERS |= {"rigid_transform_3D", "rigid_align", "rigid_align_reflect", "metrics"}


def random_rotations(num: int = 50, dtype: torch.dtype = torch.float64) -> Tensor:
    """Rotation matrices of all angles, half turns and the identity among them."""
    axis_angle = 3 * torch.randn(num, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    half_turns = torch.pi * torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0.6, 0.8, 0], [0, 0, 0]])
    return axis_angle_to_matrix(torch.cat([axis_angle, half_turns])).to(dtype)


@pytest.mark.parametrize("name", SAME)
def test_as_motionbert(name: str):
    values = torch.from_numpy(GOLDEN[f"{name}/input"]).requires_grad_()
    expected = GOLDEN[f"{name}/output"]
    output = SAME[name](values).reshape(expected.shape)
    np.testing.assert_allclose(output.detach(), expected, rtol=0, atol=1e-6)
    if f"{name}/grad" in GOLDEN:
        (output * torch.from_numpy(GOLDEN[f"{name}/weight"])).sum().backward()
        np.testing.assert_allclose(values.grad, GOLDEN[f"{name}/grad"], rtol=0, atol=1e-6)


def test_quaternion_as_motionbert_up_to_its_sign():
    found = matrix_to_quaternion(GOLDEN["rotation_matrix_to_quaternion/input"])
    expected = GOLDEN["rotation_matrix_to_quaternion/output"]
    sign = np.sign((found * expected).sum(-1, keepdims=True))
    np.testing.assert_allclose(found, sign * expected, atol=1e-6)
    assert (found[:, 0] >= 0).all() and (sign < 0).any()


def test_every_golden_function_is_accounted_for():
    assert {key.split("/")[0] for key in GOLDEN.files} == {*SAME, *OTHERS, "source"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_there_and_back(dtype: torch.dtype):
    matrix = random_rotations(dtype=dtype)
    tolerance = dict(rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-7)
    torch.testing.assert_close(quaternion_to_matrix(matrix_to_quaternion(matrix)), matrix, **tolerance)
    torch.testing.assert_close(axis_angle_to_matrix(matrix_to_axis_angle(matrix)), matrix, **tolerance)
    torch.testing.assert_close(rot6d_to_matrix(matrix_to_rot6d(matrix)), matrix, **tolerance)
    identity = torch.eye(3, dtype=dtype).expand_as(matrix)
    torch.testing.assert_close(matrix @ matrix.mT, identity, **tolerance)
    assert (torch.linalg.det(matrix) > 0).all()
    assert matrix_to_axis_angle(matrix).norm(dim=-1).max() <= torch.pi + 1e-5


@pytest.mark.parametrize("length", [0, 1e-12, 1e-8, 1e-5, 9e-5, 1.1e-4, 1e-3, 0.1, 3.14159, 6, 20])
def test_axis_angle_is_the_matrix_exponential(length: float):
    vector = torch.tensor([0.6, -0.48, 0.64], dtype=torch.float64) * length
    expected = torch.matrix_exp(geometry.cross_matrix(vector))
    torch.testing.assert_close(axis_angle_to_matrix(vector), expected, rtol=0, atol=1e-12)
    slope = torch.autograd.functional.jacobian(axis_angle_to_matrix, vector)
    expected_slope = torch.autograd.functional.jacobian(
        lambda vector: torch.matrix_exp(geometry.cross_matrix(vector)), vector
    )
    torch.testing.assert_close(slope, expected_slope, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    "function", [*SAME.values(), matrix_to_quaternion], ids=lambda function: function.__name__
)
@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-12, 1e-5])
def test_gradients_are_finite_near_zero_and_identity(function, size: float):
    """MotionBERT's have NaN there: the rest pose of a body is the identity."""
    noise = torch.randn(20, 9, generator=torch.Generator().manual_seed(0)) * size
    starts = {
        axis_angle_to_matrix: noise[:, :3],
        rot6d_to_matrix: noise[:, :6],
        quaternion_to_matrix: noise[:, :4],
        quaternion_to_axis_angle: noise[:, :4] + torch.tensor([1.0, 0, 0, 0]),
    }
    start = starts.get(function, noise.view(20, 3, 3) + torch.eye(3)).requires_grad_()
    result = function(start)
    result.square().sum().backward()
    assert result.isfinite().all() and start.grad.isfinite().all()


def test_numpy_in_numpy_out():
    matrix = random_rotations().numpy()
    points = np.random.default_rng(0).normal(size=(2, 4, 7, 3))
    calls = [
        (rot6d_to_matrix, matrix[:, :2].reshape(-1, 6)),
        (matrix_to_rot6d, matrix),
        (matrix_to_quaternion, matrix),
        (matrix_to_axis_angle, matrix),
        (axis_angle_to_matrix, points),
        (quaternion_to_matrix, np.ones((5, 4))),
        (procrustes_align, points, points[::-1]),
        (flip_pose, points, np.arange(7)[::-1]),
        (flip_axis_angle, points, np.arange(7)[::-1]),
        (project, points, np.array([900.0, 900.0]), np.array([500.0, 400.0])),
    ]
    for function, *arguments in calls:
        before = [argument.copy() for argument in arguments]
        result = function(*arguments)
        assert isinstance(result, np.ndarray) and result.dtype == np.float64
        tensors = [torch.tensor(argument.copy()) for argument in arguments]
        np.testing.assert_array_equal(result, function(*tensors).numpy())
        mixed = function(tensors[0].float(), *arguments[1:])
        assert mixed.dtype == torch.float32
        np.testing.assert_allclose(mixed, result, rtol=1e-3, atol=1e-5)
        for argument, copy in zip(arguments, before, strict=True):
            np.testing.assert_array_equal(argument, copy)


def test_rigid_transform_as_motionbert():
    scale, rotation, shift = similarity_transform(
        GOLDEN["rigid_transform_3D/0"], GOLDEN["rigid_transform_3D/1"]
    )
    for found, row in ((scale, 0), (rotation, 1), (shift, 2)):
        np.testing.assert_allclose(found, GOLDEN[f"rigid_transform_3D/2/{row}"], atol=1e-12)
    for name in ("rigid_align", "rigid_align_reflect"):
        found = procrustes_align(GOLDEN[f"{name}/0"], GOLDEN[f"{name}/1"])
        np.testing.assert_allclose(found, GOLDEN[f"{name}/2"], atol=1e-12)


def test_similarity_is_found_again():
    rng = np.random.default_rng(0)
    source = rng.normal(size=(55, 10, 3))
    scale, rotation, shift = rng.uniform(0.1, 5, 55), random_rotations().numpy(), rng.normal(size=(55, 3))
    target = scale[:, None, None] * source @ rotation.swapaxes(-1, -2) + shift[:, None]
    found = similarity_transform(source, target)
    for one, other in zip(found, (scale, rotation, shift), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_alignment_of_points_without_extent_or_without_value():
    source = np.random.default_rng(0).normal(size=(3, 5, 3))
    target = source + 1
    source[0], source[1, 2, 1] = 4, np.nan
    aligned = procrustes_align(source, target)
    np.testing.assert_allclose(aligned[0], target[0].mean(0) + np.zeros((5, 3)))
    assert np.isnan(aligned[1]).all()
    np.testing.assert_allclose(aligned[2], target[2])


def test_flat_points_are_turned_and_not_mirrored():
    flat = np.random.default_rng(0).normal(size=(8, 3)) * [1, 1, 0]
    _, rotation, _ = similarity_transform(flat, flat * [-1, 1, 1])
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_allclose(procrustes_align(flat, flat * [-1, 1, 1]), flat * [-1, 1, 1], atol=1e-12)


@pytest.mark.parametrize("kind", ["2d", "3d"])
def test_flip_as_motionbert(kind: str):
    flip_idx = load_skeleton("H36M-17").flip_idx
    values = GOLDEN_DATA[f"flip/H36M/{kind}/input"]
    np.testing.assert_array_equal(flip_pose(values, flip_idx), GOLDEN_DATA[f"flip/H36M/{kind}/output"])


@pytest.mark.parametrize("name", list_skeletons())
def test_flip_twice_is_nothing(name: str):
    skeleton = load_skeleton(name)
    pose = torch.randn(2, 3, skeleton.num_joints, 3)
    flipped = flip_pose(pose, skeleton.flip_idx)
    assert not torch.equal(flipped, pose)
    assert torch.equal(flip_pose(flipped, skeleton.flip_idx), pose)
    assert torch.equal(flip_axis_angle(flip_axis_angle(pose, skeleton.flip_idx), skeleton.flip_idx), pose)


def test_flip_of_body_rotations_as_motionbert():
    flip_idx = load_skeleton("SMPL-24").flip_idx
    found = flip_axis_angle(GOLDEN["flip_thetas/0"], flip_idx)
    np.testing.assert_array_equal(found, GOLDEN["flip_thetas/1"])
    found = flip_axis_angle(GOLDEN["flip_thetas_batch/0"].reshape(2, 5, 24, 3), flip_idx)
    np.testing.assert_array_equal(found.reshape(2, 5, 72), GOLDEN["flip_thetas_batch/1"])


def test_a_flipped_rotation_turns_flipped_points():
    vector, point = torch.randn(2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    turned = (axis_angle_to_matrix(vector) @ point.unsqueeze(-1)).squeeze(-1)
    alone = np.arange(4)
    mirrored = axis_angle_to_matrix(flip_axis_angle(vector, alone)) @ flip_pose(point, alone).unsqueeze(-1)
    torch.testing.assert_close(mirrored.squeeze(-1), flip_pose(turned, alone))


def test_flip_of_matrices_is_that_of_vectors():
    flip_idx = load_skeleton("SMPL-24").flip_idx
    vectors = torch.from_numpy(GOLDEN["flip_thetas/0"]).double()
    flipped = axis_angle_to_matrix(flip_axis_angle(vectors, flip_idx))
    torch.testing.assert_close(flip_rotations(axis_angle_to_matrix(vectors), flip_idx), flipped)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_mean_of_turns_about_one_axis(count: int):
    """About x to just before and just behind half a turn, as a body before the camera has it: the mean is between."""
    angles = np.pi + np.array([[0.3], [-0.2], [0.4], [-0.1]])[:count]
    rotations = axis_angle_to_matrix((angles + 2 * np.pi) % (2 * np.pi) * [1.0, 0.0, 0.0])
    sine, cosine = np.sin(angles).sum(), np.cos(angles).sum()
    expected = axis_angle_to_matrix(np.arctan2(sine, cosine) * np.array([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(mean_rotation(rotations), expected, atol=1e-12)


def test_mean_of_two_is_halfway_and_of_least_squared_difference():
    first = random_rotations()
    second = first.roll(1, 0)
    pairs = torch.stack([first, second], dim=-3)
    mean = mean_rotation(pairs)
    apart = matrix_to_axis_angle(first.mT @ second).norm(dim=-1)
    for end in (first, second):
        torch.testing.assert_close(
            matrix_to_axis_angle(end.mT @ mean).norm(dim=-1), apart / 2, rtol=0, atol=1e-6
        )
    unique = apart < torch.pi - 1e-3  # half a turn apart there are two means
    torch.testing.assert_close(mean[unique], nearest_rotation(pairs.mean(-3))[unique])
    torch.testing.assert_close(torch.linalg.det(mean), torch.ones(len(mean), dtype=torch.float64))


def test_nearest_rotation():
    rotations = random_rotations()
    torch.testing.assert_close(nearest_rotation(2 * rotations), rotations)
    mirrored = nearest_rotation(torch.diag(torch.tensor([1.0, 1.0, -0.1])))
    torch.testing.assert_close(mirrored, torch.eye(3))


def test_project():
    points = np.array([[0.0, 0.0, 2.0], [1.0, -1.0, 2.0]])
    np.testing.assert_allclose(project(points, [100.0, 200.0], [50.0, 40.0]), [[50, 40], [100, -60]])
