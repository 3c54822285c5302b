"""The model that a config describes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from lib.body import BodyModel
from lib.body_regressor import KeypointRegressor
from lib.errors import UserError
from lib.model.DSTformer import DSTformer
from lib.model.mesh_regressor import MeshRegressor
from lib.model.upright import UprightDSTformer
from lib.skeleton import Skeleton


def build_model(config: Any, skeleton: Skeleton) -> DSTformer:
    """Backbone with the widths, depths and dropouts of the config, for the joints of the skeleton."""
    if config.input_residual and not config.rootrel:
        raise UserError("input_residual adds the root-relative input, so it needs rootrel: true")
    if not config.upright:
        return build_backbone(config, skeleton, input_residual=config.input_residual)
    if not config.rootrel:
        raise UserError("upright turns poses about their root, so it needs rootrel: true")
    return build_backbone(
        config,
        skeleton,
        input_residual=config.input_residual,
        backbone=partial(UprightDSTformer, upright=tuple(map(skeleton.index, config.upright))),
    )


def build_backbone(
    config: Any, skeleton: Skeleton, input_residual: bool, backbone: Callable[..., DSTformer] = DSTformer
) -> DSTformer:
    """Backbone of a config; ``input_residual`` adds the root-relative input to the joints that it makes."""
    return backbone(
        dim_in=2 if config.no_conf else 3,
        dim_out=3,
        dim_feat=config.dim_feat,
        dim_rep=config.dim_rep,
        depth=config.depth,
        num_heads=config.num_heads,
        mlp_ratio=config.mlp_ratio,
        num_joints=skeleton.num_joints,
        maxlen=config.maxlen,
        qkv_bias=config.qkv_bias,
        att_fuse=config.att_fuse,
        drop_rate=config.dropout,
        attn_drop_rate=config.attn_dropout,
        drop_path_rate=config.drop_path,
        activation_checkpointing=config.activation_checkpointing,
        input_residual=input_residual,
        root_weights=skeleton.root_weights if input_residual else None,
    )


def build_mesh_model(config: Any, body: BodyModel, regressor: KeypointRegressor) -> MeshRegressor:
    """Backbone and mesh head with the widths of the config, for the joints of the regressor."""
    return MeshRegressor(
        build_backbone(config, regressor.skeleton, input_residual=False),
        body,
        regressor,
        dim_rep=config.dim_rep or config.dim_feat,
        hidden_dim=config.hidden_dim,
        dropout=config.dropout,
    )


def freeze_all_but(model: nn.Module, name_parts: list[str] | None) -> int:
    """Train only the parameters whose name holds one of the parts (all if None); returns how many elements train.

    Raises ``UserError`` if no name holds one.
    """
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name_parts is None or any(part in name for part in name_parts)
    count = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    if not count:
        groups = sorted({name.split(".")[0] for name, _ in model.named_parameters()})
        raise UserError(f"partial_train: no parameter's name holds {name_parts}; they begin with {groups}")
    return count
