"""Small pictures without a frame: a tensor's levels, one filter's map, thumbnails, the photo.  Native pixels throughout."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from ..blueprint.sites import PHOTO_KINDS
from ..peek.colour import default_colour, table
from ..peek.mosaic import Range, grid, lay_out, measure, to_bytes
from ..peek.thumbnails import PHOTO_SIDE, pixels_of
from ..peek.thumbnails import png as grey_png

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..peek.capture import Peek
    from .album import Kept

QUICK = 1  # of zlib's levels: the way is short, so time counts more than size


def levels(peek: Peek, scale: str, colour: str | None) -> bytes:
    """All filters side by side as a PNG with a palette: (rows · H, columns · W), tile k at row k // columns."""
    values = peek.activations[0]
    measured = measure(values, scale)
    rows, columns = grid(len(values), scale, None)
    return painted(lay_out(to_bytes(values, measured), rows, columns), scale, colour)


def filter_map(peek: Peek, place: int, scale: str, colour: str | None) -> bytes:
    """The channel at ``place`` on the scale of its whole tensor, as a PNG (H, W)."""
    values = peek.activations[0]
    measured = measure(values, scale)
    own = measured if measured.is_shared else Range(measured.low[[place]], measured.high[[place]], measured.legend)
    return painted(to_bytes(values[[place]], own)[0], scale, colour)


def painted(pixels: NDArray[np.uint8], scale: str, colour: str | None) -> bytes:
    """(H, W) levels in colour."""
    image = Image.fromarray(pixels)
    image.putpalette(table(colour or default_colour(scale)).tobytes())
    return png(image)


def png(image: Image.Image) -> bytes:
    """An image as a PNG, quickly."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=QUICK)
    return buffer.getvalue()


def thumbnail(peek: Peek, photo: Kept, tiles: tuple[int, int]) -> bytes:
    """A few filters in ``tiles`` rows and columns, as a PNG; the photo itself for the photo's steps."""
    if peek.tensor.site.kind in PHOTO_KINDS:
        return png(photo.input_image.resize((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS))
    return grey_png(pixels_of(peek.activations[0], tiles)[0])
