"""Sources: folders that are already split, lists and zips; their entries, notes and errors."""

from __future__ import annotations

import io
import os
import random
import shutil
import stat
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from godeeper.errors import GodeeperError, OptionError
from godeeper.photos.doctor.checkup import Checkup, examine
from godeeper.photos.sources.source import Source, open_source
from godeeper.photos.sources.zip_archive import unzipped


def photo(path: Path, seed: int) -> Path:
    """Write a photo that differs for each seed, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((48, 48), Image.Resampling.BICUBIC).save(path)
    return path


def tree(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        photo(root / name, number)
    return root


def read(place: Path, labels: Path | None = None) -> Source:
    with open_source(place, labels) as source:
        return source


def table(source: Source) -> set[tuple[str, str, str]]:
    return {(entry.name, entry.label, entry.split) for entry in source.entries}


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [("train", "val", "test"), ("Training", "VALID", "Testing"), ("TRAIN", "Validation", "tesT")],
)
def test_a_split_folder(tmp_path: Path, train: str, val: str, test: str) -> None:
    """If the class folders are inside the folders of a split, the split is kept, and a note says so."""
    tree(tmp_path, f"{train}/cat/1.png", f"{train}/a/b/2.png", f"{val}/cat/3.png", f"{test}/cat/4.png")
    source = read(tmp_path)
    assert table(source) == {
        (f"{train}/cat/1.png", "cat", "train"), (f"{train}/a/b/2.png", "a/b", "train"), (f"{val}/cat/3.png", "cat", "validation"),
        (f"{test}/cat/4.png", "cat", "test"),
    }  # fmt: skip
    assert "2 train, 1 validation, 1 test" in source.notes[0]
    assert "cross-validation" in source.notes[0]


def test_without_a_test_set(tmp_path: Path) -> None:
    """Without a test set, train and val are treated as one set, with a note; train without val is treated in the same way."""
    tree(tmp_path / "two", "train/cat/1.png", "train/dog/2.png", "val/cat/3.png")
    source = read(tmp_path / "two")
    assert {entry.label for entry in source.entries} == {"cat", "dog"}
    assert "no test set" in source.notes[0]
    tree(tmp_path / "one", "train/cat/1.png", "train/dog/2.png")
    assert {entry.label for entry in read(tmp_path / "one").entries} == {"cat", "dog"}


def test_trains_are_a_class(tmp_path: Path) -> None:
    """A folder ``train`` next to other class folders, or with subfolders, is a class if no other set exists."""
    tree(tmp_path, "train/1.png", "train/steam/2.png", "bus/3.png")
    source = read(tmp_path)
    assert {entry.label for entry in source.entries} == {"train", "train/steam", "bus"}
    assert not source.notes


def test_beside_the_sets(tmp_path: Path) -> None:
    """Folders next to those of the split are left out with a note; a photo directly in a folder of the split has no class."""
    tree(tmp_path, "train/cat/1.png", "test/cat/2.png", "extra/cat/3.png", "train/4.png")
    source = read(tmp_path)
    assert table(source) == {
        ("train/cat/1.png", "cat", "train"),
        ("test/cat/2.png", "cat", "test"),
        ("train/4.png", "", "train"),
    }
    assert "extra/ (1)" in source.notes[1]


@pytest.mark.parametrize("name", ["data/{}/cat/1.png", "a/b c/{}/cat/1.png", "cat/{}/1.png", "data/cat/{}/1.png"])
def test_where_the_sets_are(tmp_path: Path, name: str) -> None:
    """The folders of a split are found one level further down and inside class folders; photo names contain all folders."""
    names = [name.format(part).replace("cat", label) for label in ("cat", "dog") for part in ("Train", "Val", "TEST")]
    tree(tmp_path, *names)
    splits = ["train", "validation", "test"] * 2
    labels = ["cat"] * 3 + ["dog"] * 3
    source = read(tmp_path)
    assert table(source) == set(zip(names, labels, splits, strict=True))
    assert "2 train, 2 validation, 2 test" in source.notes[0]


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (["train_set/cat/1.png", "holdout/cat/2.png"], "'holdout/cat', 'train_set/cat' are different classes"),
        (["train/cat/1.png", "train/dog/2.png", "bus/3.png"], "train/ is treated as part of the class names"),
        (["cats/red/1.png", "dogs/brown/2.png"], None),
        (["cat/train/1.png", "cat/red/2.png", "dog/test/3.png"], None),
    ],
)
def test_folders_that_may_be_meant_as_sets(tmp_path: Path, names: list[str], note: str | None) -> None:
    """Folders that may be meant as sets get a note: class names in several folders, or a single set next to classes."""
    source = read(tree(tmp_path, *names))
    assert {entry.split for entry in source.entries} == {""}
    assert [note in each for each in source.notes if note] == [True] * bool(note)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["test/cat/1.png", "val/cat/2.png"], "contains validation and test photos, but no folder train"),
        (["train/1.png", "test/2.png"], "the photos in test, train have no class"),
        (["train/cat/1.png", "train/dog/2.png", "test/3.png"], "the photos in test have no class"),
    ],
)
def test_splits_that_cannot_be_used(tmp_path: Path, names: list[str], reason: str) -> None:
    """A split that cannot be used gives a one-line error."""
    tree(tmp_path, *names)
    with pytest.raises(OptionError, match=reason):
        read(tmp_path)


def test_the_doctor_on_a_split_folder(tmp_path: Path) -> None:
    """The doctor leaves out copies of test photos and classes without training photos, and counts near-duplicates across sets."""
    tree(
        tmp_path,
        "train/cat/1.png",
        "train/dog/2.png",
        "train/cat/3.png",
        "test/cat/4.png",
        "test/dog/5.png",
        "test/fox/6.png",
    )
    shutil.copy(tmp_path / "train/cat/1.png", tmp_path / "test/cat/same.png")
    Image.open(tmp_path / "train/dog/2.png").resize((96, 96)).save(tmp_path / "test/dog/near.png")
    checkup: Checkup = examine(tmp_path)
    verdicts = {verdict.entry.name: verdict for verdict in checkup.verdicts}
    assert verdicts["test/cat/same.png"].usable
    assert verdicts["train/cat/1.png"].reasons == ("same pixels as test/cat/same.png, which is a test photo",)
    assert "no training photo" in verdicts["test/fox/6.png"].reasons[0]
    assert [one.entry.name for one in checkup.leaks] == ["test/dog/near.png"]
    assert any("1 of 4 test photos" in note for note in checkup.notes)
    assert checkup.classes == ("cat", "dog")


def test_training_photos_that_are_all_copies_of_test_photos(tmp_path: Path) -> None:
    """If all training photos of a class are copies of test photos, the class is left out, and the reason names the copies."""
    tree(tmp_path, "train/cat/1.png", "train/dog/2.png", "test/cat/3.png")
    shutil.copytree(tmp_path / "train/dog", tmp_path / "test/dog")
    verdicts = {verdict.entry.name: verdict for verdict in examine(tmp_path).verdicts}
    assert verdicts["train/dog/2.png"].reasons == ("same pixels as test/dog/2.png, which is a test photo",)
    assert "the same pixels as a test photo" in verdicts["test/dog/2.png"].reasons[0]
    assert verdicts["test/cat/3.png"].usable


def test_training_photos_that_cannot_be_read(tmp_path: Path) -> None:
    """If no training photo of a class can be read, its test photos are left out, and the reason says so."""
    tree(tmp_path, "train/cat/1.png", "test/cat/2.png", "test/dog/3.png")
    (tmp_path / "train/dog").mkdir()
    (tmp_path / "train/dog/4.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    [reason] = next(one.reasons for one in examine(tmp_path).verdicts if one.entry.name == "test/dog/3.png")
    assert "none of the training photos of its class can be used" in reason


@pytest.mark.parametrize(("name", "reason"), [("none.csv", "no such list"), ("none.zip", "no such zip")])
def test_a_list_or_a_zip_that_is_not_there(tmp_path: Path, name: str, reason: str) -> None:
    """A missing list or zip gives a one-line error that does not mention a folder."""
    with pytest.raises(OptionError, match=reason) as caught:
        read(tmp_path / name)
    assert "folder" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "path,label\ncat/1.png,cat\ndog/2.png,dog\n",
        "\ufeffpath;label;note\r\ncat/1.png;cat;x\r\ndog/2.png;dog;\r\n",
        '"Label"\t"Path"\ncat\t"cat/1.png"\n\ndog\t./dog/2.png\n',
        "path,label\ncat/1.png,cat\ndog/../dog/2.png,dog",
    ],
)
def test_lists(tmp_path: Path, text: str) -> None:
    """Delimiters, quotes, line endings, a BOM and the order of columns do not change the photos."""
    tree(tmp_path, "cat/1.png", "dog/2.png")
    (tmp_path / "list.csv").write_bytes(text.encode())
    source = read(tmp_path / "list.csv")
    assert [(entry.path.resolve(), entry.label) for entry in source.entries] == [
        (tmp_path / "cat/1.png", "cat"), (tmp_path / "dog/2.png", "dog"),
    ]  # fmt: skip


def test_windows_paths(tmp_path: Path) -> None:
    """Paths with backslashes, as in a list from Windows, name the same photos."""
    tree(tmp_path, "cat/1.png", "dog/2.png")
    (tmp_path / "list.csv").write_text("path,label\n.\\cat\\1.png,cat\ndog\\2.png,dog\n")
    assert table(read(tmp_path / "list.csv")) == {("cat/1.png", "cat", ""), ("dog/2.png", "dog", "")}


def test_a_list_names_photos_whatever_they_are_called(tmp_path: Path) -> None:
    """Every file in a list counts as a photo or a fault, even if it is hidden or has another extension."""
    tree(tmp_path, "cat/.1.png", "dog/2.png")
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / "list.csv").write_text("path,label\ncat/.1.png,cat\ndog/2.png,dog\nnotes.txt,dog\ncat,cat\n")
    checkup = examine(tmp_path / "list.csv")
    assert [verdict.entry.name for verdict in checkup.usable] == ["cat/.1.png", "dog/2.png"]
    assert [verdict.entry.name for verdict in checkup.unusable] == ["cat", "notes.txt"]
    assert not checkup.others


def test_photos_of_one_group_are_not_called_alike(tmp_path: Path) -> None:
    """Photos that a list puts into one group are not called near-duplicates."""
    tree(tmp_path, "cat/1.png", "dog/2.png")
    (tmp_path / "list.csv").write_text("path,label,group\ncat/1.png,cat,g\ndog/2.png,dog,g\n")
    assert "photos of one group in several classes: cat/1.png, dog/2.png" in examine(tmp_path / "list.csv").notes


def test_groups_and_splits(tmp_path: Path) -> None:
    """The doctor keeps a list's groups and sets, counts a repeated line once, and accepts absolute paths."""
    tree(tmp_path, "1.png", "2.png", "3.png", "4.png")
    (tmp_path / "list.csv").write_text(
        f"path,label,group,split\n1.png,cat,g,train\n2.png,dog,g,train\n3.png,cat,,test\n{tmp_path}/4.png,dog,h,val\n1.png,cat,g,train\n"
    )
    source = read(tmp_path / "list.csv")
    assert [entry.split for entry in source.entries] == [
        "validation" if entry.group == "h" else entry.split for entry in source.entries
    ]
    assert "1 line repeats a photo listed before" in source.notes[0]
    checkup = examine(source)
    groups = {one.entry.name: checkup.groups[one.pixels_sha256 or ""] for one in checkup.verdicts}
    assert groups["1.png"] == groups["2.png"] != groups["3.png"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no column 'path'"),
        ("path,label\n", "lists no photos"),
        ("path,class\n1.png,cat\n", "rename 'class' to 'label'"),
        ("image,label\n1.png,cat\n", "rename 'image' to 'path'"),
        ("path,label,label\n1.png,cat,dog\n", "two columns"),
        ("path,label\n1.png\n", "line 2: no label for '1.png'"),
        ("path,label\n1.png,\n", "line 2: no label"),
        ("path,label\n,cat\n", "line 2: no path"),
        ("path,label\n9.png,cat\n", "no file '9.png'"),
        ("path,label\n1.png,cat\n1.png,dog\n", "line 3: '1.png' is already listed"),
        ("path,label,split\n1.png,cat,train\n1.png,cat,test\n", "already listed"),
        ("path,label,split\n1.png,cat,holdout\n", "expected train, val or test"),
        ('path,label\n"1.png,cat\n', "check its quotes"),
        (f"path,label\n1.png,{'c' * 256}\n", "has 256 characters; expected at most 255"),
        ("path,label\n1.png,/cat\n", "is not a class name"),
        ("path,label\na\0b,cat\n", "path|CSV"),
        ("path,label\n" + "9.png,cat\n" * 9, "and 6 more lines"),
        (b"path,label\n1.png,caf\xe9\n", "not UTF-8"),
        ("path,label\n1.png,cat\n".encode("utf-16"), "not UTF-8"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path: Path, text: str | bytes, reason: str) -> None:
    """A list that cannot be used gives a one-line error with place and reason."""
    photo(tmp_path / "1.png", 0)
    (tmp_path / "list.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(OptionError, match=reason) as error:
        read(tmp_path / "list.csv")
    assert "\n" not in str(error.value)


def test_a_list_that_is_a_pipe_or_names_one(tmp_path: Path) -> None:
    """A list that is a named pipe, or that names one, does not block the program."""
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(OptionError, match="named pipe"):
        read(tmp_path / "pipe.csv")
    photo(tmp_path / "1.png", 0)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "list.csv").write_text("path,label\n1.png,cat\npipe.png,cat\n")
    verdicts = {one.entry.name: one.usable for one in examine(tmp_path / "list.csv").verdicts}
    assert verdicts == {"1.png": True, "pipe.png": False}


def test_labels_beside_a_folder(tmp_path: Path) -> None:
    """With a flat folder and a list of labels, the photos in the list are used, and the other photos are counted."""
    tree(tmp_path / "photos", "1.png", "2.png", "3.png")
    (tmp_path / "labels.csv").write_text("path,label\nphotos/1.png,cat\nphotos/2.png,dog\n")
    source = read(tmp_path / "photos", tmp_path / "labels.csv")
    assert [entry.label for entry in source.entries] == ["cat", "dog"]
    assert "1 photo " in source.notes[-1]
    (tmp_path / "photos" / "inside").mkdir()
    assert "2 photos of labels.csv are not in" in read(tmp_path / "photos" / "inside", tmp_path / "labels.csv").notes[0]
    with pytest.raises(OptionError, match=r"labels.csv is not a folder; with --labels expected"):
        read(tmp_path / "labels.csv", tmp_path / "labels.csv")


def zipped(path: Path, root: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted(root.rglob("*.*")):
            archive.write(each, prefix + str(each.relative_to(root)))
        archive.writestr("__MACOSX/cat/._1.png", b"x")
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, 99], ids=["traditional", "AES"])
def test_encrypted_zips(tmp_path: Path, method: int) -> None:
    """An encrypted zip gives a one-line error with the reason and the remedy, and no password prompt."""
    archive = zipped(tmp_path / "secret.zip", tree(tmp_path / "photos", "cat/1.png", "dog/2.png"))
    content = bytearray(archive.read_bytes())
    for signature, flags in (
        (b"PK\x03\x04", 6),
        (b"PK\x01\x02", 8),
    ):  # sets the flag in each local header and in each entry of the central directory
        start = -1
        while (start := content.find(signature, start + 1)) >= 0:
            content[start + flags] |= 1
            content[start + flags + 2] = method
    archive.write_bytes(content)
    with pytest.raises(OptionError, match=r"secret.zip: is encrypted; unpack it"), open_source(archive):
        pass


