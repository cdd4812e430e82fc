"""Fuzz classifier files: each corrupted file must be refused with a one-line error, or load as a working classifier.

    python -m bench.fuzz.classifiers [--cases N] [--first SEED]

Prints the seed of each file that fails and, at the end or after Ctrl-C, the peak memory.  Exit code 1 if a file fails.
``tests/unit/classifier/mangled.py`` makes the files.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

from bench.fuzz.progress import Progress

from godeeper.classifier import classifier as module
from godeeper.report.make import peak_memory
from godeeper.weights.registry import find


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    options = parser.parse_args()
    mangled = import_module("tests.unit.classifier.mangled")
    warnings.filterwarnings("ignore", "Duplicate name")
    payload, before, failed = mangled.whole(), peak_memory(), 0
    progress = Progress(lambda: f"{failed} failed; peak memory {before} MiB before, {peak_memory()} after")
    with (
        suppress(KeyboardInterrupt),
        tempfile.TemporaryDirectory() as folder,
        patch.object(module, "find", cache(find)),
    ):
        path = Path(folder) / "x.godeeper"
        for seed in progress.count(range(options.first, options.first + options.cases)):
            path.write_bytes(mangled.mangled(payload, seed))
            wrong = mangled.outcome(lambda: module.Classifier.load(path))
            if wrong:
                failed += 1
                print(f"{seed}: {wrong[:300]}", flush=True)
    print(f"{progress.done} files in {progress.seconds:.0f} s, {progress.summary()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
