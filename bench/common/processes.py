"""Run a command in a separate process and measure its cost.

A child process starts as a copy of its parent, and the kernel includes that copy in the child's peak memory.  So the
measuring process must stay small, and neither this file nor ``peek.py`` imports NumPy.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.common.places import CACHE, REPOSITORY, SOURCE

KIBIBYTES_A_UNIT = 1 / 1024 if sys.platform == "darwin" else 1  # on macOS, ru_maxrss is in bytes


@dataclass(frozen=True)
class Cost:
    """The cost of one process: wall-clock seconds, CPU seconds summed over all cores, peak resident memory in MiB."""

    wall: float
    cpu: float
    mebibytes: float

    @property
    def as_dict(self) -> dict[str, float]:
        return {"wall": self.wall, "cpu": self.cpu, "mebibytes": self.mebibytes}


def measure(command: Sequence[str | Path], cache: Path = CACHE) -> Cost:
    """Run ``command`` and measure its cost; if it fails, end the benchmark with its error output."""
    return run(command, cache)[0]


def run(command: Sequence[str | Path], cache: Path = CACHE) -> tuple[Cost, str]:
    """Run a command; return its cost and its standard output."""
    with tempfile.TemporaryFile() as words, tempfile.TemporaryFile() as printed:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=printed, stderr=words, env=environment(cache))
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            words.seek(0)
            raise SystemExit(f"{' '.join(map(str, command))}: exit {child.returncode}\n{words.read().decode()}")
        printed.seek(0)
        cost = Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * KIBIBYTES_A_UNIT / 1024)
        return cost, printed.read().decode()


def environment(cache: Path = CACHE) -> Mapping[str, str]:
    """Return a child's environment: imports from this repository, ``cache`` as godeeper's cache, and compiled modules."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join(filter(None, [str(SOURCE), str(REPOSITORY), kept.get("PYTHONPATH")]))
    return kept | {"PYTHONPATH": path, "GODEEPER_CACHE": str(cache)}


def interleave(
    commands: Mapping[str, Sequence[str | Path]], order: Sequence[str], rounds: int, *, warm: bool = True
) -> dict[str, list[Cost]]:
    """Run the commands in ``order``, ``rounds`` times; if ``warm``, after one run of each that is not counted."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for name in commands if warm else ():
        measure(commands[name])
    for number in range(rounds):
        for name in order:
            say(f"round {number + 1} of {rounds}: {name}")
            costs[name].append(measure(commands[name]))
    say("")
    return costs


def say(text: str) -> None:
    """Print progress on a terminal; the next call overwrites the line."""
    if sys.stderr.isatty():
        print(f"\r{text:60}\r", end="", file=sys.stderr, flush=True)


def middle(costs: Sequence[Cost], what: str = "wall") -> float:
    """Return the median of one field."""
    return statistics.median([cost.as_dict[what] for cost in costs])
