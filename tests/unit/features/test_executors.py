"""The parts of executors that do not need Ray: names, chunks, stored results, packed work and serialised batches."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from godeeper.cli.main import main
from godeeper.cores import cores, limit_cores
from godeeper.disk_cache import cache_folder
from godeeper.engine.onnxruntime import OnnxRuntimeEngine
from godeeper.errors import ClusterError, OptionError, OutputError, WeightsError
from godeeper.features.batch import Batch, decoded, encoded, regrouped
from godeeper.features.executors.chunks import CHUNK, MOST_CHUNKS, chunk_size, cut
from godeeper.features.executors.executor import HERE, check_name
from godeeper.features.executors.kept import ATTEMPTS, KeptChunks, chunks_folder, remove_abandoned
from godeeper.features.executors.worker import (
    counted,
    described,
    file_sha256,
    found,
    packed,
    restored,
    unpacked,
)
from godeeper.features.pipeline import entries_of
from godeeper.features.stream import feature_stages
from godeeper.network import Network


@pytest.mark.parametrize("name", ["ray", "ray://head:10001", "ray://10.0.0.1:1", "ray://[::1]:10001"])
def test_names(name: str) -> None:
    """An executor is Ray on this machine, or Ray at a host and port."""
    check_name(name)


@pytest.mark.parametrize("name", ["Ray", "ray:", "ray://", "ray://head", "ray://head:", "ray://:1", "ray://head:0", "ray://h:70000", "ray://h/x:1", "http://h:1"])  # fmt: skip
def test_other_names(name: str) -> None:
    """Any other executor name is refused, and the error shows the expected form."""
    with pytest.raises(OptionError, match="ray://HOST:PORT"):
        check_name(name)


@pytest.mark.parametrize("missing", ["ray", "pyarrow"])
def test_no_ray(
    chelsea: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """If Ray is not installed, a one-line error names the extra to install, and nothing is written."""
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["embed", str(chelsea), "--out", str(tmp_path / "out.npz"), "--on", "ray"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "godeeper[ray]" in line
    assert not list(tmp_path.iterdir())


def test_chunks() -> None:
    """Chunks cover the items in order, and the number of chunks is limited."""
    assert [list(chunk) for chunk in cut(range(5), 2)] == [[0, 1], [2, 3], [4]]
    assert chunk_size(10) == CHUNK
    assert len(cut(range(3_000_001), chunk_size(3_000_001))) <= MOST_CHUNKS
    assert list(HERE.map(list, range(CHUNK + 1))) == [list(range(CHUNK)), [CHUNK]]


def batches() -> list[Batch]:
    """Return three batches with notes, errors and an unusual name; the last batch has no features."""
    values = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    return [
        Batch(("a", "b\udcff", "c"), {"x": values[:2]}, {1: "b: broken"}, {2: ("turned", "cut")}),
        Batch(("d", "e"), {"x": values[2:]}),
        Batch(("f",), {}, {0: "f: broken"}),
    ]


def same(one: Batch, other: Batch) -> bool:
    """Return whether two batches are equal, bit for bit."""
    return (one.names, one.errors, one.notes, list(one.features)) == (
        other.names,
        other.errors,
        other.notes,
        list(other.features),
    ) and all(one.features[name].tobytes() == other.features[name].tobytes() for name in one.features)


def test_batches_as_bytes() -> None:
    """Batches are equal after serialisation."""
    assert all(map(same, decoded(encoded(batches())), batches()))


def test_regrouped_batches() -> None:
    """Regrouped batches have the requested number of rows; photos without features do not count."""
    groups = list(regrouped(batches(), 3))
    assert [group.names for group in groups] == [("a", "b\udcff", "c", "d"), ("e", "f")]
    assert [len(group.features["x"]) for group in groups] == [3, 1]
    assert groups[1].errors == {1: "f: broken"}
    assert all(map(same, regrouped(groups, 3), groups))


def test_kept_results(tmp_path: Path) -> None:
    """A stored result is found by its chunk's content, and not used if it is damaged or a photo or setting has changed."""
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"1")
    entries = list(entries_of([photo]))
    kept, other = (KeptChunks(recipe, bytes, bytes) for recipe in ("one", "two"))
    path = kept.path(entries)
    assert kept.load(path) is None
    assert kept.store(path, b"result")
    assert kept.load(kept.path(entries)) == b"result"
    assert other.load(other.path(entries)) is None
    photo.write_bytes(b"22")
    assert kept.path(entries) != path
    path.write_bytes(b"x" + path.read_bytes()[1:])
    assert kept.load(path) is None
    kept.remove()
    assert not kept.folder.exists()


