"""Tables, limits and thresholds of the posture scores: YAML files in ``configs/ergo``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lib.config_yaml import read_yaml
from lib.errors import UserError, did_you_mean

FOLDER = Path(__file__).resolve().parent.parent.parent / "configs" / "ergo"


@dataclass(frozen=True)
class Level:
    """One action level: ``risk`` 0 to 3 is comparable between methods, ``color`` "#rrggbb"."""

    name: str
    color: str
    risk: int


@dataclass(frozen=True)
class Thresholds:
    """What the standards leave to judgement: numbers by name, and what each means."""

    values: Mapping[str, float]
    meanings: Mapping[str, str]
    unverified: frozenset[str]
    changed: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def lines(self) -> list[str]:
        """One line each for a report: name, number, meaning, and whether a source states it."""
        return [
            f"{name} = {value:g}: {self.meanings[name]}"
            + (" (set by the user)" if name in self.changed else "")
            + (" (no source at hand)" if name in self.unverified - self.changed else "")
            for name, value in self.values.items()
        ]


@lru_cache
def load_limits(name: str) -> Mapping[str, Any]:
    """Content of ``configs/ergo/<name>.yaml``; nested lists of numbers come as arrays where they are even."""
    parsed = read_yaml(FOLDER / f"{name}.yaml", f"configs/ergo/{name}.yaml")
    if parsed.mistakes:
        raise UserError(str(parsed.mistakes[0]))
    return {key: _array(value) for key, value in parsed.values.items()}


def limits_mark(name: str) -> str:
    """What stands beside a method's name: whether its limits were seen in a source, "" if all of them were."""
    marks = {True: "", "in part": "limits verified in part", False: "limits not verified"}
    return marks[load_limits(name)["verified"]]


def load_thresholds(path: str | Path | None = None) -> Thresholds:
    """The thresholds of ``configs/ergo/thresholds.yaml``, single ones replaced by lines ``name: number`` of a file.

    Raises ``UserError`` for a file that cannot be read, an unknown name, or a value that is no number.
    """
    stock = load_limits("thresholds")
    values = {name: float(entry["value"]) for name, entry in stock.items()}
    changed: Mapping[str, Any] = {}
    if path is not None:
        parsed = read_yaml(Path(path), str(path))
        if parsed.mistakes:
            raise UserError(str(parsed.mistakes[0]))
        changed = {
            name: given["value"] if isinstance(given, dict) and "value" in given else given
            for name, given in parsed.values.items()
        }
    for name, given in changed.items():
        if name not in values:
            known = ", ".join(values)
            raise UserError(f"{path}: unknown threshold '{name}'{did_you_mean(name, values)}; known: {known}")
        if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
            raise UserError(f"{path}: {name} is {given!r}, but a number is needed")
        values[name] = float(given)
    return Thresholds(
        values=values,
        meanings={name: entry["meaning"] for name, entry in stock.items()},
        unverified=frozenset(name for name, entry in stock.items() if not entry["verified"]),
        changed=frozenset(changed),
    )


@lru_cache
def action_levels(method: str) -> tuple[Level, ...]:
    """Action levels of a method, from the mildest to the worst."""
    stock = load_limits("levels")
    risks = {"low": 0} | {color: risk for risk, color in enumerate(stock["risk"])}
    return tuple(
        Level(name, stock["colors"][color], risks[color]) for name, color in stock["methods"][method].items()
    )


def risk_colors() -> tuple[str, ...]:
    """Colours "#rrggbb" of the risks 0 to 3 on the body map."""
    stock = load_limits("levels")
    return tuple(stock["colors"][color] for color in stock["risk"])


def unknown_color() -> str:
    """Colour "#rrggbb" of what has no score."""
    color: str = load_limits("levels")["colors"]["unknown"]
    return color


def look_up(table: np.ndarray, *scores: np.ndarray) -> np.ndarray:
    """Cells of a published table, whose rows and columns count from 1; scores beyond the last count as the last.

    scores: arrays (F,) of whole numbers. Returns (F,).
    """
    places = (
        np.clip(score, 1, size).astype(np.intp) - 1 for score, size in zip(scores, table.shape, strict=True)
    )
    return table[tuple(places)]


def score_of(value: np.ndarray, limits: Sequence[float] | np.ndarray) -> np.ndarray:
    """1 up to the first limit, 2 up to the second, and so on; a limit belongs to the lower score."""
    return 1 + np.searchsorted(np.asarray(limits, float), value, side="left")


def _array(value: Any) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], int | float | list):
        return np.array(value)
    return value
