"""Stages of one video's folder: which results are there already, and a progress bar for those that are not."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lib.files import atomic_write_text

STAGES_FILE = "stages.json"


def file_identity(path: str | Path) -> list[Any]:
    """What tells a file or folder from another version of it: its path, size and time of change."""
    path = Path(path)
    status = path.stat()
    size = sum(1 for _ in path.iterdir()) if path.is_dir() else status.st_size
    return [str(path.resolve()), size, status.st_mtime_ns]


class Stages:
    """The stages of one folder, in the order in which they are asked for.

    A stage is due unless its files are there and were made by the same options, and by the same stages before it.
    """

    def __init__(self, folder: Path, force: bool, after: Stages | None = None) -> None:
        self.folder, self.force = folder, force
        self.seconds: dict[str, float] = {}
        self.skipped: list[str] = []
        self._before = after._before if after else ""
        self._stored: dict[str, str] = {}
        stored = folder / STAGES_FILE
        if stored.exists():
            try:
                self._stored = json.loads(stored.read_text(encoding="utf-8"))
            except (ValueError, OSError):
                self._stored = {}  # an unreadable record: every stage is run again

    def due(self, name: str, outputs: Sequence[Path], **options: Any) -> bool:
        """Whether a stage must run; ``options`` is everything that its result depends on beside earlier stages."""
        text = json.dumps([self._before, name, options], sort_keys=True, default=str)
        self._before = hashlib.sha256(text.encode()).hexdigest()
        made = self._stored.get(name) == self._before and all(path.exists() for path in outputs)
        if made and not self.force:
            self.skipped.append(name)
            return False
        self._stored.pop(name, None)
        return True

    def finish(self, name: str) -> None:
        """Note that the stage asked for last has written its files."""
        self._stored[name] = self._before
        atomic_write_text(self.folder / STAGES_FILE, json.dumps(self._stored, indent=1))

    @contextmanager
    def bar(self, name: str, total: int | None) -> Iterator[tqdm]:
        """Progress of a stage in frames: rate and time left; remembers the seconds that the stage took."""
        with tqdm(
            total=total,
            desc=f"{name:<10}",
            unit=" frames",
            dynamic_ncols=True,
            mininterval=0.2 if sys.stderr.isatty() else 5,
        ) as bar:
            yield bar
            bar.refresh()
            self.seconds[name] = bar.format_dict["elapsed"]
