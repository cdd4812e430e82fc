"""Metadata that Pillow does not read, or that make it refuse a file; they are put into the image's ``info``.

PNG: profiles and texts that decompress to more than Pillow allows, damaged profiles, the code points of a colour space
(cICP), transparent greys of 2 or 4 bits.  JPEG 2000: profiles.  AVIF: code points (nclx).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

MOST_PROFILE = 1 << 24  # bytes; a JPEG cannot hold more
MOST_TEXT = 1 << 20  # bytes of all decompressed texts of a PNG; Pillow refuses a file with a longer text
TEXT_NOTE = "metadata of more than 1 MB ignored"
DROPPED_TEXT = "godeeper_dropped_text"
CODE_POINTS = "cicp"
GREY_STEPS = {"L;2": 85, "L;4": 17}
USUAL_POINTS = ({1, 2, 5, 6}, {1, 2, 6, 13, 14, 15})
"""Primaries and transfer functions of ITU-T H.273 that are treated as sRGB: sRGB itself, unspecified, and television."""
P3_PRIMARIES = 12


def prepared(kind: str, data: bytes) -> tuple[bytes, dict[str, Any]]:
    """The bytes to pass to Pillow, and the metadata that it does not read."""
    if kind == "PNG":
        return prepared_png(data)
    if kind == "JPEG2000":
        profile = jp2_profile(data)
        return data, {} if profile is None else {"icc_profile": profile}
    if kind == "AVIF":
        place = data.find(b"colrnclx", 0, MOST_TEXT)
        points = data[place + 8 : place + 12]
        return data, {CODE_POINTS: (points[1], points[3])} if place >= 0 and len(points) == 4 else {}
    return data, {}


def prepared_png(data: bytes) -> tuple[bytes, dict[str, Any]]:
    """The PNG without the chunks that make Pillow refuse it, and the metadata that Pillow does not read.

    These chunks are damaged profiles, profiles of more than ``MOST_TEXT``, and compressed texts beyond that total.
    """
    found: dict[str, Any] = {}
    room, kept, end_of_kept = MOST_TEXT, [], 0
    for kind, start, end in png_chunks(data):
        drop = False
        if kind == b"iCCP":
            profile = inflated(*named(data[start:end]), MOST_PROFILE)
            drop = profile is None or len(profile) > MOST_TEXT
            found |= {"icc_profile": profile} if drop else {}
        elif kind in (b"zTXt", b"iTXt") and (part := compressed_text(kind, data[start:end])):
            text = inflated(0, part, room)
            drop = text is None
            room -= len(text or b"")
            found |= {DROPPED_TEXT: True} if drop else {}
        elif kind == b"cICP" and end - start == 4:
            found[CODE_POINTS] = (data[start], data[start + 1])
        if drop:
            kept.append(data[end_of_kept : start - 8])
            end_of_kept = end + 4
    return (b"".join([*kept, data[end_of_kept:]]) if kept else data), found


def scale_transparency(image: Image.Image) -> None:
    """Scale the transparent grey of a 2- or 4-bit PNG to 8 bits; Pillow scales only the pixels."""
    grey, tiles = image.info.get("transparency"), getattr(image, "tile", ())
    if image.format == "PNG" and isinstance(grey, int) and tiles:
        image.info["transparency"] = grey * GREY_STEPS.get(str(tiles[0][3]), 1)


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (kind, start, end) of each chunk's content; 8 bytes of length and kind precede it, 4 of checksum follow."""
    place = 8
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4])
        yield data[place + 4 : place + 8], place + 8, end
        place = end + 4


def named(content: bytes) -> tuple[int, bytes]:
    """The compression method and the compressed data of a chunk that starts with a name; (-1, empty) if it has none."""
    rest = content.partition(b"\0")[2]
    return (rest[0], rest[1:]) if rest else (-1, b"")


def compressed_text(kind: bytes, content: bytes) -> bytes:
    """The compressed part of a text chunk; empty if the text is not compressed."""
    method, rest = named(content)
    if kind == b"zTXt":
        return rest
    return rest[1:].split(b"\0", 2)[-1] if method == 1 else b""


def inflated(method: int, part: bytes, most: int) -> bytes | None:
    """The decompressed bytes; None if they are damaged or empty, or more than ``most``."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(part, most + 1) if method == 0 else b""
    except zlib.error:
        return None
    return content if content and len(content) <= most else None


def jp2_profile(data: bytes) -> bytes | None:
    """The ICC profile in the header box of a JPEG 2000 file; None if there is none."""
    for kind, start, end in boxes(data, 0, len(data)):
        if kind == b"jp2h":
            colours = (data[a:b] for inner, a, b in boxes(data, start, end) if inner == b"colr")
            return next((content[3:] for content in colours if content[:1] in (b"\2", b"\3")), None)
    return None


def boxes(data: bytes, place: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (kind, start, end) of the content of each ISO media box between the offsets ``place`` and ``end``."""
    while place + 8 <= end:
        size, head = int.from_bytes(data[place : place + 4]), 8
        if size == 1:
            size, head = int.from_bytes(data[place + 8 : place + 16]), 16
        size = size or end - place
        if size < head:
            return
        yield data[place + 4 : place + 8], place + head, min(place + size, end)
        place += size


def is_usual(points: tuple[int, int]) -> bool:
    """Whether the primaries and the transfer function are treated as sRGB's."""
    return points[0] in USUAL_POINTS[0] and points[1] in USUAL_POINTS[1]


def is_display_p3(points: tuple[int, int]) -> bool:
    """Whether the primaries are Display P3's and the transfer function is treated as sRGB's."""
    return points[0] == P3_PRIMARIES and points[1] in USUAL_POINTS[1]
