"""Raw files of cameras are refused, and their embedded preview is not used."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin
from tests.conftest import ROOT

from godeeper.errors import PhotoError
from godeeper.photos.decode import decode
from godeeper.photos.formats import RAW_SUFFIXES
from godeeper.photos.raw import is_raw

DNG = ROOT / "tests" / "data" / "photos" / "photo.dng"


def tiff(tags: dict[int, object] | None = None, pages: int = 1) -> bytes:
    """Return a TIFF of 16x12 pixels whose first page has the additional ``tags``."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in (tags or {}).items():
        info.tagtype[tag] = {50706: 1, 330: 4}.get(tag, 3 if tag == 255 else 4)
        info[tag] = value
    buffer = io.BytesIO()
    image = Image.new("RGB", (16, 12), "red")
    image.save(buffer, "TIFF", tiffinfo=info, save_all=pages > 1, append_images=[image] * (pages - 1))
    return buffer.getvalue()


def entry(order: str, tag: int, value: int, *, big: bool) -> bytes:
    return struct.pack(f"{order}HHQQ" if big else f"{order}HHII", tag, 16 if big else 4, 1, value)


def bare(order: str, first: dict[int, int], second: dict[int, int] | None = None, *, big: bool = False) -> bytes:
    """Return a TIFF that has tags but no pixels, optionally with a SubIFD in the first picture."""
    width, count = ("Q", "Q") if big else ("I", "H")
    mark = b"II" if order == "<" else b"MM"
    header = mark + (struct.pack(f"{order}HHHQ", 43, 8, 0, 16) if big else struct.pack(f"{order}HI", 42, 8))
    size = struct.calcsize(f"{order}{count}{width}") + 20 * (len(first) + 1) if big else 6 + 12 * (len(first) + 1)
    tags = {**first, 330: len(header) + size if second else 0}
    body = struct.pack(order + count, len(tags)) + b"".join(entry(order, *each, big=big) for each in tags.items())
    body += struct.pack(order + width, 0)
    if second:
        body += struct.pack(order + count, len(second)) + b"".join(
            entry(order, *each, big=big) for each in second.items()
        )
        body += struct.pack(order + width, 0)
    return header + body


@pytest.mark.parametrize("name", ["photo.dng", "photo.nef", "photo.tif", "photo.jpg"])
def test_the_content_decides(tmp_path: Path, name: str) -> None:
    """A raw file is recognised under any name."""
    path = tmp_path / name
    path.write_bytes(DNG.read_bytes())
    with pytest.raises(PhotoError, match="a camera's raw file; export it as JPEG"):
        decode(path)


def test_a_plain_tiff_called_dng_is_a_photo(tmp_path: Path) -> None:
    """A TIFF is a photo even if its name ends in .dng."""
    path = tmp_path / "photo.dng"
    path.write_bytes(tiff())
    assert decode(path).size == (16, 12)


@pytest.mark.parametrize("tags", [{254: 1}, {255: 2}, {50706: b"\1\4\0\0"}])
def test_marked_tiffs(tags: dict[int, object]) -> None:
    """A TIFF is a raw file if one of two tags marks its first picture as reduced, or if it has a DNG version."""
    with pytest.raises(PhotoError, match="raw file"):
        decode(tiff(tags))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("photometric", [32803, 34892])
def test_sensor_values(*, order: str, big: bool, photometric: int) -> None:
    """Sensor values in the first picture or its SubIFDs are recognised in both byte orders, in TIFF and in BigTIFF."""
    assert is_raw(bare(order, {262: photometric}, big=big))
    assert is_raw(bare(order, {262: 2}, {262: photometric}, big=big))
    assert not is_raw(bare(order, {262: 2}, {262: 2}, big=big))


def test_several_pages_are_a_photo() -> None:
    """A TIFF with more pages, or with smaller copies after the first picture, is a photo."""
    photo = decode(tiff(pages=3))
    assert photo.notes == ("first of 3 frames",)
    assert decode(tiff({254: 2})).size == (16, 12)


def test_loops_and_damage_end() -> None:
    """Pictures whose links form a loop or lead nowhere are visited at most once."""
    assert not is_raw(bare("<", {262: 2, 330: 8}))
    chance = np.random.default_rng(0)
    good = bytearray(bare("<", {262: 2}, {262: 2}))
    for _ in range(300):
        bad = bytearray(good)
        for place in chance.integers(4, len(bad), 3):
            bad[place] = chance.integers(256)
        is_raw(bytes(bad))


def test_raw_files_in_folders_are_meant_as_photos() -> None:
    """Raw files in folders are listed as refused, and are not skipped."""
    assert {".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".rw2", ".raf"} <= RAW_SUFFIXES
