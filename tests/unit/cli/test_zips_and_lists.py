"""Zips and lists as input of commands, and classifiers whose photos have moved."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.cli.conftest import Run

COLOURS = {"red": (200, 50, 50), "blue": (50, 50, 200)}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cars: Path) -> Path:
    """A working folder with the same photos in class folders, in a zip, in a list and in a flat folder, and with a classifier."""
    for label, colour in COLOURS.items():
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(5):
            noise = np.random.default_rng([number, *label.encode()]).integers(0, 256, (6, 6, 3))
            pixels = (noise * 0.6 + np.array(colour) * 0.4).astype(np.uint8)
            Image.fromarray(pixels).resize((48, 48)).save(tmp_path / "photos" / label / f"{label}{number}.png")
    names = [path.relative_to(tmp_path) for path in sorted(tmp_path.rglob("*.png"))]
    (tmp_path / "flat").mkdir()
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name in names:
            archive.write(tmp_path / name, name)
            shutil.copy(tmp_path / name, tmp_path / "flat")
    lines = [f"{name},{name.parent.name}" for name in names]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *lines]))
    (tmp_path / "labels.csv").write_text(
        "\n".join(["path,label", *(f"flat/{n.name},{n.parent.name}" for n in names[:-1])])
    )
    shutil.copy(cars, tmp_path / "cars.godeeper")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_labels(run: Run, here: Path) -> None:
    """``retrain FOLDER --labels`` uses the list's classes and notes the photos that it leaves out, from any working folder."""
    code, out, err = run(
        "retrain", "flat", "--labels", "labels.csv", "--features", "conv", "--out", "made.godeeper", "--json"
    )
    assert code == 0, err
    record = json.loads(out)
    assert record["classes"] == ["blue", "red"]
    assert sum(record["photos"].values()) == 9
    assert any("1 photo in flat is not in labels.csv: left out" in note for note in record["notes"])
    assert (here / "made.html").exists()


@pytest.mark.parametrize("labels", ["none.csv", "photos.zip", "flat"])
def test_labels_that_are_not_a_list(run: Run, here: Path, labels: str) -> None:
    """An invalid list gives one line that names it, and nothing is written."""
    code, out, err = run("retrain", "flat", "--labels", labels, "--out", "made.godeeper")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert labels in err
    assert not list(here.glob("made*"))


