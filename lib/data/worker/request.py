"""What is asked of the built-in motion, of workers and of hands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.data.subject_splits import SPLITS
from lib.errors import UserError
from lib.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Request:
    """subjects * clips * cameras videos of ``seconds`` each; what cannot be made raises ``UserError``.

    clips: per subject (None: one of each task); tasks: names (None: all of the split); detector: False gives exact
    2D and confidence 1.
    """

    seed: int
    subjects: int = 8
    clips: int | None = None
    seconds: float = 8.0
    fps: float = 30.0
    cameras: int = 2
    tasks: Sequence[str] | None = None
    detector: bool = True
    split: str = "train"

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise UserError(f"split '{self.split}' of the worker motion: allowed are {', '.join(SPLITS)}")
        for key in ("cameras", "subjects", "clips"):
            if (value := getattr(self, key)) is not None and value < 1:
                raise UserError(f"worker: {key} is {value}, must be at least 1")

    @property
    def frames(self) -> int:
        """Length of each video."""
        return round(self.seconds * self.fps)

    def people(self) -> Iterator[tuple[int, np.random.SeedSequence]]:
        """Number and seeds of each subject: a larger set begins with the smaller one's."""
        if self.frames < 2:
            raise UserError(f"worker: {self.seconds} s at {self.fps} fps is less than two frames")
        yield from enumerate(
            np.random.SeedSequence([self.seed, SPLITS.index(self.split)]).spawn(self.subjects)
        )

    def known_tasks(self, registry: Registry[Any], of_split: Callable[[str], Sequence[str]]) -> list[str]:
        """Names of the tasks to draw from; an unknown one, or none at all, raises ``UserError``."""
        names = list(of_split(self.split) if self.tasks is None else self.tasks)
        for name in names:
            registry.get(name)
        if not names:
            raise UserError(f"worker: tasks is empty; known: {', '.join(registry.names())}")
        return names
