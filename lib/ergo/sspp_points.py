"""The 39 points of a 3DSSPP LOC line from the joints of any body format, by rules that are data.

F frames, J joints. The rules are in ``configs/ergo/sspp_points.yaml``, which also says what they mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from lib.anatomy import canonical_names, mirror_name, mirrored_rules, read_yaml, rule_weights
from lib.conversion import conversion
from lib.errors import UserError, did_you_mean
from lib.skeleton import Skeleton

CONFIG_DIR = Path(__file__).resolve().parents[2] / "configs" / "ergo"
NUM_POINTS = 39


@lru_cache(maxsize=1)
def point_rules() -> dict[str, Any]:
    """Content of sspp_points.yaml, completed by the right side."""
    raw = read_yaml(CONFIG_DIR / "sspp_points.yaml")
    return raw | {
        "rules": mirrored_rules(raw["rules"]),
        "conventions": {name: mirrored_rules(rules) for name, rules in raw["conventions"].items()},
        "directions": _mirrored_directions(raw["directions"]),
        "foot_heights": mirrored_rules(raw["foot_heights"]),
    }


def _mirrored_directions(directions: dict[str, Any]) -> dict[str, Any]:
    """As ``mirrored_rules``; the mirror image of a cross product is that of the images the other way round."""
    mirrored = mirrored_rules(directions)
    for name in set(mirrored) - set(directions):
        mirrored[name] = [
            way | {"cross": way["cross"][::-1]} if "cross" in way else way for way in mirrored[name]
        ]
    return mirrored


def point_names() -> tuple[str, ...]:
    """Names of the 39 points in the order of a LOC line."""
    return tuple(entry["point"] for entry in point_rules()["order"])


def point_meanings() -> dict[str, str]:
    """Name of a point -> what it is."""
    return {entry["point"]: entry["meaning"] for entry in point_rules()["order"]}


def conventions() -> list[str]:
    """Known choices of the points that public sources place differently."""
    return list(point_rules()["conventions"])


@dataclass(frozen=True)
class LocPoint:
    """How one point is made from a joint format."""

    name: str
    exact: bool
    text: str
    """The rule in words."""


class LocPoints:
    """Makes the 39 points from one joint format.

    A format that lacks the joints of a point, an unknown convention: ``UserError``. Where joints are absent (NaN) in
    a frame, the points made of them are NaN.
    """

    def __init__(self, skeleton: Skeleton, convention: str = "joint_centers") -> None:
        content = point_rules()
        if convention not in content["conventions"]:
            hint = did_you_mean(convention, conventions())
            known = ", ".join(conventions())
            raise UserError(f"unknown convention of 3DSSPP points '{convention}'{hint}; known: {known}")
        self.skeleton = skeleton
        overrides = content["conventions"][convention]
        self._ways: dict[str, list[dict[str, Any]]] = content["rules"] | content["directions"]
        self._ways |= {name: rules + self._ways[name] for name, rules in overrides.items()}
        names = tuple(canonical_names())
        # conversion() asks a target for no more than these
        target = SimpleNamespace(name="3DSSPP", joints=names, canonical=names, num_joints=len(names))
        made = conversion(skeleton, cast(Skeleton, target), allow_missing=True, log=False)
        self._matrix = dict(zip(names, made.matrix.astype(np.float64), strict=True))
        self._exact = {name for name, exact in zip(names, made.exact, strict=True) if exact}
        self._known = {name for name, missing in zip(names, made.missing, strict=True) if not missing}
        if lacking := [name for name in point_names() if not self._usable(name, self._known)]:
            raise UserError(
                f"{skeleton.name} cannot be written for 3DSSPP: it has no joints for {', '.join(lacking)}; "
                "a body with shoulders, elbows, wrists, hips, knees, ankles and a head is needed"
            )
        self.points = tuple(self._describe(name) for name in point_names())

    def _usable(self, name: str, known: set[str]) -> bool:
        if name in self._matrix:
            return name in known
        return any(self._way_usable(way, known) for way in self._ways[name])

    def _way_usable(self, way: dict[str, Any], known: set[str]) -> bool:
        return all(self._usable(part, known) for part in _parts(way))

    def _way(self, name: str) -> dict[str, Any]:
        """The rule that counts: the first with exact joints, else the first that can be followed."""
        ways = [
            way
            for known in (self._exact, self._known)
            for way in self._ways[name]
            if self._way_usable(way, known)
        ]
        return ways[0]

    def _is_exact(self, name: str) -> bool:
        if name in self._matrix:
            return name in self._exact
        way = self._way(name)
        return "exact" in way and all(self._is_exact(part) for part in _parts(way))

    def _describe(self, name: str) -> LocPoint:
        way = self._way(name)
        _, weights = _weights(way)
        text = " + ".join(part if weight == 1.0 else f"{weight:g} {part}" for part, weight in weights.items())
        for step in way.get("plus", ()):
            size = f"{step['m']:g} m" if "m" in step else f"{step['stature']:g} stature"
            text += f" + {size} {step['along']}"
        return LocPoint(name, self._is_exact(name), text.replace("+ -", "- "))

    def make(self, positions_m: np.ndarray, stature_m: float) -> np.ndarray:
        """Points (F,39,3) in metres from joints (F,J,3) in metres, z up; rules in stature use ``stature_m``."""
        if positions_m.ndim != 3 or positions_m.shape[1:] != (self.skeleton.num_joints, 3):
            raise UserError(
                f"{self.skeleton.name} needs positions (frames, {self.skeleton.num_joints}, 3), "
                f"given {positions_m.shape}"
            )
        body = _Body(self, positions_m.astype(np.float64), stature_m)
        return np.stack([body.point(name) for name in point_names()], axis=1)

    def joint(self, name: str, positions_m: np.ndarray) -> np.ndarray | None:
        """An anatomical point (F,3) that the format has exactly; None where it has not."""
        return self._mean(name, positions_m) if name in self._exact else None

    def _mean(self, name: str, positions_m: np.ndarray) -> np.ndarray:
        weights = self._matrix[name]
        used = np.flatnonzero(weights)  # so that the NaN of another joint does not spread
        return np.einsum("fjc,j->fc", positions_m[:, used], weights[used])


class _Body:
    """Points and directions of one motion, each made once."""

    def __init__(self, rules: LocPoints, positions_m: np.ndarray, stature_m: float) -> None:
        self.rules, self.positions_m, self.stature_m = rules, positions_m, stature_m
        self._points: dict[str, np.ndarray] = {}

    def point(self, name: str) -> np.ndarray:
        """Point (F,3)."""
        if name not in self._points:
            is_joint = name in self.rules._matrix
            self._points[name] = self.rules._mean(name, self.positions_m) if is_joint else self._made(name)
        return self._points[name]

    def _made(self, name: str) -> np.ndarray:
        way = self.rules._way(name)
        _, weights = _weights(way)
        made = sum(weight * self.point(part) for part, weight in weights.items())
        for step in way.get("plus", ()):
            metres = step["m"] if "m" in step else step["stature"] * self.stature_m
            made = made + metres * _unit(self._direction(step["along"]))
        return np.asarray(made)

    def _direction(self, name: str) -> np.ndarray:
        """Direction (F,3) of length 1 or, where its geometry is nearly undefined, shorter."""
        way = self.rules._way(name)
        if "cross" in way:
            first, second = (_unit(self._direction(part)) for part in way["cross"])
            vector = np.cross(first, second)
        elif "sum" in way:
            vector = sum(weight * self._direction(part) for part, weight in way["sum"].items())
        else:
            vector = _unit(self.point(way["to"]) - self.point(way["from"]))
        if "square_to" in way:
            axis = _unit(self._direction(way["square_to"]))
            vector = vector - (vector * axis).sum(-1, keepdims=True) * axis
        return np.asarray(vector)


def _parts(way: dict[str, Any]) -> Iterator[str]:
    """Names of joints, points and directions that a rule or a direction is made of."""
    if "cross" in way or "sum" in way:
        yield from way.get("cross", way.get("sum"))
    elif "from" in way:
        yield from (way["from"], way["to"])
    else:
        yield from _weights(way)[1]
        yield from (step["along"] for step in way.get("plus", ()))
    if "square_to" in way:
        yield way["square_to"]


def _weights(way: dict[str, Any]) -> tuple[str, dict[str, float]]:
    return rule_weights({key: value for key, value in way.items() if key != "plus"})


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1; where there is no length there is no step in that direction: 0."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length < 1e-6, np.inf, length)


def mirrored_points(points: np.ndarray) -> np.ndarray:
    """Points (F,39,3) of the mirrored pose: x negated, left and right exchanged."""
    names = point_names()
    order = [names.index(mirror_name(name)) for name in names]
    return points[:, order] * np.array([-1.0, 1.0, 1.0])
