"""Reads weights files of other projects: recognises the format by the content and calls its reader.

There is one module per format.  Each reader returns a ``ForeignWeights`` and never runs code from the file.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from ...errors import WeightsError
from ...files import open_regular
from .foreign import BROKEN_ZIP, ForeignWeights, damaged
from .unsupported import FileProbe, check, check_folder, check_names

EXPECTED = (
    "expected a TensorFlow frozen graph (.pb, .tgz), a PyTorch state dict (.pth, .pt), .safetensors, "
    "Keras .h5 or .keras, or a TensorFlow.js model.json"
)

MOST_TENSORS = 20_000

ZIP = b"PK\x03\x04"
HDF5 = b"\x89HDF\r\n\x1a\n"
PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
PICKLE, GRAPH, JSON = b"\x80", b"\x0a", b"{"
"""The first bytes of each format."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

WEB_PAGE = re.compile(rb"\s*<\s*(!doctype|!--|html|head|body|script|\?xml|error)", re.IGNORECASE)


def read_foreign(path: Path) -> ForeignWeights:
    """Read a weights file of any known format; raises ``WeightsError`` if it cannot be read."""
    foreign = read_format(path)
    if len(foreign.tensors) > MOST_TENSORS:
        raise WeightsError(
            f"{path}: holds {len(foreign.tensors)} tensors; expected one network, at most {MOST_TENSORS}"
        )
    return foreign


def read_format(path: Path) -> ForeignWeights:
    """Read a file with the reader of its format; raises ``WeightsError`` if no format matches."""
    start = first_bytes(path)
    check_text(path, start)
    for matches, read in FORMATS:
        if matches(path, start):
            return read(path)
    raise WeightsError(f"{path}: not weights in a known format (it starts with {start[:4].hex(' ')}); {EXPECTED}")


def check_text(path: Path, start: bytes) -> None:
    """Raise ``WeightsError`` for a web page or a Git LFS pointer in place of the file."""
    text = start.removeprefix(BYTE_ORDER_MARK)
    if WEB_PAGE.match(text):
        raise WeightsError(
            f"{path}: a web page, not weights: the server returned a message instead of the file; {EXPECTED}; download it again"
        )
    if text.startswith(b"version ") and b"git-lfs" in text[:64]:
        raise WeightsError(f"{path}: a Git LFS pointer, not the weights themselves; download them with: git lfs pull")


def read_zip(path: Path) -> ForeignWeights:
    """Read a zip archive written by PyTorch or Keras."""
    from . import keras_zip, torch_zip

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except BROKEN_ZIP as error:
        raise damaged(path, "zip archive", error) from None
    if keras_zip.is_keras_zip(names):
        return keras_zip.read(path)
    if torch_zip.is_torch_zip(names):
        return torch_zip.read_zip(path)
    check_names(path, names)
    raise WeightsError(f"{path}: a zip archive without weights; {EXPECTED}")


def starts(*magic: bytes) -> Callable[[Path, bytes], bool]:
    """A function that returns whether a file starts with one of these byte strings."""
    return lambda _path, start: start.startswith(magic)


def is_safetensors(path: Path, start: bytes) -> bool:
    """Whether a file starts with an eight-byte length and a JSON header; JSON files can have a brace there too."""
    return start[8:9] == JSON and path.suffix != ".json"


def is_json(_path: Path, start: bytes) -> bool:
    """Whether a file starts with a JSON object."""
    return start.removeprefix(BYTE_ORDER_MARK).lstrip(b" ").startswith(JSON)


def reader(module: str, function: str = "read") -> Callable[[Path], ForeignWeights]:
    """A reader that calls a function of a module in this folder, and imports the module only then."""

    def read(path: Path) -> ForeignWeights:
        foreign: ForeignWeights = getattr(import_module(f".{module}", __package__), function)(path)
        return foreign

    return read


FORMATS = (
    (starts(ZIP), read_zip),
    (starts(HDF5), reader("keras_h5")),
    (starts(*PACKED), reader("frozen_graph", "read_archive")),
    (is_safetensors, reader("safetensors")),
    (is_json, reader("tfjs")),
    (starts(PICKLE), reader("torch_zip", "read_legacy")),
    (starts(GRAPH), reader("frozen_graph")),
)
"""(Test of a file's first bytes, reader); the first row whose test passes applies."""


def check_added(path: Path) -> None:
    """Raise ``WeightsError`` for a file that ``godeeper weights add`` can read; the message says so."""
    with suppress(OSError), open_regular(path) as file:
        start = file.read(16)
        may_be_ours = start[8:9] == JSON  # a truncated safetensors file
        if not may_be_ours and start.startswith((ZIP, HDF5, *PACKED, PICKLE, GRAPH, JSON)):
            raise WeightsError(f"{path}: not written by godeeper; add it first: godeeper weights add {path}")


def first_bytes(path: Path) -> bytes:
    """The first bytes of a file; raises ``WeightsError`` if it cannot be read or has an unsupported format."""
    try:
        with open_regular(path) as file:
            start = file.read(512)
            check(FileProbe(path, file))
    except IsADirectoryError:
        check_folder(path)
        raise WeightsError(f"{path}: is a folder; {EXPECTED}") from None
    except OSError as error:
        raise WeightsError(f"{path}: cannot read the file ({error.strerror}); {EXPECTED}") from None
    if not start:
        raise WeightsError(f"{path}: the file is empty; {EXPECTED}")
    return start
