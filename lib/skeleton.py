"""A joint format as one frozen record: names, mirror, limbs, angles, root, tree.

Letters: J joints, L limbs, A angles, K centres, C channels. Formats are data in ``configs/skeletons``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lib import anatomy, joint_format
from lib.conversion import Conversion, conversion
from lib.errors import UserError, did_you_mean

__all__ = ["Conversion", "Skeleton", "conversion", "conversions", "list_skeletons", "load_skeleton"]

Index = NDArray[np.int64]
# numpy array or torch tensor; poses are only sliced, added and divided here, so torch need not be imported
ArrayT = TypeVar("ArrayT", bound=Any)


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A joint format; index arrays are read-only int64. Skeletons are equal only if they are one object."""

    name: str
    aliases: tuple[str, ...]
    joints: tuple[str, ...]
    canonical: tuple[str, ...]
    """Anatomical name of each joint, shared by all formats."""
    root: tuple[str, ...]
    """The root joint, or the joints whose mean is the root."""
    other_roots: tuple[str, ...]
    """Joints that older files may declare as their root."""
    flip_idx: Index
    """(J,) the mirrored pose is ``x[..., flip_idx, :]`` with the x channel negated."""
    limbs: tuple[tuple[str, str], ...]
    limb_idx: Index
    """(L, 2)"""
    limb_flip_idx: Index
    """(L,) mirror image of each limb."""
    angle_idx: Index
    """(A, 2) pairs of limb numbers."""
    center_idx: Index
    """(K, 3) a joint, and the two joints midway between which it lies."""
    parents: Index | None
    """(J,) parent of each joint, -1 for the top of the tree; None where the format has no tree."""
    joint_sides: tuple[str, ...]
    limb_sides: tuple[str, ...]
    joint_colors: tuple[str, ...]
    limb_colors: tuple[str, ...]
    derived: Mapping[str, Any] = field(repr=False)
    """Rules of the format's own for points it does not hold, by canonical name."""
    derived_for: Mapping[str, Mapping[str, Any]] = field(repr=False)
    """Rules that hold for one target format only."""
    vertex_ids: Mapping[str, Mapping[str, int]] = field(repr=False)
    """Body model -> joint -> vertex number, for surface points."""
    offsets: Mapping[str, Mapping[str, Any]] = field(repr=False)
    """On a body mesh: canonical name -> ``from`` a point, ``mm`` millimetres ``along`` the way between two."""

    @property
    def num_joints(self) -> int:
        """J."""
        return len(self.joints)

    @property
    def root_idx(self) -> int | None:
        """Number of the root joint; None where the root is the mean of several joints."""
        return self.joints.index(self.root[0]) if len(self.root) == 1 else None

    @property
    def root_weights(self) -> NDArray[np.float32]:
        """(J,) weights that sum to 1 and make the root from the joints."""
        weights = np.zeros(self.num_joints, np.float32)
        weights[[self.joints.index(joint) for joint in self.root]] = 1.0 / len(self.root)
        return weights

    def root_of(self, x: ArrayT) -> ArrayT:
        """Root of poses x (..., J, C) as (..., 1, C), numpy or torch, dtype and device kept."""
        if x.shape[-2] != self.num_joints:
            raise UserError(f"{self.name} has {self.num_joints} joints, given a pose {tuple(x.shape)}")
        first, *others = (self.joints.index(joint) for joint in self.root)
        root: ArrayT = x[..., first : first + 1, :]
        for number in others:
            root = root + x[..., number : number + 1, :]
        mean: ArrayT = root / len(self.root) if others else root
        return mean

    def with_root(self, *joints: str) -> Skeleton:
        """The same format with another root: one joint, or several whose mean is the root."""
        if not joints:
            raise UserError(f"{self.name}: with_root needs at least one joint")
        return replace(self, root=tuple(self.joints[self.index(joint)] for joint in dict.fromkeys(joints)))

    def index(self, joint: str) -> int:
        """Number of a joint by its name in this format; an unknown name raises ``UserError``."""
        if joint not in self.joints:
            hint = did_you_mean(joint, self.joints)
            raise UserError(f"'{joint}' is no joint of {self.name}{hint}; joints: {', '.join(self.joints)}")
        return self.joints.index(joint)

    def index_canonical(self, name: str) -> int | None:
        """Number of the joint with that anatomical name, None where the format lacks it."""
        return self.canonical.index(name) if name in self.canonical else None


def load_skeleton(name: str) -> Skeleton:
    """Skeleton of a joint format by name, alias (case, ``_`` and ``-`` do not matter) or path of a YAML file.

    An unknown name raises ``UserError`` with a suggestion and the list; a faulty file with all its mistakes.
    """
    if str(name).lower().endswith((".yaml", ".yml")):
        return _load_file(Path(name).resolve())
    paths = _paths_by_key()
    if _key(str(name)) not in paths:
        known = [given for raw in _raw_formats().values() for given in (raw["name"], *raw.get("aliases", ()))]
        raise UserError(
            f"unknown joint format '{name}'{did_you_mean(str(name), known)}; "
            f"known: {', '.join(list_skeletons())}; or give the path of a YAML file"
        )
    return _load_file(paths[_key(str(name))])


