"""Mesh regressor: MotionBERT's numbers and names, its checkpoints, mirror and batch normalisation."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lib.body import BodyModel
from lib.body_regressor import KeypointRegressor
from lib.errors import UserError
from lib.geometry import axis_angle_to_matrix, flip_pose, flip_rotations, matrix_to_axis_angle
from lib.model.batch_norm import BatchNorm, set_batch_norm
from lib.model.DSTformer import DSTformer
from lib.model.mesh_regressor import MeshRegressor, load_mesh_weights
from lib.skeleton import Skeleton, load_skeleton
from tests.example_body import make_example_body

GOLDEN = np.load(Path(__file__).parent / "data" / "golden" / "up_mesh_model.npz", allow_pickle=False)
H36M = load_skeleton("H36M-17")
RTM66 = load_skeleton("RTM-66")
DIM_REP = 8


def make_regressor(body: BodyModel, skeleton: Skeleton, seed: int = 0) -> KeypointRegressor:
    """Joints that are means of a few vertices."""
    matrix = np.random.default_rng(seed).random((skeleton.num_joints, body.num_vertices)) ** 50
    return KeypointRegressor(body, skeleton, matrix / matrix.sum(1, keepdims=True))


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel(make_example_body(), name="example")


def make_model(body: BodyModel, skeleton: Skeleton = H36M, seed: int = 0, dim_in: int = 3) -> MeshRegressor:
    torch.manual_seed(seed)
    sizes = {"dim_feat": 8, "dim_rep": DIM_REP, "depth": 1, "num_heads": 2, "maxlen": 9}
    backbone = DSTformer(dim_in=dim_in, num_joints=skeleton.num_joints, **sizes)
    regressor = make_regressor(body, skeleton)
    model = MeshRegressor(backbone, body, regressor, dim_rep=DIM_REP, hidden_dim=16)
    for layer in (model.head.head_pose, model.head.head_shape):  # or all poses were nearly alike
        nn.init.normal_(layer.weight, std=0.3)
    return model


def clip(skeleton: Skeleton, clips: int = 2, frames: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(clips, frames, skeleton.num_joints, 3, generator=torch.Generator().manual_seed(seed))


def golden_weights() -> dict[str, Tensor]:
    keys = [key for key in GOLDEN.files if "/state_dict/" in key]
    return {key.split("/")[-1]: torch.from_numpy(GOLDEN[key]) for key in keys}


def golden_head(model: MeshRegressor) -> nn.Module:
    """The head with MotionBERT's weights. The file lacks the start: the shape's is what is left over."""
    missing = model.head.load_state_dict(golden_weights(), strict=False)
    assert not missing.unexpected_keys
    assert {name for name in missing.missing_keys if "num_batches" not in name} == {"init_pose", "init_shape"}
    model.head.eval()
    features = torch.from_numpy(GOLDEN["cases/0/feat"])
    shape = model.head(features)[1].reshape(-1, 10)
    model.head.init_shape += (torch.from_numpy(GOLDEN["cases/0/theta"])[:1, 72:] - shape[:1]).detach()
    return model.head


def test_theta_as_motionbert(body: BodyModel):
    """Both clips and all frames with a start of one constant; the pose's start is ours: identity, root about x."""
    model = make_model(body)
    rotations, shape = golden_head(model)(torch.from_numpy(GOLDEN["cases/0/feat"]))
    theta = model.mesh_of(rotations, shape)["theta"].reshape(6, 82).detach()
    np.testing.assert_allclose(theta, GOLDEN["cases/0/theta"], rtol=0, atol=1e-5)


def test_an_untrained_body_stands_upright_before_the_camera(body: BodyModel):
    model = MeshRegressor(make_model(body).backbone, body, make_regressor(body, H36M), DIM_REP, 16).eval()
    theta = model(clip(H36M))["theta"]
    assert torch.allclose(theta[..., :3].abs(), torch.tensor([torch.pi, 0, 0]), atol=0.2)
    assert theta[..., 3:].abs().max() < 0.2


@pytest.mark.parametrize("skeleton", [H36M, RTM66], ids=lambda skeleton: skeleton.name)
def test_shapes_and_units(body: BodyModel, skeleton: Skeleton):
    model = make_model(body, skeleton).eval()
    output = model(clip(skeleton))
    joints, vertices = output["kp_3d"], model.vertices(output)
    assert output["theta"].shape == (2, 4, 82) and output["rotations"].shape == (2, 4, 24, 3, 3)
    assert joints.shape == (2, 4, skeleton.num_joints, 3) and vertices.shape == (2, 4, 400, 3)
    torch.testing.assert_close(joints, model.regressor(vertices), rtol=0, atol=0.01)
    pose = matrix_to_axis_angle(output["rotations"]).flatten(-2)
    torch.testing.assert_close(output["theta"], torch.cat([pose, output["shape"]], -1))
    height_mm = vertices[..., 1].amax(-1) - vertices[..., 1].amin(-1)
    assert 500 < height_mm.mean() < 3000


