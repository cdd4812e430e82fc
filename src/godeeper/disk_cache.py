"""A cache on disk for built graphs and activations, keyed by a hash of all inputs.

The folder can be deleted at any time and shared by several processes.  Entries are written atomically and end with a SHA-256
of their content; an entry whose hash does not match is ignored and built again.  The hash is encoded as an item of an ONNX
model's ``metadata_props``.  So the file of a cached graph is a valid ONNX model, which can be opened in place.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import OptionError, OutputError, quoted
from .files import write_atomically

MOST_BYTES = 2 * 10**9  # an hour of varied peeks and trainings filled 0.8 GB
SIZE_VARIABLE = "GODEEPER_CACHE_SIZE"
SHARES = {"graphs": 8, "trunks": 1, "features": 6, "accounts": 1}  # of the size limit, in sixteenths
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
SEAL = b"\x72\x4a\x0a\x06sha256\x12\x40"  # field 14 of a ModelProto, 74 bytes: the key "sha256" and a value of 64 bytes
SEAL_BYTES = len(SEAL) + 64
READ_AT_ONCE = 1 << 20
ABANDONED = 3600.0  # seconds after which a temporary file counts as abandoned


def cache_folder() -> Path:
    """The cache folder: ``GODEEPER_CACHE``, or the platform's cache folder."""
    chosen = os.environ.get("GODEEPER_CACHE")
    if chosen:
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("godeeper", appauthor=False)


def most_bytes(kind: str | None = None) -> int:
    """The size limit in bytes of the whole cache (``GODEEPER_CACHE_SIZE``, or 2 GB), or of one kind of entries (``SHARES``).

    Raises:
        OptionError: ``GODEEPER_CACHE_SIZE`` is not a size.
    """
    chosen = os.environ.get(SIZE_VARIABLE)
    whole = size_of(chosen, f"{SIZE_VARIABLE}=") if chosen else MOST_BYTES
    return whole if kind is None else whole * SHARES[kind] // sum(SHARES.values())


def size_of(text: str, place: str = "size ") -> int:
    """Parse a size into bytes; raises ``OptionError``, with ``place`` before ``text`` in the message.

    >>> [size_of(text) for text in ("500MB", "1.5 gb", "0")]
    [500000000, 1500000000, 0]
    """
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*((?:[KMG]?B)?)", text.strip().upper())
    if match is None or match[2] not in UNITS:
        raise OptionError(f"{place}{quoted(text)}: expected a number and B, KB, MB or GB, such as 500MB")
    return int(float(match[1]) * UNITS[match[2]])


def graph_cache() -> DiskCache:
    """The cache of built graphs."""
    return DiskCache(cache_folder() / "graphs", most_bytes("graphs"))


def account_cache() -> DiskCache:
    """The cache of the web page's results about single filters."""
    return DiskCache(cache_folder() / "accounts", most_bytes("accounts"), "account", durable=False)


@dataclass(frozen=True)
class DiskCache:
    """Entries as files in ``folder``; when they exceed ``most_bytes``, the least recently used are removed.

    ``ending``: the extension of the files.  ``durable``: flush each entry to disk before ``store`` returns.
    """

    folder: Path
    most_bytes: int = MOST_BYTES
    ending: str = "graph"
    durable: bool = True

    def load(self, key: str) -> bytes | None:
        """The payload stored under ``key``; None if it is missing or damaged."""
        path = self.path(key)
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size - SEAL_BYTES
                payload, end = file.read(max(size, 0)), file.read()  # two reads, because slicing would copy the payload
        except OSError:
            return None
        if end != seal(hashlib.sha256(payload)):
            return None
        touch(path)
        return payload

    def find(self, key: str) -> Path | None:
        """The path of the entry under ``key``, verified without loading it; None if the entry is missing or damaged."""
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
        """Store ``payload``; if the cache cannot be written, no error is raised."""
        with suppress(OutputError, OSError):
            write_atomically(self.path(key), payload + seal(hashlib.sha256(payload)), durable=self.durable)
            self.trim()

    def load_or_build(self, key: str, build: Callable[[], bytes]) -> bytes:
        """The payload stored under ``key``, or a new one, which is stored."""
        payload = self.load(key)
        if payload is None:
            payload = build()
            self.store(key, payload)
        return payload

    def path(self, key: str) -> Path:
        return self.folder / f"{key}.{self.ending}"

    def sizes(self) -> list[int]:
        """The size of each entry in bytes."""
        return [status.st_size for status, _ in self.entries()]

    def entries(self) -> list[tuple[os.stat_result, Path]]:
        """All entries, most recently used first; entries that another process removes meanwhile are skipped."""
        found = []
        for path in self.folder.glob(f"*.{self.ending}"):
            with suppress(FileNotFoundError):
                found.append((path.stat(), path))
        return sorted(found, key=lambda entry: -entry[0].st_mtime)

    def trim(self) -> None:
        """Remove the least recently used entries until the rest fits."""
        total = 0
        for status, path in self.entries():
            total += status.st_size
            if total > self.most_bytes:
                path.unlink(missing_ok=True)
        for path in self.folder.glob(".*.part"):  # left by processes that were killed
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - ABANDONED:
                    path.unlink()


def seal(digest: Any) -> bytes:
    """The bytes that end an entry, for the SHA-256 of its content."""
    return SEAL + str(digest.hexdigest()).encode()


def touch(path: Path) -> None:
    """Mark an entry as used by setting its modification time to now."""
    with suppress(OSError):  # a read-only cache cannot record the use
        os.utime(path)
