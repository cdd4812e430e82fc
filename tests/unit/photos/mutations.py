"""Small photos of every supported format, and mutations of them; the same seed gives the same bytes.

Most mutated PNGs get correct checksums, because a decoder refuses a wrong checksum before it reads the changed bytes.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from functools import cache

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from godeeper.photos.truncation import PASSES

SAVED: tuple[tuple[str, str, str, dict[str, object]], ...] = (
    ("JPEG", "RGB", "JPEG", {}),
    ("progressive JPEG", "RGB", "JPEG", {"progressive": True}),
    ("CMYK JPEG", "CMYK", "JPEG", {}),
    ("grey JPEG with restarts", "L", "JPEG", {"restart_marker_blocks": 1}),
    ("PNG", "RGBA", "PNG", {}),
    ("PNG of many chunks", "RGB", "PNG", {}),
    ("grey PNG of 16 bits", "I;16", "PNG", {}),
    ("palette PNG", "P", "PNG", {}),
    ("PNG of 1 bit", "1", "PNG", {}),
    ("lossless WebP", "RGBA", "WEBP", {"lossless": True}),
    ("lossy WebP", "RGB", "WEBP", {}),
    ("GIF", "P", "GIF", {}),
    ("TIFF", "RGB", "TIFF", {}),
    ("LZW TIFF", "RGB", "TIFF", {"compression": "tiff_lzw"}),
    ("JPEG in TIFF", "RGB", "TIFF", {"compression": "jpeg"}),
    ("bilevel TIFF", "1", "TIFF", {"compression": "group4"}),
    ("TIFF of 16 bits", "I;16", "TIFF", {"compression": "tiff_adobe_deflate"}),
    ("BMP", "RGB", "BMP", {}),
    ("palette BMP", "P", "BMP", {}),
    ("AVIF", "RGB", "AVIF", {"speed": 10}),
    ("JPEG 2000", "RGB", "JPEG2000", {}),
    ("JPEG 2000 of tiles", "L", "JPEG2000", {"tile_size": (8, 8)}),
    ("JPEG 2000 without a container", "RGB", "JPEG2000", {"no_jp2": True}),
    ("PPM", "RGB", "PPM", {}),
    ("PBM", "1", "PPM", {}),
)
INTERESTING = (0, 1, 127, 128, 255)
PNG_START = b"\x89PNG\r\n\x1a\n"


@cache
def seeds() -> tuple[tuple[str, bytes], ...]:
    """Return (name, bytes) of a photo of 24 x 16 pixels in every format and variant, with EXIF where the format has it."""
    pixels = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    found = []
    for name, mode, kind, options in SAVED:
        buffer = io.BytesIO()
        more: dict[str, object] = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF") else {}
        more |= many_chunks() if name == "PNG of many chunks" else {}
        converted(pixels, mode).save(buffer, kind, **options, **more)
        found.append((name, buffer.getvalue()))
    return (*found, ("interlaced PNG", interlaced()))


def converted(pixels: Image.Image, mode: str) -> Image.Image:
    """Return the picture in another mode; Pillow itself does not convert to 16 bits."""
    if mode == "I;16":
        return Image.fromarray(np.asarray(pixels.convert("L")).astype(np.uint16) * 257)
    return pixels.convert(mode)


def interlaced() -> bytes:
    """Return a PNG of one colour in seven passes, which Pillow does not write."""
    rows = b"".join(
        (b"\0" + bytes([77, 150, 200]) * len(range(left, 24, across))) * len(range(top, 16, down))
        for left, top, across, down in PASSES
    )
    header = struct.pack(">IIBBBBB", 24, 16, 8, 2, 0, 0, 1)
    return PNG_START + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def many_chunks() -> dict[str, object]:
    """Return options for saving a PNG with a profile, colour metadata, a transparent colour, and plain and compressed texts."""
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"gAMA", struct.pack(">I", 100_000))
    chunks.add(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
    chunks.add(b"cICP", bytes([12, 13, 0, 1]))
    chunks.add_text("Title", "grey", zip=True)
    chunks.add_itxt("Comment", "a photo", "en", "Kommentar", zip=True)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    return {"pnginfo": chunks, "icc_profile": profile, "transparency": (1, 2, 3), "dpi": (72, 72)}


def cases(count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of ``count`` mutated photos; the formats take turns."""
    chance = random.Random(seed)
    for number in range(count):
        name, good = seeds()[number % len(seeds())]
        yield name, mutated(good, chance)


