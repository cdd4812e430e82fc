"""``decode`` reads a file, bytes, an image or an array, and returns upright sRGB pixels; all commands use it.

Unusual photos are repaired if possible, and ``Photo.notes`` lists the repairs.  A photo with missing pixels is refused.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from PIL import Image

from ..errors import PhotoError
from ..escaping import escaped
from ..wording import shortened
from .arrays import ArrayLike, Readable, image_of_array, name_of_object, read_object, rounded_to_bytes
from .colour import to_srgb
from .embedded import CODE_POINTS, DROPPED_TEXT, TEXT_NOTE
from .formats import SAME_FORMAT
from .jpeg import END_NOTE, check_scans, decode_2015, decode_jpeg, lacks_end, with_end_marker
from .named import NamedPhoto, PhotoPath
from .opening import check_opened, one_line, open_photo, read_photo, suffix_notes
from .pillow_warnings import warnings_as_notes
from .truncation import check_rows, check_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

ORIENTATION = 0x0112
WHITE = (255, 255, 255)
COLOUR_INFO = ("icc_profile", "gamma", "chromaticity", "srgb", CODE_POINTS)
REDUCED = "decoded at 1/"
CUT, ROUNDED = "16 bits cut to 8", "16 bits rounded to 8"
OTHER_WARNING = "damaged metadata ignored"
WARNINGS = (
    ("exif", "unreadable EXIF ignored"),
    ("possibly corrupt", "unreadable EXIF ignored"),
    ("mpo", "further pictures in the file cannot be read; the first is used"),
)
"""(part of a Pillow warning in lower case, the note for it)."""


@dataclass(frozen=True)
class Photo:
    """A decoded photo: upright, sRGB, opaque, 8 bits per channel.

    ``sha256``: the hash of the file's bytes, or of the pixels if there was no file.  ``notes``: the repairs.
    ``jpeg``: the file's bytes if it is a grey or RGB JPEG.

    >>> from godeeper import decode
    >>> photo = decode("examples/chelsea.jpg")
    >>> photo.name, photo.size, photo.pixels.shape
    ('chelsea.jpg', (451, 300), (300, 451, 3))
    """

    name: str
    sha256: str
    image: Image.Image = field(repr=False)
    notes: tuple[str, ...] = ()
    jpeg: bytes | None = field(default=None, repr=False, compare=False)

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """The pixels, (H, W, 3) uint8."""
        import numpy as np

        return np.asarray(self.image)

    @cached_property
    def image_2015(self) -> Image.Image:
        """The image as TensorFlow decoded it in 2015: JPEGs with the fast inverse cosine transform, other formats unchanged."""
        if self.jpeg is None:
            return self.image
        with warnings_as_notes(), refusing(self.name):
            opened = open_photo(self.jpeg, self.name)
            return normalise(decode_2015(self.jpeg, opened), self.name, WHITE)[0]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.size


PhotoSource = str | os.PathLike[str] | bytes | bytearray | memoryview | Readable | Image.Image | ArrayLike | Photo
"""The types that ``decode`` takes: a path, the bytes of a file, an open file, a Pillow image, an array, a decoded photo."""


def decode(
    source: PhotoSource,
    *,
    name: str | None = None,
    background: tuple[int, int, int] = WHITE,
    least_side: int | None = None,
) -> Photo:
    """Decode a photo.

    Args:
        source: a path, the bytes of a file, an open file or another object with ``read``, a Pillow image, or a uint8
            array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).  A decoded ``Photo`` is returned unchanged.
        name: the photo's name; by default the file's name, if there is a file.
        background: the colour behind transparent parts: red, green and blue from 0 to 255.
        least_side: decode a JPEG faster, at 1/2, 1/4 or 1/8 of its size; its shorter side keeps at least this many
            pixels.  None decodes it at full size.

    Raises:
        PhotoError: the photo cannot be read, is incomplete or too large, or its format is not supported.

    >>> decode("examples/chelsea.jpg").size
    (451, 300)
    """
    if isinstance(source, Photo):
        return source
    if isinstance(source, (bytes, bytearray, memoryview)):
        return decode_bytes(bytes(source), name or "bytes", background, least_side=least_side)
    if isinstance(source, (str, os.PathLike)):
        path = source if isinstance(source, NamedPhoto) else Path(source)
        return decode_bytes(read_photo(path), name or escaped(Path(path).name), background, path, least_side)
    if hasattr(source, "read"):
        label = name or name_of_object(source)
        return decode_bytes(read_object(source, label), label, background, least_side=least_side)
    label = name or "image"
    image = source if isinstance(source, Image.Image) else image_of_array(source)
    with warnings_as_notes() as warnings, refusing(label):
        check_opened(image, label)
        notes: list[str] = []
        upright, more = normalise(decode_opened(image, notes, label), label, background)
    return Photo(label, hashlib.sha256(upright.tobytes()).hexdigest(), upright, all_notes([*notes, *more], warnings))


def decode_opened(image: Image.Image, notes: list[str], label: str) -> Image.Image:
    """Decode an opened JPEG whose pixels are not loaded yet with ``decode_jpeg``; return other images unchanged."""
    file, pending = getattr(image, "fp", None), getattr(image, "tile", None)
    if SAME_FORMAT.get(image.format or "", image.format) != "JPEG" or not file or not pending or image.tell():
        return image
    place = file.tell()
    file.seek(0)
    data = file.read()
    file.seek(place)
    check_scans(data, label)
    return decode_jpeg(data, image, notes)


def decode_bytes(
    data: bytes,
    name: str,
    background: tuple[int, int, int],
    path: PhotoPath | None = None,
    least_side: int | None = None,
) -> Photo:
    """Decode the bytes of a file; ``path`` is used in messages, and its suffix is compared with the content."""
    label = shortened(path or name)
    if not data:
        raise PhotoError(f"{label}: the file is empty; expected a photo")
    with warnings_as_notes() as warnings, refusing(label):
        image = open_photo(data, label)
        notes = [] if path is None else suffix_notes(path, image.format or "")
        is_jpeg = SAME_FORMAT.get(image.format or "", image.format) == "JPEG"
        whole = data
        if is_jpeg:
            check_scans(data, label)
        if is_jpeg and lacks_end(data):
            whole = with_end_marker(data) or refuse_cut(label)
            image = open_photo(whole, label)
            notes.append(END_NOTE)
        notes += [TEXT_NOTE] if DROPPED_TEXT in image.info else []
        notes += [] if least_side is None else reduce_jpeg(image, least_side)
        if is_jpeg:
            image = decode_jpeg(whole, image, notes)
        check_whole(image, data)
        upright, more = normalise(image, label, background)
        check_rows(image, data)
    plain = is_jpeg and image.mode in ("L", "RGB")
    digest = hashlib.sha256(data).hexdigest()
    return Photo(name, digest, upright, all_notes([*notes, *more], warnings), whole if plain else None)


def refuse_cut(label: str) -> NoReturn:
    """Raise ``PhotoError`` for a JPEG whose last pixels are missing."""
    raise PhotoError(
        f"{label}: the photo is damaged or cut short (pixels at its end are missing); copy or download it again"
    )


def all_notes(notes: Iterable[str], warnings: Iterable[str]) -> tuple[str, ...]:
    """The notes, then one for each kind of Pillow warning; Pillow's own texts contain paths and class names."""
    notes = list(notes)
    for warning in warnings:
        text = next((text for part, text in WARNINGS if part in warning.lower()), OTHER_WARNING)
        if text not in notes and not any(note.startswith(text) for note in notes):
            notes.append(text)
    return tuple(notes)


