"""Extract features of photos: the spatial means of tensors, computed once per photo and stored.

One run of the network computes the means of all tensors for a batch, while threads decode the next photos.  The threads
belong to ``extract`` or, with a ``FeatureObserver``, to the doctor.  Features are stored batch by batch, so a stopped
run can be resumed.  They are stored in half precision, and newly computed features are rounded too, so every run
returns the same values.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.plan import Key, key_of
from ..iteration import batched
from ..memory import release_to_os
from .executors.executor import HERE
from .pipeline import (
    BATCH_SIZE,
    ComputedBatch,
    Decode,
    Entry,
    Forward,
    InputBatch,
    PhotoInfo,
    Stages,
    require_readable,
)
from .store import feature_key, feature_recipe
from .stream import pooled_plan, whole_tensor
from .table import FeatureTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..blueprint.address import Tensor
    from ..photos.decode import Photo, PhotoSource
    from ..photos.doctor.inspection import Finding
    from ..progress import Progress
    from .executors.executor import Executor
    from .store import ResultStore
    from .stream import FeatureNetwork

    Floats = NDArray[np.float32]
    Halves = NDArray[np.float16]
    Features = Mapping[str, Mapping[str, Halves]]  # hash of the pixels -> address -> (C,)

READ_AT_ONCE = 256  # photos whose features are read together
GREATEST_HALF = float(np.finfo(np.float16).max)


def extract(
    network: FeatureNetwork,
    photos: Sequence[tuple[PhotoSource, str]],
    addresses: Sequence[str],
    store: ResultStore,
    progress: Progress | None = None,
) -> dict[str, Floats]:
    """The features of photos.

    Args:
        network: the network that computes the features.
        photos: (path, SHA-256 of the decoded pixels) of each photo; a file is read only if the store lacks a feature.
        addresses: addresses of whole tensors, by any name.
        store: the store in which features are looked up and stored.
        progress: called with the number of photos done and the total.

    Returns:
        address -> (N, C) float32, the spatial means, in the order of ``photos``.

    Raises:
        PhotoError: a photo cannot be decoded, or its pixels do not have the given hash; the batches before it are stored.
        AddressError: an address does not name one whole tensor of the network.

    >>> import godeeper
    >>> from godeeper.features.store import ResultStore
    >>> from godeeper.photos.decode import decode
    >>> from godeeper.photos.doctor.fingerprint import pixel_hash
    >>> path = "examples/chelsea.jpg"
    >>> with ResultStore() as store:
    ...     extract(godeeper.load(), [(path, pixel_hash(decode(path)))], ["conv_2"], store)["conv_2"].shape
    (1, 64)
    """
    tensors = {address: whole_tensor(network, address) for address in addresses}
    results = {
        address: np.empty((len(photos), tensor.site.shape[0]), np.float32) for address, tensor in tensors.items()
    }
    Extraction(FeatureComputer(network, tensors, store), photos, progress, lambda: results).run()
    return results


def extract_table(
    network: FeatureNetwork,
    photos: Sequence[tuple[PhotoSource, str]],
    addresses: Sequence[str],
    store: ResultStore,
    progress: Progress | None = None,
    executor: Executor = HERE,
) -> FeatureTable:
    """As ``extract``, but returns a table on disk, which the caller closes; one module at a time is in memory."""
    tensors = {address: whole_tensor(network, address) for address in addresses}
    tables = FeatureTable({address: tensor.site.shape[0] for address, tensor in tensors.items()}, len(photos))
    try:
        Extraction(FeatureComputer(network, tensors, store), photos, progress, tables.writable, executor).run()
    except BaseException:
        tables.close()
        raise
    return tables


def store_features(
    network: FeatureNetwork,
    photos: Sequence[tuple[PhotoSource, str]],
    addresses: Sequence[str],
    store: ResultStore,
    progress: Progress | None = None,
) -> None:
    """Compute and store features without returning them; memory does not grow with the number of photos."""
    tensors = {address: whole_tensor(network, address) for address in addresses}
    Extraction(FeatureComputer(network, tensors, store), photos, progress, dict).run()


class FeatureComputer:
    """Computes and stores the features of some tensors of a network."""

    def __init__(self, network: FeatureNetwork, tensors: Mapping[str, Tensor], store: ResultStore) -> None:
        self.network = network
        self.tensors = tensors
        self.store = store

    @cached_property
    def recipes(self) -> dict[str, bytes]:
        """Address -> ``feature_recipe``."""
        network = self.network
        computed_by = network.batch_engine.identity().key
        return {
            address: feature_recipe(network.weights.sha256, tensor.address, network.preprocess.summary, computed_by)
            for address, tensor in self.tensors.items()
        }

    def look_up(self, hashes: Sequence[str]) -> dict[str, dict[str, Halves]]:
        """The stored features of each photo: hash of its pixels -> address -> (C,) float16."""
        recipes = self.recipes.items()
        keys = {(pixels, address): feature_key(pixels, recipe) for pixels in hashes for address, recipe in recipes}
        stored = self.store.get_many(keys.values())
        return {
            pixels: {address: stored[key] for address in self.tensors if (key := keys[pixels, address]) in stored}
            for pixels in hashes
        }

    def forward(self, addresses: Sequence[str]) -> Forward:
        """The pipeline stage that computes the means of these tensors."""
        steps = pooled_plan(self.network.blueprint, (key_of(self.tensors[address]) for address in addresses))
        return Forward(self.network.batch_engine, steps)

    def reducer(self, addresses: Sequence[str]) -> ReduceToHalves:
        """The pipeline stage that converts the results of ``forward`` to features in half precision."""
        return ReduceToHalves({address: key_of(self.tensors[address]) for address in addresses})

    def store_features(self, features: Features) -> None:
        """Store features by the hashes of the photos' pixels."""
        self.store.put_many(
            {
                feature_key(pixels, self.recipes[address]): values
                for pixels, by_address in features.items()
                for address, values in by_address.items()
            }
        )


