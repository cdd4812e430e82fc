"""The JSON record of a filter in the served index, and where a photo would rank among the indexed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import AddressError
from ...peek.geometry import strongest
from ..http.root import at
from ..records import quoted

if TYPE_CHECKING:
    from ...blueprint.address import Tensor
    from ...filters.index import IndexedFilter, IndexedPhoto
    from ...peek.geometry import Cell
    from ...peek.peek import Peek
    from ..compute.photo_store import StoredPhoto
    from ..compute.served_index import ServedIndex
    from ..record_types import IndexedFilterRecord, IndexedPhotoRecord

NO_INDEX = "No index of photos is served. Start godeeper serve with --photos FOLDER to see them here."
NOT_HELD = "The index has convolutions after their ReLU, and joins, but not this tensor."


def ranked(
    served: ServedIndex | None, photo: StoredPhoto, peek: Peek, number: int
) -> tuple[IndexedFilterRecord | None, str]:
    """The record of a filter and the rank of a photo; without the record, why there is none."""
    if served is None:
        return None, NO_INDEX
    try:
        found = served.filter(peek.tensor, number)
    except AddressError:
        return None, NOT_HELD
    cell = strongest(peek.activations[0, peek.tensor.filters.index(number)])
    return filter_record(served, found), rank_text(served, found, cell, photo.sha256)


def filter_record(served: ServedIndex, found: IndexedFilter) -> IndexedFilterRecord:
    """An index's record of one filter."""
    return {
        "address": found.tensor.name,
        "filter": found.tensor.filters[0],
        "index": served.what,
        "sample": served.is_sample,
        "indexed_photos": served.index.photos,
        "photos": [photo_record(served, found.tensor, photo) for photo in found.top],
        "examples": {str(each): photo_record(served, found.tensor, photo) for each, photo in found.examples.items()},
        "active": found.active,
        "mean": found.mean,
        "classes": {name: {"mean": mean, "active": active} for name, (mean, active) in found.classes.items()},
    }


def photo_record(served: ServedIndex, tensor: Tensor, photo: IndexedPhoto) -> IndexedPhotoRecord:
    """One photo; ``tensor`` has one filter."""
    problem = served.problem(photo)
    crop = at(f"/index/crops/{quoted(tensor.name)}/{tensor.filters[0]}/{photo.number}.jpg")
    return {
        "number": photo.number,
        "photo": photo.name,
        "photo_sha256": photo.sha256,
        "value": photo.value,
        "row": photo.row,
        "column": photo.column,
        "crop": crop if problem is None else None,
        "problem": problem,
    }


def rank_text(served: ServedIndex, found: IndexedFilter, cell: Cell | None, sha256: str) -> str:
    """Where a photo with a maximum at ``cell`` would rank among the indexed ones, as a sentence."""
    if cell is None:
        return "The map of this photo is the same everywhere, so it has no rank."
    for rank, photo in enumerate(found.top, start=1):
        if photo.sha256 == sha256:
            return f"This photo is one of them: number {rank} of {served.index.photos}."
    ahead = sum((-photo.value, photo.sha256) < (-cell.value, sha256) for photo in found.top)
    value = f"This photo, with {cell.value:.4g},"
    if ahead < served.index.most:
        return f"{value} would rank as number {ahead + 1}."
    below = [percent for percent, photo in sorted(found.examples.items()) if photo.value <= cell.value]
    where = f"reaches the {below[-1]}th percentile" if below else "is below the median"
    return f"{value} would not be among them; it {where}."
