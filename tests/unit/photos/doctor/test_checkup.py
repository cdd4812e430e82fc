"""Every file gets a diagnosis: deliberate faults are found, and no file stops the check of the others."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from PIL import Image, features

from godeeper.errors import OptionError, PhotoError
from godeeper.files import open_regular
from godeeper.photos import opening
from godeeper.photos.decode import decode
from godeeper.photos.doctor import inspection
from godeeper.photos.doctor.checkup import Checkup, Diagnosis, examine

from ..scenes import jpeg, scene, shot_at, write


def verdict_on(checkup: Checkup, name: str) -> Diagnosis:
    (found,) = [verdict for verdict in checkup.verdicts if verdict.entry.name == name]
    return found


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: bytes, depth: int = 8) -> bytes:
    """Return a PNG of RGB pixels whose header states the given size and bit depth."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(scene(3), "JPEG", exif=exif)


def see_through() -> bytes:
    image = scene(3).convert("RGBA")
    image.putalpha(128)
    return encoded(image, "PNG")


def deep_grey() -> bytes:
    return encoded(Image.fromarray(np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)), "PNG")


REPAIRED: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "wrong extension": ("1.png", lambda: encoded(scene(3), "JPEG"), "named .png, but it is JPEG"),
    "no photo's extension": ("1.txt", lambda: encoded(scene(3), "JPEG"), "named .txt, but it is JPEG"),
    "no extension": ("1", lambda: encoded(scene(3), "JPEG"), "named without a suffix, but it is JPEG"),
    "JPEG called HEIC": ("1.heic", lambda: encoded(scene(3), "JPEG"), "named .heic, but it is JPEG"),
    "EXIF-rotated": ("1.jpg", turned, "turned upright (EXIF orientation 6)"),
    "CMYK": ("1.jpg", lambda: encoded(scene(3).convert("CMYK"), "JPEG"), "CMYK without a usable profile"),
    "16-bit grey": ("1.png", deep_grey, "16 bits rounded to 8"),
    "16-bit colour": ("1.png", lambda: png(4, 4, b"".join(b"\0" + bytes(range(24)) for _ in range(4)), 16), "16 bits"),
    "alpha": ("1.png", see_through, "transparent parts laid over white"),
    "animated": (
        "1.gif",
        lambda: encoded(scene(3), "GIF", save_all=True, append_images=[scene(4)]),
        "first of 2 frames",
    ),
}

