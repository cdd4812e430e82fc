"""Spreads the evidence of grid cells over the pixels of a photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]


def grid_of(activations: Floats) -> tuple[int, int]:
    """(H, W) of (1, C, H, W), or of (1, C) one cell."""
    return (activations.shape[2], activations.shape[3]) if activations.ndim == 4 else (1, 1)


def shares(cells: int, area: tuple[float, float], used: tuple[float, float], pixels: int, scale: float) -> Doubles:
    """(pixels, cells): which share of each cell lies in each pixel, along one axis; columns add up to one.

    Cells divide ``area`` evenly, in pixels of the photo, of which ``used`` was seen; a cell's part beyond it counts
    for the rest of the cell.  ``scale``: pixels of the result a pixel of the photo.
    """
    edges = np.clip(np.linspace(*area, cells + 1), *used) * scale
    starts, ends = edges[:-1], edges[1:]
    left = np.arange(pixels)[:, None]
    overlap = np.maximum(np.minimum(ends, left + 1) - np.maximum(starts, left), 0)
    widths = overlap.sum(axis=0)
    if (widths <= 0).any():  # all of a cell is beyond the border: it counts for the pixel there
        middle = np.clip(((starts + ends) / 2).astype(int), 0, pixels - 1)
        overlap[middle[widths <= 0], np.flatnonzero(widths <= 0)] = 1.0
        widths = overlap.sum(axis=0)
    found: Doubles = overlap / widths
    return found
