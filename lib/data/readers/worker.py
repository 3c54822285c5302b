"""Reader of the built-in worker motion: generated, nothing is read from disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.data.motion import Motion
from lib.data.readers import register_reader
from lib.data.worker import make_worker_motion
from lib.data.worker.request import Request
from lib.errors import UserError, did_you_mean
from lib.skeleton import Skeleton

# keys under ``worker:`` and the fields of ``Request`` that they set
KEYS = {"cameras_per_clip": "cameras"} | {
    name: name for name in ("subjects", "clips", "seconds", "fps", "seed", "tasks", "detector")
}
# the splits that are not trained on need fewer people
_SMALLER = {"validate": 4, "test": 4}


@register_reader("worker")
def read_worker(skeleton: Skeleton, split: str, worker: Mapping[str, Any] | None = None) -> Motion:
    """Worker motion of a split, in any joint format whose points the worker has.

    worker: ``subjects`` (a number, or one for each split), ``clips`` per subject, ``seconds``, ``fps``,
    ``cameras_per_clip``, ``tasks``, ``detector``, ``seed`` (default 0, not the config's seed, so that
    runs with other seeds are measured on the same people); an unknown key raises ``UserError``.
    """
    return make_worker_motion(skeleton, split=split, **worker_arguments(split, worker))


def worker_arguments(split: str, worker: Mapping[str, Any] | None) -> dict[str, Any]:
    """Arguments of ``make_worker_motion`` for a split, from the keys of a config's block ``worker``."""
    given = dict(worker or {})
    if unknown := [key for key in given if key not in KEYS]:
        raise UserError(
            f"worker: unknown key '{unknown[0]}'{did_you_mean(unknown[0], KEYS)}; allowed: {', '.join(KEYS)}"
        )
    arguments = {KEYS[key]: value for key, value in given.items() if value is not None}
    subjects = arguments.get("subjects")
    if isinstance(subjects, Mapping):
        if split not in subjects:
            raise UserError(f"worker: subjects has no number for split '{split}': {dict(subjects)}")
        arguments["subjects"] = subjects[split]
    elif split in _SMALLER:
        arguments["subjects"] = min(subjects or Request.subjects, _SMALLER[split])
    return {"seed": 0, **arguments}
