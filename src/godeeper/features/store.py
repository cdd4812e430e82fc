"""Features on disk: what the network once said of a photo is never computed again.

One SQLite file.  What the doctor found in a file's bytes is kept there too.  A feature is the spatial mean of one tensor for one photo, (C,) in half precision,
under a key made of all that determines it.  The file is safe to share between processes, to kill at
any moment and to delete.  It is not believed: each feature carries a digest, one that does not fit
counts as absent, and a file that SQLite cannot read is moved aside and started again.  A store that
cannot be written is no reason to fail: the work is only done again, and ``notes`` say so.
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

SCHEMA = 1  # in the file's name, so that two versions of godeeper never fight over one file
FILE = f"features-{SCHEMA}.sqlite"
FEATURE_RECIPE = 2  # goes up when the same photo, weights, tensor and preprocessing give other numbers
HALF = np.dtype("<f2")
DAY = 24 * 60 * 60
PATIENCE = 60.0  # seconds to wait for another process that writes
KEYS_AT_ONCE = 500  # in one question to SQLite

APPLICATION = int.from_bytes(b"deep")
CREATE = f"""
    BEGIN;
    CREATE TABLE feature (key BLOB NOT NULL UNIQUE, digest BLOB NOT NULL, used INTEGER NOT NULL, value BLOB NOT NULL);
    PRAGMA application_id = {APPLICATION};
    COMMIT;
"""
DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR)
"""SQLite's codes for a file whose content is not what was written; ``SQLITE_ERROR`` is a table that is missing."""


def feature_key(pixels_sha256: str, recipe: bytes) -> bytes:
    """What a feature is stored under: ``recipe``, of a photo whose decoded pixels have that hash."""
    return hashlib.sha256(recipe + pixels_sha256.encode()).digest()


def feature_recipe(
    weights_sha256: str, address: str, preprocessing: str, computed_by: str = "onnxruntime fp32"
) -> bytes:
    """What a feature follows from besides the photo, in a few bytes.

    Args:
        weights_sha256: of the weights, which covers their network and dialect.
        address: the tensor's 2015 name.
        preprocessing: ``Preprocess.summary``.
        computed_by: ``Identity.key`` of the engine, since two engines may round the last bit otherwise.
    """
    parts = [FEATURE_RECIPE, weights_sha256, address, preprocessing, computed_by]
    return hashlib.sha256(json.dumps(parts).encode()).digest()


@dataclass(frozen=True)
class Stats:
    """What a store holds: how many features, and how many bytes of disk."""

    path: Path
    features: int
    bytes: int


