"""Detect camera raw files among TIFFs, because decoders would return the small preview in them as the photo.

At most ``MOST_PICTURES`` pictures and ``MOST_TAGS`` tags of each are read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

SUBFILE, OLD_SUBFILE, PHOTOMETRIC, SUB_PICTURES, DNG_VERSION = 254, 255, 262, 330, 50706
REDUCED_BIT, OLD_REDUCED = 1, 2
RAW_PHOTOMETRICS = {32803, 34892}  # of TIFF/EP and DNG: colour filter array, linear raw
MOST_PICTURES, MOST_TAGS = 32, 512
NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # TIFF's integer types -> format characters of ``struct``

Tags = dict[int, tuple[int, ...]]


@dataclass(frozen=True)
class TiffLayout:
    """A TIFF's byte order, and whether the file is a BigTIFF; the properties are ``struct`` formats."""

    order: str
    big: bool

    @property
    def count(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> str:
        return self.order + ("HHQ8s" if self.big else "HHI4s")

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")


def is_raw(data: bytes) -> bool:
    """Whether the TIFF is marked as DNG, holds sensor values, or its first picture is marked as reduced."""
    try:
        pictures = list(walk(data))
    except struct.error:  # damaged: the decoder raises an error
        return False
    if not pictures:
        return False
    first = pictures[0]
    reduced = first.get(SUBFILE, (0,))[0] & REDUCED_BIT or first.get(OLD_SUBFILE, (0,))[0] == OLD_REDUCED
    return bool(
        reduced
        or DNG_VERSION in first
        or any(RAW_PHOTOMETRICS.intersection(tags.get(PHOTOMETRIC, ())) for tags in pictures)
    )


def walk(data: bytes) -> Iterator[Tags]:
    """Yield the integer tags of each picture: the first, then its sub-pictures, then the next."""
    order = "<" if data[:2] == b"II" else ">"
    layout = TiffLayout(order, data[2:4] in (b"+\0", b"\0+"))
    [start] = struct.unpack_from(layout.offset, data, 8 if layout.big else 4)
    waiting, seen = [start], set[int]()
    while waiting and len(seen) < MOST_PICTURES:
        place = waiting.pop(0)
        if not place or place in seen:
            continue
        seen.add(place)
        try:
            tags, following = picture(data, layout, place)
        except struct.error:
            if len(seen) == 1:
                raise
            continue  # a damaged later picture does not matter
        yield tags
        waiting += [*tags.get(SUB_PICTURES, ()), following]


def picture(data: bytes, layout: TiffLayout, place: int) -> tuple[Tags, int]:
    """The integer tags of the picture at an offset, and the offset of the next picture."""
    [count] = struct.unpack_from(layout.count, data, place)
    place += struct.calcsize(layout.count)
    step = struct.calcsize(layout.entry)
    tags: Tags = {}
    for number in range(min(count, MOST_TAGS)):
        tag, kind, length, value = struct.unpack_from(layout.entry, data, place + number * step)
        if kind in NUMBERS and 0 < length <= MOST_PICTURES:
            tags[tag] = numbers(data, layout, f"{length}{NUMBERS[kind]}", value)
        elif tag == DNG_VERSION:
            tags[tag] = ()
    try:
        [following] = struct.unpack_from(layout.offset, data, place + count * step)
    except struct.error:
        following = 0
    return tags, following


def numbers(data: bytes, layout: TiffLayout, form: str, value: bytes) -> tuple[int, ...]:
    """The values of a tag, which are stored in the tag if they fit, and otherwise at the offset that the tag contains."""
    form = layout.order + form
    if struct.calcsize(form) <= len(value):
        return struct.unpack_from(form, value)
    [place] = struct.unpack(layout.offset, value)
    return struct.unpack_from(form, data, place)
