"""The cost of large outputs for one photo: a poster, ten tensors, and a second peek, as interleaved processes.

    python -m bench.speed.poster [--rounds 7]

Prints tables, and then each target: whether it was met, and by what margin.  Exit code 1 if a target is missed.
Needs no peers: the baseline is godeeper's own full forward pass, ``godeeper peek PHOTO pool_3``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from bench.common import arguments, processes, tables
from bench.common.places import CACHE, HERE, PHOTO, PICTURES, POSTER
from bench.common.processes import Cost, middle
from bench.common.targets import Target

FULL, POSTERS, TEN, TENTHS = (
    "one full forward pass",
    "poster",
    "one peek at ten tensors",
    "ten peeks, each at one tensor",
)
ALONE, FIRST, KEPT, SECOND = (
    "peek at a late tensor, no prefix can be stored",
    "peek at an early tensor, no prefix can be stored",
    "peek at an early tensor, prefixes are stored",
    "peek at a late tensor, resumed from a stored prefix",
)
TENSORS = (
    "conv_2", "pool_1", "mixed/tower_2/conv", "mixed/tower_1/conv_2", "mixed_2/join", "mixed_4/tower_1/conv_4",
    "mixed_5/join", "mixed_7/tower_2/conv", "mixed_8/join", "mixed_10/join",
)  # fmt: skip
BEFORE, LATER = "mixed_4/tower_1/conv_4", "mixed_7/tower_2/conv"
PREFIXES = CACHE / "trunks"

POSTER_TIMES, POSTER_MEBIBYTES = 6.0, 600.0
TEN_TIMES = 4.0
FIRST_DEAREST = 1.05  # CPU time of a first peek that stores prefixes, relative to one that cannot


def main() -> int:
    rounds: int = arguments.parse(__doc__, 7).rounds
    PICTURES.mkdir(parents=True, exist_ok=True)
    print(tables.heading(None, rounds))
    costs: dict[str, list[Cost]] = {name: [] for name in WORK}
    for number in range(rounds + 1):  # round 0 is not counted
        for name, work in WORK.items():
            processes.say(f"round {number} of {rounds}: {name}")
            cost = work()
            if number:
                costs[name].append(cost)
    processes.say("")
    inside = measure_inside(rounds)
    targets = all_targets(costs)
    for lines in (cost_table(costs), inside_table(inside), tile_table(inside), tables.target_table(targets)):
        print("", *lines, sep="\n")
    return 0 if all(target.is_met for target in targets) else 1


def peek(*addresses: str) -> Cost:
    """Run a process that draws tensors, and return its cost."""
    return processes.measure([sys.executable, "-m", "godeeper", "peek", PHOTO, *addresses, "--out", PICTURES])


def without_prefixes(*addresses: str) -> Cost:
    """Measure a peek without a stored prefix."""
    clear_prefixes()
    return peek(*addresses)


def blocked(*addresses: str) -> Cost:
    """Measure a peek that cannot store a prefix, because a file takes the place of the folder."""
    clear_prefixes()
    PREFIXES.parent.mkdir(parents=True, exist_ok=True)
    PREFIXES.touch()
    try:
        return peek(*addresses)
    finally:
        PREFIXES.unlink()


def clear_prefixes() -> None:
    shutil.rmtree(PREFIXES, ignore_errors=True)


def resumed() -> Cost:
    """Measure a peek at ``LATER`` after one at ``BEFORE``."""
    without_prefixes(BEFORE)
    return peek(LATER)


def poster() -> Cost:
    return processes.measure([sys.executable, "-m", "godeeper", "poster", PHOTO, "--out", POSTER])


def ten_peeks() -> Cost:
    """Run ten processes, one after the other; return the sum of their times, and the highest peak."""
    clear_prefixes()
    costs = [peek(address) for address in TENSORS]
    return Cost(sum(c.wall for c in costs), sum(c.cpu for c in costs), max(c.mebibytes for c in costs))


WORK: dict[str, Callable[[], Cost]] = {
    SECOND: resumed,  # first, so that its graph is built in the uncounted round
    FULL: lambda: without_prefixes("pool_3"),
    POSTERS: poster,
    TEN: lambda: without_prefixes(*TENSORS),
    TENTHS: ten_peeks,
    ALONE: lambda: blocked(LATER),
    FIRST: lambda: blocked(BEFORE),
    KEPT: lambda: without_prefixes(BEFORE),
}


def measure_inside(rounds: int) -> dict[str, Any]:
    """Measure in a child process, so that this process stays small."""
    command = [sys.executable, str(HERE / "speed" / "poster_inside.py"), str(rounds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=processes.environment())
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def all_targets(costs: dict[str, list[Cost]]) -> list[Target]:
    """Return every target of one run."""
    return [
        Target("poster, as a multiple of one full forward pass (whole processes)", ratio(costs, POSTERS, FULL), POSTER_TIMES),
        Target("peak memory of the poster, MiB", middle(costs[POSTERS], "mebibytes"), POSTER_MEBIBYTES),
        Target("speed-up of one peek at ten tensors over ten peeks", ratio(costs, TENTHS, TEN), TEN_TIMES, at_least=True),
        Target("speed-up of a second peek from stored prefixes", ratio(costs, ALONE, SECOND), 1.0, at_least=True),
        Target("CPU time of a first peek that stores prefixes, relative to one that cannot", ratio(costs, KEPT, FIRST, "cpu"), FIRST_DEAREST),
    ]  # fmt: skip


def ratio(costs: dict[str, list[Cost]], one: str, other: str, what: str = "wall") -> float:
    return middle(costs[one], what) / middle(costs[other], what)


def cost_table(costs: dict[str, list[Cost]]) -> list[str]:
    """Return the table of complete processes."""
    rows = [
        [
            name,
            f"{ratio(costs, name, FULL):.2f}",
            tables.seconds([cost.wall for cost in taken]),
            f"{middle(taken, 'cpu'):.2f}",
            f"{middle(taken, 'mebibytes'):.0f}",
        ]
        for name, taken in costs.items()
    ]
    return tables.table(["whole processes", f"× {FULL}", "wall s", "cpu s", "peak MiB"], rows)


def inside_table(inside: dict[str, Any]) -> list[str]:
    """Return the table of timings inside one process, where the graphs are already built."""
    full = sorted(inside["seconds"]["full forward pass"])[len(inside["seconds"]["full forward pass"]) // 2]
    rows = [
        [name, f"{sorted(taken)[len(taken) // 2] / full:.1f}", tables.milliseconds(taken)]
        for name, taken in inside["seconds"].items()
    ]
    return tables.table(["inside one process", "× full forward pass", "ms"], rows)


def tile_table(inside: dict[str, Any]) -> list[str]:
    """Return the table of ways to write the same tiles."""
    rows: Sequence[Sequence[str]] = [
        [row["way"], f"{row['seconds'] / inside['tiles'][0]['seconds']:.1f}", f"{1000 * row['seconds']:.0f}", f"{row['bytes'] / 1e6:.2f}"]
        for row in inside["tiles"]
    ]  # fmt: skip
    return tables.table(["all tiles, one thread", "× ours", "ms", "MB"], rows)


if __name__ == "__main__":
    sys.exit(main())
