"""``godeeper classify FILE.godeeper`` and ``godeeper export``: output and errors."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.classifier.handmade import CLASSES, classifier

from godeeper.classifier.refusal import NOTHING

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run


@pytest.fixture
def album(tmp_path: Path, chelsea: Path) -> Path:
    """A folder with a photo, another in a subfolder, a text file, and a damaged photo."""
    (tmp_path / "album" / "trip").mkdir(parents=True)
    shutil.copy(chelsea, tmp_path / "album" / "cat.jpg")
    shutil.copy(chelsea, tmp_path / "album" / "trip" / "cat.jpg")
    (tmp_path / "album" / "notes.txt").write_text("cats")
    (tmp_path / "album" / "bad.jpg").write_text("hello")
    return tmp_path / "album"


def test_json(run: Run, cars: Path, album: Path, chelsea: Path) -> None:
    """The output is one document with the documented fields; a damaged photo has an error, and the other photos have results."""
    code, out, err = run("classify", cars, album, chelsea, "--json")
    document = json.loads(out)
    assert (code, err) == (1, "")
    assert document["classifier"] == str(cars)
    assert [Path(each["photo"]).name for each in document["photos"]] == ["bad.jpg", "cat.jpg", "cat.jpg", "chelsea.jpg"]
    bad, *good = document["photos"]
    assert (bad["verdict"], bad["probabilities"]) == (None, {})
    assert "not a photo" in bad["error"]
    for each in good:
        assert tuple(each["probabilities"]) == CLASSES
        assert each["verdict"] == max(each["probabilities"], key=each["probabilities"].get)
        assert each["error"] is None


def test_people(run: Run, cars: Path, chelsea: Path) -> None:
    """The text has a line for each photo with its verdict, probability and file name."""
    code, out, err = run("classify", cars, chelsea)
    assert (code, err) == (0, "")
    heading, line = out.splitlines()
    assert heading.split() == ["verdict", "likeliest", "photo"]
    assert line.endswith(str(chelsea))
    assert "%" in line


def test_none_of_these(run: Run, tmp_path: Path, chelsea: Path) -> None:
    """Below the threshold the verdict is "none of these" in text, null in JSON, and empty in CSV."""
    classifier(threshold=1.0).save(tmp_path / "strict.godeeper")
    assert run("classify", tmp_path / "strict.godeeper", chelsea)[1].splitlines()[1].startswith("none of these  ")
    (record,) = json.loads(run("classify", tmp_path / "strict.godeeper", chelsea, "--json")[1])["photos"]
    assert (record["verdict"], record["error"]) == (None, None)


@pytest.mark.parametrize("threshold", [0.01, 1.0], ids=["the class", "a refusal"])
def test_a_class_called_none_of_these(run: Run, tmp_path: Path, chelsea: Path, threshold: float) -> None:
    """A photo of a class with that name and a refused photo differ in text, JSON and CSV."""
    file, refused = tmp_path / "named.godeeper", threshold == 1.0
    classifier(classes=CLASSES[:2]).save(file)
    (record,) = json.loads(run("classify", file, chelsea, "--json")[1])["photos"]
    names = tuple(NOTHING if name == record["verdict"] else "other" for name in CLASSES[:2])
    classifier(classes=names, threshold=threshold).save(file)
    verdict, likeliest = (part.strip() for part in run("classify", file, chelsea)[1].splitlines()[1].split("%", 1))
    assert verdict.startswith(NOTHING if refused else f"class {NOTHING!r}")
    assert likeliest.startswith(f"class {NOTHING!r}")
    (record,) = json.loads(run("classify", file, chelsea, "--json")[1])["photos"]
    assert (record["verdict"], record["none_of_these"]) == (None if refused else NOTHING, refused)
    assert bool(record["reason"]) == refused
    _, row = csv.reader(io.StringIO(run("classify", file, chelsea, "--csv")[1]))
    assert row[1:4] == (["", "", "yes"] if refused else [NOTHING, "", "no"])


def test_csv(run: Run, cars: Path, album: Path) -> None:
    """The CSV has a row for each photo and a column for each class, whatever characters the names contain."""
    code, out, err = run("classify", cars, album, "--csv")
    heading, bad, *good = csv.reader(io.StringIO(out))
    assert (code, err) == (1, "")
    assert heading == ["photo", "verdict", "error", "none of these", *(f"probability of {name}" for name in CLASSES)]
    assert "not a photo" in bad[2]
    assert [row[1] in CLASSES for row in good] == [True, True]
    assert sum(map(float, good[0][4:])) == pytest.approx(1, abs=1e-5)


def test_a_folder_without_photos(run: Run, cars: Path, tmp_path: Path, chelsea: Path) -> None:
    """A folder without photos has its own error, and the other photos are classified."""
    (tmp_path / "empty").mkdir()
    code, out, err = run("classify", cars, tmp_path / "empty", tmp_path / "gone.jpg", chelsea)
    assert code == 1
    assert out.count("\n") == 2
    assert "no photo in this folder" in err
    assert "no such file" in err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["photo.jpg"], "expected FILE.godeeper and then photos"),
        (["cars.godeeper"], "cars.godeeper alone"),
        (["cars.godeeper", "photo.jpg", "--csv", "--json"], "expected only one of them"),
        (["gone.godeeper", "photo.jpg"], "no such file; expected a classifier"),
        (["photo.jpg", "--weights", "bundled", "--csv"], "FILE.godeeper"),
    ],
)
def test_invalid_requests(run: Run, words: list[str], reason: str) -> None:
    """Invalid arguments give one line that states what was expected."""
    code, out, err = run("classify", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert reason in err


def test_export(run: Run, cars: Path, tmp_path: Path, chelsea: Path) -> None:
    """``export`` writes the file, and prints the comparison with the classifier."""
    code, out, err = run("export", cars, "--to", "onnx", "--out", tmp_path / "cars.onnx", "--photos", chelsea)
    assert (code, err) == (0, "")
    assert "agrees" in out
    assert (tmp_path / "cars.onnx").is_file()
    arguments = ("export", cars, "--to", "onnx", "--out", tmp_path / "cars.onnx", "--photos", chelsea, "--json")
    document = json.loads(run(*arguments)[1])
    assert (document["out"], document["certificate"]["photos"]) == (str(tmp_path / "cars.onnx"), 1)


def test_export_without_photos(run: Run, cars: Path, tmp_path: Path) -> None:
    """A classifier without a recorded test set can be exported only with ``--photos``."""
    code, out, err = run("export", cars, "--to", "onnx", "--out", tmp_path / "cars.onnx")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--photos" in err
