"""JPEGs decoded by libjpeg-turbo through simplejpeg, which raises where the decoder had to make up pixels.

Pillow fills what is missing with grey and does not say so, nor does it let one choose the inverse cosine transform.  Here
too: JPEGs that lack only their end marker, and JPEGs decoded as TensorFlow's ``DecodeJpeg`` did in 2015.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from PIL import Image

from ..errors import PhotoError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

END = b"\xff\xd9"
START_OF_SCAN = b"\xff\xda"
SCAN = 0xDA
MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd8]")  # not a scan's own 255, padding, or a marker that has no content
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
LS = 0xF7
UNUSUAL = (
    dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "a lossless JPEG")
    | dict.fromkeys((0xC5, 0xC6, 0xCD, 0xCE), "a hierarchical JPEG")
    | {LS: "a JPEG-LS"}
)
DEEP, SHORTEST_FRAME = {12, 16}, 9  # bits a colour; bytes of a frame of one colour
COEFFICIENTS = 64
APPLICATION = {*range(0xE0, 0xF0), 0xFE}
END_NOTE = "end marker missing, added; every pixel is there"
SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
LOST = ("premature end", "bad huffman code", "bad arithmetic code", "instead of rst", "inconsistent progression")
MOST_SCANS = 64
"""Encoders write about ten; of a photo with four colours at most twenty."""

HARMLESS = ("unknown adobe color transform", "unknown jfif revision", "invalid sos parameters")
LEFT_OVER = re.compile(r"(\d+) extraneous bytes before marker 0x([0-9a-f]{2})")
LEFT_AT_END = "extraneous bytes before marker 0xd9"
HOLE = bytes(32)
"""So many zeros within a scan, where bytes are left over too, are a part of the file that was never written."""


def decode_jpeg(data: bytes, opened: Image.Image, notes: list[str]) -> Image.Image:
    """The pixels of a JPEG that Pillow has opened, at the size it has set; its metadata; notes of harmless flaws.

    The pixels equal Pillow's (``docs/decisions/0027-jpeg-decoder.md``), which decodes the four colours of CMYK itself.

    Raises:
        ValueError: the decoder had to make up pixels.
    """
    mode = opened.mode
    if mode not in SPACES:
        return opened
    least = {"min_width": opened.width, "min_height": opened.height}
    if mode == "CMYK":
        least = {"min_width": 1, "min_height": 1}  # 1/8: its warnings alone are wanted
    pixels = judged(data, SPACES[mode], notes, least)
    if not all_scans(data):
        raise ValueError("scans are missing")
    if mode == "CMYK" or pixels is None:
        return opened
    image = Image.fromarray(pixels[..., 0] if mode == "L" else pixels)
    image.info = dict(opened.info)
    return image


def judged(data: bytes, space: str, notes: list[str], least: dict[str, int]) -> NDArray[np.uint8] | None:
    """Pixels (H, W, C), with a note if there was a harmless warning; None where Pillow has to decode it."""
    try:
        return decoded(data, space, strict=True, **least)
    except ValueError as error:
        warning = str(error)
    if found := LEFT_OVER.search(warning):
        notes.append(left_over(data, found, space))
    elif any(words in warning.lower() for words in HARMLESS):
        second = warned(pixels_only(data), space)
        if second and not any(words in second.lower() for words in HARMLESS):
            raise ValueError(second)
        notes.append(f"odd JPEG header ignored ({warning})")
        return None
    elif any(words in warning.lower() for words in LOST):
        raise ValueError(warning)
    else:
        notes.append("an unusual kind of JPEG, in which missing parts are not found")
        return None
    return decoded(data, space, strict=False, **least)


def decoded(data: bytes, space: str, **options: Any) -> NDArray[np.uint8]:
    """Pixels (H, W, C); raises ``ValueError`` for what libjpeg warns of, if ``strict``."""
    import simplejpeg

    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colorspace=space, **options)
    return pixels


def warned(data: bytes, space: str) -> str | None:
    """What libjpeg warns of first, at 1/8 of the size."""
    try:
        decoded(data, space, strict=True, min_width=1, min_height=1)
    except ValueError as error:
        return str(error)
    return None


def left_over(data: bytes, found: re.Match[str], space: str) -> str:
    """A note of bytes between a scan's last code and its end.  libjpeg reports only its first warning, so they are cut out.

    Raises:
        ValueError: without them pixels are missing, or they are where a part of the file was lost.
    """
    count, marker = int(found[1]), int(found[2], 16)
    end = data.rfind(END) if marker == END[1] else -1
    scan = data[data.rfind(START_OF_SCAN, 0, max(end, 0)) : max(end, 0)]
    if end < 0 or HOLE in scan.rstrip(b"\0"):
        raise ValueError(found.string)
    extra = scan[len(scan) - count :]
    kept = data[:end].rstrip(b"\0") if not extra.strip(b"\0") else data[: end - count]
    second = warned(
        pixels_only(kept + END), space
    )  # the decoder reads some bytes ahead, so a few may still be left over
    if second and not second.endswith(LEFT_AT_END):
        raise ValueError(second)
    return f"bytes left over after its pixels: {count}; if it looks damaged, copy or download it again"


def pixels_only(data: bytes) -> bytes:
    """The same JPEG without application segments and comments, whose oddities hide later warnings."""
    place, parts = 2, [data[:2]]
    for marker, content, start in segments(data):
        if marker in APPLICATION:
            parts.append(data[place:start])
            place = start + 4 + len(content)
    return b"".join([*parts, data[place:]])


def lacks_end(data: bytes) -> bool:
    """No end marker follows the last scan's start: the file was cut, perhaps filled up with zeros, or never had one."""
    return data.rfind(END, data.rfind(START_OF_SCAN) + 1) < 0


