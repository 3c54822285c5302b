"""YAML into plain values, with the place of every key, and numbers that a researcher would call numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lib.errors import UserError

Words = tuple[str, ...]  # the way to a key: ("losses", "velocity")

_INTEGER = re.compile(r"[-+]?[0-9]+$")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$")
_BOOLEAN = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_TAGS = ("null", "bool", "int", "float", "str", "timestamp")  # what PyYAML takes plain words for
_DEEPEST = 6


@dataclass(order=True, frozen=True)
class Mistake:
    """One thing that is wrong: in which file, at which line (0: nowhere in particular), and what."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


@dataclass
class ParsedYaml:
    """Values of a file, the place (file, line) of each key, and what could not be read."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Words, tuple[str, int]] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)


def parse_scalar(text: str) -> Any:
    """Value of one word of YAML without quotes: null, boolean, integer, float (``1e-4`` too) or text.

    YAML 1.1, and so PyYAML, takes ``1e-4`` for text, ``010`` for eight and ``1:30`` for ninety.
    """
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in _BOOLEAN:
        return _BOOLEAN[text.lower()]
    if _INTEGER.match(text):
        return int(text)
    if _NOT_FINITE.match(text):
        return float(text.replace(".", ""))
    return float(text) if _FLOAT.match(text) else text


def parse_yaml(text: str, name: str) -> ParsedYaml:
    """Read a YAML mapping; ``name`` is the file's name in messages.

    Doubled keys, tags, merge keys and anything that is no mapping become ``mistakes``. Text that is no YAML
    at all raises ``UserError`` with the line.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise UserError(str(Mistake(name, line, f"this is not YAML: {error.problem}"))) from None
    except yaml.YAMLError as error:
        raise UserError(f"{name}: this is not YAML: {error}") from None
    parsed = ParsedYaml()
    if isinstance(root, yaml.MappingNode):
        parsed.values = _value(root, (), name, parsed)
    elif root is not None:
        parsed.mistakes.append(Mistake(name, 1, "a config is a list of lines 'key: value'"))
    return parsed


def parse_value(text: str, what: str) -> Any:
    """Value on the right of ``--set key=value``: anything that YAML can say on one line."""
    parsed = parse_yaml(f"value: {text}", what)
    if parsed.mistakes:
        raise UserError(str(parsed.mistakes[0]))
    return parsed.values["value"]


def read_yaml(path: Path, name: str) -> ParsedYaml:
    """``parse_yaml`` of a file. Raises ``UserError`` if it cannot be read."""
    try:
        return parse_yaml(path.read_text(encoding="utf-8"), name)
    except OSError as error:
        raise UserError(f"cannot read the config {name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"cannot read the config {name}: it is not text in UTF-8") from None


def _value(node: yaml.Node, path: Words, name: str, parsed: ParsedYaml) -> Any:
    line = node.start_mark.line + 1
    if len(path) > _DEEPEST:
        parsed.mistakes.append(Mistake(name, line, f"{'.'.join(path[:2])}: nested too deep"))
        return None
    if isinstance(node, yaml.ScalarNode):
        if node.tag.removeprefix("tag:yaml.org,2002:") not in _TAGS:
            parsed.mistakes.append(
                Mistake(name, line, f"{'.'.join(path)}: tags ({node.tag}) are not allowed")
            )
        return str(node.value) if node.style else parse_scalar(node.value)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, str(number)), name, parsed) for number, item in enumerate(node.value)]
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key, key_line = str(key_node.value), key_node.start_mark.line + 1
        key_path = (*path, key)
        if not isinstance(key_node, yaml.ScalarNode) or key == "<<":
            text = "keys are plain words; to inherit from another file write base: other.yaml"
            parsed.mistakes.append(Mistake(name, key_line, text))
        elif key in values:
            text = f"{'.'.join(key_path)} stands twice, first in line {parsed.places[key_path][1]}"
            parsed.mistakes.append(Mistake(name, key_line, text))
        else:
            parsed.places[key_path] = (name, key_line)
            values[key] = _value(value_node, key_path, name, parsed)
    return values
