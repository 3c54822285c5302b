"""Progress bars of the stages, and work that runs side by side behind one of them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager

from tqdm import tqdm

Advance = Callable[[float], object]


class Progress:
    """Bars with frames per second and time left; remembers how long each stage took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.monotonic()

    @property
    def total_seconds(self) -> float:
        """Seconds since the first stage began."""
        return time.monotonic() - self._start

    @contextmanager
    def bar(self, name: str, num_frames: int | None) -> Iterator[Advance]:
        """A bar; the block calls what it is given with the number of frames (or part of a frame) just done."""
        start = time.monotonic()
        with tqdm(
            total=num_frames,
            desc=f"{name:<7}",
            bar_format="{desc} {percentage:3.0f} %|{bar}| {n:.0f}/{total_fmt} frames [{rate_fmt}, {remaining} left]",
            unit=" frames",
            dynamic_ncols=True,
            mininterval=0.2 if sys.stderr.isatty() else 5,
        ) as bar:

            def advance(frames: float) -> None:
                left = frames if num_frames is None else num_frames - bar.n  # parts of frames may sum to more
                bar.update(min(frames, left))

            yield advance
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - start


class StoppedError(RuntimeError):
    """Other work that ran side by side has failed, or the program is to end."""


def side_by_side(tasks: Sequence[Callable[[Callable[[int], object]], object]], advance: Advance) -> None:
    """Run tasks in threads; each is given a function to call with the frames it has done, of which the mean counts.

    If one fails, or the program is interrupted, the others end at their next frame.
    """
    stopped = threading.Event()

    def done(frames: int) -> None:
        if stopped.is_set():
            raise StoppedError
        advance(frames / len(tasks))

    with ThreadPoolExecutor(len(tasks)) as threads:
        futures = [threads.submit(task, done) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            stopped.set()
            raise
