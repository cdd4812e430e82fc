"""Training with the user's own split, from folders, lists and zips: the split is kept and reported."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import godeeper
from godeeper.errors import OptionError
from godeeper.photos.sources.source import open_source
from godeeper.report.make import thumbnails

FEATURES = "conv"
COLOURS = {"red": (200, 50, 50), "blue": (50, 50, 200)}


def paint(folder: Path, count: int, seed: int = 0) -> None:
    """Write photos of two classes that differ in colour."""
    for label, colour in COLOURS.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            noise = np.random.default_rng([seed, number, *label.encode()]).integers(0, 256, (6, 6, 3))
            pixels = (noise * 0.6 + np.array(colour) * 0.4).astype(np.uint8)
            Image.fromarray(pixels).resize((48, 48), Image.Resampling.BICUBIC).save(folder / label / f"{number}.png")


def train(place: Any) -> godeeper.Classifier:
    return godeeper.retrain(place, features=FEATURES)


def test_the_test_set_is_the_one_given(tmp_path: Path) -> None:
    """The given test photos are used only for the test, and training and validation photos are treated alike."""
    for part, count in (("train", 8), ("val", 3), ("test", 4)):
        paint(tmp_path / "photos" / part, count, seed=count)
    made = train(tmp_path / "photos")
    record = made.report.record() if made.report else {}
    assert record["classes"] == ["blue", "red"]
    assert record["test"]["by"] == "a test set"
    assert record["sets"] == {"train": 16, "validation": 6, "test": 8}
    assert set(record["test_photos"]) == {f"test/{label}/{number}.png" for label in COLOURS for number in range(4)}
    assert any("already split" in note for note in record["notes"])
    for label in COLOURS:
        for number in range(3):
            shutil.move(
                tmp_path / "photos/val" / label / f"{number}.png", tmp_path / "photos/train" / label / f"v{number}.png"
            )
    (tmp_path / "photos/test/red/0.png").unlink()
    again = train(tmp_path / "photos")
    np.testing.assert_array_equal(again.head.coefficients, made.head.coefficients)
    assert again.head.threshold == made.head.threshold


def test_a_training_set_that_copies_the_test_set(tmp_path: Path) -> None:
    """If all training photos are copies of test photos, a one-line error says so."""
    paint(tmp_path / "photos" / "train", 2)
    shutil.copytree(tmp_path / "photos" / "train", tmp_path / "photos" / "test")
    with pytest.raises(OptionError, match="the same pixels as a test photo"):
        train(tmp_path / "photos")


def test_the_same_bytes_wherever_they_lie(tmp_path: Path) -> None:
    """A folder, a renamed folder and a zip give the same classifier byte for byte, and the photos in its report are found."""
    paint(tmp_path / "photos", 6)
    shutil.copytree(tmp_path / "photos", tmp_path / "elsewhere" / "renamed")
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for path in (tmp_path / "photos").rglob("*.png"):
            archive.write(path, path.relative_to(tmp_path))
    contents = []
    for place in ("photos", "elsewhere/renamed", "packed.zip"):
        with open_source(tmp_path / place) as source:
            made = train(source)
            made.save(tmp_path / "out.godeeper")
            assert made.report is not None
            assert made.report.html(thumbnails).count("data:image/jpeg") == 12
        contents.append((tmp_path / "out.godeeper").read_bytes())
    assert contents[0] == contents[1] == contents[2]
    assert str(tmp_path).encode() not in contents[0]


def test_a_list_is_a_folder(tmp_path: Path) -> None:
    """A list and a folder with the same photos under the same names give the same head, bit for bit."""
    paint(tmp_path, 6)
    rows = [f"{label}/{number}.png,{label}\n" for label in COLOURS for number in range(6)]
    (tmp_path / "list.csv").write_text("path,label\n" + "".join(rows))
    listed, found = train(tmp_path / "list.csv"), train(tmp_path)
    np.testing.assert_array_equal(listed.head.coefficients, found.head.coefficients)
    assert listed.report_record is not None
    assert list(listed.report_record["test_photos"]) == list((found.report_record or {})["test_photos"])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"seed": -1}, "seed -1"),
        ({"seed": 1.5}, "seed 1.5"),
        ({"seed": True}, "seed True"),
        ({"seed": 2**40}, "seed"),
        ({"features": []}, "features"),
        ({"features": ""}, "features"),
        ({"features": "conv,,"}, "features"),
        ({"features": [1]}, "features"),
        ({"features": 3}, "features"),
    ],
)
def test_arguments(tmp_path: Path, options: dict[str, Any], reason: str) -> None:
    """An invalid argument raises a one-line error that names the value."""
    paint(tmp_path, 1)
    with pytest.raises(OptionError, match=reason) as error:
        godeeper.retrain(tmp_path, **options)
    assert "\n" not in str(error.value)
