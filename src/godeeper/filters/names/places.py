"""Places of an index: the cells where filters are greatest in photos, and the crops of the photos at these cells."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...errors import PhotoError
from ...peek.geometry import Box, field_box
from ...photos.decode import decode
from ...photos.preprocess import Preprocess
from ...photos.sources.find_photos import opened
from ...prefetch import ordered_map
from ...wording import shortened
from ..index import NO_CELL, NO_PHOTO
from .attributes import ATTRIBUTES, measured

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...blueprint.sites import Site
    from ...photos.named import PhotoPath
    from ..index import FilterIndex

    Floats = NDArray[np.float64]
    Images = NDArray[np.float32]

REFERENCE = 256
"""The number of places of other filters for the comparison.  Decoding them takes a second; more change the result little."""


class Place(NamedTuple):
    """A cell of a filter's map for the photo with this number in the index."""

    photo: int
    row: int
    column: int


class IndexedPhotos:
    """The photos of an index, with the network's preprocessing.

    ``paths``: name in the index -> path of the photo; None if the photos are files of these names in ``folder``.
    ``watch``: called before each photo is read; it may raise to stop the work.
    """

    def __init__(
        self,
        index: FilterIndex,
        folder: Path,
        paths: dict[str, PhotoPath] | None = None,
        watch: Callable[[], None] | None = None,
    ) -> None:
        self.index = index
        self.folder = folder
        self.paths = paths
        self.watch = watch
        fitting = index.fitting
        self.preprocess = Preprocess(size=fitting.size, fit=fitting.fit, filter=fitting.filter)

    def image(self, number: int, *, exact: bool = False) -> Images:
        """A photo at the network's size, (size, size, 3) from 0 to 255; raises ``PhotoError`` if it is missing or has changed.

        ``exact``: decode at full size, as for the index; otherwise a large JPEG may be decoded at reduced size.
        """
        if self.watch:
            self.watch()
        name = self.index.names[number]
        path = self.folder / name if self.paths is None else self.paths.get(name, self.folder / name)
        reduced = None if exact or self.preprocess.filter == "tf2015" else 2 * self.preprocess.size
        if self.paths is None and not Path(path).is_file():
            raise PhotoError(
                f"{shortened(path)}: this photo of the index does not exist; give the current folder of its photos with --photos FOLDER, "
                "or leave the photos out with --index-only"
            )
        photo = decode(path, least_side=reduced)
        if photo.sha256 != bytes(self.index.array("hashes")[number * 32 : number * 32 + 32]).hex():
            raise PhotoError(f"{shortened(path)}: this photo has changed since it was indexed; rebuild the index")
        image: Images = self.preprocess.resized(photo)[0]
        return image

    def attributes(self, site: Site, places: Sequence[Place]) -> Floats:
        """The attributes (N, A) of the receptive fields at N places; each photo is decoded once."""
        found = np.empty((len(places), len(ATTRIBUTES)))
        by_photo: dict[int, list[int]] = {}
        for at, place in enumerate(places):
            by_photo.setdefault(place.photo, []).append(at)

        def of_photo(number: int) -> list[Floats]:
            pixels = np.rint(self.image(number)).astype(np.uint8)
            return [measured(seen(pixels, site, places[at]), relative(site, places[at])) for at in by_photo[number]]

        for rows, values in zip(by_photo.values(), ordered_map(of_photo, by_photo, alone=True), strict=True):
            found[rows] = values
        return found


@contextmanager
def opened_photos(
    index: FilterIndex, folder: str | Path | None, watch: Callable[[], None] | None = None
) -> Iterator[IndexedPhotos]:
    """The photos of an index in ``folder``, which may be a zip; ``watch``: see ``IndexedPhotos``.

    Raises ``PhotoError`` if the folder does not exist.
    """
    if folder is None:
        raise PhotoError(
            f"{index.path}: the location of this index's photos is unknown; give it with --photos FOLDER, "
            "or leave the photos out with --index-only"
        )
    root = Path(folder)
    if root.is_dir():
        yield IndexedPhotos(index, root, watch=watch)
        return
    if not root.is_file():
        raise PhotoError(f"{shortened(folder)}: no such folder; expected the folder or zip of the index's photos")
    with opened([root]) as photos:
        paths = [Path(each) if isinstance(each, str) else each for each in photos]
        yield IndexedPhotos(index, root, {Path(os.path.relpath(str(each), root)).as_posix(): each for each in paths})


def seen(pixels: NDArray[np.uint8], site: Site, place: Place) -> NDArray[np.uint8]:
    """The receptive field of a cell, clipped at the border and cropped from the network's input."""
    left, top, right, bottom = seen_box(pixels.shape[0], site, place)
    return pixels[top:bottom, left:right]


def seen_box(size: int, site: Site, place: Place) -> tuple[int, int, int, int]:
    """The receptive field of a cell in whole pixels of the input, clipped at the border."""
    return field_box(site.field, place.row, place.column).within(Box(0, 0, size, size)).outward()


def relative(site: Site, place: Place) -> tuple[float, float]:
    """The row and the column of a place, both from 0 to 1."""
    _, rows, columns = site.shape
    return (place.row + 0.5) / rows, (place.column + 0.5) / columns


def top_places(index: FilterIndex, site: Site, channel: int) -> list[Place]:
    """The places of a filter's top photos; photos on which the map is constant are left out."""
    start = (index.first[site.index] + channel) * index.most
    photos, cells = (index.array(f"top_{each}")[start : start + index.most] for each in ("photos", "cells"))
    columns = site.shape[2]
    return [
        Place(photo, *divmod(cell, columns))
        for photo, cell in zip(photos, cells, strict=True)
        if photo != NO_PHOTO and cell != NO_CELL
    ]


def other_places(index: FilterIndex, site: Site, channel: int, most: int = REFERENCE) -> list[Place]:
    """A fixed random sample of the top places of the other filters of ``site``.

    These places are the reference: they have the same receptive field and the same borders, and like all top places they have
    high contrast.  In a comparison with random places, nearly every filter would seem to respond to contrast.
    """
    places = [each for other in range(site.shape[0]) if other != channel for each in top_places(index, site, other)]
    chosen = np.random.default_rng([site.index, channel]).permutation(len(places))[:most]
    return [places[at] for at in chosen]
