"""Computes the maximum of every filter for a photo, and the cell of the maximum, to build a filter index.

The filters are those of ``index.indexed_sites``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..engine.plan import Key, output
from .index import NO_CELL, indexed_sites

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..blueprint.ops import Blueprint
    from ..features.pipeline import ComputedBatch, PhotoInfo

    Floats = NDArray[np.float32]
    Cells = NDArray[np.uint16]


@dataclass(frozen=True)
class Maxima:
    """The maxima of all F indexed filters for some photos.

    ``values``: (N, F) float32, the maximum over the map.  ``cells``: (N, F) uint16, the first cell with the maximum, counted
    row by row; ``NO_CELL`` if the map is constant.  ``unreadable``: the photos of the batch that could not be read.
    """

    photos: tuple[PhotoInfo, ...]
    values: Floats
    cells: Cells
    unreadable: tuple[PhotoInfo, ...] = ()


def indexed_keys(blueprint: Blueprint) -> list[Key]:
    """The keys of the indexed tensors, in the order of ``indexed_sites``."""
    return [output(site) for site in indexed_sites(blueprint)]


@dataclass(frozen=True)
class ReduceToMaxima:
    """The reducer: a batch of whole tensors -> the maximum of each of their filters.

    ``keys``: the keys of the tensors, in order.
    """

    keys: Sequence[Key]

    def __call__(self, batch: ComputedBatch) -> Maxima:
        parts = [maxima(batch.values[key]) for key in self.keys] if batch.rows else []
        if not parts:
            return Maxima((), np.empty((0, 0), np.float32), np.empty((0, 0), np.uint16), batch.unreadable)
        values, cells = (np.concatenate(each, axis=1) for each in zip(*parts, strict=True))
        return Maxima(batch.computed, values, cells, batch.unreadable)


def maxima(maps: Floats) -> tuple[Floats, Cells]:
    """Values and cells (N, C) of maps (N, C, H, W).

    >>> maxima(np.array([[[[0, 2], [2, 1]], [[3, 3], [3, 3]]]], np.float32))[1].tolist() == [[1, NO_CELL]]
    True
    """
    flat = maps.reshape(*maps.shape[:2], -1)
    cells = flat.argmax(axis=2)
    values = np.take_along_axis(flat, cells[..., None], axis=2)[..., 0]
    found = cells.astype(np.uint16)
    suspects = np.nonzero(cells == 0)  # only a map whose first cell has the maximum can be constant
    constant = (flat[suspects] == values[suspects][:, None]).all(axis=1)
    found[suspects[0][constant], suspects[1][constant]] = NO_CELL
    return values, found
