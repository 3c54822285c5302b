"""A name -> object table that is filled by a decorator and refuses clashes and unknown names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from lib.errors import UserError, did_you_mean

T = TypeVar("T")


class Registry(Generic[T]):
    """Named entries of one kind (``Registry("loss")``).

    >>> LOSSES = Registry("loss")
    >>> @LOSSES.register("mpjpe")
    ... def mpjpe(prediction, target, skeleton, weights=None): ...
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that files an entry under ``name``; a name that is taken raises ``ValueError``."""

        def file_entry(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} '{name}' is registered twice")
            self._entries[name] = entry
            return entry

        return file_entry

    def get(self, name: str) -> T:
        """Entry of that name; an unknown name raises ``UserError`` and lists the known ones."""
        if name not in self._entries:
            known = ", ".join(self.names())
            raise UserError(
                f"unknown {self.kind} '{name}'{did_you_mean(name, self._entries)}; known: {known}"
            )
        return self._entries[name]

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries
