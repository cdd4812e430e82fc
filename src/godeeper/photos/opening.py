"""Open encoded photos with Pillow.  Their first bytes determine the format, which must be in ``formats.FORMATS``."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile, UnidentifiedImageError

from ..errors import PhotoError
from ..files import NOT_A_FILE, open_regular
from ..wording import shortened
from .embedded import prepared, scale_transparency
from .formats import BY_NAME, FORMATS, PROMISED, RAW, SAME_FORMAT, describe, identify
from .jpeg import unusual_kind
from .raw import is_raw

EXPECTED = ", ".join(each.name for each in FORMATS[:-1]) + f" or {FORMATS[-1].name}"

MAX_SIDE = 100_000  # pixels; resizing a longer side would hold up all other threads (a JPEG has at most 65,535)
LISTS = (".csv", ".tsv")


def read_photo(path: str | os.PathLike[str]) -> bytes:
    """Read a file's bytes; every failure is a ``PhotoError``."""
    try:
        with open_regular(path) as file:
            return file.read()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def unreadable(path: str | os.PathLike[str], error: OSError | ValueError) -> PhotoError:
    """The error for a file that cannot be read, with the system's reason."""
    label = shortened(path)
    if isinstance(error, FileNotFoundError):
        return PhotoError(f"{label}: no such file; expected a photo")
    if isinstance(error, IsADirectoryError):
        return PhotoError(f"{label}: is a folder; expected a photo, name one file in it")
    reason = error.strerror if isinstance(error, OSError) else error
    if reason == NOT_A_FILE:
        return PhotoError(f"{label}: {NOT_A_FILE}; expected a photo's file, or - to read standard input")
    return PhotoError(f"{label}: cannot read it ({reason})")


def open_photo(data: bytes, label: str) -> Image.Image:
    """Open a photo: read its header and check its size, before any pixel is decoded.

    Raises:
        PhotoError: the format is not supported, the header is damaged, or the photo is too large.
    """
    kind = identify(data)
    if kind is None:
        words = describe(data)
        if label.lower().endswith(LISTS):
            raise PhotoError(
                f"{label}: a list of photos, which this command does not read; expected the photos in it, or their folder"
            )
        raise PhotoError(
            f"{label}: {words}" if words == RAW else f"{label}: not a photo ({words}); expected {EXPECTED}"
        )
    if kind == "TIFF" and is_raw(data):
        raise PhotoError(f"{label}: {RAW}")
    if kind == "JPEG" and (unusual := unusual_kind(data)):
        raise PhotoError(
            f"{label}: is {unusual}, which godeeper does not decode; save it as an ordinary JPEG or as PNG"
        )
    try:
        content, metadata = prepared(kind, data)
        image = open_as(kind, io.BytesIO(content))
        check_sides(image, label)
        for key, value in metadata.items():
            image.info[key] = value
        scale_transparency(image)
        return image
    except (PhotoError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise too_large(label) from None
    except UnidentifiedImageError:
        raise PhotoError(
            f"{label}: the photo's header is damaged (it starts like {kind}); copy or download it again"
        ) from None
    except Exception as error:  # Pillow's plugins raise exceptions of many types
        raise PhotoError(
            f"{label}: the photo's header is damaged ({one_line(error)}); copy or download it again"
        ) from None


def open_as(format: str, file: BinaryIO) -> Image.Image:
    """Open a file with Pillow as ``format``; no other decoder is tried or imported."""
    import_module(f"PIL.{BY_NAME[format].plugin}")
    if format == "TIFF":
        quiet_libtiff()
    return Image.open(file, formats=(format,))


@cache
def quiet_libtiff() -> None:
    """Stop libtiff from printing its errors to standard error; Pillow raises them anyway."""
    import ctypes

    with suppress(OSError, AttributeError):  # on Windows the library exports no symbols
        library = ctypes.CDLL(import_module("PIL._imaging").__file__ or "")
        for setter in ("TIFFSetErrorHandler", "TIFFSetErrorHandlerExt", "TIFFSetWarningHandler"):
            getattr(library, setter)(None)


def too_large(label: str) -> PhotoError:
    """The error for a photo with too many pixels."""
    limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
    return PhotoError(f"{label}: its header claims more than {limit // 10**6} megapixels; scale the photo down first")


def check_sides(image: Image.Image, label: str) -> None:
    """Raise ``PhotoError`` for a photo with a side of more than ``MAX_SIDE`` pixels."""
    if max(image.size) > MAX_SIDE:
        raise PhotoError(
            f"{label}: its header claims {image.width} x {image.height} pixels, expected at most {MAX_SIDE:,} per side; "
            "cut or scale the photo first"
        )


def peek_header(source: str | Path | BinaryIO) -> tuple[str | None, int]:
    """The format and the number of pixels from the header of a file, which may be open.

    (None, 0) if it is not a photo or cannot be read; ("bomb", 0) if it has more pixels than Pillow opens.
    """
    try:
        with open_regular(source) if isinstance(source, (str, Path)) else source as file:
            kind = identify(file.read(512))
            if kind is None:
                return None, 0
            with open_as(kind, file) as image:
                return image.format, image.width * image.height
    except Image.DecompressionBombError:
        return "bomb", 0
    except Exception:  # a damaged photo: Pillow's plugins raise exceptions of many types
        return None, 0


def check_opened(image: Image.Image, label: str) -> None:
    """Raise ``PhotoError`` for an opened image of an unsupported format whose pixels are not loaded yet."""
    if isinstance(image, ImageFile.ImageFile) and image.format not in {*BY_NAME, *SAME_FORMAT} and pending(image):
        raise PhotoError(
            f"{label}: is an image opened as {image.format}, which godeeper does not decode; "
            f"expected {EXPECTED}, or an image whose pixels are loaded: image.convert('RGB')"
        )


def pending(image: ImageFile.ImageFile) -> bool:
    """Whether the pixels have not been decoded yet."""
    return bool(getattr(image, "tile", None)) or getattr(image, "_im", None) is None


def suffix_notes(path: str | os.PathLike[str], format: str) -> list[str]:
    """A note if the file's suffix belongs to another format."""
    content = SAME_FORMAT.get(format, format)
    suffix = Path(path).suffix
    promised = PROMISED.get(suffix.lower(), content)
    return [] if promised == content else [f"named {suffix}, but it is {content}"]


def one_line(error: BaseException) -> str:
    """The first line of an exception's message, at most 200 characters; the exception's type if the message is empty."""
    return " ".join(str(error).partition("\n")[0].split())[:200] or type(error).__name__
