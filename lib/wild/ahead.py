"""An iterator that works ahead in a thread of its own: decoding beside drawing and encoding."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

ItemT = TypeVar("ItemT")


def ahead(items: Iterable[ItemT], depth: int = 4) -> Iterator[ItemT]:
    """Yield ``items``, made by a thread that is at most ``depth`` items ahead; its exceptions are raised here.

    Gains time where the work releases the interpreter's lock, as PyAV, OpenCV and numpy do. A consumer that stops
    early stops the thread too.
    """
    waiting: queue.Queue[tuple[ItemT | None, BaseException | None, bool]] = queue.Queue(depth)
    stopped = threading.Event()

    def work() -> None:
        error: BaseException | None = None
        iterator = iter(items)
        try:
            for item in iterator:
                waiting.put((item, None, False))
                if stopped.is_set():
                    break
        except BaseException as raised:  # handed on, whatever it is
            error = raised
        finally:
            getattr(iterator, "close", lambda: None)()
            waiting.put((None, error, True))

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    ended = False
    try:
        while not ended:
            item, error, ended = waiting.get()
            if error is not None:
                raise error
            if not ended:
                yield item  # type: ignore[misc]
    finally:
        stopped.set()
        # the thread may wait for a free place; when the program ends after an error it no longer runs at all
        while not ended and thread.is_alive() and not sys.is_finalizing():
            with suppress(queue.Empty):
                ended = waiting.get(timeout=0.1)[2]
