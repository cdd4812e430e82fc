"""Photos in memory, looks at them, and who is waiting for which: all that the pages show comes from here.

One event loop decides, threads compute.  There is one lane for the network, because ONNX Runtime takes every core by
itself; one darkroom for decoding, because a large photo takes much memory; a few hands for pictures.  A look is computed
while somebody waits for it: who hangs up takes his wish along, and the lane turns to the next between two parts of the
network.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

from ...blueprint.address import Tensor, parse_all, resolve_one
from ...blueprint.sites import PHOTO_KINDS, sites
from ...engine.onnxruntime import OnnxRuntimeEngine
from ...engine.plan import NETWORK_INPUT, Key, is_photo_step, key_of, output, plan
from ...errors import AddressError
from ...memory import release_to_os
from ...network import Network
from ...peek.peek import Peek, make_peek
from ...photos.input_steps import PhotoSteps
from ...photos.preprocess import to_planes
from ..http.errors import Superseded, not_found
from .forward import ForwardPass, Segment, segments
from .photo_store import DEMO, DEMO_NAME, WHOLE_PHOTO, PhotoStore, StoredPhoto, demo_bytes, ingest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...engine.identity import Identity
    from ...engine.quantization import QuantizationRanges
    from ...photos.preprocess import Preprocess
    from ...weights.file import WeightsFile

Result = TypeVar("Result")

MOST_LOOK_BYTES = 384 << 20
MOST_TABS = 1024


class Subscription:
    """One who waits for a look, up to some segment; ``dropped`` says why he waits in vain."""

    def __init__(self) -> None:
        self.dropped: str | None = None


class Job:
    """The computing of one look, shared by all who wait for it."""

    def __init__(self, look: ForwardPass) -> None:
        self.look = look
        self.wishes: dict[Subscription, int] = {}
        self.changed = asyncio.Event()
        self.error: Exception | None = None

    @property
    def wished(self) -> int:
        """How many segments somebody waits for; 0 if nobody waits."""
        return max(self.wishes.values(), default=0)

    def tell(self) -> None:
        """Wake up all who wait."""
        self.changed.set()
        self.changed = asyncio.Event()

    async def reach(self, done: int, ticket: Subscription) -> None:
        """Wait until ``done`` segments are computed; raises what went wrong, or ``Superseded``."""
        while self.look.done < done:
            if ticket.dropped:
                raise Superseded(ticket.dropped)
            if self.error:
                raise self.error
            await self.changed.wait()


class Scheduler:
    """One network, the photos looked at with it, and the work in hand."""

    def __init__(
        self,
        weights: WeightsFile,
        preprocess: Preprocess,
        *,
        calibration: QuantizationRanges | None = None,
        album: PhotoStore | None = None,
        most_look_bytes: int = MOST_LOOK_BYTES,
    ) -> None:
        """``calibration``: of a classifier in 8 bits, whose own values are then what is looked at."""
        self.network = Network(
            OnnxRuntimeEngine(weights, calibration=calibration), preprocess
        )  # whatever is asked for now and then
        self.segments = segments(self.network)
        self.engine = OnnxRuntimeEngine(weights, calibration=calibration, open_sessions=len(self.segments))
        self.place = {tensor.site.index: n for n, part in enumerate(self.segments) for tensor in part.tensors}
        self.album = album or PhotoStore()
        self.looks: OrderedDict[str, ForwardPass] = OrderedDict()
        self.most_look_bytes = most_look_bytes
        self.jobs: dict[str, Job] = {}
        self.tabs: OrderedDict[str, tuple[str, Subscription | None]] = OrderedDict()
        self.tasks: set[asyncio.Task[None]] = set()
        self.free = asyncio.Lock()
        self.lane = ThreadPoolExecutor(1, "lane")
        self.darkroom = ThreadPoolExecutor(1, "darkroom")
        self.hands = ThreadPoolExecutor(min(4, os.cpu_count() or 1), "hands")

    def close(self) -> None:
        """End the threads; what waits is dropped."""
        for pool in (self.lane, self.darkroom, self.hands):
            pool.shutdown(wait=True, cancel_futures=True)

    @property
    def identity(self) -> Identity:
        """Who computes."""
        return self.engine.identity()

    async def ingest(self, data: bytes | bytearray, name: str) -> StoredPhoto:
        """Decode a file and keep it; raises ``PhotoError``."""
        photo = await work(self.darkroom, lambda: ingest(bytes(data), name, self.network.preprocess))
        self.album.add(photo)
        return self.album.get(photo.id)

    async def photo(self, photo_id: str) -> StoredPhoto:
        """The photo called so; the demonstration photo is always there."""
        if photo_id == DEMO and DEMO not in self.album.kept:
            preprocess = self.network.preprocess
            self.album.add(await work(self.darkroom, lambda: ingest(demo_bytes(), DEMO_NAME, preprocess, DEMO)))
        return self.album.get(photo_id)

    def tensor(self, address: str) -> Tensor:
        """The tensor of that address; raises ``UnknownAddress``, ``AddressError``, or ``RequestError`` if it shows nothing."""
        return self.checked(resolve_one(self.network.blueprint, address))

    async def find(self, address: str) -> Tensor:
        """As ``tensor``, without holding up the event loop: an unknown address is compared with all that there are."""
        return await self.draw(lambda: self.tensor(address))

    def tensors(self, addresses: Sequence[str]) -> list[Tensor]:
        """The tensors that addresses and patterns mean; raises as ``tensor`` does for those that are named."""
        references = parse_all(addresses)
        patterns = [each.text for each in references if each.is_pattern]
        named = [self.tensor(each.text) for each in references if not each.is_pattern]
        every = [*named, *(each for each in self.network.select(patterns) if each.site.kind not in WHOLE_PHOTO)]
        return list(dict.fromkeys(every))

    def checked(self, tensor: Tensor) -> Tensor:
        """``tensor``, if it can be shown here."""
        if tensor.site.kind in WHOLE_PHOTO:
            raise AddressError(
                f"{tensor.name} is as large as the photo, which is not kept: look at ResizeBilinear, or use godeeper peek"
            )
        if not self.network.shows(tensor):
            raise not_found(f"{tensor.name}: weights {self.network.weights.name!r} have no classifier to look at")
        return tensor

    async def draw(self, task: Callable[[], Result]) -> Result:
        """What ``task`` answers, done by one of the hands."""
        return await work(self.hands, task)

    async def peek(self, photo: StoredPhoto, tensor: Tensor) -> Peek:
        """What a tensor says of a photo, computed where it is not in memory."""
        values = await self.values(photo, tensor)
        return make_peek(self.network.blueprint, tensor, values, self.network.provenance(photo.photo))

    async def values(self, photo: StoredPhoto, tensor: Tensor) -> NDArray[np.float32]:
        """The whole tensor's values: (1, C, H, W) or (1, C); of the photo's own steps (1, H, W, 3)."""
        key = key_of(tensor)
        if is_photo_step(key):
            value: NDArray[np.float32] = steps(self.network, photo).value(PHOTO_KINDS[key[0]])
            return value
        look = await self.look(photo, self.place[key[0]] + 1)
        if key not in look.values:
            await self.compute_stage(look, tensor)
        return look.values[key]

    async def look(self, photo: StoredPhoto, done: int) -> ForwardPass:
        """The look at a photo, with at least ``done`` segments computed."""
        async with self.waiting(photo, done) as (job, ticket):
            await job.reach(done, ticket)
            return job.look

    def part(self, tensor: Tensor) -> str:
        """The title of the part of the network that a tensor is in."""
        place = self.place.get(tensor.site.index)
        return "photo" if place is None else self.segments[place].part

    def ready(self, photo: StoredPhoto) -> frozenset[str]:
        """The addresses that need no computing for a photo: its own steps, and what its look holds."""
        done = self.looks[photo.id].done if photo.id in self.looks else 0
        own = (tensor for tensor in self.network.tensors() if tensor.site.kind in PHOTO_KINDS)
        held = (tensor for segment in self.segments[:done] for tensor in segment.tensors)
        return frozenset(tensor.address for tensor in (*own, *held))

    def is_ready(self, photo: StoredPhoto) -> bool:
        """Whether a photo's whole look is in memory."""
        return photo.id in self.looks and self.looks[photo.id].done == len(self.segments)

    async def compute_stage(self, look: ForwardPass, tensor: Tensor) -> None:
        """Add a convolution's raw or normalised value, computed from what the look holds."""
        key = key_of(tensor)
        every = self.segments[0].plan.network
        async with self.free:
            if key not in look.values:
                run = plan(every, [key], inputs_of(self.network, tensor))
                look.values |= await work(self.lane, lambda: look.compute(self.network.engine, run))
                self.forget()

    async def progress(self, photo: StoredPhoto, tab: str | None) -> AsyncGenerator[tuple[int, Segment | None]]:
        """Each segment of a photo's look as it is done, and how many are; all that are done already come at once.

        Where other looks are computed first, how many they are comes before all, with None.
        """
        async with self.waiting(photo, len(self.segments), tab) as (job, ticket):
            before = self.before(photo)
            if before:
                yield before, None
            for done, segment in enumerate(self.segments, start=1):
                await job.reach(done, ticket)
                yield done, segment

    def before(self, photo: StoredPhoto) -> int:
        """How many looks are computed before a photo's, if that has not begun."""
        if photo.id not in self.jobs or self.jobs[photo.id].look.done:
            return 0
        ahead = list(self.jobs)[: list(self.jobs).index(photo.id)]
        return sum(self.jobs[other].wished > 0 for other in ahead)

    @asynccontextmanager
    async def waiting(
        self, photo: StoredPhoto, done: int, tab: str | None = None
    ) -> AsyncIterator[tuple[Job, Subscription]]:
        """Wish for ``done`` segments while the block runs."""
        ticket = Subscription()
        job = self.job_of(photo)
        job.wishes[ticket] = done
        self.turn(tab, photo, ticket)
        if photo.id not in self.jobs and job.look.done < done:
            self.jobs[photo.id] = job
            task = asyncio.create_task(self.work(photo.id, job))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        try:
            yield job, ticket
        finally:
            job.wishes.pop(ticket, None)

    def job_of(self, photo: StoredPhoto) -> Job:
        """The job in hand for a photo, or a new one; its look becomes the last used."""
        if photo.id not in self.looks:
            planes = to_planes(steps(self.network, photo).value("multiply"))
            self.looks[photo.id] = ForwardPass({NETWORK_INPUT: planes})
        self.looks.move_to_end(photo.id)
        return self.jobs.get(photo.id) or Job(self.looks[photo.id])

    def turn(self, tab: str | None, photo: StoredPhoto, ticket: Subscription | None = None) -> None:
        """A tab turns to a photo: what it waited for is dropped, if that was another one."""
        if tab is None:
            return
        earlier_photo, earlier = self.tabs.pop(tab, (photo.id, None))
        self.tabs[tab] = photo.id, ticket
        if earlier and earlier_photo != photo.id:
            self.drop(earlier_photo, earlier, "this tab has turned to another photo")
        while len(self.tabs) > MOST_TABS:
            self.tabs.popitem(last=False)

    def stop(self) -> None:
        """Drop all that is waited for, because the server ends."""
        for photo_id, job in self.jobs.items():
            for ticket in tuple(job.wishes):
                self.drop(photo_id, ticket, "the server has ended")

    def drop(self, photo_id: str, ticket: Subscription, why: str) -> None:
        """Withdraw a wish, and tell who made it."""
        ticket.dropped = why
        job = self.jobs.get(photo_id)
        if job and job.wishes.pop(ticket, None) is not None:
            job.tell()

    async def work(self, photo_id: str, job: Job) -> None:
        """Compute segment after segment, once the lane is free, as long as somebody waits for them."""
        async with self.free:
            try:
                while job.look.done < job.wished:
                    run = self.segments[job.look.done].plan
                    job.look.add(await work(self.lane, lambda: job.look.compute(self.engine, run)))  # noqa: B023 (awaited here)
                    job.tell()
            except Exception as error:  # whatever it is, those who wait must hear of it
                job.error = error
            finally:  # nothing is awaited since the last wish was looked at: who comes now has a job of his own
                del self.jobs[photo_id]
            job.tell()
            if self.forget():
                await work(self.lane, release_to_os)

    def forget(self) -> bool:
        """Let go of the longest unused looks that nobody waits for, until the rest fits; answers whether any went."""
        total, before = sum(look.nbytes for look in self.looks.values()), len(self.looks)
        for photo_id in list(self.looks)[:-1]:
            if total <= self.most_look_bytes:
                break
            if photo_id not in self.jobs:
                total -= self.looks.pop(photo_id).nbytes
        return len(self.looks) < before


async def work(pool: ThreadPoolExecutor, task: Callable[[], Result]) -> Result:
    """What ``task`` answers, computed by a thread of ``pool``."""
    context = copy_context()  # a record's links know where the page is mounted
    return await asyncio.get_running_loop().run_in_executor(pool, lambda: context.run(task))


def steps(network: Network, photo: StoredPhoto) -> PhotoSteps:
    """A photo's own steps, from the resized one on."""
    return PhotoSteps(network.preprocess, "resize", photo.resized)


def inputs_of(network: Network, tensor: Tensor) -> tuple[Key, ...]:
    """What a site takes from those before it."""
    every = sites(network.blueprint)
    return tuple(output(every[source]) for source in tensor.site.inputs)
