"""The photos that excite a filter most, each with the place where it answered.

A photo's excitement is the filter's greatest value in it, wherever that is.  Nothing is kept between runs: every photo
is looked at, eight at a time, in memory that does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from ..engine.plan import key_of, plan
from ..errors import OptionError
from ..features.pipeline import ComputedBatch, Decode, Forward, PhotoInfo, compute_batches, distinct, entries_of, merged
from ..peek.geometry import Box, Cell, Placement, field_box, patch, square, strongest
from ..photos.decode import decode
from ..photos.named import PhotoPath
from ..provenance import Provenance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from ..blueprint.address import Tensor
    from ..network import Network
    from ..photos.preprocess import Preprocess

    Progress = Callable[[int, int], None]

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
    origin: Provenance
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
    facts = network.provenance(), network.preprocess.size
    reduce = ReduceToTop(tensor, top, network.preprocess)
    forward = Forward(network.engine, plan(network.blueprint, [key_of(tensor)]))
    batches = compute_batches(entries_of(paths), Decode(network.preprocess), forward, transform=distinct)
    with closing(batches):
        found = merged(batches, reduce, TopResult(top), progress and (lambda done: progress(done, len(paths))))
    filters = (
        TopPhotos(replace(tensor, channels=(number,)), found.activations(number), len(found.seen), *facts)
        for number in tensor.filters
    )
    return Search(tuple(filters), tuple((paths[position], error) for position, error in sorted(found.errors)))


@dataclass
class TopResult:
    """The top activations of some photos, a partial result of the pipeline.

    ``best``: filter -> (position of the photo, activation), the greatest value first; of equal values, the earlier photo.
    ``seen``: SHA-256 of the files.  ``errors``: (position, reason) of the unreadable photos.
    """

    top: int
    best: dict[int, list[tuple[int, TopActivation]]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    errors: list[tuple[int, str]] = field(default_factory=list)

    def merge(self, other: TopResult) -> TopResult:
        """The top activations of both results' photos; a file that both have counts once, at its first position."""
        for number, activations in other.best.items():
            ranked = sorted([*self.best.get(number, []), *activations], key=rank)
            files = {activation.sha256: (position, activation) for position, activation in reversed(ranked)}
            self.best[number] = sorted(files.values(), key=rank)[: self.top]
        self.seen |= other.seen
        self.errors += other.errors
        return self

    def activations(self, number: int) -> tuple[TopActivation, ...]:
        """Those of one filter."""
        return tuple(activation for _, activation in self.best.get(number, []))


def rank(ranked: tuple[int, TopActivation]) -> tuple[float, int]:
    """The order of activations: by value, then by position."""
    position, activation = ranked
    return -activation.cell.value, position


@dataclass(frozen=True)
class ReduceToTop:
    """The reducer: a batch of (B, C, H, W) values -> its top activations of the tensor's filters."""

    tensor: Tensor
    top: int
    preprocess: Preprocess

    def __call__(self, batch: ComputedBatch) -> TopResult:
        result = TopResult(self.top, seen={info.sha256 for info in batch.photos if info.error is None})
        result.errors = [(info.position, str(info.error)) for info in batch.unreadable]
        if not batch.rows:
            return result
        values = batch.values[key_of(self.tensor)].reshape(len(batch.rows), *self.tensor.site.shape)  # (B, C, H, W)
        for number in self.tensor.filters:
            activations = (
                (info.position, self.activation(info, plane))
                for info, plane in zip(batch.computed, values[:, number], strict=True)
            )
            ranked = [(position, activation) for position, activation in activations if activation is not None]
            result.best[number] = sorted(ranked, key=rank)[: self.top]
        return result

    def activation(self, info: PhotoInfo, plane: NDArray[np.float32]) -> TopActivation | None:
        """Where a map (H, W) is greatest; None where it is the same everywhere."""
        cell = strongest(plane)
        if cell is None:
            return None
        seen, area = (place(self.tensor.field, cell.row, cell.column) for place in (field_box, square))
        placement = Placement.of(self.preprocess, info.size)
        return TopActivation(cast("PhotoPath", info.path), info.sha256, cell, placement, seen, area)
