"""Errors of meshes: MotionBERT's figures, errors known beforehand, baselines."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lib import mesh_evaluation
from lib.body import BodyModel
from lib.body_regressor import KeypointRegressor
from lib.data.mesh_clips import MeshClips
from lib.data.motion import Motion
from lib.engine import Runtime
from lib.errors import UserError
from lib.geometry import axis_angle_to_matrix
from lib.mesh_evaluation import MESH_MEASURES, MeanMesh, common_joints, evaluate_mesh, mean_body, mesh_errors
from lib.metrics import mpve
from lib.model.DSTformer import DSTformer
from lib.model.mesh_regressor import MeshRegressor
from lib.skeleton import Skeleton, load_skeleton
from tests.example_body import make_example_body

GOLDEN = np.load(Path(__file__).parent / "data" / "golden" / "up_utils_mesh.npz", allow_pickle=False)
H36M = load_skeleton("H36M-17")
RTM66 = load_skeleton("RTM-66")
CPU = Runtime(torch.device("cpu"), 0, 1, "fp32")
NUM_FRAMES = 23


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel(make_example_body(), name="example")


@pytest.fixture(scope="module")
def regressor(body: BodyModel) -> KeypointRegressor:
    return make_regressor(body, H36M)


def make_regressor(body: BodyModel, skeleton: Skeleton) -> KeypointRegressor:
    matrix = np.random.default_rng(0).random((skeleton.num_joints, body.num_vertices)) ** 50
    return KeypointRegressor(body, skeleton, matrix / matrix.sum(1, keepdims=True))


def make_clips(skeleton: Skeleton = H36M, stride: int = 4, clip_len: int = 4) -> MeshClips:
    rng = np.random.default_rng(0)
    joints = skeleton.num_joints
    motion = Motion(
        joints_2d=rng.uniform(100, 900, (NUM_FRAMES, joints, 2)),
        confidence=np.ones((NUM_FRAMES, joints)),
        smpl_pose=rng.normal(0, 0.5, (NUM_FRAMES, 72)),
        smpl_shape=rng.normal(0, 1, (NUM_FRAMES, 10)),
        source=["a"] * 10 + ["b"] * (NUM_FRAMES - 10),
        camera="front",
        action=["lift"] * 10 + ["carry"] * (NUM_FRAMES - 10),
        size_px=np.array([1000, 1000]),
        skeleton=skeleton,
    )
    return MeshClips(motion, clip_len, stride)


class Answer(nn.Module):
    """Says the truth, its joints moved by ``off_mm`` (J,3) or (N,T,J,3), to clips asked for in their order."""

    def __init__(
        self, clips: MeshClips, body: BodyModel, regressor: KeypointRegressor, off_mm: Tensor | None = None
    ) -> None:
        super().__init__()
        batch = clips.batch(torch.arange(len(clips)))
        self.rotations = axis_angle_to_matrix(batch["pose"].unflatten(-1, (24, 3)))
        self.shape, self.body, self.asked = batch["shape"], body, 0
        self.joints = 1000 * regressor.of(body, self.rotations, self.shape)
        if off_mm is not None:
            self.joints = self.joints + off_mm

    def predict(self, x: Tensor, flip: bool) -> dict[str, Tensor]:
        rows = slice(self.asked, self.asked + len(x))
        self.asked += len(x)
        return {"rotations": self.rotations[rows], "shape": self.shape[rows], "kp_3d": self.joints[rows]}

    def vertices(self, output: dict[str, Tensor]) -> Tensor:
        return 1000 * self.body(output["rotations"], output["shape"])


def evaluate(model, clips, body, regressor, **options):
    options = {"batch_size": 2, "flip": False} | options
    return evaluate_mesh(model, clips, body, regressor, clips.skeleton, CPU, **options)


def test_as_motionbert():
    """Arrays drawn as the file says. MotionBERT's 14 joints are ours, relative to the pelvis as well."""
    rng = np.random.default_rng(77 + 17)
    vertices, joints = (300 * rng.standard_normal((3, num, 3)) for num in (6890, 17))
    noise = [20 * rng.standard_normal((3, num, 3)) for num in (6890, 17)]
    arrays = joints, joints + noise[1], vertices, vertices + noise[0]
    joints, true_joints, vertices, true_vertices = (torch.from_numpy(array).float() for array in arrays)
    found = mesh_errors(joints, true_joints, vertices, true_vertices, H36M, common_joints(H36M))
    names = {"mpve": "mpve", "mpjpe": "mpjpe_14", "pa_mpjpe": "pa_mpjpe_14"}
    for theirs, ours in {**names, "mpjpe_17j": "mpjpe", "pa_mpjpe_17j": "pa_mpjpe"}.items():
        expected = GOLDEN[f"metrics/0/evaluate_mesh/{theirs}"]
        np.testing.assert_allclose(found[f"{ours}_mm"].mean(), expected, rtol=1e-5)
    for number, name in enumerate(("mpjpe", "mpve")):
        expected = GOLDEN[f"metrics/0/compute_error_frames/{number}"]
        np.testing.assert_allclose(found[f"{name}_mm"], expected, rtol=1e-5)


