"""Joint angles as data: the definitions of ``configs/angles`` resolved for a joint format.

A definition names points by their anatomical names. Of the alternatives of a frame or an angle the first whose points
the format has counts; points that exact rules make of others (hip_center of both hips) are there too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lib.anatomy import FORMAT_DIR, mirror_name, read_yaml, rule_weights, shared_rules
from lib.errors import UserError
from lib.skeleton import Skeleton

ANGLE_DIR = FORMAT_DIR.parent / "angles"
ZERO_POSTURE = ANGLE_DIR / "_zero_posture.yaml"
CONVENTIONS = ("paper", "VEHS")
AXES = "xyz"
APART_DEG = 5.0  # directions closer to each other than this make no frame
POLE_DEG = 10.0  # a vector closer than this to the normal of the plane in which it is measured has no angle

Weights = tuple[tuple[int, float], ...]


class MissingPoint(LookupError):
    """The format lacks a point of a definition."""


@dataclass(frozen=True)
class Frame:
    """Frame of reference: ``axes`` say which axis each vector is; the left side's frames are mirror images."""

    axes: str
    first: Vector
    second: Vector
    mirrored: bool
    apart_deg: float
    segment: bool
    approximate: bool


@dataclass(frozen=True)
class Vector:
    """A direction between points (``weights``), an axis of a frame, or up."""

    weights: Weights = ()
    frame: Frame | None = None
    axis: str = ""
    sign: float = 1.0

    @property
    def approximate(self) -> bool:
        return self.frame is not None and self.frame.approximate

    @property
    def is_up(self) -> bool:
        return not self.weights and self.frame is None


@dataclass(frozen=True)
class Angle:
    """One angle of a format: a turn from ``start`` to ``end``, or (without ``end``) an angle of two vectors."""

    name: str
    vector: Vector
    start: Vector
    end: Vector | None
    tilt: bool
    zero_deg: float
    """What counts as zero where the zero posture does not say."""
    pole_deg: float
    limit_deg: float
    approximate: bool
    """Other points stand in for some that the format lacks."""


@lru_cache(maxsize=1)
def definitions() -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """All frames by name, and the angles of each file in ``configs/angles``; sided ones with the prefix right_."""
    frames: dict[str, Any] = {}
    angles: dict[str, dict[str, Any]] = {}
    for path in sorted(ANGLE_DIR.glob("[!_]*.yaml")):
        raw = read_yaml(path)
        own = _flat(raw["frames"])
        if doubled := set(own) & set(frames):
            raise UserError(
                f"{path}: frames defined in another file of {ANGLE_DIR} too: {', '.join(sorted(doubled))}"
            )
        frames |= own
        angles[path.stem] = _flat(raw["angles"])
    return frames, angles


def defined_angle_names() -> tuple[str, ...]:
    """Names of all angles that a body of some format may have, of both sides and conventions."""
    names = [name for table in definitions()[1].values() for name in table]
    return tuple(dict.fromkeys(each for name in names for each in (name, mirror_name(name))))


