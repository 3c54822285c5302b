"""Text of many numbers, fast: rows of cells, blocks of frames, names that every program reads."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np

BLOCK_FRAMES = 512  # frames that are held as text at a time: long videos must not fill the memory


def blocks(num_frames: int) -> Iterator[slice]:
    """Consecutive runs of frames that together are all of them."""
    for start in range(0, num_frames, BLOCK_FRAMES):
        yield slice(start, min(start + BLOCK_FRAMES, num_frames))


def number_rows(values: np.ndarray, separator: str, decimals: int = 6) -> list[str]:
    """Each row of ``values`` (N,C) as text with so many decimals; a value that is not finite is an empty cell."""
    row = separator.join([f"%.{decimals}f"] * values.shape[1]) + "\n"
    known = np.where(np.isfinite(values), values, np.nan)
    text = row * len(values) % tuple(known.ravel().tolist())
    return text.replace("nan", "").split("\n")[:-1]


def plain_names(names: Sequence[str]) -> list[str]:
    """Names in ASCII without spaces, still all different, for formats whose readers split at spaces.

    Accents are dropped, other letters become their number in Unicode.
    """
    plain: list[str] = []
    for name in names:
        letters = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
        ascii_only = letters.encode("ascii", "backslashreplace").decode()
        base = candidate = re.sub(r"[^\w.+-]+", "_", ascii_only, flags=re.ASCII).strip("_") or "joint"
        number = 2
        while candidate in plain:
            candidate, number = f"{base}_{number}", number + 1
        plain.append(candidate)
    return plain
