"""``ForeignWeights``, the result of each reader of a foreign format, and checks that the readers share.

A reader returns the tensors as they are stored, with the names and axes of the file; ``convert`` changes them to ours.
Readers never run code from a file.
"""

from __future__ import annotations

import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import WeightsError
from ...files import open_regular

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_BYTES = 2 << 30
"""The maximum size of a file's weights, far above that of any Inception network.

Files that state a larger size are refused before memory is allocated.
"""

TYPES = {
    "float64": "<f8", "float32": "<f4", "float16": "<f2", "bfloat16": "<u2",
    "int64": "<i8", "int32": "<i4", "int16": "<i2", "int8": "i1", "uint16": "<u2", "uint8": "u1", "bool": "?",
}  # fmt: skip
"""Type -> type code in numpy; bfloat16, which numpy does not have, is read as uint16 and widened to float32."""

FLOATS = ("float64", "float32", "float16", "bfloat16")


BROKEN_ZIP = (
    zipfile.BadZipFile, OSError, KeyError, ValueError, EOFError, NotImplementedError, RuntimeError, struct.error, zlib.error,
    lzma.LZMAError,
)  # fmt: skip
"""The exceptions that reading a damaged zip archive raises."""


@dataclass(frozen=True)
class GraphHead:
    """A classifier in a graph.

    ``weights`` and ``biases``: the names of its constants.  ``activation``: the final operation, empty if there is none.
    ``names``: tensor name in the graph -> our name.
    """

    weights: str
    biases: str
    activation: str
    names: Mapping[str, str]


@dataclass(frozen=True)
class ForeignWeights:
    """The content of a foreign weights file.

    ``tensors``: name in the file -> values as they are stored.  ``types``: name -> stored type.
    ``operations``: node -> operation, if the file contains a graph.  ``heads``: the classifiers of a graph, found by its
    connections.  ``folded``: kernel -> bias that is added after it, where batch normalisation was folded into the kernel.
    ``activation``: the final activation of the classifier, if the file states it.
    ``labels``: one per class, if the file contains them.  ``notes``: notes on corrected or skipped tensors.
    """

    path: Path
    format: str
    tensors: Mapping[str, NDArray[Any]] = field(repr=False)
    types: Mapping[str, str] = field(repr=False)
    operations: Mapping[str, str] = field(default_factory=dict, repr=False)
    heads: tuple[GraphHead, ...] = ()
    folded: Mapping[str, str] = field(default_factory=dict, repr=False)
    activation: str = ""
    labels: tuple[str, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()


def check_packing(archive: zipfile.ZipFile) -> None:
    """Raise ``WeightsError`` if a zip archive unpacks to more than ``MOST_BYTES``, ``ValueError`` for unusual compression."""
    members = archive.infolist()
    if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
        raise ValueError("members are neither stored nor deflated")
    if sum(member.file_size for member in members) > MOST_BYTES:
        raise WeightsError(
            f"{archive.filename}: unpacks to more than {MOST_BYTES >> 30} GiB; expected weights of one network"
        )


def read_whole(path: Path) -> bytes:
    """The bytes of a file; raises ``WeightsError`` if it has more than ``MOST_BYTES``."""
    try:
        with open_regular(path) as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise WeightsError(f"{path}: cannot read the file ({error.strerror}); expected a weights file") from None
    if len(data) > MOST_BYTES:
        raise WeightsError(f"{path}: larger than {MOST_BYTES >> 30} GiB; expected weights of one network")
    return data


def array_of(data: Any, kind: str, shape: tuple[int, ...], label: str) -> NDArray[Any]:
    """An array of ``shape`` with these bytes; bfloat16 is widened to float32, which is exact.

    ``label`` is for messages.  Raises ``WeightsError`` for an unknown type or a wrong number of bytes.
    """
    import numpy as np

    if kind not in TYPES:
        raise WeightsError(f"{label} is stored as {kind}: expected one of {', '.join(FLOATS)}")
    stored = np.dtype(TYPES[kind])
    if len(data) != math.prod(shape) * stored.itemsize:
        raise WeightsError(
            f"{label} has {len(data)} bytes, expected {math.prod(shape) * stored.itemsize} for {kind} {shape}; the file is damaged, download it again"
        )
    values = np.frombuffer(data, stored)
    return (widen_bfloat16(values) if kind == "bfloat16" else values).reshape(shape)


def widen_bfloat16(bits: NDArray[Any]) -> NDArray[Any]:
    """bfloat16 values as float32: they become the upper 16 bits, and the lower 16 bits are zero."""
    import numpy as np

    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def damaged(path: Path, what: str, reason: object) -> WeightsError:
    """The error for a truncated or damaged file."""
    text = str(reason).partition("\n")[0] or type(reason).__name__
    return WeightsError(f"{path}: not a complete {what} ({text}); download it again")
