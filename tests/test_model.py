"""DSTformer: MotionBERT's numbers, and what ours adds to it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lib.errors import UserError
from lib.model import layers
from lib.model.DSTformer import DSTformer
from lib.model.layers import Attention, StochasticDepth
from lib.model.lean_linear import linear_behind
from lib.skeleton import load_skeleton
from tools.benchmark_model import make_plain

GOLDEN = Path(__file__).parent / "data" / "golden"
NAMES = ["nofuse", "noconf_dimin2", "head0", "j21"]
SMALL = dict(dim_feat=32, dim_rep=48, depth=2, num_heads=4, mlp_ratio=2, num_joints=17, maxlen=27)
LARGEST_DIFFERENCE = 1e-5


def golden(name: str, **changes: bool) -> tuple[DSTformer, dict[str, np.ndarray]]:
    """The model of the file with its weights, and the file."""
    values = dict(np.load(GOLDEN / f"dstformer_{name}.npz", allow_pickle=False))
    config = {key[7:]: value.item() for key, value in values.items() if key.startswith("config/")}
    assert config.pop("norm_eps", 1e-6) == 1e-6
    model = DSTformer(**config, **changes)
    state = {
        key[11:]: torch.from_numpy(value) for key, value in values.items() if key.startswith("state_dict/")
    }
    if state:
        model.load_state_dict(state)
    return model, values


def clip(clips: int = 2, frames: int = 9, joints: int = 17, channels: int = 3, seed: int = 0) -> Tensor:
    return torch.randn(clips, frames, joints, channels, generator=torch.Generator().manual_seed(seed))


def gradients(model: nn.Module, x: Tensor, seed: int = 0) -> list[Tensor]:
    """Of the input and of every parameter, for a loss that no symmetry of the model cancels."""
    model.zero_grad()
    x = x.clone().requires_grad_()
    torch.manual_seed(seed)
    output = model(x)
    (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum().backward()
    return [x.grad, *(parameter.grad.clone() for parameter in model.parameters())]


def rough(model: DSTformer) -> DSTformer:
    """Larger weights than at the start, so that every part shows in the output."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    return model


@pytest.mark.parametrize("name", NAMES)
def test_output_and_representation_as_motionbert(name: str):
    model, values = golden(name)
    num_cases = sum(key.endswith("/input") and key.startswith("cases/") for key in values)
    assert num_cases > 0
    for case in range(num_cases):
        x = torch.from_numpy(values[f"cases/{case}/input"])
        for output, key in ((model(x), "output"), (model(x, return_rep=True), "rep")):
            expected = values[f"cases/{case}/{key}"]
            np.testing.assert_allclose(output.detach(), expected, rtol=0, atol=LARGEST_DIFFERENCE)
        torch.testing.assert_close(model.get_representation(x), model(x, return_rep=True), rtol=0, atol=0)


@pytest.mark.parametrize("activation_checkpointing", [False, True])
def test_gradients_as_motionbert(activation_checkpointing: bool):
    model, values = golden("nofuse", activation_checkpointing=activation_checkpointing)
    x = torch.from_numpy(values["grad/input"]).requires_grad_()
    loss = (model(x) * torch.from_numpy(values["grad/weight"])).sum()
    loss.backward()
    np.testing.assert_allclose(loss.item(), values["grad/loss"], rtol=1e-5)
    np.testing.assert_allclose(x.grad, values["grad/grad_input"], rtol=1e-4, atol=LARGEST_DIFFERENCE)
    for name, parameter in model.named_parameters():
        expected = values[f"grad/grads/{name}"]
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(
            parameter.grad, expected, rtol=0, atol=LARGEST_DIFFERENCE * scale, err_msg=name
        )


@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes_as_motionbert(name: str):
    model, values = golden(name)
    expected = {key[11:]: value.shape for key, value in values.items() if key.startswith("state_dict/")}
    assert {key: tuple(value.shape) for key, value in model.state_dict().items()} == expected