@dataclass(frozen=True)
class ReduceToHalves:
    """Reduces a computed batch of a pooled plan to features by the hash of the pixels.  ``keys``: address -> key in the plan."""

    keys: Mapping[str, Key]

    def __call__(self, batch: ComputedBatch) -> Features:
        columns = [halves(batch.values[key]) for key in self.keys.values()]  # (B, C) each
        rows = zip(batch.computed, *columns, strict=True)
        return {info.pixels_sha256: dict(zip(self.keys, features, strict=True)) for info, *features in rows}


class FeatureObserver:
    """Observes the doctor and computes the features of each photo that the doctor decodes.

    The network computes one batch at a time in its own thread, while the doctor collects the next batch.  ``seconds``:
    the time that the doctor waited for features.
    """

    def __init__(self, network: FeatureNetwork, addresses: Sequence[str], store: ResultStore) -> None:
        tensors = {address: whole_tensor(network, address) for address in addresses}
        self.computer = FeatureComputer(network, tensors, store)
        self.forward = self.computer.forward(list(tensors))
        self.reduce = self.computer.reducer(list(tensors))
        self.waiting: dict[str, Floats] = {}
        self.computing: dict[str, Floats] = {}
        self.thread = ThreadPoolExecutor(1, "network")
        self.result: Future[ComputedBatch] | None = None
        self.seconds = 0.0

    def prepare(self, photo: Photo) -> Floats:
        """The network's input for a photo, (1, 3, size, size)."""
        return self.computer.network.preprocess(photo)

    def take(self, finding: Finding, kept: Floats) -> None:
        """Collect an input, and start the network when there are enough inputs for a batch."""
        if finding.fingerprint and finding.fingerprint.pixels_sha256 not in self.computing:
            self.waiting[finding.fingerprint.pixels_sha256] = kept
        if len(self.waiting) == BATCH_SIZE:
            self.drop_known()
        if len(self.waiting) == BATCH_SIZE:
            self.compute()

    def finish(self) -> None:
        """Compute the features of the last inputs, and close the network."""
        self.drop_known()
        if self.waiting:
            self.compute()
        self.store(self.result)
        self.thread.shutdown()
        self.computer.network.close()

    def drop_known(self) -> None:
        """Drop the inputs of photos whose features are all stored."""
        started = time.perf_counter()
        known = self.computer.look_up(list(self.waiting))
        self.waiting = {
            pixels: planes for pixels, planes in self.waiting.items() if len(known[pixels]) < len(self.computer.tensors)
        }
        self.seconds += time.perf_counter() - started

    def compute(self) -> None:
        """Start the network on the waiting inputs, and store the features of the previous batch meanwhile."""
        before = self.result
        self.computing, self.waiting = self.waiting, {}
        photos = [PhotoInfo(place, "", pixels_sha256=pixels) for place, pixels in enumerate(self.computing)]
        batch = InputBatch(tuple(photos), tuple(range(len(photos))), tuple(self.computing.values()))
        self.result = self.thread.submit(self.forward, batch)
        self.store(before)

    def store(self, result: Future[ComputedBatch] | None) -> None:
        """Wait for a batch and store its features."""
        started = time.perf_counter()
        if result:
            self.computer.store_features(self.reduce(result.result()))
        self.seconds += time.perf_counter() - started


