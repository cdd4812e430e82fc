"""JPEGs that lack only their end marker, and JPEGs decoded as TensorFlow's ``DecodeJpeg`` did in 2015.

Both use libjpeg-turbo through simplejpeg: Pillow neither says whether the decoder had to make up pixels, nor lets one
choose the inverse cosine transform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

END = b"\xff\xd9"
START_OF_SCAN = b"\xff\xda"
SCAN, ALONE = 0xDA, {0x01, *range(0xD0, 0xD9)}
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
COEFFICIENTS = 64
END_NOTE = "end marker missing, added; every pixel is there"


def lacks_end(data: bytes) -> bool:
    """No end marker follows the last scan's start: the file was cut, perhaps filled up with zeros, or never had one."""
    return data.rfind(END, data.rfind(START_OF_SCAN) + 1) < 0


def with_end_marker(data: bytes) -> bytes | None:
    """The same JPEG with its end marker, where nothing else is missing; None where the decoder would make up pixels.

    libjpeg fills what is missing with grey and warns; simplejpeg makes an error of each warning.  It does not warn
    where whole scans are missing, so these are counted here; nor of zeros, which are valid codes, so these are cut off.
    """
    import simplejpeg

    for whole in endings(data):
        try:
            if all_scans(whole):
                simplejpeg.decode_jpeg(whole, colorspace="CMYK" if components(whole) == 4 else "RGB")
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


def segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, content) of each segment up to the end marker; raises ``IndexError`` where one is cut short."""
    place = 2
    while True:
        while data[place] != 0xFF or data[place + 1] in (0x00, 0xFF):  # a scan's own bytes, and padding
            place += 1 if data[place] == 0xFF else max(data.find(b"\xff", place), place + 1) - place
        marker = data[place + 1]
        place += 2
        if marker == END[1]:
            return
        if marker in ALONE:
            continue
        length = int.from_bytes(data[place : place + 2])
        if length < 2 or place + length > len(data):
            raise IndexError("a segment is cut short")
        yield marker, data[place + 2 : place + length]
        place += length


def components(data: bytes) -> int:
    """How many colours the frame has; 0 if there is no frame."""
    return next((content[5] for marker, content in segments(data) if marker in FRAMES), 0)


def all_scans(data: bytes) -> bool:
    """Each colour has a scan; of a progressive JPEG, each coefficient of each colour has its last bit."""
    missing: dict[int, set[int]] = {}
    progressive = False
    for marker, content in segments(data):
        if marker in FRAMES:
            progressive = marker in PROGRESSIVE
            missing = {content[6 + 3 * number]: set(range(COEFFICIENTS)) for number in range(content[5])}
        elif marker == SCAN:
            count = content[0]
            first, last, bits = content[1 + 2 * count : 4 + 2 * count]
            done = set(range(first, last + 1)) if progressive and not bits & 15 else set()
            for number in range(count):
                missing[content[1 + 2 * number]] -= done if progressive else missing[content[1 + 2 * number]]
    return bool(missing) and not any(missing.values())


def decode_2015(data: bytes, opened: Image.Image) -> Image.Image:
    """RGB pixels with libjpeg's fast inverse cosine transform, which was TensorFlow's default; the metadata is ``opened``'s.

    Source: tensorflow/core/lib/jpeg/jpeg_mem.cc, ``dct_method = JDCT_DEFAULT`` and ``fancy_upscaling = true``.
    """
    import simplejpeg

    image = Image.fromarray(simplejpeg.decode_jpeg(data, fastdct=True, strict=False))
    image.info = dict(opened.info)
    return image
