"""The sample of photos for the int8 check does not depend on folder or file names, and includes every class."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from godeeper.photos.sources.folder import read_folder
from godeeper.training import int8_check
from godeeper.training.int8_check import photo_files, stratified_sample

CLASSES = ("a", "b/c", "d")


def drawn(folder: Path, count: int) -> list[bytes]:
    """Return the content of the sampled files, in order."""
    return [entry.path.read_bytes() for entry in stratified_sample(photo_files(read_folder(folder)), count)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of twenty files; in each class, half of the files have the same size."""
    generator = np.random.default_rng(0)
    root = tmp_path / "photos"
    for label in CLASSES:
        (root / label).mkdir(parents=True)
        for number in range(20):
            size = 100 if number < 10 else 100 + int(generator.integers(1, 10**4))
            (root / label / f"{number}.jpg").write_bytes(generator.bytes(size))
    return root


def test_it_follows_the_photos(folder: Path, tmp_path: Path) -> None:
    """If folder and files are renamed, the sample has the same photos in the same order, even for equal file sizes."""
    before = drawn(folder, 30)
    moved = tmp_path / "elsewhere" / "other"
    shutil.move(folder, moved)
    for number, path in enumerate(sorted(moved.rglob("*.jpg"), reverse=True)):
        path.rename(path.with_name(f"{number:03}.JPEG"))
    assert drawn(moved, 30) == before


def test_every_class_has_its_share(folder: Path) -> None:
    """Photos are drawn from each class in turn until there are enough; a small class does not limit the others."""
    for path in list((folder / "d").iterdir())[:18]:
        path.unlink()
    entries = stratified_sample(photo_files(read_folder(folder)), 24)
    assert Counter(entry.label for entry in entries) == {"a": 11, "b/c": 11, "d": 2}
    assert len(stratified_sample(photo_files(read_folder(folder)), 1000)) == 42


def test_many_classes(folder: Path) -> None:
    """With many classes, the sample has several photos of some classes instead of one photo of each."""
    files = photo_files(read_folder(folder))
    assert Counter(Counter(entry.label for entry in stratified_sample(files, 8)).values()) == {4: 2}
    assert len({entry.label for entry in stratified_sample(files, 2)}) == 2


def test_what_is_drawn_from(tmp_path: Path) -> None:
    """Only files with a photo's extension are sampled; in a class without such files, all visible files are."""
    for name in ("one/a.jpg", "one/notes.txt", "two/IMG_1", "two/.hidden.jpg", "two/Thumbs.db", "stray.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    entries = stratified_sample(photo_files(read_folder(tmp_path)), 10)
    assert sorted(entry.name for entry in entries) == ["one/a.jpg", "two/IMG_1"]


def test_no_more_is_opened_than_needed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To determine the order, files of a unique size are not read, and other files are read only when it is their turn."""
    opened: list[Path] = []

    def noted(path: Path) -> str:
        opened.append(path)
        return str(path)

    monkeypatch.setattr(int8_check, "hash_of_start", noted)
    stratified_sample(photo_files(read_folder(folder)), 60)
    assert {path.stat().st_size for path in opened} == {100}
    assert len(opened) == 30


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_not_a_file(tmp_path: Path) -> None:
    """A broken link and a pipe are sampled like files, and do not block."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "a" / "pipe.jpg")
    assert len(stratified_sample(photo_files(read_folder(tmp_path)), 4)) == 2
