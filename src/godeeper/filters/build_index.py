"""Builds a filter index in one pass over the photos, and computes maxima only for photos without stored ones.

The maxima of each photo are stored (see ``features.store``) under a hash of its file, the weights, the preprocessing and the
engine.  A stopped pass can therefore resume, and if photos are added or removed, only the new ones are computed.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..engine.plan import plan
from ..errors import OptionError, PhotoError
from ..features.executors.executor import HERE
from ..features.pipeline import Decode, Entry, Forward, PhotoInfo, Stages
from ..features.store import feature_key, feature_recipe
from ..iteration import batched
from ..photos.opening import read_photo
from ..photos.remote import RemotePhoto
from ..prefetch import ordered_map
from .index import NO_PHOTO, indexed_sites
from .index_file import header_of, serialised
from .maxima import Maxima, ReduceToMaxima, indexed_keys
from .ranking import Ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..features.executors.executor import Executor
    from ..features.store import ResultStore
    from ..features.stream import FeatureNetwork
    from ..photos.decode import PhotoSource
    from ..progress import Progress

PHOTOS_AT_ONCE = 2
"""Photos per batch.  The maps take 36 MB per photo, and larger batches are no faster."""

STORED_AT_ONCE = 16
MOST_TOP = 64
MOST_CLASSES = 256
MAXIMA_RECIPE = "maxima 1"  # increase the number when a change of the code changes maxima


@dataclass(frozen=True, slots=True)  # slots, because there may be millions of objects
class NamedSource:
    """A photo to index.  ``name``: its name in the index.  ``label``: its class, if any."""

    photo: PhotoSource
    name: str
    label: str = ""


@dataclass
class Indexed:
    """A built index.

    ``content``: the bytes of its file.  ``photos``: the number of different photos.  ``computed``: the number of photos whose
    maxima were not stored before.  ``classes``: name -> number of photos.  ``errors``: name of a photo -> the reason why it
    cannot be read.  ``notes``: name of a photo -> its repairs.
    """

    content: bytes = field(repr=False)
    photos: int
    computed: int
    filters: int
    classes: Mapping[str, int]
    errors: Mapping[str, str]
    notes: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Facts:
    """The metadata that are stored with a photo's maxima: (width, height), and its repairs."""

    size: tuple[int, int]
    notes: tuple[str, ...]


def build_index(
    network: FeatureNetwork,
    photos: Sequence[NamedSource],
    store: ResultStore,
    top: int = 12,
    progress: Progress | None = None,
    executor: Executor = HERE,
) -> Indexed:
    """Build the index of some photos.

    Args:
        network: the network that computes the maxima.
        photos: the photos; files with the same bytes count once, with the name and class of the first.
        store: the cache of maxima.
        top: the number of photos kept for each filter, 1 to ``MOST_TOP``.
        progress: called with (photos done, photos in all).
        executor: where the photos are decoded and computed.

    Raises:
        OptionError: ``top`` is out of range.
        PhotoError: none of the photos can be read.
    """
    if not 1 <= top <= MOST_TOP:
        raise OptionError(f"top {top}: expected the number of photos for each filter, 1 to {MOST_TOP}")
    building = Building(network, photos, store, top, progress, executor)
    try:
        building.run()
        return building.indexed()
    finally:
        building.ranking.close()