def test_the_name_of_a_photo_for_users(tmp_path: Path) -> None:
    """A photo of a zip has its name inside the zip, because the unpacked file is temporary; other photos have their path."""
    root = tree(tmp_path / "photos", "cat/1.png", "dog/2.png")
    with open_source(zipped(tmp_path / "photos.zip", root)) as source:
        assert [source.shown(each) for each in source.entries] == [
            tmp_path / "photos.zip" / name for name in ("cat/1.png", "dog/2.png")
        ]
    folder = read(root)
    assert [folder.shown(each) for each in folder.entries] == [root / "cat/1.png", root / "dog/2.png"]


@pytest.mark.parametrize("prefix", ["", "photos/", "a/b/"])
def test_a_zip_is_a_folder(tmp_path: Path, prefix: str) -> None:
    """A zip gives the same files, classes and hashes as the folder, with or without an enclosing folder, and leaves no file."""
    tree(tmp_path / "photos", "cat/1.png", "dog/2.png", "кот/3.png")
    archive = zipped(tmp_path / "photos.zip", tmp_path / "photos", prefix)
    with open_source(archive) as source:
        assert table(source) == table(read(tmp_path / "photos"))
        folder = source.root
    assert not Path(folder).exists()
    ours, theirs = examine(archive), examine(tmp_path / "photos")
    assert [one.pixels_sha256 for one in ours.verdicts] == [one.pixels_sha256 for one in theirs.verdicts]


