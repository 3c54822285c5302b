"""The shared anatomical names of joints, and the rules that make one point of the body from others.

Everything is data in ``configs/skeletons/_canonical.yaml``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from lib.errors import UserError

FORMAT_DIR = Path(__file__).resolve().parent.parent / "configs" / "skeletons"
KINDS = ("exact", "approximate")

_SAFE_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is ten times faster


class _Loader(_SAFE_LOADER):  # type: ignore[misc]
    """Safe loader that refuses a key given twice, where plain YAML silently keeps the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        counts = Counter(key.value for key, _ in node.value)
        if doubled := [key for key, count in counts.items() if count > 1]:
            raise yaml.constructor.ConstructorError(None, None, f"doubled key {doubled}", node.start_mark)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


def read_yaml(path: Path) -> dict[str, Any]:
    """Content of a YAML file as a dict; a missing or malformed file raises ``UserError`` naming it."""
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise UserError(f"cannot read joint format file {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is no valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise UserError(f"{path} must be a YAML mapping (name, joints, flip, limbs ...)")
    return raw


@lru_cache(maxsize=1)
def _canonical_file() -> dict[str, Any]:
    return read_yaml(FORMAT_DIR / "_canonical.yaml")


def side_colors() -> dict[str, str]:
    """Colours of left, right and center where a format gives no others."""
    colors: dict[str, str] = _canonical_file()["colors"]
    return colors


@lru_cache(maxsize=1)
def canonical_names() -> dict[str, str]:
    """Anatomical name -> meaning; ``sided`` names count as left_ and right_, ``hand`` names also bare."""
    raw = _canonical_file()
    names: dict[str, str] = dict(raw["center"])
    for name, meaning in raw["sided"].items():
        names |= {f"left_{name}": f"{meaning} (left)", f"right_{name}": f"{meaning} (right)"}
    for name, meaning in raw["hand"].items():
        names |= {name: f"{meaning} (hand of unknown side)"}
        names |= {f"left_{name}": f"{meaning} (left hand)", f"right_{name}": f"{meaning} (right hand)"}
    return names


@lru_cache(maxsize=1)
def shared_rules() -> dict[str, list[dict[str, Any]]]:
    """Rules that hold for every format, tried in order after a format's own."""
    rules = _canonical_file()["derived"]
    return mirrored_rules({name: rule if isinstance(rule, list) else [rule] for name, rule in rules.items()})


def mirror_name(canonical: str) -> str:
    """Canonical name of the mirrored point: left_elbow <-> right_elbow, pelvis -> pelvis."""
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if canonical.startswith(side):
            return other + canonical.removeprefix(side)
    return canonical


def mirrored_rules(rules: dict[str, Any]) -> dict[str, Any]:
    """Rules completed by the mirror image of each rule that is given for one side only."""

    def mirrored(value: Any) -> Any:
        if isinstance(value, str):
            return mirror_name(value)
        if isinstance(value, dict):
            return {mirror_name(key): mirrored(entry) for key, entry in value.items()}
        return [mirrored(entry) for entry in value] if isinstance(value, list) else value

    return {mirror_name(name): mirrored(rule) for name, rule in rules.items()} | rules


def rule_weights(rule: dict[str, Any]) -> tuple[str, dict[str, float]]:
    """``(kind, {canonical name: weight})`` of a rule: one name, a list (mean) or a mapping of weights."""
    ((kind, sources),) = rule.items()
    if isinstance(sources, str):
        return kind, {sources: 1.0}
    if isinstance(sources, list):
        return kind, {name: 1.0 / len(sources) for name in sources}
    return kind, {name: float(weight) for name, weight in sources.items()}
