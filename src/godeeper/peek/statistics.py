"""Statistics of single filters on one photo, and the orders in which filters can be shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UnknownName

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

STRENGTH = "the filter's maximum on this photo"
SELECTIVITY = (
    "sparseness over the photo's places, after Vinje and Gallant (Science 287, 2000): "
    "0 where a filter has one value everywhere, 1 where it is active in a single cell"
)
"""Descriptions of the statistics, for the page and the docs."""


def strengths(activations: Floats) -> Floats:
    """The maximum of each filter of ``activations`` (C, H, W), as (C,) float32."""
    greatest: Floats = activations.max(axis=(1, 2))
    return greatest


def selectivities(activations: Floats) -> NDArray[np.float64]:
    """The selectivity of each filter, which is high if it responds to few places of the photo.

    It is the sparseness (1 - a) / (1 - 1 / n), where a = mean(r)² / mean(r²) over n responses r.  Source: Vinje and
    Gallant, Science 287 (2000), after Rolls and Tovee, J. Neurophysiol. 73 (1995).  They computed it over stimuli; here
    it is computed over the n = H · W places of one photo.

    Args:
        activations: (C, H, W), rectified.

    Returns:
        (C,) float64 from 0 (the same value everywhere) to 1 (a single active cell).  NaN for a filter that is zero
        everywhere.  NaN for all filters if the maps have a single cell, or if any value is below zero.

    >>> selectivities(np.array([[[0, 0], [0, 3]], [[2, 2], [2, 2]], [[0, 0], [0, 0]]], np.float32)).tolist()
    [1.0, 0.0, nan]
    """
    cells = activations.reshape(len(activations), -1).astype(np.float64)
    count = cells.shape[1]
    if count < 2 or cells.min() < 0:
        return np.full(len(cells), np.nan)
    squares = np.square(cells).mean(axis=1)
    evenness = np.divide(np.square(cells.mean(axis=1)), squares, out=np.full(len(cells), np.nan), where=squares > 0)
    found: NDArray[np.float64] = np.clip((1 - evenness) / (1 - 1 / count), 0, 1)
    return found


ORDERS: dict[str, Callable[[Floats], NDArray[Any]]] = {
    "number": lambda activations: np.zeros(len(activations)),
    "strength": strengths,
    "selectivity": selectivities,
}
"""Name of an order -> its sort key, for descending order; NaN comes last, and ties keep their order."""


def order(activations: Floats, by: str = "number") -> list[int]:
    """The positions of the filters of ``activations`` (C, H, W), sorted by one of ``ORDERS``; raises ``UnknownName``."""
    if by not in ORDERS:
        raise UnknownName("order", by, ORDERS)
    found: list[int] = np.argsort(-ORDERS[by](activations), kind="stable").tolist()
    return found
