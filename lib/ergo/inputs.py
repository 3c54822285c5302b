"""What a video cannot show and the scores need: load, grip, support, repetition; each with a default that is told."""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import Any

from lib.errors import UserError

AUTO = "auto"


def _entry(default: Any, text: str, **more: Any) -> Any:
    return field(default=default, metadata={"help": text, **more})


@dataclass(frozen=True)
class TaskInputs:
    """Explicit inputs of the posture scores; the flags of the command line are made from these fields.

    Raises ``UserError`` for a value that is not allowed.
    """

    load_kg: float = _entry(0.0, "load in the hands, all the time", low=0, high=550, metavar="KG")
    load_side: str = _entry("both", "hand that holds it", choices=("both", "left", "right"))
    load_kind: str = _entry(
        "intermittent", "how the load acts (RULA)", choices=("intermittent", "repeated", "static")
    )
    shock: bool = _entry(False, "shocks or rapid build-up of force")
    coupling: str = _entry("good", "grip (REBA, NIOSH)", choices=("good", "fair", "poor", "unacceptable"))
    static: str = _entry(AUTO, "postures held for over a minute", choices=(AUTO, "yes", "no"))
    repetition_per_min: float | None = _entry(
        None, "repetitions a minute [counted in the video]", low=0, high=600, metavar="N"
    )
    unstable: bool = _entry(False, "rapid large changes of posture, or an unstable base (REBA)")
    arms_supported: bool = _entry(False, "arms supported, or leaning on them")
    trunk_supported: bool = _entry(False, "trunk fully supported")
    head_supported: bool = _entry(False, "head supported")
    legs: str = _entry("balanced", "weight on both legs, or walking", choices=("balanced", "one or unstable"))
    sitting: bool = _entry(False, "the person sits")
    lift: tuple[float, float] | None = _entry(
        None,
        "begin and end of one lift in seconds of the video, for the NIOSH equation",
        metavar=("BEGIN_S", "END_S"),
    )
    lifts_per_min: float = _entry(0.2, "lifts a minute (NIOSH)", low=0, high=60, metavar="N")
    duration_h: float = _entry(8.0, "hours of lifting a day (NIOSH)", low=0, high=8, metavar="H")

    def __post_init__(self) -> None:
        for entry in fields(self):
            value, rules = getattr(self, entry.name), entry.metadata
            if value is None:
                continue
            if "choices" in rules and value not in rules["choices"]:
                raise UserError(f"{entry.name} is '{value}'; allowed: {', '.join(rules['choices'])}")
            if "low" in rules and not rules["low"] <= value <= rules["high"]:
                raise UserError(f"{entry.name} is {value:g}; allowed: {rules['low']:g} to {rules['high']:g}")
        if self.lift is not None and not (len(self.lift) == 2 and 0 <= self.lift[0] < self.lift[1]):
            raise UserError(f"lift is {self.lift}: it needs the seconds of its begin and of its later end")
        if self.lift is not None and self.coupling == "unacceptable":
            raise UserError("lift: the lifting equation knows the couplings good, fair and poor")

    @classmethod
    def fields(cls) -> tuple[Field, ...]:
        """Fields with ``metadata`` help, choices, low, high, metavar where they apply."""
        return fields(cls)

    def lines(self) -> list[str]:
        """One line each for a report: what it is, its value, and whether that is the default."""
        lines = []
        for entry in fields(self):
            value = getattr(self, entry.name)
            if value is None and entry.name == "lift":
                continue
            mark = " (default)" if value == entry.default else ""
            what = entry.metadata["help"].split(" [")[0]
            lines.append(f"{entry.name} = {_text(value)}{mark}: {what}")
        return lines


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return " to ".join(map(_text, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:g}"
    return "counted in the video" if value is None else str(value)
