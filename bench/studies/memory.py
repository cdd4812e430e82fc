"""Measure whether the memory of ``godeeper embed`` and ``godeeper index`` grows with the number of photos.

    python -m bench.studies.memory [--photos 2000,20000] [--whole 300,1500] [--only RUN]

Each command runs on few and on many small photos, all different, with an empty cache.  It runs as a separate process, whose resident
memory is read ten times per second.  20,000 photos through the whole network take most of an hour on two cores, so ``--photos`` sets
the sizes of cheap runs only: ``embed-cheap`` computes the network's first tensor, and ``index-cheap`` replaces the engine by random
maps for all filters (``memory_inside.py``).  ``--whole`` sets the sizes for ``embed`` and ``index`` with the whole network.  Exit
code 1 if the peak with many photos is more than 1.05 times the peak with few.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.common import processes, tables
from bench.common.memory import resident
from bench.common.places import FEATURES, RESULTS
from bench.common.targets import Target

FLAT = 1.05
EVERY = 0.1  # seconds between two readings
PARTS = (0.25, 0.5, 0.75, 0.9)  # of a run's duration
NPZ, INDEX = str(FEATURES / "memory.npz"), str(FEATURES / "memory.index")
COMMANDS = {
    "embed-cheap": (True, ["-m", "godeeper", "embed", "--features", "conv", "--out", NPZ]),
    "index-cheap": (True, ["-m", "bench.studies.memory_inside", INDEX]),
    "embed": (False, ["-m", "godeeper", "embed", "--features", "mixed_10/join", "--out", NPZ]),
    "index": (False, ["-m", "godeeper", "index", "--out", INDEX]),
}
"""Name -> (whether the run is cheap, Python's arguments before the folder)."""
STORES = RESULTS / "cache-memory"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--photos",
        default="2000,20000",
        metavar="FEW,MANY",
        help="numbers of photos in the cheap runs (default: 2000,20000)",
    )
    parser.add_argument(
        "--whole",
        default="300,1500",
        metavar="FEW,MANY",
        help="numbers of photos in the runs of the whole network (default: 300,1500)",
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="RUN",
        help="measure only this run; may be repeated; one of: " + ", ".join(COMMANDS),
    )
    options = parser.parse_args()
    FEATURES.mkdir(parents=True, exist_ok=True)
    rows, targets = [], []
    for name in options.only or COMMANDS:
        cheap, command = COMMANDS[name]
        few, many = map(int, (options.photos if cheap else options.whole).split(","))
        curves = {count: curve(command, folder_of(count)) for count in (few, many)}
        for count, readings in curves.items():
            rows.append([name, f"{count:,}", *cells(readings)])
            print(*rows[-1], sep=" | ", file=sys.stderr)
        what = f"{name}: peak memory with {many:,} photos, relative to {few:,} photos"
        targets.append(Target(what, max(curves[many]) / max(curves[few]), FLAT))
    parts = [f"after {part:.0%}" for part in PARTS]
    print(*tables.table(["command, memory in MiB", "photos", *parts, "peak"], rows), "", sep="\n")
    print(*tables.target_table(targets), sep="\n")
    return 0 if all(target.is_met for target in targets) else 1


def folder_of(count: int) -> Path:
    """Return a folder of ``count`` photos; create it if it is missing."""
    folder = RESULTS / f"tiny-{count}"
    if not folder.exists():
        script: list[str | Path] = [
            sys.executable,
            "-m",
            "bench.common.datasets",
            "tiny",
            folder,
            "--count",
            str(count),
        ]
        processes.measure(script)  # in a child process, so that this process stays small
    return folder


def curve(command: Sequence[str], folder: Path) -> list[float]:
    """The resident memory of a command in MiB, every ``EVERY`` seconds; the last value is the peak that the kernel reports."""
    shutil.rmtree(STORES, ignore_errors=True)
    readings: list[float] = []
    with tempfile.TemporaryFile() as words:
        child = subprocess.Popen(
            [sys.executable, *command, folder],
            stdout=subprocess.DEVNULL,
            stderr=words,
            env=processes.environment(STORES),
        )
        while not (ended := os.wait4(child.pid, os.WNOHANG))[0]:
            readings.append(resident(child.pid))
            time.sleep(EVERY)
        _, status, usage = ended
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            words.seek(0)
            raise SystemExit(f"{' '.join(command)}: exit {child.returncode}\n{words.read().decode()}")
    shutil.rmtree(STORES, ignore_errors=True)
    return [*readings, usage.ru_maxrss * processes.KIBIBYTES_A_UNIT / 1024]


def cells(readings: Sequence[float]) -> list[str]:
    """Return the readings after each of the ``PARTS`` of a run, and the peak."""
    *running, peak = readings
    return [f"{running[int(part * len(running))]:.0f}" for part in PARTS] + [f"{peak:.0f}"]


if __name__ == "__main__":
    sys.exit(main())