@pytest.mark.parametrize("num_frames", [1, 70])
def test_vertex_error_in_numpy(num_frames: int):
    prediction, target = np.random.default_rng(0).normal(size=(2, num_frames, 9, 3))
    shift = np.full((num_frames, 1, 3), 0.1)
    expected = np.linalg.norm(prediction - target - shift, axis=-1).mean(-1)
    np.testing.assert_allclose(mpve(prediction, target, shift), expected)


def test_truth_has_no_error_wherever_it_stands(body: BodyModel, regressor: KeypointRegressor):
    clips = make_clips()
    found = evaluate(Answer(clips, body, regressor), clips, body, regressor)
    assert all(found[key] < 1e-2 for key in MESH_MEASURES)
    assert found["frames"] == NUM_FRAMES and found["approximate_joints"] == []


def test_one_joint_off(body: BodyModel, regressor: KeypointRegressor):
    """The root is none of the 14, and when it alone is off every other joint and vertex is."""
    clips = make_clips()
    for joint, expected in {"head": (1, 17 / 14, 0), "root": (16, 17, 17)}.items():
        off = torch.zeros(17, 3)
        off[H36M.index(joint), 1] = 17.0
        found = evaluate(Answer(clips, body, regressor, off), clips, body, regressor)
        given = [found[key] for key in ("mpjpe_mm", "mpjpe_14_mm", "mpve_mm")]
        np.testing.assert_allclose(given, expected, atol=0.01)


@pytest.mark.parametrize("stride", [2, 3, 4])
def test_means_over_frames_and_actions(body: BodyModel, regressor: KeypointRegressor, stride: int):
    """A frame has the mean of the errors of all clips that show it; each action has its own frames."""
    clips = make_clips(stride=stride)
    batch = clips.batch(torch.arange(len(clips)))
    error = torch.rand(batch["frames"].shape, dtype=torch.float64) * 100
    off = torch.zeros(*error.shape, 17, 3)
    off[..., H36M.index("head"), 0] = 17 * error.float()
    per_frame = np.array([error[batch["frames"] == frame].mean() for frame in range(NUM_FRAMES)])
    found = evaluate(Answer(clips, body, regressor, off), clips, body, regressor)
    means = [per_frame[:10].mean(), per_frame[10:].mean()]
    np.testing.assert_allclose(found["mpjpe_mm"], per_frame.mean(), atol=1e-3)
    np.testing.assert_allclose(
        [found["actions"][name]["mpjpe_mm"] for name in ("lift", "carry")], means, atol=1e-3
    )
    np.testing.assert_allclose(found["action_mean"]["mpjpe_mm"], np.mean(means), atol=1e-3)
    assert [found["actions"][name]["frames"] for name in ("lift", "carry")] == [10, NUM_FRAMES - 10]


