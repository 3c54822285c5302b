"""Layers of DSTformer: attention over joints or frames, MLP, and the residual block of both.

The arithmetic is arranged for time and memory: attention never forms its T x T or J x J matrix, heads are
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

SHORT_ON_CPU = 32  # most joints or frames, measured with heads of 8, 16 and 32 channels


def recomputed(function: Callable[[Tensor], Tensor], x: Tensor, draws: bool = False) -> Tensor:
    """``function(x)``, whose inside is not kept for the backward pass but computed again there.

    Computing again stops at the last tensor that the backward pass needs, so a linear layer at the end of
    ``function`` runs once. ``draws`` says that the function draws random numbers.
    """
    if not torch.is_grad_enabled():
        return function(x)
    return checkpoint(function, x, use_reentrant=False, preserve_rng_state=draws)


class MLP(nn.Module):
    """Two linear layers with a GELU between them.

    ``lean`` keeps only the first layer's output for the backward pass: to normalise and to activate again is
    cheap beside the matrix products, and what they make would be more than half of everything kept.
    """

    def __init__(self, dim: int, hidden_dim: int, drop_rate: float, lean: bool) -> None:
        super().__init__()
        self.lean = lean
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)
        self.drop = nn.Dropout(drop_rate)

    def expand(self, x: Tensor, norm: nn.Module) -> Tensor:
        return self.fc1(norm(x))

    def contract(self, hidden: Tensor) -> Tensor:
        return self.drop(self.fc2(self.drop(F.gelu(hidden))))

    def forward(self, x: Tensor, norm: nn.Module) -> Tensor:
        if not self.lean or torch.compiler.is_compiling():  # a compiler chooses for itself what to keep
            return self.contract(self.expand(x, norm))
        hidden = recomputed(partial(self.expand, norm=norm), x)
        return recomputed(self.contract, hidden, draws=self.drop.p > 0)


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

    def forward(self, x: Tensor, norm: nn.Module) -> Tensor:
        normed = norm(x)
        # Three products instead of one: each result is contiguous, so that its heads are a view.
        weights = self.qkv.weight.chunk(3)
        biases = (None,) * 3 if self.qkv.bias is None else self.qkv.bias.chunk(3)
        parts = (F.linear(normed, weight, bias) for weight, bias in zip(weights, biases, strict=True))
        mixed = attend(
            *map(self.split_heads, parts), self.attn_drop_rate if self.training else 0.0, self.scale
        )
        return self.proj_drop(self.proj(mixed.transpose(1, 2).reshape(x.shape)))


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
        norm_layer: Callable[[int], nn.Module],
        order: str,
        activation_checkpointing: bool,
    ) -> None:
        super().__init__()
        attention = partial(Attention, dim, num_heads, qkv_bias, qk_scale, attn_drop_rate, drop_rate)
        mlp = partial(MLP, dim, int(dim * mlp_ratio), drop_rate, lean=not activation_checkpointing)
        self.order = order
        self.draws = drop_rate > 0 or attn_drop_rate > 0
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
        for stage in self.order:
            for layer, norm in (("attn", "norm1"), ("mlp", "norm2")):
                branch = partial(getattr(self, f"{layer}_{stage}"), norm=getattr(self, f"{norm}_{stage}"))
                # By branch and not by block: the last product of each branch need not run again.
                change = recomputed(branch, x, self.draws) if self.activation_checkpointing else branch(x)
                x = x + self.drop_path(change)
        return x