def with_end_marker(data: bytes) -> bytes | None:
    """The same JPEG with its end marker, where nothing else is missing; None where the decoder would make up pixels.

    libjpeg fills what is missing with grey and warns; simplejpeg makes an error of each warning.  It does not warn
    where whole scans are missing, so these are counted here; nor of zeros, which are valid codes, so these are cut off.
    """
    for whole in endings(data):
        try:
            if all_scans(whole):
                decoded(whole, "CMYK" if components(whole) == 4 else "RGB", strict=True)
                return whole
        except (ValueError, IndexError, KeyError):
            continue
    return None


def endings(data: bytes) -> Iterator[bytes]:
    """The data with an end marker in the ways that one can be missing: all of it, or its second byte."""
    bare = data.rstrip(b"\0")
    if len(data) - len(bare) <= 1:  # a scan may end with one zero
        yield data + END
    yield (bare[:-1] if bare.endswith(b"\xff") else bare) + END
    if bare.endswith(b"\xff") and len(bare) < len(data):  # 255 within a scan is followed by a zero
        yield bare + b"\0" + END


def segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """(marker, content, place) of each segment up to the end marker; raises ``IndexError`` where one is cut short."""
    place = 2
    while found := MARKER.search(data, place):
        marker = found[0][1]
        if marker == END[1]:
            return
        start = found.end()
        length = int.from_bytes(data[start : start + 2])
        place = start + length
        if length < 2 or place > len(data):
            raise IndexError("a segment is cut short")
        yield marker, data[start + 2 : place], found.start()
    raise IndexError("no end marker")


def components(data: bytes) -> int:
    """How many colours the frame has; 0 if there is no frame."""
    return next((content[5] for marker, content, _ in segments(data) if marker in FRAMES), 0)


def unusual_kind(data: bytes) -> str | None:
    """What a JPEG is whose kind the decoder does not know; None for others, and where the header is cut short."""
    try:
        frame = next(((marker, content) for marker, content, _ in segments(data) if marker in FRAMES | {LS}), None)
    except IndexError:
        return None
    if frame is None or len(frame[1]) < SHORTEST_FRAME:
        return None
    bits = frame[1][0]
    return f"a JPEG of {bits} bits a colour" if bits in DEEP and frame[0] not in UNUSUAL else UNUSUAL.get(frame[0])


def check_scans(data: bytes, label: str) -> None:
    """Raise ``PhotoError`` for a JPEG of so many scans that a small file would take minutes: each goes over all its pixels."""
    count = 0
    with suppress(IndexError):  # what is cut short is told of elsewhere
        for marker, _, _ in segments(data):
            count += marker == SCAN
            if count > MOST_SCANS:
                raise PhotoError(f"{label}: a JPEG of more than {MOST_SCANS} scans; expected a photo: save it again")


def all_scans(data: bytes) -> bool:
    """Each colour has a scan; of a progressive JPEG, each coefficient of each colour has its last bit."""
    missing: dict[int, set[int]] = {}
    progressive = False
    for marker, content, _ in segments(data):
        if marker in FRAMES:
            progressive = marker in PROGRESSIVE
            missing = {content[6 + 3 * number]: set(range(COEFFICIENTS)) for number in range(content[5])}
        elif marker == SCAN:
            count = content[0]
            first, last, bits = content[1 + 2 * count : 4 + 2 * count]
            done = set(range(first, last + 1)) if progressive and not bits & 15 else set()
            for number in range(count):
                missing[content[1 + 2 * number]] -= done if progressive else missing[content[1 + 2 * number]]
            if not any(missing.values()):
                return True
    return bool(missing) and not any(missing.values())


def decode_2015(data: bytes, opened: Image.Image) -> Image.Image:
    """RGB pixels with libjpeg's fast inverse cosine transform, which was TensorFlow's default; the metadata is ``opened``'s.

    Source: tensorflow/core/lib/jpeg/jpeg_mem.cc, ``dct_method = JDCT_DEFAULT`` and ``fancy_upscaling = true``.
    """
    image = Image.fromarray(decoded(data, "RGB", fastdct=True, strict=False))
    image.info = dict(opened.info)
    return image
