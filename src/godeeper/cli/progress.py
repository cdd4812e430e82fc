"""Progress bars for downloads and photos, on standard error if it is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..progress import Progress, StepProgress

WIDTH = 30


@contextmanager
def bar() -> Iterator[Progress]:
    """A callback that draws a bar of megabytes; the bar is erased when the block ends."""
    with drawn(line) as report:
        yield report


@contextmanager
def counter(what: str) -> Iterator[Progress]:
    """A callback that draws a bar with counts, rate and remaining time; the bar is erased when the block ends."""
    rate = Rate()
    with drawn(lambda done, total: count_line(done, total, what, rate.of(done))) as report:
        yield report


@contextmanager
def bars() -> Iterator[StepProgress]:
    """A callback that draws a bar of photos for each step; a bar is erased when the next step begins."""
    with ExitStack() as stack:
        current: dict[str, Progress] = {}

        def report(step: str, done: int, total: int) -> None:
            if step not in current:
                stack.close()
                current.clear()
                current[step] = stack.enter_context(counter(f"photos ({step})"))
            current[step](done, total)

        yield report


@contextmanager
def drawn(line: Callable[[int, int], str]) -> Iterator[Progress]:
    """A callback that replaces the last line with ``line``; it does nothing if standard error is closed or not a terminal."""
    if not is_terminal():
        yield lambda _done, _total: None
        return
    try:
        yield lambda done, total: draw(line(done, total))
    finally:
        draw("")


def is_terminal() -> bool:
    """Whether standard error is a terminal; ``sys.stderr`` is None if it was closed from the start."""
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # closed later
        return False


def status(text: str) -> None:
    """Replace the last line with ``text``, which may be empty; does nothing if standard error is not a terminal."""
    if is_terminal():
        draw(text)


def draw(text: str) -> None:
    """Replace the last line; errors are ignored if the terminal was closed."""
    with suppress(OSError, ValueError):
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def line(done: int, total: int) -> str:
    """``[######......]  40 %  38 of 95 MB``, or only the bytes if the total is unknown.

    >>> line(20_000_000, 40_000_000)
    '[###############...............]  50 %  20 of 40 MB'
    """
    if not total:
        return f"{done / 1e6:.0f} MB"
    return f"{hashes(done, total)}  {done / 1e6:.0f} of {total / 1e6:.0f} MB"


def count_line(done: int, total: int, what: str, rate: float) -> str:
    """The bar, the counts, and the rate and remaining time once they are known.

    >>> count_line(60, 240, "photos", 7.5)
    '[#######.......................]  25 %  60 of 240 photos, 7.5 per second, 24 s left'
    """
    text = f"{hashes(done, total)}  {done} of {total} {what}"
    return f"{text}, {rate:.1f} per second, {duration((total - done) / rate)} left" if rate else text


def hashes(done: int, total: int) -> str:
    """The bar and the percentage."""
    filled = WIDTH * done // max(total, 1)
    return f"[{'#' * filled}{'.' * (WIDTH - filled)}] {100 * done // max(total, 1):3d} %"


def duration(seconds: float) -> str:
    """Format a duration for reading.

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
    """Photos per second since the first call; photos that an earlier run processed are not counted."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.first: tuple[int, float] | None = None

    def of(self, done: int) -> float:
        """The rate so far; 0 until it is known."""
        if self.first is None:
            self.first = done, self.clock()
        before, start = self.first
        elapsed = self.clock() - start
        return (done - before) / elapsed if elapsed > 0 else 0.0
