"""``Account``: everything that is known about one filter from an index, its photos and the network.

To add a part, add a field with a ``record()`` method, compute it in ``account_of``, and add it to ``Account.record``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .contributions.target import target_of
from .index import IndexedPhoto
from .names.naming import Name, names_of, tests_of

if TYPE_CHECKING:
    from ..photos.decode import PhotoSource
    from ..provenance import Provenance
    from .contributions.decompose import PhotoNetwork
    from .index import FilterIndex, IndexedFilter
    from .names.colour_or_shape import ColourOrShape


@dataclass(frozen=True)
class OnPhoto:
    """A filter's greatest value on one photo.

    ``percentile``: the greatest indexed percentile that the value reaches, 0 if none.  ``rank``: the position that the value
    would have among the top photos; None if it is below all of them.
    """

    photo: str
    value: float
    row: int
    column: int
    percentile: int
    rank: int | None

    def record(self) -> dict[str, Any]:
        """The data as a JSON object."""
        return dict(vars(self))


@dataclass(frozen=True)
class Account:
    """What is known about one filter.

    ``indexed``: its entry in the index.  ``photos``: the number of photos in the index.  ``names``: the classes and attributes
    that it responds to, the most significant first; empty if nothing is significant.  ``tests``: the number of tests for which
    the p-values are corrected.  ``with_photos``: whether the photos were read, so that attributes were tested too.
    ``colour_or_shape`` and ``on_photo``: None if not requested.
    """

    indexed: IndexedFilter
    photos: int
    names: tuple[Name, ...]
    tests: int
    with_photos: bool
    origin: Provenance
    notes: tuple[str, ...] = ()
    colour_or_shape: ColourOrShape | None = None
    on_photo: OnPhoto | None = None

    def record(self) -> dict[str, Any]:
        """The data as a JSON object."""
        tensor, indexed = self.indexed.tensor, self.indexed
        return {
            **self.origin.record(),
            "address": tensor.address,
            "filter": tensor.filters[0],
            "other_names": tensor.names.as_dict(),
            "receptive_field": list(tensor.field.size),
            "photos": self.photos,
            "top": [photo_record(each) for each in indexed.top],
            "percentiles": {str(percentile): photo_record(each) for percentile, each in indexed.examples.items()},
            "active": indexed.active,
            "mean": indexed.mean,
            "classes": {name: {"mean": mean, "active": active} for name, (mean, active) in indexed.classes.items()},
            "names": [each.record() for each in self.names],
            "tests": self.tests,
            "with_photos": self.with_photos,
            "colour_or_shape": None if self.colour_or_shape is None else self.colour_or_shape.record(),
            "on_photo": None if self.on_photo is None else self.on_photo.record(),
            "notes": list(self.notes),
        }


def photo_record(photo: IndexedPhoto) -> dict[str, Any]:
    """A photo of an index as JSON."""
    return {
        "photo": photo.name,
        "photo_sha256": photo.sha256,
        "value": photo.value,
        "row": photo.row,
        "column": photo.column,
    }


def account_of(
    index: FilterIndex,
    address: str,
    folder: str | Path | None,
    network: PhotoNetwork | None = None,
    photo: PhotoSource | None = None,
    *,
    with_photos: bool = True,
) -> Account:
    """The account of a filter.

    Args:
        index: an opened index.
        address: a filter of a convolution, or of a join whose channel is a copy of such a filter.
        folder: the folder or zip of the index's photos.
        network: the network of the index, for ``colour_or_shape`` and ``on_photo``; None leaves these out.
        photo: a photo for which the filter's value is computed.
        with_photos: whether to read the index's photos; without them, only classes are tested.

    Raises:
        AddressError: the address does not name one filter of a convolution.
        IndexFileError: the index is damaged.
        PhotoError: a photo cannot be read, has moved or has changed.
    """
    from .names.colour_or_shape import colour_or_shape
    from .names.places import opened_photos

    target = target_of(index.blueprint, address)
    indexed = index.filter(target.tensor, target.channel)
    on_photo = None if network is None or photo is None else value_on(network, photo, indexed)
    facts = index.photos, tests_of(index), index.origin, target.notes
    names, tested = names_of(index, target.site, target.channel, None), None
    if with_photos:
        with opened_photos(index, folder) as photos:
            names = names_of(index, target.site, target.channel, photos)
            if network is not None:
                tested = colour_or_shape(network, photos, target.site, target.channel)
    count, tests, origin, notes = facts
    return Account(indexed, count, names, tests, with_photos, origin, notes, tested, on_photo)


def value_on(network: PhotoNetwork, photo: PhotoSource, indexed: IndexedFilter) -> OnPhoto:
    """The filter's greatest value on a photo, compared with its values in the index."""
    from ..engine.plan import key_of
    from ..peek.geometry import Cell, strongest
    from ..photos.decode import decode

    decoded, key = decode(photo), key_of(indexed.tensor)
    plane = network.prefix_cache.run([key], network.preprocess(decoded))[key][0, indexed.tensor.filters[0]]
    cell = strongest(plane) or Cell(0, 0, float(plane[0, 0]))
    reached = [each for each, example in indexed.examples.items() if cell.value >= example.value > 0]
    better = sum(each.value > cell.value for each in indexed.top)
    rank = better + 1 if indexed.top and better < len(indexed.top) else None
    return OnPhoto(decoded.name, cell.value, cell.row, cell.column, max(reached, default=0), rank)