def test_gradients_are_finite_at_the_start(body: BodyModel):
    """All rotations the identity, the root half a turn: where axis-angle has its edges."""
    model = make_model(body)
    for layer in (model.head.head_pose, model.head.head_shape):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    output = model(clip(H36M))
    (output["theta"].norm(dim=-1).mean() + output["kp_3d"].square().mean()).backward()
    gradient = model.head.head_pose.bias.grad
    assert gradient.isfinite().all() and gradient.abs().max() > 0


def test_half_precision_stops_before_the_body(body: BodyModel):
    """Rotations made in bfloat16 are none, and millimetres in it are steps of 8."""
    model = make_model(body).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(clip(H36M))
        vertices = model.vertices(output)
    assert {value.dtype for value in (*output.values(), vertices)} == {torch.float32}
    rotations = output["rotations"]
    torch.testing.assert_close(rotations.mT @ rotations, torch.eye(3).expand_as(rotations))
    assert output["kp_3d"].equal(model.mesh_of(rotations, output["shape"])["kp_3d"])


def test_one_shape_a_clip(body: BodyModel):
    shape = make_model(body).eval()(clip(H36M))["shape"]
    assert (shape == shape[:, :1]).all() and (shape[0] != shape[1]).all()


def test_no_weights_but_those_that_train(body: BodyModel):
    model = make_model(body)
    names = set(model.state_dict())
    assert {name.split(".")[0] for name in names} == {"backbone", "head"}
    assert {name.split(".")[1] for name in names if name.startswith("head.")} == {
        *("fc1", "fc2", "bn1", "bn2", "head_pose", "head_shape", "init_pose", "init_shape")
    }
    model(clip(H36M))["kp_3d"].sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("channels", [2, 3])
def test_flip_is_its_own_mirror(body: BodyModel, channels: int):
    model = make_model(body, RTM66, dim_in=channels).eval()
    x = clip(RTM66)[..., :channels]
    here = model.predict(x, flip=True)
    there = model.predict(flip_pose(x, RTM66.flip_idx), flip=True)
    mirrored = flip_rotations(here["rotations"], model.body_flip_idx)
    torch.testing.assert_close(there["rotations"], mirrored, rtol=0, atol=1e-4)
    torch.testing.assert_close(there["shape"], here["shape"])
    plain = model.predict(x, flip=False)
    torch.testing.assert_close(plain["rotations"], model(x)["rotations"])
    assert (plain["rotations"] - here["rotations"]).abs().max() > 0.01
    smpl = load_skeleton("SMPL-24")
    assert model.body_flip_idx.tolist() == smpl.flip_idx.tolist()


def test_a_body_that_faces_the_camera_stays_upright_under_flip(
    body: BodyModel, monkeypatch: pytest.MonkeyPatch
):
    """Leaning a little forwards, and seen in the mirror a little backwards: opposite vectors, nearly one rotation."""
    model = make_model(body)
    angles = iter([np.pi - 0.1, 0.1 - np.pi])

    def body_parameters(x: Tensor) -> tuple[Tensor, Tensor]:
        vectors = torch.zeros(2, 4, 24, 3)
        vectors[..., 0, 0] = next(angles)
        return axis_angle_to_matrix(vectors), torch.zeros(2, 4, 10)

    monkeypatch.setattr(model, "body_parameters", body_parameters)
    root = model.predict(clip(H36M), flip=True)["rotations"][:, :, 0]
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0])).expand_as(root)
    torch.testing.assert_close(root, upright, rtol=0, atol=1e-5)


def without(weights: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name: value for name, value in weights.items() if part not in name}


