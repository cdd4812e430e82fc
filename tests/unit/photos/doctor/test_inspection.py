"""The results of an inspection are stored under the hash of the file."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.unit.photos import scenes

from godeeper.photos.decode import Photo, decode
from godeeper.photos.doctor.inspection import Finding, PixelBudget, inspect_all
from godeeper.photos.sources.folder import read_folder


class Notebook(dict[bytes, bytes]):
    """A blob store for one test."""

    def get_blobs(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        return {key: self[key] for key in keys if key in self}

    def put_blobs(self, blobs: Mapping[bytes, bytes]) -> None:
        self.update(blobs)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photos, one of them with a wrong extension, and a file that is not a photo."""
    (tmp_path / "a").mkdir()
    scenes.scene(1).save(tmp_path / "a" / "one.png")
    scenes.scene(2).save(tmp_path / "a" / "two.jpg", "PNG")
    (tmp_path / "a" / "bad.jpg").write_text("no photo")
    return tmp_path


def test_remembered_findings_are_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run decodes no photo and gives the same results, even if the files were moved."""
    memory = Notebook()
    first = list(inspect_all(read_folder(folder), memory=memory))
    assert first == list(inspect_all(read_folder(folder)))
    assert len(memory) == 2
    folder.joinpath("a").rename(folder / "b")
    folder.joinpath("b", "one.png").rename(folder / "b" / "0.png")
    seen: list[str] = []

    def noted(path: Path) -> Photo:
        seen.append(path.name)
        return decode(path)

    monkeypatch.setattr("godeeper.photos.doctor.inspection.decode", noted)
    second = list(inspect_all(read_folder(folder), memory=memory))
    assert seen == ["bad.jpg"]
    assert sorted(str(found.fingerprint) for found in second) == sorted(str(found.fingerprint) for found in first)
    assert sorted(found.notes for found in second) == sorted(found.notes for found in first)


def test_a_changed_file_is_looked_at_again(folder: Path) -> None:
    """If a file's bytes change, but not its name and length, the file is inspected again."""
    memory = Notebook()
    before = list(inspect_all(read_folder(folder), memory=memory))
    scenes.scene(3).save(folder / "a" / "one.png")
    after = list(inspect_all(read_folder(folder), memory=memory))
    assert [found.fingerprint for found in after] != [found.fingerprint for found in before]
    assert len(memory) == 3


class Watcher:
    """An observer that records its calls."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, Any]] = []
        self.finished = False

    def prepare(self, photo: Photo) -> tuple[int, int]:
        return photo.size

    def take(self, finding: Finding, kept: Any) -> None:
        assert not self.finished
        self.shown.append((finding.entry.path.name, kept))

    def finish(self) -> None:
        self.finished = True


def test_an_observer_is_shown_what_is_decoded(folder: Path) -> None:
    """The observer gets each newly decoded photo once, in order, but no stored, damaged or classless photo."""
    scenes.scene(3).save(folder / "nowhere.png")
    memory, first, second = Notebook(), Watcher(), Watcher()
    for watcher in (first, second):
        list(inspect_all(read_folder(folder), memory=memory, onlooker=watcher))
        assert watcher.finished
    assert first.shown == [("one.png", scenes.SIZE), ("two.jpg", scenes.SIZE)]
    assert second.shown == []


def test_room_is_for_so_many_pixels() -> None:
    """A photo that exceeds the remaining budget waits; a photo larger than the whole budget is decoded alone."""
    room = PixelBudget(10)
    order: list[str] = []

    def enter(name: str, pixels: int) -> None:
        with room.hold(pixels):
            order.append(name)

    with room.hold(4):
        enter("beside", 6)
        waiting = threading.Thread(target=enter, args=("later", 7))
        waiting.start()
        enter("beside too", 6)
        order.append("left")
    waiting.join(10)
    enter("alone", 100)
    assert order == ["beside", "beside too", "left", "later", "alone"]
