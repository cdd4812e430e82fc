"""Decode JPEGs with libjpeg-turbo through simplejpeg, which raises an error if pixels are missing.

Pillow fills missing pixels with grey without an error, and does not let the caller choose the inverse cosine transform.
This module also repairs JPEGs that lack only their end marker, and decodes JPEGs as TensorFlow's ``DecodeJpeg`` did in 2015.
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
MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd8]")  # excludes an escaped 255, padding, and markers without content
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
LS = 0xF7
UNUSUAL = (
    dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "a lossless JPEG")
    | dict.fromkeys((0xC5, 0xC6, 0xCD, 0xCE), "a hierarchical JPEG")
    | {LS: "a JPEG-LS"}
)
DEEP, SHORTEST_FRAME = {12, 16}, 9  # bits per colour; bytes in the header of a frame of one colour
COEFFICIENTS = 64
APPLICATION = {*range(0xE0, 0xF0), 0xFE}
END_NOTE = "end marker missing, added; all pixels are present"
SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
LOST = ("premature end", "bad huffman code", "bad arithmetic code", "instead of rst", "inconsistent progression")
MOST_SCANS = 64
"""Encoders write about ten scans, and at most twenty for four colours."""

HARMLESS = ("unknown adobe color transform", "unknown jfif revision", "invalid sos parameters")
LEFT_OVER = re.compile(r"(\d+) extraneous bytes before marker 0x([0-9a-f]{2})")
LEFT_AT_END = "extraneous bytes before marker 0xd9"
HOLE = bytes(32)
"""This many zeros in a scan with extra bytes mean that a part of the file was never written."""


def decode_jpeg(data: bytes, opened: Image.Image, notes: list[str]) -> Image.Image:
    """Decode a JPEG at the size of ``opened``, the same JPEG opened by Pillow; append notes on harmless defects.

    The pixels equal Pillow's (``docs/decisions/0027-jpeg-decoder.md``).  A CMYK JPEG is only checked; Pillow decodes it.

    Raises:
        ValueError: pixels are missing.
    """
    mode = opened.mode
    if mode not in SPACES:
        return opened
    least = {"min_width": opened.width, "min_height": opened.height}
    if mode == "CMYK":
        least = {"min_width": 1, "min_height": 1}  # decode at 1/8: only the warnings are needed
    pixels = checked_pixels(data, SPACES[mode], notes, least)
    if not all_scans(data):
        raise ValueError("scans are missing")
    if mode == "CMYK" or pixels is None:
        return opened
    image = Image.fromarray(pixels[..., 0] if mode == "L" else pixels)
    image.info = dict(opened.info)
    return image


def checked_pixels(data: bytes, space: str, notes: list[str], least: dict[str, int]) -> NDArray[np.uint8] | None:
    """Pixels (H, W, C); None if Pillow has to decode the JPEG.  Appends a note for a harmless warning.

    Raises:
        ValueError: pixels are missing.
    """
    try:
        return decoded(data, space, strict=True, **least)
    except ValueError as error:
        warning = str(error)
    if match := LEFT_OVER.search(warning):
        notes.append(extra_bytes_note(data, match, space))
    elif any(words in warning.lower() for words in HARMLESS):
        second = first_warning(pixels_only(data), space)
        if second and not any(words in second.lower() for words in HARMLESS):
            raise ValueError(second)
        notes.append(f"odd JPEG header ignored ({warning})")
        return None
    elif any(words in warning.lower() for words in LOST):
        raise ValueError(warning)
    else:
        notes.append("an unusual kind of JPEG, in which missing parts cannot be detected")
        return None
    return decoded(data, space, strict=False, **least)


def decoded(data: bytes, space: str, **options: Any) -> NDArray[np.uint8]:
    """Pixels (H, W, C); with ``strict``, libjpeg's first warning is raised as ``ValueError``."""
    import simplejpeg

    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colorspace=space, **options)
    return pixels


def first_warning(data: bytes, space: str) -> str | None:
    """The first warning of libjpeg when it decodes at 1/8 of the size; None if there is none."""
    try:
        decoded(data, space, strict=True, min_width=1, min_height=1)
    except ValueError as error:
        return str(error)
    return None


