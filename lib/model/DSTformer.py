"""DSTformer, the two-stream spatial-temporal transformer of MotionBERT (Zhu et al., ICCV 2023).

Parameter names, shapes, initialisation and outputs are MotionBERT's, so its weights load unchanged.

Shapes: N clips, T frames, J joints, C channels.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lib.errors import UserError
from lib.model.layers import Block

# MotionBERT's epsilon, not torch's.
LAYER_NORM = partial(nn.LayerNorm, eps=1e-6)


class DSTformer(nn.Module):
    """Lifts 2D keypoints of a clip to 3D joints, or gives a motion representation of them.

    ``num_joints`` and, with ``input_residual``, ``root_weights`` (J,) (``Skeleton.root_weights``) must be
    given. ``maxlen`` is the most frames of a clip. ``dim_out=0`` leaves out the head, ``dim_rep=0`` the layer
    before it. ``activation_checkpointing`` computes the inside of each block again in the backward pass.
    ``input_residual`` adds the root-relative input x, y to the output's, so that an untrained model stands
    near depth zero.
    """

    def __init__(
        self,
        dim_in: int = 3,
        dim_out: int = 3,
        dim_feat: int = 256,
        dim_rep: int = 512,
        depth: int = 5,
        num_heads: int = 8,
        mlp_ratio: float = 4,
        num_joints: int | None = None,
        maxlen: int = 243,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        norm_layer: Callable[[int], nn.LayerNorm] = LAYER_NORM,
        att_fuse: bool = True,
        activation_checkpointing: bool = False,
        input_residual: bool = False,
        root_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if num_joints is None:
            raise UserError("DSTformer needs num_joints: give the skeleton's number of joints")
        if dim_feat % num_heads:
            raise UserError(f"dim_feat {dim_feat} must be a multiple of num_heads {num_heads}")
        if input_residual and (root_weights is None or len(root_weights) != num_joints):
            given = "none" if root_weights is None else str(len(root_weights))
            raise UserError(f"input_residual needs root_weights for {num_joints} joints, got {given}")
        if input_residual and (dim_in < 2 or dim_out < 2):
            raise UserError(f"input_residual adds x and y, but dim_in is {dim_in} and dim_out {dim_out}")
        self.dim_in, self.dim_out, self.dim_rep = dim_in, dim_out, dim_rep or dim_feat
        self.num_joints, self.maxlen = num_joints, maxlen
        self.att_fuse, self.input_residual = att_fuse, input_residual

        self.joints_embed = nn.Linear(dim_in, dim_feat)
        self.pos_drop = nn.Dropout(drop_rate)
        block = partial(
            Block,
            dim_feat,
            num_heads,
            mlp_ratio,
            qkv_bias,
            qk_scale,
            drop_rate,
            attn_drop_rate,
            norm_layer=norm_layer,
            activation_checkpointing=activation_checkpointing,
        )
        rates = torch.linspace(0, drop_path_rate, depth).tolist()  # deeper blocks are left out more often
        self.blocks_st = nn.ModuleList([block(drop_path_rate=rate, order="st") for rate in rates])
        self.blocks_ts = nn.ModuleList([block(drop_path_rate=rate, order="ts") for rate in rates])
        self.norm = norm_layer(dim_feat)
        self.pre_logits = nn.Identity()
        if dim_rep:
            self.pre_logits = nn.Sequential(OrderedDict(fc=nn.Linear(dim_feat, dim_rep), act=nn.Tanh()))
        self.head = nn.Linear(self.dim_rep, dim_out) if dim_out else nn.Identity()
        self.temp_embed = nn.Parameter(torch.zeros(1, maxlen, 1, dim_feat))
        self.pos_embed = nn.Parameter(torch.zeros(1, num_joints, dim_feat))
        draw_normal(self.temp_embed)
        draw_normal(self.pos_embed)
        self.apply(initialise)
        if att_fuse:
            self.ts_attn = nn.ModuleList([nn.Linear(dim_feat * 2, 2) for _ in range(depth)])
            for layer in self.ts_attn:  # both streams weigh the same until trained
                nn.init.constant_(layer.weight, 0.0)
                nn.init.constant_(layer.bias, 0.5)
        if input_residual:
            # Not persistent: a state dict holds MotionBERT's names and nothing else.
            weights = torch.as_tensor(list(root_weights), dtype=torch.float32)
            self.register_buffer("root_weights", weights, persistent=False)

    def forward(self, x: Tensor, return_rep: bool = False) -> Tensor:
        """Joints (N,T,J,dim_out), or the representation (N,T,J,dim_rep), of input (N,T,J,dim_in).

        Raises ``UserError`` for another shape or for more than ``maxlen`` frames.
        """
        rep = self.get_representation(x)
        if return_rep:
            return rep
        output = self.head(rep)
        if self.input_residual:
            position = x[..., :2]
            # A product and a sum, which autocast leaves in the input's precision.
            root = (position * self.root_weights[:, None].to(x.dtype)).sum(2, keepdim=True)
            # A masked joint is zero in every channel: it has no position, nor has anything relative to it.
            seen = (x != 0).any(-1, keepdim=True)
            root_seen = (seen | (self.root_weights[:, None] == 0)).all(2, keepdim=True)
            output = output + F.pad((position - root) * (seen & root_seen), (0, self.dim_out - 2))
        return output

    def get_representation(self, x: Tensor) -> Tensor:
        """Motion representation (N,T,J,dim_rep) of input (N,T,J,dim_in); errors as ``forward``."""
        self._check(x)
        x = self.joints_embed(x) + (self.pos_embed[:, None] + self.temp_embed[:, : x.shape[1]])
        x = self.pos_drop(x)
        for level, (block_st, block_ts) in enumerate(zip(self.blocks_st, self.blocks_ts, strict=True)):
            x = self._fuse(level, block_st(x), block_ts(x))
        return self.pre_logits(self.norm(x))

    def _fuse(self, level: int, x_st: Tensor, x_ts: Tensor) -> Tensor:
        """Mean of both streams, weighted per frame and joint where ``att_fuse`` is set."""
        if not self.att_fuse:
            return (x_st + x_ts) * 0.5
        layer = self.ts_attn[level]
        weight_st, weight_ts = layer.weight.chunk(2, dim=1)
        score = F.linear(x_st, weight_st, layer.bias) + F.linear(x_ts, weight_ts)
        return torch.lerp(x_ts, x_st, score.softmax(dim=-1)[..., :1].to(x_st.dtype))

    def _check(self, x: Tensor) -> None:
        if x.ndim != 4 or x.shape[2:] != (self.num_joints, self.dim_in):
            raise UserError(
                f"the model takes (clips, frames, {self.num_joints} joints, {self.dim_in} channels), "
                f"got {tuple(x.shape)}; see num_joints, dim_in and no_conf in the config"
            )
        if x.shape[1] > self.maxlen:
            raise UserError(
                f"clip of {x.shape[1]} frames, but the model was built for at most {self.maxlen}: "
                "shorten clip_len or raise maxlen"
            )


@torch.no_grad()
def draw_normal(weight: Tensor) -> None:
    """Fill with normal values of deviation 0.02, drawn so that a seed gives the weights of MotionBERT."""
    deviation = 0.02
    # A draw of exactly -1 would become an infinite weight: 10 deviations lie beyond every other draw.
    weight.uniform_(-1, 1).erfinv_().mul_(deviation * 2**0.5).clamp_(-10 * deviation, 10 * deviation)


def initialise(module: nn.Module) -> None:
    """MotionBERT's initial weights of a linear layer or a LayerNorm."""
    if isinstance(module, nn.Linear):
        draw_normal(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
