"""Keras 3's ``.keras`` files: a zip archive with the weights as HDF5 in it.  Needs h5py.

The archive's ``config.json`` could name code to run; it is not read.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

from .foreign import BROKEN_ZIP, Foreign, check_packing, damaged
from .keras_h5 import read_open

FORMAT = "Keras archive"
MEMBER = "model.weights.h5"


def is_keras_zip(names: Iterable[str]) -> bool:
    """Whether a zip archive with these members is one of Keras's."""
    return MEMBER in names


def read(path: Path) -> Foreign:
    """Read the weights in the archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            check_packing(archive)
            data = archive.read(MEMBER)
    except BROKEN_ZIP as error:
        raise damaged(path, "Keras archive", error) from None
    return read_open(path, io.BytesIO(data), FORMAT)
