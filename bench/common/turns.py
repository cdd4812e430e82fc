"""Time several calls in one process, in alternating rounds: wall-clock seconds, and CPU seconds summed over all cores."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

REST = 0.02  # seconds until the previous call's threads stop busy-waiting


@dataclass(frozen=True)
class Times:
    """The times of one call in every round: wall-clock seconds, and CPU seconds summed over all cores."""

    wall: Sequence[float]
    cpu: Sequence[float]


def in_turn(calls: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Times]:
    """Run all calls in turn, ``rounds`` times, after one round that is not counted."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            time.sleep(REST)
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            if number:
                taken[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: Times(*(list(column) for column in zip(*rows, strict=True))) for name, rows in taken.items()}


def wall_seconds(times: Times) -> float:
    """The median of the wall-clock times."""
    return statistics.median(times.wall)


def least_wall(times: Times) -> float:
    """The smallest wall-clock time, which other programs affect least."""
    return min(times.wall)


def least_processor(times: Times) -> float:
    """The smallest CPU time."""
    return min(times.cpu)


def processor_seconds(times: Times) -> float:
    """The median of the CPU times."""
    return statistics.median(times.cpu)
