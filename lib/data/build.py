"""From a config to data: the one place in lib/data that sees config keys."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

from lib.data import readers
from lib.data.cache import cached_motion
from lib.data.missing import fill_missing
from lib.data.motion import Motion
from lib.errors import UserError
from lib.skeleton import Skeleton


def build_motion(config: Mapping[str, Any], skeleton: Skeleton, split: str) -> Motion:
    """Motion of one split by the reader that the config names, with missing keypoints filled.

    ``reader`` reads every split; ``train_reader``, where it is given, the training split (``train_split``).
    The reader receives the config keys that stand in its signature. With ``cache_dir``, readers of one big file
    index it once and open the index from then on.
    """
    reader = _reader(config, split)
    arguments = _arguments(reader, config)
    missing = config.get("missing") or "hold"

    def read() -> Motion:
        return fill_missing(reader(skeleton, split, **arguments), missing)

    if config.get("cache_dir") and reader.file_of is not None:
        file = reader.file_of(
            **{name: arguments.get(name) for name in inspect.signature(reader.file_of).parameters}
        )
        key = {"reader": reader.__name__, "split": split, "missing": missing, **arguments}
        return cached_motion(read, file, key, skeleton, config["cache_dir"])
    return read()


def default_skip_sources(config: Mapping[str, Any], split: str) -> tuple[str, ...]:
    """Parts of source names that an evaluation of this reader's sets leaves out by default."""
    return _reader(config, split).default_skip_sources


def load_readers() -> None:
    """Import every file of ``lib/data/readers``, which fills the registry."""
    for module in pkgutil.iter_modules(readers.__path__):
        importlib.import_module(f"{readers.__name__}.{module.name}")


def _reader(config: Mapping[str, Any], split: str) -> Callable[..., Motion]:
    load_readers()
    training = split == (config.get("train_split") or "train")
    name = (training and config.get("train_reader")) or config.get("reader")
    if not name:
        raise UserError(f"no reader is given; set reader: to one of {', '.join(readers.READERS.names())}")
    return readers.READERS.get(name)


def _arguments(reader: Callable[..., Motion], config: Mapping[str, Any]) -> dict[str, Any]:
    """Config values for the reader's named arguments; a null is the same as a missing key."""
    parameters = list(inspect.signature(reader).parameters.values())[2:]
    arguments = {p.name: config[p.name] for p in parameters if config.get(p.name) is not None}
    required = [p.name for p in parameters if p.default is p.empty and p.name not in arguments]
    if required:
        raise UserError(f"reader {reader.__name__} needs the config key(s) {', '.join(required)}")
    return arguments
