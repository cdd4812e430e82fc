"""The pipeline from photos to numbers: source → decode → batch → network → reduce → sink.

- A source is any iterable of ``Entry``: ``entries_of`` makes one from photos by numbering them.
- ``Decode`` turns an entry into the network's input.  It runs in threads, ahead of the network.
- ``input_batches`` groups inputs.
- ``Forward`` runs the network on one batch.
- A reducer is any function from a ``ComputedBatch`` to a partial result.  Partial results ``merge``; the merged result
  depends neither on the order of the batches nor on the grouping of photos.
- A sink writes results: a file, a store, an array.

``Stages`` holds the stages of one run as a record.  An executor (``features.executors``) runs it here or on other machines.

An unreadable photo stays in its batch as a ``PhotoInfo`` with an ``error``.  Entries, stages and reducers are records without
open files, so that they can be pickled and a stage can run in another process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import reduce as merge_all
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

import numpy as np

from ..engine.engines import Engine
from ..engine.plan import NETWORK_INPUT, Key, Plan
from ..errors import PhotoError
from ..photos.decode import Photo, PhotoSource
from ..photos.doctor.fingerprint import pixel_hash
from ..photos.preprocess import Preprocess
from ..photos.remote import RemotePhoto, decode_anywhere
from ..prefetch import ordered_map, pipelined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

BATCH_SIZE = 8
"""The number of photos in a batch.  Larger batches take more memory and are no faster on a CPU."""


@dataclass(frozen=True)
class Entry:
    """One photo of a source.

    ``photo``: a path, or anything else that ``decode`` accepts.  ``position``: its index in the source.
    ``pixels_sha256``: the hash that its decoded pixels must have; empty if the pixels are not checked.
    """

    position: int
    photo: PhotoSource = field(repr=False)
    pixels_sha256: str = ""

    @property
    def path(self) -> str | os.PathLike[str] | None:
        """The path as given; None if the photo is not a file."""
        return self.photo if isinstance(self.photo, (str, os.PathLike)) else None

    @property
    def name(self) -> str:
        """The path as given, or the name of a decoded photo."""
        if self.path is not None:
            return str(self.path)
        return self.photo.name if isinstance(self.photo, Photo | RemotePhoto) else "photo"


@dataclass(frozen=True)
class PhotoInfo:
    """The metadata of a photo for reducers, without its pixels.

    ``position``, ``name`` and ``path``: as in its ``Entry``.  ``error``: the reason why the photo cannot be read; the
    fields after it are then empty.  ``sha256``: the hash of the file.  ``size``: (width, height) in pixels.
    ``pixels_sha256``: the hash of the decoded pixels; empty unless ``Decode`` computed it.  ``notes``: repairs (see
    ``Photo.notes``).
    """

    position: int
    name: str
    path: str | os.PathLike[str] | None = None
    error: PhotoError | None = None
    sha256: str = ""
    size: tuple[int, int] = (0, 0)
    pixels_sha256: str = ""
    notes: tuple[str, ...] = ()


Decoded = tuple[PhotoInfo, "Floats | None"]
"""A photo and the network's input (1, 3, size, size); None instead of an input for a photo that the network should skip."""


@dataclass(frozen=True)
class Decode:
    """Decodes, resizes and scales one photo.

    ``least_side``: the minimum length, in pixels, of the shorter side of a JPEG decoded at reduced size; None decodes
    every photo at full size.  ``hash_pixels``: compute ``PhotoInfo.pixels_sha256`` of all photos, not only of those
    whose entries have one.
    """

    preprocess: Preprocess
    least_side: int | None = None
    hash_pixels: bool = False

    def __call__(self, entry: Entry) -> Decoded:
        """The photo and its input (1, 3, size, size); an unreadable photo has an error and no input."""
        named = PhotoInfo(entry.position, entry.name, entry.path)
        try:
            photo = decode_anywhere(entry.photo, self.least_side)
            pixels = pixel_hash(photo) if self.hash_pixels or entry.pixels_sha256 else ""
            if entry.pixels_sha256 not in ("", pixels):
                raise PhotoError(f"{entry.name}: the photo changed since its pixels were hashed; start again")
            info = replace(named, sha256=photo.sha256, size=photo.size, pixels_sha256=pixels, notes=photo.notes)
            return info, self.preprocess(photo)
        except PhotoError as error:
            return replace(named, error=error), None


@dataclass(frozen=True)
class InputBatch:
    """Photos in order.  ``rows``: the indices of the photos with an input.  ``inputs``: (1, 3, size, size) each."""

    photos: tuple[PhotoInfo, ...]
    rows: tuple[int, ...]
    inputs: tuple[Floats, ...] = field(repr=False)


@dataclass(frozen=True)
class ComputedBatch:
    """Photos in order.  ``values``: activations of the photos at indices ``rows``: (N, C, H, W), or (N, C) for a pooled plan."""

    photos: tuple[PhotoInfo, ...]
    rows: tuple[int, ...]
    values: Mapping[Key, Floats] = field(repr=False)

    @property
    def computed(self) -> tuple[PhotoInfo, ...]:
        """The photos of the rows of ``values``."""
        return tuple(self.photos[row] for row in self.rows)

    @property
    def unreadable(self) -> tuple[PhotoInfo, ...]:
        """The photos that have an error."""
        return tuple(info for info in self.photos if info.error is not None)


