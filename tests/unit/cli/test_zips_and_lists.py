"""Zips and lists as commands take them, and classifiers whose photos have moved."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

COLOURS = {"red": (200, 50, 50), "blue": (50, 50, 200)}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cars: Path) -> Path:
    """Class folders, the same as a zip and as a list, the same photos flat; a classifier."""
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
    """``retrain FOLDER --labels``: the list's classes, and a note of what it leaves out; from any working folder."""
    code, out, err = run(
        "retrain", "flat", "--labels", "labels.csv", "--features", "conv", "--out", "made.godeeper", "--json"
    )
    assert code == 0, err
    record = json.loads(out)
    assert record["classes"] == ["blue", "red"]
    assert sum(record["photos"].values()) == 9
    assert any("1 photos in flat are not in labels.csv: left out" in note for note in record["notes"])
    assert (here / "made.html").exists()


@pytest.mark.parametrize("labels", ["none.csv", "photos.zip", "flat"])
def test_labels_that_are_no_list(run: Run, here: Path, labels: str) -> None:
    """One line that names the list; nothing is written."""
    code, out, err = run("retrain", "flat", "--labels", labels, "--out", "made.godeeper")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert labels in err
    assert not list(here.glob("made*"))


@pytest.mark.parametrize("place", ["photos", "photos.zip", "list.csv"])
def test_the_doctor(run: Run, here: Path, place: str) -> None:
    """The same photos and classes, however they come."""
    code, out, err = run("doctor", place, "--json")
    assert code == 0, err
    record = json.loads(out)
    assert record["classes"] == {"blue": 5, "red": 5}
    assert record["folder"] == place


@pytest.mark.parametrize(
    "words",
    [
        ["classify", "cars.godeeper", "PLACE"],
        ["explain", "cars.godeeper", "PLACE"],
        ["embed", "PLACE", "--features", "conv", "--out", "x.npz"],
        ["top", "PLACE", "conv[1]"],
        ["peek", "PLACE", "conv"],
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize(("place", "what"), [("photos.zip", "unpack it first"), ("list.csv", "or their folder")])
def test_commands_for_photos(run: Run, here: Path, words: list[str], place: str, what: str) -> None:
    """They say in one line what to do with a zip or a list."""
    code, _, err = run(*[place if word == "PLACE" else word for word in words])
    assert code != 0
    assert [line for line in err.splitlines() if "--features" not in line] == [err.splitlines()[-1]]
    assert place in err
    assert what in err


def test_export_after_a_move(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The training's folder moved with its classifier, the command run elsewhere; or the photos are named; or that is asked for."""
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
    """The photos of a list are found; those of a zip too, or what to name."""
    assert run("retrain", place, "--features", "conv", "--out", "made.godeeper")[0] == 0
    code, _, err = run("export", "made.godeeper", "--to", "onnx", "--out", "made.onnx")
    if place == "photos.zip":
        shutil.rmtree("photos")
        code, _, err = run("export", "made.godeeper", "--to", "onnx", "--out", "made.onnx")
        assert (code, err.count("\n")) == (2, 1)
        assert "--photos" in err
    else:
        assert code == 0, err
