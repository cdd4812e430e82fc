"""Prefetching: background threads decode photos ahead of the network, which works one batch ahead of its consumer.

The network uses all cores.  On Linux, where each thread has its own priority, decoding threads have a lower priority.
They run while the network leaves a core idle or waits for them.  At equal priority, they would halve the speed of one
of the network's threads, and the other threads of the network would wait for it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from .cores import cores

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 16  # items in progress or waiting for the consumer: two batches; a network's input takes 1 MB
MOST_THREADS = 4  # while a network computes
NICENESS = 10  # at a higher value, any other program could starve decoding


def ordered_map(
    work: Callable[[Item], Result], items: Iterable[Item], *, alone: bool = False
) -> Generator[Result, None, None]:
    """Yield ``work(item)`` for each item in order, computed in threads; an exception is raised in place of the item's result.

    ``alone``: no network runs at the same time, so use one thread per core, at normal priority.
    """
    threads = cores() if alone else min(MOST_THREADS, cores())
    pool = ThreadPoolExecutor(threads, "photos", None if alone else lower_priority)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) == AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def pipelined(work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
    """Yield ``work(item)`` for each item in order; one thread works on the next item while the caller uses a result.

    An exception of ``work`` or of ``items`` is raised in place of the item's result.
    """
    source, failure = iter(items), None
    waiting: Future[Result] | None = None
    with ThreadPoolExecutor(1, "network") as pool:
        while True:
            try:
                item = next(source)
            except StopIteration:
                break
            except Exception as error:
                failure = error
                break
            following = pool.submit(work, item)
            if waiting:
                yield waiting.result()
            waiting = following
        if waiting:
            yield waiting.result()
    if failure:
        raise failure


def lower_priority() -> None:
    """Lower the priority of the calling thread, below the other threads of its process."""
    if sys.platform == "linux":  # elsewhere only a whole process has a priority
        with suppress(OSError):  # a sandbox may forbid it
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