def reduce_jpeg(image: Image.Image, least_side: int) -> list[str]:
    """Make Pillow decode a JPEG at 1/2, 1/4 or 1/8 if its shorter side keeps ``least_side`` pixels; return the note, if any."""
    if SAME_FORMAT.get(image.format or "", image.format) != "JPEG":
        return []
    whole = image.width
    image.draft(None, (least_side, least_side))
    return [] if image.width == whole else [f"{REDUCED}{round(whole / image.width)} of its size"]


def normalise(image: Image.Image, label: str, background: tuple[int, int, int]) -> tuple[Image.Image, list[str]]:
    """Load the first frame and make it upright, sRGB, 8-bit and opaque; return the image and the notes on the changes."""
    notes = [*frame_notes(image), *depth_notes(image)]
    deep = bool(notes) and notes[-1] == CUT
    turned = turned_by_pillow(image)  # read before load, which clears it
    image.load()
    if min(image.size) < 1:
        raise PhotoError(f"{label}: the photo has no pixels ({image.width}x{image.height})")
    if turned:
        notes.append(turn_note(turned))
    image = upright(image, notes)
    if deep:
        image = cut_transparency(image)
    image = eight_bits(image, label, notes)
    alpha = alpha_of(image)
    colour = to_srgb(image, notes)
    if alpha is None or alpha.getextrema() == (255, 255):
        return colour, notes
    notes.append("transparent parts laid over " + ("white" if background == WHITE else f"rgb{background}"))
    opaque = Image.new("RGB", colour.size, background)
    opaque.paste(colour, mask=alpha)
    return opaque, notes


