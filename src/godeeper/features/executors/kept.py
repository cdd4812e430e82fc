"""``KeptChunks``: results of finished chunks in the cache folder, so that a run can resume after it was stopped.

A chunk's key is a hash of everything that determines its result: the recipe, and the name, size and modification time
of each photo.  Files are written atomically and end with a digest of their content.  They are removed when the run's
output is written.
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
)  # folders in the cache folder; the last one holds weights, see ``worker``
DIGEST_BYTES = 32
ABANDONED = 7 * 24 * 3600.0  # seconds after which a stopped run counts as abandoned


class KeptChunks:
    """Stores results by the content of their chunks."""

    def __init__(self, recipe: str, encode: Callable[[Any], bytes], decode: Callable[[bytes], Any]) -> None:
        """``recipe``: everything except the photos that determines a result.

        ``encode`` and ``decode``: convert a result to bytes and back.
        """
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
        """The result in a file; None if the file is missing or damaged."""
        try:
            content = path.read_bytes()
        except OSError:
            return None
        self.used.add(path)  # ``remove`` also removes damaged files
        payload, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
        if hashlib.sha256(payload).digest() != digest:
            return None
        return self.decode(payload)

    def store(self, path: Path, result: Any) -> bool:
        """Store a result; returns False if the file cannot be written."""
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
    """The size and modification time of a photo's file; zeros if it cannot be read."""
    if isinstance(entry.photo, RemotePhoto):
        return entry.photo.version
    try:
        status = os.stat(entry.path or "")  # noqa: PTH116 (a Path for each photo takes noticeable time)
    except (OSError, ValueError):
        return 0, 0
    return status.st_size, status.st_mtime_ns


def chunks_folder() -> Path:
    """The folder with the kept results of all runs."""
    return cache_folder() / FOLDER


def remove_abandoned(older_than: float = ABANDONED) -> None:
    """Remove the files of runs that stopped more than ``older_than`` seconds ago and were not resumed."""
    for kind in (FOLDER, ATTEMPTS, TRAVELLED):
        with suppress(OSError):
            for path in (cache_folder() / kind).iterdir():
                if path.stat().st_mtime < time.time() - older_than:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
