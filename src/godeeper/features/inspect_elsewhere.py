"""The doctor's inspection in other processes, which also compute the features of each photo that they decode.

As in ``photos.doctor.inspection``, files are read twice: first to look up the stored findings by content, then to
decode the photos without a stored finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..iteration import batched
from ..photos.doctor.inspection import TOGETHER, BlobStore, Finding, content_key, inspect_all, pack, unpack
from ..prefetch import ordered_map
from .pipeline import BATCH_SIZE, Forward, InputBatch, PhotoInfo

if TYPE_CHECKING:
    from ..photos.decode import Photo
    from ..photos.doctor.inspection import DecodeObserver, Inspect
    from ..photos.preprocess import Preprocess
    from ..photos.sources.folder import Entry
    from ..progress import Progress
    from .executors.executor import Executor
    from .extract import FeatureObserver, Floats, ReduceToHalves

Inspected = tuple[list[Finding], "dict[str, Any]"]
"""Findings of some files, and features: hash of the pixels -> address -> (C,)."""


def inspection_by(executor: Executor) -> Inspect:
    """The function that inspects files with ``executor``."""
    return InspectOn(executor) if executor.is_remote else inspect_all


@dataclass(frozen=True)
class InspectOn:
    """Runs ``inspect_all`` in other processes; an ``onlooker`` must be a ``FeatureObserver``."""

    executor: Executor

    def __call__(
        self,
        entries: Sequence[Entry],
        progress: Progress | None = None,
        memory: BlobStore | None = None,
        onlooker: DecodeObserver | None = None,
    ) -> Iterator[Finding]:
        """Yield a finding for each entry, in order."""
        observer: FeatureObserver | None = onlooker  # type: ignore[assignment]  # see the class's docstring
        keys = self.content_keys(entries) if memory else [None] * len(entries)
        known = looked_up(keys, memory) if memory else {}
        unknown = [entry for entry, key in zip(entries, keys, strict=True) if key not in known]
        done = len(entries) - len(unknown)
        work = (
            Inspection(observer.forward, observer.reduce, observer.computer.network.preprocess)
            if observer
            else Inspection()
        )
        chunks = self.executor.map(
            work, unknown, lambda count: progress(done + count, len(entries)) if progress else None
        )
        with closing(chunks):
            fresh = stored(
                chunks, dict(zip(unknown, (key for key in keys if key not in known), strict=True)), memory, observer
            )
            for entry, key in zip(entries, keys, strict=True):
                yield unpack(entry, known[key]) if key in known else next(fresh)
            for _ in fresh:  # so that the last results are stored
                pass
        if observer:
            observer.finish()

    def content_keys(self, entries: Sequence[Entry]) -> list[bytes | None]:
        """``content_key`` of each entry."""
        with closing(self.executor.map(content_keys, entries)) as chunks:
            return [key for keys in chunks for key in keys]


def content_keys(entries: Sequence[Entry]) -> list[bytes | None]:
    """``content_key`` of each entry."""
    return list(ordered_map(content_key, entries, alone=True))


def looked_up(keys: Sequence[bytes | None], memory: BlobStore) -> dict[bytes | None, bytes]:
    """Key -> stored finding, for the keys that have one."""
    found: dict[bytes | None, bytes] = {}
    for group in batched([key for key in keys if key], TOGETHER):
        found.update(memory.get_blobs(group).items())
    return found


def stored(
    chunks: Iterable[Inspected],
    keys: dict[Entry, bytes | None],
    memory: BlobStore | None,
    observer: FeatureObserver | None,
) -> Iterator[Finding]:
    """Store the results of each chunk and yield its findings."""
    for findings, features in chunks:
        if observer:
            observer.computer.store_features(features)
        if memory:
            memory.put_blobs(
                {key: pack(each) for each in findings if each.fingerprint and (key := keys[each.entry]) is not None}
            )
        yield from findings


@dataclass(frozen=True)
class Inspection:
    """A worker's work: inspects files and, if ``forward`` is given, computes features of the photos with a class."""

    forward: Forward | None = None
    reduce: ReduceToHalves | None = None
    preprocess: Preprocess | None = None

    def __call__(self, entries: Sequence[Entry]) -> Inspected:
        if self.forward is None or self.reduce is None or self.preprocess is None:
            return list(inspect_all(entries)), {}
        collector = Collector(self.forward, self.reduce, self.preprocess)
        return list(inspect_all(entries, onlooker=collector)), dict(collector.features)


class Collector:
    """Observes an inspection, and computes the features of the photos batch by batch, while decoding continues."""

    def __init__(self, forward: Forward, reduce: ReduceToHalves, preprocess: Preprocess) -> None:
        self.forward = forward
        self.reduce = reduce
        self.preprocess = preprocess
        self.waiting: dict[str, Floats] = {}
        self.features: dict[str, Any] = {}

    def prepare(self, photo: Photo) -> Floats:
        """The network's input, (1, 3, size, size)."""
        return self.preprocess(photo)

    def take(self, finding: Finding, kept: Floats) -> None:
        """Collect an input, and compute the batch when it is full."""
        if finding.fingerprint and finding.fingerprint.pixels_sha256 not in self.features:
            self.waiting[finding.fingerprint.pixels_sha256] = kept
        if len(self.waiting) == BATCH_SIZE:
            self.finish()

    def finish(self) -> None:
        """Compute the features of the waiting inputs."""
        if self.waiting:
            photos = tuple(PhotoInfo(place, "", pixels_sha256=pixels) for place, pixels in enumerate(self.waiting))
            batch = InputBatch(photos, tuple(range(len(photos))), tuple(self.waiting.values()))
            self.features |= self.reduce(self.forward(batch))
            self.waiting = {}
