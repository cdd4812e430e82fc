"""The backend of the page: one network, the stored photos, and everything computed from them.

Work runs in three thread pools: ``network_pool`` (one thread, owned by the scheduler), ``decode_pool`` (one thread, because
decoding a large photo takes much memory), and ``render_pool`` for pictures and records.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING

from ...blueprint.address import Tensor
from ...blueprint.sites import Site, sites
from ...engine.onnxruntime import OnnxRuntimeEngine
from ...engine.plan import Key, key_of, output, plan
from ...network import Network
from ...peek.peek import Peek, make_peek
from .addresses import resolve_all_viewable, resolve_viewable
from .forward import ForwardPass, segments
from .forward_cache import MAX_BYTES, ForwardPassCache, photo_steps
from .jobs import Jobs
from .photo_store import DEMO, DEMO_NAME, PhotoStore, StoredPhoto, demo_bytes, ingest
from .pools import Result, run_in
from .scheduler import Scheduler

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...engine.identity import Identity
    from ...engine.quantization import QuantizationRanges
    from ...photos.preprocess import Preprocess
    from ...weights.file import WeightsFile


class Backend:
    """One network, the stored photos, and their forward passes."""

    def __init__(
        self,
        weights: WeightsFile,
        preprocess: Preprocess,
        *,
        calibration: QuantizationRanges | None = None,
        photos: PhotoStore | None = None,
        max_pass_bytes: int = MAX_BYTES,
    ) -> None:
        """``calibration``: the quantization ranges of an 8-bit classifier; the page then shows quantized values."""
        self.network = Network(OnnxRuntimeEngine(weights, calibration=calibration), preprocess)
        self.segments = segments(self.network)
        self.segment_of = {tensor.site.index: n for n, part in enumerate(self.segments) for tensor in part.tensors}
        self.photos = photos or PhotoStore()
        self.passes = ForwardPassCache(self.network, max_pass_bytes)
        engine = OnnxRuntimeEngine(weights, calibration=calibration, open_sessions=len(self.segments))
        self.scheduler = Scheduler(engine, self.segments, self.passes)
        self.jobs = Jobs()
        self.decode_pool = ThreadPoolExecutor(1, "decode")
        self.render_pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1), "render")

    def close(self) -> None:
        """Stop the threads and cancel waiting tasks."""
        self.jobs.close()
        self.scheduler.close()
        for pool in (self.decode_pool, self.render_pool):
            pool.shutdown(wait=True, cancel_futures=True)

    def stop(self) -> None:
        """Refuse all waiting clients, because the server is shutting down."""
        self.scheduler.stop()
        self.jobs.stop()

    @cached_property
    def job_network(self) -> Network:
        """The network for jobs, in single precision, with separate sessions so that jobs do not delay forward passes."""
        return Network(OnnxRuntimeEngine(self.network.weights), self.network.preprocess)

    @property
    def identity(self) -> Identity:
        """The engine and its precision."""
        return self.network.engine.identity()

    async def ingest(self, data: bytes, name: str) -> StoredPhoto:
        """Decode a file and store the photo; raises ``PhotoError``."""
        photo = await self.decode(lambda: ingest(data, name, self.network.preprocess))
        self.photos.add(photo)
        return self.photos.get(photo.id)

    async def photo(self, photo_id: str) -> StoredPhoto:
        """The stored photo of that id; the demo photo is decoded when it is first needed."""
        if photo_id == DEMO and DEMO not in self.photos:
            preprocess = self.network.preprocess
            self.photos.add(await self.decode(lambda: ingest(demo_bytes(), DEMO_NAME, preprocess, DEMO)))
        return self.photos.get(photo_id)

    async def tensor(self, address: str) -> Tensor:
        """The tensor of an address, resolved in ``render_pool`` because an unknown address is compared with all names.

        Raises:
            GodeeperError: as ``resolve_viewable``.
        """
        return await self.render(lambda: resolve_viewable(self.network, address))

    async def tensors(self, addresses: Sequence[str]) -> list[Tensor]:
        """The tensors that addresses and patterns name, resolved in ``render_pool``."""
        return await self.render(lambda: resolve_all_viewable(self.network, addresses))

    async def render(self, task: Callable[[], Result]) -> Result:
        """Run ``task`` in ``render_pool`` and return its result."""
        return await run_in(self.render_pool, task)

    async def decode(self, task: Callable[[], Result]) -> Result:
        """Run ``task`` in ``decode_pool`` and return its result; the pool's single thread bounds the memory of decoding."""
        return await run_in(self.decode_pool, task)

    async def peek(self, photo: StoredPhoto, tensor: Tensor) -> Peek:
        """A peek at one tensor, computed if it is not in memory."""
        values = await self.values(photo, tensor)
        return make_peek(self.network.blueprint, tensor, values, self.network.provenance(photo.photo))

    async def values(self, photo: StoredPhoto, tensor: Tensor) -> NDArray[np.float32]:
        """All values of a tensor: (1, C, H, W) or (1, C); (1, H, W, 3) for the photo's own steps."""
        key = key_of(tensor)
        if tensor.site.is_photo_step:
            value: NDArray[np.float32] = photo_steps(self.network, photo).value(tensor.site.kind)
            return value
        forward = await self.forward(photo, tensor.site)
        if key not in forward.values:  # a convolution's raw or normalised value
            steps = plan(self.network.blueprint, [key], self.inputs_of(tensor))
            await self.scheduler.add_value(forward, key, self.network.engine, steps)
        return forward.values[key]

    async def forward(self, photo: StoredPhoto, site: Site) -> ForwardPass:
        """The forward pass of a photo, computed at least up to the segment of ``site``."""
        return await self.scheduler.forward_pass(photo, self.segment_of[site.index] + 1)

    def inputs_of(self, tensor: Tensor) -> tuple[Key, ...]:
        """The keys of the inputs of a tensor's site."""
        all_sites = sites(self.network.blueprint)
        return tuple(output(all_sites[source]) for source in tensor.site.inputs)

    def part(self, tensor: Tensor) -> str:
        """The title of the part of the network that contains a tensor."""
        number = self.segment_of.get(tensor.site.index)
        return "photo" if number is None else self.segments[number].part

    def ready(self, photo: StoredPhoto) -> frozenset[str]:
        """The addresses whose values are in memory: the photo's own steps, and the segments computed so far."""
        own = (tensor for tensor in self.network.tensors() if tensor.site.is_photo_step)
        computed = (tensor for segment in self.segments[: self.passes.done(photo.id)] for tensor in segment.tensors)
        return frozenset(tensor.address for tensor in (*own, *computed))

    def is_ready(self, photo: StoredPhoto) -> bool:
        """Whether the whole forward pass of a photo is in memory."""
        return self.passes.done(photo.id) == len(self.segments)
