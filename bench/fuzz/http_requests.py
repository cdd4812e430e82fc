"""Requests with faults against the page: is there one that gets no response, a 5xx, or somebody else's headers?

    python -m bench.fuzz.http_requests [--cases N] [--seed 0]

The requests are those of ``tests/unit/web/fuzzing.py``: odd paths, queries, headers and forms, for the page as it is usually
served, with a token, behind a proxy and under a path.  Prints every case that fails, by its number, and the memory that all of
them took.  Exit code 1 if one fails, or if memory grows by more than 64 MiB after the first fifth of the cases.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from importlib import import_module
from pathlib import Path

from godeeper.report.make import peak_memory
from godeeper.web.compute.backend import Backend

ROOT = Path(__file__).parents[2]
MOST_GROWTH = 64  # MiB


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    options = parser.parse_args()
    return asyncio.run(fuzz(options.cases, options.seed))


async def fuzz(count: int, seed: int) -> int:
    """Send all requests, one after the other; returns the exit code."""
    fuzzing = import_module("tests.unit.web.fuzzing")
    outcome = import_module("tests.unit.web.outcome").outcome
    classifier = import_module("tests.unit.web.conftest").handmade()
    apps = fuzzing.applications(Backend(classifier.weights_file, classifier.preprocess), classifier)
    failed, before, slowest, started = 0, 0.0, 0.0, time.perf_counter()
    for number, case in enumerate(fuzzing.cases(count, seed)):
        if number == count // 5:
            before = peak_memory() or 0.0
        began = time.perf_counter()
        wrong = await outcome(apps[case.app], case)
        slowest = max(slowest, time.perf_counter() - began)
        if wrong:
            failed += 1
            print(f"seed {seed}, case {number}: {wrong[:300]}", flush=True)
    after, seconds = peak_memory() or 0.0, time.perf_counter() - started
    print(f"{count} requests, seed {seed}, in {seconds:.0f} s, {failed} failed; the slowest took {slowest:.1f} s")
    print(f"peak memory {before} MiB after a fifth of them, {after} MiB after all")
    return int(failed > 0 or after - before > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
