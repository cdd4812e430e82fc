"""The photos of a folder, their order, and the error if there are none."""

import os
import zipfile
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from godeeper.errors import PhotoError
from godeeper.photos.decode import decode
from godeeper.photos.sources.find_photos import opened, photos_in


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Empty files named like photos, on two levels, with hidden files and a folder named like a photo."""
    for name in (
        "b.jpg",
        "a-1.PNG",
        "a/z.jpg",
        "a/deep/y.webp",
        ".hidden.jpg",
        ".git/x.jpg",
        "note.txt",
        "odd.jpg/in.jpg",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def test_photos_of_a_folder_in_the_order_of_paths(album: Path) -> None:
    """Subfolders are included, and photos are sorted by path; hidden files and other files are left out."""
    expected = ["a/deep/y.webp", "a/z.jpg", "a-1.PNG", "b.jpg", "odd.jpg/in.jpg"]
    assert photos_in([album]) == [str(album / name) for name in expected]
    assert photos_in([album]) == [str(path) for path in sorted(map(Path, photos_in([album])))]


def test_files_are_taken_as_they_are_named(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named files are returned in the given order, whether or not they exist; relative paths stay relative."""
    monkeypatch.chdir(album)
    assert photos_in(["note.txt", "gone.jpg", "./b.jpg"]) == ["note.txt", "gone.jpg", "b.jpg"]
    assert photos_in(["a/"]) == ["a/deep/y.webp", "a/z.jpg"]
    assert photos_in(["."])[0] == "a/deep/y.webp"


def test_links_to_files_are_photos_and_links_to_folders_are_not_followed(album: Path) -> None:
    """A folder that contains a link to itself causes no endless loop."""
    (album / "link.jpg").symlink_to("b.jpg")
    (album / "a" / "loop").symlink_to(album)
    assert [path for path in photos_in([album]) if "l" in Path(path).name] == [str(album / "link.jpg")]


def test_a_folder_without_photos_is_an_error(tmp_path: Path) -> None:
    """The error for a folder without photos names the folder and the expected files."""
    with pytest.raises(PhotoError, match=r"no photo in this folder; expected files like \*\.jpg"):
        photos_in([tmp_path])


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every folder")
def test_a_folder_that_cannot_be_read_is_an_error(album: Path) -> None:
    """An unreadable folder is an error and is not skipped silently."""
    (album / "a").chmod(0)
    with pytest.raises(PhotoError, match="cannot read this folder"):
        photos_in([album])
    (album / "a").chmod(0o700)


def test_a_name_that_no_system_takes_is_a_file_s() -> None:
    """A name that no system accepts is treated as a file's name, and the error is raised when the file is opened."""
    for name in ("x" * 5000, "a\x00b"):
        assert photos_in([name]) == [name]


def test_pictures_of_ours_are_left_out_of_folders(album: Path) -> None:
    """Pictures that ``top`` or ``peek`` wrote into the folder are skipped, unless the user names them."""
    notes = PngImagePlugin.PngInfo()
    notes.add_itxt("Software", "godeeper 1.0")
    Image.new("RGB", (8, 8)).save(album / "a" / "top.conv[1].png", pnginfo=notes)
    Image.new("RGB", (8, 8)).save(album / "a" / "other.png")
    assert [Path(each).name for each in photos_in([album / "a"])] == ["y.webp", "other.png", "z.jpg"]
    assert photos_in([album / "a" / "top.conv[1].png"]) == [str(album / "a" / "top.conv[1].png")]


def test_what_was_unpacked_goes_with_the_block(tmp_path: Path) -> None:
    """The photos of a zip are temporary files that exist within the ``with`` block; decoded photos have their names in the zip."""
    Image.new("RGB", (40, 40), (9, 9, 9)).save(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes(b"no photo")
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        for name in ("1.png", "2.png"):
            archive.write(tmp_path / name, f"cat/{name}")
    with opened([tmp_path / "some.zip"]) as photos:
        good, bad = photos
        assert str(good) == f"{tmp_path}/some.zip/cat/1.png"
        assert decode(good).name == "1.png"
        with pytest.raises(PhotoError, match=r"some\.zip/cat/2\.png: not a photo"):
            decode(bad)
    assert not Path(good).exists()
