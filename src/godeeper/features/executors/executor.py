"""``Executor``: runs stages on photos and yields the results in order; ``Here`` runs them in this process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ...errors import OptionError, quoted
from .chunks import CHUNK, cut

if TYPE_CHECKING:
    from ..pipeline import Entry, Stages
    from .kept import KeptChunks

Value = TypeVar("Value")
Done = Callable[[int], None]

RAY = "ray"
SCHEME = "ray://"


class Executor(Protocol):
    """Runs stages on photos."""

    @property
    def is_remote(self) -> bool:
        """Whether the stages run in other processes, which must be able to unpickle them."""

    def run(
        self,
        stages: Stages[Value],
        entries: Iterable[Entry],
        progress: Done | None = None,
        kept: KeptChunks | None = None,
    ) -> Generator[Value, None, None]:
        """Yield the reducer's results, in the order of the entries.

        Args:
            stages: the stages to run.
            entries: the photos.
            progress: called with the number of photos done.
            kept: stores finished results, so that a later run can resume; ``Here`` stores none.
        """

    def map(
        self,
        work: Callable[[Sequence[Any]], Value],
        items: Sequence[Any],
        progress: Done | None = None,
        kept: KeptChunks | None = None,
    ) -> Generator[Value, None, None]:
        """Yield ``work(chunk)`` for each chunk of ``items``, in order.

        Args:
            work: a callable; for other processes it must be picklable.  A process unpickles it once and calls it for
                many chunks.
            items: for other processes, picklable objects.
            progress: called with the number of items done.
            kept: as in ``run``; the items must then be entries.
        """


class Here:
    """Runs stages in this process."""

    is_remote = False

    def __repr__(self) -> str:
        return "HERE"

    def run(
        self,
        stages: Stages[Value],
        entries: Iterable[Entry],
        progress: Done | None = None,
        kept: KeptChunks | None = None,  # noqa: ARG002 (nothing is kept here)
    ) -> Generator[Value, None, None]:
        """See ``Executor.run``.  Entries are read lazily, and only a few batches are in memory."""
        yield from stages.run(entries, progress)

    def map(
        self,
        work: Callable[[Sequence[Any]], Value],
        items: Sequence[Any],
        progress: Done | None = None,
        kept: KeptChunks | None = None,  # noqa: ARG002 (nothing is kept here)
    ) -> Generator[Value, None, None]:
        """See ``Executor.map``."""
        done = 0
        for chunk in cut(items, CHUNK):
            yield work(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done)


HERE = Here()


def executor_named(on: str | None, status: Callable[[str], None] | None = None) -> AbstractContextManager[Executor]:
    """The executor that ``--on`` names, connected while the block runs; without a name, this process.

    Args:
        on: ``ray`` for this machine or the cluster that ``RAY_ADDRESS`` names, ``ray://HOST:PORT``, or nothing.
        status: called repeatedly with a message while the executor waits, and with an empty string afterwards.

    Raises:
        OptionError: ``on`` is another name.
        MissingExtra: Ray is not installed.
        ClusterError: there is no Ray at that address.
    """
    if not on:
        return nullcontext(HERE)
    check_name(on)
    from .on_ray import OnRay

    return OnRay(on, status=status)


def check_name(on: str) -> None:
    """Raise ``OptionError`` unless ``on`` is ``ray`` or ``ray://HOST:PORT``."""
    host, _, port = on.removeprefix(SCHEME).rpartition(":")
    is_address = on.startswith(SCHEME) and host and "/" not in on.removeprefix(SCHEME) and is_port(port)
    if on != RAY and not is_address:
        raise OptionError(
            f"--on {quoted(on)}: expected ray (this machine, or the cluster that RAY_ADDRESS names) or ray://HOST:PORT"
        )


def is_port(text: str) -> bool:
    """Whether ``text`` is the number of a TCP port."""
    return text.isascii() and text.isdecimal() and 0 < int(text[:6]) < 65536
