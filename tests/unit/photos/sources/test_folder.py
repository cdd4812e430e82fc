"""Folders of class folders: names are kept byte for byte, and every file is listed once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from godeeper.errors import OptionError
from godeeper.photos.sources.folder import Entry, read_folder

CLASSES = ["Parked Cars", "a", "a/b", "parked_cars", "кошки", "猫", "cafe\u0301", "café"]


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_class_names_survive(tmp_path: Path) -> None:
    """Case, spaces, scripts, Unicode composition and nesting of class names are kept byte for byte."""
    for label in CLASSES:
        touch(tmp_path / label / "1.jpg")
    labels = [entry.label for entry in read_folder(tmp_path)]
    assert [label.encode() for label in labels] == [label.encode() for label in sorted(CLASSES)]


@pytest.mark.skipif(os.name == "nt", reason="file names are bytes on POSIX only")
def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    """A file name that is not UTF-8 is listed, and its path opens the file."""
    try:
        (Path(os.fsdecode(bytes(tmp_path) + b"/c\xff")).mkdir())
    except OSError:
        pytest.skip("this file system accepts only UTF-8 names")
    touch(tmp_path / os.fsdecode(b"c\xff") / "1.jpg")
    (entry,) = read_folder(tmp_path)
    assert (os.fsencode(entry.label), entry.path.exists()) == (b"c\xff", True)


def test_sorted_by_class_and_name(tmp_path: Path) -> None:
    """Entries are sorted by class, then name, whatever the order of creation."""
    for name in ("b/1.jpg", "a/2.jpg", "3.jpg", "a/10.jpg", "a/b/1.jpg"):
        touch(tmp_path / name)
    assert [entry.name for entry in read_folder(tmp_path)] == ["3.jpg", "a/10.jpg", "a/2.jpg", "a/b/1.jpg", "b/1.jpg"]


def test_hidden_folders_are_not_entered(tmp_path: Path) -> None:
    """Folders of version control, archivers and file servers are skipped."""
    for name in (".git/1.jpg", "__MACOSX/1.jpg", "a/@eaDir/1.jpg", "a/1.jpg"):
        touch(tmp_path / name)
    assert [entry.name for entry in read_folder(tmp_path)] == ["a/1.jpg"]


def test_a_link_back_is_followed_once(tmp_path: Path) -> None:
    """A linked class folder is read; a link to a parent folder causes no endless loop."""
    touch(tmp_path / "else" / "1.jpg")
    root = tmp_path / "root"
    touch(root / "a" / "2.jpg")
    (root / "linked").symlink_to(tmp_path / "else")
    (root / "a" / "up").symlink_to(root)
    assert [entry.name for entry in read_folder(root)] == ["a/2.jpg", "linked/1.jpg"]


@pytest.mark.parametrize("name", [".hidden.jpg", "Thumbs.db", "desktop.ini", "._1.jpg"])
def test_hidden_files(name: str) -> None:
    """Files that operating systems add are hidden."""
    assert Entry("a", name, "a").hidden


def test_missing_folder(tmp_path: Path) -> None:
    """A missing folder is an error of one line."""
    with pytest.raises(OptionError, match=r"cannot read the folder .*nowhere \(No such file"):
        read_folder(tmp_path / "nowhere")


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    """A file instead of the folder is an error of one line."""
    with pytest.raises(OptionError, match="Not a directory"):
        read_folder(touch(tmp_path / "file"))


def test_a_class_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class folder that may not be read raises an error; the class is not left out silently."""
    touch(tmp_path / "a" / "1.jpg")
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(OptionError, match=r"a \(Permission denied\)"):
        read_folder(tmp_path)
