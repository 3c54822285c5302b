"""Transfer matrices between body meshes: official pickles with a scipy-sparse matrix, and npz; nothing is run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lib.errors import UserError
from lib.files import StandIn, load_pickle
from lib.smpl_files import read_npz

KEYS = ("matrix", "mtx")  # of model correspondences, and of deformation transfer


def read_transfer(path: str | Path, num_source: int) -> Tensor:
    """Sparse matrix (Vt,Vs) that makes the target's vertices from the ``num_source`` of the source.

    A pickle with ``matrix`` or ``mtx``, dense or scipy sparse; an npz with one of them dense, or as
    ``scipy.sparse.save_npz`` writes it. Of a matrix with twice as many columns, as the deformation transfer
    files have it, the second half is for normals and is left out. ``UserError`` for anything else.
    """
    path = Path(path)
    content = read_npz(path) if path.suffix == ".npz" else load_pickle(path, _STAND_INS, _ALLOWED)
    if not isinstance(content, dict):
        content = {"matrix": content}
    if {"data", "shape"} <= set(content):  # scipy.sparse.save_npz
        parts = content
    else:
        parts = next((content[key] for key in KEYS if key in content), None)
    try:
        rows, columns, values, shape = _entries(parts)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UserError(
            f"{path} holds no transfer matrix: expected a dense or sparse array under {' or '.join(KEYS)} "
            f"({error}); its keys: {', '.join(map(str, content))}"
        ) from None
    if shape[1] == 2 * num_source:
        kept = columns < num_source
        rows, columns, values, shape = rows[kept], columns[kept], values[kept], (shape[0], num_source)
    if not np.isfinite(values).all():
        raise UserError(f"{path}: the transfer matrix holds numbers that are not finite")
    indices = torch.from_numpy(np.stack([rows, columns]).astype(np.int64))
    values = torch.from_numpy(values.astype(np.float32))
    return torch.sparse_coo_tensor(indices, values, shape, check_invariants=True).coalesce()


def _entries(parts: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, int]]:
    """Rows, columns and values of a dense array or of the parts of a sparse one."""
    if not isinstance(parts, dict):
        dense = np.asarray(parts)
        if dense.ndim != 2 or dense.dtype.kind not in "fiu":
            raise ValueError(f"found an array of shape {dense.shape} and type {dense.dtype}")
        rows, columns = dense.nonzero()
        return rows, columns, dense[rows, columns], dense.shape
    height, width = (int(size) for size in parts["shape"])
    values, kind = np.asarray(parts["data"]), parts["format"]
    kind = bytes(kind).decode() if isinstance(kind, bytes) else str(np.asarray(kind).astype(str))
    if kind == "coo":
        rows, columns = parts["coords"] if "coords" in parts else (parts["row"], parts["col"])
    elif kind in ("csr", "csc"):
        outer = np.repeat(np.arange(len(parts["indptr"]) - 1), np.diff(parts["indptr"]))
        rows, columns = (outer, parts["indices"]) if kind == "csr" else (parts["indices"], outer)
    else:
        raise ValueError(f"sparse format '{kind}' is not known: give csr, csc or coo")
    rows, columns = np.asarray(rows), np.asarray(columns)
    outside = (rows < 0) | (rows >= height) | (columns < 0) | (columns >= width)
    if not len(rows) == len(columns) == len(values) or outside.any():
        raise ValueError("the parts of its sparse matrix do not fit each other")
    return rows, columns, values, (height, width)


class _Sparse(StandIn):
    """A matrix of scipy.sparse, of which the parts are kept."""

    format: str

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise ValueError(f"a sparse matrix of state {type(state).__name__} is not allowed")
        self.state = state

    def resolved(self, resolve: Callable[[Any], Any]) -> dict[str, Any]:
        parts = {str(key).removeprefix("_"): resolve(part) for key, part in self.state.items()}
        return parts | {"format": self.format}


def _sparse(format: str) -> type[_Sparse]:
    return type(f"_Sparse{format}", (_Sparse,), {"format": format})


def _empty_object(kind: Any, base: Any, state: Any) -> _Sparse:
    """copyreg._reconstructor of pickle protocols 0 and 1."""
    if not (isinstance(kind, type) and issubclass(kind, _Sparse)):
        raise ValueError("an object of this type is not allowed")
    return kind()


_ALLOWED = "Transfer matrices may hold arrays of numpy and scipy.sparse, and plain containers only"
_STAND_INS: dict[str, Any] = {
    f"scipy.sparse.{module}.{kind}_{container}": _sparse(kind)
    for kind in ("csr", "csc", "coo")
    for module in (kind, f"_{kind}")
    for container in ("matrix", "array")
} | {
    "copyreg._reconstructor": _empty_object,
    "copy_reg._reconstructor": _empty_object,
    "builtins.object": object,
}
