"""How columns of Rokoko's CSV files are spelled: which are the joints of a hand, in what axes and unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lib.errors import UserError, did_you_mean
from lib.hands import FINGERS

COLUMNS_FILE = Path(__file__).with_name("rokoko_columns.yaml")
AXES = {"left_handed": -1.0, "right_handed": 1.0}
UP_TO_Y = {"x": [2, 0, 1], "y": [0, 1, 2], "z": [1, 2, 0]}  # cyclic, so that the axes keep their handedness
_KEYS = {"axes", "up", "unit_mm", "column", "time", "points", "last_flexion_deg"}
_NEEDED_POINTS = (
    "hand_wrist",
    *(f"thumb_{part}" for part in ("cmc", "mcp", "ip")),
    *(f"{finger}_{part}" for finger in FINGERS[1:] for part in ("mcp", "pip", "dip")),
)


@dataclass(frozen=True, eq=False)
class Spelling:
    """How one kind of file names its columns, and in what axes and unit it is."""

    name: str
    axes: str
    up: str
    unit_mm: float
    column: str
    time: tuple[str, ...]
    points: Mapping[str, str]
    last_flexion_deg: Mapping[str, str]

    def columns(self, point: str, side: str) -> list[str]:
        """Names of the three columns of a point, in lower case."""
        filled = point.replace("{Side}", side.capitalize())
        return [self.column.format(point=filled, axis=axis).lower() for axis in "xyz"]

    def angles(self, side: str) -> dict[str, str]:
        """Column in lower case of the flexion of each finger's last joint; few files have any."""
        filled = self.last_flexion_deg.items()
        return {finger: name.replace("{Side}", side.capitalize()).lower() for finger, name in filled}


def load_spellings(more: str | Path | None = None) -> dict[str, Spelling]:
    """Known spellings of columns, those of the user's file first. A faulty file raises ``UserError``."""
    found: dict[str, Spelling] = {}
    for path in filter(None, (more, COLUMNS_FILE)):
        try:
            raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise UserError(f"{path}: no spellings of columns that can be read: {error}") from None
        if not isinstance(raw, dict):
            raise UserError(f"{path}: expected spellings of columns, as in {COLUMNS_FILE.name}")
        for name, keys in raw.items():
            found.setdefault(str(name), _spelling(str(name), keys, str(path)))
    return found


def _spelling(name: str, keys: Any, where: str) -> Spelling:
    needed = _KEYS - {"last_flexion_deg"}
    if not isinstance(keys, dict) or needed - keys.keys() or keys.keys() - _KEYS:
        raise UserError(
            f"{where}: '{name}' must have the keys {', '.join(sorted(needed))}, and may have last_flexion_deg"
        )
    for key, allowed in (("axes", AXES), ("up", UP_TO_Y)):
        if keys[key] not in allowed:
            raise UserError(
                f"{where}: {name}: {key} is {keys[key]!r}{did_you_mean(str(keys[key]), allowed)}; allowed: "
                f"{', '.join(allowed)}"
            )
    if absent := [point for point in _NEEDED_POINTS if point not in keys["points"]]:
        raise UserError(f"{where}: {name}: points has no {absent[0]}; only the tips may be missing")
    return Spelling(
        name=name,
        **{key: keys[key] for key in ("axes", "up", "column", "points")},
        unit_mm=float(keys["unit_mm"]),
        time=tuple(map(str.lower, keys["time"])),
        last_flexion_deg=keys.get("last_flexion_deg", {}),
    )


def columns_of(spelling: Spelling, side: str, header: Sequence[str]) -> list[str]:
    """Columns of a hand that are read: its points, the time, and angles where they are needed and there."""
    columns = [column for point in spelling.points.values() for column in spelling.columns(point, side)]
    more = (*spelling.time, *spelling.angles(side).values())
    return columns + [name for name in more if name in header]


def spelling_of(header: Sequence[str], side: str, spellings: Mapping[str, Spelling]) -> Spelling | None:
    """The first spelling of which a file has every point of a side; None without one."""
    names = set(header)
    for spelling in spellings.values():
        if all(names.issuperset(spelling.columns(point, side)) for point in spelling.points.values()):
            return spelling
    return None


def what_lacks(header: Sequence[str], sides: Sequence[str], spellings: Mapping[str, Spelling]) -> str:
    """What the spelling that fits best does not find in a file, for a message."""
    lacking = {
        (name, side): [
            column
            for point in spelling.points.values()
            for column in spelling.columns(point, side)
            if column not in header
        ]
        for name, spelling in spellings.items()
        for side in sides
    }
    (name, side), missing = min(lacking.items(), key=lambda item: len(item[1]))
    return (
        f"holds no {' or '.join(sides)} hand: of the {side} one as '{name}' spells it {len(missing)} columns "
        f"are missing, first {missing[0]}{did_you_mean(missing[0], header)}; other spellings can be given as "
        "rokoko.columns"
    )
