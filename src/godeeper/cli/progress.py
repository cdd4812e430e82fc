"""Progress bars, for downloads and for photos: on standard error, and only where that is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..weights.download import Report

WIDTH = 30


@contextmanager
def bar() -> Iterator[Report]:
    """A report that draws a bar, and wipes it when the block ends."""
    from ..weights.download import quiet

    if not sys.stderr.isatty():
        yield quiet
        return
    try:
        yield draw
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def draw(done: int, total: int) -> None:
    """One line over the last one."""
    print(f"\r\x1b[K{line(done, total)}", end="", file=sys.stderr, flush=True)


def line(done: int, total: int) -> str:
    """``[######......]  40 %  38 of 95 MB``, or the bytes alone where the total is not known.

    >>> line(20_000_000, 40_000_000)
    '[###############...............]  50 %  20 of 40 MB'
    """
    if not total:
        return f"{done / 1e6:.0f} MB"
    filled = WIDTH * done // total
    return (
        f"[{'#' * filled}{'.' * (WIDTH - filled)}] {100 * done // total:3d} %  {done / 1e6:.0f} of {total / 1e6:.0f} MB"
    )


@contextmanager
def counter(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A report of things done, drawn like a download's; None where there is nobody to see it."""
    if not sys.stderr.isatty():
        yield None
        return
    started = time.monotonic()

    def report(done: int, total: int) -> None:
        seconds = time.monotonic() - started
        print(f"\r\x1b[K{count_line(done, total, what, seconds)}", end="", file=sys.stderr, flush=True)

    try:
        yield report
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def count_line(done: int, total: int, what: str, seconds: float) -> str:
    """``[######......]  40 of 100 photos, 20 a second, 3 s left``.

    >>> count_line(40, 100, "photos", 2.0)
    '[############..................]  40 of 100 photos, 20 a second, 3 s left'
    """
    filled = WIDTH * done // max(total, 1)
    rate = done / max(seconds, 1e-6)
    left = (total - done) / max(rate, 1e-6)
    return f"[{'#' * filled}{'.' * (WIDTH - filled)}]  {done} of {total} {what}, {rate:.0f} a second, {left:.0f} s left"