@pytest.mark.parametrize("place", ["photos", "photos.zip", "list.csv"])
def test_the_doctor(run: Run, here: Path, place: str) -> None:
    """A folder, a zip and a list give the same photos and classes."""
    code, out, err = run("doctor", place, "--json")
    assert code == 0, err
    record = json.loads(out)
    assert record["classes"] == {"blue": 5, "red": 5}
    assert record["folder"] == place


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (["classify", "cars.godeeper", "PLACE"], lambda record: [one["photo"] for one in record["photos"]]),
        (["explain", "cars.godeeper", "PLACE"], lambda record: [one["photo"] for one in record["photos"]]),
        (["top", "PLACE", "conv[1]"], lambda record: [one["photo"] for one in record["filters"][0]["top"]]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
@pytest.mark.parametrize(("place", "first"), [("photos.zip", "photos.zip/"), ("list.csv", "photos/")])
def test_commands_for_photos(
    run: Run, here: Path, words: list[str], read: Callable[[Any], list[str]], place: str, first: str
) -> None:
    """Zips and lists are read like folders; photos are named as in a folder with the zip's name."""
    code, out, err = run(*[place if word == "PLACE" else word for word in words], "--json")
    assert code == 0, err
    names = {f"{first}{label}/{label}{number}.png" for label in COLOURS for number in range(5)}
    found = set(read(json.loads(out)))
    assert found  # a filter may be zero for some photos
    assert found <= names


@pytest.mark.parametrize(("place", "first"), [("photos.zip", "photos.zip/"), ("list.csv", "photos/")])
def test_embed(run: Run, here: Path, place: str, first: str) -> None:
    """``embed`` gives the features of the folder, and a photo's name contains the path in the zip."""
    for source, out in ((place, "it.npz"), ("photos", "folder.npz")):
        code, _, err = run("embed", source, "--features", "conv", "--out", out)
        assert code == 0, err
    with np.load("it.npz") as it, np.load("folder.npz") as folder:
        assert [str(name) for name in it["photos"]] == [
            str(name).replace("photos/", first) for name in folder["photos"]
        ]
        np.testing.assert_array_equal(it["conv"], folder["conv"])


@pytest.mark.parametrize(("place", "what"), [("photos.zip", "unpack it first"), ("list.csv", "or their folder")])
def test_a_peek_is_at_one_photo(run: Run, here: Path, place: str, what: str) -> None:
    """For a zip or a list, the error of ``peek`` says in one line what to do."""
    code, _, err = run("peek", place, "conv")
    assert (code, err.count("\n")) == (2, 1)
    assert place in err
    assert what in err


def pack(path: Path, *names: str) -> None:
    """Write a zip with one photo under other names."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.write("photos/red/red0.png", name)


@pytest.mark.parametrize(
    "words", [["classify", "cars.godeeper", "PLACE"], ["top", "PLACE", "conv[1]"]], ids=lambda it: it[0]
)
@pytest.mark.parametrize(
    ("place", "what"),
    [("out.zip", "points outside"), ("empty.zip", "no photo in this zip"), ("cut.zip", "cannot read"), ("gone.zip", "no such zip"),
     ("locked.zip", "encrypted"), ("bomb.zip", "too much for photos"), ("gone.csv", "no such list"), ("odd.csv", "no column 'path'")],
)  # fmt: skip
def test_what_is_refused(run: Run, here: Path, words: list[str], place: str, what: str) -> None:
    """A zip or list that cannot be used gives a one-line error with place and reason, and nothing is written anywhere."""
    pack(here / "out.zip", "../up.png")
    pack(here / "empty.zip", "notes.txt")
    pack(here / "locked.zip", "a.png")
    data = bytearray((here / "locked.zip").read_bytes())
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    (here / "locked.zip").write_bytes(data)
    data = bytearray((here / "photos.zip").read_bytes())
    (here / "cut.zip").write_bytes(data[:-30])
    at = data.index(b"PK\1\2") + 24
    data[at : at + 4] = (1 << 31).to_bytes(4, "little")
    (here / "bomb.zip").write_bytes(data)
    (here / "odd.csv").write_text("name\na.png\n")
    code, _, err = run(*[place if word == "PLACE" else word for word in words])
    assert code == 2
    assert [line for line in err.splitlines() if place in line and what in line]
    assert not (here.parent / "up.png").exists()


def test_a_list_may_have_paths_alone(run: Run, here: Path) -> None:
    """``classify`` needs no labels, and a missing file is an error of that photo only."""
    (here / "paths.csv").write_text("path\nphotos/red/red0.png\nphotos/gone.png\n")
    code, out, err = run("classify", "cars.godeeper", "paths.csv", "--json")
    assert code == 1, err
    found, lost = json.loads(out)["photos"]
    assert (found["photo"], found["error"]) == ("photos/red/red0.png", None)
    assert "photos/gone.png: no such file" in lost["error"]


def test_the_zip_is_an_input(run: Run, here: Path) -> None:
    """A zip that is an input is never overwritten, even with ``--force``."""
    shutil.copy("photos.zip", "same.zip")
    (here / "same.npz").hardlink_to(here / "same.zip")
    code, _, err = run("embed", "same.zip", "--features", "conv", "--out", "same.npz", "--force")
    assert code == 2
    assert "never overwritten" in err


def test_export_after_a_move(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``export`` finds photos that were moved together with the classifier.  For other photos, the error names ``--photos``."""
    assert run("retrain", "photos", "--features", "conv", "--out", "made.godeeper")[0] == 0
    (here / "new").mkdir()
    for name in ("photos", "made.godeeper", "made.json"):
        shutil.move(here / name, here / "new" / name)
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    export = ("export", "../new/made.godeeper", "--to", "onnx", "--out", "made.onnx")
    code, out, err = run(*export, "--json")
    assert code == 0, err
    assert json.loads(out)["certificate"]["photos"] == 10
    shutil.move(here / "new" / "photos", here / "far")
    code, _, err = run(*export)
    assert (code, err.count("\n")) == (2, 1)
    assert "--photos" in err
    code, out, err = run(*export, "--photos", "../far/red", "../far/blue/blue1.png", "--json")
    assert code == 0, err
    assert json.loads(out)["certificate"]["photos"] == 6


@pytest.mark.parametrize("place", ["photos.zip", "list.csv"])
def test_export_of_a_training_on_a_zip_or_a_list(run: Run, here: Path, place: str) -> None:
    """``export`` finds the photos of a list.  If the photos of a zip exist nowhere else, the error names ``--photos``."""
    assert run("retrain", place, "--features", "conv", "--out", "made.godeeper")[0] == 0
    code, _, err = run("export", "made.godeeper", "--to", "onnx", "--out", "made.onnx")
    if place == "photos.zip":
        shutil.rmtree("photos")
        code, _, err = run("export", "made.godeeper", "--to", "onnx", "--out", "made.onnx")
        assert (code, err.count("\n")) == (2, 1)
        assert "--photos" in err
    else:
        assert code == 0, err