class Building:
    """One pass: its photos in the order of their hashes, and the ranking so far."""

    def __init__(
        self,
        network: FeatureNetwork,
        photos: Sequence[NamedSource],
        store: ResultStore,
        top: int,
        progress: Progress | None,
        executor: Executor,
    ) -> None:
        self.network = network
        self.executor = executor
        self.store = store
        self.progress = progress
        self.total = len(photos)
        self.errors: dict[str, str] = {}
        self.photos = self.hashed(photos)
        self.classes = classes_of(photo for _, photo in self.photos)
        self.sizes = np.zeros((len(self.photos), 2), np.uint32)  # (width, height) by rank
        self.notes: dict[int, tuple[str, ...]] = {}  # rank -> repairs, of repaired photos only
        self.filters = sum(site.shape[0] for site in indexed_sites(network.blueprint))
        self.ranking = Ranking(self.filters, top, len(self.classes))
        self.recipe = feature_recipe(
            network.weights.sha256, MAXIMA_RECIPE, network.preprocess.summary, network.batch_engine.identity().key
        )
        self.computed = 0
        self.done = self.total - len(self.photos)

    def hashed(self, photos: Sequence[NamedSource]) -> list[tuple[str, NamedSource]]:
        """(SHA-256 of the file, photo) for each different file that can be read, in the order of the hashes."""
        found: dict[str, NamedSource] = {}
        with closing(self.executor.map(hashes_of, photos)) as chunks:
            hashes = [each for chunk in chunks for each in chunk]
        for photo, sha256 in zip(photos, hashes, strict=True):
            if isinstance(sha256, PhotoError):
                self.errors[photo.name] = str(sha256)
            else:
                found.setdefault(sha256, photo)
        return sorted(found.items(), key=lambda item: item[0])

    def run(self) -> None:
        """Add the photos whose maxima are stored; compute, store and add the others."""
        missing: list[int] = []
        for group in batched(range(len(self.photos)), STORED_AT_ONCE):
            keys = [self.key(rank) for rank in group]
            stored = self.store.get_blobs(keys)
            known = [
                (rank, blob)
                for rank, key in zip(group, keys, strict=True)
                if len(blob := stored.get(key, b"")) >= 6 * self.filters
            ]
            self.add_stored(known)
            missing += sorted({*group} - {rank for rank, _ in known})
        for ranks, result in self.results(missing):
            self.add_computed(ranks, result)

    def results(self, missing: Sequence[int]) -> Iterator[tuple[list[int], Maxima]]:
        """Compute the maxima of the ``missing`` photos; yields ranks and maxima in groups."""
        entries = (Entry(rank, self.photos[rank][1].photo) for rank in missing)
        keys = indexed_keys(self.network.blueprint)
        stages = Stages(
            Decode(self.network.preprocess),
            Forward(self.network.batch_engine, plan(self.network.blueprint, keys)),
            ReduceToMaxima(keys),
            PHOTOS_AT_ONCE,
        )
        waiting: list[Maxima] = []
        with closing(self.executor.run(stages, entries)) as results:
            for result in results:
                for info in result.unreadable:
                    self.refuse(info, str(info.error))
                waiting.append(result)
                if sum(len(each.photos) for each in waiting) >= STORED_AT_ONCE:
                    yield self.joined(waiting)
                    waiting = []
        if any(each.photos for each in waiting):
            yield self.joined(waiting)

    def joined(self, parts: Sequence[Maxima]) -> tuple[list[int], Maxima]:
        """Ranks and maxima of several batches, without photos whose files changed since they were hashed."""
        parts = [each for each in parts if each.photos]
        photos = [info for each in parts for info in each.photos]
        values, cells = np.concatenate([each.values for each in parts]), np.concatenate([each.cells for each in parts])
        same = [row for row, info in enumerate(photos) if info.sha256 == self.photos[info.position][0]]
        for info in photos:
            if info.sha256 != self.photos[info.position][0]:
                name = self.photos[info.position][1].name
                self.refuse(info, f"{name}: the file changed while the index was built; build it again")
        kept = tuple(photos[row] for row in same)
        return [info.position for info in kept], Maxima(kept, values[same], cells[same])

    def refuse(self, info: PhotoInfo, reason: str) -> None:
        """Record a photo that cannot be used."""
        self.errors[self.photos[info.position][1].name] = reason
        self.report(1)

    def key(self, rank: int) -> bytes:
        """The key of a photo's maxima in the store."""
        return feature_key(self.photos[rank][0], self.recipe)

    def add_computed(self, ranks: list[int], result: Maxima) -> None:
        """Store and add the maxima of some photos."""
        blobs = {}
        for rank, info, values, cells in zip(ranks, result.photos, result.values, result.cells, strict=True):
            facts = Facts(info.size, info.notes)
            self.note(rank, facts)
            blobs[self.key(rank)] = packed(facts, values.tobytes() + cells.tobytes())
        self.store.put_blobs(blobs)
        self.computed += len(ranks)
        self.add(ranks, result.values, result.cells)

    def add_stored(self, known: Sequence[tuple[int, bytes]]) -> None:
        """Add stored maxima."""
        if not known:
            return
        values, cells = [], []
        for rank, blob in known:
            facts, numbers = unpacked(blob, self.filters)
            self.note(rank, facts)
            values.append(np.frombuffer(numbers, np.float32, self.filters))
            cells.append(np.frombuffer(numbers, np.uint16, self.filters, 4 * self.filters))
        self.add([rank for rank, _ in known], np.stack(values), np.stack(cells))

    def note(self, rank: int, facts: Facts) -> None:
        """Remember the metadata of a photo."""
        self.sizes[rank] = facts.size
        if facts.notes:
            self.notes[rank] = facts.notes

    def add(self, ranks: list[int], values: NDArray[np.float32], cells: NDArray[np.uint16]) -> None:
        """Add the maxima of some photos to the ranking."""
        names = list(self.classes)
        places = {name: at for at, name in enumerate(names)}
        self.ranking.add(ranks, values, cells, [places.get(self.photos[rank][1].label) for rank in ranks])
        self.report(len(ranks))

    def report(self, photos: int) -> None:
        """Count photos as done."""
        self.done += photos
        if self.progress is not None:
            self.progress(self.done, self.total)

    def indexed(self) -> Indexed:
        """The finished index."""
        if not self.ranking.photos:
            reasons = list(self.errors.values())
            raise PhotoError(
                reasons[0]
                if len(reasons) == 1
                else f"none of {len(reasons)} photos can be read; the first: {reasons[0]}"
            )
        arrays = self.ranking.arrays()
        listed = [arrays["top_photos"], arrays["examples_photos"]]
        used = np.unique(np.concatenate([each.ravel() for each in listed]).astype(np.int64))
        ranks = used[used != NO_PHOTO]
        for name in ("top_photos", "examples_photos"):
            found = np.searchsorted(ranks, arrays[name])
            arrays[name] = np.where(arrays[name] == NO_PHOTO, NO_PHOTO, found).astype(np.uint32)
        arrays |= self.photo_arrays(ranks.tolist())
        counts = dict(zip(self.classes, self.ranking.class_photos.tolist(), strict=True))
        notes = {self.photos[rank][1].name: each for rank, each in sorted(self.notes.items())}
        header = header_of(self.network, self.ranking.photos, self.ranking.top, counts)
        content = serialised(header, arrays)
        return Indexed(content, self.ranking.photos, self.computed, self.filters, counts, self.errors, notes)

    def photo_arrays(self, ranks: Sequence[int]) -> dict[str, NDArray[np.generic]]:
        """The arrays that describe the photos with these ranks."""
        hashes = b"".join(bytes.fromhex(self.photos[rank][0]) for rank in ranks)
        names = "\0".join(self.photos[rank][1].name for rank in ranks).encode("utf-8", "surrogateescape")
        return {
            "hashes": np.frombuffer(hashes, np.uint8).reshape(-1, 32),
            "sizes": self.sizes[list(ranks)],
            "names": np.frombuffer(names, np.uint8),
        }


