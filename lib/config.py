"""A YAML file in, one flat and fully resolved config out; or every mistake in it at once.

Order: read the file and its bases, apply ``--set``, translate MotionBERT's keys, check each key, check keys
against each other and against the skeleton, fill in what follows from others.
"""

from __future__ import annotations

import argparse
import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from easydict import EasyDict

from lib import legacy
from lib.config_checks import KeyPath
from lib.config_formats import resolved_formats
from lib.config_schema import SCHEMAS, Keys
from lib.config_values import check_values, merged
from lib.config_yaml import Mistake, ParsedYaml, parse_scalar, parse_value, read_yaml
from lib.errors import UserError
from lib.files import atomic_write_text
from lib.hands import is_hand_format
from lib.skeleton import load_skeleton

logger = logging.getLogger(__name__)

OVERRIDE = "--set"  # stands where a file's name stands for keys of files


class ConfigError(UserError):
    """All mistakes of a config; the message has a line for each."""

    def __init__(self, name: str, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = sorted(mistakes, key=lambda mistake: (mistake.file != OVERRIDE, mistake))
        lines = [str(mistake) for mistake in self.mistakes]
        super().__init__("\n".join([f"{len(lines)} mistakes in {name}", *lines] if len(lines) > 1 else lines))


def load_config(
    path: str | Path, overrides: Iterable[str] | Mapping[str, Any] = (), task: str | None = None
) -> EasyDict:
    """Resolved config of a file: flat keys; ``losses`` and ``worker`` are blocks.

    ``overrides`` are ``key=value`` texts as ``--set`` takes them (a dot reaches into a block), or a dict.
    ``task`` "pose3d", "hand" or "mesh" refuses files of others, but "pose3d" takes "hand" too, which is a kind of it;
    None takes all. A file that does not say its task is of the one that is asked for if its keys allow it. What was
    assumed is logged.
    Raises ``ConfigError`` with every mistake: unknown or doubled keys, values that are not allowed, keys that
    contradict each other or the joint format.
    """
    parsed = _read_with_bases(Path(path), ())
    given = parse_overrides(overrides)
    if isinstance((parsed.values | given).get("losses"), dict):
        names = legacy.loss_names(parsed.values | given)
        given = {f"losses.{names[key]}" if key in names else key: value for key, value in given.items()}
    for key in [key for key in given if "." not in key]:
        parsed.values[key] = given.pop(key)
        parsed.places[(key,)] = (OVERRIDE, 0)
    return _resolve(parsed, given, str(path), task)


def dump_config(config: Mapping[str, Any]) -> str:
    """Text of a resolved config; ``load_config`` of it gives an equal config."""
    return yaml.dump(_plain(config), Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=100)


def save_config(config: Mapping[str, Any], path: str | Path) -> None:
    """Write ``dump_config`` to a file, whole or not at all."""
    atomic_write_text(path, dump_config(config))


def add_config_flags(parser: argparse.ArgumentParser) -> None:
    """Flags ``--config``, ``--set`` (any number of times) and ``--print_config``."""
    parser.add_argument("--config", required=True, metavar="FILE", help="YAML of the experiment")
    override = "override a key of it (--set losses.velocity=10); may stand several times"
    parser.add_argument(OVERRIDE, action="append", default=[], metavar="KEY=VALUE", help=override)
    parser.add_argument("--print_config", action="store_true", help="print the resolved config and stop")


def _read_with_bases(path: Path, above: tuple[Path, ...]) -> ParsedYaml:
    """Values of a file over those of its ``base``; blocks are merged key by key."""
    if path.resolve() in [child.resolve() for child in above]:
        raise UserError(f"{above[0]}: 'base' goes in a circle: {' -> '.join(map(str, (*above, path)))}")
    parsed = read_yaml(path, str(path))
    base = parsed.values.pop("base", None)
    if base is None:
        _name_losses_anew(parsed, {})
        return parsed
    if not isinstance(base, str) or not (path.parent / base).is_file():
        place = parsed.places[("base",)]
        text = f"base = {base!r}: there is no such file beside this one ({path.parent / str(base)})"
        parsed.mistakes.append(Mistake(*place, text))
        return parsed
    below = _read_with_bases(path.parent / base, (*above, path))
    _name_losses_anew(parsed, below.values)
    return ParsedYaml(
        merged(below.values, parsed.values), below.places | parsed.places, below.mistakes + parsed.mistakes
    )


def _name_losses_anew(parsed: ParsedYaml, below: dict[str, Any]) -> None:
    """Move MotionBERT's weights of a file into its block ``losses`` if it or its base has one.

    So a file comes before its base whatever names the two use; both names in one file are a mistake.
    """
    own = parsed.values.get("losses", {})
    if not isinstance(own, dict) or not isinstance((below | parsed.values).get("losses"), dict):
        return
    names = legacy.loss_names(below | parsed.values)
    for key in [key for key in names if key in parsed.values]:
        loss, value, place = names[key], parsed.values.pop(key), parsed.places[(key,)]
        if loss in own:
            line = parsed.places[("losses", loss)][1]
            text = f"{key} = {value}: this is losses.{loss}, which stands in line {line} too: keep one"
            parsed.mistakes.append(Mistake(*place, text))
        parsed.values["losses"] = own = {**own, loss: value}
        parsed.places[("losses", loss)] = place


def parse_overrides(overrides: Iterable[str] | Mapping[str, Any], flag: str = OVERRIDE) -> dict[str, Any]:
    """Values of ``key=value`` texts, as a flag takes them; a dict stays as it is."""
    if isinstance(overrides, Mapping):
        return dict(overrides)
    given = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UserError(f"{flag} {text}: write key=value, such as {flag} batch_size=8")
        given[key.strip()] = parse_value(value.strip(), f"{flag} {key.strip()}")
    return given


def _resolve(parsed: ParsedYaml, in_blocks: Mapping[str, Any], name: str, task: str | None) -> EasyDict:
    found = str(parsed.values.get("task", _task_of(parsed.values, task)))
    if found not in SCHEMAS:
        raise ConfigError(name, [_mistake(parsed, name, ("task",), f"must be one of {', '.join(SCHEMAS)}")])
    schema = SCHEMAS[found]
    try:
        raw, notes = legacy.translate(parsed.values, found)
    except legacy.NotBuiltError as error:
        place = parsed.places.get((error.key,), (name, 0))
        raise ConfigError(name, [Mistake(*place, str(error))]) from None
    if task is not None and not issubclass(schema, SCHEMAS[task]):
        hints = {"mesh": "; meshes: train_mesh.py, and infer_wild.py --mesh", "pose3d": "; bodies: train.py"}
        hint = hints.get(found, "")
        raise UserError(f"{name}: this is a config of task {found}, where one of task {task} is needed{hint}")
    for key, value in in_blocks.items():
        _set_in_block(raw, key.split("."), value, schema)
        parsed.places[tuple(key.split("."))] = (OVERRIDE, 0)

    checked = check_values(schema, raw)
    formats, in_formats, format_notes = resolved_formats(checked, raw)
    findings = checked.findings + in_formats
    if not legacy.is_old(parsed.values):
        findings += [
            (path, text) for path, text in checked.unused.items() if _beside_reader(parsed, name, path)
        ]
    if findings or parsed.mistakes:
        shown = ParsedYaml(parsed.values | raw, parsed.places)
        found_here = [_mistake(shown, name, path, text) for path, text in findings]
        raise ConfigError(name, parsed.mistakes + found_here)
    for note in notes + checked.notes + format_notes:
        logger.warning("%s: %s", name, note)
    values = checked.filled()
    return EasyDict(values | {"formats": formats} if "formats" in values else values)


def _beside_reader(parsed: ParsedYaml, name: str, path: KeyPath) -> bool:
    """Whether a key is given where the reader is, or above: a base's may be meant for the reader there."""
    reader_file = parsed.places[("reader",)][0]
    above = {reader_file, OVERRIDE} if reader_file == OVERRIDE else {reader_file, OVERRIDE, name}
    return any(place[0] in above for words, place in parsed.places.items() if words[0] == path[0])


def _task_of(raw: Mapping[str, Any], wanted: str | None) -> str:
    """Task that more of the keys belong to alone; hand rather than pose3d where wanted, or by the joint format."""
    pose, mesh = (raw.keys() & SCHEMAS[task].model_fields.keys() for task in ("hand", "mesh"))
    if len(mesh - pose) > len(pose - mesh):
        return "mesh"
    try:
        of_hands = is_hand_format(load_skeleton(str(raw.get("joint_format"))))
    except UserError:
        of_hands = False  # what is wrong with it is told later
    return "hand" if of_hands or wanted == "hand" else "pose3d"


def _set_in_block(raw: dict[str, Any], path: list[str], value: Any, schema: type[Keys]) -> None:
    """Set one key of a block; a block that the file does not have starts from its defaults."""
    key, block = path[0], raw.get(path[0])
    if block is None and key in schema.model_fields:
        default = schema.model_fields[key].get_default()
        block = default.model_dump() if isinstance(default, Keys) else default
    raw[key] = _with_key(block, path[1:], value)


def _with_key(block: Any, path: list[str], value: Any) -> dict[str, Any]:
    """A copy of a block with one key set, which may lie in a block within it."""
    copied: dict[str, Any] = dict(block) if isinstance(block, dict) else {}
    copied[path[0]] = _with_key(copied.get(path[0]), path[1:], value) if path[1:] else value
    return copied


def _mistake(parsed: ParsedYaml, name: str, path: KeyPath, text: str) -> Mistake:
    """A finding under the key and at the line that the user wrote, which may be MotionBERT's."""
    words = tuple(map(str, path))
    old = [(key,) for key in legacy.old_names(".".join(words)) if (key,) in parsed.places]
    if old and words not in parsed.places:
        words = old[0]
    above = (words[:length] for length in range(len(words), 0, -1))
    place = next((parsed.places[part] for part in above if part in parsed.places), (name, 0))
    key = re.sub(r"\.(\d+)", r"[\1]", ".".join(words))
    value: Any = parsed.values
    try:
        for word in words:
            value = value[int(word)] if isinstance(value, list) else value[word]
    except (KeyError, TypeError):
        return Mistake(*place, f"{key} {text}")
    shown = "null" if value is None else repr(value)
    return Mistake(*place, f"{key} = {shown if len(shown) <= 70 else shown[:67] + '...'}: {text}")


def _plain(value: Any) -> Any:
    """Dicts and lists as Python has them, without EasyDict."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


class _Dumper(yaml.SafeDumper):
    """Writes no anchors, and every text so that ``parse_scalar`` reads it as text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = re.fullmatch(r"[\w./][\w./ -]*(?<! )", text) and isinstance(parse_scalar(text), str)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _represent_text)
