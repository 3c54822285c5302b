"""The schema in words: limits and allowed values for messages, and the tables of `docs/config.md`."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

from lib.config_schema import (
    LOSS_NAMES,
    MESH_LOSS_NAMES,
    SCHEMAS,
    Interval,
    Keys,
    MeshSetKeys,
    PartKeys,
    RokokoKeys,
    WorkerKeys,
)

_LIMITS = {"gt": "greater than", "ge": "at least", "lt": "less than", "le": "at most"}
_WORDS = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}


def sections(schema: type[Keys]) -> list[tuple[str, list[str]]]:
    """Heading and keys of each block of a schema, in the order of reading."""
    found: list[tuple[str, list[str]]] = []
    seen: set[str] = set()
    for part in [schema, *_blocks(schema)]:
        own = [key for parent in reversed(part.__mro__) for key in vars(parent).get("__annotations__", {})]
        keys = [key for key in dict.fromkeys(own) if key in part.model_fields and key not in seen]
        if part is schema:
            keys = ["task"]
        seen |= set(keys)
        if keys:
            found.append(((part.__doc__ or "").strip(), keys))
    return found


def _blocks(schema: type[Keys]) -> list[type[Keys]]:
    """Blocks that a task is made of; those of a task that it is a kind of stand for that task."""
    bases = [base for base in schema.__bases__ if issubclass(base, Keys)]
    return [block for base in bases for block in (_blocks(base) if "task" in base.model_fields else [base])]


def _above(schema: type[Keys]) -> type[Keys] | None:
    """The task that a task is a kind of (pose3d of hand), or None."""
    return next((base for base in schema.__bases__ if base in SCHEMAS.values()), None)


def annotation_of(schema: type[Keys], path: tuple[str | int, ...]) -> Any:
    """Type of the key at a path such as ``("worker", "fps")``; None for an unknown key."""
    found: Any = schema
    for name in path:
        inner = _plain(_without_null(found))
        if isinstance(inner, type) and issubclass(inner, Keys):
            found = get_type_hints(inner, include_extras=True).get(str(name))
        else:
            found = get_args(inner)[-1] if get_origin(inner) in (dict, list) else None
    return found


def bounds_text(annotation: Any) -> str:
    """Limits of a number in words ("at least 0 and less than 1"), or an empty string."""
    annotation = _without_null(annotation)
    fields = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    marks = [mark for field in fields if isinstance(field, FieldInfo) for mark in field.metadata]
    limits = [
        (text, getattr(mark, name)) for mark in marks for name, text in _LIMITS.items() if hasattr(mark, name)
    ]
    return " and ".join(f"{text} {limit}" for text, limit in limits)


def values_text(annotation: Any) -> str:
    """Allowed values in words ("a whole number greater than 0, or null")."""
    inner = _without_null(annotation)
    plain, limits = _plain(inner), bounds_text(inner)
    if get_origin(plain) is Literal:
        text = "one of " + ", ".join(choices(plain)) if len(choices(plain)) > 1 else choices(plain)[0]
    elif get_origin(plain) is dict:
        number = get_args(plain)[1] is not Any and get_origin(get_args(plain)[1]) is not dict
        text = "a block of name: weight lines" if number else "a block of key: value lines"
    elif inner == Interval:
        text = "a list of two numbers greater than 0"
    elif get_origin(plain) is list:
        item = get_args(plain)[0]
        text = "a name or a list of names" if item is str else f"a list of {values_text(item)}"
        text = text.replace("a list of a block", "a list of blocks")
    elif issubclass(plain, Keys):
        text = "a block of key: value lines"
    else:
        text = _WORDS[plain]
    text = f"{text} {'of ' if limits.startswith('at ') else ''}{limits}".strip()
    return text if inner is annotation else f"{text}, or null"


def choices(annotation: Any) -> tuple[str, ...]:
    """Names that a key may take; none where it is not one of a few names."""
    plain = _plain(_without_null(annotation))
    return tuple(map(str, get_args(plain))) if get_origin(plain) is Literal else ()


def config_reference() -> str:
    """Text of `docs/config.md`: a table of every key of every task."""
    text = ["# Every key of a config", "", _INTRODUCTION]
    for task, schema in SCHEMAS.items():
        (title, _), *blocks = sections(schema)
        text += ["", f"## {title} (`task: {task}`)"]
        if above := _above(schema):
            other = above.model_fields["task"].get_default()
            text += ["", f"The keys of `task: {other}`, of which these are new or have other defaults."]
            blocks = [("Keys", [key for key in schema.model_fields if _is_own(schema, above, key)])]
        for heading, keys in blocks:
            text += ["", f"### {heading}", "", *_table(schema, keys)]
        for key, block in _EXPLAINED[task].items():
            text += [
                "",
                f"### {block.__doc__}: keys of `{key}`",
                "",
                *_table(block, list(block.model_fields)),
            ]
        if not above:
            names = MESH_LOSS_NAMES if task == "mesh" else LOSS_NAMES
            text += ["", "Names of losses: " + ", ".join(f"`{name}`" for name in names) + "."]
    return "\n".join(text) + "\n"


# the blocks of keys that each task's tables end with
_EXPLAINED: dict[str, dict[str, type[Keys]]] = {
    "pose3d": {"worker": WorkerKeys, "parts": PartKeys},
    "hand": {"rokoko": RokokoKeys},
    "mesh": {"sets": MeshSetKeys},
}


def _is_own(schema: type[Keys], above: type[Keys], key: str) -> bool:
    """Whether a key is new in a task, or has another default there, beside the task that it is a kind of."""
    field, other = schema.model_fields[key], above.model_fields.get(key)
    return key != "task" and (other is None or field.get_default() != other.get_default())


_INTRODUCTION = """\
Made from `lib/config_schema.py` by `lib.config_text.config_reference`; a test holds it up to date.

A config is one YAML file. Keys are flat; only `losses`, `worker`, `rokoko`, `parts`, `formats` and `sets` hold keys of
their own.

- `base: other.yaml`, relative to the file, inherits from another config; blocks are merged key by key.
- `--set key=value` overrides a key, `--set losses.velocity=10` a key of a block, `--set formats.RTM-24.fps=30`
  one of a format. It may stand several times.
- `--print_config` shows what comes out of all that. It lies beside each checkpoint as `config.yaml`.
- All mistakes of a file are reported at once, with their lines. Unknown and doubled keys are mistakes.
- MotionBERT's own keys (`lambda_scale`, `lambda_3d_velocity`, ...) and its files without `joint_format` and
  `reader` are understood too; what was assumed is printed. `lib/legacy.py` has the table of them."""


def _table(schema: type[Keys], keys: list[str]) -> list[str]:
    rows = ["| Key | Values | Default | Meaning |", "|---|---|---|---|"]
    for key in keys:
        field = schema.model_fields[key]
        value = field.get_default()
        if isinstance(value, dict):
            value = ", ".join(f"{name}: {number}" for name, number in value.items()) or "none"
        elif isinstance(value, list):
            value = ", ".join(value) or "none"
        default = {True: "required", False: "null" if value is None else str(value)}[field.is_required()]
        default = "its own" if isinstance(field.get_default(), Keys) else default
        meaning = " ".join((field.description or "").split())
        rows.append(f"| `{key}` | {values_text(annotation_of(schema, (key,)))} | {default} | {meaning} |")
    return rows


def _without_null(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation


def _plain(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
