"""The photos that activate a filter most, from an index, for the verdict on the filter's visualisation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from ...errors import IndexFileError, PhotoError
from ...photos.opening import read_photo
from ...photos.sources.zip_archive import read_member
from ..index import FilterIndex, read_index
from ..index_folder import folder_of
from ..sample import INDEX, PICTURES
from .visualise import RealPhoto

if TYPE_CHECKING:
    from ...blueprint.address import Tensor
    from ...photos.preprocess import Preprocess
    from ...weights.file import WeightsFile

LARGEST_MEMBER = 1 << 30  # bytes of a photo in a zip


class IndexedNetwork(Protocol):
    """The parts of a ``Network`` that an index must match."""

    weights: WeightsFile
    preprocess: Preprocess


def photos_from(
    network: IndexedNetwork, index: str | Path | None, folder: str | Path | None = None
) -> Callable[[Tensor], Sequence[RealPhoto]]:
    """A function that returns the photos of a filter.

    Args:
        network: the network that the index must have been made with.
        index: the index's file; None for the sample pictures' index, or no photos if it was made with another network.
        folder: the current folder of the photos, or their zip; None for the stored place.

    Raises:
        IndexFileError: the index is damaged, or made with other weights or another preprocessing.
    """
    opened = read_index(INDEX if index is None else index)
    try:
        opened.check_weights(network.weights)
        opened.check_preprocessing(network.preprocess)
    except IndexFileError:
        if index is None:
            return lambda _tensor: ()
        raise
    place = Path(folder) if folder is not None else (PICTURES if index is None else folder_of(opened.path))
    return lambda tensor: photos_of(opened, tensor, None if place is None else Path(place))


def photos_of(index: FilterIndex, tensor: Tensor, folder: Path | None) -> list[RealPhoto]:
    """The top photos of an index that activate a filter, the greatest value first; ``folder``: their folder or zip."""
    (found,) = index.filters(tensor)
    return [
        RealPhoto(each.name, unchanged(folder, each.name, each.sha256), each.value, (each.row, each.column))
        for each in found.top
        if each.value > 0 and each.row is not None and each.column is not None
    ]


def unchanged(folder: Path | None, name: str, sha256: str) -> bytes | None:
    """The bytes of an indexed photo's file; None if the file is missing or has changed."""
    relative = PurePosixPath(name)
    if folder is None or relative.is_absolute() or ".." in relative.parts:
        return None
    try:
        data = read_member(folder, name, LARGEST_MEMBER) if folder.is_file() else read_photo(folder / relative)
    except (OSError, ValueError, PhotoError):
        return None
    return data if hashlib.sha256(data).hexdigest() == sha256 else None
