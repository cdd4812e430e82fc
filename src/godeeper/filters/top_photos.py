"""The photos that excite a filter most, each with the place where it answered.

A photo's excitement is the filter's greatest value in it, wherever that is.  Nothing is kept between runs: every photo
is looked at, eight at a time, in memory that does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.plan import NETWORK_INPUT, key_of, plan
from ..errors import OptionError, PhotoError
from ..features.store import chunks
from ..peek.geometry import Box, Cell, Placement, field_box, patch, square, strongest
from ..photos.decode import Photo, decode
from ..photos.named import PhotoPath

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from ..blueprint.address import Tensor
    from ..network import Network

    Progress = Callable[[int, int], None]

BATCH = 8
MOST_FILTERS = 64  # asked for at once


@dataclass(frozen=True)
class TopActivation:
    """One photo, and the cell of the filter's map where it answered most.

    ``seen``: all that the cell sees, ``cell_area``: the area that stands for it; both in pixels of the network's input.
    """

    path: PhotoPath
    sha256: str
    cell: Cell
    placement: Placement = field(repr=False)
    seen: Box
    cell_area: Box

    @property
    def box(self) -> Box:
        """What the cell sees, in pixels of the photo."""
        return self.placement.clipped(self.seen)

    def crop(self) -> Image.Image:
        """What the cell sees, cut out of the photo; raises ``PhotoError`` where that is gone meanwhile."""
        return patch(decode(self.path).image, self.placement, self.seen)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "photo": str(self.path),
            "photo_sha256": self.sha256,
            "value": self.cell.value,
            "cell": [self.cell.row, self.cell.column],
            "box": list(self.box),
        }


@dataclass(frozen=True)
class TopPhotos:
    """The photos that excite one filter most, the most first.  ``tensor`` has that filter alone; ``photos``: how many were looked at."""

    tensor: Tensor
    activations: tuple[TopActivation, ...]
    photos: int
    weights: str
    weights_sha256: str
    preprocessing: str
    input_size: int

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "address": self.tensor.address,
            "names": self.tensor.names.as_dict(),
            "receptive_field": list(self.tensor.field.size),
            "top": [sighting.record() for sighting in self.activations],
        }


@dataclass(frozen=True)
class Search:
    """What was found in a folder: a record for each filter, and the photos that could not be read, with the reason."""

    filters: tuple[TopPhotos, ...]
    errors: tuple[tuple[PhotoPath, str], ...]


def top_photos(
    network: Network, paths: Sequence[PhotoPath], tensor: Tensor, top: int = 9, progress: Progress | None = None
) -> Search:
    """The ``top`` of some photos for each filter of a tensor.

    Args:
        network: what looks at them.
        paths: files; the same file twice counts once.
        tensor: with the filters that are asked for.
        top: how many photos for each filter, from 1.
        progress: told (photos done, photos in all).

    Raises:
        OptionError: too many filters are asked for, or no photo.
    """
    if top < 1 or len(tensor.filters) > MOST_FILTERS:
        raise OptionError(
            f"the top {top} photos of {len(tensor.filters)} filters of {tensor.name}: expected at least 1 photo of at most "
            f"{MOST_FILTERS} filters; name some, such as {tensor.name}[0:8]"
        )
    best: dict[int, list[TopActivation]] = {number: [] for number in tensor.filters}
    errors: list[tuple[PhotoPath, str]] = []
    seen: set[str] = set()
    looked_at = 0
    for group in chunks(paths, BATCH):
        photos = [(path, photo) for path, photo in readable(group, errors) if photo.sha256 not in seen]
        photos = list({photo.sha256: (path, photo) for path, photo in reversed(photos)}.values())[::-1]
        seen |= {photo.sha256 for _, photo in photos}
        for found in top_activations(network, tensor, photos):
            for number, sighting in found.items():
                best[number] = sorted([*best[number], sighting], key=lambda each: -each.cell.value)[:top]
        looked_at += len(group)
        if progress is not None:
            progress(looked_at, len(paths))
    facts = (
        len(seen),
        network.weights.name,
        network.weights.sha256,
        network.preprocess.summary,
        network.preprocess.size,
    )
    filters = (TopPhotos(replace(tensor, channels=(number,)), tuple(best[number]), *facts) for number in tensor.filters)
    return Search(tuple(filters), tuple(errors))


def readable(paths: Sequence[PhotoPath], errors: list[tuple[PhotoPath, str]]) -> Iterator[tuple[PhotoPath, Photo]]:
    """The photos that can be read; of the others why not."""
    for path in paths:
        try:
            yield path, decode(path)
        except PhotoError as error:
            errors.append((path, str(error)))


def top_activations(
    network: Network, tensor: Tensor, photos: Sequence[tuple[PhotoPath, Photo]]
) -> Iterator[dict[int, TopActivation]]:
    """For each photo: the filters that answer it, and where most."""
    if not photos:
        return
    key = key_of(tensor)
    planes = np.concatenate([network.preprocess(photo) for _, photo in photos])
    values = network.engine.run(plan(network.blueprint, [key]), {NETWORK_INPUT: planes})[key]
    values = values.reshape(len(photos), *tensor.site.shape)  # (B, C, H, W)
    for (path, photo), maps in zip(photos, values, strict=True):
        placement = Placement.of(network.preprocess, photo.size)
        found = {number: top_activation(tensor, maps[number], path, photo, placement) for number in tensor.filters}
        yield {number: sighting for number, sighting in found.items() if sighting is not None}


def top_activation(
    tensor: Tensor, plane: NDArray[np.float32], path: PhotoPath, photo: Photo, placement: Placement
) -> TopActivation | None:
    """Where a map (H, W) is greatest; None where it is the same everywhere."""
    cell = strongest(plane)
    if cell is None:
        return None
    seen, spot = field_box(tensor.field, cell.row, cell.column), square(tensor.field, cell.row, cell.column)
    return TopActivation(path, photo.sha256, cell, placement, seen, spot)
