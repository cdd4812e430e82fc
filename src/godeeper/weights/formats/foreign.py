"""What every reader of a foreign format answers: plain numbers by name, and what else the file told.

A reader gives the tensors as they are stored, in the file's own names and layouts; which of ours
they are is decided in ``adopt``.  Readers never run anything that a file says.
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
"""No Inception network's weights are larger; what claims to be is refused before it fills the memory."""

TYPES = {
    "float64": "<f8", "float32": "<f4", "float16": "<f2", "bfloat16": "<u2",
    "int64": "<i8", "int32": "<i4", "int16": "<i2", "int8": "i1", "uint16": "<u2", "uint8": "u1", "bool": "?",
}  # fmt: skip
"""Type -> how numpy reads its bytes; bfloat16, which numpy lacks, is widened at once."""

FLOATS = ("float64", "float32", "float16", "bfloat16")


BROKEN_ZIP = (
    zipfile.BadZipFile, OSError, KeyError, ValueError, EOFError, NotImplementedError, RuntimeError, struct.error, zlib.error,
    lzma.LZMAError,
)  # fmt: skip
"""What reading a damaged zip archive raises."""


@dataclass(frozen=True)
class GraphHead:
    """A classifier in a graph: its constants, what it ends in, and what the graph calls its tensors -> our names."""

    weights: str
    biases: str
    activation: str
    names: Mapping[str, str]


@dataclass(frozen=True)
class ForeignWeights:
    """A foreign weights file, read.

    ``tensors``: the file's own names -> numbers in the file's own layout.  ``types``: names -> the type they
    are stored in.  ``operations``: nodes of a graph -> the operation there, where the file has a graph.
    ``heads``: the classifiers of a graph, told from how its nodes hang together.  ``folded``: kernels -> the
    constants added to what they give, where normalisations were folded.  ``activation``: what a classifier of Keras
    ends in, where the file says so.
    ``labels``: one a class, where the file brings them.  ``notes``: what had to be put right.
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
    """Raise for a zip archive that unpacks to more than weights can be, or is packed as no framework packs it."""
    members = archive.infolist()
    if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
        raise ValueError("members are packed in another way than stored or deflated")
    if sum(member.file_size for member in members) > MOST_BYTES:
        raise WeightsError(
            f"{archive.filename}: unpacks to more than {MOST_BYTES >> 30} GiB; expected weights of one network"
        )


def read_whole(path: Path) -> bytes:
    """The bytes of a file that is no larger than weights can be."""
    try:
        with open_regular(path) as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise WeightsError(f"{path}: cannot read it ({error.strerror}); expected a weights file") from None
    if len(data) > MOST_BYTES:
        raise WeightsError(f"{path}: larger than {MOST_BYTES >> 30} GiB; expected weights of one network")
    return data


def array_of(data: Any, kind: str, shape: tuple[int, ...], label: str) -> NDArray[Any]:
    """Bytes as an array of ``shape``; bfloat16 becomes float32 exactly."""
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
    """bfloat16 is the upper half of float32: put zeros below."""
    import numpy as np

    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def damaged(path: Path, what: str, reason: object) -> WeightsError:
    """The error for a file that is cut short or broken."""
    text = str(reason).partition("\n")[0] or type(reason).__name__
    return WeightsError(f"{path}: not a whole {what} ({text}); download it again")
