"""Reader of the built-in hand motion: generated, nothing is read from disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.data.motion import Motion
from lib.data.readers import register_reader
from lib.data.readers.worker import worker_arguments
from lib.data.worker.hand_generate import make_hand_motion
from lib.skeleton import Skeleton


@register_reader("worker_hands")
def read_worker_hands(skeleton: Skeleton, split: str, worker: Mapping[str, Any] | None = None) -> Motion:
    """Hand motion of a split, in a format of one hand.

    worker: keys as those of the reader ``worker``; ``tasks`` are names of hand tasks.
    """
    return make_hand_motion(skeleton, split=split, **worker_arguments(split, worker))
