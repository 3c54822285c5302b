"""The folder of one training run: what lies in it, and whether a new call may write there."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.checkpoint import load_checkpoint
from lib.errors import UserError
from lib.files import atomic_write_text

CONFIG_FILE = "config.yaml"


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run; MotionBERT's names for the checkpoints."""

    path: Path

    @property
    def latest(self) -> Path:
        """Checkpoint to continue from."""
        return self.path / "latest_epoch.bin"

    @property
    def best(self) -> Path:
        """Checkpoint of the lowest validation error."""
        return self.path / "best_epoch.bin"

    def epoch(self, number: int) -> Path:
        """Checkpoint that is kept after a given number of epochs."""
        return self.path / f"epoch_{number}.bin"

    def starting_point(self, resume: str, config_text: str) -> dict[str, Any] | None:
        """Checkpoint to continue from, or None for a new run.

        ``resume`` is '' (a folder that holds a run is an error), 'auto' (continue the same resolved config, start
        in an empty folder) or the path of a checkpoint.
        """
        if resume and resume != "auto":
            return load_checkpoint(resume)
        if not self.latest.exists():
            return None
        if not resume:
            raise UserError(
                f"{self.path} holds a run: add --resume auto to continue it, or name another --checkpoint folder"
            )
        stored = self.path / CONFIG_FILE
        before = stored.read_text(encoding="utf-8") if stored.exists() else ""
        if before != config_text:
            changed = [
                line
                for line in difflib.ndiff(before.splitlines(), config_text.splitlines())
                if line[0] in "+-"
            ]
            raise UserError(
                f"{self.path} holds a run of another config, so --resume auto does not continue it; "
                f"{len(changed)} lines differ, the first: {'; '.join(changed[:4])}. "
                f"Name another --checkpoint folder, or --resume {self.latest} to continue all the same."
            )
        return load_checkpoint(self.latest)

    def begin(self, config_text: str) -> None:
        """Make the folder and write the resolved config into it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            atomic_write_text(self.path / CONFIG_FILE, config_text)
        except OSError as error:
            raise UserError(
                f"cannot write to {self.path}: {error.strerror}; choose another --checkpoint folder"
            ) from None
