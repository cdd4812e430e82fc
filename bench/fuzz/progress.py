"""Progress of a fuzzing run: its cases are counted, and the counts are printed every few thousand cases."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

Case = TypeVar("Case")


@dataclass
class Progress:
    """How many cases are done, and since when.

    ``summary`` returns the counts of the run.  Ctrl-C raises inside the loop over ``count``; the caller suppresses it and prints
    its last lines from ``done`` cases.
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
        """Yield each case; counts it when the loop asks for the next one."""
        for case in cases:
            yield case
            self.done += 1
            if self.done % self.every == 0:
                print(f"{self.done:,} cases, {self.seconds:.0f} s: {self.summary()}", file=sys.stderr, flush=True)
