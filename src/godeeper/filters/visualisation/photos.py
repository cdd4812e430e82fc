"""The photos that activate a filter most, from an index, for the verdict on a picture of what it wants."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import PhotoError
from ...photos.opening import read_photo
from ..account import check_weights
from ..index import FilterIndex, read_index
from ..index_folder import folder_of
from ..sample import INDEX, PICTURES
from .visualise import RealPhoto

if TYPE_CHECKING:
    from ...blueprint.address import Tensor
    from ...weights.file import WeightsFile


def photos_from(
    weights: WeightsFile, index: str | Path | None, folder: str | Path | None = None
) -> Callable[[Tensor], Sequence[RealPhoto]]:
    """A function that returns the photos of a filter.

    Args:
        weights: that the index must have been made with.
        index: the index's file; None means the sample's if it was made with these weights, else no photos.
        folder: where the photos are now; None: where the index says.

    Raises:
        IndexFileError: the index is damaged, or made with other weights.
    """
    opened = read_index(INDEX if index is None else index)
    if index is None and opened.origin.weights_sha256 != weights.sha256:
        return lambda _tensor: ()
    check_weights(opened, weights)
    place = Path(folder) if folder is not None else (PICTURES if index is None else folder_of(opened.path))
    return lambda tensor: photos_of(opened, tensor, None if place is None else Path(place))


def photos_of(index: FilterIndex, tensor: Tensor, folder: Path | None) -> list[RealPhoto]:
    """The photos of one filter in an index, the greatest first; those that activate it."""
    (found,) = index.filters(tensor)
    return [
        RealPhoto(each.name, unchanged(folder, each.name, each.sha256), each.value, (each.row, each.column))
        for each in found.top
        if each.value > 0 and each.row is not None and each.column is not None
    ]


def unchanged(folder: Path | None, name: str, sha256: str) -> Path | None:
    """The path of an indexed photo; None if it is not there, or is another file now."""
    if folder is None:
        return None
    path = folder / name
    try:
        same = hashlib.sha256(read_photo(path)).hexdigest() == sha256
    except PhotoError:
        return None
    return path if same else None
