"""Long computations with progress, one at a time; several clients can wait for one, and results are cached on disk.

A job runs in a thread while a client waits for it.  When the last client disconnects, the job stops at its next step.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

from ...disk_cache import DiskCache, account_cache
from ...lru import LruCache
from ..http.errors import Superseded
from .pools import run_in

MAX_RESULTS, MAX_BYTES = 256, 32 << 20  # results in memory

Report = Callable[[int, int], None]
"""Called by a computation with (steps done, steps in all); raises ``Stopped`` when no client is waiting."""

Compute = Callable[[Report], bytes]


class Stopped(Exception):
    """No client is waiting for the result."""


class Job:
    """One computation.  ``clients``: the number of waiting clients.  ``done`` and ``total``: steps; both are 0 before it starts."""

    def __init__(self) -> None:
        self.clients = 0
        self.done = self.total = 0
        self.result: bytes | None = None
        self.error: Exception | None = None
        self.changed = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return self.result is not None or self.error is not None

    def notify(self) -> None:
        """Wake up all waiting tasks."""
        self.changed.set()
        self.changed = asyncio.Event()

    def advance(self, done: int, total: int) -> None:
        """Record the progress."""
        self.done, self.total = done, total
        self.notify()


class Jobs:
    """The current jobs in the order of their requests, and the results of earlier ones, by key."""

    def __init__(self, cache: DiskCache | None = None) -> None:
        self.cache = cache or account_cache()
        self.results = LruCache[str, bytes](MAX_RESULTS, MAX_BYTES, len)
        self.current: dict[str, Job] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.pool = ThreadPoolExecutor(1, "jobs")
        self.is_closed = False

    def close(self) -> None:
        """Stop the current job at its next step, and the thread."""
        self.is_closed = True
        self.pool.shutdown(wait=True, cancel_futures=True)

    def stop(self) -> None:
        """Fail the requests of all waiting clients, because the server is shutting down."""
        for job in self.current.values():
            job.error = Superseded("the server is shutting down")
            job.notify()

    async def kept(self, key: str) -> bytes | None:
        """The result of an earlier job, from memory or disk; None if there is none."""
        result = self.results.get(key)
        if result is None:
            result = await asyncio.to_thread(self.cache.load, key)
            if result is not None:
                self.keep(key, result)
        return result

    def keep(self, key: str, result: bytes) -> None:
        """Keep a result in memory."""
        self.results.put(key, result)
        self.results.evict()

    async def result(self, key: str, compute: Compute) -> bytes:
        """The result of a job, which is started if there is no stored result; raises the exceptions of ``compute``."""
        found = await self.kept(key)
        if found is not None:
            return found
        async with aclosing(self.progress(key, compute)) as steps:
            async for _ in steps:
                pass
        return self.results.get(key) or await self.result(key, compute)

    async def progress(self, key: str, compute: Compute) -> AsyncGenerator[tuple[int, int, int]]:
        """Yield (steps done, steps in all, jobs ahead) at every change, until the job is done.

        Raises the exceptions of ``compute``.
        """
        if await self.kept(key) is not None:
            return
        job = self.current.get(key) or self.start(key, compute)
        job.clients += 1
        try:
            while not job.is_over:
                changed = job.changed
                yield job.done, job.total, self.jobs_ahead(key)
                await changed.wait()
            if job.error:
                raise job.error
        finally:
            job.clients -= 1
            if not job.clients and self.current.get(key) is job:
                del self.current[key]  # a new client starts a new job; this one stops

    def jobs_ahead(self, key: str) -> int:
        """The number of jobs that run before the job of ``key``."""
        return list(self.current).index(key) if key in self.current else 0

    def start(self, key: str, compute: Compute) -> Job:
        """Queue a computation."""
        job = self.current[key] = Job()
        task = asyncio.create_task(self.run(key, job, compute))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return job

    async def run(self, key: str, job: Job, compute: Compute) -> None:
        """Run a computation in the thread, and keep its result."""
        loop = asyncio.get_running_loop()

        def report(done: int, total: int) -> None:
            if self.is_closed or not job.clients or job.error:
                raise Stopped
            loop.call_soon_threadsafe(job.advance, done, total)

        def work() -> bytes:
            report(0, 0)
            found = compute(report)
            self.cache.store(key, found)
            return found

        try:
            result = await run_in(self.pool, work)
            self.keep(key, result)
            job.result = result
        except Stopped:
            job.error = job.error or Superseded("no client is waiting for the result")
        except Exception as error:  # any error must reach the waiting clients
            job.error = error
        finally:
            if self.current.get(key) is job:
                del self.current[key]
            for other in (job, *self.current.values()):  # the jobs behind this one move up
                other.notify()
