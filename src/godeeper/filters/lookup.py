"""Looks up filters in an index; the result has the same type as a search of the folder (see ``top_photos``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OptionError
from ..peek.geometry import Cell, Placement
from .activations import TopPhotos, activation_at

if TYPE_CHECKING:
    from ..blueprint.address import Tensor
    from .index import FilterIndex


def look_up(index: FilterIndex, tensor: Tensor, top: int, folder: str | Path | None) -> list[TopPhotos]:
    """The ``top`` photos of each filter of a tensor.

    Args:
        index: an opened index.
        tensor: a tensor of the index's network; see ``FilterIndex.filters``.
        top: the number of photos, at most as many as the index keeps.
        folder: the current folder of the photos; None leaves their names relative.

    Raises:
        OptionError: ``top`` is less than 1, or more than the index keeps.
        AddressError: the tensor is not in the index.
    """
    if not 1 <= top <= index.most:
        raise OptionError(
            f"--top {top}: this index keeps {index.most} photos for each filter; ask for 1 to {index.most}, "
            "or make it again with a larger --top"
        )
    root = Path(folder) if folder is not None else Path()
    found = []
    for each in index.filters(tensor):
        activations = tuple(
            activation_at(
                root / photo.name,
                photo.sha256,
                Cell(photo.row, photo.column, photo.value),
                Placement.of(index.fitting, photo.size),
                each.tensor,
            )
            for photo in each.top[:top]
            if photo.row is not None and photo.column is not None
        )
        found.append(TopPhotos(each.tensor, activations, index.photos, index.origin, index.fitting.size))
    return found