def test_initial_weights_as_motionbert():
    torch.manual_seed(int(np.load(GOLDEN / "dstformer_init_stats.npz")["torch_seed"]))
    model, values = golden("init_stats")
    assert {key.split("/")[1] for key in values if key.startswith("stats/")} == set(model.state_dict())
    for name, parameter in model.named_parameters():
        shape, mean, deviation, largest = (values[f"stats/{name}/{row}"] for row in range(4))
        assert tuple(shape) == parameter.shape
        found = [parameter.mean().item(), parameter.std().item(), parameter.abs().max().item()]
        np.testing.assert_allclose(found, [mean, deviation, largest], rtol=1e-5, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("over", ["joints", "frames"])
@pytest.mark.parametrize("size", [5, 40])  # written out and fused, on a CPU
@pytest.mark.parametrize("qkv_bias", [False, True])
@pytest.mark.parametrize("qk_scale", [None, 0.7])
def test_attention_is_softmax_attention(over: str, size: int, qkv_bias: bool, qk_scale: float | None):
    torch.manual_seed(0)
    attention = Attention(8, 2, qkv_bias, qk_scale, 0.0, 0.0, over)
    norm = nn.LayerNorm(8)
    T, J = (size, 3) if over == "frames" else (3, size)
    x = torch.randn(2, T, J, 8)
    query, key, value = attention.qkv(norm(x)).view(2, T, J, 3, 2, 4).permute(3, 0, 4, 1, 2, 5)  # 3,N,H,T,J,D
    if over == "frames":
        query, key, value = (part.transpose(2, 3) for part in (query, key, value))
    weights = (query @ key.transpose(-2, -1) * (qk_scale or 4**-0.5)).softmax(-1)
    mixed = weights @ value
    if over == "frames":
        mixed = mixed.transpose(2, 3)
    expected = attention.proj(mixed.permute(0, 2, 3, 1, 4).reshape(2, T, J, 8))
    torch.testing.assert_close(attention(x, norm), expected)


def test_the_benchmark_compares_with_the_same_model():
    model = rough(DSTformer(**SMALL))
    expected, output = gradients(model, clip()), model(clip())
    make_plain(model)
    torch.testing.assert_close(model(clip()), output, rtol=1e-4, atol=1e-5)
    for one, other in zip(gradients(model, clip()), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("key", ["drop_rate", "attn_drop_rate", "drop_path_rate"])
def test_dropout_draws_in_training_only(key: str):
    model = rough(DSTformer(**SMALL, **{key: 0.4}))
    plain = rough(DSTformer(**SMALL))
    x = clip()
    torch.manual_seed(0)
    first, second = model(x), model(x)
    assert not torch.allclose(first, second)
    assert first.isfinite().all()
    torch.testing.assert_close(model.eval()(x), plain(x))


@pytest.mark.parametrize("rates", [{}, dict(drop_rate=0.2, attn_drop_rate=0.2, drop_path_rate=0.5)])
def test_recomputation_changes_no_gradient(rates: dict[str, float]):
    x = clip()
    expected = gradients(rough(DSTformer(**SMALL, **rates)), x, seed=3)
    found = gradients(rough(DSTformer(**SMALL, **rates, activation_checkpointing=True)), x, seed=3)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


class Watch(TorchDispatchMode):
    """Notes every tensor that is made, and tells how many bytes of them are still held."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                self.made[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        return result

    def held_bytes(self) -> int:
        return sum(num_bytes for reference, num_bytes in self.made.values() if not reference.expired())


def bytes_for_backward(model: nn.Module) -> int:
    with Watch() as watch:
        output = model(clip(4, 27))
        assert output.requires_grad
        return watch.held_bytes()


def test_memory_kept_for_the_backward_pass(monkeypatch):
    sizes = SMALL | {"mlp_ratio": 4}
    lean = bytes_for_backward(DSTformer(**sizes))
    recomputing = bytes_for_backward(DSTformer(**sizes, activation_checkpointing=True))

    def plain(*arguments, **how):
        return linear_behind(*arguments, **how | {"lean": False})

    monkeypatch.setattr(layers, "linear_behind", plain)
    everything = bytes_for_backward(DSTformer(**sizes))
    assert lean < 0.7 * everything
    assert recomputing < 0.35 * lean


def test_stochastic_depth_is_drawn_per_clip():
    depth = StochasticDepth(0.5)
    torch.manual_seed(0)
    branch = depth(torch.ones(200, 4, 3, 2))
    per_clip = branch.flatten(1)
    assert (per_clip == per_clip[:, :1]).all()
    assert set(per_clip[:, 0].tolist()) == {0.0, 2.0}
    assert 0.3 < (per_clip[:, 0] == 0).float().mean() < 0.7
    assert torch.equal(depth.eval()(branch), branch)


def test_deeper_blocks_are_left_out_more_often():
    model = DSTformer(**SMALL | {"depth": 3}, drop_path_rate=0.2)
    for blocks in (model.blocks_st, model.blocks_ts):
        assert [block.drop_path.rate for block in blocks] == pytest.approx([0, 0.1, 0.2])


@pytest.mark.parametrize(
    "name", ["H36M-17", "COCO-17", "RTM-66"]
)  # root: a joint, a mean of joints, another joint
def test_input_residual_adds_the_root_relative_input(name: str):
    skeleton = load_skeleton(name)
    config = SMALL | {"num_joints": skeleton.num_joints}
    plain = rough(DSTformer(**config))
    model = rough(DSTformer(**config, input_residual=True, root_weights=skeleton.root_weights))
    x = clip(joints=skeleton.num_joints)
    added = model(x) - plain(x)
    torch.testing.assert_close(added[..., :2], (x - skeleton.root_of(x))[..., :2], rtol=1e-4, atol=1e-5)
    assert (added[..., 2] == 0).all()
    torch.testing.assert_close(model.get_representation(x), plain.get_representation(x))
    assert model.state_dict().keys() == plain.state_dict().keys()


def test_input_residual_keeps_its_precision_under_autocast():
    skeleton = load_skeleton("COCO-17")
    model = DSTformer(**SMALL, input_residual=True, root_weights=skeleton.root_weights)
    nn.init.zeros_(model.head.weight)
    x = clip()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(x)
    torch.testing.assert_close(output[..., :2], (x - skeleton.root_of(x))[..., :2])


def test_without_representation_layer():
    model = DSTformer(**SMALL | {"dim_rep": 0})
    assert model.get_representation(clip()).shape == (2, 9, 17, SMALL["dim_feat"])
    assert model(clip()).shape == (2, 9, 17, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_joints": None}, "num_joints"),
        ({"num_heads": 5}, "multiple of num_heads 5"),
        ({"input_residual": True}, "root_weights for 17 joints, got none"),
        ({"input_residual": True, "root_weights": [1.0]}, "got 1"),
        ({"input_residual": True, "root_weights": [1 / 17] * 17, "dim_out": 0}, "dim_out 0"),
    ],
)
def test_wrong_arguments_are_refused(changes: dict, message: str):
    with pytest.raises(UserError, match=message):
        DSTformer(**SMALL | changes)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (clip(frames=28), "28 frames.*at most 27"),
        (clip(channels=2), "3 channels"),
        (clip(joints=16), "17 joints"),
        (clip()[0], "clips, frames"),
    ],
)
def test_wrong_clips_are_refused(x: Tensor, message: str):
    with pytest.raises(UserError, match=message):
        DSTformer(**SMALL)(x)


def test_clips_do_not_touch_each_other():
    model = rough(DSTformer(**SMALL)).eval()
    x = clip(3)
    torch.testing.assert_close(model(x)[1:2], model(x[1:2]), rtol=1e-4, atol=1e-5)


def test_bfloat16_is_near_float32():
    model = DSTformer(**SMALL)
    x, target = clip(), clip(seed=1)
    expected = model(x)
    exact = torch.autograd.grad(F.mse_loss(expected, target), model.parameters())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(x)
    torch.testing.assert_close(output.float(), expected, rtol=0.05, atol=0.01)
    near = torch.autograd.grad(F.mse_loss(output.float(), target), model.parameters())
    for one, other in zip(near, exact, strict=True):
        assert one.dtype == torch.float32
        assert (one - other).norm() <= 0.1 * other.norm() + 1e-6


def test_the_whole_model_compiles():
    model = rough(DSTformer(**SMALL))
    expected = gradients(model, clip())
    found = gradients(torch.compile(model, backend="aot_eager", fullgraph=True), clip())
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
