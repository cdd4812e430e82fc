"""The store on disk returns the bytes that were written, or nothing, whatever happens to the process or the file."""

from __future__ import annotations

import multiprocessing
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from godeeper.features.store import ResultStore, connect, damaged_copy, feature_key, feature_recipe

BATCHES, BATCH, CHANNELS = 60, 8, 1000
MANY = 800  # number of batches; writing them takes longer than the processes in these tests are allowed to run
MOMENTS = 10
SHA256 = "0" * 64

WRITER = """
import sys
from pathlib import Path
from tests.unit.features.test_store import MANY, write_missing
write_missing(Path(sys.argv[1]), MANY, lambda: print("wrote", flush=True))
"""


def features(batch: int) -> dict[bytes, np.ndarray]:
    """Return eight reproducible features."""
    numbers = np.random.default_rng(batch)
    recipe = feature_recipe(SHA256, "mixed/join", "")
    keys = [feature_key(f"{batch}/{number}", recipe) for number in range(BATCH)]
    return {key: numbers.normal(size=CHANNELS).astype(np.float16) for key in keys}


def write_missing(path: Path, batches: int = BATCHES, told: Callable[[], None] = lambda: None) -> None:
    """Look up the batches and write the missing ones, as every run does; call ``told`` after each write."""
    with ResultStore(path) as store:
        for batch in range(batches):
            wanted = features(batch)
            found = store.get_many(wanted)
            if len(found) < len(wanted):
                store.put_many({key: values for key, values in wanted.items() if key not in found})
                told()


def assert_holds_all(path: Path, batches: int = BATCHES) -> None:
    """Assert that all features are stored, bit for bit, and that SQLite finds the file intact."""
    with ResultStore(path) as store:
        assert store.stats().features == batches * BATCH
        for batch in range(batches):
            assert_same(store.get_many(features(batch)), features(batch))
        assert store.notes == []
        assert store.connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def assert_same(got: dict[bytes, np.ndarray], expected: dict[bytes, np.ndarray]) -> None:
    assert got.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_array_equal(got[key], values)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "features.sqlite"


def test_what_was_written_is_read(path: Path) -> None:
    """Half-precision values are returned bit for bit: zeros, the smallest and greatest values, infinity; another key has no value."""
    values = np.array([0, -0.0, 6e-8, 1.5, 65504, np.inf], np.float16)
    with ResultStore(path) as store:
        store.put_many({b"key": values})
    with ResultStore(path) as store:
        assert_same(store.get_many([b"key", b"other"]), {b"key": values})
        assert store.get_many([]) == {}


def test_all_that_determines_a_feature_is_in_its_key() -> None:
    """Pixels, weights, tensor, preprocessing and engine all change the key."""
    parts = ["pixels", "weights", "mixed/join", "squash to 299 x 299", "onnxruntime fp32"]
    changed = [[*parts[:place], "other", *parts[place + 1 :]] for place in range(len(parts))]
    assert len({feature_key(pixels, feature_recipe(*others)) for pixels, *others in [parts, *changed]}) == 6


def test_killed_at_any_moment(path: Path) -> None:
    """After kill -9 at ten moments the next run finishes, and the features are the same bytes."""
    moments = random.Random(4)
    for number in range(MOMENTS):
        process = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE)
        assert process.stdout is not None
        if number % 3:  # otherwise the process is killed while it starts or opens the file
            process.stdout.readline()
            time.sleep(moments.uniform(0, 0.06))
        else:
            time.sleep(moments.uniform(0.05, 0.25))
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        process.stdout.close()
    write_missing(path, MANY)
    assert_holds_all(path, MANY)