class ResultStore:
    """Features by their ``feature_key``; one object for one thread."""

    def __init__(self, path: Path | None = None, most_bytes: int | None = None) -> None:
        """``path``: the file; in the cache folder if not given.  ``most_bytes``: by default the features' share of the cache.  The longest unused go once it is too large."""
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
        """Let go of the file."""
        self.connection.close()

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, NDArray[np.float16]]:
        """The features that are stored, each (C,) float16; what is damaged counts as absent."""
        found = self.get_blobs(keys)
        return {key: np.frombuffer(blob, HALF).astype(np.float16, copy=False) for key, blob in found.items()}

    def put_many(self, features: Mapping[bytes, NDArray[np.float16]]) -> None:
        """Keep features, all of them or, if the process is killed meanwhile, none."""
        self.put_blobs({key: np.asarray(values, HALF).tobytes() for key, values in features.items()})

    def get_blobs(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """What is stored under each key, whatever it is; what is damaged counts as absent."""
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
        """Keep bytes under their keys, all of them or, if the process is killed meanwhile, none."""
        now = int(time.time())
        rows = [(key, digest(key, blob), now, blob) for key, blob in blobs.items()]
        self.write("INSERT OR REPLACE INTO feature VALUES (?, ?, ?, ?)", rows)
        self.stay_small()

    def stay_small(self) -> None:
        """Remove the longest unused features of a file that is too large."""
        try:
            if self.attempt(live_bytes) > self.most_bytes:
                self.trim(self.most_bytes * 9 // 10)  # so that it does not come to this at every batch
        except (sqlite3.Error, OutputError) as error:
            self.note(f"{self.path} cannot be trimmed ({error})")

    def touch(self, keys: Sequence[bytes]) -> None:
        """Remember that features were used; to the day, so that reading seldom writes."""
        self.write("UPDATE feature SET used = ? WHERE key = ?", [(int(time.time()), key) for key in keys])

    def write(self, statement: str, rows: Sequence[Row | tuple[int, bytes]]) -> None:
        """One transaction of many rows."""
        if not rows:
            return
        try:
            self.attempt(lambda connection: change(connection, statement, rows))
        except sqlite3.Error as error:
            self.note(f"{self.path} cannot be written ({error}): features are computed again next time")

    def stats(self) -> Stats:
        """How much is stored; bytes are those of the file and of what SQLite keeps beside it."""
        (features,) = self.attempt(lambda connection: connection.execute("SELECT count(*) FROM feature").fetchone())
        return Stats(self.path, features, sum(size(path) for path in family(self.path)))

    def trim(self, most_bytes: int) -> int:
        """Remove the longest unused features until the rest fits; answers how many went.

        Raises:
            OutputError: the file cannot be written, or another process does not let go of it.
        """
        try:
            return self.attempt(lambda connection: remove_oldest(connection, most_bytes))
        except sqlite3.Error as error:
            raise OutputError(
                f"cannot trim {self.path}: {error}; try again when no other godeeper is at work"
            ) from error

    def attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """``work`` on the file; where that shows to be damaged, on a new one."""
        if self.process != os.getpid():  # SQLite forbids to use, or to close, what its parent opened
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
        """A sound file, started again if there is none; a private one for this process if there can be none.

        ``damaged``: the identity of a file that was seen to be; another process may have replaced it already.
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
        """The file, or where it is damaged a new one; with the lock held."""
        try:
            return connect(self.path)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
        self.move_aside()
        return connect(self.path)

    def move_aside(self) -> None:
        """Make way for a new file; the damaged one is kept for whoever wonders, in the place of the last such."""
        aside = damaged_copy(self.path)
        self.path.replace(aside)
        for path in family(self.path):
            path.unlink(missing_ok=True)
        self.note(f"{self.path} was damaged: moved to {aside.name}, features are computed again")

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def connect(path: Path | str) -> sqlite3.Connection:
    """A connection to a sound file; an empty path is a file of this process alone, gone when it ends."""
    connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    try:
        prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection) -> None:
    """Settings, and the table if the file is new; raises where the file is of another make."""
    connection.execute("PRAGMA page_size = 16384")  # the longest features fit in one page
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # what is trimmed is given back
    connection.execute("PRAGMA journal_mode = WAL")  # readers and one writer at once
    connection.execute("PRAGMA synchronous = NORMAL")  # whole after a kill; the last batch may go with the power
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if (application, tables) == (0, []):
        connection.executescript(CREATE)
    elif (application, tables) != (APPLICATION, ["feature"]):
        raise sqlite3.DatabaseError("not a file of features")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error is of the file's content; SQLite's extended codes hold the plain one in the low byte."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_NOTADB)
    return code & 0xFF in DAMAGE


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """One process at a time; SQLite's own lock on an empty file, which a killed process cannot leave behind."""
    with closing(sqlite3.connect(lock, timeout=PATIENCE, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def select(connection: sqlite3.Connection, keys: Sequence[bytes]) -> list[Row]:
    """The rows that are there."""
    rows: list[Row] = []
    for chunk in batched(keys, KEYS_AT_ONCE):
        marks = ",".join("?" * len(chunk))
        question = f"SELECT key, digest, used, value FROM feature WHERE key IN ({marks})"  # noqa: S608 (only marks)
        rows += connection.execute(question, chunk)
    return rows


def change(connection: sqlite3.Connection, statement: str, rows: Sequence[Row | tuple[int, bytes]]) -> None:
    """``statement`` for each row, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(statement, rows)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def remove_oldest(connection: sqlite3.Connection, most_bytes: int) -> int:
    """Delete the longest unused rows until the rest fits, and shorten the file; answers how many went."""
    statement = "DELETE FROM feature WHERE rowid IN (SELECT rowid FROM feature ORDER BY used, rowid LIMIT ?)"
    before = count = connection.execute("SELECT count(*) FROM feature").fetchone()[0]
    while count and (bytes_used := live_bytes(connection)) > most_bytes:
        excess = -(-count * (bytes_used - most_bytes) // bytes_used)
        connection.execute(statement, (excess,))
        count = connection.execute("SELECT count(*) FROM feature").fetchone()[0]
    if count == before:
        return 0
    connection.executescript("PRAGMA incremental_vacuum")  # execute() would give back a single page
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return int(before - count)


def live_bytes(connection: sqlite3.Connection) -> int:
    """The size of the file less what is free in it."""
    pages, free, page = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * page)


def digest(key: bytes, value: bytes) -> bytes:
    """By which a feature is known to be what was written under its key."""
    return hashlib.blake2b(key + value, digest_size=8).digest()


def family(path: Path) -> list[Path]:
    """The file, and what SQLite keeps beside it."""
    return [path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm"))]


def store_path() -> Path:
    """Where features are kept if nothing else is said."""
    return cache_folder() / FILE


def leftovers() -> list[Path]:
    """Damaged copies, and the files of other versions of godeeper."""
    return sorted(set(cache_folder().glob("features-*.sqlite*")) - set(family(store_path())))


def damaged_copy(path: Path) -> Path:
    """Where a damaged file goes."""
    return path.with_name(f"{path.name}.damaged")


def size(path: Path) -> int:
    """Bytes of a file; none if there is no file."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def identity(path: Path) -> int:
    """What tells a file from another that took its name; 0 if there is no file."""
    return path.stat().st_ino if path.exists() else 0
