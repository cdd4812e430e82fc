"""``PercentileSample``: the photos at the percentiles of the maxima of every filter, over a sample of photos."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .index import PERCENTILES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .maxima import Cells, Floats

SAMPLE = 2048
"""The percentiles are computed over at most this many photos: those with the smallest hashes, a uniform sample."""

FILTERS_AT_ONCE = 1024
ROW_BYTES = 6  # of a value and a cell


class PercentileSample:
    """The maxima of a sample of photos, in an unnamed temporary file, because with many filters they do not fit into memory.

    The row of values and cells of a photo is at the position of its rank.  The file is not memory-mapped, because the system
    would load a dozen pages around each page that is needed.
    """

    def __init__(self, filters: int) -> None:
        self.filters = filters
        self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed by ``close``)
        self.ranks: list[int] = []

    def put(self, rank: int, values: Floats, cells: Cells) -> None:
        """Keep the maxima (F,) of a photo."""
        self.file.seek(rank * self.filters * ROW_BYTES)
        self.file.write(values.tobytes() + cells.tobytes())
        self.ranks.append(rank)

    def examples(self) -> Iterator[tuple[NDArray[np.int64], Floats, Cells]]:
        """Yield the photo at each percentile, for groups of filters: ranks, values and cells, all (filters, percentiles).

        The photo at percentile p of N photos has position ⌈p N / 100⌉, counted from 1, in ascending order of value and rank.
        """
        ranks = np.array(sorted(self.ranks), np.int64)
        places = [max(0, -(-each * len(ranks) // 100) - 1) for each in PERCENTILES]
        for start in range(0, self.filters, FILTERS_AT_ONCE):
            count = min(FILTERS_AT_ONCE, self.filters - start)
            values, cells = np.empty((len(ranks), count), np.float32), np.empty((len(ranks), count), np.uint16)
            for row, rank in enumerate(ranks.tolist()):
                self.read(values[row], (rank * ROW_BYTES * self.filters) + 4 * start)
                self.read(cells[row], (rank * ROW_BYTES + 4) * self.filters + 2 * start)
            order = np.argsort(values, axis=0, kind="stable")[places].T  # (filters, percentiles)
            columns = np.arange(count)[:, None]
            yield ranks[order], values.T[columns, order], cells.T[columns, order]

    def read(self, numbers: NDArray[Any], offset: int) -> None:
        """Fill ``numbers`` from the file at ``offset``."""
        self.file.seek(offset)
        numbers[:] = np.frombuffer(self.file.read(numbers.nbytes), numbers.dtype)

    def close(self) -> None:
        """Delete the file."""
        self.file.close()
