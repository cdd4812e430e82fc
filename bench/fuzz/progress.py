"""Progress of a fuzzing run: counts the cases, and prints the counts every few thousand cases."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

Case = TypeVar("Case")


@dataclass
class Progress:
    """The number of finished cases, and the start time.

    ``summary`` returns the counts of the run as text.  Ctrl-C raises ``KeyboardInterrupt`` inside the loop over ``count``; the caller
    suppresses it and prints a summary of the ``done`` cases.
    """

    summary: Callable[[], str]
    every: int = 5000
    done: int = 0
    started: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started

    def count(self, cases: Iterable[Case]) -> Iterator[Case]:
        """Yield each case, and count it when the loop asks for the next one."""
        for case in cases:
            yield case
            self.done += 1
            if self.done % self.every == 0:
                print(f"{self.done:,} cases, {self.seconds:.0f} s: {self.summary()}", file=sys.stderr, flush=True)