def member(name: str, mode: int = 0, flags: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.flag_bits |= flags
    return info


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (member("../out.png"), "points outside"),
        (member("cat/../../out.png"), "points outside"),
        (member("/etc/out.png"), "points outside"),
        (member("C:/out.png"), "points outside"),
        (member("..\\out.png"), "points outside"),
        (member("cat/link.png", stat.S_IFLNK | 0o777), "link or device"),
        (member("cat/pipe.png", stat.S_IFIFO | 0o777), "link or device"),
    ],
)
def test_zips_that_are_refused(tmp_path: Path, info: zipfile.ZipInfo, reason: str) -> None:
    """A zip whose members would write or read outside its folder is refused, and nothing is unpacked."""
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr(info, b"/etc/passwd")
    with pytest.raises(OptionError, match=reason), open_source(tmp_path / "bad.zip"):
        pytest.fail("opened")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.zip"]


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A zip that unpacks to far more than its size, or holds too many files, is refused before it is unpacked."""
    monkeypatch.setattr("godeeper.photos.sources.zip_archive.FREE", 1 << 20)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/zeros.png", bytes(1 << 24))
    with pytest.raises(OptionError, match="too much for photos"):
        read(tmp_path / "bomb.zip")
    monkeypatch.setattr("godeeper.photos.sources.zip_archive.MOST_FILES", 0)
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        archive.writestr("cat/1.png", b"x")
    with pytest.raises(OptionError, match="too much for photos"):
        read(tmp_path / "many.zip")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("a.tar", "only zip"), ("a.tar.gz", "only zip"), ("a.jpg", "is a file"), ("gone.zip", "no such zip")],
)
def test_other_files(tmp_path: Path, name: str, reason: str) -> None:
    """Other archives and files are refused with one line that lists the accepted formats."""
    if not name.startswith("gone"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(OptionError, match=reason):
        read(tmp_path / name)


def test_fuzzed_lists_and_zips(tmp_path: Path) -> None:
    """Damaged zips are read or refused with a one-line error, with no other exception and no files left."""
    tree(tmp_path / "photos", "cat/1.png", "dog/2.png")
    good = zipped(tmp_path / "good.zip", tmp_path / "photos").read_bytes()
    text = b'path,label,group,split\nphotos/cat/1.png,cat,"a ""b""",train\r\nphotos/dog/2.png;dog;;\n'
    deal = random.Random(11)
    for kind, start in [("zip", good), ("csv", text)] * 400:
        broken = bytearray(start)
        for _ in range(deal.randint(1, 6)):
            place = deal.randrange(len(broken))
            choice = deal.random()
            if choice < 0.5:
                broken[place] = deal.randrange(256)
            elif choice < 0.75:
                del broken[place : place + deal.randint(1, 40)]
            else:
                broken[place:place] = deal.choice([b"\0", b"\n", b'"', b",", b"\xff", b"PK\x05\x06", b"../"])
        path = tmp_path / f"case.{kind}"
        path.write_bytes(bytes(broken) or b"x")
        with suppress(GodeeperError):
            read(path)
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "good.zip", "case.zip", "case.csv"}


