"""Built graphs on disk, and other things that can be made again, named by what they were made from.

The folder is safe to delete at any time, and to share: entries are written whole or not at all,
end with a SHA-256 of their content, and are rebuilt, not believed, when that does not fit.  The hash has the form of an
ONNX model's ``metadata_props``, so that a graph's entry is an ONNX file and can be opened where it lies.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import OptionError, OutputError, quoted
from .files import write_atomically

MOST_BYTES = 2 * 10**9  # an hour of looks and trainings of all kinds left 0.8 GB
SIZE_VARIABLE = "GODEEPER_CACHE_SIZE"
SHARES = {"graphs": 4, "trunks": 1, "features": 3}  # eighths
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
SEAL = b"\x72\x4a\x0a\x06sha256\x12\x40"  # field 14 of a ModelProto: 74 bytes, of which key "sha256", value 64 bytes
SEAL_BYTES = len(SEAL) + 64
READ_AT_ONCE = 1 << 20
ABANDONED = 3600.0  # seconds after which nobody writes a temporary file any more


def cache_folder() -> Path:
    """Where godeeper keeps what it can make again: ``GODEEPER_CACHE``, or the platform's cache folder."""
    chosen = os.environ.get("GODEEPER_CACHE")
    if chosen:
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("godeeper", appauthor=False)


def most_bytes(kind: str | None = None) -> int:
    """How much the cache may hold, or one kind of ``SHARES`` in it: ``GODEEPER_CACHE_SIZE``, or 2 GB.

    Raises:
        OptionError: the variable holds no size.
    """
    chosen = os.environ.get(SIZE_VARIABLE)
    whole = size_of(chosen, f"{SIZE_VARIABLE}=") if chosen else MOST_BYTES
    return whole if kind is None else whole * SHARES[kind] // sum(SHARES.values())


def size_of(text: str, place: str = "size ") -> int:
    """A size in bytes; ``place`` says in an error where it stands.

    >>> [size_of(text) for text in ("500MB", "1.5 gb", "0")]
    [500000000, 1500000000, 0]
    """
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*((?:[KMG]?B)?)", text.strip().upper())
    if match is None or match[2] not in UNITS:
        raise OptionError(f"{place}{quoted(text)}: expected a number and B, KB, MB or GB, such as 500MB")
    return int(float(match[1]) * UNITS[match[2]])


def graph_cache() -> DiskCache:
    """Where built graphs are kept."""
    return DiskCache(cache_folder() / "graphs", most_bytes("graphs"))


@dataclass(frozen=True)
class DiskCache:
    """Serialised graphs under ``folder``, the longest unused removed once there are more than ``most_bytes``.

    ``ending``: of the files' names.  ``durable``: whether an entry outlives a power cut, for which its writer waits.
    """

    folder: Path
    most_bytes: int = MOST_BYTES
    ending: str = "graph"
    durable: bool = True

    def load(self, key: str) -> bytes | None:
        """What is stored under ``key``; None if there is nothing, or it is damaged."""
        path = self.path(key)
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size - SEAL_BYTES
                payload, end = file.read(max(size, 0)), file.read()  # a slice of the whole would be a copy
        except OSError:
            return None
        if end != seal(hashlib.sha256(payload)):
            return None
        touch(path)
        return payload

    def find(self, key: str) -> Path | None:
        """The file of what ``load`` would answer, which is read, but not kept in memory."""
        path, digest = self.path(key), hashlib.sha256()
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size - SEAL_BYTES
                for start in range(0, size, READ_AT_ONCE):
                    digest.update(file.read(min(READ_AT_ONCE, size - start)))
                end = file.read()
        except OSError:
            return None
        if end != seal(digest):
            return None
        touch(path)
        return path

    def store(self, key: str, payload: bytes) -> None:
        """Keep ``payload``.  A cache that cannot be written is no reason to fail: the work is only done again."""
        with suppress(OutputError, OSError):
            write_atomically(self.path(key), payload + seal(hashlib.sha256(payload)), durable=self.durable)
            self.trim()

    def path(self, key: str) -> Path:
        return self.folder / f"{key}.{self.ending}"

    def sizes(self) -> list[int]:
        """Bytes of each entry."""
        return [status.st_size for status, _ in self.entries()]

    def entries(self) -> list[tuple[os.stat_result, Path]]:
        """What is stored, the last used first; what another process removes meanwhile is not."""
        found = []
        for path in self.folder.glob(f"*.{self.ending}"):
            with suppress(FileNotFoundError):
                found.append((path.stat(), path))
        return sorted(found, key=lambda entry: -entry[0].st_mtime)

    def trim(self) -> None:
        """Remove the longest unused entries until the rest fits."""
        total = 0
        for status, path in self.entries():
            total += status.st_size
            if total > self.most_bytes:
                path.unlink(missing_ok=True)
        for path in self.folder.glob(".*.part"):  # of writers that were killed
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - ABANDONED:
                    path.unlink()


def seal(digest: Any) -> bytes:
    """The end of an entry whose content has that SHA-256."""
    return SEAL + str(digest.hexdigest()).encode()


def touch(path: Path) -> None:
    """Say that an entry was used."""
    with suppress(OSError):  # a cache we may read but not touch only ages faster
        os.utime(path)
