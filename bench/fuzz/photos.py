"""Mutated photos of every format on the list: only ``PhotoError`` may come out, soon, and memory stays flat.

    python -m bench.fuzz.photos [--cases 100000] [--seed 0]

Exit code 1 if something else came out, a case took more than ``SLOWEST`` seconds, or memory grew by more than ``GROWTH`` MiB after the
first tenth.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
import zlib
from collections import Counter
from pathlib import Path

from tests.unit.photos.mutations import cases

from godeeper.errors import PhotoError
from godeeper.photos.decode import decode

SLOWEST, GROWTH = 20.0, 128.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found: Counter[str] = Counter()
    slowest, early, failures = 0.0, memory(), 0
    for number, (name, data) in enumerate(cases(options.cases, options.seed)):
        start = time.perf_counter()
        try:
            decode(data)
            found[f"{name}: decoded"] += 1
        except PhotoError as error:
            found[f"{name}: refused"] += 1
            failures += "\n" in str(error)
        except Exception as error:
            failures += 1
            kept = Path(f"fuzz-{zlib.crc32(data):08x}.bin")
            kept.write_bytes(data)
            print(f"{name}, case {number}: {type(error).__name__}: {error}; kept as {kept}")
        slowest = max(slowest, time.perf_counter() - start)
        if number == options.cases // 10:
            early = memory()
    grown = memory() - early
    print("\n".join(f"{count:9,} {what}" for what, count in sorted(found.items())))
    print(
        f"{options.cases:,} cases, {failures} failures, slowest {slowest:.2f} s, memory grew by {grown:.0f} MiB after the first tenth"
    )
    return int(failures > 0 or slowest > SLOWEST or grown > GROWTH)


def memory() -> float:
    """The memory in use, in MiB: not the most so far, which is that of the largest picture."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


if __name__ == "__main__":
    sys.exit(main())
