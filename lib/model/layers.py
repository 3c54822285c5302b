"""Layers of DSTformer: attention over joints or frames, MLP, and the residual block of both.

The arithmetic is arranged for time and memory: long attention never forms its T x T or J x J matrix, heads are
views and not copies, and what an elementwise operation made (normalised or activated features) is computed
again in the backward pass instead of being kept.

Shapes: N clips, T frames, J joints, C channels, H heads, D channels of a head (C = H * D).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from lib.model.lean_linear import linear_behind, product, unchanged

SHORT_ON_CPU = 32  # most joints or frames, measured with heads of 8, 16 and 32 channels


def normalised(eps: float, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.layer_norm(x, weight.shape, weight, bias, eps)


def linear_behind_norm(x: Tensor, norm: nn.LayerNorm, layer: nn.Linear, parts: int = 1) -> tuple[Tensor, ...]:
    """``layer(norm(x))`` as ``linear_behind`` gives it."""
    return linear_behind(partial(normalised, norm.eps), x, layer, (norm.weight, norm.bias), parts)


class MLP(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, dim: int, hidden_dim: int, drop_rate: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)
        self.drop = nn.Dropout(drop_rate)

    def forward(self, x: Tensor, norm: nn.LayerNorm) -> Tensor:
        if not (self.training or torch.is_grad_enabled() or torch.compiler.is_compiling()):
            ready = normalised(norm.eps, x, norm.weight, norm.bias)
            return product(
                product(ready, self.fc1.weight, self.fc1.bias, gelu=True), self.fc2.weight, self.fc2.bias
            )
        (hidden,) = linear_behind_norm(x, norm, self.fc1)
        draws = self.training and self.drop.p > 0
        activate = (lambda hidden: self.drop(F.gelu(hidden))) if draws else F.gelu
        (result,) = linear_behind(activate, hidden, self.fc2, lean=not draws)
        return self.drop(result)


class Attention(nn.Module):
    """Multi-head self-attention over the joints of each frame or over the frames of each joint."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        qkv_bias: bool,
        qk_scale: float | None,
        attn_drop_rate: float,
        drop_rate: float,
        over: str,
    ) -> None:
        super().__init__()
        assert over in ("joints", "frames")
        self.over = over
        self.num_heads = num_heads
        self.scale = qk_scale
        self.attn_drop_rate = attn_drop_rate
        # In this order, so that a seed gives the initial weights that it gives in MotionBERT.
        self.proj = nn.Linear(dim, dim)
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj_drop = nn.Dropout(drop_rate)

    def split_heads(self, features: Tensor) -> Tensor:
        """(N,T,J,C) -> (N*T,H,J,D) or (N,J*H,T,D): views, for attention over the last dimension but one."""
        N, T, J, C = features.shape
        D = C // self.num_heads
        if self.over == "joints":
            return features.view(N * T, J, self.num_heads, D).transpose(1, 2)
        return features.view(N, T, J * self.num_heads, D).transpose(1, 2)

    def forward(self, x: Tensor, norm: nn.LayerNorm) -> Tensor:
        # In three parts: each is contiguous, so that its heads are a view.
        parts = linear_behind_norm(x, norm, self.qkv, parts=3)
        drop_rate = self.attn_drop_rate if self.training else 0.0
        mixed = attend(*map(self.split_heads, parts), drop_rate, self.scale)
        mixed = mixed.transpose(1, 2).reshape(x.shape)
        (result,) = linear_behind(unchanged, mixed, self.proj)
        return self.proj_drop(result)


def attend(query: Tensor, key: Tensor, value: Tensor, drop_rate: float, scale: float | None) -> Tensor:
    """Softmax attention over the last dimension but one; on a CPU always in float32.

    Backward through the CPU's fused kernel takes up to six times as long in half precision, and for short
    sequences twice as long as through the products written out.
    """
    if query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, dropout_p=drop_rate, scale=scale)
    with torch.autocast("cpu", enabled=False):
        if query.dtype.itemsize < 4:
            query, key, value = query.float(), key.float(), value.float()
        if query.shape[-2] > SHORT_ON_CPU:
            return F.scaled_dot_product_attention(query, key, value, dropout_p=drop_rate, scale=scale)
        scores = (query @ key.mT).mul_(scale or query.shape[-1] ** -0.5)
        return F.dropout(scores.softmax(-1), drop_rate) @ value


class StochasticDepth(nn.Module):
    """Leaves a residual branch out for whole clips at random, and scales it up where it stays."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        assert 0 <= rate < 1
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return branch
        keep = 1 - self.rate
        kept = torch.rand(branch.shape[0], 1, 1, 1, device=branch.device) < keep
        return branch * kept.to(branch.dtype).div_(keep)


class Block(nn.Module):
    """Spatial and temporal attention, each followed by an MLP, all residual: order "st" or "ts"."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        mlp_ratio: float,
        qkv_bias: bool,
        qk_scale: float | None,
        drop_rate: float,
        attn_drop_rate: float,
        drop_path_rate: float,
        norm_layer: Callable[[int], nn.LayerNorm],
        order: str,
        activation_checkpointing: bool,
    ) -> None:
        super().__init__()
        attention = partial(Attention, dim, num_heads, qkv_bias, qk_scale, attn_drop_rate, drop_rate)
        mlp = partial(MLP, dim, int(dim * mlp_ratio), drop_rate)
        self.order = order
        self.draws = max(drop_rate, attn_drop_rate, drop_path_rate) > 0
        self.activation_checkpointing = activation_checkpointing
        self.norm1_s = norm_layer(dim)
        self.norm1_t = norm_layer(dim)
        self.attn_s = attention(over="joints")
        self.attn_t = attention(over="frames")
        self.drop_path = StochasticDepth(drop_path_rate)
        self.norm2_s = norm_layer(dim)
        self.norm2_t = norm_layer(dim)
        self.mlp_s = mlp()
        self.mlp_t = mlp()

    def forward(self, x: Tensor) -> Tensor:
        if self.activation_checkpointing and torch.is_grad_enabled():
            return checkpoint(self.transform, x, use_reentrant=False, preserve_rng_state=self.draws)
        return self.transform(x)

    def transform(self, x: Tensor) -> Tensor:
        for stage in self.order:
            for layer, norm in (("attn", "norm1"), ("mlp", "norm2")):
                change = getattr(self, f"{layer}_{stage}")(x, getattr(self, f"{norm}_{stage}"))
                x = x + self.drop_path(change)
        return x
