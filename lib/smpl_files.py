"""Files of body models: official pickles with chumpy and scipy-sparse arrays, and npz; nothing in them is run.

The pickles were written by Python 2. Neither chumpy nor scipy is imported: stand-ins take the state of their
objects and turn it into numpy arrays.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import UserError, did_you_mean
from lib.files import StandIn, load_pickle

REQUIRED = ("v_template", "shapedirs", "J_regressor", "weights", "kintree_table", "f")
# Without posedirs the pose adds no offsets; the others are the free body's own.
OPTIONAL = ("posedirs", "keypoint_names", "keypoint_rows", "keypoint_columns", "keypoint_values")
GENDERS = {"neutral": ("neutral",), "female": ("female", "f"), "male": ("male", "m")}
# published names: SMPL_NEUTRAL.npz, SMPLX_MALE.npz, basicModel_f_lbs_10_207_0_v1.0.0.pkl
_NAME = re.compile(r"(?:(smpl[hx]?)_|basicmodel_)(neutral|female|male|f|m)(?:_lbs_.*)?\.(npz|pkl)", re.I)


def read_smpl(path: str | Path) -> dict[str, np.ndarray]:
    """Arrays of an SMPL, SMPL-H or SMPL-X file (.npz or official .pkl) under SMPL's own keys.

    v_template (V,3), shapedirs (V,3,B), J_regressor (K,V) dense, weights (V,K), kintree_table (2,K), f (F,3);
    posedirs (V,3,P) where the file has it. Metres. Raises ``UserError`` for a file that is missing, damaged,
    no body model, or carries code.
    """
    path = Path(path)
    content = read_npz(path) if path.suffix == ".npz" else load_pickle(path, _STAND_INS, _ALLOWED)
    keys = content if isinstance(content, dict) else {}
    if missing := [key for key in REQUIRED if key not in keys]:
        raise UserError(f"{path} is no SMPL body model: it lacks {', '.join(missing)}")
    return {key: np.asarray(content[key]) for key in REQUIRED + OPTIONAL if key in keys}


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """Arrays of an npz file by name, without those of Python objects (SMPL-X's part names), which could run code.

    Also reads MotionBERT's smpl_mean_params.npz. Raises ``UserError`` for a missing or damaged file.
    """
    arrays = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for name in archive.files:
                try:
                    arrays[name] = archive[name]
                except ValueError as error:
                    if "Object arrays" not in str(error):
                        raise
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile, zipfile.zlib.error) as error:
        raise UserError(f"{path} is no whole npz file: {error}") from None
    return arrays


def find_smpl(path: Path, gender: str) -> Path:
    """The body model file ``path``, or that of ``gender`` in the folder ``path`` (or smplx's folders in it).

    SMPL goes before SMPL-H and SMPL-X, npz before pkl. Raises ``UserError`` for an unknown gender and for a
    missing file, saying where it comes from and where it goes.
    """
    if gender not in GENDERS:
        raise UserError(
            f"unknown gender '{gender}'{did_you_mean(gender, GENDERS)}; known: {', '.join(GENDERS)}"
        )
    if path.is_file():
        return path
    where_from = (
        "its owner gives it out after registration: smpl.is.tue.mpg.de (SMPL), smpl-x.is.tue.mpg.de (SMPL-X)"
    )
    if path.suffix in (".npz", ".pkl"):
        raise UserError(f"body model {path} does not exist; {where_from}; put it there")
    files = list(_published(path))
    chosen = [entry for entry in files if entry[2] in GENDERS[gender]]
    if not chosen:
        wanted = (
            f"SMPL_{gender.upper()}.npz or .pkl, basicModel_{GENDERS[gender][-1]}_lbs_10_207_0_v1.0.0.pkl"
        )
        there = ", ".join(entry[3].name for entry in files) or "none"
        raise UserError(
            f"no {gender} body model in {path} ({wanted}, or SMPLX_{gender.upper()}.npz; there: {there}); "
            f"{where_from}; put it there"
        )
    return min(chosen)[3]


def gender_of(path: Path) -> str | None:
    """Gender that the published name of a body model tells; None for other names."""
    found = _NAME.fullmatch(path.name)
    return next((gender for gender, given in GENDERS.items() if found and found[2].lower() in given), None)


def _published(folder: Path) -> Iterator[tuple[str, str, str, Path]]:
    """(kind, suffix, gender, path) of the body models in a folder."""
    for part in (folder, *(folder / name for name in ("smpl", "smplh", "smplx"))):
        for path in part.iterdir() if part.is_dir() else ():
            if found := _NAME.fullmatch(path.name):
                yield (found[1] or "smpl").lower(), found[3].lower(), found[2].lower(), path


class _State(StandIn):
    """An object whose attributes are kept, and whose class is never asked."""

    state: dict[str, Any]

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise ValueError(f"state of type {type(state).__name__} is not allowed")
        self.state = state


class _Ch(_State):
    """chumpy.ch.Ch: an array."""

    def resolved(self, resolve: Callable[[Any], Any]) -> np.ndarray:
        return np.asarray(resolve(self.state["x"]))


class _Select(_State):
    """chumpy.reordering.Select: some elements of another array, as slicing leaves it."""

    def resolved(self, resolve: Callable[[Any], Any]) -> np.ndarray:
        chosen = np.ravel(resolve(self.state["a"]))[resolve(self.state["idxs"])]
        return chosen.reshape(resolve(self.state.get("preferred_shape", chosen.shape)))


class _CompressedColumns(_State):
    """scipy.sparse.csc_matrix, as a dense array."""

    def resolved(self, resolve: Callable[[Any], Any]) -> np.ndarray:
        shape, values, inner, starts = (
            resolve(self.state[key]) for key in ("_shape", "data", "indices", "indptr")
        )
        dense = np.zeros(shape, values.dtype)
        outer = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        np.add.at(dense, self._place(inner, outer), values)
        return dense

    @staticmethod
    def _place(inner: np.ndarray, outer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return inner, outer


class _CompressedRows(_CompressedColumns):
    """scipy.sparse.csr_matrix, as a dense array."""

    @staticmethod
    def _place(inner: np.ndarray, outer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return outer, inner


def _empty_object(kind: Any, base: Any, state: Any) -> StandIn:
    """How pickle protocols 0 and 1 begin an object."""
    if not (isinstance(kind, type) and issubclass(kind, _State)):
        raise ValueError("an object of this type is not allowed")
    return kind()


def _nothing(*arguments: Any) -> None:
    """For what stands beside the arrays and is not read."""


_ALLOWED = "Body models may hold arrays of numpy, chumpy and scipy.sparse, and plain containers only"
_STAND_INS: dict[str, Any] = {
    "chumpy.ch.Ch": _Ch,
    "chumpy.reordering.Select": _Select,
    "scipy.sparse.csc.csc_matrix": _CompressedColumns,
    "scipy.sparse._csc.csc_matrix": _CompressedColumns,
    "scipy.sparse.csr.csr_matrix": _CompressedRows,
    "scipy.sparse._csr.csr_matrix": _CompressedRows,
    "copy_reg._reconstructor": _empty_object,
    "copyreg._reconstructor": _empty_object,
    "builtins.object": _nothing,
    "builtins.set": _nothing,
}
