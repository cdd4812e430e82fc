"""Write features of many photos to one file, batch by batch: ``.npz``, or ``.parquet`` if pyarrow is installed.

An ``.npz`` has the arrays ``photos`` (N,), ``<address>`` (N, C) float32 for each address, and ``provenance``, a JSON
text.  A Parquet table has a row for each photo, with the column ``photo`` and a column of lists for each address.  The
provenance is in its metadata.  Both are written to a temporary file, without all features in memory.
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

ROWS_AT_ONCE = 1024  # in a row group of Parquet, or in a block of photos' names


class Writer(Protocol):
    """Writes rows, batch by batch.  ``finish`` completes the file; ``close`` closes all open files."""

    def add(self, photos: Sequence[str], features: Mapping[str, Floats]) -> None: ...

    def finish(self) -> None: ...

    def close(self) -> None: ...


def check_ending(path: Path) -> None:
    """Raise ``OptionError`` unless ``path`` has the suffix of a known format."""
    if path.suffix not in WRITERS:
        raise OptionError(f"--out {path}: expected a file that ends in {' or '.join(WRITERS)}")


def writer_for(path: Path, temporary: Path, channels: Mapping[str, int], provenance: Mapping[str, Any]) -> Writer:
    """A writer for the format that belongs to the suffix of ``path``.

    Args:
        path: the final path, for its suffix and for error messages.
        temporary: the path to write to, in the same folder; the caller renames it.
        channels: address -> number of features.
        provenance: the provenance to write to the file.

    Raises:
        OptionError: no known format has that suffix.
        MissingExtra: pyarrow is needed and not installed.
        OutputError: the file cannot be written.
    """
    check_ending(path)
    try:
        return WRITERS[path.suffix](path, temporary, channels, provenance)
    except OSError as error:
        raise unwritable(path, error) from error


class NpzWriter:
    """Writes an ``.npz``.  Each array first goes to a temporary file, since the header of a ``.npy`` contains the row count."""

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
        """Add a row for each photo; ``features``: address -> (N, C)."""
        try:
            for address, part in self.parts.items():
                part.write(np.ascontiguousarray(features[address], "<f4").data)
        except OSError as error:
            raise unwritable(self.path, error) from error
        self.photos += photos

    def finish(self) -> None:
        """Join the arrays into one file; raises ``OutputError``."""
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
        """Write the photos' names in blocks, because in one array each name takes the memory of the longest name."""
        kind = f"<U{max(map(len, self.photos), default=1)}"
        with archive.open("photos.npy", "w", force_zip64=True) as member:
            write_header(member, kind, (len(self.photos),))
            for start in range(0, len(self.photos), ROWS_AT_ONCE):
                member.write(np.array(self.photos[start : start + ROWS_AT_ONCE], kind).tobytes())

    def copy(self, archive: zipfile.ZipFile, address: str, part: IO[bytes]) -> None:
        """Write one array to the archive: its header, then its numbers."""
        part.seek(0)
        with archive.open(f"{address}.npy", "w", force_zip64=True) as member:
            write_header(member, "<f4", (len(self.photos), self.channels[address]))
            shutil.copyfileobj(part, member, 1 << 20)

    def close(self) -> None:
        """Delete the temporary files; errors while they are flushed are ignored."""
        with suppress(OSError):
            self.stack.close()


class ParquetWriter:
    """Writes a Parquet file in row groups of ``ROWS_AT_ONCE`` rows; the last row group has the remaining rows."""

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
        """Add a row for each photo; ``features``: address -> (N, C)."""
        arrow = self.arrow
        # Arrow refuses surrogates, which Python uses for undecodable bytes.
        names = [photo.encode("utf-8", "backslashreplace").decode() for photo in photos]
        columns = [
            arrow.FixedSizeListArray.from_arrays(arrow.array(values.ravel()), values.shape[1])
            for values in (features[field.name] for field in list(self.schema)[1:])
        ]
        self.waiting.append(arrow.record_batch([arrow.array(names), *columns], schema=self.schema))
        if sum(batch.num_rows for batch in self.waiting) >= ROWS_AT_ONCE:
            self.write(ROWS_AT_ONCE)

    def write(self, least: int) -> None:
        """Write row groups while at least ``least`` rows are waiting."""
        rows = self.arrow.Table.from_batches(self.waiting, self.schema).combine_chunks()
        start = 0
        try:
            while rows.num_rows - start >= least:
                self.file.write_table(rows.slice(start, ROWS_AT_ONCE))
                start += ROWS_AT_ONCE
        except OSError as error:
            raise unwritable(self.path, error) from error
        self.waiting = rows.slice(start).to_batches()

    def finish(self) -> None:
        """Write the last rows and the footer; raises ``OutputError``."""
        self.write(1)
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
    """Write the header of a ``.npy`` file."""
    np.lib.format.write_array_header_1_0(member, {"descr": kind, "fortran_order": False, "shape": shape})


def save(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    """Write a small array to an archive."""
    with archive.open(f"{name}.npy", "w") as member:
        np.lib.format.write_array(member, array, allow_pickle=False)