class Forward:
    """Runs ``plan`` on batches, one at a time, with ``many_photos`` set, so that values do not depend on the batch."""

    def __init__(self, engine: Engine, plan: Plan) -> None:
        self.engine = engine
        self.plan = replace(plan, many_photos=True)
        self._array: Floats | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Forward, (self.engine, self.plan)

    def __call__(self, batch: InputBatch) -> ComputedBatch:
        """The values of the plan's tensors; the inputs are dropped."""
        values = self.engine.run(self.plan, {NETWORK_INPUT: self.joined(batch.inputs)}) if batch.inputs else {}
        return ComputedBatch(batch.photos, batch.rows, values)

    def joined(self, inputs: tuple[Floats, ...]) -> Floats:
        """The inputs as (N, 3, size, size), in an array that all batches share, so that the heap does not fragment."""
        if self._array is None or len(self._array) < len(inputs):
            self._array = np.empty((max(len(inputs), BATCH_SIZE), *inputs[0].shape[1:]), np.float32)
        return np.concatenate(inputs, out=self._array[: len(inputs)])


class Partial(Protocol):
    """A partial result."""

    def merge(self, other: Self) -> Self:
        """Both results in one; may change and return ``self``."""


Result = TypeVar("Result", bound=Partial)
Value = TypeVar("Value")


def entries_of(photos: Iterable[PhotoSource]) -> Iterator[Entry]:
    """Photos as entries, numbered from 0; ``photos`` may be endless."""
    return (Entry(position, photo) for position, photo in enumerate(photos))


def input_batches(photos: Iterable[Decoded], size: int = BATCH_SIZE) -> Iterator[InputBatch]:
    """Yield photos in batches of ``size`` inputs, in order; photos without an input do not count towards ``size``."""
    infos: list[PhotoInfo] = []
    inputs: dict[int, Floats] = {}
    for info, planes in photos:
        if planes is not None:
            inputs[len(infos)] = planes
        infos.append(info)
        if len(inputs) == size:
            yield InputBatch(tuple(infos), tuple(inputs), tuple(inputs.values()))
            infos, inputs = [], {}
    if infos:
        yield InputBatch(tuple(infos), tuple(inputs), tuple(inputs.values()))


def distinct(photos: Iterable[Decoded]) -> Iterator[Decoded]:
    """Yield all photos, without an input for a file whose bytes occurred before."""
    seen: set[str] = set()
    for info, planes in photos:
        yield info, None if info.sha256 in seen else planes
        seen.add(info.sha256)


def require_readable(photos: Iterable[Decoded]) -> Iterator[Decoded]:
    """Yield all photos; raises the error of the first photo that cannot be read."""
    for info, planes in photos:
        if info.error is not None:
            raise info.error
        yield info, planes


def compute_batches(
    entries: Iterable[Entry],
    decode_entry: Callable[[Entry], Decoded],
    forward: Callable[[InputBatch], ComputedBatch],
    *,
    batch_size: int = BATCH_SIZE,
    transform: Callable[[Iterable[Decoded]], Iterable[Decoded]] = iter,
) -> Generator[ComputedBatch, None, None]:
    """Decode photos ahead in threads and run the network on them, batch by batch, in order.

    Args:
        entries: the photos; they are taken when they are needed.
        decode_entry: ``Decode`` or a substitute.
        forward: ``Forward`` or a substitute; it processes the next batch while the caller uses the previous one.
        batch_size: inputs in a batch.
        transform: applied to the decoded photos before they are grouped: ``distinct`` or ``require_readable``.
    """
    with (
        closing(ordered_map(decode_entry, entries)) as decoded,
        closing(pipelined(forward, input_batches(transform(decoded), batch_size))) as results,
    ):
        yield from results


@dataclass(frozen=True)
class Stages(Generic[Value]):
    """All stages of a run; a call with entries returns the results of all their batches in order.

    ``decode_entry``: ``Decode`` or a substitute.  ``forward``: ``Forward`` or a substitute.  ``reduce``: converts a
    computed batch to a result.  ``batch_size`` and ``transform``: as in ``compute_batches``; in other processes, a
    transform gets one chunk of photos at a time.  ``fold``: whether a call merges its results, which must be
    ``Partial``, into one.  Stages that run in other processes must be picklable.
    """

    decode_entry: Callable[[Entry], Decoded]
    forward: Callable[[InputBatch], ComputedBatch]
    reduce: Callable[[ComputedBatch], Value]
    batch_size: int = BATCH_SIZE
    transform: Callable[[Iterable[Decoded]], Iterable[Decoded]] = iter
    fold: bool = False

    def run(
        self, entries: Iterable[Entry], progress: Callable[[int], None] | None = None
    ) -> Generator[Value, None, None]:
        """Yield the result of each batch, in order; entries are taken when they are needed.

        ``progress`` is called with the number of photos done.
        """
        batches = compute_batches(
            entries, self.decode_entry, self.forward, batch_size=self.batch_size, transform=self.transform
        )
        done = 0
        with closing(batches):
            for batch in batches:
                yield self.reduce(batch)
                done += len(batch.photos)
                if progress is not None:
                    progress(done)

    def __call__(self, entries: Iterable[Entry]) -> list[Value]:
        results: Any = self.run(entries)
        if self.fold:
            return [merge_all(lambda one, other: one.merge(other), results)]
        return list(results)


def merged(
    batches: Iterable[ComputedBatch],
    reduce: Callable[[ComputedBatch], Result],
    start: Result,
    progress: Callable[[int], None] | None = None,
) -> Result:
    """The partial results of all batches, merged into ``start``.

    ``progress`` is called with the number of photos done.
    """
    done = 0
    for batch in batches:
        start = start.merge(reduce(batch))
        done += len(batch.photos)
        if progress is not None:
            progress(done)
    return start
