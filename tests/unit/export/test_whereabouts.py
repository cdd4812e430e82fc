"""Test photos are found from any working folder and after a move; otherwise the error names the option to use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from godeeper.errors import OptionError
from godeeper.export.whereabouts import find_photos

NAMES = [Path("cat/1.jpg"), Path("dog/2.jpg")]


def photos(folder: Path) -> Path:
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    """A classifier's path, with a report next to it that names a folder elsewhere."""
    place = tmp_path / "models" / "cars.godeeper"
    place.parent.mkdir()
    place.with_suffix(".json").write_text(json.dumps({"provenance": {"folder": str(tmp_path / "data" / "photos")}}))
    return place


@pytest.mark.parametrize("where", ["data/photos", "models/photos", "models", "here"])
def test_places(tmp_path: Path, classifier: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Photos are searched at the report's path, next to the classifier, and in the working folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    folder = photos(tmp_path / where)
    assert find_photos(classifier, NAMES) == [folder / name for name in NAMES]
    shutil.move(tmp_path / where / "dog", tmp_path / "gone")  # if some photos are missing, the others are still found
    assert find_photos(classifier, NAMES)[0] == folder / NAMES[0]


def test_a_list_starts_at_its_folder(tmp_path: Path, classifier: Path) -> None:
    """If the report names a list, the list's own folder is searched."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "photos").write_text("path,label\n")
    folder = photos(tmp_path / "data")
    assert find_photos(classifier, NAMES)[0] == folder / NAMES[0]


def test_absolute_names_of_earlier_versions(tmp_path: Path, classifier: Path) -> None:
    """Absolute paths in reports of earlier versions are used as they are."""
    names = [photos(tmp_path / "old") / name for name in NAMES]
    assert find_photos(classifier, names) == names


@pytest.mark.parametrize(
    "report", ["", "[]", "{}", '{"provenance": {"folder": 3}}', '{"provenance": {"folder": "a\\u0000"}}', "{" * 9000]
)
def test_not_found(tmp_path: Path, classifier: Path, monkeypatch: pytest.MonkeyPatch, report: str) -> None:
    """If the photos are not found, the one-line error lists the searched folders and the option, for any content of the report."""
    monkeypatch.chdir(tmp_path)
    classifier.with_suffix(".json").write_text(report)
    with pytest.raises(OptionError, match="--photos") as error:
        find_photos(classifier, NAMES)
    assert "\n" not in str(error.value)
    assert find_photos(classifier, []) == []
