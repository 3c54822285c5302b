"""Checkpoints of several joint formats: the main one as in any checkpoint, the others' own weights beside it.

``model_pos`` and ``meta`` are those of the main format. ``formats`` is ``{name: {"meta": ..., "weights": ...}}`` with
the weights that a format does not share with it. A model that trains them all (``lib/model/formats.py``) calls
those ``formats.<name>.<weight>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lib.checkpoint import model_weights

_KEY = "formats"


def all_weights(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Weights of all formats of a checkpoint, as the state dict of the model that trains them."""
    own = {
        f"{_KEY}.{name}.{part}": value
        for name, entry in checkpoint.get(_KEY, {}).items()
        for part, value in entry["weights"].items()
    }
    return model_weights(checkpoint) | own


def split_by_format(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """State dict of a model of several formats as the main one's weights, and those that each other has of its own."""
    main: dict[str, Tensor] = {}
    others: dict[str, dict[str, Tensor]] = {}
    for name, value in weights.items():
        if name.startswith(f"{_KEY}."):
            _, joint_format, part = name.split(".", 2)
            others.setdefault(joint_format, {})[part] = value
        else:
            main[name] = value
    return main, others


def format_entries(
    weights: Mapping[str, Mapping[str, Tensor]], metas: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """What a checkpoint holds beside the main format; nothing if there is no other."""
    if not metas:
        return {}
    return {_KEY: {name: {"meta": meta, "weights": dict(weights[name])} for name, meta in metas.items()}}


def format_meta(checkpoint: Mapping[str, Any], joint_format: str) -> dict[str, Any]:
    """The ``meta`` of one of the formats beside the main one; empty if it is none of them."""
    return dict(checkpoint.get(_KEY, {}).get(joint_format, {}).get("meta", {}))


def checkpoint_of_format(checkpoint: dict[str, Any], joint_format: str) -> dict[str, Any]:
    """Checkpoint of one joint format alone, if that is one beside the main format; any other is given back as it is."""
    entry = checkpoint.get(_KEY, {}).get(joint_format)
    if entry is None:
        return checkpoint
    kept = {key: checkpoint[key] for key in ("epoch", "min_loss") if key in checkpoint}
    return {**kept, "model_pos": model_weights(checkpoint) | entry["weights"], "meta": entry["meta"]}
