"""``Ranking``: the top photos of every filter, and statistics over photos; the order in which photos are added does not matter.

A photo's rank is its position in the order of the file hashes.  The rank breaks ties between equal values and selects the
sample, so the result depends only on the photos.  Sums are kept as integers, because sums of floats depend on their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .index import NO_CELL, NO_PHOTO
from .percentiles import SAMPLE, PercentileSample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .maxima import Cells, Floats

    Words = NDArray[np.uint64]
    Ints = NDArray[np.int64]
    Arrays = Mapping[str, NDArray[np.generic]]

STEPS = 1 << 24
"""Values are rounded to 1/STEPS before they are added."""

EMPTY = np.uint64(0)


class Ranking:
    """The entries of F filters in an index, for the photos added so far."""

    def __init__(self, filters: int, top: int, classes: int) -> None:
        """``filters``: the number of filters, F.  ``top``: photos kept for each filter.  ``classes``: the number of classes."""
        self.top = top
        self.keys = np.zeros((filters, top), np.uint64)  # value and rank of the top photos, the greatest first
        self.cells = np.full((filters, top), NO_CELL, np.uint16)
        self.active = np.zeros(filters, np.int64)
        self.sums = np.zeros(filters, np.int64)
        self.class_active = np.zeros((classes, filters), np.int64)
        self.class_sums = np.zeros((classes, filters), np.int64)
        self.class_photos = np.zeros(classes, np.int64)
        self.sample = PercentileSample(filters)
        self.photos = 0

    def add(self, ranks: Sequence[int], values: Floats, cells: Cells, classes: Sequence[int | None]) -> None:
        """Add N photos.

        Args:
            ranks: the ranks of the photos, all different.
            values: (N, F), the maxima, at least 0.
            cells: (N, F), the cells with the maxima.
            classes: the index of each photo's class; None for a photo without one.
        """
        keys = keyed(values, np.array(ranks, np.uint64))
        keys[cells == NO_CELL] = EMPTY
        self.rank(keys, cells)
        steps = np.rint(values.astype(np.float64) * STEPS).astype(np.int64)
        above = values > 0
        self.active += above.sum(axis=0)
        self.sums += steps.sum(axis=0)
        for row, at in enumerate(classes):
            if at is not None:
                self.class_active[at] += above[row]
                self.class_sums[at] += steps[row]
                self.class_photos[at] += 1
        for row, rank in enumerate(ranks):
            if rank < SAMPLE:
                self.sample.put(rank, values[row], cells[row])
        self.photos += len(ranks)

    def rank(self, keys: Words, cells: Cells) -> None:
        """Keep the greatest keys of each filter, with their cells; ``keys`` and ``cells``: (N, F)."""
        better = np.flatnonzero((keys > self.keys[:, -1]).any(axis=0))
        joined = np.concatenate([self.keys[better], keys[:, better].T], axis=1)
        order = np.argsort(joined, axis=1)[:, : -self.top - 1 : -1]
        self.keys[better] = np.take_along_axis(joined, order, axis=1)
        where = np.concatenate([self.cells[better], cells[:, better].T], axis=1)
        self.cells[better] = np.take_along_axis(where, order, axis=1)

    def close(self) -> None:
        """Delete the sample's file."""
        self.sample.close()

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The arrays of an index, by name; a photo is given by its rank."""
        ranks = np.where(self.keys == EMPTY, NO_PHOTO, ~self.keys.astype(np.uint32))
        values = (self.keys >> np.uint64(32)).astype(np.uint32).view(np.float32)
        examples = list(self.sample.examples())
        with np.errstate(invalid="ignore"):
            class_mean = self.class_sums / (STEPS * np.maximum(self.class_photos, 1)[:, None])
        return {
            "top_photos": ranks.astype(np.uint32),
            "top_values": values,
            "top_cells": self.cells,
            "examples_photos": np.concatenate([each[0] for each in examples]).astype(np.uint32),
            "examples_values": np.concatenate([each[1] for each in examples]),
            "examples_cells": np.concatenate([each[2] for each in examples]),
            "active": self.active.astype(np.uint32),
            "mean": (self.sums / (STEPS * max(self.photos, 1))).astype(np.float32),
            "class_active": self.class_active.astype(np.uint32),
            "class_mean": class_mean.astype(np.float32),
        }


def keyed(values: Floats, ranks: Words) -> Words:
    """Keys (N, F) that sort by value, and equal values by descending rank; a value of 0 has the key ``EMPTY``.

    The keys contain the bits of the values, since the bits of positive floats sort like the floats.
    """
    positive = np.maximum(values, np.float32(0))
    bits = positive.view(np.uint32).astype(np.uint64) << np.uint64(32)
    keys: Words = bits | (np.uint64(NO_PHOTO) - ranks)[:, None]
    keys[positive == 0] = EMPTY
    return keys
