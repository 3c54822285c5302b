"""From the keys that a file gives to values with defaults, what is wrong with them, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lib import legacy
from lib.config_checks import (
    Finding,
    KeyPath,
    contradictions,
    schema_findings,
    skeleton_findings,
    unused_keys,
)
from lib.config_schema import Keys
from lib.config_text import sections
from lib.hands import hands_of
from lib.skeleton import Skeleton


@dataclass(frozen=True)
class Checked:
    """Values of every key of a schema. ``findings`` are mistakes; ``unused`` keys are for other readers."""

    schema: type[Keys]
    values: dict[str, Any]
    skeleton: Skeleton | None
    findings: list[Finding]
    unused: dict[KeyPath, str]
    notes: list[str]

    def filled(self) -> dict[str, Any]:
        """Values in the order of reading, with everything that follows from other keys; needs a skeleton."""
        skeleton = self.skeleton
        assert skeleton is not None
        defaults = _with_stand_ins(self.schema, {})
        values = self.values | {str(key): defaults[str(key)] for (key,) in self.unused}
        if not values["joint_format"].lower().endswith((".yaml", ".yml")):
            values["joint_format"] = skeleton.name
        values |= {
            "num_joints": skeleton.num_joints,
            "root": list(skeleton.root),
            "root_idx": skeleton.root_idx,
        }
        values["eval_batch_size"] = values["eval_batch_size"] or values["batch_size"]
        if values["flip"] is None:
            values["flip"] = len(hands_of(skeleton)) == 2
        if "skip_sources" in values and values["skip_sources"] is None:
            values["skip_sources"] = list(legacy.H36M_FAULTY_SOURCES) if values["reader"] == "h36m" else []
        return {key: values[key] for _, keys in sections(self.schema) for key in keys}


def check_values(schema: type[Keys], raw: dict[str, Any]) -> Checked:
    """Check each key, keys against each other, and keys against the skeleton."""
    findings = schema_findings(schema, raw)
    wrong = {str(path[0]) for path, _ in findings}
    # a key that is wrong or missing takes no part in what follows
    values = _with_stand_ins(schema, {key: value for key, value in raw.items() if key not in wrong})
    skeleton, against, notes = skeleton_findings(values, wrong)
    findings += [*contradictions(values, wrong, skeleton), *against]
    unused = dict(unused_keys(schema, values, wrong)) if "reader" in values else {}
    return Checked(schema, values, skeleton, findings, unused, notes)


def _with_stand_ins(schema: type[Keys], given: dict[str, Any]) -> dict[str, Any]:
    """All values, those of required keys that are absent being stand-ins."""
    stand_ins = {key: "worker" for key, field in schema.model_fields.items() if field.is_required()}
    return schema.model_validate(stand_ins | given).model_dump()


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Keys of both, those of ``above`` where both have one; blocks are merged key by key."""
    both = below | above
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            both[key] = merged(below[key], above[key])
    return both
