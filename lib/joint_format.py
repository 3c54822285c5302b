"""A joint format file: inherited from its base, and checked before anything is built from it.

Every joint is a name here; index arrays are made in ``lib.skeleton``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib.anatomy import KINDS, canonical_names, mirror_name, rule_weights
from lib.errors import UserError, did_you_mean

MAPPINGS = ("canonical", "derived", "derived_for", "parents", "colors", "vertex_ids", "offsets")
LISTS = ("aliases", "other_roots", "joints", "flip", "limbs", "angles", "centers")
OTHER_KEYS = ("name", "base", "without", "root", "one_sided_angles")


def inherit(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """``base`` without the joints in ``own['without']``, then ``own`` over it.

    Mappings are merged by key, ``key+`` appends to the base's list, everything else replaces.
    """
    gone = set(own.get("without", ()))
    merged = {key: value for key, value in base.items() if key not in ("name", "aliases", "base", "without")}
    for key in LISTS:
        merged[key] = [entry for entry in merged.get(key) or [] if not gone & set(_flat(entry))]
    for key in ("canonical", "parents"):
        merged[key] = {joint: value for joint, value in merged.get(key, {}).items() if joint not in gone}
    merged["vertex_ids"] = {
        body: {joint: vertex for joint, vertex in ids.items() if joint not in gone}
        for body, ids in merged.get("vertex_ids", {}).items()
    }
    for key, value in own.items():
        if key.endswith("+"):
            merged[key[:-1]] = merged.get(key[:-1], []) + value
        elif key in MAPPINGS and isinstance(value, dict):
            merged[key] = merged.get(key, {}) | value
        else:
            merged[key] = value
    return {key: value for key, value in merged.items() if value not in ([], {})}


def _flat(entry: Any) -> Iterator[str]:
    """All names in a name or in nested lists of names."""
    if isinstance(entry, list):
        for part in entry:
            yield from _flat(part)
    else:
        yield str(entry)


def check_format(raw: dict[str, Any], path: Path) -> None:
    """Raise one ``UserError`` that names the file and every mistake in a (merged) joint format."""
    mistakes = list(_shape_mistakes(raw))
    if not mistakes:  # the checks below rely on the right types and on known, single names
        mistakes = list(_name_mistakes(raw))
    if not mistakes:
        checks = (_flip_mistakes, _mirror_mistakes, _parent_mistakes, _rule_mistakes, _offset_mistakes)
        mistakes = [mistake for check in checks for mistake in check(raw)]
    if mistakes:
        raise UserError(f"joint format file {path}: " + "; ".join(mistakes))


def _shape_mistakes(raw: dict[str, Any]) -> Iterator[str]:
    known = MAPPINGS + LISTS + OTHER_KEYS
    for key in raw:
        if key not in known:
            yield f"unknown key '{key}'{did_you_mean(str(key), known)}; allowed: {', '.join(sorted(known))}"
    for key in ("name", "root", "joints", "limbs"):
        if not raw.get(key):
            yield f"'{key}' is missing"
    for key in MAPPINGS:
        values = raw.get(key, {})
        wanted = dict if key in ("derived", "derived_for", "vertex_ids", "offsets") else str
        if not isinstance(values, dict) or not all(isinstance(value, wanted) for value in values.values()):
            yield f"'{key}' must be a mapping to {'mappings' if wanted is dict else 'names'}"
    for key in LISTS:
        if not isinstance(raw.get(key, []), list):
            yield f"'{key}' must be a list"
            continue
        width = {"flip": 2, "limbs": 2, "centers": 3, "angles": 2}.get(key)
        for entry in raw.get(key, []):
            if width and not (isinstance(entry, list) and len(entry) == width):
                yield f"{key}: {entry} must be a list of {width}"
            if not width and not isinstance(entry, str):
                yield f"{key}: {entry!r} is no text; put it in quotes"


def _name_mistakes(raw: dict[str, Any]) -> Iterator[str]:
    joints = raw["joints"]
    for name, count in Counter(joints).items():
        if count > 1:
            yield f"joint '{name}' is listed {count} times"
    mentioned = {
        "root": raw["root"],
        "other_roots": raw.get("other_roots", []),
        "canonical": list(raw.get("canonical", {})),
        "parents": [*raw.get("parents", {}), *raw.get("parents", {}).values()],
        "colors": [key for key in raw.get("colors", {}) if key not in ("left", "right", "center")],
        "vertex_ids": [joint for ids in raw.get("vertex_ids", {}).values() for joint in ids],
        **{key: raw.get(key, []) for key in ("flip", "limbs", "centers", "angles")},
    }
    for key, entry in mentioned.items():
        for name in dict.fromkeys(_flat(entry)):
            if name not in joints:
                yield f"{key}: '{name}' is no joint of this format{did_you_mean(name, joints)}"
    known = canonical_names()
    canonical = canonical_of(raw)
    for joint, name in canonical.items():
        if name not in known:
            yield f"canonical: '{joint}' has the unknown anatomical name '{name}'{did_you_mean(name, known)}"
    for name, count in Counter(canonical.values()).items():
        if count > 1:
            yield f"canonical: {count} joints share the anatomical name '{name}'"
    doubled = Counter(frozenset(limb) for limb in raw["limbs"])
    for limb, count in doubled.items():
        if len(limb) == 1 or count > 1:
            yield f"limbs: {sorted(limb)} joins a joint to itself or is listed twice"


def canonical_of(raw: dict[str, Any]) -> dict[str, str]:
    """Anatomical name of every joint, its own name where the file gives no other."""
    given = raw.get("canonical", {})
    return {joint: given.get(joint, joint) for joint in raw["joints"]}


def flip_map(raw: dict[str, Any]) -> dict[str, str]:
    """Joint -> joint that takes its place in the mirrored pose."""
    pairs = raw.get("flip", [])
    return {joint: joint for joint in raw["joints"]} | dict(pairs) | {b: a for a, b in pairs}


def _flip_mistakes(raw: dict[str, Any]) -> Iterator[str]:
    canonical = canonical_of(raw)
    joint_of = {name: joint for joint, name in canonical.items()}
    for name, count in Counter(_flat(raw.get("flip", []))).items():
        if count > 1:
            yield f"flip: '{name}' is in {count} pairs"
    for a, b in raw.get("flip", []):
        if a == b or mirror_name(canonical[a]) != canonical[b]:
            yield f"flip: '{a}' ({canonical[a]}) and '{b}' ({canonical[b]}) are not each other's mirror"
    flipped = flip_map(raw)
    for joint, name in canonical.items():
        twin = joint_of.get(mirror_name(name))
        if twin != joint and flipped[joint] == joint and (twin or raw.get("flip")):
            yield f"flip: '{joint}' ({name}) stands in no pair, its mirror is '{twin or mirror_name(name)}'"


def _mirror_mistakes(raw: dict[str, Any]) -> Iterator[str]:
    flipped = flip_map(raw)
    limbs = {frozenset(limb) for limb in raw["limbs"]}

    def mirrored(limb: frozenset[str]) -> frozenset[str]:
        return frozenset(flipped[joint] for joint in limb)

    for limb in raw["limbs"]:
        if mirrored(frozenset(limb)) not in limbs:
            yield f"limbs: {limb} has no mirror image {sorted(mirrored(frozenset(limb)))}"
    angles = {frozenset(map(frozenset, pair)) for pair in raw.get("angles", [])}
    for pair in raw.get("angles", []):
        for limb in pair:
            if frozenset(limb) not in limbs:
                yield f"angles: {limb} is no limb of this format"
        image = frozenset(mirrored(frozenset(limb)) for limb in pair)
        if image not in angles and not raw.get("one_sided_angles"):
            yield f"angles: {pair} has no mirror image (allow this with 'one_sided_angles: true')"
    centers = {(center, frozenset(ends)) for center, *ends in raw.get("centers", [])}
    for center, ends in centers:
        if (flipped[center], mirrored(ends)) not in centers:
            yield f"centers: '{center}' between {sorted(ends)} has no mirror image"


def _parent_mistakes(raw: dict[str, Any]) -> Iterator[str]:
    parents = raw.get("parents")
    if not parents:
        return
    tops = [joint for joint in raw["joints"] if joint not in parents]
    if len(tops) != 1:
        yield f"parents: exactly one joint has no parent, here {tops or 'none'}"
    for joint in raw["joints"]:
        seen = [joint]
        while (parent := parents.get(seen[-1])) and parent not in seen:
            seen.append(parent)
        if parent == joint:
            yield f"parents: cycle {' -> '.join([*seen, joint])}"


def _rule_mistakes(raw: dict[str, Any]) -> Iterator[str]:
    known = canonical_names()
    sets = {"derived": raw.get("derived", {})}
    sets |= {f"derived_for {target}": rules for target, rules in raw.get("derived_for", {}).items()}
    for where, rules in sets.items():
        for name, rule in rules.items():
            try:
                kind, weights = rule_weights(rule)
            except (AttributeError, TypeError, ValueError):
                kind, weights = "", {}
            if kind not in KINDS or not weights:
                yield f"{where}: '{name}' needs {{exact: ...}} or {{approximate: ...}}, given {rule}"
                continue
            for unknown in sorted({name, *weights} - set(known)):
                yield f"{where}: unknown anatomical name '{unknown}'{did_you_mean(unknown, known)}"
            if abs(sum(weights.values()) - 1.0) > 1e-6:
                yield f"{where}: the weights of '{name}' sum to {sum(weights.values()):g}, not 1"


def _offset_mistakes(raw: dict[str, Any]) -> Iterator[str]:
    known = canonical_names()
    for name, rule in raw.get("offsets", {}).items():
        along = rule.get("along")
        two = isinstance(along, list) and len(along) == 2
        if set(rule) != {"from", "along", "mm"} or not two or not isinstance(rule["mm"], int | float):
            yield f"offsets: '{name}' needs {{from: point, along: [point, point], mm: length}}, given {rule}"
            continue
        for unknown in sorted({name, rule["from"], *along} - set(known)):
            yield f"offsets: unknown anatomical name '{unknown}'{did_you_mean(unknown, known)}"
