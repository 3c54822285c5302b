"""What is wrong with the values of a config: each by itself, together, and against the skeleton.

Every finding is a path of keys and a text that follows "key = value:".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from lib import legacy
from lib.config_schema import (
    LOSS_NAMES,
    MESH_LOSS_NAMES,
    READER_KEYS,
    SCHEMAS,
    USED_BY_CLIPS,
    HandConfig,
    Keys,
    MeshConfig,
    PartKeys,
)
from lib.config_text import annotation_of, bounds_text, choices, values_text
from lib.errors import UserError, did_you_mean
from lib.hands import hands_of
from lib.skeleton import Skeleton, list_skeletons, load_skeleton

KeyPath = tuple[str | int, ...]
Finding = tuple[KeyPath, str]


def schema_findings(schema: type[Keys], raw: dict[str, Any]) -> list[Finding]:
    """Unknown and missing keys, wrong types, values out of range, unknown losses: one finding a key."""
    found: dict[KeyPath, str] = {}
    losses = raw.get("losses")
    names = MESH_LOSS_NAMES if schema is MeshConfig else LOSS_NAMES
    for name in losses if isinstance(losses, dict) else ():
        if name not in names:
            text = f"unknown loss{did_you_mean(name, names)}; known: {', '.join(names)}"
            found[("losses", name)] = text
    try:
        schema.model_validate(raw)
    except ValidationError as error:
        for entry in error.errors(include_url=False):
            found.setdefault(entry["loc"], _text(schema, entry["loc"], entry["type"], raw, entry["input"]))
    return list(found.items())


def _text(schema: type[Keys], path: KeyPath, kind: str, raw: dict[str, Any], given: Any) -> str:
    key, annotation = str(path[-1]), annotation_of(schema, path)
    if kind == "missing" and len(path) > 1:
        return f"is missing; it must be {values_text(annotation)}"
    if kind == "missing":
        return _missing_reader() if key == "reader" else _missing_format(raw.get("num_joints"))
    if kind == "extra_forbidden":
        others = [
            task for task, other in SCHEMAS.items() if other is not schema and key in other.model_fields
        ]
        if others and len(path) == 1:
            return f"unknown key; it belongs to configs of task {others[0]}"
        block = annotation_of(schema, path[:-1]) if len(path) > 1 else schema
        known = [*block.model_fields, *(legacy.KNOWN_KEYS if block is schema else ())]
        return f"unknown key{did_you_mean(key, known) or '; docs/config.md lists every key'}"
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        return f"must be {bounds_text(annotation)}"
    hint = did_you_mean(str(given), choices(annotation)) if kind == "literal_error" else ""
    return f"must be {values_text(annotation)}{hint}"


def _missing_reader() -> str:
    return (
        "is missing, and the other keys fit several: write reader: h36m (Human3.6M pickle), vehs (pickle "
        "with res_w and res_h), clips (clip folders) or worker (built-in motion)"
    )


def _missing_format(num_joints: Any) -> str:
    known = list_skeletons()
    same = [name for name in known if load_skeleton(name).num_joints == num_joints]
    if same:
        names = " or ".join(same)
        return f"is missing, and {num_joints} joints alone do not say which: write joint_format: {names}"
    given = "" if num_joints is None else f", and none has {num_joints} joints"
    return f"is missing{given}; known: {', '.join(known)}"


def contradictions(
    values: dict[str, Any], wrong: set[str], skeleton: Skeleton | None = None
) -> Iterator[Finding]:
    """Keys that are right by themselves but not together; those named in ``wrong`` are left out."""

    def fine(*keys: str) -> bool:
        return not wrong & set(keys)

    if fine("clip_len", "maxlen") and values["clip_len"] > values["maxlen"]:
        yield ("clip_len",), f"must be at most maxlen = {values['maxlen']}"
    if fine("clip_len", "clip_lengths"):
        for number, length in enumerate(values.get("clip_lengths", ())):
            if values["clip_len"] % length:
                yield ("clip_lengths", number), f"must divide clip_len = {values['clip_len']}"
    if fine("dim_feat", "num_heads") and values["dim_feat"] % values["num_heads"]:
        yield ("dim_feat",), f"must be a multiple of num_heads = {values['num_heads']}"
    if fine("res_w", "res_h") and (values["res_w"] is None) != (values["res_h"] is None):
        given, absent = ("res_w", "res_h") if values["res_h"] is None else ("res_h", "res_w")
        yield (given,), f"{absent} is missing beside it"
    for key in ("scale_range", "scale_range_train", "scale_range_test"):
        if fine(key) and values.get(key) and values[key][0] > values[key][1]:
            yield (key,), "the smaller factor comes first"
    if "sets" in values and fine("sets", "epochs"):
        yield from _set_contradictions(values["sets"], values["epochs"])
    if "parts" in values and fine("reader", "train_reader", "parts", "worker", "fresh"):
        yield from _training_set_contradictions(values, wrong)
    if fine("losses") and not any(values["losses"].values()):
        yield ("losses",), "at least one loss needs a weight greater than 0"
    if values["task"] == HandConfig.model_fields["task"].get_default() and skeleton is not None:
        yield from _hand_contradictions(values, skeleton)


def _hand_contradictions(values: dict[str, Any], skeleton: Skeleton) -> Iterator[Finding]:
    """What a config of hands cannot ask of its joint format."""
    hands = hands_of(skeleton)
    if not hands:
        text = f"{skeleton.name} has no hand with fingers; train_hand.py needs one, train.py is for bodies"
        yield ("joint_format",), text
    for key in ("flip", "eval_flip"):
        if values[key] and len(hands) == 1:
            yield (
                (key,),
                f"{skeleton.name} has one hand, and a mirrored right hand is a left hand: leave {key} out or write "
                f"{key}: False (left hands in the data are mirrored to right ones by mirror_left)",
            )


def _training_set_contradictions(values: dict[str, Any], wrong: set[str]) -> Iterator[Finding]:
    """What is wrong with the parts of a set, and with what is laid over it."""
    readers, parts = {values["reader"], values["train_reader"]}, values["parts"]
    if "several" in readers and not parts:
        yield ("parts",), "the reader several needs at least one, with a reader of its own"
    for number, part in enumerate(parts):
        for key in unused_part_keys(part):
            yield ("parts", number, key), f"the reader {part['reader']} does not use this key"
    trained = _trained_parts(values)
    made = [(path, part) for path, part in trained if "worker" in READER_KEYS[part["reader"]]]
    if values["fresh"] and not made:
        names = " and ".join(dict.fromkeys(part["reader"] for _, part in trained))
        yield ("fresh",), f"the reader {names} reads the same motion in every epoch"
    if wrong & {"recorded_errors", "noise", "train_2d"} or not values["recorded_errors"]:
        return
    if values["noise"]:
        yield ("recorded_errors",), "noise: True adds errors too; keep one of the two"
    if values["train_2d"]:
        yield ("recorded_errors",), "needs 3D labels, which the 2D-only sets of train_2d do not have"
    from_labels = values["gt_2d"] or values["synthetic"]
    if not from_labels and all(part["worker"]["detector"] for _, part in made):
        for path, _ in made:
            text = "must be False, since recorded_errors are laid over exact 2D"
            yield (*path, "worker", "detector"), text


def _trained_parts(values: dict[str, Any]) -> list[tuple[KeyPath, dict[str, Any]]]:
    """Path and keys of each part of the training set: the config itself without the reader several."""
    reader = values["train_reader"] or values["reader"]
    if reader != "several":
        return [((), {**values, "reader": reader})]
    split = values["train_split"]
    numbered = enumerate(values["parts"])
    return [(("parts", n), part) for n, part in numbered if part["splits"] is None or split in part["splits"]]


def unused_part_keys(part: dict[str, Any]) -> list[str]:
    """Keys of a part with a value of their own that its reader does not take."""
    defaults = PartKeys(reader=part["reader"]).model_dump()
    others = part.keys() - {"reader", "splits", *READER_KEYS[part["reader"]]}
    return sorted(key for key in others if part[key] not in (None, defaults[key]))


def _set_contradictions(sets: list[dict[str, Any]], epochs: int) -> Iterator[Finding]:
    """What is wrong with the sets of a mesh config."""
    for number, given in enumerate(sets):
        if given["name"] in [other["name"] for other in sets[:number]]:
            yield ("sets", number, "name"), "another set has this name"
        if given["reader"] == "worker" and given["file"]:
            yield ("sets", number, "file"), "the reader worker reads no file"
        if given["reader"] != "worker" and not given["file"]:
            yield ("sets", number, "file"), f"the reader {given['reader']} needs one"
        if given["until_epoch"] is not None and given["until_epoch"] <= given["from_epoch"]:
            yield ("sets", number, "until_epoch"), f"must be greater than from_epoch = {given['from_epoch']}"
        if (given["res_w"] is None) != (given["res_h"] is None):
            yield ("sets", number, "res_w" if given["res_w"] else "res_h"), "the other of the two is missing"
    used = [(s["from_epoch"], s["until_epoch"] or epochs) for s in sets if s["train"]]
    empty = [epoch for epoch in range(epochs) if not any(start <= epoch < stop for start, stop in used)]
    if not used:
        yield ("sets",), "no set has train: True"
    elif empty:
        yield ("sets",), f"epoch {empty[0]} of {epochs} trains on none of them"


def unused_keys(schema: type[Keys], values: dict[str, Any], wrong: set[str]) -> Iterator[Finding]:
    """Keys of data with a value of their own that none of the config's readers takes."""
    if wrong & {"reader", "train_reader", "readers_2d"}:
        return
    readers = list(dict.fromkeys(filter(None, (values["reader"], values["train_reader"]))))
    taken = {key for reader in (*readers, *values["readers_2d"]) for key in READER_KEYS[reader]}
    of_readers = {key for keys in READER_KEYS.values() for key in keys} & values.keys()
    for key in sorted(of_readers - taken - USED_BY_CLIPS - wrong):
        default = schema.model_fields[key].get_default()
        default = default.model_dump() if isinstance(default, Keys) else default
        if values[key] not in (None, default):
            does = "the reader {} does" if len(readers) == 1 else "the readers {} do"
            yield (key,), f"{does.format(' and '.join(readers))} not use this key"


