"""Measure the time and disk space that godeeper takes, for docs/reference/files-and-folders.md.

    python scripts/footprint.py

Prints the disk space of the package and its requirements. For the first and the second `godeeper peek` in a temporary
home folder, it prints the CPU time and the size of the cache.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
PEEK = [sys.executable, "-m", "godeeper", "peek", str(ROOT / "examples" / "chelsea.jpg")]


def main() -> None:
    source = folder_size(ROOT / "src" / "godeeper")
    required = required_by("godeeper") - {"godeeper"}
    print(f"godeeper itself: {megabytes(source)}")
    print(f"{len(required)} packages that it requires: {megabytes(sum(map(installed_size, required)))}")
    with TemporaryDirectory() as home:
        for run in ("first", "second"):
            seconds = processor_time(PEEK, home)
            print(
                f"{run} peek, three pictures: {seconds:.1f} s of CPU time; cache {megabytes(folder_size(Path(home)))}"
            )


def required_by(name: str) -> set[str]:
    """Return a package and everything that it requires, without extras."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each in found:
            continue
        found.add(each)
        waiting += [
            re.split(r"[^\w.-]", line)[0].lower()
            for line in distribution(each).requires or []
            if "extra ==" not in line and not re.search(r"sys_platform|platform_system|python_version\s*<", line)
        ]
    return found


def installed_size(name: str) -> int:
    """Return the bytes of a package's files."""
    held: Distribution = distribution(name)
    paths = (Path(str(held.locate_file(path))) for path in held.files or [])
    return sum(path.stat().st_size for path in paths if path.is_file())


def folder_size(folder: Path) -> int:
    """Return the bytes of all files in a folder, without compiled Python."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")


def processor_time(command: list[str], home: str) -> float:
    """Return the CPU seconds of a command, with ``home`` as its home folder."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "HOME": home, "GODEEPER_CACHE": f"{home}/cache"}
    subprocess.run(command, cwd=home, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


if __name__ == "__main__":
    main()