def test_batches_do_not_matter(
    body: BodyModel, regressor: KeypointRegressor, monkeypatch: pytest.MonkeyPatch
):
    clips = make_clips()
    model = MeanMesh(*mean_body(clips.motion.smpl_pose, clips.motion.smpl_shape), body, regressor)
    expected = evaluate(model, clips, body, regressor, batch_size=50)
    monkeypatch.setattr(mesh_evaluation, "FRAMES_AT_ONCE", 7)
    found = evaluate(model, clips, body, regressor, batch_size=3)
    np.testing.assert_allclose(
        [found[key] for key in MESH_MEASURES], [expected[key] for key in MESH_MEASURES]
    )


@pytest.mark.parametrize("skeleton", [H36M, RTM66], ids=lambda skeleton: skeleton.name)
def test_a_model_with_and_without_flip(body: BodyModel, skeleton: Skeleton):
    clips, regressor = make_clips(skeleton), make_regressor(body, skeleton)
    torch.manual_seed(0)
    backbone = DSTformer(
        dim_feat=8, dim_rep=8, depth=1, num_heads=2, num_joints=skeleton.num_joints, maxlen=4
    )
    model = MeshRegressor(backbone, body, regressor, dim_rep=8, hidden_dim=16).train()
    plain, flipped = (evaluate(model, clips, body, regressor, flip=flip) for flip in (False, True))
    assert model.training
    assert all(0 < plain[key] < 3000 and plain[key] != flipped[key] for key in MESH_MEASURES)
    assert bool(plain["approximate_joints"]) == (skeleton is RTM66)


def test_mean_body_beats_one_that_is_not_the_mean(body: BodyModel, regressor: KeypointRegressor):
    clips = make_clips()
    rotations, shape = mean_body(clips.motion.smpl_pose, clips.motion.smpl_shape)
    torch.testing.assert_close(rotations.mT @ rotations, torch.eye(3).expand(24, 3, 3))
    turned = rotations.clone()
    turned[0] = axis_angle_to_matrix(torch.tensor([0.0, 1.0, 0.0])) @ rotations[0]
    errors = [
        evaluate(MeanMesh(pose, shape, body, regressor), clips, body, regressor)["mpve_mm"]
        for pose in (rotations, turned)
    ]
    assert 0 < errors[0] < errors[1]


def test_mean_pose_of_people_who_face_the_camera():
    pose = np.zeros((4, 72), np.float32)
    pose[:, 0] = np.pi - 0.1, 0.1 - np.pi, np.pi - 0.2, 0.2 - np.pi
    rotations, _ = mean_body(pose, np.zeros((4, 10), np.float32))
    torch.testing.assert_close(rotations[0], torch.diag(torch.tensor([1.0, -1.0, -1.0])), rtol=0, atol=1e-5)


def test_a_prediction_that_is_not_finite(body: BodyModel, regressor: KeypointRegressor):
    clips = make_clips()
    off = torch.zeros(len(clips), 4, 17, 3)
    off[0, 0] = torch.nan
    with pytest.raises(UserError, match=f"not finite on 1 of {NUM_FRAMES} frames"):
        evaluate(Answer(clips, body, regressor, off), clips, body, regressor)


def test_frames_in_no_clip(body: BodyModel, regressor: KeypointRegressor):
    clips = make_clips(stride=6)
    with pytest.raises(UserError, match="lie in no clip"):
        evaluate(Answer(clips, body, regressor), clips, body, regressor)


class TestCommonJoints:
    def test_of_h36m_are_its_own(self):
        matrix, approximate = common_joints(H36M)
        numbers = matrix.argmax(1).tolist()
        assert sorted(numbers) == [1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16] and not approximate
        assert (matrix.sum(1) == 1).all() and (matrix.max(1).values == 1).all()

    def test_of_markers_are_partly_made(self):
        matrix, approximate = common_joints(RTM66)
        assert matrix.shape == (14, 66) and approximate == ["neck_base", "head_top"]
        torch.testing.assert_close(matrix.sum(1), torch.ones(14, dtype=torch.float64))

    def test_of_hands_do_not_exist(self):
        assert common_joints(load_skeleton("Hand-21")) is None