class TestCheckpoints:
    """Mesh and pose checkpoints of MotionBERT, and of other joint formats."""

    @staticmethod
    def load(model: MeshRegressor, weights: dict[str, Tensor], **options) -> list[str]:
        return load_mesh_weights(model, weights, skeleton=model.regressor.skeleton, **options)

    @pytest.mark.parametrize(
        "extra", [[], ["smpl.betas"], ["smpl.J_regressor_h36m", "smpl.faces", "J_regressor"]]
    )
    def test_any_number_of_body_arrays(self, body: BodyModel, extra: list[str]):
        source, model = make_model(body, seed=1), make_model(body)
        weights = source.state_dict() | {f"head.{name}": torch.zeros(3) for name in extra}
        weights |= {"backbone.head.weight": torch.zeros(3, DIM_REP), "backbone.head.bias": torch.zeros(3)}
        lines = self.load(model, weights)
        assert sum("not needed" in line for line in lines) == bool(extra)
        for name, value in source.state_dict().items():
            assert torch.equal(model.state_dict()[name], value)

    def test_old_files_lack_the_counters(self, body: BodyModel):
        weights = make_model(body).state_dict()
        self.load(make_model(body, seed=1), without(weights, "num_batches_tracked"))

    def test_pose_checkpoint_fills_the_backbone(self, body: BodyModel):
        source, model = make_model(body, seed=1), make_model(body)
        weights = source.backbone.state_dict() | {
            "head.weight": torch.zeros(3, 8),
            "head.bias": torch.zeros(3),
        }
        before = model.head.fc1.weight.clone()
        lines = self.load(model, weights)
        assert torch.equal(model.backbone.joints_embed.weight, source.backbone.joints_embed.weight)
        assert torch.equal(model.head.fc1.weight, before)
        assert any("mesh head starts anew" in line for line in lines)

    def test_misfits_are_refused(self, body: BodyModel):
        weights = make_model(body).state_dict()
        with pytest.raises(UserError, match="fc1"):
            self.load(make_model(body), weights | {"head.fc1.weight": torch.zeros(16, 4)})
        with pytest.raises(UserError, match="init_pose"):
            self.load(make_model(body), without(weights, "init_pose"))
        with pytest.raises(UserError, match="another mesh model: it holds backbone, decoder, head"):
            self.load(make_model(body), weights | {"decoder.weight": torch.zeros(1)})
        with pytest.raises(UserError, match="discard_last_layer"):
            self.load(make_model(body, RTM66), weights)

    def test_backbone_of_another_format(self, body: BodyModel):
        source, model = make_model(body, seed=1), make_model(body, RTM66)
        for weights in (source.state_dict(), source.backbone.state_dict()):
            lines = self.load(model, weights, source_skeleton=H36M, discard_last_layer=True)
            assert any("backbone.pos_embed: 12 rows" in line for line in lines)
            row, source_row = RTM66.index_canonical("left_knee"), H36M.index_canonical("left_knee")
            assert torch.equal(model.backbone.pos_embed[0, row], source.backbone.pos_embed[0, source_row])
        assert torch.equal(model.head.head_pose.weight, source.head.head_pose.weight)


def test_parts_that_do_not_fit(body: BodyModel):
    backbone = make_model(body).backbone
    with pytest.raises(UserError, match=r"built for 17 joints.*66 of RTM-66"):
        MeshRegressor(backbone, body, make_regressor(body, RTM66), DIM_REP, 16)
    other = BodyModel(make_example_body(500), name="other")
    with pytest.raises(UserError, match="500 vertices, example has 400"):
        MeshRegressor(backbone, body, make_regressor(other, H36M), DIM_REP, 16)


def test_a_batch_of_one_clip_takes_the_running_statistics(body: BodyModel):
    model = make_model(body).train()
    model(clip(H36M))
    before = model.head.bn2.running_mean.clone()
    one = clip(H36M, clips=1)
    shape = model(one)["shape"]
    assert torch.equal(model.head.bn2.running_mean, before)
    torch.testing.assert_close(shape, model.eval()(one)["shape"])
    assert shape.isfinite().all()


def test_frozen_statistics_stay(body: BodyModel):
    model = make_model(body).train()
    set_batch_norm(model, "running")
    output = model(clip(H36M))
    assert (model.head.bn1.running_mean == 0).all()
    output["kp_3d"].sum().backward()
    assert model.head.bn1.weight.grad.abs().sum() > 0
    torch.testing.assert_close(output["theta"], model.eval()(clip(H36M))["theta"])


def normalize_share(rank: int, folder: str) -> None:
    """One of two processes normalizes its rows and saves what came out."""
    meet = {"init_method": f"file://{folder}/meet", "timeout": timedelta(minutes=2)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2, **meet)
    try:
        layer, x, weight = batch_norm_case()
        set_batch_norm(layer, "all_processes")
        rows = slice(0, 1) if rank == 0 else slice(1, None)
        x = x[rows].clone().requires_grad_()
        y = layer(x)
        (y * weight[rows]).sum().backward()
        torch.save((y.detach(), x.grad, layer.running_mean, layer.running_var), f"{folder}/{rank}.pt")
    finally:
        torch.distributed.destroy_process_group()


def batch_norm_case() -> tuple[BatchNorm, Tensor, Tensor]:
    x, weight = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    return BatchNorm(3), 100 + 5 * x, weight


def test_statistics_of_all_processes_are_those_of_the_whole_batch(tmp_path: Path):
    other = torch.multiprocessing.get_context("spawn").Process(
        target=normalize_share, args=(1, str(tmp_path))
    )
    other.start()
    normalize_share(0, str(tmp_path))
    other.join()
    layer, x, weight = batch_norm_case()
    x.requires_grad_()
    y = nn.functional.batch_norm(x, layer.running_mean, layer.running_var, training=True)
    (y * weight).sum().backward()
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    torch.testing.assert_close(torch.cat([part[0] for part in parts]), y.detach(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(torch.cat([part[1] for part in parts]), x.grad, rtol=1e-3, atol=1e-5)
    for part in parts:
        torch.testing.assert_close(part[2:], (layer.running_mean, layer.running_var))
