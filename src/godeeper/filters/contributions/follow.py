"""Follows a term back to one cell of the filter that it comes from, through concatenations, pools and normalisations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...blueprint.ops import Pool
from .patch import PaddedInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...blueprint.sites import Site
    from .record import Term

    Floats = NDArray[np.float32]
    Cell = tuple[int, int]


def origin_cell(sites: Sequence[Site], outputs: Mapping[int, Floats], term: Term) -> Cell:
    """(Row, column) of the cell of ``term.origin`` with the greatest contribution.

    Args:
        sites: all sites of the network.
        outputs: index of a site -> its output (C, H, W), for ``term.site`` and all sites between it and the origin.
        term: a term of a sum.
    """
    top, left, _, _ = term.window
    row, column = np.unravel_index(np.abs(term.cells).argmax(), term.cells.shape)
    return followed(sites, outputs, term.site, term.channel, (top + int(row), left + int(column)))


def followed(sites: Sequence[Site], outputs: Mapping[int, Floats], site: Site, channel: int, cell: Cell) -> Cell:
    """The origin's cell that a cell of a channel of ``site`` comes from; for a pool, the greatest cell of the window."""
    if site.kind == "concat":
        for source in (sites[index] for index in site.inputs):
            if channel < source.shape[0]:
                return followed(sites, outputs, source, channel, cell)
            channel -= source.shape[0]
    if site.kind not in ("pool", "norm"):
        return cell
    source = sites[site.inputs[0]]
    if isinstance(site.op, Pool):
        cell = greatest_in_window(site.op, outputs[source.index][channel], cell)
    return followed(sites, outputs, source, channel, cell)


def greatest_in_window(op: Pool, plane: Floats, cell: Cell) -> Cell:
    """The cell of ``plane`` (H, W) with the greatest value in the window that one output of a pool reads."""
    read = PaddedInput(op, (plane.shape[0], plane.shape[1]), cell, (1, 1))
    window = read.padded(plane[None], -np.inf)[0]
    row, column = np.unravel_index(window.argmax(), window.shape)
    return read.top + int(row), read.left + int(column)
