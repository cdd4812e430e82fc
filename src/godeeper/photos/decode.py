"""From a file, bytes, an image or an array to upright sRGB pixels: the one decoder of godeeper.

What is unusual about a photo and can be put right is put right and said in ``Photo.notes``; what
cannot be read whole is refused.  Nothing is replaced in silence.
"""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ..errors import PhotoError
from .formats import SAME_FORMAT
from .opening import check_opened, one_line, open_photo, read_photo, suffix_notes
from .warned import warnings_as_notes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ORIENTATION = 0x0112
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Photo:
    """A decoded photo: upright, sRGB, opaque, 8 bits a channel.

    ``sha256`` is of the file's bytes, or of the pixels where there was no file.  ``notes`` say what
    had to be put right.
    """

    name: str
    sha256: str
    image: Image.Image = field(repr=False)
    notes: tuple[str, ...] = ()

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8."""
        import numpy as np

        return np.asarray(self.image)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.size


def decode(
    source: Any,
    *,
    name: str | None = None,
    background: tuple[int, int, int] = WHITE,
    least_side: int | None = None,
) -> Photo:
    """Decode a photo.

    Args:
        source: a path, the bytes of a file, a Pillow image, or an array (H, W), (H, W, 3) or (H, W, 4) of uint8.
        name: what to call it; the file's name if there is one.
        background: the colour under transparent parts, red, green and blue from 0 to 255.
        least_side: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, which is faster, as long as its lesser side
            keeps so many pixels; its whole size if not given.

    Raises:
        PhotoError: it cannot be read, is not whole, or is too large to be a photo.

    >>> decode("examples/chelsea.jpg").size
    (451, 300)
    """
    if isinstance(source, Photo):
        return source
    if isinstance(source, (bytes, bytearray, memoryview)):
        return decode_bytes(bytes(source), name or "bytes", background, least_side=least_side)
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        return decode_bytes(read_photo(path), name or path.name, background, path, least_side)
    image = source if isinstance(source, Image.Image) else image_of_array(source)
    label = name or "image"
    check_opened(image, label)
    upright, notes = normalise(image, label, background)
    return Photo(label, hashlib.sha256(upright.tobytes()).hexdigest(), upright, tuple(notes))


def decode_bytes(
    data: bytes,
    name: str,
    background: tuple[int, int, int],
    path: Path | None = None,
    least_side: int | None = None,
) -> Photo:
    """Decode the bytes of a file; ``path`` is for messages and to compare the ending with the content."""
    label = str(path) if path else name
    if not data:
        raise PhotoError(f"{label}: the file is empty; expected a photo")
    with warnings_as_notes() as said:
        image = open_photo(data, label)
        notes = [] if path is None else suffix_notes(path, image.format or "")
        notes += [] if least_side is None else reduce_jpeg(image, least_side)
        upright, more = normalise(image, label, background)
    return Photo(name, hashlib.sha256(data).hexdigest(), upright, (*notes, *more, *said))


def reduce_jpeg(image: Image.Image, least_side: int) -> list[str]:
    """Have a JPEG decoded at 1/2, 1/4 or 1/8 where its lesser side keeps ``least_side``; answers a note of it."""
    if SAME_FORMAT.get(image.format or "", image.format) != "JPEG":
        return []
    whole = image.width
    image.draft(None, (least_side, least_side))
    return [] if image.width == whole else [f"decoded at 1/{round(whole / image.width)} of its size"]


def normalise(image: Image.Image, label: str, background: tuple[int, int, int]) -> tuple[Image.Image, list[str]]:
    """First frame, all of it; upright; sRGB; 8 bits; opaque.  Answers notes of what was done."""
    notes = [*frame_notes(image), *depth_notes(image)]
    load(image, label)
    if min(image.size) < 1:
        raise PhotoError(f"{label}: the photo has no pixels ({image.width}x{image.height})")
    image = upright(image, notes)
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
    """How opaque each pixel is, where the photo says."""
    if not image.has_transparency_data:
        return None
    return (image if "A" in image.mode else image.convert("RGBA")).getchannel("A")


def load(image: Image.Image, label: str) -> None:
    """Decode the pixels; a file that ends too early is refused, not filled up."""
    try:
        image.load()
    except Exception as error:  # Pillow's plugins raise whatever their parsers do
        raise PhotoError(f"{label}: the photo is damaged or cut short ({one_line(error)}); get it again") from None


def frame_notes(image: Image.Image) -> list[str]:
    """A note where more than one frame is there; only the first is used."""
    if image.format in SAME_FORMAT or not getattr(image, "is_animated", False):
        return []
    return [f"first of {getattr(image, 'n_frames', 'several')} frames"]


def depth_notes(image: Image.Image) -> list[str]:
    """A note where Pillow keeps the upper 8 of 16 bits of a colour while it loads; it tells nowhere else."""
    deep = image.mode in ("RGB", "RGBA", "LA", "L", "CMYK") and any(
        ";16" in str(tile[3]) for tile in getattr(image, "tile", ())
    )
    return ["16 bits cut to 8"] if deep else []


def upright(image: Image.Image, notes: list[str]) -> Image.Image:
    """Turned as the camera's EXIF orientation says."""
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception as error:  # a damaged EXIF block says nothing of the pixels
        notes.append(f"unreadable EXIF ignored ({type(error).__name__})")
        return image
    if orientation not in range(2, 9):
        return image
    notes.append(f"turned upright (EXIF orientation {orientation})")
    from PIL import ImageOps  # few photos need it

    return ImageOps.exif_transpose(image)


