"""Fuzz the web server: every malformed request must get a response without a 5xx status and without injected headers.

    python -m bench.fuzz.http_requests [--cases N] [--seed 0]

``tests/unit/web/fuzzing.py`` makes the requests: unusual paths, queries, headers and forms.  They are sent to a
server with default settings, one with a token, one behind a proxy, and one under a path prefix.  Prints each case that fails (its number and
the reason), each response that takes more than ``SLOW`` seconds (with the time that its threads waited for a processor), and the
peak memory.  Counts are printed every few thousand cases and after Ctrl-C.  Exit code 1 if a case fails, or if memory grows by more than
64 MiB after the first fifth of the cases.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from bench.fuzz.progress import Progress

from godeeper.report.make import peak_memory
from godeeper.web.compute.backend import Backend
from godeeper.web.compute.photo_store import PhotoStore

MOST_GROWTH = 64  # MiB
MOST_PHOTOS, MOST_PASS_BYTES = 8, 128 << 20  # small, so that the caches are full after the first fifth
SLOW = 2.0  # seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    options = parser.parse_args()
    return asyncio.run(fuzz(options.cases, options.seed))


async def fuzz(count: int, seed: int) -> int:
    """Send all requests one after the other, and return the exit code."""
    fuzzing = import_module("tests.unit.web.fuzzing")
    outcome = import_module("tests.unit.web.outcome").outcome
    classifier = import_module("tests.unit.web.conftest").handmade()
    backend = Backend(
        classifier.weights_file,
        classifier.preprocess,
        photos=PhotoStore(MOST_PHOTOS),
        max_pass_bytes=MOST_PASS_BYTES,
    )
    apps = fuzzing.applications(backend, classifier)
    failed, before, slowest = 0, 0.0, 0.0
    progress = Progress(lambda: f"{failed} failed, the slowest took {slowest:.1f} s, peak memory {peak_memory()} MiB")
    with suppress(asyncio.CancelledError):  # Ctrl-C
        for case in progress.count(fuzzing.cases(count, seed)):
            if progress.done == count // 5:
                before = peak_memory() or 0.0
            began = time.perf_counter(), *processor_times()
            wrong = await outcome(apps[case.app], case)
            took, used, waited = (
                now - then for now, then in zip((time.perf_counter(), *processor_times()), began, strict=True)
            )
            slowest = max(slowest, took)
            if took > SLOW:
                print(
                    f"seed {seed}, case {progress.done}: {case.scope['path'][:80]!r} took {took:.1f} s; its threads ran "
                    f"for {used:.1f} s and waited {waited:.1f} s for a processor; load average {os.getloadavg()[0]:.1f}",
                    flush=True,
                )
            if wrong:
                failed += 1
                print(f"seed {seed}, case {progress.done}: {wrong[:300]}", flush=True)
    after = peak_memory() or 0.0
    print(f"{progress.done} requests, seed {seed}, in {progress.seconds:.0f} s: {progress.summary()}")
    print(f"peak memory {before} MiB after a fifth of them, {after} MiB after all")
    return int(failed > 0 or (before > 0 and after - before > MOST_GROWTH))


def processor_times() -> tuple[float, float]:
    """Return the seconds that all threads ran and that they waited for a processor; zeros except on Linux."""
    found = [path.read_text().split() for path in Path("/proc/self/task").glob("*/schedstat")]
    return sum(int(ran) for ran, *_ in found) / 1e9, sum(int(waited) for _, waited, *_ in found) / 1e9


if __name__ == "__main__":
    sys.exit(main())
