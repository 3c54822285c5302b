"""Reader ``several``: parts that other readers read, one after the other as one set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lib.data.build import arguments_of
from lib.data.motion import Labels, Motion
from lib.data.readers import READERS, register_reader
from lib.errors import UserError
from lib.skeleton import Skeleton


@register_reader("several")
def read_several(skeleton: Skeleton, split: str, parts: Sequence[Mapping[str, Any]]) -> Motion:
    """Motion of all parts that have a share in the split.

    parts: for each a dict of ``reader``, that reader's own config keys, and ``splits``, names of the splits that it
    has a share in (None: all).
    """
    return joined(
        [
            READERS.get(part["reader"])(skeleton, split, **arguments_of(part["reader"], part))
            for part in parts_of(parts, split)
        ]
    )


def parts_of(parts: Sequence[Mapping[str, Any]], split: str) -> list[Mapping[str, Any]]:
    """Those that have a share in a split; ``UserError`` if none has."""
    found = [part for part in parts if part.get("splits") is None or split in part["splits"]]
    if not found:
        raise UserError(
            f"parts: none has a share in the split '{split}'; their key splits says which they have"
        )
    return found


def joined(motions: Sequence[Motion]) -> Motion:
    """One motion of all frames; a recording whose name another part has too takes its part's number before it."""
    return motions[0] if len(motions) == 1 else Motion.concat(list(_with_own_names(motions)))


def _with_own_names(motions: Sequence[Motion]) -> Iterator[Motion]:
    taken: set[str] = set()
    for number, motion in enumerate(motions, start=1):
        names = set(motion.source.present())
        if names & taken:
            source = Labels(motion.source.codes, [f"{number}:{name}" for name in motion.source.names])
            motion = replace(motion, source=source)
        taken |= names
        yield motion
