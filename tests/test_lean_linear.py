"""Lean linear layers: the values and gradients of plain ones, whatever is frozen, in every precision."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lib.model.layers import normalised
from lib.model.lean_linear import linear_behind, product, unchanged

PREPARATIONS = {
    "norm": (partial(normalised, 1e-6), 2),
    "gelu": (F.gelu, 0),
    "none": (unchanged, 0),
}


def results(
    kind: str, parts: int, bias: bool, frozen: set[str], lean: bool, dtype: torch.dtype | None
) -> dict[str, Tensor | None]:
    """Outputs, and the gradients of x, weight, bias and the preparation's parameters."""
    torch.manual_seed(0)
    prepare, num_parameters = PREPARATIONS[kind]
    layer = nn.Linear(8, 12, bias)
    leaves = {"x": torch.randn(2, 5, 3, 8), "weight": layer.weight, "bias": layer.bias}
    leaves |= {f"parameter{number}": torch.randn(8) for number in range(num_parameters)}
    leaves = {
        name: leaf.requires_grad_(name not in frozen) for name, leaf in leaves.items() if leaf is not None
    }
    parameters = [leaf for name, leaf in leaves.items() if name.startswith("parameter")]
    with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
        outputs = linear_behind(prepare, leaves["x"], layer, parameters, parts, lean)
    assert all(output.is_contiguous() for output in outputs)
    torch.cat(outputs, -1).float().square().sum().backward()
    return {name: leaf.grad for name, leaf in leaves.items()} | {"output": torch.cat(outputs, -1).detach()}


@pytest.mark.parametrize("kind", PREPARATIONS)
@pytest.mark.parametrize(("parts", "bias"), [(1, True), (3, True), (3, False)])
@pytest.mark.parametrize(
    "frozen", [set(), {"x"}, {"weight"}, {"weight", "bias"}, {"x", "parameter0", "parameter1"}]
)
@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_as_a_plain_layer(kind: str, parts: int, bias: bool, frozen: set[str], dtype: torch.dtype | None):
    found = results(kind, parts, bias, frozen, True, dtype)
    expected = results(kind, parts, bias, frozen, False, dtype)
    tolerance = dict(rtol=1e-5, atol=1e-5) if dtype is None else dict(rtol=0.05, atol=0.1)
    assert found["output"].dtype == expected["output"].dtype
    for name, value in expected.items():
        assert (found[name] is None) == (value is None) == (name in frozen)
        if value is not None:
            torch.testing.assert_close(found[name], value, **tolerance)


def test_float64_and_no_gradient():
    layer, x = nn.Linear(4, 6).double(), torch.randn(3, 4, dtype=torch.float64)
    with torch.no_grad():
        (output,) = linear_behind(F.gelu, x, layer)
    assert not output.requires_grad
    torch.testing.assert_close(output, layer(F.gelu(x)))


@pytest.mark.parametrize("shape", [(7, 4), (2, 3, 4), (2, 5, 3, 4), (0, 4)])
def test_product_without_onednn(shape: tuple[int, ...], monkeypatch):
    x, layer = torch.randn(shape), nn.Linear(4, 6)
    torch.testing.assert_close(product(x, layer.weight, layer.bias), layer(x))
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert torch.equal(product(x, layer.weight, layer.bias), layer(x))


def test_a_second_derivative_is_refused():
    layer, x = nn.Linear(4, 6), torch.randn(3, 4, requires_grad=True)
    (output,) = linear_behind(F.gelu, x, layer)
    (gradient,) = torch.autograd.grad(output.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
