"""Keras 3's ``.keras`` files: a zip archive with the weights as HDF5 in it.  Needs h5py.

The archive's ``config.json`` could name code to run; it is not read.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

from ...errors import WeightsError
from .foreign import MOST_BYTES, Foreign, damaged
from .keras_h5 import read_open

FORMAT = "Keras archive"
MEMBER = "model.weights.h5"


def is_keras_zip(path: Path) -> bool:
    """Whether a zip archive is one of Keras's."""
    try:
        with zipfile.ZipFile(path) as archive:
            return MEMBER in archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False


def read(path: Path) -> Foreign:
    """Read the weights in the archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(MEMBER).file_size > MOST_BYTES:
                raise WeightsError(
                    f"{path}: unpacks to more than {MOST_BYTES >> 30} GiB; expected weights of one network"
                )
            data = archive.read(MEMBER)
    except (zipfile.BadZipFile, KeyError, OSError, EOFError, RuntimeError, zlib.error) as error:
        raise damaged(path, "Keras archive", error) from None
    return read_open(path, io.BytesIO(data), FORMAT)
