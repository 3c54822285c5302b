"""Readers: each turns one kind of file into a Motion; chosen by the config key ``reader``.

A reader is a function ``reader(skeleton, split, <named arguments>) -> Motion`` in a file of this folder; its
named arguments are config keys of the same name. A new file here is found without being listed anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lib.data.motion import Motion
from lib.registry import Registry

READERS: Registry[Callable[..., Motion]] = Registry("reader")


def register_reader(
    name: str, *, file_of: Callable[..., Path] | None = None
) -> Callable[[Callable[..., Motion]], Callable[..., Motion]]:
    """Decorator that files a reader under ``name``.

    file_of: for a reader of one big file, gives that file from some of the reader's arguments (None where the
    config has no such key), so that it can be indexed into a memory-mapped cache.
    """

    def file_reader(reader: Callable[..., Motion]) -> Callable[..., Motion]:
        reader.file_of = file_of  # type: ignore[attr-defined]
        return READERS.register(name)(reader)

    return file_reader
