"""Searches a folder for the photos that activate a filter most, and the position of the maximum in each.

Photos are ranked by the filter's maximum over its map; the hash of the file breaks ties.  Nothing is stored between runs.
Only the hashes of the files and the top activations stay in memory.  To look up many filters, build an index once (see
``index``).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from ..engine.plan import key_of, plan
from ..errors import OptionError
from ..features.pipeline import ComputedBatch, Decode, Forward, PhotoInfo, compute_batches, distinct, entries_of, merged
from ..peek.geometry import Placement, strongest
from ..photos.named import PhotoPath
from .activations import TopActivation, TopPhotos, activation_at

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..blueprint.address import Tensor
    from ..features.stream import FeatureNetwork
    from ..photos.preprocess import Preprocess
    from ..progress import Progress

MOST_FILTERS = 64  # filters per search


@dataclass(frozen=True)
class Search:
    """The result of a search: the top photos of each filter, the errors of unreadable photos, and the notes on repaired ones."""

    filters: tuple[TopPhotos, ...]
    errors: tuple[tuple[PhotoPath, str], ...]
    notes: tuple[tuple[PhotoPath, tuple[str, ...]], ...] = ()


def top_photos(
    network: FeatureNetwork, paths: Sequence[PhotoPath], tensor: Tensor, top: int = 9, progress: Progress | None = None
) -> Search:
    """Find the ``top`` photos for each filter of a tensor.

    Args:
        network: the network that computes the tensor.
        paths: the paths of the photos; files with the same bytes count once.
        tensor: the tensor, with the filters to search for as its channels.
        top: the number of photos for each filter, at least 1.
        progress: called with (photos done, photos in all).

    Raises:
        OptionError: the tensor has too many filters, or ``top`` is below 1.
    """
    if top < 1 or len(tensor.filters) > MOST_FILTERS:
        raise OptionError(
            f"the top {top} photos of {len(tensor.filters)} filters of {tensor.name}: expected at least 1 photo of at most "
            f"{MOST_FILTERS} filters; name some, such as {tensor.name}[0:8]"
        )
    facts = network.provenance(), network.preprocess.size
    reduce = ReduceToTop(tensor, top, network.preprocess)
    forward = Forward(network.batch_engine, plan(network.blueprint, [key_of(tensor)]))
    batches = compute_batches(entries_of(paths), Decode(network.preprocess), forward, transform=distinct)
    with closing(batches):
        result = merged(batches, reduce, TopResult(top), progress and (lambda done: progress(done, len(paths))))
    filters = (
        TopPhotos(replace(tensor, channels=(number,)), result.activations(number), len(result.seen), *facts)
        for number in tensor.filters
    )
    errors = tuple((paths[position], error) for position, error in sorted(result.errors))
    return Search(tuple(filters), errors, tuple((paths[position], notes) for position, notes in sorted(result.notes)))


@dataclass
class TopResult:
    """The top activations of some photos, as a partial result of the pipeline.

    ``best``: filter -> (position of the photo, activation), in the order of ``rank``.
    ``seen``: SHA-256 of the files.  ``errors``: (position, reason) of the unreadable photos.
    ``notes``: (position, repairs) of the repaired photos.
    """

    top: int
    best: dict[int, list[tuple[int, TopActivation]]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    errors: list[tuple[int, str]] = field(default_factory=list)
    notes: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)

    def merge(self, other: TopResult) -> TopResult:
        """The top activations over the photos of both results; a file in both counts once, at its first position."""
        for number, activations in other.best.items():
            ranked = sorted([*self.best.get(number, []), *activations], key=rank)
            files = {activation.sha256: (position, activation) for position, activation in reversed(ranked)}
            self.best[number] = sorted(files.values(), key=rank)[: self.top]
        self.seen |= other.seen
        self.errors += other.errors
        self.notes += other.notes
        return self

    def activations(self, number: int) -> tuple[TopActivation, ...]:
        """The top activations of one filter."""
        return tuple(activation for _, activation in self.best.get(number, []))


def rank(ranked: tuple[int, TopActivation]) -> tuple[float, str, int]:
    """The order of activations: by value, then by the hash of the file, then by position."""
    position, activation = ranked
    return -activation.cell.value, activation.sha256, position


@dataclass(frozen=True)
class ReduceToTop:
    """The reducer: a batch of (B, C, H, W) values -> its top activations of the tensor's filters."""

    tensor: Tensor
    top: int
    preprocess: Preprocess

    def __call__(self, batch: ComputedBatch) -> TopResult:
        result = TopResult(self.top, seen={info.sha256 for info in batch.photos if info.error is None})
        result.errors = [(info.position, str(info.error)) for info in batch.unreadable]
        result.notes = [(info.position, info.notes) for info in batch.photos if info.notes]
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
        """The maximum of a map (H, W), with its cell; None if the map is constant."""
        cell = strongest(plane)
        if cell is None:
            return None
        placement = Placement.of(self.preprocess, info.size)
        return activation_at(cast("PhotoPath", info.path), info.sha256, cell, placement, self.tensor)
