"""``godeeper index``, and ``godeeper top`` with an index."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from examples.collage import write_crops

Run = Callable[..., tuple[int, str, str]]
FILTERS = "mixed_4/tower_1/conv_4[3,17]"


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six photos in two class folders."""
    folder = tmp_path_factory.mktemp("album") / "photos"
    write_crops(folder)
    for path in folder.rglob("*.png"):
        if int(path.stem) > 2:
            path.unlink()
    return folder


@pytest.fixture
def index(run: Run, album: Path, tmp_path: Path) -> Path:
    """The index of the album."""
    path = tmp_path / "photos.index"
    assert run("index", album, "--out", path)[0] == 0
    return path


def test_an_index_answers_as_its_folder(run: Run, album: Path, index: Path, tmp_path: Path) -> None:
    """``top`` with an index prints the same JSON as ``top`` with the indexed folder, except for the picture's path."""
    code, out, _ = run("top", album, FILTERS, "--json", "--out", tmp_path)
    of_folder = json.loads(out)
    code_of_index, out, _ = run("top", index, FILTERS, "--json")
    of_index = json.loads(out)
    assert (code, code_of_index) == (0, 0)
    for each in (of_folder, of_index):
        for found in each["filters"]:
            found.pop("png")
    assert of_index["filters"] == of_folder["filters"]
    assert of_index["photos"] == of_folder["photos"] == 6
    first = of_index["filters"][0]
    assert (first["filter"], {"photo", "value", "row", "column"} <= first["photos"][0].keys()) == (3, True)


def test_pictures_of_an_index(run: Run, album: Path, index: Path, tmp_path: Path) -> None:
    """With ``--out``, an index gives the same pictures as its folder; a photo that no longer exists is reported."""
    assert run("top", album, FILTERS, "--out", tmp_path / "folder")[0] == 0
    code, _, err = run("top", index, FILTERS, "--out", tmp_path / "index")
    assert (code, err) == (0, "")
    names = sorted(path.name for path in (tmp_path / "folder").iterdir())
    assert len(names) == 2
    assert all((tmp_path / "folder" / name).read_bytes() == (tmp_path / "index" / name).read_bytes() for name in names)
    moved = tmp_path / "moved"
    shutil.copytree(album, moved)
    next(moved.rglob("*.png")).unlink()
    code, _, err = run("top", index, FILTERS, "--out", tmp_path / "index", "--photos", moved)
    assert code == 0
    assert "1 of 6 photos are not found" in err


def test_a_changed_photo_is_not_shown(run: Run, album: Path, index: Path, tmp_path: Path) -> None:
    """If another photo has the name of an indexed photo, a note says so, and its tile stays empty."""
    moved = tmp_path / "moved"
    shutil.copytree(album, moved)
    first, second = sorted(moved.rglob("*.png"))[:2]
    shutil.copy(second, first)
    for folder in (album, moved):
        code, _, err = run("top", index, FILTERS, "--out", tmp_path / "out" / folder.name, "--photos", folder)
        assert code == 0
        assert ("1 of 6 photos have changed since they were indexed" in err) == (folder == moved)
    before, after = (next((tmp_path / "out" / folder.name).iterdir()).read_bytes() for folder in (album, moved))
    assert before != after


def test_the_report(run: Run, album: Path, tmp_path: Path) -> None:
    """The report states what was computed and what was stored, as text and as JSON; a second run gives the same bytes."""
    path = tmp_path / "a.index"
    (tmp_path / "photos").mkdir()
    shutil.copytree(album, tmp_path / "photos", dirs_exist_ok=True)
    (tmp_path / "photos" / "bad.jpg").write_text("hello")
    code, out, err = run("index", tmp_path / "photos", "--out", path, "--json")
    document = json.loads(out)
    assert (code, document["photos"], document["filters"], document["classes"]) == (
        1,
        6,
        18272,
        {"cat": 3, "flower": 3},
    )
    assert [each["photo"] for each in document["errors"]] == ["bad.jpg"]
    assert err.count("\n") == 1
    first = path.read_bytes()
    code, out, _ = run("index", tmp_path / "photos", "--out", path)
    assert (code, "6 of them computed before" in out) == (1, True)
    assert path.read_bytes() == first
    elsewhere = tmp_path / "deep" / "b.index"
    shutil.copytree(tmp_path / "photos", tmp_path / "copy")
    run("index", tmp_path / "copy", "--out", elsewhere)
    assert elsewhere.read_bytes() == first


def test_an_index_of_few(run: Run, album: Path, tmp_path: Path) -> None:
    """Without --top, a lookup returns all photos that a small index lists."""
    path = tmp_path / "few.index"
    assert run("index", album, "--out", path, "--top", "2")[0] == 0
    code, out, _ = run("top", path, FILTERS, "--json")
    assert (code, [len(each["photos"]) for each in json.loads(out)["filters"]]) == (0, [2, 2])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["{index}", "mixed_4/tower_1/conv_4[17]", "--weights", "nothing"], "unknown weights"),
        (["{index}", "mixed_4/tower_1/conv_4[17]", "--top", "13"], "keeps 12 photos"),
        (["{index}", "mixed_4/tower_1/conw[17]"], "no tensor is called"),
        (["{index}", "mixed_4/tower_1/conv_4/Conv2D[17]"], "not in an index"),
        (["{folder}", "conv[1]", "--photos", "{folder}"], "only with an index"),
        (["nothing.index", "conv[1]"], "nothing.index"),
        (["{fake}", "conv[1]"], "not an index"),
    ],
)
def test_errors_of_lookups(run: Run, album: Path, index: Path, tmp_path: Path, words: list[str], reason: str) -> None:
    """An invalid lookup gives a one-line error and exit code 2."""
    (tmp_path / "fake.index").write_text("hello")
    places = {"index": str(index), "folder": str(album), "fake": str(tmp_path / "fake.index")}
    code, out, err = run("top", *(word.format(**places) for word in words))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert reason in err


def test_errors_of_building(run: Run, album: Path, tmp_path: Path) -> None:
    """The extension, the number of photos and an existing file are checked before any photo is read."""
    (tmp_path / "mine.index").write_text("mine")
    for words, reason in (
        (["--out", tmp_path / "a.npz"], "ends in .index"),
        (["--out", tmp_path / "a.index", "--top", "65"], "1 to 64"),
        (["--out", tmp_path / "mine.index"], "godeeper did not write it"),
        (["--out", tmp_path / "a.index", "--weights", "nothing"], "unknown weights"),
    ):
        code, out, err = run("index", album, *words)
        assert (code, out, err.count("\n")) == (2, "", 1), reason
        assert reason in err
    assert (tmp_path / "mine.index").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.index"]
