"""Tables of features on disk; a few hundred rows of a module are in memory at a time.

``FeatureTable`` has an array (N, C) in half precision for each module, all in one temporary file without a name.  The
system deletes the file when it is closed or when the process ends, even if the process is killed.  ``blocks`` reads a
module in blocks of rows; each indexing reads a whole module.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

    Halves = NDArray[np.float16]

ROWS_AT_ONCE = 512
HALF_BYTES = 2


def blocks(features: Mapping[str, Floats], address: str) -> Iterator[Floats]:
    """Yield the features (N, C) float32 of a module, ``ROWS_AT_ONCE`` rows at a time."""
    if isinstance(features, FeatureTable | TableRows):
        for start in range(0, features.count, ROWS_AT_ONCE):
            yield features.read(address, np.arange(start, min(start + ROWS_AT_ONCE, features.count)))
    else:
        values = features[address]
        for start in range(0, len(values), ROWS_AT_ONCE):
            yield values[start : start + ROWS_AT_ONCE]


class FeatureTable(Mapping[str, "Floats"]):
    """Address -> (N, C) float32, read from disk at each access."""

    def __init__(self, widths: Mapping[str, int], count: int) -> None:
        """``widths``: address -> C.  ``count``: N, the number of photos."""
        self.widths = dict(widths)
        self.count = count
        ends = HALF_BYTES * count * np.cumsum(list(self.widths.values()), dtype=np.int64)
        self.offsets = dict(zip(self.widths, [0, *ends.tolist()], strict=False))  # bytes
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by ``close``)
        self.file.truncate(max(1, HALF_BYTES * count * sum(self.widths.values())))

    def __iter__(self) -> Iterator[str]:
        return iter(self.widths)

    def __len__(self) -> int:
        return len(self.widths)

    def __getitem__(self, address: str) -> Floats:
        return self.read(address, np.arange(self.count))

    def close(self) -> None:
        """Close and delete the file."""
        self.file.close()

    def read(self, address: str, rows: Ints) -> Floats:
        """The features of the photos at these R rows, (R, C) float32."""
        table = self.open(address, "r")
        values = np.empty((len(rows), self.widths[address]), np.float32)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            values[start : start + ROWS_AT_ONCE] = table[rows[start : start + ROWS_AT_ONCE]]
        return values

    def writable(self) -> Mapping[str, Halves]:
        """Address -> array (N, C) float16 mapped to the file; written pages stay in memory until the array is deleted."""
        return {address: self.open(address, "r+") for address in self.widths}

    def open(self, address: str, mode: str) -> Halves:
        """A module's part of the file as an array (N, C) float16."""
        shape = (self.count, self.widths[address])
        if not self.count:
            return np.empty(shape, np.float16)
        array: Halves = np.memmap(self.file, np.float16, mode, self.offsets[address], shape)  # type: ignore[call-overload]
        return array


class TableRows(Mapping[str, "Floats"]):
    """The features of a subset of photos: a view of other ``features`` that reads the ``rows`` on access."""

    def __init__(self, features: Mapping[str, Floats], rows: Ints) -> None:
        self.features = features
        self.rows = rows
        self.count = len(rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self.features)

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, address: str) -> Floats:
        return self.read(address, np.arange(self.count))

    def read(self, address: str, rows: Ints) -> Floats:
        """The features of the photos at these R rows of the subset, (R, C) float32."""
        if isinstance(self.features, FeatureTable | TableRows):
            return self.features.read(address, self.rows[rows])
        return self.features[address][self.rows[rows]]
