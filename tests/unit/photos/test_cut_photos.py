"""Incomplete photos in formats other than JPEG are refused, even where Pillow would fill them with black."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.unit.photos.test_damaged_jpeg import PIXELS

from godeeper.errors import PhotoError
from godeeper.photos.decode import decode
from godeeper.photos.truncation import png_size

if TYPE_CHECKING:
    from PIL import Image

FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "PNG": ("PNG", {}),
    "WebP": ("WEBP", {}),
    "lossless WebP": ("WEBP", {"lossless": True}),
    "GIF": ("GIF", {}),
    "TIFF": ("TIFF", {"tiffinfo": {278: 16}}),
    "LZW TIFF": ("TIFF", {"compression": "tiff_lzw"}),
    "JPEG in TIFF": ("TIFF", {"compression": "jpeg"}),
    "BMP": ("BMP", {}),
    "AVIF": ("AVIF", {"speed": 10}),
    "JPEG 2000": ("JPEG2000", {}),
    "PPM": ("PPM", {}),
}
UNPACKED = {"TIFF", "BMP", "PPM"}  # in these formats, zeros are valid black pixels


def encoded(name: str, image: Image.Image = PIXELS) -> bytes:
    kind, options = FORMATS[name]
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def refused(data: bytes) -> None:
    with pytest.raises(PhotoError, match=r"x: the photo.* damaged .*; copy or download it again") as raised:
        decode(data, name="x")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_cut(name: str, share: float) -> None:
    """A truncated file is refused, with or without zeros that fill it up to its original length."""
    data = encoded(name)
    assert not [note for note in decode(data).notes if "damaged" in note]
    cut = data[: int(len(data) * share)]
    refused(cut)
    if name not in UNPACKED:
        refused(cut + bytes(len(data) - len(cut)))


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in (*chunks, (b"IEND", b""))
    )


def header(width: int, height: int, depth: int, colour: int, interlaced: int = 0) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)


@pytest.mark.parametrize(("depth", "colour"), [(1, 0), (8, 0), (16, 0), (8, 2), (16, 2), (8, 4), (8, 6), (4, 3)])
@pytest.mark.parametrize("interlaced", [0, 1])
def test_png_whose_data_end_early(depth: int, colour: int, interlaced: int) -> None:
    """A PNG with correct checksums but missing rows is refused."""
    width, height = 13, 11
    start = header(width, height, depth, colour, interlaced)
    palette = [(b"PLTE", bytes(48))] if colour == 3 else []
    size = png_size(png(start))
    rows = bytes(size)  # rows without a filter, all black: a PNG in which nothing is missing
    decode(png(start, *palette, (b"IDAT", zlib.compress(rows))))
    for held in (size // 3, size - 2 * width):
        refused(png(start, *palette, (b"IDAT", zlib.compress(rows[: max(1, held)]))))


def test_png_sums() -> None:
    """A wrong checksum, a missing chunk, and shortened chunks with an intact end are refused."""
    data = encoded("PNG")
    place = data.index(b"IDAT") + 4
    content = data[place : place + int.from_bytes(data[place - 8 : place - 4])]
    start = header(*PIXELS.size, 8, 2)
    parts = [(b"IDAT", content[at : at + 5000]) for at in range(0, len(content), 5000)]
    np.testing.assert_array_equal(decode(png(start, *parts)).pixels, np.asarray(PIXELS))
    refused(png(start, *parts[:1], *parts[2:]))
    refused(png(start, *parts[:-1]))
    refused(png(start, (b"IDAT", content[: len(content) // 2])))
    refused(png(start))
    whole = bytearray(png(start, *parts))
    whole[-13] ^= 1
    refused(bytes(whole))


def tag_places(data: bytes) -> dict[int, int]:
    """Return the offset of each tag of a little-endian TIFF."""
    place = struct.unpack("<I", data[4:8])[0]
    count = struct.unpack("<H", data[place : place + 2])[0]
    starts = range(place + 2, place + 2 + 12 * count, 12)
    return {struct.unpack("<H", data[start : start + 2])[0]: start for start in starts}


@pytest.mark.parametrize("name", ["TIFF", "LZW TIFF", "JPEG in TIFF"])
def test_tiff_with_missing_strips(name: str) -> None:
    """A TIFF is refused if a strip has no offset, or if there are fewer strips than the rows need."""
    with_strips = encoded(name, PIXELS.resize((640, 480)))
    start = tag_places(with_strips)[273]
    count, offset = struct.unpack("<II", with_strips[start + 4 : start + 12])
    assert count > 1
    data = bytearray(with_strips)
    data[offset + 4 : offset + 8] = bytes(4)
    refused(bytes(data))
    data = bytearray(with_strips)
    data[start + 4 : start + 8] = (count - 1).to_bytes(4, "little")
    refused(bytes(data))


def test_a_damaged_jpeg_in_a_tiff() -> None:
    """A TIFF with a damaged JPEG is refused, although libtiff fills the gap with grey and Pillow misses the warning."""
    data = bytearray(encoded("JPEG in TIFF"))
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    refused(bytes(data))


@pytest.mark.parametrize(
    "data", [b"P3 4 4 255 " + b"1 2 3 " * 10, b"P1 8 8 " + b"1 0 " * 20, b"P5 8 8 65535 " + b"1 0 " * 20]
)
def test_too_few_numbers(data: bytes) -> None:
    """PPM, PBM and 16-bit PGM with too few values are refused."""
    refused(data)


def test_a_gif_with_too_few_pixels() -> None:
    """A GIF whose frame is higher than its data is refused."""
    data = bytearray(encoded("GIF"))
    frame = data.index(b"\x2c", 13 + 768)
    data[frame + 7 : frame + 9] = data[8:10] = (400).to_bytes(2, "little")
    refused(bytes(data))