def skeleton_findings(
    values: dict[str, Any], wrong: set[str]
) -> tuple[Skeleton | None, list[Finding], list[str]]:
    """The skeleton with the config's root (None without one), where the config contradicts it, and notes."""
    if "joint_format" in wrong:
        return None, [], []
    try:
        skeleton = load_skeleton(values["joint_format"])
    except UserError as error:
        return None, [(("joint_format",), str(error))], []
    found: list[Finding] = []
    notes: list[str] = []
    if "num_joints" not in wrong and values["num_joints"] not in (None, skeleton.num_joints):
        found.append((("num_joints",), f"the joint format {skeleton.name} has {skeleton.num_joints} joints"))
    if values["root"]:
        try:
            skeleton = skeleton.with_root(*values["root"])
        except UserError as error:
            return skeleton, [*found, (("root",), str(error))], notes
    if values.get("upright") and "upright" not in wrong:
        try:
            _ = [skeleton.index(joint) for joint in values["upright"]]
        except UserError as error:
            found.append((("upright",), str(error)))
    number = values["root_idx"]
    if "root_idx" in wrong or number in (None, skeleton.root_idx):
        return skeleton, found, notes
    joint = skeleton.joints[number] if number < skeleton.num_joints else None
    if joint in skeleton.other_roots and not values["root"]:
        own = ", ".join(skeleton.root)
        notes.append(f"root_idx = {number}: {joint} is the root, where the format {skeleton.name} has {own}")
        return skeleton.with_root(str(joint)), found, notes
    found.append((("root_idx",), _other_root(skeleton, None if values["root"] else joint)))
    return skeleton, found, notes


def _other_root(skeleton: Skeleton, joint: str | None) -> str:
    hint = f"; to have {joint} as the root write root: {joint}" if joint else ""
    text = f"the root of the joint format {skeleton.name} is "
    if skeleton.root_idx is None:
        return f"{text}the mean of {', '.join(skeleton.root)}: leave root_idx out{hint}"
    return f"{text}joint {skeleton.root_idx} ({skeleton.root[0]}){hint}"