def alpha_of(image: Image.Image) -> Image.Image | None:
    """The alpha channel; None if the photo has no transparency."""
    if not image.has_transparency_data:
        return None
    return (image if "A" in image.mode else image.convert("RGBA")).getchannel("A")


def cut_transparency(image: Image.Image) -> Image.Image:
    """Cut the transparent colour of a 16-bit PNG to 8 bits, as Pillow does with the pixels."""
    colour = image.info.get("transparency")
    if isinstance(colour, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in colour)
    return image


@contextmanager
def refusing(label: str) -> Iterator[None]:
    """Turn any exception of a decoder into a ``PhotoError``; Pillow's plugins raise exceptions of many types."""
    try:
        yield
    except (PhotoError, MemoryError):  # a lack of memory is not the photo's fault
        raise
    except Exception as error:
        raise PhotoError(
            f"{label}: the photo is damaged or cut short ({one_line(error)}); copy or download it again"
        ) from None


def frame_notes(image: Image.Image) -> list[str]:
    """A note if there are several frames, of which only the first is used."""
    if image.format in SAME_FORMAT or not getattr(image, "is_animated", False):
        return []
    return [f"first of {getattr(image, 'n_frames', 'several')} frames"]


def depth_notes(image: Image.Image) -> list[str]:
    """A note if Pillow will reduce 16-bit colours to 8 bits; a loaded image no longer has this information."""
    tiles = getattr(image, "tile", ())
    if image.format == "PPM" and image.mode == "RGB" and any(most_value(tile) > 255 for tile in tiles):
        return [ROUNDED]
    is_colour = image.mode in ("RGB", "RGBA", "LA", "L", "CMYK")
    return [CUT] if is_colour and any(";16" in str(tile[3]) for tile in tiles) else []


def most_value(tile: Any) -> int:
    """The maximum value of a PPM that is not loaded yet; 255 if the file does not state it."""
    return int(tile[3][1]) if isinstance(tile[3], tuple) and len(tile[3]) > 1 else 255


def turned_by_pillow(image: Image.Image) -> int:
    """The orientation that Pillow applies when it loads this TIFF; 0 if it has none or is already loaded."""
    if image.format != "TIFF" or not getattr(image, "tile", None):
        return 0
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged tags do not affect the pixels
        return 0
    return int(orientation) if orientation in range(2, 9) else 0


def turn_note(orientation: int) -> str:
    """The note on a photo that was turned."""
    return f"turned upright (EXIF orientation {orientation})"


def upright(image: Image.Image, notes: list[str]) -> Image.Image:
    """Turn the image upright according to its EXIF orientation; append a note."""
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception as error:  # damaged EXIF does not affect the pixels
        notes.append(f"unreadable EXIF ignored ({type(error).__name__})")
        return image
    if orientation not in range(2, 9):
        return image
    notes.append(turn_note(orientation))
    from PIL import ImageOps  # imported here, since few photos need it

    return ImageOps.exif_transpose(image)


def eight_bits(image: Image.Image, label: str, notes: list[str]) -> Image.Image:
    """Convert palettes, bitmaps and 16- or 32-bit grey to 8-bit grey or colour, keeping profile and transparency.

    Raises:
        PhotoError: the values are floating-point numbers, Lab colours, or integers of more than 16 bits.
    """
    if image.mode.startswith("I"):
        return narrow(image, label, notes)
    if image.mode == "F":
        raise PhotoError(
            f"{label}: holds floating-point values with unknown black and white levels; save it as 8 or 16 bits"
        )
    if image.mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode == "LAB":
        raise PhotoError(f"{label}: holds Lab colours; save it as RGB")
    return image


def narrow(image: Image.Image, label: str, notes: list[str]) -> Image.Image:
    """Round grey of 16 or 32 bits to 8 bits; raises ``PhotoError`` if a value does not fit into 16 bits."""
    import numpy as np

    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise PhotoError(f"{label}: holds 32-bit values from {values.min()} to {values.max()}; expected 8 or 16 bits")
    notes.append(ROUNDED)
    narrowed = Image.fromarray(rounded_to_bytes(values))
    transparent = image.info.get("transparency")
    if isinstance(transparent, int) and (values == transparent).any():
        narrowed.putalpha(Image.fromarray(np.where(values == transparent, np.uint8(0), np.uint8(255))))
    narrowed.info = {key: value for key, value in image.info.items() if key in COLOUR_INFO}
    return narrowed
