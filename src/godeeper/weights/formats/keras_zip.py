"""Reads ``.keras`` files of Keras 3, zip archives that contain the weights as HDF5, with h5py in a child process.

``config.json`` in the archive can refer to code, so only the name of the final activation is read from it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

from .child import read_in_child
from .foreign import BROKEN_ZIP, ForeignWeights, check_packing, damaged
from .keras_h5 import check_h5py, read_open

FORMAT = "Keras archive"
MEMBER = "model.weights.h5"
CONFIG = "config.json"


def is_keras_zip(names: Iterable[str]) -> bool:
    """Whether a zip archive with these members is a Keras file."""
    return MEMBER in names


def read(path: Path) -> ForeignWeights:
    """Read the weights in a child process."""
    check_h5py(path)
    return read_in_child(path, "keras_zip")


def read_here(path: Path) -> ForeignWeights:
    """Read the weights in this process."""
    try:
        with zipfile.ZipFile(path) as archive:
            check_packing(archive)
            data = archive.read(MEMBER)
            config = archive.read(CONFIG) if CONFIG in archive.namelist() else b""
    except BROKEN_ZIP as error:
        raise damaged(path, "Keras archive", error) from None
    return read_open(path, io.BytesIO(data), FORMAT, config)
