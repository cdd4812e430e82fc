"""Store computed results on disk, so that no feature is computed twice.

The store is one SQLite file.  A feature is the spatial mean of one tensor for one photo, (C,) in half precision; its
key is a hash of everything that determines it.  The doctor's findings are stored in the same table.  Several processes
can share the file; any of them can be killed, or delete the file, at any moment.  Each value has a digest; a value
whose digest does not match counts as absent.  A file that SQLite cannot read is renamed and replaced by a new file.  If
the store cannot be written, results are computed again next time, and ``notes`` has a message.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np

from ..disk_cache import cache_folder
from ..disk_cache import most_bytes as cap
from ..engine.forks import keep
from ..errors import OutputError
from ..iteration import batched

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")
Row = tuple[bytes, bytes, int, bytes]

SCHEMA = 1  # part of the file name, so that two versions of godeeper do not share one file
FILE = f"features-{SCHEMA}.sqlite"
FEATURE_RECIPE = 2  # increase it when the same photo, weights, tensor and preprocessing give different features
HALF = np.dtype("<f2")
DAY = 24 * 60 * 60
PATIENCE = 60.0  # seconds to wait while another process writes
KEYS_AT_ONCE = 500  # in one SQLite query

APPLICATION = int.from_bytes(b"deep")
CREATE = f"""
    BEGIN;
    CREATE TABLE feature (key BLOB NOT NULL UNIQUE, digest BLOB NOT NULL, used INTEGER NOT NULL, value BLOB NOT NULL);
    PRAGMA application_id = {APPLICATION};
    COMMIT;
"""
DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR)
"""SQLite's error codes for a damaged file; ``SQLITE_ERROR`` occurs if the table is missing."""


def feature_key(pixels_sha256: str, recipe: bytes) -> bytes:
    """The key of a feature: its ``feature_recipe`` and the hash of the photo's decoded pixels."""
    return hashlib.sha256(recipe + pixels_sha256.encode()).digest()


def feature_recipe(
    weights_sha256: str, address: str, preprocessing: str, computed_by: str = "onnxruntime fp32"
) -> bytes:
    """A hash of everything except the photo that determines a feature.

    Args:
        weights_sha256: the hash of the weights, which covers their network and dialect.
        address: the tensor's printed name.
        preprocessing: ``Preprocess.summary``.
        computed_by: ``Identity.key`` of the engine, since engines may differ in the last bit.
    """
    parts = [FEATURE_RECIPE, weights_sha256, address, preprocessing, computed_by]
    return hashlib.sha256(json.dumps(parts).encode()).digest()


@dataclass(frozen=True)
class Stats:
    """The size of a store: its number of features, and its bytes on disk."""

    path: Path
    features: int
    bytes: int


