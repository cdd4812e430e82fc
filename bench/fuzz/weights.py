"""Fuzz weights files: every corrupted file must either load or be refused with a one-line error.

    python -m bench.fuzz.weights [--cases N] [--hdf5 N] [--first SEED]

Prints the seed of each file that fails and, at the end or after Ctrl-C, the time of the slowest file and the peak memory.  Exit
code 1 if a file fails.
``tests/unit/weights/mangled.py`` and, for HDF5, ``mangled_hdf5.py`` next to it make the files.  Each HDF5 file is read
in a forked process.  A file on which the HDF5 library hangs or crashes is read again as godeeper reads it for users: in a child process
with a time limit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

from bench.fuzz.progress import Progress

from godeeper.report.make import peak_memory

MOST_AGAIN = 10
SECONDS_AGAIN = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument(
        "--hdf5", type=int, default=5_000, metavar="N", help="number of HDF5 and .keras files (default: 5000)"
    )
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    options = parser.parse_args()
    failed, is_over = others(options.first, options.cases) if options.cases else (0, True)
    failed += hdf5(options.first, options.hdf5) if options.hdf5 and is_over else 0
    return 1 if failed else 0


def others(first: int, cases: int) -> tuple[int, bool]:
    """Return how many non-HDF5 files fail (they neither load nor give a one-line error), and whether all files were tried."""
    mangled = import_module("tests.unit.weights.mangled")
    before, longest, failed = peak_memory(), 0.0, 0
    kinds: Counter[str] = Counter()
    progress = Progress(
        lambda: f"the slowest {longest:.2f} s, {failed} failed; peak memory {before} MiB before, {peak_memory()} after"
    )
    with suppress(KeyboardInterrupt), tempfile.TemporaryDirectory() as folder:
        for seed in progress.count(range(first, first + cases)):
            kind, files = mangled.mangled(seed)
            for name, content in files.items():
                (Path(folder) / name).write_bytes(content)
            begun = time.perf_counter()
            wrong = mangled.outcome(Path(folder) / next(iter(files)))
            longest = max(longest, time.perf_counter() - begun)
            kinds[kind] += 1
            if wrong:
                failed += 1
                print(f"{seed} ({kind}): {wrong[:300]}", flush=True)
    print(", ".join(f"{kind} {count}" for kind, count in kinds.items()))
    print(f"{progress.done} files in {progress.seconds:.0f} s, {progress.summary()}")
    return failed, progress.done == cases


def hdf5(first: int, cases: int) -> int:
    """Return how many HDF5 files are neither read nor refused with a one-line error."""
    from godeeper.weights.formats import child

    mangled_hdf5 = import_module("tests.unit.weights.mangled_hdf5")
    mangled = import_module("tests.unit.weights.mangled")
    found: dict[str, list[int]] = {"wrong": [], "endless": [], "crashed": []}
    progress = Progress(lambda: ", ".join(f"{kind} {len(seeds)} {seeds[:MOST_AGAIN]}" for kind, seeds in found.items()))
    with suppress(KeyboardInterrupt):
        for seed, kind in progress.count(mangled_hdf5.outcomes(range(first, first + cases))):
            if kind:
                found[kind].append(seed)
    print(f"HDF5: {progress.done} files in {progress.seconds:.0f} s, {progress.summary()}", flush=True)
    failed = len(found["wrong"])
    with (
        patch.object(child, "time_limit", return_value=SECONDS_AGAIN),
        tempfile.TemporaryDirectory() as folder,
    ):
        for seed in [seed for kind in ("endless", "crashed") for seed in found[kind][:MOST_AGAIN]]:
            name, content = mangled_hdf5.mangled(seed)
            (Path(folder) / name).write_bytes(content)
            if said := mangled.outcome(Path(folder) / name):
                failed += 1
                print(f"{seed} (HDF5, in a child): {said[:300]}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
