"""Run the benchmarks that compare godeeper with other programs, and collect their output in one file (``make bench``).

    python -m bench.all [PART ...]

Parts are peek, engines, poster, folder, on_ray and classifier.  Without arguments, all of them run.  Writes
``bench/results/benchmarks.md`` with the duration of each part, and prints the parts that missed a target.  Exit code 1 if a target
is missed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from bench.common import processes
from bench.common.places import REPOSITORY, RESULTS

PARTS = {
    "peek": "A peek, the whole process",
    "engines": "Engines and precisions, and the machine's limit",
    "poster": "A poster, ten tensors, a second peek",
    "folder": "From a folder to features",
    "on_ray": "From a folder to features, on Ray and with PyTorch's DataLoader",
    "classifier": "From a folder to a classifier",
}


def main() -> int:
    parts = parse()
    RESULTS.mkdir(parents=True, exist_ok=True)
    page = RESULTS / "benchmarks.md"
    page.write_text("")
    missed = []
    for part in parts:
        started = time.perf_counter()
        status = run(part, page)
        minutes = (time.perf_counter() - started) / 60
        write(page, f"\n`python -m bench.speed.{part}` took {minutes:.1f} minutes.\n\n")
        if status:
            missed.append(part)
    print(f"Written to {page}." + (f"  Targets were missed in: {', '.join(missed)}." if missed else ""))
    return 1 if missed else 0


def parse() -> list[str]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parts: list[str] = parser.parse_args().parts or list(PARTS)
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]!r}: expected {', '.join(PARTS)}")
    return parts


def run(part: str, page: Path) -> int:
    """Run one benchmark, write its output to the screen and the page, and return its exit code."""
    write(page, f"## {PARTS[part]}\n\n")
    with subprocess.Popen(
        [sys.executable, "-m", f"bench.speed.{part}"],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(processes.environment()),
        cwd=REPOSITORY,
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            write(page, f"##{line}" if line.startswith("# ") else line)
    return child.returncode


def write(page: Path, text: str) -> None:
    """Write to the screen and to the page."""
    print(text, end="", flush=True)
    with page.open("a") as file:
        file.write(text)


if __name__ == "__main__":
    sys.exit(main())
