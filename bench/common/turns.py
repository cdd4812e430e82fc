"""Calls in one process, measured in turn: seconds by the clock, and seconds of all cores."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

REST = 0.02  # seconds for the threads of the call before to fall asleep


@dataclass(frozen=True)
class Times:
    """Of one call, every turn: seconds by the clock, and seconds of all cores together."""

    wall: Sequence[float]
    cpu: Sequence[float]


def in_turn(calls: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Times]:
    """All calls in turn, ``rounds`` times over, after one turn that is not counted."""
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
    """The median by the clock."""
    return statistics.median(times.wall)


def least_wall(times: Times) -> float:
    """The fastest turn by the clock: what is possible, where others take their share of the machine."""
    return min(times.wall)


def least_processor(times: Times) -> float:
    """The turn with the fewest seconds of all cores together."""
    return min(times.cpu)


def processor_seconds(times: Times) -> float:
    """The median of all cores together."""
    return statistics.median(times.cpu)
