"""``KeptChunks``: results of finished chunks in the cache folder, so that a run whose driver was stopped resumes.

A chunk's key is a hash of everything that determines its result: the recipe, and name, size and time of change of its photos.
Files appear whole, end with a digest of their content, and are removed when the run's output is written.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...disk_cache import cache_folder
from ...errors import OutputError
from ...files import write_atomically
from ...photos.remote import RemotePhoto

if TYPE_CHECKING:
    from ..pipeline import Entry

FOLDER, ATTEMPTS, TRAVELLED = (
    "chunks",
    "attempts",
    "travelled",
)  # in the cache folder; the last has weights, see ``worker``
DIGEST_BYTES = 32
ABANDONED = 7 * 24 * 3600.0  # seconds after which a stopped run counts as abandoned


class KeptChunks:
    """Results by the content of their chunks."""

    def __init__(self, recipe: str, encode: Callable[[Any], bytes], decode: Callable[[bytes], Any]) -> None:
        """``recipe``: everything but the photos that determines a result.  ``encode`` and ``decode``: between a result and bytes."""
        self.folder = chunks_folder() / hashlib.sha256(recipe.encode()).hexdigest()[:40]
        self.encode = encode
        self.decode = decode
        self.used: set[Path] = set()
        remove_abandoned()

    def path(self, entries: Sequence[Entry]) -> Path:
        """The file of the result of a chunk."""
        facts = json.dumps([[entry.name, *version_of(entry)] for entry in entries])
        return self.folder / hashlib.sha256(facts.encode()).hexdigest()[:40]

    def load(self, path: Path) -> Any | None:
        """The result in a file; None if there is none, or it is damaged."""
        try:
            content = path.read_bytes()
        except OSError:
            return None
        self.used.add(path)  # a damaged file is removed in the end, too
        payload, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
        if hashlib.sha256(payload).digest() != digest:
            return None
        return self.decode(payload)

    def store(self, path: Path, result: Any) -> bool:
        """Store a result; returns whether that was possible."""
        payload = self.encode(result)
        try:
            write_atomically(path, payload + hashlib.sha256(payload).digest(), durable=False)
        except OutputError:
            return False
        self.used.add(path)
        return True

    def remove(self) -> None:
        """Remove the results that this run stored or used; another run may share the folder."""
        for path in self.used:
            with suppress(OSError):
                path.unlink()
        with suppress(OSError):
            self.folder.rmdir()


def version_of(entry: Entry) -> tuple[int, int]:
    """Size and time of change of a photo's file; zeros if it cannot be read."""
    if isinstance(entry.photo, RemotePhoto):
        return entry.photo.version
    try:
        status = os.stat(entry.path or "")  # noqa: PTH116 (a Path for each photo takes noticeable time)
    except (OSError, ValueError):
        return 0, 0
    return status.st_size, status.st_mtime_ns


def chunks_folder() -> Path:
    """The folder of all runs' kept results."""
    return cache_folder() / FOLDER


def remove_abandoned(older_than: float = ABANDONED) -> None:
    """Remove what is left of runs that stopped so many seconds ago and were not resumed."""
    for kind in (FOLDER, ATTEMPTS, TRAVELLED):
        with suppress(OSError):
            for path in (cache_folder() / kind).iterdir():
                if path.stat().st_mtime < time.time() - older_than:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
