"""Weights files with faults: each is refused in one line, or read.

    python bench/fuzz_weights.py [--cases N] [--first SEED]

Prints every file that does neither, by its number, what took longest, and the memory used; exit code 1 if there is one.
The files are those of ``tests/unit/weights/mangled.py``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from importlib import import_module
from pathlib import Path

from godeeper.training.train import peak_memory

ROOT = Path(__file__).parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
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
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
