"""Work is done in threads, ahead of who asks for it: photos are decoded while a network computes, which needs every core itself.

Threads that decode give way to it where the system lets one thread do so (Linux).  They fill the gaps that it leaves,
and get their turn when it waits for them; side by side with it they would halve the speed of one of its threads, for
which all others then wait.  The network itself is one batch ahead, and not idle while its answers are put away.
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

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 16  # items under way or done before who asks has them: two batches; a network's input takes 1 MB
MOST_THREADS = 4  # beside a network
NICENESS = 10  # with more, any other program could bring decoding to a halt


def ordered_map(
    work: Callable[[Item], Result], items: Iterable[Item], *, alone: bool = False
) -> Generator[Result, None, None]:
    """``work(item)`` for each item, in their order; what it raises is raised at the item's place.

    ``alone``: nobody else computes meanwhile; a thread for each core, and none gives way.
    """
    cores = os.cpu_count() or 1
    pool = ThreadPoolExecutor(cores if alone else min(MOST_THREADS, cores), "photos", None if alone else lower_priority)
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
    """``work(item)`` for each item, in their order, in one thread, which has the next item while an answer is made use of.

    What ``work``, or the supply of items, raises is raised at the item's place.
    """
    supply, failure = iter(items), None
    waiting: Future[Result] | None = None
    with ThreadPoolExecutor(1, "network") as pool:
        while True:
            try:
                item = next(supply)
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
    """Let other threads go first, this one's process included."""
    if sys.platform == "linux":  # elsewhere a whole process would
        with suppress(OSError):  # a sandbox may forbid it
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