def mutated(good: bytes, chance: random.Random) -> bytes:
    """Return a mutated file.  PNGs are changed in one of three ways: like other files, with new checksums, or inside a chunk."""
    way = chance.randrange(3) if good.startswith(PNG_START) else 0
    if way == 2:
        return inside_chunks(good, chance)
    data = changed(good, chance)
    return sealed(data) if way else data


def changed(good: bytes, chance: random.Random) -> bytes:
    """Return the file with some bytes changed, inserted, deleted or duplicated, mostly near the start, where headers are."""
    data = bytearray(good)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        if not data:
            break
        place = chance.randrange(min(len(data), chance.choice((64, 256, len(data)))))
        match chance.randrange(6):
            case 0:
                data[place] ^= 1 << chance.randrange(8)
            case 1:
                data[place] = chance.choice(INTERESTING)
            case 2:
                data[place] = chance.randrange(256)
            case 3:
                del data[place : place + chance.choice((1, 2, 16, len(data)))]
            case 4:
                data[place:place] = data[place : place + chance.randrange(1, 32)]
            case _:
                data[place : place + 4] = chance.choice(
                    (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x01", b"\x7f\xff\xff\xff")
                )
    return bytes(data)


def sealed(data: bytes) -> bytes:
    """Return the same PNG with correct checksums of all chunks."""
    whole, place = bytearray(data), len(PNG_START)
    while place + 12 <= len(whole):
        end = place + 8 + int.from_bytes(whole[place : place + 4])
        if end + 4 > len(whole):
            break
        whole[end : end + 4] = zlib.crc32(whole[place + 4 : end]).to_bytes(4)
        place = end + 4
    return bytes(whole)


def inside_chunks(good: bytes, chance: random.Random) -> bytes:
    """Return the PNG with one chunk changed, doubled, moved or left out, with correct lengths and checksums.

    Half of the changes to pixels, profiles and compressed texts are made to the uncompressed data.
    """
    chunks = split(good)
    which = chance.randrange(len(chunks))
    kind, content = chunks.pop(which)
    match chance.randrange(8):
        case 0:
            chunks.insert(chance.randrange(len(chunks) + 1), (kind, content))
        case 1:
            chunks[which:which] = [(kind, content)] * chance.choice((2, 2, 50))
        case 2:
            pass
        case _:
            chunks.insert(which, (kind, changed_content(content, chance)))
    return PNG_START + b"".join(chunk(*each) for each in chunks)


def changed_content(content: bytes, chance: random.Random) -> bytes:
    """Return a chunk's content with some bytes changed, either in compressed or in uncompressed form."""
    start = content.find(b"\x78")  # the first byte of a compressed stream, with or without text before it
    if start >= 0 and chance.random() < 0.5:
        try:
            unpacked = zlib.decompress(content[start:])
        except zlib.error:
            return changed(content, chance)
        return content[:start] + zlib.compress(changed(unpacked, chance))
    return changed(content, chance)


def split(good: bytes) -> list[tuple[bytes, bytes]]:
    """Return (kind, content) of each chunk of an intact PNG."""
    found, place = [], len(PNG_START)
    while place < len(good):
        end = place + 8 + int.from_bytes(good[place : place + 4])
        found.append((good[place + 4 : place + 8], good[place + 8 : end]))
        place = end + 4
    return found


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG, with its length and checksum."""
    return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)