def eight_bits(image: Image.Image, label: str, notes: list[str]) -> Image.Image:
    """Palettes, bitmaps and deep grey as 8-bit grey or colour; profile and transparency kept."""
    if image.mode.startswith("I"):
        return narrow(image, label, notes)
    if image.mode == "F":
        raise PhotoError(
            f"{label}: holds floating-point values, whose black and white are unknown; save it as 8 or 16 bits"
        )
    if image.mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode == "LAB":
        raise PhotoError(f"{label}: holds Lab colours; save it as RGB")
    return image


def narrow(image: Image.Image, label: str, notes: list[str]) -> Image.Image:
    """16-bit grey as 8 bits, rounded; 32-bit whole numbers only where they are 16-bit in truth."""
    import numpy as np

    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise PhotoError(f"{label}: holds 32-bit values from {values.min()} to {values.max()}; expected 8 or 16 bits")
    notes.append("16 bits rounded to 8")
    narrowed = Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    narrowed.info = {key: value for key, value in image.info.items() if key == "icc_profile"}
    return narrowed


def to_srgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """RGB in the sRGB space, through the embedded profile where there is one."""
    profile = image.info.get("icc_profile")
    colour = image
    if image.mode in ("LA", "La"):
        colour = image.convert("L")
    elif image.mode in ("RGBA", "RGBa", "RGBX", "YCbCr", "HSV"):
        colour = image.convert("RGB")
    if profile:
        converted = through_profile(colour, profile, notes)
        if converted is not None:
            return converted
    if colour.mode == "CMYK":
        notes.append("CMYK without a usable profile, converted by the plain formula")
    return colour.convert("RGB")


def through_profile(image: Image.Image, profile: bytes, notes: list[str]) -> Image.Image | None:
    """``image`` in sRGB as its profile says; None where that is sRGB already or cannot be used."""
    from PIL import ImageCms

    try:
        opened = ImageCms.getOpenProfile(io.BytesIO(profile))
        description = ImageCms.getProfileDescription(opened).strip()
        if description.startswith("sRGB"):
            return None
        converted = ImageCms.profileToProfile(image, opened, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        notes.append(f"unusable colour profile ignored ({str(error).partition(chr(10))[0]})")
        return None
    notes.append(f"colours converted from {description}")
    return converted


def image_of_array(array: Any) -> Image.Image:
    """A Pillow image of an array (H, W), (H, W, 3) or (H, W, 4) of uint8."""
    import numpy as np

    values = np.asarray(array)
    if (
        values.dtype != np.uint8
        or values.ndim not in (2, 3)
        or (values.ndim == 3 and values.shape[2] not in (3, 4))
        or not values.size
    ):
        raise PhotoError(
            f"an array of {values.dtype} with shape {values.shape} is no photo; expected uint8 (H, W), (H, W, 3) or (H, W, 4)"
        )
    return Image.fromarray(values)