def _flat(table: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Name -> alternatives, with what stands under ``right`` named so."""
    sided = {f"right_{name}": entry for name, entry in table.get("right", {}).items()}
    whole = {name: entry for name, entry in table.items() if name != "right"} | sided
    return {name: entry if isinstance(entry, list) else [entry] for name, entry in whole.items()}


@lru_cache(maxsize=256)
def angles_of(skeleton: Skeleton, convention: str, with_up: bool) -> tuple[tuple[Angle, ...], dict[str, str]]:
    """Angles that a format has, and why it lacks others of the same part of the body.

    An unknown convention raises ``UserError``.
    """
    if convention not in CONVENTIONS:
        raise UserError(f"convention of the shoulder '{convention}': allowed are {', '.join(CONVENTIONS)}")
    found: list[Angle] = []
    missing: dict[str, str] = {}
    for table in definitions()[1].values():
        had, lacking = len(found), {}
        for name, entries in table.items():
            if entries[0].get("convention", convention) != convention:
                continue
            for side in _sides(name, skeleton):
                reader = _Reader(skeleton, with_up, side)
                own = reader.named(name)
                made = reader.first(own, entries)
                if isinstance(made, Angle):
                    found.append(made)
                else:
                    lacking[own] = made
        if len(found) > had:  # a body without fingers does not lack their angles
            missing |= lacking
    return tuple(found), missing


def _sides(name: str, skeleton: Skeleton) -> tuple[str, ...]:
    """Sides on which a format may have an angle; names of a hand of unknown side are bare."""
    if not name.startswith("right_"):
        return ("centre",)
    sides = [
        side for side in ("right", "left") if any(joint.startswith(side) for joint in skeleton.canonical)
    ]
    return tuple(sides) or ("bare",)


class _Reader:
    """Reads definitions for one side of one format."""

    def __init__(self, skeleton: Skeleton, with_up: bool, side: str) -> None:
        self.skeleton, self.with_up, self.side = skeleton, with_up, side

    def named(self, name: str) -> str:
        """Name on this side of what is defined for the right one."""
        if self.side == "left":
            return mirror_name(name)
        return name.removeprefix("right_") if self.side == "bare" else name

    def first(self, name: str, entries: list[dict[str, Any]]) -> Angle | str:
        """The angle by the first of its definitions that the format can follow, or what the best one needs."""
        reasons = []
        for number, entry in enumerate(entries):
            try:
                return self.angle(name, entry, number > 0)
            except MissingPoint as lack:
                reasons.append(str(lack))
        return reasons[0]

    def angle(self, name: str, entry: Mapping[str, Any], later: bool) -> Angle:
        """The angle by one of its definitions."""
        end = None
        if "between" in entry:
            start, vector = (self.vector(given) for given in entry["between"])
        else:
            frame = self.frame(entry["in"])
            vector = self.vector(entry["of"])
            start = self._axis(frame, entry["tilt"] if "tilt" in entry else entry["from"])
            end = None if "tilt" in entry else self._axis(frame, entry["to"])
        parts = [part for part in (vector, start, end) if part is not None]
        return Angle(
            name=name,
            vector=vector,
            start=start,
            end=end,
            tilt="tilt" in entry,
            zero_deg=float(entry.get("zero_deg", 0.0)),
            pole_deg=float(entry.get("undefined_within_deg", POLE_DEG)),
            limit_deg=float(entry.get("undefined_beyond_deg", 180.0)),
            approximate=bool(entry.get("approximate", later)) or any(part.approximate for part in parts),
        )

    def vector(self, given: Any) -> Vector:
        """``[from, to]`` between points, ``frame.axis`` with or without a minus sign, or ``up``."""
        if isinstance(given, list):
            start, end = (self.point(point) for point in given)
            weights = {number: end.get(number, 0.0) - start.get(number, 0.0) for number in {*start, *end}}
            return Vector(tuple(sorted((number, weight) for number, weight in weights.items() if weight)))
        if given == "up":
            if not self.with_up:
                raise MissingPoint("needs to know which way is up")
            return Vector()
        frame, axis = given.lstrip("-").split(".")
        return self._axis(self.frame(frame), f"-{axis}" if given.startswith("-") else axis)

    def _axis(self, frame: Frame, given: str) -> Vector:
        """Axis of a frame; seen from the left side z of a frame on the midline points the other way."""
        sign = -1.0 if given.startswith("-") else 1.0
        axis = given.lstrip("-")
        if self.side == "left" and not frame.mirrored and axis == "z":
            sign = -sign
        return Vector(frame=frame, axis=axis, sign=sign)

    def frame(self, name: str) -> Frame:
        """The frame of that name by the first of its definitions that the format can follow."""
        frames = definitions()[0]
        if name not in frames and f"right_{name}" not in frames:
            raise UserError(f"{ANGLE_DIR}: unknown frame '{name}'; known: {', '.join(sorted(frames))}")
        sided = f"right_{name}" in frames
        reader = self if sided else _Reader(self.skeleton, self.with_up, "centre")
        reasons = []
        for entry in frames[f"right_{name}" if sided else name]:
            try:
                return reader._frame(entry, sided and self.side == "left")
            except MissingPoint as lack:
                reasons.append(str(lack))
        raise MissingPoint(reasons[0])

    def _frame(self, entry: Mapping[str, Any], mirrored: bool) -> Frame:
        axes = [key for key in entry if key in AXES]
        first, second = (self.vector(entry[axis]) for axis in axes)
        return Frame(
            axes="".join(axes),
            first=first,
            second=second,
            mirrored=mirrored,
            apart_deg=float(entry.get("apart_deg", APART_DEG)),
            segment=bool(entry.get("segment", False)),
            approximate=bool(entry.get("approximate", False)) or first.approximate or second.approximate,
        )

    def point(self, given: str | list[str]) -> dict[int, float]:
        """Weights on the joints of a point: an anatomical name, or the mean of several."""
        names = given if isinstance(given, list) else [given]
        weights: dict[int, float] = {}
        for name in names:
            for number, weight in self._exact(self.named(name), ()).items():
                weights[number] = weights.get(number, 0.0) + weight / len(names)
        return weights

    def _exact(self, name: str, above: tuple[str, ...]) -> dict[int, float]:
        number = self.skeleton.index_canonical(name)
        if number is not None:
            return {number: 1.0}
        for rule in shared_rules().get(name, ()):
            kind, parts = rule_weights(rule)
            if kind == "exact" and not set(parts) & {name, *above}:
                try:
                    found = {part: self._exact(part, (*above, name)) for part in parts}
                except MissingPoint:
                    continue
                made: dict[int, float] = {}
                for part, weights in found.items():
                    for number, weight in weights.items():
                        made[number] = made.get(number, 0.0) + parts[part] * weight
                return made
        raise MissingPoint(f"needs {name}")
