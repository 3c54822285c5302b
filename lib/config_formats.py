"""The key ``formats``: further joint formats that the backbone of a run learns, each with a config of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from easydict import EasyDict

from lib.config_blocks import FormatKeys, ModelKeys
from lib.config_checks import Finding
from lib.config_schema import PoseRunKeys
from lib.config_values import Checked, check_values, merged
from lib.errors import UserError, did_you_mean
from lib.skeleton import load_skeleton

# Keys that a network, an optimizer and a run have once; all others may differ from format to format.
_SHARED = {"task", "joint_format", "no_conf"}
_SHARED |= {*ModelKeys.model_fields, *PoseRunKeys.model_fields, *FormatKeys.model_fields}
_SHARED -= {"steps_per_epoch", "eval_flip", "pck_threshold_mm"}
# these follow from each joint format: never taken over from the main one
_JOINTS = ("num_joints", "root", "root_idx")


def format_configs(config: Mapping[str, Any]) -> list[EasyDict]:
    """A config for each joint format of a resolved config, the main one first and as it stands."""
    others = [
        EasyDict({**config, "formats": {}, "joint_format": name, **block})
        for name, block in config["formats"].items()
    ]
    return [EasyDict(config), *others]


def format_config(config: Mapping[str, Any], joint_format: str) -> EasyDict:
    """The one of ``format_configs`` with a joint format; ``UserError`` if none has it."""
    wanted = load_skeleton(joint_format).name
    found = {load_skeleton(each.joint_format).name: each for each in format_configs(config)}
    if wanted not in found:
        raise UserError(f"joint format {wanted}: the config is of {', '.join(found)}")
    return found[wanted]


def resolved_formats(main: Checked, raw: dict[str, Any]) -> tuple[dict[str, Any], list[Finding], list[str]]:
    """Block of each format with every value that differs from the main one's, mistakes, and notes.

    ``raw`` are the keys that the main format's values were made from.
    """
    resolved: dict[str, Any] = {}
    findings: list[Finding] = []
    notes: list[str] = []
    for given, block in main.values.get("formats", {}).items():
        try:
            skeleton = load_skeleton(given)
        except UserError as error:
            findings.append((("formats", given), str(error)))
            continue
        checked = check_values(main.schema, _keys_of_format(main, raw, given, block))
        found = [*_mistakes_of_name(skeleton.name, main, resolved), *_mistakes_in_block(main, checked, block)]
        findings += [(("formats", given, *path), text) for path, text in found]
        notes += [f"formats.{given}: {note}" for note in checked.notes]
        own: dict[str, Any] = {}
        if not (main.findings or found):
            values, of_main = checked.filled(), main.filled()
            given = values["joint_format"]
            differing = {key for key, value in values.items() if value != of_main[key]} - _SHARED
            own = {key: values[key] for key in values if key in _JOINTS or key in differing}
        resolved[given if given.endswith((".yaml", ".yml")) else skeleton.name] = own
    return resolved, findings, notes


def _keys_of_format(main: Checked, raw: dict[str, Any], name: str, block: dict[str, Any]) -> dict[str, Any]:
    """Keys of the main format under those of a block, which fills up blocks within it such as ``losses``."""
    below = {key: value for key, value in raw.items() if key not in (*_JOINTS, "formats")}
    below |= {key: main.values[key] for key in block.keys() & main.values.keys() if key not in _JOINTS}
    above = {key: value for key, value in block.items() if key in main.schema.model_fields.keys() - _SHARED}
    return merged(below, above) | {"joint_format": name}


def _mistakes_of_name(name: str, main: Checked, before: Mapping[str, Any]) -> Iterator[Finding]:
    if main.skeleton is not None and name == main.skeleton.name:
        yield (), "this is the joint_format of the config itself"
    if name in [load_skeleton(other).name for other in before]:
        yield (), "the joint format stands twice"
    if "." in name:
        yield (), "beside another format one without a dot in its name is needed"


def _mistakes_in_block(main: Checked, checked: Checked, block: Mapping[str, Any]) -> Iterator[Finding]:
    """Keys that cannot stand in a block, and what is wrong with the config that it makes."""
    known = main.schema.model_fields.keys()
    for key in block:
        if key in _SHARED:
            yield (key,), "all formats share this key"
        elif key not in known:
            hint = did_you_mean(key, sorted(known - _SHARED)) or "; docs/config.md lists every key"
            yield (key,), f"unknown key{hint}"
    for path, text in [*checked.findings, *checked.unused.items()]:
        if path[0] in block:
            yield path, text
        elif not main.findings and path not in checked.unused:
            yield (), f"{'.'.join(map(str, path))} = {checked.values[str(path[0])]}: {text}"