class Extraction:
    """Fills arrays with the features of photos: first the stored features, then those that the network computes."""

    def __init__(
        self,
        computer: FeatureComputer,
        photos: Sequence[tuple[PhotoSource, str]],
        progress: Progress | None,
        results: Callable[[], Mapping[str, NDArray[np.floating[Any]]]],
        executor: Executor = HERE,
    ) -> None:
        """``results``: returns the arrays (N, C) to fill, by address; it is called once for each batch."""
        self.computer = computer
        self.photos = photos
        self.progress = progress
        self.results = results
        self.executor = executor
        self.places: dict[str, list[int]] = {}  # hash -> indices in ``photos``: several may have the same pixels
        for place, (_, pixels) in enumerate(photos):
            self.places.setdefault(pixels, []).append(place)
        self.done = 0

    def run(self) -> None:
        """Fill the arrays."""
        missing = self.read()
        if missing:
            release_to_os()  # release the memory that the doctor freed, before the network allocates its own
        for absent, hashes in missing.items():
            self.compute(hashes, absent)

    def read(self) -> dict[tuple[str, ...], list[str]]:
        """Fill in the stored features, and return missing addresses -> hashes of the photos that lack them."""
        missing: dict[tuple[str, ...], list[str]] = {}
        for group in batched(self.places, READ_AT_ONCE):
            stored = self.computer.look_up(group)
            self.fill(stored)
            for pixels in group:
                absent = tuple(address for address in self.computer.tensors if address not in stored[pixels])
                if absent:
                    missing.setdefault(absent, []).append(pixels)
        waiting = {pixels for hashes in missing.values() for pixels in hashes}
        self.report([pixels for pixels in self.places if pixels not in waiting])
        return missing

    def compute(self, hashes: Sequence[str], addresses: Sequence[str]) -> None:
        """Compute the features ``addresses`` of the photos with these hashes; store and fill in each batch."""
        places = (self.places[pixels][0] for pixels in hashes)
        entries = (Entry(place, *self.photos[place]) for place in places)
        forward, reduce = self.computer.forward(addresses), self.computer.reducer(addresses)
        stages = Stages(Decode(self.computer.network.preprocess), forward, reduce, transform=require_readable)
        with closing(self.executor.run(stages, entries)) as results:
            for features in results:
                self.computer.store_features(features)
                self.fill(features)
                self.report(list(features))

    def fill(self, features: Features) -> None:
        """Write the features of some photos into the arrays."""
        arrays = self.results()
        for pixels, rows in features.items():
            for address in rows.keys() & arrays.keys():
                arrays[address][self.places[pixels]] = rows[address]

    def report(self, hashes: Sequence[str]) -> None:
        """Count these photos as done."""
        self.done += sum(len(self.places[pixels]) for pixels in hashes)
        if self.progress is not None:
            self.progress(self.done, len(self.photos))


def halves(values: Floats) -> Halves:
    """The values in half precision; those beyond its range are clipped."""
    return np.clip(values, -GREATEST_HALF, GREATEST_HALF).astype(np.float16)
