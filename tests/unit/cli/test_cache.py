"""``godeeper cache``: what it prints, what it removes, and what it keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from godeeper.cli.main import main
from godeeper.disk_cache import SEAL_BYTES, DiskCache, account_cache, graph_cache
from godeeper.engine.prefix_cache import prefix_store
from godeeper.features.store import ResultStore

ENTRY = 100 + SEAL_BYTES
KINDS = ("graphs", "trunks", "accounts", "features", "indexes", "leftovers")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder with two graphs, a prefix, an account, four features, a leftover file, and weights outside the cache."""
    monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path))
    graphs = DiskCache(tmp_path / "graphs")
    for key in ("old", "young"):
        graphs.store(key, bytes(100))
    prefix_store().store("trunk", bytes(100))
    account_cache().store("filter", bytes(100))
    with ResultStore() as store:
        store.put_many({bytes([number]): np.zeros(100, np.float16) for number in range(4)})
    (tmp_path / "features-1.sqlite.damaged").write_bytes(bytes(10))
    (tmp_path / "indexes").mkdir()
    for ending in ("index", "json"):
        (tmp_path / "indexes" / f"photos.{ending}").write_bytes(bytes(10))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "mine.safetensors").write_bytes(bytes(10))
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["cache", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def entries(document: Any) -> dict[str, int]:
    return {name: document[name]["entries"] for name in KINDS}


def test_show(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The output states the kinds of cached entries, their size, and the folder."""
    document = shown(capsys, "show")
    assert entries(document) == {"graphs": 2, "trunks": 1, "accounts": 1, "features": 4, "indexes": 2, "leftovers": 1}
    assert document["folder"] == str(folder)
    assert document["graphs"]["bytes"] == 2 * ENTRY
    assert document["bytes"] == sum(document[name]["bytes"] for name in KINDS)


def test_show_to_people(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``cache show`` prints a line for each kind of entry."""
    assert main(["cache", "show"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:7]] == ["what", *KINDS]


def test_show_says_where_and_how_to_move(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The output states the folder, the limit and its variable, the folder of added weights, and how to move both folders."""
    document = shown(capsys, "show")
    assert document["most_bytes"] == 2_000_000_000
    assert document["weights"] == {"entries": 1, "bytes": 10, "path": str(folder / "weights")}
    assert main(["cache", "show"]) == 0
    text = capsys.readouterr().out
    for said in (
        f"cache: {folder}\n",
        "of at most 2000 MB (GODEEPER_CACHE_SIZE)",
        f"added weights: {folder / 'weights'}\n",
    ):
        assert said in text
    assert "to move both, set GODEEPER_CACHE=FOLDER and move the added weights to FOLDER/weights" in text


def test_the_size_can_be_chosen(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The entries of each kind stay within their share of the limit, whichever process wrote them."""
    monkeypatch.setenv("GODEEPER_CACHE_SIZE", str(4 * ENTRY))
    graph_cache().store("new", bytes(100))
    prefix_store().store("new", bytes(100))
    account_cache().store("new", bytes(100))
    with ResultStore() as store:
        store.put_many({b"new": np.zeros(100, np.float16)})
    document = shown(capsys, "show")
    assert document["most_bytes"] == 4 * ENTRY
    assert entries(document) == {"graphs": 2, "trunks": 0, "accounts": 0, "features": 0, "indexes": 2, "leftovers": 1}
    assert not (folder / "graphs" / "old.graph").exists()


def test_an_invalid_size(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An invalid size is an error that names the variable."""
    monkeypatch.setenv("GODEEPER_CACHE_SIZE", "much")
    assert main(["cache", "show"]) == 2
    assert "GODEEPER_CACHE_SIZE='much': expected a number and B" in capsys.readouterr().err


def test_files_of_killed_writers_are_removed(folder: Path) -> None:
    """Temporary files older than an hour are removed; younger ones may still be in use."""
    for name, age in (("old", 4000), ("young", 0)):
        path = folder / "graphs" / f".{name}.part"
        path.write_bytes(b"")
        os.utime(path, (time.time() - age,) * 2)
    graph_cache().trim()
    assert [path.name for path in (folder / "graphs").glob(".*.part")] == [".young.part"]


def test_processes_side_by_side_stay_below_the_size(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If several processes write at once, none of them fails, and in the end the entries are within their share of the limit."""
    monkeypatch.setenv("GODEEPER_CACHE_SIZE", str(20 * ENTRY))
    code = (
        "import sys; from godeeper.disk_cache import graph_cache\n"
        "for number in range(60): graph_cache().store(f'{sys.argv[1]}-{number}', bytes(100))"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(writer)]) for writer in range(3)]
    assert [each.wait(timeout=60) for each in started] == [0, 0, 0]
    assert sum(graph_cache().sizes()) <= 10 * ENTRY


def test_show_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Showing an empty cache creates no file."""
    monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path))
    assert shown(capsys, "show")["bytes"] == 0
    assert list(tmp_path.iterdir()) == []


def test_trim_takes_trunks_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prefixes are removed before graphs, and graphs before features."""
    features = shown(capsys, "show")["features"]["bytes"]
    document = shown(capsys, "trim", "--to", str(features + 2 * ENTRY))
    assert entries(document) == {"graphs": 2, "trunks": 0, "accounts": 0, "features": 4, "indexes": 0, "leftovers": 1}
    document = shown(capsys, "trim", "--to", str(features + ENTRY))
    assert entries(document) == {"graphs": 1, "trunks": 0, "accounts": 0, "features": 4, "indexes": 0, "leftovers": 1}


def test_trim_to_less_than_the_features(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If the limit is smaller than the features, the least recently used features are removed too."""
    document = shown(capsys, "trim", "--to", "1KB")
    assert entries(document) == {"graphs": 0, "trunks": 0, "accounts": 0, "features": 0, "indexes": 0, "leftovers": 1}


def test_clear_leaves_weights_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``clear`` removes everything that can be computed again, and keeps the rest."""
    assert entries(shown(capsys, "clear")) == {
        "graphs": 0,
        "trunks": 0,
        "accounts": 0,
        "features": 0,
        "indexes": 0,
        "leftovers": 0,
    }
    assert (folder / "weights" / "mine.safetensors").exists()


@pytest.mark.parametrize("size", ["much", "-1", "1XB", "5 K", "", "9" * 400 + "GB", "٣MB", "1_0MB"])
def test_invalid_sizes(size: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An invalid size is refused with a one-line error that shows a valid one."""
    assert main(["cache", "trim", f"--to={size}"]) == 2
    assert "such as 500MB" in capsys.readouterr().err
