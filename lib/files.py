"""Files on disk: writes that are whole or not at all, and data pickles that cannot run code."""

from __future__ import annotations

import os
import pickle
import re
import secrets
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import UserError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes the name ``path`` only when the block ends well.

    Works for a file and for a folder (an existing folder of that name is replaced). The temporary name keeps
    the suffix, since numpy appends its own where it is missing. Parent folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        yield temporary
        for written in sorted(temporary.rglob("*")) if temporary.is_dir() else [temporary]:
            _flush_to_disk(written)
        if path.is_dir():
            old = temporary.with_name(temporary.name + ".old")
            path.rename(old)
            temporary.rename(path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            temporary.replace(path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    # without it a power cut right after the rename can leave an empty file under the final name
    if path.is_file():
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def atomic_write_bytes(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that a reader finds the old file or the new one, never a part."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def atomic_write_text(path: str | Path, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path`` so that a reader finds the old file or the new one, never a part."""
    atomic_write_bytes(path, text.encode("utf-8"))


_PLAIN_ONLY = "Data pickles may hold numpy arrays and plain containers only"


def load_pickle(
    path: str | Path, stand_ins: Mapping[str, Any] | None = None, allowed: str = _PLAIN_ONLY
) -> Any:
    """Content of a data pickle that a stranger may have written: numpy arrays and plain containers only.

    Arrays may come from numpy 1 or 2, Python 2 or 3 and any pickle protocol; object arrays may hold strings
    only. Arrays are views of the bytes read and cannot be written to. ``stand_ins`` lets other kinds of file
    hold more: full names of classes and functions, each with the ``StandIn`` class or the function that takes
    its place; ``allowed`` tells users so. Raises ``UserError`` for a missing or truncated file and for any
    other object, naming it; nothing in the file is ever called.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            unpickler = _PlainUnpickler(file, encoding="latin1")
            unpickler.stand_ins = _STAND_INS | dict(stand_ins or {})
            return _resolve(unpickler.load())
    except _RefusedError as refused:
        raise UserError(f"{path} {refused}; refused. {allowed}") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:  # a damaged stream can raise nearly anything
        problem = f"{type(error).__name__}: {error}"
        raise UserError(f"{path} is no whole pickle (truncated, damaged, or too big): {problem}") from None


class _RefusedError(Exception):
    """The file holds what is not on the list."""


class StandIn:
    """Takes the place of an object in a pickle: keeps its state and turns it into plain content."""

    def resolved(self, resolve: Callable[[Any], Any]) -> Any:
        """Plain content of the object; ``resolve`` gives that of its parts."""
        raise NotImplementedError


# Stand-ins take the place of numpy's own constructors: numpy's dtype and array accept states that a crafted
# stream can use to read raw bytes as pointers, so the arrays are rebuilt here from checked parts.


class _Dtype:
    def __init__(self, code: str, align: bool = False, copy: bool = True) -> None:
        if not re.fullmatch(r"[<>|=]?([?biufcSU]\d*|O8?)", code):
            raise ValueError(f"array of type '{code}' is not allowed")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        if any(part is not None for part in state[2:5]):
            raise ValueError("structured arrays are not allowed")
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    array: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, data = state
        self.array = _array_of(data, dtype, shape, "F" if is_fortran else "C")


def _array_of(data: Any, dtype: _Dtype, shape: tuple, order: str) -> np.ndarray:
    if dtype.dtype.hasobject:
        if not isinstance(data, list) or not all(type(item) is str for item in data):
            raise ValueError("an object array may hold strings only")
        strings = np.empty(len(data), dtype=object)
        strings[:] = data
        return strings.reshape(shape, order=order)
    if isinstance(data, str):  # bytes as Python 2 wrote them
        data = data.encode("latin1")
    if not isinstance(data, bytes | bytearray):
        raise ValueError("array data must be bytes")
    array = np.ndarray(shape, dtype.dtype, buffer=data, order=order)
    if array.nbytes != len(data):
        raise ValueError(f"array of shape {shape} does not fill its {len(data)} bytes")
    return array


def _reconstruct(subtype: type, shape: tuple, typecode: bytes) -> _Array:
    return _Array()


def _scalar(dtype: _Dtype, data: bytes) -> np.generic:
    return _array_of(data, dtype, (), "C")[()]


def _frombuffer(data: Any, dtype: _Dtype, shape: tuple, order: str, axis_order: None = None) -> np.ndarray:
    return _array_of(data, dtype, shape, order)


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes encoded as '{encoding}' are not allowed")
    return text.encode("latin1")


def _bytes(*parts: bytes) -> bytes:
    return b"".join(parts)


_STAND_INS = {
    "numpy.ndarray": _Array,
    "numpy.dtype": _Dtype,
    "numpy.core.multiarray._reconstruct": _reconstruct,  # written by numpy 1
    "numpy._core.multiarray._reconstruct": _reconstruct,  # written by numpy 2
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _frombuffer,  # pickle protocol 5
    "numpy._core.numeric._frombuffer": _frombuffer,
    "_codecs.encode": _encode,  # bytes in protocols below 3
    "builtins.bytes": _bytes,  # empty bytes in protocols below 3
    "collections.OrderedDict": OrderedDict,
}


class _PlainUnpickler(pickle.Unpickler):
    stand_ins: Mapping[str, Any]

    def find_class(self, module: str, name: str) -> Any:
        # the platform's own module names (posix, nt) say less to a reader than os
        module = {"posix": "os", "nt": "os", "__builtin__": "builtins"}.get(module, module)
        if f"{module}.{name}" not in self.stand_ins:
            raise _RefusedError(f"carries code ({module}.{name})")
        return self.stand_ins[f"{module}.{name}"]


def _resolve(value: Any) -> Any:
    """The loaded tree with arrays in the place of their stand-ins; any other object is refused."""
    kind = type(value)
    if kind in (str, int, float, bool, type(None), bytes) or isinstance(value, np.generic | np.ndarray):
        return value
    if kind is _Array and value.array is not None:
        return value.array
    if isinstance(value, StandIn):
        return value.resolved(_resolve)
    if kind in (dict, OrderedDict):
        return kind((_resolve(key), _resolve(item)) for key, item in value.items())
    if kind in (list, tuple):
        return kind([_resolve(item) for item in value])
    raise _RefusedError(f"holds an object of type {kind.__name__}")
