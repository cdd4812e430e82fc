"""Fuzz the photo decoders with mutated photos of every supported format.

The only exception allowed is ``PhotoError``; decoding must stay within a time limit, and memory must not grow.

    python -m bench.fuzz.photos [--cases 100000] [--seed 0]

Prints counts every few thousand cases and, at the end or after Ctrl-C, how many photos of each kind were decoded and how many were
refused.  Counts of runs with different seeds can be added together.  Exit code 1 if another exception was raised, a case took more than
``SLOWEST`` seconds, or memory grew by more than ``GROWTH`` MiB after the first tenth of the cases.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
import zlib
from collections import Counter
from contextlib import suppress
from pathlib import Path

from bench.fuzz.progress import Progress
from tests.unit.photos.mutations import cases

from godeeper.errors import PhotoError
from godeeper.photos.decode import decode

SLOWEST, GROWTH = 20.0, 128.0
EVERY = 20_000  # cases between two lines of progress


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found: Counter[str] = Counter()
    slowest, slowest_kind, early, failures = 0.0, "", 0.0, 0
    progress = Progress(lambda: f"{failures} failures, slowest {slowest:.2f} s ({slowest_kind})", EVERY)
    with suppress(KeyboardInterrupt):
        for name, data in progress.count(cases(options.cases, options.seed)):
            start = time.perf_counter()
            try:
                decode(data)
                found[f"{name}: decoded"] += 1
            except PhotoError as error:
                found[f"{name}: refused"] += 1
                if "\n" in str(error):
                    failures += 1
                    print(f"{name}, {report(progress.done, data)}: more than one line: {error}", flush=True)
            except Exception as error:
                failures += 1
                print(f"{name}, {report(progress.done, data)}: {type(error).__name__}: {error}", flush=True)
            seconds = time.perf_counter() - start
            if seconds > SLOWEST:
                print(f"{name}, {report(progress.done, data)}: {seconds:.1f} s", flush=True)
            if seconds > slowest:
                slowest, slowest_kind = seconds, name
            if progress.done == options.cases // 10:
                early = memory()
    grown = memory() - early if early else 0.0
    print("\n".join(f"{count:9,} {what}" for what, count in sorted(found.items())))
    print(
        f"{progress.done:,} cases, seed {options.seed}, in {progress.seconds:.0f} s: {progress.summary()}, "
        f"memory grew by {grown:.0f} MiB after the first tenth"
    )
    return int(failures > 0 or slowest > SLOWEST or grown > GROWTH)


def report(case: int, data: bytes) -> str:
    """Write the photo to a file, and return the case's number and that file's name."""
    kept = Path(f"fuzz-{zlib.crc32(data):08x}.bin")
    kept.write_bytes(data)
    return f"case {case}, kept as {kept}"


def memory() -> float:
    """Return the current memory in MiB; the peak would depend on the largest picture alone."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


if __name__ == "__main__":
    sys.exit(main())
