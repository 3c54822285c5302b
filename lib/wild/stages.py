"""Which results of a folder are there already: a stage is not run again while everything it read is the same."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lib.errors import UserError
from lib.files import atomic_write_text

logger = logging.getLogger(__name__)

STAGES_FILE = "stages.json"


def file_identity(path: str | Path) -> list[Any]:
    """What tells a file, or the files of a folder, from other ones: path, size and time of change."""
    path = Path(path)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [
        str(path.resolve()),
        [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files],
    ]


def stored_inputs(folder: Path, name: str) -> dict[str, Any] | None:
    """What a finished stage of a folder was made from; None if it was never finished."""
    try:
        record = json.loads((folder / STAGES_FILE).read_text(encoding="utf-8"))
        return record[name]["inputs"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no record, or an unreadable one: the stage is run again


class Stages:
    """The stages of one folder, in order: each depends on what it is given and on all stages before it."""

    def __init__(self, folder: Path, force: bool = False, after: str = "") -> None:
        self.folder, self.force = folder, force
        self.skipped: list[str] = []
        self.key = after
        """Stands for everything that the stages so far have read; ``after`` is that of another folder."""

    def depends_on(self, **inputs: Any) -> None:
        """Something that all later stages read."""
        self.key = hashlib.sha256(f"{self.key}{_text(inputs)}".encode()).hexdigest()

    @contextmanager
    def stage(
        self, name: str, files: Sequence[Path], load: Callable[[], Any] = lambda: True, **inputs: Any
    ) -> Iterator[Any]:
        """Run a stage: the block is given what ``load`` reads from its files, or None if it must make them.

        ``inputs`` is all that the stage reads beside what the stages before it made. The stage counts as done
        only if the block ends well.
        """
        self.depends_on(stage=name, **inputs)
        record = self._record()
        entry = record.pop(name, None)
        stored = None
        if not self.force and entry and entry["key"] == self.key and all(path.exists() for path in files):
            try:
                stored = load()
            except UserError as error:
                logger.warning(f"made anew: {error}")
        if stored is not None:
            self.skipped.append(name)
            yield stored
            return
        if entry:  # from here on the files may be of two minds
            self._write(record)
        yield None
        self._write({**self._record(), name: {"key": self.key, "inputs": json.loads(_text(inputs))}})

    def _record(self) -> dict[str, Any]:
        try:
            record = json.loads((self.folder / STAGES_FILE).read_text(encoding="utf-8"))
            return {name: entry for name, entry in record.items() if {"key", "inputs"} <= entry.keys()}
        except (OSError, ValueError, AttributeError):
            return {}

    def _write(self, record: dict[str, Any]) -> None:
        atomic_write_text(self.folder / STAGES_FILE, json.dumps(record, indent=1))


def _text(inputs: dict[str, Any]) -> str:
    return json.dumps(inputs, sort_keys=True, default=str)