def classes_of(photos: Iterator[NamedSource]) -> dict[str, None]:
    """The classes of photos, sorted; none if there are fewer than two or more than ``MOST_CLASSES``."""
    names = sorted({photo.label for photo in photos} - {""})
    return dict.fromkeys(names) if 1 < len(names) <= MOST_CLASSES else {}


def hashes_of(photos: Sequence[NamedSource]) -> list[str | PhotoError]:
    """``hash_of`` for each photo, computed in parallel."""
    return list(ordered_map(hash_of, photos, alone=True))


def hash_of(photo: NamedSource) -> str | PhotoError:
    """The SHA-256 of a photo's file, or the error if it cannot be read."""
    if not isinstance(photo.photo, (str, os.PathLike, RemotePhoto)):
        raise TypeError(f"{type(photo.photo).__name__}: an index needs files")
    try:
        content = photo.photo.read() if isinstance(photo.photo, RemotePhoto) else read_photo(photo.photo)
        return hashlib.sha256(content).hexdigest()
    except PhotoError as error:
        return error


def packed(facts: Facts, numbers: bytes) -> bytes:
    """The bytes that are stored for a photo: its metadata, and its maxima as ``numbers``."""
    notes = json.dumps(facts.notes).encode()
    return numbers + notes + struct.pack("<III", *facts.size, len(notes))


def unpacked(blob: bytes, filters: int) -> tuple[Facts, bytes]:
    """The inverse of ``packed``: the metadata and the bytes of the maxima."""
    width, height, length = struct.unpack("<III", blob[-12:])
    notes = tuple(json.loads(blob[-12 - length : -12]))
    return Facts((width, height), notes), blob[: 6 * filters]
