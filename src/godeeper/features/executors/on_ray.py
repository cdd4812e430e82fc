"""``OnRay``: runs stages with Ray Data, in processes on this machine or on a cluster.

Photos are cut into chunks, which do not depend on the number of workers.  Ray Data maps ``Worker`` over the chunks.
The results arrive in any order and are returned in the order of the photos.  If a worker is killed, Ray starts it again
and repeats its chunk.  If Ray Data itself fails, for example because a machine was lost with results on it, the chunks
without a result are mapped again.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ...errors import ClusterError
from .chunks import Shelf, chunk_size, cut
from .cluster import Cluster
from .worker import packed, restored

if TYPE_CHECKING:
    from ..pipeline import Entry, Stages
    from .kept import KeptChunks

Value = TypeVar("Value")

RECOVERIES = 3  # consecutive failures without a new result


class OnRay:
    """Runs stages on Ray while the block runs."""

    is_remote = True

    def __init__(
        self, address: str = "ray", *, chunk: int = 0, cores: int = 0, status: Callable[[str], None] | None = None
    ) -> None:
        """``address`` and ``status``: see ``executor_named``.

        ``chunk``: photos per chunk.  ``cores``: cores per worker.  For both, 0 means the default.
        """
        self.cluster = Cluster(address, cores, status)
        self.chunk = chunk
        self.running: list[Generator[Any, None, None]] = []

    def __enter__(self) -> Self:
        self.cluster.connect()
        return self

    def __exit__(self, *raised: object) -> None:
        for results in self.running:  # an exception may keep a generator open, which cannot be closed without Ray
            results.close()
        self.running.clear()
        self.cluster.disconnect()

    def run(
        self,
        stages: Stages[Value],
        entries: Iterable[Entry],
        progress: Callable[[int], None] | None = None,
        kept: KeptChunks | None = None,
    ) -> Generator[Value, None, None]:
        """See ``Executor.run``."""
        with closing(self.map(stages, list(entries), progress, kept)) as chunks:
            for results in chunks:
                yield from results

    def map(
        self,
        work: Callable[[Sequence[Any]], Value],
        items: Sequence[Any],
        progress: Callable[[int], None] | None = None,
        kept: KeptChunks | None = None,
    ) -> Generator[Value, None, None]:
        """See ``Executor.map``.

        Raises:
            ClusterError: the cluster fails, or has another version of godeeper.
        """
        chunks = cut(items, self.chunk or chunk_size(len(items)))
        shelf = Shelf(chunks, kept)
        report = progress or (lambda _: None)
        report(shelf.items)
        with closing(self.arrivals(work, chunks, shelf.missing())) as arrivals:
            for number in range(len(chunks)):
                while number not in shelf:
                    shelf.put(*next(arrivals))
                    report(shelf.items)
                result = shelf.take(number)
                if result is None:  # another run removed the kept file
                    [(_, result)] = self.arrivals(work, chunks, [number])
                yield result

    def arrivals(
        self, work: Callable[[Sequence[Any]], Value], chunks: Sequence[Sequence[Any]], numbers: Iterable[int]
    ) -> Generator[tuple[int, Value], None, None]:
        """Yield the number and result of each of these chunks, in the order of arrival."""
        waiting = dict.fromkeys(numbers)
        if not waiting:
            return
        parcel, failures = packed(work, self.cluster.put), 0
        while waiting:
            rows = [{"number": number, "items": pickle.dumps(list(chunks[number]))} for number in waiting]
            try:
                with closing(self.cluster.results(parcel, rows)) as results:
                    self.running = [results]
                    for number, result, error in results:
                        if error:
                            raise restored(*pickle.loads(error))  # noqa: S301 (from our worker)
                        if number in waiting:
                            del waiting[number]
                            yield number, pickle.loads(result)  # noqa: S301 (from our worker)
                            failures = 0
            except self.cluster.errors as error:
                failures += 1
                if failures == RECOVERIES or not self.cluster.is_alive():
                    raise ClusterError(self.cluster.why(error)) from error
