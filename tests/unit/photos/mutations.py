"""Small photos of every format on the list, and mutations of them; the same seed makes the same bytes."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from functools import cache

import numpy as np
from PIL import Image

SAVED: tuple[tuple[str, str, str, dict[str, object]], ...] = (
    ("JPEG", "RGB", "JPEG", {}),
    ("progressive JPEG", "RGB", "JPEG", {"progressive": True}),
    ("CMYK JPEG", "CMYK", "JPEG", {}),
    ("PNG", "RGBA", "PNG", {}),
    ("palette PNG", "P", "PNG", {}),
    ("WebP", "RGBA", "WEBP", {"lossless": True}),
    ("GIF", "P", "GIF", {}),
    ("TIFF", "RGB", "TIFF", {}),
    ("LZW TIFF", "RGB", "TIFF", {"compression": "tiff_lzw"}),
    ("JPEG in TIFF", "RGB", "TIFF", {"compression": "jpeg"}),
    ("BMP", "RGB", "BMP", {}),
    ("AVIF", "RGB", "AVIF", {"speed": 10}),
    ("JPEG 2000", "RGB", "JPEG2000", {}),
    ("PPM", "RGB", "PPM", {}),
)
INTERESTING = (0, 1, 127, 128, 255)


@cache
def seeds() -> tuple[tuple[str, bytes], ...]:
    """A photo of 24 x 16 pixels in every way, with EXIF where the format has it."""
    pixels = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    found = []
    for name, mode, kind, options in SAVED:
        buffer = io.BytesIO()
        more = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF") else {}
        pixels.convert(mode).save(buffer, kind, **options, **more)
        found.append((name, buffer.getvalue()))
    return tuple(found)


def cases(count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of so many mutated photos, the formats in turn."""
    chance = random.Random(seed)
    for number in range(count):
        name, good = seeds()[number % len(seeds())]
        yield name, mutated(good, chance)


def mutated(good: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, inserted, left out or doubled, most of them near the start, where headers are."""
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
