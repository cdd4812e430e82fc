"""Schedules forward passes: one segment of one photo at a time, while a client waits for it.

The event loop schedules the segments and one thread computes them, because ONNX Runtime already uses all cores.  Clients
subscribe to a photo's pass up to some segment.  A client that disconnects cancels its subscription, and a pass without
subscriptions stops after the current segment.  A browser tab that opens another photo cancels its earlier subscription.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ...engine.engines import Engine
from ...engine.plan import Key, Plan
from ...lru import LruCache
from ...memory import release_to_os
from ..http.errors import Superseded
from .forward import ForwardPass, Segment
from .forward_cache import ForwardPassCache
from .pools import run_in

if TYPE_CHECKING:
    from .photo_store import StoredPhoto

MAX_TABS = 1024


class Subscription:
    """One client that waits for a forward pass up to some segment; ``cancelled`` is the reason if it was cancelled."""

    def __init__(self) -> None:
        self.cancelled: str | None = None


class Job:
    """The computation of one forward pass, shared by all its subscriptions."""

    def __init__(self, forward: ForwardPass) -> None:
        self.forward = forward
        self.requested_by: dict[Subscription, int] = {}
        self.changed = asyncio.Event()
        self.error: Exception | None = None

    @property
    def requested(self) -> int:
        """The number of segments that are requested; 0 if there is no subscription."""
        return max(self.requested_by.values(), default=0)

    def notify(self) -> None:
        """Wake up all waiting tasks."""
        self.changed.set()
        self.changed = asyncio.Event()

    async def wait_for(self, done: int, subscription: Subscription) -> None:
        """Wait until ``done`` segments are computed; raises the error of the computation, or ``Superseded``."""
        while self.forward.done < done:
            if subscription.cancelled:
                raise Superseded(subscription.cancelled)
            if self.error:
                raise self.error
            await self.changed.wait()


class Scheduler:
    """The current jobs, and the photo that each browser tab waits for."""

    def __init__(self, engine: Engine, segments: tuple[Segment, ...], passes: ForwardPassCache) -> None:
        """``engine`` must keep a session open for each of ``segments``."""
        self.engine, self.segments, self.passes = engine, segments, passes
        self.jobs: dict[str, Job] = {}  # by photo id, in the order of their requests
        self.tabs = LruCache[str, tuple[str, Subscription | None]](max_entries=MAX_TABS)
        self.tasks: set[asyncio.Task[None]] = set()
        self.network_lock = asyncio.Lock()
        self.network_pool = ThreadPoolExecutor(1, "network")

    def close(self) -> None:
        """Stop the network thread."""
        self.network_pool.shutdown(wait=True, cancel_futures=True)

    async def forward_pass(self, photo: StoredPhoto, done: int) -> ForwardPass:
        """The forward pass of a photo, with at least ``done`` segments computed."""
        async with self.subscribed(photo, done) as (job, subscription):
            await job.wait_for(done, subscription)
            return job.forward

    async def progress(self, photo: StoredPhoto, tab: str | None) -> AsyncGenerator[tuple[int, Segment | None]]:
        """Yield (number, segment) for each segment of a photo's pass as soon as it is computed; numbers start at 1.

        Segments already in memory are yielded at once.  If other passes are computed first, the first item is (their number, None).
        """
        async with self.subscribed(photo, len(self.segments), tab) as (job, subscription):
            ahead = self.jobs_ahead(photo)
            if ahead:
                yield ahead, None
            for done, segment in enumerate(self.segments, start=1):
                await job.wait_for(done, subscription)
                yield done, segment

    async def add_value(self, forward: ForwardPass, key: Key, engine: Engine, plan: Plan) -> None:
        """Add the value of ``key`` to a pass, computed by ``plan`` from the values already in the pass."""
        async with self.network_lock:
            if key not in forward.values:
                forward.values |= await run_in(self.network_pool, lambda: forward.compute(engine, plan))
                self.passes.evict(in_use=self.jobs)

    def jobs_ahead(self, photo: StoredPhoto) -> int:
        """The number of passes that are computed before a photo's pass; 0 if the photo's pass has begun."""
        if photo.id not in self.jobs or self.jobs[photo.id].forward.done:
            return 0
        ahead = list(self.jobs)[: list(self.jobs).index(photo.id)]
        return sum(self.jobs[photo_id].requested > 0 for photo_id in ahead)

    @asynccontextmanager
    async def subscribed(
        self, photo: StoredPhoto, done: int, tab: str | None = None
    ) -> AsyncIterator[tuple[Job, Subscription]]:
        """Request ``done`` segments while the block runs."""
        subscription = Subscription()
        job = self.jobs.get(photo.id) or Job(self.passes.get(photo))
        job.requested_by[subscription] = done
        self.supersede(tab, photo, subscription)
        if photo.id not in self.jobs and job.forward.done < done:
            self.jobs[photo.id] = job
            task = asyncio.create_task(self.compute(photo.id, job))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        try:
            yield job, subscription
        finally:
            job.requested_by.pop(subscription, None)

    def supersede(self, tab: str | None, photo: StoredPhoto, subscription: Subscription | None = None) -> None:
        """Record that a tab now shows ``photo``, and cancel its subscription to another photo."""
        if tab is None:
            return
        earlier_photo, earlier = self.tabs.pop(tab) or (photo.id, None)
        self.tabs.put(tab, (photo.id, subscription))
        self.tabs.evict()
        if earlier and earlier_photo != photo.id:
            self.cancel(earlier_photo, earlier, "this tab now shows another photo")

    def stop(self) -> None:
        """Cancel all subscriptions because the server is shutting down."""
        for photo_id, job in self.jobs.items():
            for subscription in tuple(job.requested_by):
                self.cancel(photo_id, subscription, "the server is shutting down")

    def cancel(self, photo_id: str, subscription: Subscription, reason: str) -> None:
        """Withdraw a subscription; its client gets ``Superseded`` with the reason."""
        subscription.cancelled = reason
        job = self.jobs.get(photo_id)
        if job and job.requested_by.pop(subscription, None) is not None:
            job.notify()

    async def compute(self, photo_id: str, job: Job) -> None:
        """Wait until the network is free, then compute the segments in order while any are requested."""
        async with self.network_lock:
            try:
                while job.forward.done < job.requested:
                    plan = self.segments[job.forward.done].plan
                    values = await run_in(self.network_pool, lambda: job.forward.compute(self.engine, plan))  # noqa: B023 (awaited here)
                    job.forward.add(values)
                    job.notify()
            except Exception as error:  # any error must reach the waiting clients
                job.error = error
            finally:  # nothing was awaited since `requested` was read, so no later subscription can be lost
                del self.jobs[photo_id]
            job.notify()
            if self.passes.evict(in_use=self.jobs):
                await run_in(self.network_pool, release_to_os)
