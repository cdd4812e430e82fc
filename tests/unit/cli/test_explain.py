"""``godeeper explain``: what it prints and writes, and its errors."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from tests.unit.classifier.handmade import CLASSES, EARLY, classifier

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run


def test_json(run: Run, cars: Path, chelsea: Path, tmp_path: Path) -> None:
    """The document has the record of ``classify`` and evidence that adds up; the picture is at the stated path."""
    code, out, err = run("explain", cars, chelsea, "--json", "--out", tmp_path, "--top", 3)
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert document["classifier"] == str(cars)
    (record,) = document["photos"]
    (judged,) = json.loads(run("classify", cars, chelsea, "--json")[1])["photos"]
    assert (record["photo"], record["verdict"], record["error"]) == (str(chelsea), judged["verdict"], None)
    assert record["probabilities"] == pytest.approx(judged["probabilities"], abs=1e-6)
    found = record["evidence"]
    assert (found["class"], found["over"]) == (judged["verdict"], None)
    assert [each["address"] for each in found["modules"]] == list(EARLY)
    assert sum(each["evidence"] for each in found["modules"]) + found["constant"] == pytest.approx(found["total"])
    assert [len(found["filters"][side]) for side in ("for", "against")] == [3, 3]
    with Image.open(record["png"]) as image:
        assert dict(image.info)["godeeper:evidence"] == judged["verdict"]
    assert Path(record["png"]).parent == tmp_path


def test_people(run: Run, cars: Path, chelsea: Path, tmp_path: Path) -> None:
    """The text has the verdict, a bar for each class, the sum, the filters and the picture's path."""
    code, out, err = run("explain", cars, chelsea, "--class", "a/b", "--out", tmp_path)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"{chelsea}: ")
    assert sum("%  #" in line for line in lines[1:5]) >= 1
    assert lines[5].startswith("  evidence for a/b: ")
    assert [lines[6].split(":")[0], lines[7].split(":")[0]] == ["  for", "  against"]
    assert lines[8] == f"  picture: {tmp_path / 'chelsea.a-b.evidence.png'}"
    assert (tmp_path / "chelsea.a-b.evidence.png").is_file()


def test_a_refusal_is_explained(run: Run, tmp_path: Path, chelsea: Path) -> None:
    """Below the threshold the output has "none of these", classify's reason, and the evidence for the likeliest class."""
    file = tmp_path / "strict.godeeper"
    classifier(classes=("a", "None of these"), threshold=1.0).save(file)
    out = run("explain", file, chelsea, "--out", tmp_path)[1].splitlines()
    assert out[0] == f"{chelsea}: none of these"
    assert "below the threshold of 100.0%" in out[1]
    (record,) = json.loads(run("explain", file, chelsea, "--out", tmp_path, "--force", "--json")[1])["photos"]
    (judged,) = json.loads(run("classify", file, chelsea, "--json")[1])["photos"]
    assert (record["verdict"], record["none_of_these"], record["reason"]) == (None, True, judged["reason"])
    assert record["evidence"]["class"] == max(record["probabilities"], key=record["probabilities"].get)
    out = run("explain", file, chelsea, "--class", "None of these", "--out", tmp_path)[1].splitlines()
    assert out[0] == f"{chelsea}: none of these"
    assert "  evidence for class 'None of these': " in "\n".join(out)


def test_against(run: Run, cars: Path, chelsea: Path, tmp_path: Path) -> None:
    """With ``--against`` and without ``--class``, the evidence is for the likeliest other class, over the named class."""
    likeliest = json.loads(run("classify", cars, chelsea, "--json")[1])["photos"][0]["verdict"]
    (record,) = json.loads(run("explain", cars, chelsea, "--against", likeliest, "--json", "--out", tmp_path)[1])[
        "photos"
    ]
    others = {name: value for name, value in record["probabilities"].items() if name != likeliest}
    assert (record["evidence"]["class"], record["evidence"]["over"]) == (max(others, key=others.__getitem__), likeliest)
    assert record["evidence"]["total"] < 0
    assert "-over-" in record["png"]


def test_a_long_name(run: Run, chelsea: Path, tmp_path: Path) -> None:
    """A class name that is too long for a file name still gives a picture."""
    names = ("ж" * 120, "b")
    classifier(classes=names).save(tmp_path / "long.godeeper")
    (record,) = json.loads(
        run("explain", tmp_path / "long.godeeper", chelsea, "--class", names[0], "--json", "--out", tmp_path)[1]
    )["photos"]
    assert Path(record["png"]).name == f"chelsea.{'ж' * 30}.evidence.png"
    assert Path(record["png"]).is_file()