QUARANTINED: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "truncated": ("1.jpg", lambda: encoded(scene(3), "JPEG")[:-600], "damaged or cut short"),
    "truncated header": ("1.png", lambda: encoded(scene(3), "PNG")[:20], "damaged"),
    "empty": ("1.jpg", lambda: b"", "the file is empty"),
    "web page": ("1.jpg", lambda: b"<html>404</html>", "web page"),
    "text": ("1.jpg", lambda: b"not found", "looks like text"),
    "HEIC": ("1.heic", lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64), "HEIC"),
    "bomb": ("1.png", lambda: png(100_000, 100_000, b"\0"), "megapixels"),
    "bomb without a photo's name": ("1.bin", lambda: png(100_000, 100_000, b"\0"), "megapixels"),
    "noise": ("1.jpg", lambda: bytes(random.Random(1).randbytes(500)), "not a photo"),
    "drawing": ("1.svg", lambda: b"<svg/>", "not a photo"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of one good photo each."""
    write(tmp_path / "a" / "good.png", scene(1))
    write(tmp_path / "b" / "good.png", scene(2))
    return tmp_path


def test_good_photos_are_used(folder: Path) -> None:
    """A good photo is used; its diagnosis has the photo's size and hashes, and no reasons."""
    checkup = examine(folder)
    assert [(verdict.status, verdict.reasons, verdict.size) for verdict in checkup.verdicts] == [
        ("used", (), (160, 120)),
        ("used", (), (160, 120)),
    ]
    assert (checkup.classes, checkup.notes, len(checkup.groups)) == (("a", "b"), (), 2)


@pytest.mark.parametrize("fault", REPAIRED)
def test_repaired(folder: Path, fault: str) -> None:
    """Repairable photos are used, and the repair is the reason."""
    name, make, reason = REPAIRED[fault]
    (folder / "a" / name).write_bytes(make())
    verdict = verdict_on(examine(folder), f"a/{name}")
    assert (verdict.status, verdict.usable, len(verdict.reasons)) == ("repaired", True, 1)
    assert verdict.reasons[0].startswith(reason)


@pytest.mark.parametrize("fault", QUARANTINED)
def test_quarantined(folder: Path, fault: str) -> None:
    """A photo that cannot be read completely is quarantined with a one-line reason, and the others are used."""
    name, make, reason = QUARANTINED[fault]
    (folder / "a" / name).write_bytes(make())
    checkup = examine(folder)
    verdict = verdict_on(checkup, f"a/{name}")
    assert (verdict.status, verdict.pixels_sha256, verdict.size) == ("quarantined", None, None)
    assert reason in verdict.reasons[0]
    assert str(folder) not in verdict.reasons[0]
    assert "\n" not in verdict.reasons[0]
    assert checkup.counts == {"used": 2, "repaired": 0, "quarantined": 1}


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif(folder: Path) -> None:
    """AVIF is supported like any other format if Pillow can read it."""
    write(folder / "a" / "1.avif", scene(3))
    assert verdict_on(examine(folder), "a/1.avif").status == "used"


def test_unreadable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without permission is quarantined, with the system's reason."""

    def refuse(path: Path) -> BinaryIO:
        if path.name == "secret.jpg":
            raise PermissionError(13, "Permission denied")
        return open_regular(path)

    write(folder / "a" / "secret.jpg", scene(3))
    monkeypatch.setattr(opening, "open_regular", refuse)
    assert verdict_on(examine(folder), "a/secret.jpg").reasons == ("cannot read it (Permission denied)",)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    """A pipe with a photo's extension is quarantined, and any other pipe is ignored; neither pipe is read."""
    os.mkfifo(folder / "a" / "pipe.jpg")
    os.mkfifo(folder / "a" / "pipe")
    checkup = examine(folder)
    assert verdict_on(checkup, "a/pipe.jpg").reasons[0].startswith("is a named pipe")
    assert checkup.others == ("a/pipe",)


def test_a_link_to_nowhere(folder: Path) -> None:
    """A broken link is quarantined."""
    (folder / "a" / "link.jpg").symlink_to(folder / "gone.jpg")
    assert verdict_on(examine(folder), "a/link.jpg").reasons == ("no such file; expected a photo",)


def test_a_decoder_that_fails_in_a_way_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception becomes the file's error, and the other files are checked."""

    def fail(path: Path) -> object:
        if path.name == "odd.png":
            raise RecursionError("too\ndeep")
        return decode(path)

    write(folder / "a" / "odd.png", scene(3))
    monkeypatch.setattr(inspection, "decode", fail)
    checkup = examine(folder)
    assert verdict_on(checkup, "a/odd.png").reasons == (
        "cannot be decoded (RecursionError too deep); copy or download it again",
    )
    assert checkup.counts["used"] == 2


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_damage_of_any_kind(folder: Path, format: str) -> None:
    """Files with a few changed bytes are used or refused; none of them stops the doctor."""
    chance = random.Random(format)
    for number in range(40):
        data = bytearray(encoded(scene(number, (40, 30)), format))
        for _ in range(4):
            data[chance.randrange(len(data))] = chance.randrange(256)
        (folder / "a" / f"{number:02}.{format.lower()}").write_bytes(data)
    checkup = examine(folder)
    assert len(checkup.verdicts) == 42
    assert all(verdict.usable or verdict.reasons for verdict in checkup.verdicts)


def test_other_files_are_left_alone(folder: Path) -> None:
    """A file that is neither a photo nor named like a photo has no diagnosis, and is listed in a note."""
    for name in ("labels.txt", "Thumbs.db", ".1.jpg", "clip.mp4"):
        (folder / "a" / name).write_bytes(b"something")
    checkup = examine(folder)
    assert checkup.others == ("a/.1.jpg", "a/Thumbs.db", "a/clip.mp4", "a/labels.txt")
    assert checkup.notes == ("ignored, not photos: a/.1.jpg, a/Thumbs.db, a/clip.mp4, a/labels.txt",)
    assert checkup.counts == {"used": 2, "repaired": 0, "quarantined": 0}


def test_photos_without_a_class(folder: Path) -> None:
    """A photo directly in the folder has no class, and is quarantined."""
    write(folder / "loose.png", scene(3))
    verdict = verdict_on(examine(folder), "loose.png")
    assert verdict.status == "quarantined"
    assert verdict.reasons == ("has no class: move it into a folder named after its class",)


def test_duplicates_in_a_class(folder: Path) -> None:
    """If files of one class have the same pixels, even in different formats, only the first is used."""
    write(folder / "a" / "same.tiff", scene(1))
    checkup = examine(folder)
    assert verdict_on(checkup, "a/good.png").status == "used"
    assert verdict_on(checkup, "a/same.tiff").reasons == ("same pixels as a/good.png",)


def test_duplicates_across_classes(folder: Path) -> None:
    """If photos of two classes have the same pixels, neither is used, and each reason names the other photo."""
    write(folder / "b" / "same.png", scene(1))
    checkup = examine(folder)
    assert verdict_on(checkup, "a/good.png").reasons == ("also in class 'b': b/same.png; keep it in one class",)
    assert verdict_on(checkup, "b/same.png").reasons == ("also in class 'a': a/good.png; keep it in one class",)
    assert checkup.classes == ("b",)
    assert "class 'a' has no usable photo" in checkup.notes


def test_near_duplicates_are_used_and_grouped(folder: Path) -> None:
    """A recompressed copy is used and put into the group of its original; a copy in another class gets a note."""
    write(folder / "a" / "near.png", jpeg(scene(1), 40))
    write(folder / "b" / "near.png", jpeg(scene(1), 60))
    checkup = examine(folder)
    names = ["a/good.png", "a/near.png", "b/near.png"]
    assert [[verdict.entry.name for verdict in each] for each in checkup.alike] == [names]
    assert checkup.notes == (f"near-duplicates in several classes: {', '.join(names)}",)
    assert {verdict.status for verdict in checkup.verdicts} == {"used"}


def test_bursts_are_grouped(folder: Path) -> None:
    """Similar photos that one camera took at one moment form one group."""
    for number in range(3):
        image = scene(5)
        image.paste(scene(50 + number, (30, 40)), (20 + 40 * number, 40))
        write(folder / "a" / f"burst{number}.jpg", image, exif=shot_at(number), quality=90)
    (burst,) = examine(folder).alike
    assert [verdict.entry.path.name for verdict in burst] == ["burst0.jpg", "burst1.jpg", "burst2.jpg"]


def test_nohash_names_are_one_group(folder: Path) -> None:
    """In each class, files whose names are equal up to ``_nohash_`` form one group."""
    for number, name in enumerate(("a/x_nohash_1.png", "a/x_nohash_2.png", "b/x_nohash_1.png", "a/x.png")):
        write(folder / name, scene(10 + number))
    (group,) = examine(folder).alike
    assert [verdict.entry.name for verdict in group] == ["a/x_nohash_1.png", "a/x_nohash_2.png"]


@pytest.mark.parametrize(
    "labels",
    [("Cars", "cars"), ("Parked Cars", "parked_cars"), ("café", "cafe\u0301"), ("a/B", "a/b"), ("STRASSE", "straße")],
)
def test_class_names_that_look_alike(tmp_path: Path, labels: tuple[str, str]) -> None:
    """Names that differ only by case, kind of space or Unicode composition get a warning, and are never merged."""
    for number, label in enumerate(labels):
        write(tmp_path / label / "1.png", scene(number))
    checkup = examine(tmp_path)
    assert checkup.classes == tuple(sorted(labels))
    (note,) = checkup.notes
    assert note.startswith("classes ")
    assert all(repr(label) in note for label in labels)


def test_different_class_names_are_not_warned_of(tmp_path: Path) -> None:
    """Names in different scripts or at different levels are different."""
    labels = ("Parked Cars", "кошки", "猫", "a/b", "a", "ab")
    for number, label in enumerate(labels):
        write(tmp_path / label / "1.png", scene(number))
    checkup = examine(tmp_path)
    assert (checkup.classes, checkup.notes) == (tuple(sorted(labels)), ())


def test_one_class(tmp_path: Path) -> None:
    """A folder with a single class gets a note, not an error."""
    write(tmp_path / "a" / "1.png", scene(1))
    assert examine(tmp_path).notes == ("there is only one class, 'a'; training needs two",)


def test_no_photo(tmp_path: Path) -> None:
    """A folder without photos is an error of one line."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("nothing")
    with pytest.raises(
        PhotoError, match="contains no photos; expected a folder with one folder of photos for each class"
    ):
        examine(tmp_path)


def test_no_folder(tmp_path: Path) -> None:
    """A missing folder is an error of one line."""
    with pytest.raises(OptionError, match="No such file"):
        examine(tmp_path / "nowhere")


def test_record_is_json(folder: Path) -> None:
    """The record is complete, and unchanged after a round trip through JSON."""
    write(folder / "a" / "near.png", jpeg(scene(1), 40))
    (folder / "a" / "empty.jpg").touch()
    record = examine(folder).record()
    assert json.loads(json.dumps(record)) == record
    assert record["photos"] == {"used": 3, "repaired": 0, "quarantined": 1}
    assert record["classes"] == {"a": 2, "b": 1}
    assert record["near_duplicates"] == [["a/good.png", "a/near.png"]]
    assert list(record["files"][0]) == [
        "file", "class", "status", "reasons", "remarks", "size", "pixels_sha256", "fingerprint", "group", "set",
    ]  # fmt: skip


def test_progress_counts_every_file(folder: Path) -> None:
    """Progress counts from one to the number of files, one file at a time."""
    calls: list[tuple[int, int]] = []
    examine(folder, lambda done, total: calls.append((done, total)))
    assert calls == [(1, 2), (2, 2)]


def test_two_checkups_are_the_same(folder: Path) -> None:
    """Two checkups of a folder give the same result, whatever the timing of the threads."""
    for number in range(40):
        write(folder / "a" / f"{number}.jpg", scene(number // 2, (64, 48)), quality=50 + number)
    assert examine(folder) == examine(folder)


def test_a_stop_leaves_no_threads(folder: Path) -> None:
    """An exception such as Ctrl-C ends the checkup at once."""
    for number in range(30):
        write(folder / "a" / f"{number}.png", scene(number, (40, 30)))

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine(folder, stop)
