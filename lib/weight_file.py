"""Weights as safetensors: nothing in the file can run; in half precision, with the meta of their checkpoint."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lib.errors import UserError
from lib.files import atomic_write_bytes

SUFFIX = ".safetensors"
_META = "meta"  # the format keeps texts only: JSON


def save_weight_file(path: str | Path, weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write weights in half precision with the ``meta`` of their checkpoint, whole or not at all."""
    halves = {name: value.detach().cpu().half().contiguous() for name, value in weights.items()}
    texts = {"format": "pt", _META: json.dumps(dict(meta))}
    atomic_write_bytes(path, safetensors.torch.save(halves, metadata=texts))


def load_weight_file(path: str | Path) -> dict[str, Any]:
    """The file as a checkpoint: ``model_pos`` with weights in float32 on the CPU, and ``meta``.

    Raises ``UserError`` for a file that is cut off or none of this kind.
    """
    with _opened(path) as file:
        weights = {name: file.get_tensor(name).to(torch.float32) for name in file.keys()}  # noqa: SIM118
        return {"model_pos": weights, "meta": _meta(file, path)}


def weight_file_header(path: str | Path) -> tuple[dict[str, Any], int]:
    """``meta`` of a file and its number of parameters, without reading the weights; errors as above."""
    with _opened(path) as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
        return _meta(file, path), sum(map(math.prod, shapes))


@contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except SafetensorError as error:
        raise UserError(f"{path} is no whole safetensors file ({error}); is it cut off?") from None


def _meta(file: Any, path: str | Path) -> dict[str, Any]:
    try:
        meta = json.loads((file.metadata() or {}).get(_META, "{}"))
    except ValueError:
        meta = None
    if not isinstance(meta, dict):
        raise UserError(f"{path}: its entry 'meta' is no JSON block; tools/make_release.py writes such files")
    return meta