def list_skeletons() -> list[str]:
    """Names of all formats in ``configs/skeletons``."""
    return [raw["name"] for raw in _raw_formats().values()]


def conversions() -> list[tuple[str, str, int, int]]:
    """Every complete conversion as (source, target, number of exact joints, number of approximate joints)."""
    found = []
    for source, target in itertools.permutations(map(load_skeleton, list_skeletons()), 2):
        made = conversion(source, target, allow_missing=True, log=False)
        if not made.missing.any():
            found.append((source.name, target.name, int(made.exact.sum()), int((~made.exact).sum())))
    return found


def _key(name: str) -> str:
    return name.lower().replace("_", "-").replace(" ", "-")


@lru_cache(maxsize=1)
def _raw_formats() -> dict[Path, dict[str, Any]]:
    paths = sorted(anatomy.FORMAT_DIR.glob("[!_]*.yaml"))
    return {path: anatomy.read_yaml(path) for path in paths}


@lru_cache(maxsize=1)
def _paths_by_key() -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for path, raw in _raw_formats().items():
        for name in dict.fromkeys(_key(given) for given in (raw["name"], *raw.get("aliases", ()))):
            if name in paths:
                raise UserError(f"joint format name '{name}' stands in both {paths[name]} and {path}")
            paths[name] = path
    return paths


def _merged(path: Path, variants: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A format file with everything it inherits; ``base`` is a known name or a path beside the file."""
    if path in variants:
        raise UserError(f"joint format file {path}: 'base' goes in a circle through {variants[-1]}")
    own = _raw_formats().get(path) or anatomy.read_yaml(path)
    if "base" not in own:
        return own
    base = _paths_by_key().get(_key(str(own["base"])), path.parent / str(own["base"]))
    return joint_format.inherit(_merged(base, (*variants, path)), own)


@lru_cache(maxsize=64)
def _load_file(path: Path) -> Skeleton:
    raw = _merged(path)
    joint_format.check_format(raw, path)
    for target in raw.get("derived_for", {}):
        if target not in list_skeletons():
            hint = did_you_mean(target, list_skeletons())
            raise UserError(f"joint format file {path}: derived_for: unknown format '{target}'{hint}")
    return _build(raw)


def _build(raw: dict[str, Any]) -> Skeleton:
    """Skeleton of a checked format."""
    joints = tuple(raw["joints"])
    number = {joint: place for place, joint in enumerate(joints)}
    flipped = joint_format.flip_map(raw)
    limbs = tuple((a, b) for a, b in raw["limbs"])
    limb_number = {frozenset(limb): place for place, limb in enumerate(limbs)}
    if "angles" in raw:
        angles = [[limb_number[frozenset(limb)] for limb in pair] for pair in raw["angles"]]
    else:
        pairs = itertools.combinations(range(len(limbs)), 2)
        angles = [[i, j] for i, j in pairs if set(limbs[i]) & set(limbs[j])]
    canonical = tuple(joint_format.canonical_of(raw).values())
    sides = tuple(
        name.split("_")[0] if name.startswith(("left_", "right_")) else "center" for name in canonical
    )
    limb_sides = tuple(_common_side(sides[number[a]], sides[number[b]]) for a, b in limbs)
    colors = anatomy.side_colors() | raw.get("colors", {})
    parents = raw.get("parents")
    centers = raw.get("centers", [])
    return Skeleton(
        name=raw["name"],
        aliases=tuple(raw.get("aliases", ())),
        joints=joints,
        canonical=canonical,
        root=(raw["root"],) if isinstance(raw["root"], str) else tuple(raw["root"]),
        other_roots=tuple(raw.get("other_roots", ())),
        flip_idx=_frozen(number[flipped[joint]] for joint in joints),
        limbs=limbs,
        limb_idx=_frozen(([number[a], number[b]] for a, b in limbs), width=2),
        limb_flip_idx=_frozen(limb_number[frozenset((flipped[a], flipped[b]))] for a, b in limbs),
        angle_idx=_frozen(angles, width=2),
        center_idx=_frozen(([number[joint] for joint in center] for center in centers), width=3),
        parents=_frozen(number.get(parents.get(joint), -1) for joint in joints) if parents else None,
        joint_sides=sides,
        limb_sides=limb_sides,
        joint_colors=tuple(colors.get(joint, colors[sides[number[joint]]]) for joint in joints),
        limb_colors=tuple(colors[side] for side in limb_sides),
        derived=anatomy.mirrored_rules(raw.get("derived", {})),
        derived_for={
            target: anatomy.mirrored_rules(rules) for target, rules in raw.get("derived_for", {}).items()
        },
        vertex_ids=raw.get("vertex_ids", {}),
        offsets=anatomy.mirrored_rules(raw.get("offsets", {})),
    )


def _common_side(a: str, b: str) -> str:
    """Side of a limb: that of its ends, where one end on the midline does not count."""
    ends = {a, b} - {"center"}
    return ends.pop() if len(ends) == 1 else "center"


def _frozen(rows: Iterable[Any], width: int | None = None) -> Index:
    array = np.array(list(rows), np.int64)
    array = array.reshape(-1, width) if width else array
    array.flags.writeable = False
    return array