def test_names_in_other_encodings(tmp_path: Path) -> None:
    """Names in UTF-8 are decoded even if the program that made the zip did not mark them as UTF-8."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("cat/KOT__.png", b"x")
    (tmp_path / "a.zip").write_bytes(buffer.getvalue().replace(b"KOT__", "é€".encode()))
    with unzipped(tmp_path / "a.zip") as folder:
        assert [path.name for path in folder.rglob("*.png")] == ["é€.png"]


def test_empty_class_folders(tmp_path: Path) -> None:
    """Thousands of empty class folders get one note; hidden folders, and folders with files or folders, get none."""
    tree(tmp_path, "cat/1.png", "dog/a/2.png")
    for number in range(2000):
        (tmp_path / "more" / f"e{number}").mkdir(parents=True)
    (tmp_path / "cat" / ".thumbs").mkdir()
    notes = read(tmp_path).notes
    assert notes == ("empty folders, which are not classes: more/e0, more/e1, more/e2, more/e3, more/e4 and 1995 more",)
    assert not read(tmp_path / "cat").notes


def test_pictures_of_ours_are_not_photos(tmp_path: Path) -> None:
    """Pictures that godeeper wrote among the photos are not used for training, but edited ones are."""
    tree(tmp_path, "cat/1.png", "dog/2.png")
    notes = PngImagePlugin.PngInfo()
    notes.add_itxt("Software", "godeeper 1.0")
    with Image.open(tmp_path / "cat/1.png") as image:
        image.rotate(90).save(tmp_path / "cat/1.cat.evidence.png", pnginfo=notes)
        image.rotate(180).save(tmp_path / "cat/edited.png")
    unusable = {one.entry.name: one.reasons for one in examine(tmp_path).verdicts if not one.usable}
    assert list(unusable) == ["cat/1.cat.evidence.png"]
    assert "godeeper drew" in unusable["cat/1.cat.evidence.png"][0]


def test_long_cells_are_cut(tmp_path: Path) -> None:
    """The error for a list with long cells is one readable line."""
    (tmp_path / "list.csv").write_text("path,label\n" + f"{'a' * 9000},cat\n{'a' * 9000},\n" * 1000)
    with pytest.raises(OptionError) as caught:
        read(tmp_path / "list.csv")
    assert len(str(caught.value)) < 600 + len(str(tmp_path))
    assert "and 1997 more lines" in str(caught.value)
