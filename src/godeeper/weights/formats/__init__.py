"""Readers of foreign weights: recognises a file's format by its content and calls the reader for it.

One module per format.  Each reader returns a ``ForeignWeights``: names and values; no code from the file is run.
"""

from __future__ import annotations

import re
import zipfile
from contextlib import suppress
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

WEB_PAGE = re.compile(rb"\s*<\s*(!doctype|!--|html|head|body|script|\?xml|error)", re.IGNORECASE)


def read_foreign(path: Path) -> ForeignWeights:
    """Read a weights file of any known format; raises ``WeightsError``."""
    foreign = read_format(path)
    if len(foreign.tensors) > MOST_TENSORS:
        raise WeightsError(
            f"{path}: holds {len(foreign.tensors)} tensors; expected one network, at most {MOST_TENSORS}"
        )
    return foreign


def read_format(path: Path) -> ForeignWeights:
    """Read a file with the reader of its format."""
    start = first_bytes(path)
    if start.startswith(ZIP):
        return read_zip(path)
    if start.startswith(HDF5):
        from . import keras_h5

        return keras_h5.read(path)
    if start.startswith(PACKED):
        from . import frozen_graph

        return frozen_graph.read_archive(path)
    if start[8:9] == b"{" and path.suffix != ".json":
        from . import safetensors

        return safetensors.read(path)
    return read_plain(path, start)


def read_zip(path: Path) -> ForeignWeights:
    """Read a zip archive: PyTorch's or Keras's."""
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


def read_plain(path: Path, start: bytes) -> ForeignWeights:
    """Read a format without a magic number; raises ``WeightsError`` for anything else."""
    text = start.removeprefix(b"\xef\xbb\xbf")
    if WEB_PAGE.match(text):
        raise WeightsError(
            f"{path}: a web page, not weights: the server returned a message instead of the file; {EXPECTED}; download it again"
        )
    if text.lstrip(b" ")[:1] == JSON:
        from . import tfjs

        return tfjs.read(path)
    if start[:1] == PICKLE:
        from . import torch_zip

        return torch_zip.read_legacy(path)
    if start[:1] == GRAPH:
        from . import frozen_graph

        return frozen_graph.read(path)
    if text.startswith(b"version ") and b"git-lfs" in text[:64]:
        raise WeightsError(f"{path}: a Git LFS pointer, not the weights themselves; download them with: git lfs pull")
    raise WeightsError(f"{path}: not weights in a known format (it starts with {start[:4].hex(' ')}); {EXPECTED}")


def check_added(path: Path) -> None:
    """Raise for a file in a foreign format that godeeper reads: it must be added first."""
    with suppress(OSError), open_regular(path) as file:
        start = file.read(16)
        if start[8:9] != JSON and start.startswith(
            (ZIP, HDF5, *PACKED, PICKLE, GRAPH, JSON)
        ):  # otherwise a truncated safetensors file
            raise WeightsError(f"{path}: not written by godeeper; add it first: godeeper weights add {path}")


def first_bytes(path: Path) -> bytes:
    """The beginning of the file; raises ``WeightsError`` if it cannot be read or its format is not supported."""
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