def test_abandoned_results() -> None:
    """Chunk results that no run has used for a week are removed."""
    old, new = chunks_folder() / "old", chunks_folder() / "new"
    for folder in (old, new):
        folder.mkdir(parents=True)
    week = time.time() - 8 * 24 * 3600
    os.utime(old, (week, week))
    remove_abandoned()
    assert (old.exists(), new.exists()) == (False, True)
    new.rmdir()


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not an error if a result cannot be stored."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path / "file"))
    kept = KeptChunks("recipe", bytes, bytes)
    assert not kept.store(kept.path(list(entries_of(["a"]))), b"result")


def test_a_parcel(net: Network) -> None:
    """Unpacked work uses this machine's weights if their hash matches, and computes the same plan."""
    stages = feature_stages(net, ["mixed/join"])
    shelf: list[bytes] = []
    parcel = packed(stages, lambda payload: shelf.append(payload) or len(shelf) - 1)  # type: ignore[func-returns-value]
    copy = unpacked(parcel, shelf.__getitem__)
    assert len(shelf) == 2  # the weights' file, the work
    assert len(shelf[1]) < 100_000
    assert isinstance(copy.forward.engine, OnnxRuntimeEngine)  # type: ignore[attr-defined]
    assert copy.forward.plan == stages.forward.plan  # type: ignore[attr-defined]


def test_another_version(net: Network) -> None:
    """A worker with another version of godeeper refuses the work, and the error names both versions."""
    parcel = packed(feature_stages(net, ["conv"]), lambda payload: payload)
    with pytest.raises(ClusterError, match=r"0\.0\.1.*same version"):
        unpacked({**parcel, "version": "0.0.1"}, bytes)


def test_weights_travel_once(tmp_path: Path) -> None:
    """Weights are fetched only if no local file has the same hash; fetched weights are verified and stored."""
    source = tmp_path / "weights"
    source.write_bytes(b"numbers")
    digest = file_sha256(source)
    assert found(digest, source, lambda: b"") == source
    source.write_bytes(b"others")
    stored = found(digest, source, lambda: b"numbers")
    assert stored.is_relative_to(cache_folder())
    assert found(digest, source, lambda: b"") == stored
    stored.unlink()
    with pytest.raises(WeightsError, match="damaged"):
        found(digest, source, lambda: b"other")


def test_a_chunk_that_kills() -> None:
    """A chunk is refused after too many unfinished attempts; a finished attempt leaves no file."""
    with counted("run-1", "killed", 2):
        pass
    attempts = cache_folder() / ATTEMPTS / "run-2"
    attempts.write_bytes(b"..")
    with pytest.raises(ClusterError, match="memory"), counted("run-2", "killed", 2):
        pass
    assert not attempts.exists()
    assert not attempts.with_name("run-1").exists()


def test_errors_of_workers() -> None:
    """An error that the input caused keeps its class when the driver raises it; any other error includes its traceback."""
    assert isinstance(restored(*described(WeightsError("bad"))), WeightsError)
    assert isinstance(restored(*described(OSError(errno.ENOSPC, "No space left on device", "/x"))), OutputError)
    for shortage in (MemoryError(), RuntimeError("Failed to allocate memory for requested buffer of size 9")):
        assert str(restored(*described(shortage))).startswith("a worker ran out of memory")
    with pytest.raises(RuntimeError, match="ZeroDivisionError in a worker"):
        raise restored(*described(ZeroDivisionError("division")))


def test_cores() -> None:
    """A limit on the cores applies until it is removed."""
    assert cores() == os.cpu_count()
    limit_cores(1)
    assert cores() == 1
    limit_cores(0)
