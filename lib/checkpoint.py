"""Checkpoints: safe to load, atomic to save, MotionBERT's in and out, and weights moved between joint formats.

A pose checkpoint is a dict with ``model_pos`` (MotionBERT's parameter names), ``epoch``, ``lr``, ``optimizer``,
``min_loss``, and ours add ``meta`` (joint_format, root, input_scale, fps, num_joints). MotionBERT reads our files;
we read MotionBERT's.
"""

from __future__ import annotations

import logging
import pickle
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lib.errors import UserError
from lib.files import atomic_path
from lib.skeleton import Skeleton, load_skeleton
from lib.weight_file import SUFFIX, load_weight_file

logger = logging.getLogger(__name__)

# MotionBERT's best_epoch.bin holds `min_loss` as a numpy scalar: exactly what such a scalar needs is let through.
_NUMPY_SCALAR = [
    (np._core.multiarray.scalar, "numpy.core.multiarray.scalar"),
    (np._core.multiarray.scalar, "numpy._core.multiarray.scalar"),
    np.dtype,
    type(np.dtype("float64")),
    type(np.dtype("float32")),
]
_WEIGHT_KEYS = ("model_pos", "model")
_QUERY_KEY_SCALE = 4.0  # 3 and 5 measured equal on one set; 1, 2 and 8 a little worse


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint, or weights of a shipped model, without running any code that it may carry.

    Raises ``UserError`` if the file is missing, cut off, holds anything but tensors, plain containers and a numpy
    scalar, or has no weights under ``model_pos`` or ``model``.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; name the file, for example {path / 'best_epoch.bin'}")
    if not path.exists():
        raise UserError(f"checkpoint {path} does not exist")
    if path.suffix == SUFFIX:
        return load_weight_file(path)
    with path.open("rb") as file:
        start = file.read(2)
    if start != b"PK" and start[:1] != b"\x80":  # a zip archive, or the bare pickle of old versions
        raise UserError(f"{path} is no PyTorch checkpoint" + ("" if start else ": it is empty"))
    try:
        with torch.serialization.safe_globals(_NUMPY_SCALAR):
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        if named is None:
            raise UserError(
                f"checkpoint {path} cannot be read; is it cut off, or no checkpoint at all?"
            ) from None
        raise UserError(
            f"checkpoint {path} carries code ({named[1]}); refused. "
            "A checkpoint may hold tensors and plain containers only"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        reason = (str(error) or "it is empty").splitlines()[0]
        raise UserError(f"checkpoint {path} cannot be read ({reason}); is it cut off?") from None
    if not isinstance(checkpoint, dict) or not any(key in checkpoint for key in _WEIGHT_KEYS):
        found = (
            sorted(map(str, checkpoint))[:8] if isinstance(checkpoint, dict) else type(checkpoint).__name__
        )
        raise UserError(f"checkpoint {path} has no weights under 'model_pos' or 'model'; found: {found}")
    return checkpoint


def save_checkpoint(path: str | Path, checkpoint: dict[str, Any]) -> None:
    """Write a checkpoint so that the file is either the old one or the whole new one, also when the power fails."""
    with atomic_path(path) as temporary:
        torch.save(checkpoint, temporary)


def model_weights(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """Weights of a checkpoint under bare names: without the ``module.`` or ``_orig_mod.`` that wrappers add."""
    weights = next(checkpoint[key] for key in _WEIGHT_KEYS if key in checkpoint)
    return {name.removeprefix("module.").removeprefix("_orig_mod."): value for name, value in weights.items()}


@dataclass
class LoadReport:
    """What became of each parameter: loaded as it is, filled row by row, left at its initial value, or not wanted."""

    loaded: list[str] = field(default_factory=list)
    by_joint: dict[str, list[str]] = field(default_factory=dict)
    by_frame: dict[str, tuple[int, int]] = field(default_factory=dict)
    initial: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Text for the user: one line for each kind that occurs."""
        text = [f"loaded {len(self.loaded)} parameters"]
        for name, joints in self.by_joint.items():
            text.append(f"{name}: {len(joints)} rows copied by joint name: {', '.join(joints) or 'none'}")
        for name, (source, target) in self.by_frame.items():
            text.append(f"{name}: {target} frames made from {source}")
        if self.initial:
            text.append(f"left at their initial values: {', '.join(self.initial)}")
        if self.unused:
            text.append(f"in the file but not in the model: {', '.join(self.unused)}")
        return text


def load_weights(
    model: nn.Module,
    weights: dict[str, Tensor],
    *,
    skeleton: Skeleton,
    source_skeleton: Skeleton | None = None,
    discard_last_layer: bool = False,
    fit_frames: bool = False,
) -> LoadReport:
    """Copy weights into a model and report what was not.

    Without ``discard_last_layer`` every parameter must fit, and the file must hold no others. With it,
    ``pos_embed`` (1, J, C) may belong to another joint format: rows of joints with the same canonical name are
    copied if ``source_skeleton`` is known, the others keep their initial values; any other parameter whose shape
    differs keeps its initial value too. With ``fit_frames`` the rows of ``temp_embed`` (1, T, 1, C) are made to fit a
    model for another number of frames (see ``_fit_frames``).
    Raises ``UserError`` on a mismatch, or if nothing fits at all.
    """
    if source_skeleton is not None and source_skeleton.name != skeleton.name and not discard_last_layer:
        raise UserError(
            f"the checkpoint was trained on {source_skeleton.name}, the config says {skeleton.name}: "
            "add --discard_last_layer to start from another joint format"
        )
    report = LoadReport()
    target = model.state_dict()
    if fit_frames and _other_frames(weights.get("temp_embed"), target.get("temp_embed")):
        report.by_frame["temp_embed"] = (weights["temp_embed"].shape[1], target["temp_embed"].shape[1])
        if weights["temp_embed"].shape[1] == 1:
            weights = _mixing_alike_frames(weights)
        weights = {**weights, "temp_embed": _fit_frames(weights["temp_embed"], target["temp_embed"].shape[1])}
    report.unused = sorted(set(weights) - set(target))
    misfits = [name for name in target if name not in weights or weights[name].shape != target[name].shape]
    if (misfits or report.unused) and not discard_last_layer:
        raise UserError(_misfit_message([*misfits, *report.unused], weights, target, skeleton))
    for name, value in target.items():
        if name == "pos_embed" and name in weights and discard_last_layer and source_skeleton is not None:
            report.by_joint[name] = copy_rows(value, weights[name], skeleton, source_skeleton)
        elif name in misfits:
            report.initial.append(name)
        else:
            value.copy_(weights[name])
            report.loaded.append(name)
    if not report.loaded:
        raise UserError(
            "no parameter of the checkpoint fits the model: is it a checkpoint of another backbone?"
        )
    model.load_state_dict(target)
    return report


def source_skeleton_of(meta: dict[str, Any], named: str | None, skeleton: Skeleton) -> Skeleton | None:
    """Joint format that a checkpoint was trained on, None if unknown.

    It stands in the checkpoint's ``meta``, else ``named`` says it (the key ``pretrained_joint_format``);
    ``skeleton`` is the config's, which may come from a file of the user's that no name finds.
    """
    stored = meta.get("joint_format")
    if stored == skeleton.name:
        return skeleton
    if stored and named and load_skeleton(stored) is not load_skeleton(named):
        raise UserError(f"pretrained_joint_format is {named}, but the checkpoint says {stored}")
    return load_skeleton(stored or named) if stored or named else None


def check_meta(meta: dict[str, Any], expected: dict[str, Any]) -> None:
    """Refuse a checkpoint that was trained on other terms than the config's; MotionBERT's files tell none.

    ``fps`` may differ: the caller knows the frame rate of the data at hand.
    """
    differing = [
        f"{key}: checkpoint {meta[key]}, config {value}"
        for key, value in expected.items()
        if key != "fps" and key in meta and meta[key] != value
    ]
    if differing:
        raise UserError(
            f"the checkpoint was trained on other terms ({'; '.join(differing)}): adapt the config"
        )


@torch.no_grad()
def copy_rows(target: Tensor, source: Tensor, skeleton: Skeleton, source_skeleton: Skeleton) -> list[str]:
    """Copy the embedding rows (1, J, C) of joints that both formats have; returns their canonical names."""
    if source.shape[1] != source_skeleton.num_joints or source.shape[2] != target.shape[2]:
        raise UserError(
            f"pos_embed of the checkpoint is {tuple(source.shape)}, which does not fit {source_skeleton.name} "
            f"({source_skeleton.num_joints} joints) and a width of {target.shape[2]}"
        )
    source_row = {name: row for row, name in enumerate(source_skeleton.canonical)}
    shared = [(row, name) for row, name in enumerate(skeleton.canonical) if name in source_row]
    for row, name in shared:
        target[0, row] = source[0, source_row[name]]
    return [name for _, name in shared]


def _other_frames(source: Tensor | None, target: Tensor | None) -> bool:
    """Whether two embeddings (1, T, 1, C) differ in their number of frames alone."""
    if source is None or target is None or source.shape == target.shape:
        return False
    return source.shape[:1] + source.shape[2:] == target.shape[:1] + target.shape[2:]


def _fit_frames(source: Tensor, wanted: int) -> Tensor:
    """Rows of an embedding (1, T, 1, C) for as many frames as ``wanted``.

    Fewer: the first ones, which shorter clips have used all along. More: stretched linearly over time.
    """
    if wanted < source.shape[1]:
        return source[:, :wanted]
    rows = source[:, :, 0].transpose(1, 2).float()
    stretched = nn.functional.interpolate(rows, size=wanted, mode="linear", align_corners=True)
    return stretched.transpose(1, 2)[:, :, None]


def _mixing_alike_frames(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights whose attention over time, which single frames never trained, mixes frames that look alike.

    Queries and keys are the normalised features themselves, times ``_QUERY_KEY_SCALE``: on clips the model gives
    nearly what it gave on single frames (48.8 mm for 45.9 on one set; 51.9 mm with random ones). The rows of
    ``temp_embed`` begin equal, so that only training tells frames apart by their place.
    """
    begun = dict(weights)
    for name, weight in weights.items():
        if name.endswith("attn_t.qkv.weight"):
            width = weight.shape[1]
            begun[name] = torch.cat(
                [_QUERY_KEY_SCALE * torch.eye(width).to(weight).repeat(2, 1), weight[2 * width :]]
            )
        elif name.endswith("attn_t.qkv.bias"):
            begun[name] = torch.cat([torch.zeros_like(weight).chunk(3)[0].repeat(2), weight.chunk(3)[2]])
    return begun


def _misfit_message(
    misfits: list[str], weights: dict[str, Tensor], target: dict[str, Tensor], skeleton: Skeleton
) -> str:
    shown = []
    for name in misfits[:4]:
        have = tuple(weights[name].shape) if name in weights else "missing"
        want = tuple(target[name].shape) if name in target else "missing"
        shown.append(f"{name}: file {have}, model {want}")
    more = f" and {len(misfits) - 4} more" if len(misfits) > 4 else ""
    hint = (
        "use the config.yaml of the checkpoint's run, or check dim_feat, dim_rep, depth, mlp_ratio and maxlen"
    )
    if misfits == ["pos_embed"]:
        hint = f"the checkpoint is not of {skeleton.name}: add --discard_last_layer to start from another joint format"
    return f"the checkpoint does not fit the model ({'; '.join(shown)}{more}); {hint}"