def test_photos_of_the_same_name(run: Run, cars: Path, chelsea: Path, tmp_path: Path) -> None:
    """A picture never replaces the picture of another photo with the same file name."""
    for folder in ("a", "b"):
        (tmp_path / "album" / folder).mkdir(parents=True)
        shutil.copy(chelsea, tmp_path / "album" / folder / "cat.jpg")
    out = run("explain", cars, tmp_path / "album", "--json", "--out", tmp_path / "out")[1]
    pictures = {each["png"] for each in json.loads(out)["photos"]}
    assert pictures == {str(path) for path in (tmp_path / "out").iterdir()}
    assert len(pictures) == 2


def test_a_bad_photo_does_not_stop_the_others(run: Run, cars: Path, chelsea: Path, tmp_path: Path) -> None:
    """A damaged photo has its own line, the other photos are explained, and the exit code is 1."""
    (tmp_path / "bad.jpg").write_text("hello")
    code, out, err = run("explain", cars, tmp_path / "bad.jpg", tmp_path / "gone.jpg", chelsea, "--out", tmp_path)
    assert (code, err.count("\n")) == (1, 2)
    assert "not a photo" in err
    assert "no such file" in err
    assert out.startswith(f"{chelsea}: ")
    document = json.loads(run("explain", cars, tmp_path / "gone.jpg", "--json")[1])
    assert document["photos"][0]["evidence"] is None
    assert "no such file" in document["photos"][0]["error"]


def test_near(run: Run, cars: Path, chelsea: Path, tmp_path: Path) -> None:
    """The most similar photos of a folder are listed, the nearest first, without the photo itself."""
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    shutil.copy(chelsea, tmp_path / "photos" / "cat" / "same.jpg")
    image = Image.open(chelsea).convert("RGB")
    image.crop((20, 20, 430, 290)).save(tmp_path / "photos" / "cat" / "crop.png")
    words = ("explain", cars, chelsea, "--near", tmp_path / "photos", "--out", tmp_path)
    assert "most similar photos:" in run(*words)[1]
    (near,) = json.loads(run(*words, "--json")[1])["photos"][0]["nearest"]
    assert (Path(near["photo"]).name, near["class"]) == ("crop.png", "cat")
    assert near["distance"] > 0


@pytest.mark.parametrize("kind", ["zip", "csv"])
def test_near_in_a_zip_or_a_list(run: Run, cars: Path, chelsea: Path, tmp_path: Path, kind: str) -> None:
    """Similar photos that are not in the cache are computed; photos of a zip are named by their path inside the zip."""
    (tmp_path / "cat").mkdir()
    Image.open(chelsea).convert("RGB").rotate(7 if kind == "zip" else 11).save(tmp_path / "cat" / "turned.png")
    with zipfile.ZipFile(tmp_path / "near.zip", "w") as archive:
        archive.write(tmp_path / "cat" / "turned.png", "cat/turned.png")
    (tmp_path / "near.csv").write_text("path,label\ncat/turned.png,cat\n")
    code, out, err = run("explain", cars, chelsea, "--near", tmp_path / f"near.{kind}", "--out", tmp_path, "--json")
    assert code == 0, err
    (near,) = json.loads(out)["photos"][0]["nearest"]
    place = tmp_path / "near.zip" if kind == "zip" else tmp_path
    assert (near["photo"], near["class"]) == (str(place / "cat" / "turned.png"), "cat")


def test_no_picture_is_named_before_it_is_there(run: Run, cars: Path, chelsea: Path, tmp_path: Path) -> None:
    """If the second photo's picture cannot be written, nothing is printed or written for the first photo either."""
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(chelsea, tmp_path / name)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.a-b.evidence.png").write_text("dear")
    words = ("--class", "a/b", "--out", tmp_path / "out")
    code, out, err = run("explain", cars, tmp_path / "a.jpg", tmp_path / "b.jpg", *words)
    assert (code, out) == (2, "")
    assert "did not write it" in err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.a-b.evidence.png"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--class", "dog"], "unknown class 'dog': expected one of Parked Cars"),
        (["--against", "dog"], "unknown class 'dog'"),
        (["--class", CLASSES[2], "--against", CLASSES[2]], "expected two classes"),
        (["--top", "0"], "expected at least 1"),
        (["--near", "nowhere"], "nowhere"),
    ],
)
def test_invalid_requests(run: Run, cars: Path, chelsea: Path, words: list[str], reason: str) -> None:
    """Invalid arguments give one line that states what was expected."""
    code, out, err = run("explain", cars, chelsea, *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert reason in err


def test_no_classifier(run: Run, chelsea: Path) -> None:
    """A file that is not a classifier is refused as such."""
    code, _, err = run("explain", chelsea, chelsea)
    assert (code, err.count("\n")) == (2, 1)
    assert "not a whole .godeeper file" in err