def extra_bytes_note(data: bytes, match: re.Match[str], space: str) -> str:
    """The note on extra bytes between a scan's last code and its end.

    libjpeg reports only its first warning, so the JPEG is decoded again without these bytes to find any later one.

    Raises:
        ValueError: pixels are missing, or a part of the file was lost.
    """
    count, marker = int(match[1]), int(match[2], 16)
    end = data.rfind(END) if marker == END[1] else -1
    scan = data[data.rfind(START_OF_SCAN, 0, max(end, 0)) : max(end, 0)]
    if end < 0 or HOLE in scan.rstrip(b"\0"):
        raise ValueError(match.string)
    extra = scan[len(scan) - count :]
    kept = data[:end].rstrip(b"\0") if not extra.strip(b"\0") else data[: end - count]
    second = first_warning(pixels_only(kept + END), space)
    if second and not second.endswith(LEFT_AT_END):  # libjpeg reads ahead, so its count can be a few bytes too small
        raise ValueError(second)
    return f"extra bytes after its pixels: {count}; if it looks damaged, copy or download it again"


def pixels_only(data: bytes) -> bytes:
    """The same JPEG without application segments and comments, whose warnings would hide later ones."""
    place, parts = 2, [data[:2]]
    for marker, content, start in segments(data):
        if marker in APPLICATION:
            parts.append(data[place:start])
            place = start + 4 + len(content)
    return b"".join([*parts, data[place:]])


def lacks_end(data: bytes) -> bool:
    """Whether no end marker follows the start of the last scan."""
    return data.rfind(END, data.rfind(START_OF_SCAN) + 1) < 0


def with_end_marker(data: bytes) -> bytes | None:
    """The same JPEG with an end marker; None if pixels are missing.

    If pixels are missing, libjpeg warns and simplejpeg raises the warning.  libjpeg does not warn about missing scans,
    which are counted here, or about trailing zeros, which are cut off because they are valid codes.
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
    """Yield the data with an end marker, once for each way to read its last bytes.

    The marker can lack both bytes or only the second one, and trailing zeros can be padding or part of the scan.
    """
    bare = data.rstrip(b"\0")
    if len(data) - len(bare) <= 1:  # a scan may end with one zero
        yield data + END
    yield (bare[:-1] if bare.endswith(b"\xff") else bare) + END
    if bare.endswith(b"\xff") and len(bare) < len(data):  # in a scan, 255 is escaped by a zero
        yield bare + b"\0" + END


def segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield (marker, content, offset) of each segment up to the end marker; raises ``IndexError`` if there is no end marker."""
    place = 2
    while match := MARKER.search(data, place):
        marker = match[0][1]
        if marker == END[1]:
            return
        start = match.end()
        length = int.from_bytes(data[start : start + 2])
        place = start + length
        if length < 2 or place > len(data):
            raise IndexError("a segment is cut short")
        yield marker, data[start + 2 : place], match.start()
    raise IndexError("no end marker")


def components(data: bytes) -> int:
    """The number of colour components of the frame; 0 if there is no frame."""
    return next((content[5] for marker, content, _ in segments(data) if marker in FRAMES), 0)


def unusual_kind(data: bytes) -> str | None:
    """The kind of a JPEG that the decoder does not support; None for supported JPEGs, or if the header is cut short."""
    try:
        frame = next(((marker, content) for marker, content, _ in segments(data) if marker in FRAMES | {LS}), None)
    except IndexError:
        return None
    if frame is None or len(frame[1]) < SHORTEST_FRAME:
        return None
    bits = frame[1][0]
    return f"a JPEG of {bits} bits per colour" if bits in DEEP and frame[0] not in UNUSUAL else UNUSUAL.get(frame[0])


def check_scans(data: bytes, label: str) -> None:
    """Raise ``PhotoError`` for a JPEG with more than ``MOST_SCANS`` scans, which could take minutes to decode."""
    count = 0
    with suppress(IndexError):  # a truncated file is reported elsewhere
        for marker, _, _ in segments(data):
            count += marker == SCAN
            if count > MOST_SCANS:
                raise PhotoError(f"{label}: a JPEG of more than {MOST_SCANS} scans; expected a photo: save it again")


def all_scans(data: bytes) -> bool:
    """Whether each colour has a scan; in a progressive JPEG, whether scans contain all bits of all coefficients."""
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
    """Decode to RGB with libjpeg's fast inverse cosine transform, TensorFlow's default; the metadata are those of ``opened``.

    Source: tensorflow/core/lib/jpeg/jpeg_mem.cc, ``dct_method = JDCT_DEFAULT`` and ``fancy_upscaling = true``.
    """
    image = Image.fromarray(decoded(data, "RGB", fastdct=True, strict=False))
    image.info = dict(opened.info)
    return image
