"""Features of many photos in one file, written as they come: ``.npz``, or ``.parquet`` where pyarrow is installed.

An ``.npz`` holds ``photos`` (N,) and, by address, (N, C) float32 each, row for row, and ``provenance`` as JSON text.
A table of Parquet has a row a photo: ``photo``, and a column of lists for each address; the provenance is in its
metadata.  Neither is ever in memory as a whole; both are written under a temporary name.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import MissingExtra, OptionError
from ..files import unwritable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

ROWS_AT_ONCE = 1024  # in a group of Parquet's, or of names


class Writer(Protocol):
    """Takes rows, batch by batch.  ``finish`` completes the file; ``close`` lets go of what is open."""

    def add(self, photos: Sequence[str], features: Mapping[str, Floats]) -> None: ...

    def finish(self) -> None: ...

    def close(self) -> None: ...


def check_ending(path: Path) -> None:
    """Raise ``OptionError`` unless ``path`` ends in a format's name."""
    if path.suffix not in WRITERS:
        raise OptionError(f"--out {path}: expected a file that ends in {' or '.join(WRITERS)}")


def writer_for(path: Path, temporary: Path, channels: Mapping[str, int], provenance: Mapping[str, Any]) -> Writer:
    """A writer of the format that ``path`` ends in.

    Args:
        path: of the file to write, for its ending and for errors.
        temporary: where it is written, in the same folder, until the caller renames it.
        channels: address -> how many features it has.
        provenance: what the file says of where they come from.

    Raises:
        OptionError: another ending.
        MissingExtra: pyarrow is needed and not installed.
        OutputError: the file cannot be written.
    """
    check_ending(path)
    try:
        return WRITERS[path.suffix](path, temporary, channels, provenance)
    except OSError as error:
        raise unwritable(path, error) from error


class NpzWriter:
    """Keeps each array's numbers in a temporary file until their count is known, which stands before them."""

    def __init__(self, path: Path, temporary: Path, channels: Mapping[str, int], provenance: Mapping[str, Any]) -> None:
        self.path = path
        self.provenance = provenance
        self.channels = channels
        self.photos: list[str] = []
        self.temporary = temporary
        self.stack = ExitStack()
        self.parts: dict[str, IO[bytes]] = {
            address: self.stack.enter_context(tempfile.TemporaryFile(dir=temporary.parent))  # noqa: SIM115 (closed by the stack)
            for address in channels
        }

    def add(self, photos: Sequence[str], features: Mapping[str, Floats]) -> None:
        """Rows of the photos, (N, C) each."""
        try:
            for address, part in self.parts.items():
                part.write(np.ascontiguousarray(features[address], "<f4").data)
        except OSError as error:
            raise unwritable(self.path, error) from error
        self.photos += photos

    def finish(self) -> None:
        """Join the arrays into one file."""
        try:
            with zipfile.ZipFile(self.temporary, "x", zipfile.ZIP_STORED) as archive:
                self.save_names(archive)
                save(archive, "provenance", np.array(json.dumps(self.provenance)))
                for address, part in self.parts.items():
                    self.copy(archive, address, part)
            flush(self.temporary)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def save_names(self, archive: zipfile.ZipFile) -> None:
        """The photos' names: a few at a time, since an array gives each of them as much room as the longest."""
        kind = f"<U{max(map(len, self.photos), default=1)}"
        with archive.open("photos.npy", "w", force_zip64=True) as member:
            write_header(member, kind, (len(self.photos),))
            for start in range(0, len(self.photos), ROWS_AT_ONCE):
                member.write(np.array(self.photos[start : start + ROWS_AT_ONCE], kind).tobytes())

    def copy(self, archive: zipfile.ZipFile, address: str, part: IO[bytes]) -> None:
        """One array: its header, then its numbers."""
        part.seek(0)
        with archive.open(f"{address}.npy", "w", force_zip64=True) as member:
            write_header(member, "<f4", (len(self.photos), self.channels[address]))
            shutil.copyfileobj(part, member, 1 << 20)

    def close(self) -> None:
        """Remove the arrays' parts; that their last bytes cannot be written any more is no matter."""
        with suppress(OSError):
            self.stack.close()


class ParquetWriter:
    """Writes groups of rows as they fill."""

    def __init__(self, path: Path, temporary: Path, channels: Mapping[str, int], provenance: Mapping[str, Any]) -> None:
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            raise MissingExtra("parquet") from None
        self.path = path
        self.temporary = temporary
        self.arrow = pyarrow
        columns = [(address, pyarrow.list_(pyarrow.float32(), count)) for address, count in channels.items()]
        self.schema = pyarrow.schema([("photo", pyarrow.string()), *columns], {"godeeper": json.dumps(provenance)})
        self.file = parquet.ParquetWriter(self.temporary, self.schema)
        self.waiting: list[Any] = []

    def add(self, photos: Sequence[str], features: Mapping[str, Floats]) -> None:
        """Rows of the photos, (N, C) each."""
        arrow = self.arrow
        names = [photo.encode("utf-8", "backslashreplace").decode() for photo in photos]  # it takes no broken names
        columns = [
            arrow.FixedSizeListArray.from_arrays(arrow.array(values.ravel()), values.shape[1])
            for values in (features[field.name] for field in list(self.schema)[1:])
        ]
        self.waiting.append(arrow.record_batch([arrow.array(names), *columns], schema=self.schema))
        if sum(batch.num_rows for batch in self.waiting) >= ROWS_AT_ONCE:
            self.write()

    def write(self) -> None:
        """The rows that wait, as one group."""
        try:
            if self.waiting:
                self.file.write_table(self.arrow.Table.from_batches(self.waiting))
        except OSError as error:
            raise unwritable(self.path, error) from error
        self.waiting = []

    def finish(self) -> None:
        """The last rows, the footer, the name."""
        self.write()
        try:
            self.file.close()
            flush(self.temporary)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            self.file.close()


WRITERS: dict[str, Callable[[Path, Path, Mapping[str, int], Mapping[str, Any]], Writer]] = {
    ".npz": NpzWriter,
    ".parquet": ParquetWriter,
}


def flush(path: Path) -> None:
    """Flush a file to the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def write_header(member: IO[bytes], kind: str, shape: tuple[int, ...]) -> None:
    """What stands before an array's numbers in a ``.npy`` file."""
    np.lib.format.write_array_header_1_0(member, {"descr": kind, "fortran_order": False, "shape": shape})


def save(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    """A small array as a member of an archive."""
    with archive.open(f"{name}.npy", "w") as member:
        np.lib.format.write_array(member, array, allow_pickle=False)
