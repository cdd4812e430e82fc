"""Fuzz filter indexes: every corrupted index must either be refused with a one-line error or still be readable.

    python -m bench.fuzz.indexes [--cases N] [--first SEED]

Prints the seed of each file that fails and, at the end or after Ctrl-C, the peak memory.  Exit code 1 if a file fails.
``tests/unit/filters/mangled.py`` makes the files from an index of the folder ``examples``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from bench.fuzz.progress import Progress

import godeeper
from godeeper.report.make import peak_memory

ROOT = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    options = parser.parse_args()
    mangled = import_module("tests.unit.filters.mangled")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.index"
        godeeper.load().index(ROOT / "examples", path, top=3)
        content, before = path.read_bytes(), peak_memory()
        progress = Progress(lambda: f"{failed} failed; peak memory {before} MiB before, {peak_memory()} after", 2000)
        with suppress(KeyboardInterrupt):
            for seed in progress.count(range(options.first, options.first + options.cases)):
                path = Path(folder) / f"{seed % 2}.index"
                # Delete rather than overwrite: an index read earlier from this path may still be memory-mapped.
                path.unlink(missing_ok=True)
                path.write_bytes(mangled.mangled(content, seed))
                if wrong := mangled.outcome(path):
                    failed += 1
                    print(f"{seed}: {wrong[:300]}", flush=True)
    print(f"{progress.done} files in {progress.seconds:.0f} s, {progress.summary()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
