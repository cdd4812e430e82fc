"""Thumbnails of every site's activations for a photo, shown in the boxes of diagrams.

A mosaic shows all filters at native resolution.  A thumbnail shows only the few filters that vary most, and shrinks
grids of more than ``LARGEST_TILE`` cells per side.  All filters of the tensor share one scale.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..diagram.card import OperationBox
from ..diagram.svg import Picture
from .mosaic import lay_out, shared, to_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .peek import Peek

SMALLEST_TILE, LARGEST_TILE = 24, 36
PHOTO_SIDE = 160
CLEAR = 1  # the level that is transparent: between tiles, and in cells without a tile

NOTES = (  # each line is as wide as a legend
    "Pictures: the filters of each box that vary most over",
    "the photo, the most varied first. Grids of more than 36",
    "cells per side are shrunk. Each box has one scale: dark",
    "is 0 or a negative minimum, bright is the maximum.",
)
"""The lines about thumbnails in a diagram's legend."""


def thumbnails(peeks: Sequence[Peek], boxes: Sequence[OperationBox]) -> dict[int, Picture]:
    """Site index -> picture.

    ``boxes``: the boxes with room for a picture.  ``peeks``: the peeks at their sites, in the same order.
    """
    return {box.site.index: thumbnail(peek, box.tiles) for peek, box in zip(peeks, boxes, strict=True)}


def thumbnail(peek: Peek, tiles: tuple[int, int]) -> Picture:
    """The picture of one peek, in ``tiles`` rows and columns."""
    values = peek.activations[0]
    if peek.tensor.site.is_photo_step:
        pixels = values.transpose(1, 2, 0).clip(0, 255).astype(np.uint8)
        side = PHOTO_SIDE, PHOTO_SIDE
        return Picture(jpeg_uri(Image.fromarray(pixels).resize(side, Image.Resampling.LANCZOS)), "picture: the photo")
    pixels, note = pixels_of(values, tiles)
    return Picture(png_uri(pixels), f"picture: {note}")


def pixels_of(values: NDArray[np.float32], tiles: tuple[int, int]) -> tuple[NDArray[np.uint8], str]:
    """Grey levels (H, W) for activations (C, H, W) in ``tiles`` rows and columns, and a text that describes them."""
    measured = shared(values)
    scale = f"dark {measured.low:.4g}, bright {measured.high:.4g}"
    if values[0].size == 1:
        rows = max(1, math.isqrt(len(values) // 2))
        flat = to_bytes(values, measured)[:, 0, 0]
        columns = math.ceil(len(flat) / rows)
        padded = np.pad(opaque(flat), (0, rows * columns - len(flat)), constant_values=CLEAR)
        return padded.reshape(rows, columns), f"all {len(values)} values, row after row; {scale}"
    chosen = np.argsort(-values.std(axis=(1, 2)), kind="stable")[: tiles[0] * tiles[1]]
    shown = spaced(shrunk(to_bytes(values[chosen], measured)))
    numbers = ", ".join(map(str, chosen.tolist()))
    return lay_out(shown, *tiles), f"filters {numbers}; {scale}"


def shrunk(tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Tiles (C, H, W) shrunk to at most ``LARGEST_TILE`` cells per side; each new cell is a mean of the cells it covers."""
    if max(tiles.shape[1:]) <= LARGEST_TILE:
        return tiles
    side = LARGEST_TILE, LARGEST_TILE
    return np.stack([np.asarray(Image.fromarray(tile).resize(side, Image.Resampling.BOX)) for tile in tiles])


def spaced(tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Tiles (C, H, W) enlarged to at least ``SMALLEST_TILE``, each with a transparent line below and on its right."""
    zoom = max(1, math.ceil(SMALLEST_TILE / max(tiles.shape[1:])))
    enlarged = tiles.repeat(zoom, axis=1).repeat(zoom, axis=2)
    return np.pad(opaque(enlarged), ((0, 0), (0, 1), (0, 1)), constant_values=CLEAR)


def opaque(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Replace the level ``CLEAR`` by the one below it, so that no value is transparent; the difference is invisible."""
    return np.where(pixels == CLEAR, np.uint8(CLEAR - 1), pixels)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Grey levels (H, W) as a PNG in which ``CLEAR`` is transparent."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True, transparency=CLEAR)
    return buffer.getvalue()


def png_uri(pixels: NDArray[np.uint8]) -> str:
    """Grey levels (H, W) as the ``data:`` URI of a PNG."""
    return f"data:image/png;base64,{base64.b64encode(png(pixels)).decode()}"


def jpeg_uri(image: Image.Image) -> str:
    """A photo as the ``data:`` URI of a JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
