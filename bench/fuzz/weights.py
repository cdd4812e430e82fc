"""Weights files with faults: each is refused in one line, or read.

    python -m bench.fuzz.weights [--cases N] [--hdf5 N] [--first SEED]

Prints every file that does neither, by its number, what took longest, and the memory used; exit code 1 if there is one.
The files are those of ``tests/unit/weights/mangled.py`` and, HDF5, of ``mangled_hdf5.py`` there: each of these is read in a
fork, and the files on which the HDF5 library hangs or crashes are read again as people read them, in a child with a time limit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

from godeeper.report.make import peak_memory

ROOT = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--hdf5", type=int, default=5_000, metavar="N", help="files of HDF5 and .keras (default: 5000)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    options = parser.parse_args()
    mangled = import_module("tests.unit.weights.mangled")
    before, started, longest, failed = peak_memory(), time.perf_counter(), 0.0, 0
    kinds: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.first, options.first + options.cases):
            kind, files = mangled.mangled(seed)
            for name, content in files.items():
                (Path(folder) / name).write_bytes(content)
            begun = time.perf_counter()
            wrong = mangled.outcome(Path(folder) / next(iter(files)))
            longest = max(longest, time.perf_counter() - begun)
            kinds[kind] += 1
            if wrong:
                failed += 1
                print(f"{seed} ({kind}): {wrong[:300]}")
    print(", ".join(f"{kind} {count}" for kind, count in kinds.items()))
    print(
        f"{options.cases} files in {time.perf_counter() - started:.0f} s, the slowest {longest:.2f} s, {failed} failed; "
        f"peak memory {before} MiB before, {peak_memory()} after"
    )
    failed += hdf5(options.first, options.hdf5)
    return 1 if failed else 0


MOST_AGAIN = 10
SECONDS_AGAIN = 5


def hdf5(first: int, cases: int) -> int:
    """How many HDF5 files are neither read nor refused in one line."""
    from godeeper.weights.formats import child

    mangled_hdf5 = import_module("tests.unit.weights.mangled_hdf5")
    mangled = import_module("tests.unit.weights.mangled")
    started = time.perf_counter()
    outcomes = mangled_hdf5.main(first, cases)
    print(
        f"HDF5: {cases} files in {time.perf_counter() - started:.0f} s, "
        + ", ".join(f"{kind} {len(seeds)} {seeds[:MOST_AGAIN]}" for kind, seeds in outcomes.items())
    )
    failed = len(outcomes["wrong"])
    with (
        patch.object(child, "time_limit", return_value=SECONDS_AGAIN),
        tempfile.TemporaryDirectory() as folder,
    ):
        for seed in [seed for kind in ("endless", "crashed") for seed in outcomes[kind][:MOST_AGAIN]]:
            name, content = mangled_hdf5.mangled(seed)
            (Path(folder) / name).write_bytes(content)
            if said := mangled.outcome(Path(folder) / name):
                failed += 1
                print(f"{seed} (HDF5, in a child): {said[:300]}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
