"""In which order to look at filters: by number, by strength, by selectivity.

Strength is a filter's greatest value.  Selectivity is the sparseness of Vinje and Gallant, "Sparse coding and
decorrelation in primary visual cortex during natural vision" (Science 287, 2000), over the places of one photo:
(1 - (mean r)² / mean r²) / (1 - 1 / places), r the values above zero: 0 where all places are alike, 1 where one alone
is active.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UnknownName
from .capture import Peek

if TYPE_CHECKING:
    from numpy.typing import NDArray

ORDERS = {
    "number": "by number",
    "strength": "by strength: the greatest value first",
    "selectivity": "by selectivity: those active in the fewest places first (sparseness of Vinje and Gallant, 2000)",
}
"""Name -> what it means, in words."""


def selectivity(peek: Peek) -> NDArray[np.float64]:
    """(C,) float64 from 0 to 1; NaN for a filter without a value above zero, and where there is only one place."""
    places = peek.activations[0, 0].size
    if places == 1:
        return np.full(peek.activations.shape[1], np.nan)
    values = np.maximum(peek.activations[0].reshape(-1, places), 0).astype(np.float64)
    squares = np.einsum("cp,cp->c", values, values) / places
    with np.errstate(invalid="ignore"):
        share: NDArray[np.float64] = (1 - values.mean(axis=1) ** 2 / squares) / (1 - 1 / places)
    return share


def order(peek: Peek, by: str) -> NDArray[np.int64]:
    """(C,): the positions of the channels in one of ``ORDERS``; equals stay in the order of their numbers."""
    if by not in ORDERS:
        raise UnknownName("sort", by, ORDERS)
    if by == "number":
        return np.arange(peek.activations.shape[1])
    keys = peek.maximum if by == "strength" else np.nan_to_num(selectivity(peek), nan=-1)
    return np.argsort(-keys, kind="stable")


def arranged(peek: Peek, by: str) -> Peek:
    """The same peek with its channels in one of ``ORDERS``."""
    if by == "number":
        return peek
    places = order(peek, by)
    channels = tuple(peek.tensor.filters[place] for place in places.tolist())
    return replace(peek, tensor=replace(peek.tensor, channels=channels), activations=peek.activations[:, places])
