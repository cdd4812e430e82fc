"""Measure the memory of a running process, alone or together with its descendants.  Linux only."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

EVERY = 0.5  # seconds between two readings of a ``Watch``
MEBIBYTE = 1 << 20


class Watch:
    """Reads the memory of a process and its descendants while the block runs.

    ``peak``: the greatest sum in MiB.  A page that several processes share counts once (proportional set size).
    """

    def __init__(self, process: int) -> None:
        self.process = process
        self.peak = 0.0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.read, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self.thread.join()

    def read(self) -> None:
        """Read until the block ends."""
        while not self.ended.wait(EVERY):
            self.peak = max(self.peak, sum(map(proportional, family(self.process))))


def resident(process: int) -> float:
    """The resident memory of a process in MiB; 0 if it has just ended."""
    try:
        pages = int(Path("/proc", str(process), "statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE


def proportional(process: int) -> float:
    """The proportional set size of a process in MiB; 0 if it has just ended."""
    try:
        lines = Path("/proc", str(process), "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def family(process: int) -> list[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(folder.name))
    found = [process]
    for each in found:  # the list grows during the loop
        found += children.get(each, [])
    return found