def test_two_processes_at_once(path: Path) -> None:
    """Processes that start together without a file write one intact file."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(write_missing, [path] * 2)
    assert_holds_all(path)


def damage(path: Path, how: str) -> None:
    """Damage the file in one of several ways."""
    content = path.read_bytes()
    half = len(content) // 2
    damaged = {
        "cut": content[:half],
        "zeros": content[: half // 2] + bytes(half) + content[half // 2 + half :],
        "text": b"not a database " * 100,
        "head": bytes(16) + content[16:],
    }
    path.write_bytes(damaged[how])


@pytest.mark.parametrize("how", ["cut", "zeros", "text", "head"])
def test_a_damaged_file_is_not_used(path: Path, how: str) -> None:
    """A damaged file returns correct values or none; the next run repairs it and adds a note."""
    write_missing(path)
    damage(path, how)
    with ResultStore(path) as store:
        for batch in range(BATCHES):
            expected = features(batch)
            assert all(np.array_equal(expected[key], got) for key, got in store.get_many(expected).items())
        assert "damaged" in store.notes[0]
    write_missing(path)
    assert_holds_all(path)


def test_a_damaged_file_is_moved_aside(path: Path) -> None:
    """The damaged file is kept next to the new one."""
    path.write_bytes(b"photos of cars" * 100)
    with ResultStore(path) as store:
        assert store.stats().features == 0
    assert damaged_copy(path).read_bytes() == b"photos of cars" * 100


def test_another_database_is_moved_aside(path: Path) -> None:
    """An SQLite file of another program is not written to."""
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE cars (number INTEGER)")
    other.close()
    with ResultStore(path) as store:
        store.put_many(features(0))
        assert_same(store.get_many(features(0)), features(0))
    assert damaged_copy(path).exists()


def test_flipped_bits_are_noticed(path: Path) -> None:
    """If any byte of the file changes, a feature is returned unchanged or not at all."""
    with ResultStore(path) as store:
        store.put_many(features(0))
    whole = path.read_bytes()
    numbers = random.Random(4)
    for _ in range(40):
        place = numbers.randrange(len(whole))
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << numbers.randrange(8))]) + whole[place + 1 :])
        with ResultStore(path) as store:
            got = store.get_many(features(0))
        assert all(np.array_equal(features(0)[key], values) for key, values in got.items())
        for each in path.parent.iterdir():
            each.unlink()


def test_a_file_that_is_damaged_while_open(path: Path) -> None:
    """If the file is damaged while a store is open, the store continues with a new file."""
    with ResultStore(path) as store, ResultStore(path) as other:
        store.put_many(features(0))
        store.connection.execute("DROP TABLE feature")
        for each in (store, other):
            assert each.get_many(features(0)) == {}
        store.put_many(features(1))
        assert_same(other.get_many(features(1)), features(1))


def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    """If the folder cannot be written, values are kept only in this process, with a note."""
    (tmp_path / "file").write_text("not a folder")
    with ResultStore(tmp_path / "file" / "features.sqlite") as store:
        store.put_many(features(0))
        assert_same(store.get_many(features(0)), features(0))
        assert "cannot be used" in store.notes[0]
        assert store.stats().bytes == 0


def test_a_file_removed_while_open(path: Path) -> None:
    """The store continues to work if the cache is deleted."""
    with ResultStore(path) as store:
        store.put_many(features(0))
        path.unlink()
        store.get_many(features(0))
        store.put_many(features(1))
    write_missing(path)
    assert_holds_all(path)


def test_the_longest_unused_go_first(path: Path) -> None:
    """Trimming keeps the most recently used features, and shrinks the file to the given size."""
    with ResultStore(path) as store:
        for batch in range(BATCHES):
            store.put_many(features(batch))
        store.connection.execute("UPDATE feature SET used = rowid")
        assert_same(store.get_many(features(0)), features(0))  # reading batch 0 makes it the most recently used
        before = BATCHES * BATCH * CHANNELS * 2
        removed = store.trim(before // 2)
        assert 0 < removed < BATCHES * BATCH
        assert path.stat().st_size <= before // 2
        assert_same(store.get_many(features(0)), features(0))
        assert store.get_many(features(1)) == {}
        assert_same(store.get_many(features(BATCHES - 1)), features(BATCHES - 1))


def test_it_does_not_grow_for_ever(path: Path) -> None:
    """A store stays below its size limit, and keeps the latest features."""
    with ResultStore(path, most_bytes=400_000) as store:
        for batch in range(BATCHES):
            store.put_many(features(batch))
            assert_same(store.get_many(features(batch)), features(batch))
        assert path.stat().st_size <= 400_000


def test_trimmed_to_nothing(path: Path) -> None:
    """A store that was trimmed to nothing can still be used."""
    write_missing(path)
    with ResultStore(path) as store:
        assert store.trim(0) == BATCHES * BATCH
        assert store.stats().features == 0
        assert path.stat().st_size < 200_000
    write_missing(path)
    assert_holds_all(path)


def test_a_private_file_is_nowhere() -> None:
    """A store without a path creates no file."""
    connection = connect("")
    assert connection.execute("SELECT count(*) FROM feature").fetchone() == (0,)
    connection.close()
