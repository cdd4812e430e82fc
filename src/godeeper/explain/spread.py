"""Spreads the evidence of grid cells over the pixels of a photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]


def grid_of(activations: Floats) -> tuple[int, int]:
    """(H, W) of activations (1, C, H, W); (1, 1) of activations (1, C)."""
    return (activations.shape[2], activations.shape[3]) if activations.ndim == 4 else (1, 1)


def shares(cells: int, area: tuple[float, float], used: tuple[float, float], pixels: int, scale: float) -> Doubles:
    """(pixels, cells): the share of each cell in each pixel, along one axis; columns add up to one.

    The cells divide ``area`` evenly.  A cell is cut off at ``used``, the part that the network sees, and its shares go to the
    rest of the cell.  ``area`` and ``used`` are in pixels of the photo; the result has ``scale`` times as many pixels.
    """
    edges = np.clip(np.linspace(*area, cells + 1), *used) * scale
    starts, ends = edges[:-1], edges[1:]
    left = np.arange(pixels)[:, None]
    overlap = np.maximum(np.minimum(ends, left + 1) - np.maximum(starts, left), 0)
    widths = overlap.sum(axis=0)
    if (widths <= 0).any():  # a cell that is entirely outside goes to the pixel at the border
        middle = np.clip(((starts + ends) / 2).astype(int), 0, pixels - 1)
        overlap[middle[widths <= 0], np.flatnonzero(widths <= 0)] = 1.0
        widths = overlap.sum(axis=0)
    found: Doubles = overlap / widths
    return found
