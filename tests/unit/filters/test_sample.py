"""The sample pictures and their index, which ship with godeeper."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import godeeper
from godeeper.cli.main import main
from godeeper.features.store import ResultStore
from godeeper.filters.build_index import build_index
from godeeper.filters.index import read_index
from godeeper.filters.index_folder import named_sources
from godeeper.filters.sample import INDEX, PICTURES, TOP
from godeeper.photos.decode import decode
from godeeper.photos.sources.find_photos import photos_in

if TYPE_CHECKING:
    import pytest

    from godeeper.filters.index import FilterIndex

MOST_BYTES = 5_000_000


def test_the_index_is_that_of_the_pictures(tmp_path: Path) -> None:
    """The shipped index has the same bytes as one built here; on a processor that rounds differently, the values are close."""
    with ResultStore(tmp_path / "results.sqlite") as store:
        photos = named_sources(photos_in([PICTURES]), PICTURES)
        built = build_index(godeeper.load(engine="onnxruntime"), photos, store, TOP).content
    if built != INDEX.read_bytes():
        (tmp_path / "own.index").write_bytes(built)
        assert_close(read_index(tmp_path / "own.index"), read_index(INDEX))


def assert_close(one: FilterIndex, other: FilterIndex) -> None:
    """Assert that two indexes have the same photos, and values that are equal up to rounding."""
    assert {**one.header, "arrays": None} == {**other.header, "arrays": None}
    for name in ("top_values", "examples_values", "mean", "class_mean"):
        values, expected = (np.asarray(each.array(name)) for each in (one, other))
        np.testing.assert_allclose(values, expected, rtol=1e-3, atol=1e-4, equal_nan=True)


def test_every_picture_has_a_licence() -> None:
    """The table lists each picture once, as CC0 or in the public domain, and NOTICE points to it."""
    table = (PICTURES.parent / "README.md").read_text()
    rows = re.findall(r"^\| (\S+\.jpg) \| \S+ \| \S+ \| (.+) \|$", table, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(
        path.relative_to(PICTURES).as_posix() for path in PICTURES.rglob("*") if path.is_file()
    )
    assert {licence[:7] for _, licence in rows} == {"CC0 1.0", "public "}
    assert "src/godeeper/filters/sample/README.md" in (Path(__file__).parents[3] / "NOTICE").read_text()


def test_size() -> None:
    """Pictures and index take at most 5 MB, and no picture has more than 320 pixels per side."""
    files = [path for path in PICTURES.parent.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    assert max(max(decode(path).size) for path in PICTURES.rglob("*.jpg")) == 320


def test_top_of_the_sample(capsys: pytest.CaptureFixture[str]) -> None:
    """``godeeper top sample`` states the source of its pictures, in text and in JSON."""
    assert main(["top", "sample", "mixed/join[86]", "--top", "2"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "note: from the 100 sample pictures that come with godeeper\n"
    assert main(["top", "sample", "mixed/join[86]", "--top", "2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["sample"] is True
    assert all(Path(each["photo"]).is_file() for each in document["filters"][0]["photos"])


def test_a_folder_called_sample_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder ``sample`` in the working folder takes precedence over godeeper's sample pictures."""
    from godeeper.cli.top import is_sample

    monkeypatch.chdir(tmp_path)
    assert is_sample("sample")
    (tmp_path / "sample").mkdir()
    assert not is_sample("sample")
