"""Detect truncated PNG, TIFF, WebP and AVIF files that Pillow decodes without an error, with black or invented pixels.

PNG: image data that end early.  TIFF: strips that were never written, and damaged JPEG strips.  WebP and AVIF: data that
end with zeros.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from .embedded import boxes, png_chunks
from .jpeg import LOST, components, first_warning

if TYPE_CHECKING:
    from PIL import Image

NEVER_WRITTEN = bytes(64)
"""Compressed data never end with this many zeros, so the end of such a file was not written."""
STRIPS, TILES, JPEG_TABLES, COMPRESSION, JPEG = (273, 279), (324, 325), 347, 259, 7
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""The passes of Adam7: first column, first row, step between columns, step between rows."""
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def check_whole(image: Image.Image, data: bytes) -> None:
    """Raise ``ValueError`` if part of an opened photo's file is missing or damaged; call ``check_rows`` after loading."""
    if image.format == "TIFF":
        check_tiff(getattr(image, "tag_v2", {}), data)
    elif image.format == "WEBP":
        check_end(last_of(data, webp_chunks(data), (b"VP8 ", b"VP8L", b"ANMF")))
    elif image.format == "AVIF":
        check_end(last_of(data, list(boxes(data, 0, len(data))), (b"mdat",)))
    elif image.format == "PNG":
        png_data(data)


def check_end(content: bytes) -> None:
    """Raise ``ValueError`` for compressed data that end with zeros."""
    if content.endswith(NEVER_WRITTEN):
        raise ValueError("it ends with zeros")


def last_of(data: bytes, parts: list[tuple[bytes, int, int]], kinds: tuple[bytes, ...]) -> bytes:
    """The content of the last part whose kind is one of ``kinds``; empty if there is none."""
    places = [(start, end) for kind, start, end in parts if kind in kinds]
    return data[slice(*places[-1])] if places else b""


def webp_chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    """(kind, start, end) of each chunk's content."""
    found, place = [], 12
    while place + 8 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        found.append((data[place : place + 4], place + 8, place + 8 + size))
        place += 8 + size + size % 2
    return found


def check_rows(image: Image.Image, data: bytes) -> None:
    """Raise ``ValueError`` if a PNG's image data are too short for its rows.

    Pillow leaves missing rows black, so the data are counted only if the last row is black or the PNG is interlaced.
    """
    if image.format != "PNG":
        return
    last_row = image.crop((0, image.height - 1, image.width, image.height)).tobytes()
    if image.info.get("interlace") or not last_row.strip(b"\0"):
        expected = png_size(data)
        held = len(zlib.decompressobj().decompress(png_data(data), expected))
        if held < expected:
            raise ValueError(f"its image data hold {held} of {expected} bytes")


def png_data(data: bytes) -> bytes:
    """The compressed image data; raises ``ValueError`` if a chunk does not match its checksum."""
    parts: list[bytes] = []
    for kind, start, end in png_chunks(data):
        if kind == b"IDAT":
            if zlib.crc32(data[start - 4 : end]) != int.from_bytes(data[end : end + 4]):
                raise ValueError("its image data do not match their checksum")
            parts.append(data[start:end])
        elif parts:
            break
    return b"".join(parts)


def png_size(data: bytes) -> int:
    """The number of bytes that the image data decompress to."""
    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    bits = data[24] * CHANNELS[data[25]]
    passes = PASSES if data[28] else ((0, 0, 1, 1),)
    sizes = ((-(-(width - left) // across), -(-(height - top) // down)) for left, top, across, down in passes)
    return sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in sizes if columns > 0 and rows > 0)


def check_tiff(tags: Any, data: bytes) -> None:
    """Raise ``ValueError`` if a strip or tile is not in the file, or is a damaged JPEG."""
    places, lengths = next(
        ((tags[places], tags.get(lengths, ())) for places, lengths in (STRIPS, TILES) if places in tags), ((), ())
    )
    if not all(places):
        raise ValueError("a part of it was never written")
    if len(places) < parts_expected(tags):
        raise ValueError(f"it has {len(places)} of {parts_expected(tags)} parts")
    if tags.get(COMPRESSION) == JPEG:
        tables = tags.get(JPEG_TABLES, b"")
        for place, length in zip(places, lengths, strict=False):
            check_jpeg_part(tables, data[place : place + length])


def parts_expected(tags: Any) -> int:
    """The number of strips that the rows need; 1 if there are tiles."""
    rows = tags.get(278, 0)
    return -(-tags.get(257, 0) // rows) if rows and STRIPS[0] in tags else 1


def check_jpeg_part(tables: bytes, part: bytes) -> None:
    """Raise ``ValueError`` for a damaged JPEG strip or tile; ``tables``: the JPEG tables that TIFF stores separately."""
    whole = tables[:-2] + part[2:] if tables else part
    warning = first_warning(whole, "CMYK" if components(whole) == 4 else "GRAY")
    if warning and any(words in warning.lower() for words in (*LOST, "extraneous bytes")):
        raise ValueError(warning)
