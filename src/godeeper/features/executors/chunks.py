"""Chunks of consecutive items, each processed by one worker, and the shelf that reorders their results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .kept import KeptChunks

CHUNK = 32  # photos: four batches
MOST_CHUNKS = 20_000  # Ray Data keeps a record per chunk


class Shelf:
    """Holds results by chunk number until they are taken: in files if ``kept`` is given, otherwise in memory."""

    def __init__(self, chunks: Sequence[Sequence[Any]], kept: KeptChunks | None) -> None:
        self.sizes = [len(chunk) for chunk in chunks]
        self.kept = kept
        self.paths = [kept.path(chunk) for chunk in chunks] if kept else []
        self.stored = {number for number, path in enumerate(self.paths) if path.exists()}
        self.results: dict[int, Any] = {}
        self.items = sum(self.sizes[number] for number in self.stored)

    def __contains__(self, number: int) -> bool:
        return number in self.stored or number in self.results

    def missing(self) -> Iterator[int]:
        """The numbers of the chunks without a result."""
        return (number for number in range(len(self.sizes)) if number not in self)

    def put(self, number: int, result: Any) -> None:
        """Put a result on the shelf; if the disk is full, the result stays in memory."""
        self.items += self.sizes[number]
        if self.kept and self.kept.store(self.paths[number], result):
            self.stored.add(number)
        else:
            self.results[number] = result

    def take(self, number: int) -> Any | None:
        """Take a result from the shelf, without removing its file; None if the file is missing or damaged."""
        if number in self.stored and self.kept:
            return self.kept.load(self.paths[number])
        return self.results.pop(number)


def chunk_size(items: int) -> int:
    """The number of items per chunk, for ``items`` items in all."""
    return max(CHUNK, -(-items // MOST_CHUNKS))


def cut(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Consecutive chunks of ``size`` items; the last may be smaller."""
    return [items[start : start + size] for start in range(0, len(items), size)]
