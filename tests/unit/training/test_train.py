"""``retrain`` from a folder to a classifier: stable splits, byte-exact names, correct reports."""

from __future__ import annotations

import io
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import godeeper
from godeeper.cli.main import main
from godeeper.errors import GodeeperError
from godeeper.photos.decode import Photo, decode
from godeeper.photos.doctor.checkup import examine
from godeeper.report.make import thumbnails
from godeeper.training.split import assign

if TYPE_CHECKING:
    from godeeper import Classifier

COLOURS = {
    "кошки": (200, 60, 40),
    "猫": (40, 160, 60),
    "Parked Cars": (60, 70, 200),
    "parked_cars": (190, 180, 50),
    "a/b": (120, 40, 160),
}
FEATURES = "conv_2"  # a tensor that is quick to compute and separates the colours


def paint(folder: Path, label: str, count: int, seed: int = 0) -> None:
    """Write photos of one class; they have the class's colour and strong noise."""
    generator = np.random.default_rng([seed, *label.encode()])
    (folder / label).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        coarse = generator.integers(0, 256, (6, 6, 3)) * 0.5 + np.array(COLOURS[label]) * 0.5
        image = Image.fromarray(coarse.astype(np.uint8)).resize((60, 48), Image.Resampling.BICUBIC)
        image.save(folder / label / f"{seed}-{number}.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five classes of sixteen photos, with unusual names."""
    root = tmp_path_factory.mktemp("photos")
    for label in COLOURS:
        paint(root, label, 16)
    return root


@pytest.fixture(scope="module")
def classifier(folder: Path) -> Classifier:
    return godeeper.retrain(folder, features=FEATURES)


def test_class_names_survive(classifier: Classifier) -> None:
    """Any letters, spaces, nested folders, and names that differ only by case and underscores are kept byte for byte."""
    assert classifier.classes_.tolist() == sorted(COLOURS)


def test_it_learns(classifier: Classifier, folder: Path) -> None:
    """The classifier learns the colours, and the report states a correct interval."""
    assert classifier.report is not None
    record = classifier.report.record()
    low, high = record["test"]["interval"]
    assert low <= record["test"]["accuracy"] <= high
    assert record["test"]["accuracy"] > 2 * record["test"]["majority_baseline"]["value"]
    photos = sorted((folder / "猫").iterdir())
    assert classifier.score(photos, ["猫"] * len(photos)) > 0.8


def test_a_moved_folder_gives_the_same_bytes(classifier: Classifier, folder: Path, tmp_path: Path) -> None:
    """A folder under another path, with another spelling of its path or with other file names gives the same head."""
    moved = tmp_path / "elsewhere" / "photos"
    shutil.copytree(folder, moved)
    for path in list(moved.rglob("*.png")):
        path.rename(path.with_name("renamed-" + path.name))
    again = godeeper.retrain(f"{tmp_path}/elsewhere/../elsewhere/photos/", features=FEATURES)
    before, after = assign(examine(folder)), assign(examine(moved))
    assert before == after
    np.testing.assert_array_equal(again.head.coefficients, classifier.head.coefficients)


def test_a_growing_folder_moves_no_photo(folder: Path, tmp_path: Path) -> None:
    """New photos and a new class do not move existing photos to another set."""
    grown = tmp_path / "photos"
    shutil.copytree(folder, grown)
    paint(grown, "猫", 10, seed=1)
    (grown / "猫").rename(grown / "other")
    before, after = assign(examine(folder)), assign(examine(grown))
    assert {pixels: after[pixels] for pixels in before} == before


def test_a_photo_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network gets the pixels that the doctor decodes; a second run decodes nothing, and gives the same bytes."""
    monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path / "cache"))
    for label in ("猫", "a/b"):
        paint(tmp_path / "photos", label, 6, seed=5)
    seen: list[str] = []

    def noted(path: Path, **_: object) -> Photo:
        seen.append(path.name)
        return decode(path)

    monkeypatch.setattr("godeeper.photos.doctor.inspection.decode", noted)
    monkeypatch.setattr("godeeper.photos.remote.decode", noted)
    for name in ("first", "second"):
        godeeper.retrain(tmp_path / "photos", features=FEATURES).save(tmp_path / f"{name}.godeeper")
        assert len(seen) == 12
    assert (tmp_path / "first.godeeper").read_bytes() == (tmp_path / "second.godeeper").read_bytes()


def test_one_class_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a single class is refused before the network runs."""

    def never(*_: object) -> None:
        raise AssertionError("computed")

    monkeypatch.setattr("godeeper.features.pipeline.Forward.__call__", never)
    paint(tmp_path, "猫", 9, seed=6)
    with pytest.raises(GodeeperError, match="expected at least two folders"):
        godeeper.retrain(tmp_path, features=FEATURES)


def test_thumbnails(tmp_path: Path, chelsea: Path) -> None:
    """Thumbnails are small upright JPEGs; a missing photo has none."""
    turned = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(chelsea) as image:
        image.save(turned, exif=exif)
    found = thumbnails([str(chelsea), str(turned), str(tmp_path / "gone.jpg")])
    assert list(found) == [str(chelsea), str(turned)]
    with Image.open(io.BytesIO(found[str(turned)])) as small:
        assert small.height == 96
        assert small.width < 96


def test_a_second_run_chooses_nothing_again(
    classifier: Classifier, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The selected modules and strength are cached, and the file is the same, byte for byte."""

    def never(*_: object) -> None:
        raise AssertionError("chosen again")

    monkeypatch.setattr("godeeper.training.dataset.select", never)
    godeeper.retrain(folder, features=FEATURES).save(tmp_path / "again.godeeper")
    classifier.save(tmp_path / "first.godeeper")
    assert (tmp_path / "again.godeeper").read_bytes() == (tmp_path / "first.godeeper").read_bytes()


def test_saved_and_loaded(classifier: Classifier, folder: Path, tmp_path: Path) -> None:
    """A loaded classifier gives the same results."""
    classifier.save(tmp_path / "x.godeeper")
    back = godeeper.Classifier.load(tmp_path / "x.godeeper")
    photos = sorted((folder / "a" / "b").iterdir())[:3]
    np.testing.assert_array_equal(back.predict_proba(photos), classifier.predict_proba(photos))
    assert back.report_record is not None
    assert "seconds" not in back.report_record


def test_five_photos_a_class(tmp_path: Path) -> None:
    """A folder with five photos per class is tested by cross-validation, and the report warns that there are few photos."""
    for label in ("猫", "a/b"):
        paint(tmp_path, label, 5)
    trained = godeeper.retrain(tmp_path, features=FEATURES)
    assert trained.report is not None
    assert trained.report.tested_by == "cross-validation"
    assert trained.report.accuracy.n == 10
    assert trained.report.caution is not None
    assert any("expected at least 10" in note for note in trained.report.notes)


SMALL_FOLDERS = [(3, 3), (4, 4), (3, 3, 3, 3, 3), (2,) * 12, (1, 1), (1, 9), (2, 1, 1)]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("counts", SMALL_FOLDERS, ids=lambda counts: "+".join(map(str, counts)))
def test_very_few_photos(counts: tuple[int, ...], tmp_path: Path) -> None:
    """Training on very few photos gives no warning, and the report is a page and valid JSON."""
    for place, count in enumerate(counts):
        paint(tmp_path / f"{place}", "猫" if place % 2 else "a/b", count, seed=place)
    report = godeeper.retrain(tmp_path, features=FEATURES).report
    assert report is not None
    written = report.save_json(tmp_path / "report.json").read_text(encoding="utf-8")
    assert json.loads(written, parse_constant=pytest.fail)["test"]["n"] <= sum(counts)
    assert "nan" not in report.html().lower().replace("nance", "")
    assert sum("expected at least 10" in note for note in report.notes) == 1


def test_classes_of_near_duplicates(tmp_path: Path) -> None:
    """If each class is one group of near-duplicates, no photo can be held out, and the report says so."""
    for label in ("猫", "a/b"):
        paint(tmp_path, label, 1)
        first = next((tmp_path / label).iterdir())
        for copy in range(5):
            with Image.open(first) as image:
                image.point([min(255, value + 2 * copy + 1) for value in range(256)] * 3).save(
                    first.with_name(f"copy {copy}.png")
                )
    report = godeeper.retrain(tmp_path, features=FEATURES).report
    assert report is not None
    assert report.accuracy.value is None
    json.dumps(report.record(), allow_nan=False)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [((), "contains no photos"), (("猫",), "expected at least two folders of photos, one per class")],
)
def test_too_few_classes(labels: tuple[str, ...], reason: str, tmp_path: Path) -> None:
    """A single class, or no photo, gives a one-line error."""
    for label in labels:
        paint(tmp_path, label, 3)
    (tmp_path / "empty").mkdir()
    with pytest.raises(GodeeperError, match=reason):
        godeeper.retrain(tmp_path, features=FEATURES)


def command(folder: Path, out: Path, precision: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "godeeper",
        "retrain",
        str(folder),
        "--out",
        str(out),
        "--features",
        FEATURES,
        "--precision",
        precision,
        "--json",
    ]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_killed_at_any_moment(precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After any number of ``kill -9``, the next run finishes with the same bytes."""
    folder = tmp_path / "photos"
    for label in COLOURS:
        paint(folder, label, 8)
    monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path / "quiet"))
    _, _, _, *arguments = command(folder, tmp_path / "quiet.godeeper", precision)
    assert main(arguments) == 0
    monkeypatch.setenv("GODEEPER_CACHE", str(tmp_path / "killed"))
    out = tmp_path / "killed.godeeper"
    moments = random.Random(4)
    for _ in range(4):
        with subprocess.Popen(
            command(folder, out, precision), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as started:
            time.sleep(moments.uniform(0.3, 2.5))
            started.send_signal(signal.SIGKILL)
    done = subprocess.run(command(folder, out, precision), check=True, capture_output=True, text=True, timeout=120)
    assert out.read_bytes() == (tmp_path / "quiet.godeeper").read_bytes()
    document = json.loads(done.stdout)
    assert set(document) >= {"classifier", "classes", "photos", "test", "features", "seconds"}
    assert document["classifier"] == str(out)
    assert {path.suffix for path in tmp_path.glob("killed.*")} == {".godeeper", ".html", ".json"}
