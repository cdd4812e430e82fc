"""Rare variants of a format are decoded with a note, or refused by name."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from tests.unit.photos.test_odd_files import jpeg

from godeeper.errors import PhotoError
from godeeper.photos.decode import decode


@pytest.mark.parametrize(
    ("marker", "bits", "words"),
    [
        (0xC0, 12, "a JPEG of 12 bits per colour"),
        (0xC1, 12, "a JPEG of 12 bits per colour"),
        (0xC3, 8, "a lossless JPEG"),
        (0xC3, 16, "a lossless JPEG"),
        (0xC5, 8, "a hierarchical JPEG"),
        (0xF7, 8, "a JPEG-LS"),
    ],
)
def test_kinds_of_jpeg_that_the_decoder_does_not_know(marker: int, bits: int, words: str) -> None:
    """The error for a JPEG variant that the decoder does not support names the variant, and does not call the file damaged."""
    data = bytearray(jpeg("baseline"))
    place = data.index(b"\xff\xc0")
    data[place + 1], data[place + 4] = marker, bits
    with pytest.raises(PhotoError, match=f"is {words}, which godeeper does not decode; save it as"):
        decode(bytes(data))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_transparent_grey_of_few_bits(bits: int) -> None:
    """The transparent value is stored in the file's own bit depth, and the pixels are scaled to 8 bits."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    last = 2**bits - 1
    for transparent in {0, 1, last}:
        row = int("".join(f"{value:0{bits}b}" for value in (0, 1, last, 0, 1, last, 0, 1)), 2).to_bytes(bits)
        data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 1, bits, 0, 0, 0, 0))
        data += (
            chunk(b"tRNS", struct.pack(">H", transparent))
            + chunk(b"IDAT", zlib.compress(b"\0" + row))
            + chunk(b"IEND", b"")
        )
        photo = decode(data, background=(9, 99, 199))
        expected = [
            [9, 99, 199] if value == transparent else [value * 255 // last] * 3
            for value in (0, 1, last, 0, 1, last, 0, 1)
        ]
        assert photo.notes == ("transparent parts laid over rgb(9, 99, 199)",)
        np.testing.assert_array_equal(photo.pixels[0], expected)


@pytest.mark.parametrize(("most", "noted"), [(255, False), (65535, True)])
def test_a_ppm_of_16_bits_says_so(most: int, *, noted: bool) -> None:
    """A note says that the colours of a 16-bit PPM are rounded to 8 bits."""
    photo = decode(f"P6 2 1 {most}\n".encode() + bytes(12 if most > 255 else 6))
    assert photo.notes == (("16 bits rounded to 8",) if noted else ())
