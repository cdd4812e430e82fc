"""Features of many photos, a few hundred rows of a module in memory at a time.

``FeatureTable`` are arrays (N, C) in half precision in one file that has no name, which goes when it is closed or the
process ends, however it ends.  ``blocks`` reads them piece by piece; a module that is asked for whole is read when
somebody looks at it, and is theirs to drop.
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
    """A module's (N, C) float32, ``ROWS_AT_ONCE`` rows at a time."""
    if isinstance(features, FeatureTable | TableRows):
        for start in range(0, features.count, ROWS_AT_ONCE):
            yield features.read(address, np.arange(start, min(start + ROWS_AT_ONCE, features.count)))
    else:
        values = features[address]
        for start in range(0, len(values), ROWS_AT_ONCE):
            yield values[start : start + ROWS_AT_ONCE]


class FeatureTable(Mapping[str, "Floats"]):
    """Address -> (N, C) float32, read from the disk each time."""

    def __init__(self, widths: Mapping[str, int], count: int) -> None:
        """``widths``: address -> C.  ``count``: N, the number of photos."""
        self.widths = dict(widths)
        self.count = count
        ends = HALF_BYTES * count * np.cumsum(list(self.widths.values()), dtype=np.int64)
        self.offsets = dict(zip(self.widths, [0, *ends.tolist()], strict=False))  # bytes
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by whoever made the tables)
        self.file.truncate(max(1, HALF_BYTES * count * sum(self.widths.values())))

    def __iter__(self) -> Iterator[str]:
        return iter(self.widths)

    def __len__(self) -> int:
        return len(self.widths)

    def __getitem__(self, address: str) -> Floats:
        return self.read(address, np.arange(self.count))

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()

    def read(self, address: str, rows: Ints) -> Floats:
        """(rows, C) float32 of some photos."""
        table = self.open(address, "r")
        found = np.empty((len(rows), self.widths[address]), np.float32)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            found[start : start + ROWS_AT_ONCE] = table[rows[start : start + ROWS_AT_ONCE]]
        return found

    def writable(self) -> Mapping[str, Halves]:
        """The arrays themselves; what is written is in the file, and in memory until they are dropped."""
        return {address: self.open(address, "r+") for address in self.widths}

    def open(self, address: str, mode: str) -> Halves:
        """A module's part of the file as an array."""
        shape = (self.count, self.widths[address])
        if not self.count:
            return np.empty(shape, np.float16)
        found: Halves = np.memmap(self.file, np.float16, mode, self.offsets[address], shape)  # type: ignore[call-overload]
        return found


class TableRows(Mapping[str, "Floats"]):
    """The features of some photos, taken from the others' when somebody looks at them."""

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
        """(rows, C) float32 of some of the photos."""
        if isinstance(self.features, FeatureTable | TableRows):
            return self.features.read(address, self.rows[rows])
        return self.features[address][self.rows[rows]]
