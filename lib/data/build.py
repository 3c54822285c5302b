"""From a config to a set of motion, and to the augmentation of its batches."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from typing import Any

from lib.data import readers
from lib.data.augment import Augment
from lib.data.cache import cached_motion
from lib.data.missing import fill_missing
from lib.data.motion import Motion
from lib.errors import UserError
from lib.skeleton import Skeleton


def build_motion(
    config: Mapping[str, Any], skeleton: Skeleton, split: str, reader: str | None = None
) -> Motion:
    """Motion of one split by ``reader`` (None: the config's), with missing keypoints filled.

    The reader receives the config keys that stand in its signature. With the key ``cache_dir``, readers of
    one big file index it once and open the index from then on.
    """
    load_readers()
    reader = reader or config["reader"]
    function = readers.READERS.get(reader)
    arguments = arguments_of(reader, config)
    missing = config.get("missing") or "hold"

    def read() -> Motion:
        return fill_missing(function(skeleton, split, **arguments), missing)

    file_of = getattr(function, "file_of", None)
    if not config.get("cache_dir") or file_of is None:
        return read()
    file = file_of(**{name: arguments.get(name) for name in inspect.signature(file_of).parameters})
    key = {"reader": reader, "split": split, "missing": missing, **arguments}
    return cached_motion(read, file, key, skeleton, config["cache_dir"])


def build_augment(config: Mapping[str, Any], skeleton: Skeleton) -> Augment:
    """The augmentation of training batches that a config asks for."""
    keys = [p.name for p in list(inspect.signature(Augment).parameters.values())[1:]]
    return Augment(skeleton, **{key: config[key] for key in keys if config.get(key) is not None})


def load_readers() -> None:
    """Import every file of ``lib/data/readers``, which fills the registry."""
    for module in pkgutil.iter_modules(readers.__path__):
        importlib.import_module(f"{readers.__name__}.{module.name}")


def arguments_of(reader: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Config values for the reader's named arguments; a null is the same as a missing key."""
    parameters = list(inspect.signature(readers.READERS.get(reader)).parameters.values())[2:]
    arguments = {p.name: config[p.name] for p in parameters if config.get(p.name) is not None}
    required = [p.name for p in parameters if p.default is p.empty and p.name not in arguments]
    if required:
        raise UserError(f"the reader {reader} needs the config keys {', '.join(required)}")
    return arguments


def is_generated(reader: str) -> bool:
    """Whether a reader makes its motion, from the keys of ``worker``, rather than reading it."""
    load_readers()
    return "worker" in inspect.signature(readers.READERS.get(reader)).parameters
