"""A progress bar for downloads: on standard error, and only where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
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
