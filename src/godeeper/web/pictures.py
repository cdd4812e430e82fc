"""Pictures for the page: mosaics, maps of single filters, thumbnails, parts of the photo, kernels and evidence."""

from __future__ import annotations

import io
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from PIL import Image

from ..explain.evidence import Evidence
from ..explain.picture import Question, colour_limit, overlay
from ..peek.colour import default_colour, table
from ..peek.geometry import Placement, patch
from ..peek.kernels import has_kernels, kernels
from ..peek.mosaic import Range, grid, lay_out, measure, to_bytes
from ..peek.picture import View
from ..peek.picture import png as framed_png
from ..peek.statistics import order
from ..peek.thumbnails import PHOTO_SIDE, pixels_of
from ..peek.thumbnails import png as grey_png
from .http.errors import not_found

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..blueprint.address import Tensor
    from ..peek.geometry import Box
    from ..peek.peek import Peek
    from ..photos.preprocess import Preprocess
    from ..weights.file import WeightsFile
    from .compute.photo_store import StoredPhoto

EVIDENCE_SIDE = 900
FAST = 1  # zlib's level; the server is usually on the same machine, so time matters more than size


def levels(peek: Peek, scale: str, colour: str | None) -> bytes:
    """All filters side by side as a PNG with a palette: (rows · H, columns · W), tile k at row k // columns."""
    values = peek.activations[0]
    measured = measure(values, scale)
    rows, columns = grid(len(values), scale, None)
    return painted(lay_out(to_bytes(values, measured), rows, columns), scale, colour)


def filter_map(peek: Peek, place: int, scale: str, colour: str | None) -> bytes:
    """The channel at position ``place``, scaled together with its whole tensor, as a PNG (H, W)."""
    values = peek.activations[0]
    measured = measure(values, scale)
    own = measured if measured.is_shared else Range(measured.low[[place]], measured.high[[place]], measured.legend)
    return painted(to_bytes(values[[place]], own)[0], scale, colour)


def painted(pixels: NDArray[np.uint8], scale: str, colour: str | None) -> bytes:
    """Levels (H, W) as a PNG with a colour palette."""
    image = Image.fromarray(pixels)
    image.putpalette(table(colour or default_colour(scale)).tobytes())
    return png(image, compress_type=zlib.Z_RLE)  # faster and smaller, because maps have long runs


def png(image: Image.Image, compress_type: int = zlib.Z_DEFAULT_STRATEGY) -> bytes:
    """An image as a PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=FAST, compress_type=compress_type)
    return buffer.getvalue()


def thumbnail(peek: Peek, photo: StoredPhoto, tiles: tuple[int, int]) -> bytes:
    """The filters that vary most, in ``tiles`` rows and columns, as a PNG; for the photo's own steps, the photo."""
    if peek.tensor.site.is_photo_step:
        return png(photo.input_image.resize((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS))
    return grey_png(pixels_of(peek.activations[0], tiles)[0])


def arranged(peek: Peek, by: str) -> Peek:
    """The same peek with its channels in one of ``explain.filters.ORDERS``; raises ``UnknownName``."""
    places = order(peek.activations[0], by)
    if places == list(range(len(places))):
        return peek
    channels = tuple(peek.tensor.filters[place] for place in places)
    return replace(peek, tensor=replace(peek.tensor, channels=channels), activations=peek.activations[:, places])


def framed(peek: Peek, scale: str, colour: str | None, sort: str) -> bytes:
    """The mosaic as ``godeeper peek`` draws it, with legend and provenance; filters are numbered if they are sorted."""
    shown = arranged(peek, sort)
    return framed_png(shown, View(scale=scale, colour=colour, numbers=shown is not peek))


def photo_patch(photo: StoredPhoto, preprocess: Preprocess, box: Box) -> bytes:
    """The part of the photo in a box of the network's input; raises ``OptionError`` if the box is outside the input."""
    return png(patch(photo.display_image, Placement.of(preprocess, photo.size), box))


def kernel(weights: WeightsFile, tensor: Tensor, number: int) -> bytes:
    """A kernel of the first convolution in colour, (height, width); raises ``RequestError`` for other layers."""
    if not has_kernels(weights.blueprint, tensor.site):
        raise not_found(f"the kernels of {tensor.name} have no colours: only those of the first convolution do")
    return png(kernels(weights, tensor.site).picture(number))


def evidence_overlay(evidence: Evidence, question: Question, module: str | None = None) -> Image.Image:
    """The photo tinted by the evidence for a class, at ``overlay_size``.

    A picture of one module uses the colour scale of all modules together, so that pictures of modules can be compared.
    """
    size = overlay_size(evidence)
    return overlay(evidence, question, size, colour_limit(evidence, question, size), module).image


def overlay_size(evidence: Evidence) -> tuple[int, int]:
    """(width, height) of an overlay: that of the photo, scaled down to ``EVIDENCE_SIDE``."""
    width, height = evidence.photo.size
    scale = min(1.0, EVIDENCE_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
