"""Progress bars, for downloads and for photos: on standard error, and only where that is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..weights.download import Report

WIDTH = 30


@contextmanager
def bar() -> Iterator[Report]:
    """A report that draws a bar of megabytes, and wipes it when the block ends."""
    with drawn(line) as report:
        yield report


@contextmanager
def counter(what: str) -> Iterator[Report]:
    """A report that draws a bar of things done with their pace and the time left, and wipes it when the block ends."""
    pace = Rate()
    with drawn(lambda done, total: count_line(done, total, what, pace.of(done))) as report:
        yield report


@contextmanager
def drawn(line: Callable[[int, int], str]) -> Iterator[Report]:
    """A report that writes ``line`` over the last one; quiet where standard error is closed or no terminal."""
    if not watched():
        yield lambda _done, _total: None
        return
    try:
        yield lambda done, total: draw(line(done, total))
    finally:
        draw("")


def watched() -> bool:
    """Whether standard error is a terminal; Python has none where it was closed from the start."""
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # closed since
        return False


def draw(text: str) -> None:
    """One line over the last one; a terminal that has gone away does not end the work."""
    with suppress(OSError, ValueError):
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def line(done: int, total: int) -> str:
    """``[######......]  40 %  38 of 95 MB``, or the bytes alone where the total is not known.

    >>> line(20_000_000, 40_000_000)
    '[###############...............]  50 %  20 of 40 MB'
    """
    if not total:
        return f"{done / 1e6:.0f} MB"
    return f"{hashes(done, total)}  {done / 1e6:.0f} of {total / 1e6:.0f} MB"


def count_line(done: int, total: int, what: str, pace: float) -> str:
    """The bar, how many are done, how many a second, how long it will take; the latter two once they are known.

    >>> count_line(60, 240, "photos", 7.5)
    '[#######.......................]  25 %  60 of 240 photos, 7.5 a second, 24 s left'
    """
    text = f"{hashes(done, total)}  {done} of {total} {what}"
    return f"{text}, {pace:.1f} a second, {duration((total - done) / pace)} left" if pace else text


def hashes(done: int, total: int) -> str:
    """The bar itself, and the share in per cent."""
    filled = WIDTH * done // max(total, 1)
    return f"[{'#' * filled}{'.' * (WIDTH - filled)}] {100 * done // max(total, 1):3d} %"


def duration(seconds: float) -> str:
    """A time that people can wait.

    >>> [duration(seconds) for seconds in (24, 200, 7500)]
    ['24 s', '3 min 20 s', '2 h 5 min']
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Rate:
    """Photos a second since the first report: what was done before, by an earlier run, is not counted."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.first: tuple[int, float] | None = None

    def of(self, done: int) -> float:
        """The pace up to now; 0 until it is known."""
        if self.first is None:
            self.first = done, self.clock()
        before, start = self.first
        elapsed = self.clock() - start
        return (done - before) / elapsed if elapsed > 0 else 0.0