class ResultStore:
    """Values by key.  Each object must be used in a single thread."""

    def __init__(self, path: Path | None = None, most_bytes: int | None = None) -> None:
        """``path``: by default ``store_path()``.  ``most_bytes``: the size above which the least recently used values are
        removed; by default the features' share of the cache.
        """
        self.path = path or store_path()
        self.most_bytes = cap("features") if most_bytes is None else most_bytes
        self.notes: list[str] = []
        self.identity = 0
        self.connection = self.open()
        self.process = os.getpid()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, NDArray[np.float16]]:
        """Key -> stored feature, (C,) float16, without keys that are absent or damaged."""
        blobs = self.get_blobs(keys)
        return {key: np.frombuffer(blob, HALF).astype(np.float16, copy=False) for key, blob in blobs.items()}

    def put_many(self, features: Mapping[bytes, NDArray[np.float16]]) -> None:
        """Store features: all of them, or none if the process is killed meanwhile."""
        self.put_blobs({key: np.asarray(values, HALF).tobytes() for key, values in features.items()})

    def get_blobs(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """Key -> stored bytes, without keys that are absent or damaged."""
        wanted = list(keys)
        try:
            rows = self.attempt(lambda connection: select(connection, wanted))
        except sqlite3.Error as error:
            self.note(f"{self.path} cannot be read ({error}): features are computed again")
            return {}
        sound = [row for row in rows if row[1] == digest(row[0], row[3])]
        if len(sound) < len(rows):
            self.note(f"{self.path} held {len(rows) - len(sound)} damaged features: they are computed again")
        self.touch([key for key, _, used, _ in sound if used < time.time() - DAY])
        return {key: value for key, _, _, value in sound}

    def put_blobs(self, blobs: Mapping[bytes, bytes]) -> None:
        """Store bytes under keys: all of them, or none if the process is killed meanwhile."""
        now = int(time.time())
        rows = [(key, digest(key, blob), now, blob) for key, blob in blobs.items()]
        self.write("INSERT OR REPLACE INTO feature VALUES (?, ?, ?, ?)", rows)
        self.stay_small()

    def stay_small(self) -> None:
        """Trim the file if it is too large."""
        try:
            if self.attempt(live_bytes) > self.most_bytes:
                self.trim(self.most_bytes * 9 // 10)  # to 90 %, so that not every batch trims
        except (sqlite3.Error, OutputError) as error:
            self.note(f"{self.path} cannot be trimmed ({error})")

    def touch(self, keys: Sequence[bytes]) -> None:
        """Set the time at which values were last used.  Callers do so at most once a day, so that most reads write nothing."""
        self.write("UPDATE feature SET used = ? WHERE key = ?", [(int(time.time()), key) for key in keys])

    def write(self, statement: str, rows: Sequence[Row | tuple[int, bytes]]) -> None:
        """Execute a statement for many rows, in one transaction."""
        if not rows:
            return
        try:
            self.attempt(lambda connection: change(connection, statement, rows))
        except sqlite3.Error as error:
            self.note(f"{self.path} cannot be written ({error}): features are computed again next time")

    def stats(self) -> Stats:
        """The size of the store, including SQLite's auxiliary files."""
        (features,) = self.attempt(lambda connection: connection.execute("SELECT count(*) FROM feature").fetchone())
        return Stats(self.path, features, sum(size(path) for path in family(self.path)))

    def trim(self, most_bytes: int) -> int:
        """Remove the least recently used values until the rest fits, and return the number removed.

        Raises:
            OutputError: the file cannot be written, or another process keeps it locked.
        """
        try:
            return self.attempt(lambda connection: remove_oldest(connection, most_bytes))
        except sqlite3.Error as error:
            raise OutputError(f"cannot trim {self.path}: {error}; try again when no other godeeper runs") from error

    def attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return ``work(connection)``; if the file is damaged, replace it and try again on the new file."""
        if self.process != os.getpid():  # SQLite forbids a forked process to use or close the parent's connection
            keep(self.connection)
            self.connection, self.process = self.open(), os.getpid()
        try:
            return work(self.connection)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
        self.connection.close()
        self.connection = self.open(damaged=self.identity)
        return work(self.connection)

    def open(self, damaged: int = 0) -> sqlite3.Connection:
        """Open the file, or create it; if that fails, open a temporary file that only this process sees.

        ``damaged``: the identity of a damaged file, which is moved aside unless another process has replaced it.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with alone(self.path.with_name("features.lock")):
                if damaged and identity(self.path) == damaged:
                    self.move_aside()
                connection = self.open_sound()
                self.identity = identity(self.path)
                return connection
        except (OSError, sqlite3.Error) as error:
            self.note(f"{self.path} cannot be used ({error}): features are computed again next time")
            return connect("")

    def open_sound(self) -> sqlite3.Connection:
        """Open the file, or replace it if it is damaged; the caller holds the lock."""
        try:
            return connect(self.path)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
        self.move_aside()
        return connect(self.path)

    def move_aside(self) -> None:
        """Rename the damaged file, so that it can be examined; an earlier damaged file is overwritten."""
        aside = damaged_copy(self.path)
        self.path.replace(aside)
        for path in family(self.path):
            path.unlink(missing_ok=True)
        self.note(f"{self.path} was damaged: moved to {aside.name}, features are computed again")

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def connect(path: Path | str) -> sqlite3.Connection:
    """A connection to a valid file; an empty path opens a temporary file that only this process sees."""
    connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    try:
        prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection) -> None:
    """Apply the settings, and create the table in a new file; raises ``sqlite3.DatabaseError`` if the file is not a store."""
    connection.execute("PRAGMA page_size = 16384")  # the longest features fit in one page
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # trimming shortens the file
    connection.execute("PRAGMA journal_mode = WAL")  # readers do not block the writer
    connection.execute("PRAGMA synchronous = NORMAL")  # only a power failure can lose the last batch
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if (application, tables) == (0, []):
        connection.executescript(CREATE)
    elif (application, tables) != (APPLICATION, ["feature"]):
        raise sqlite3.DatabaseError("not a file of features")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error means damaged content; the low byte of SQLite's extended codes is the primary code."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_NOTADB)
    return code & 0xFF in DAMAGE


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold a lock between processes: SQLite's lock on an empty file, which the system releases if the process dies."""
    with closing(sqlite3.connect(lock, timeout=PATIENCE, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def select(connection: sqlite3.Connection, keys: Sequence[bytes]) -> list[Row]:
    """The rows that have one of the keys."""
    rows: list[Row] = []
    for chunk in batched(keys, KEYS_AT_ONCE):
        marks = ",".join("?" * len(chunk))
        query = f"SELECT key, digest, used, value FROM feature WHERE key IN ({marks})"  # noqa: S608 (only placeholders)
        rows += connection.execute(query, chunk)
    return rows


def change(connection: sqlite3.Connection, statement: str, rows: Sequence[Row | tuple[int, bytes]]) -> None:
    """Execute ``statement`` for each row, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(statement, rows)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def remove_oldest(connection: sqlite3.Connection, most_bytes: int) -> int:
    """Delete the least recently used rows until the rest fits, shorten the file, and return the number of deleted rows."""
    statement = "DELETE FROM feature WHERE rowid IN (SELECT rowid FROM feature ORDER BY used, rowid LIMIT ?)"
    before = count = connection.execute("SELECT count(*) FROM feature").fetchone()[0]
    while count and (bytes_used := live_bytes(connection)) > most_bytes:
        excess = -(-count * (bytes_used - most_bytes) // bytes_used)
        connection.execute(statement, (excess,))
        count = connection.execute("SELECT count(*) FROM feature").fetchone()[0]
    if count == before:
        return 0
    connection.executescript("PRAGMA incremental_vacuum")  # execute() would free only one page
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return int(before - count)


def live_bytes(connection: sqlite3.Connection) -> int:
    """The size of the file in bytes, without its free pages."""
    pages, free, page = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * page)


def digest(key: bytes, value: bytes) -> bytes:
    """A digest of a key and its value."""
    return hashlib.blake2b(key + value, digest_size=8).digest()


def family(path: Path) -> list[Path]:
    """The paths of the file and of SQLite's auxiliary files."""
    return [path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm"))]


def store_path() -> Path:
    """The default path of the store."""
    return cache_folder() / FILE


def leftovers() -> list[Path]:
    """The damaged stores that were moved aside, and the stores of other versions of godeeper."""
    return sorted(set(cache_folder().glob("features-*.sqlite*")) - set(family(store_path())))


def damaged_copy(path: Path) -> Path:
    """The path that a damaged file is moved to."""
    return path.with_name(f"{path.name}.damaged")


def size(path: Path) -> int:
    """The size of a file in bytes; 0 if there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def identity(path: Path) -> int:
    """The inode of a file, which changes when the file is replaced; 0 if there is none."""
    return path.stat().st_ino if path.exists() else 0
