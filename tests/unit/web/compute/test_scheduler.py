"""The scheduler continues work while a client waits, computes one photo per tab, and limits memory."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from godeeper.engine.onnxruntime import OnnxRuntimeEngine
from godeeper.engine.plan import Plan
from godeeper.errors import AddressError, UnknownAddress
from godeeper.network import Network
from godeeper.photos.decode import decode
from godeeper.web.compute.addresses import resolve_viewable
from godeeper.web.compute.backend import Backend
from godeeper.web.compute.photo_store import StoredPhoto, ingest
from godeeper.web.http.errors import RequestError, Superseded

Scenario = Callable[[Backend], Coroutine[Any, Any, None]]


@pytest.fixture
def backend(net: Network) -> Iterator[Backend]:
    """A backend for one test."""
    backend = Backend(net.weights, net.preprocess)
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def photos(net: Network, chelsea: Path) -> list[StoredPhoto]:
    """Three different photos."""
    pixels = decode(chelsea).pixels
    return [
        ingest(bmp(np.ascontiguousarray(flipped)), "flipped.bmp", net.preprocess)
        for flipped in (pixels, pixels[::-1], pixels[:, ::-1])
    ]


def bmp(pixels: Any) -> bytes:
    """Return pixels as a BMP file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "BMP")
    return buffer.getvalue()


def run(backend: Backend, scenario: Scenario) -> None:
    """Run a scenario to its end; fail if it takes more than a minute."""

    async def limited() -> None:
        async with asyncio.timeout(60):
            await scenario(backend)

    asyncio.run(limited())


async def idle(backend: Backend) -> None:
    """Wait until the scheduler has no job."""
    while backend.scheduler.jobs:
        await asyncio.sleep(0.01)


async def take(steps: AsyncIterator[Any], count: int) -> list[Any]:
    """Return the first ``count`` items of a stream."""
    return [await anext(steps) for _ in range(count)]


def test_progress_is_segment_by_segment(backend: Backend, photos: list[StoredPhoto]) -> None:
    """Every segment is reported once, in order, and then the forward pass is complete."""

    async def scenario(backend: Backend) -> None:
        steps = [step async for step in backend.scheduler.progress(photos[0], None)]
        assert steps == list(enumerate(backend.segments, start=1))
        assert backend.is_ready(photos[0])

    run(backend, scenario)


def test_a_disconnected_client_stops_the_work(backend: Backend, photos: list[StoredPhoto]) -> None:
    """The computation of a forward pass stops when no client is waiting for its result."""

    async def scenario(backend: Backend) -> None:
        async with aclosing(backend.scheduler.progress(photos[0], None)) as steps:
            await take(steps, 2)
        await idle(backend)
        assert 2 <= backend.passes.done(photos[0].id) < len(backend.segments)

    run(backend, scenario)


def test_a_queued_pass_of_a_disconnected_client_is_not_begun(backend: Backend, photos: list[StoredPhoto]) -> None:
    """A forward pass that was still queued when its client disconnected is never computed."""

    async def scenario(backend: Backend) -> None:
        async with aclosing(backend.scheduler.progress(photos[0], "a")) as first:
            await take(first, 1)
            async with aclosing(backend.scheduler.progress(photos[1], "b")) as second:
                assert await take(second, 1) == [(1, None)]
            async for _ in first:
                pass
        await idle(backend)
        assert backend.passes.done(photos[1].id) == 0

    run(backend, scenario)


def test_a_second_photo_of_a_tab_cancels_the_first(backend: Backend, photos: list[StoredPhoto]) -> None:
    """If a tab requests a second photo, the first photo's stream ends with ``Superseded`` and its forward pass stops."""

    async def scenario(backend: Backend) -> None:
        first = backend.scheduler.progress(photos[0], "tab")
        await take(first, 1)
        second = [step async for step in backend.scheduler.progress(photos[1], "tab") if step[1]]
        with pytest.raises(Superseded):
            await take(first, len(backend.segments))
        await idle(backend)
        assert len(second) == len(backend.segments)
        assert backend.passes.done(photos[0].id) < len(backend.segments)

    run(backend, scenario)


def test_an_upload_of_a_tab_cancels_too(backend: Backend, photos: list[StoredPhoto]) -> None:
    """When a tab has uploaded another photo, the tab's earlier subscription is cancelled."""

    async def scenario(backend: Backend) -> None:
        first = backend.scheduler.progress(photos[0], "tab")
        await take(first, 1)
        backend.scheduler.supersede("tab", photos[1])
        with pytest.raises(Superseded):
            await take(first, len(backend.segments))

    run(backend, scenario)


def test_tabs_do_not_disturb_each_other(backend: Backend, photos: list[StoredPhoto]) -> None:
    """If two tabs wait for the same photo and one of them disconnects, the other tab is still served."""

    async def scenario(backend: Backend) -> None:
        leaving = backend.scheduler.progress(photos[0], "c")

        async def count_segments(photo: StoredPhoto, tab: str) -> int:
            return len([done async for done, segment in backend.scheduler.progress(photo, tab) if segment])

        await take(leaving, 1)
        staying = asyncio.gather(count_segments(photos[0], "a"), count_segments(photos[1], "b"))
        await asyncio.sleep(0)
        await leaving.aclose()
        assert list(await staying) == [len(backend.segments)] * 2

    run(backend, scenario)


def test_progress_begins_with_the_number_of_jobs_ahead(backend: Backend, photos: list[StoredPhoto]) -> None:
    """While another forward pass is computed, the first item of a stream is the number of jobs ahead."""

    async def scenario(backend: Backend) -> None:
        async with aclosing(backend.scheduler.progress(photos[0], "a")) as first:
            await take(first, 1)
            second = backend.scheduler.progress(photos[1], "b")
            assert await take(second, 1) == [(1, None)]
        assert await take(second, 1) == [(1, backend.segments[0])]
        await second.aclose()

    run(backend, scenario)


def test_a_tensor_needs_only_the_segments_up_to_its_own(backend: Backend, photos: list[StoredPhoto]) -> None:
    """A peek at the first module computes no later module."""

    async def scenario(backend: Backend) -> None:
        await backend.peek(photos[0], await backend.tensor("mixed/join"))
        assert backend.passes.done(photos[0].id) == 2

    run(backend, scenario)


@pytest.mark.parametrize(
    "address", ["mixed_4/tower_1/conv_4/Conv2D", "Mixed_5b.branch_pool.bn", "conv/Conv2D", "ResizeBilinear", "Mul"]
)
def test_other_stages_are_computed_on_demand(address: str, backend: Backend, net: Network, chelsea: Path) -> None:
    """Raw and normalised values, and the photo's own steps, equal those of a peek."""

    async def scenario(backend: Backend) -> None:
        photo = await backend.photo("demo")
        peek = await backend.peek(photo, await backend.tensor(address))
        expected = net.peek(chelsea, address)
        assert peek.address == expected.address
        np.testing.assert_allclose(peek.activations, expected.activations, rtol=1e-4, atol=1e-4)

    run(backend, scenario)


def test_forward_passes_are_limited_by_their_bytes(net: Network, photos: list[StoredPhoto]) -> None:
    """The least recently used forward pass is evicted, and computed again when a client requests it again."""
    small = Backend(net.weights, net.preprocess, max_pass_bytes=100 << 20)

    async def scenario(backend: Backend) -> None:
        tensor = await backend.tensor("mixed_10/join")
        first = await backend.peek(photos[0], tensor)
        await backend.peek(photos[1], tensor)
        await backend.peek(photos[2], tensor)
        assert backend.passes.passes.nbytes <= 100 << 20
        assert photos[0].id not in backend.passes.passes
        again = await backend.peek(photos[0], tensor)
        np.testing.assert_array_equal(first.activations, again.activations)

    run(small, scenario)
    small.close()


def test_a_request_while_memory_is_released_is_served(
    net: Network, photos: list[StoredPhoto], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request for a later segment is served even if it comes while the finished job still releases memory."""
    small = Backend(net.weights, net.preprocess, max_pass_bytes=1)
    begun = threading.Event()

    def slow() -> None:
        begun.set()
        time.sleep(0.2)

    monkeypatch.setattr("godeeper.web.compute.scheduler.release_to_os", slow)

    async def scenario(backend: Backend) -> None:
        first, last = await backend.tensor("conv"), await backend.tensor("mixed_10/join")
        await backend.peek(photos[0], first)
        await backend.peek(photos[1], first)
        while not begun.is_set():
            await asyncio.sleep(0.001)
        assert (await backend.peek(photos[1], last)).shape == (1, 2048, 8, 8)

    run(small, scenario)
    small.close()


def test_an_error_reaches_all_waiting_clients(
    backend: Backend, photos: list[StoredPhoto], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the engine is raised for each waiting client, and the next request works again."""

    def fail(_self: OnnxRuntimeEngine, _plan: Plan, _feeds: object) -> None:
        raise MemoryError("no more")

    async def scenario(backend: Backend) -> None:
        tensor = await backend.tensor("conv")
        with monkeypatch.context() as patch:
            patch.setattr(OnnxRuntimeEngine, "run", fail)
            errors = await asyncio.gather(*(backend.peek(photos[0], tensor) for _ in range(2)), return_exceptions=True)
        assert [type(error) for error in errors] == [MemoryError, MemoryError]
        assert (await backend.peek(photos[0], tensor)).shape == (1, 32, 149, 149)

    run(backend, scenario)


@pytest.mark.parametrize(
    ("address", "error"),
    [("nothing", UnknownAddress), ("DecodeJpeg", AddressError), ("softmax", RequestError), ("mixed/*", AddressError)],
)
def test_tensors_that_cannot_be_shown_are_refused(address: str, error: type[Exception], net: Network) -> None:
    """An unknown address, a tensor as large as the photo, and a tensor without values raise different errors."""
    with pytest.raises(error):
        resolve_viewable(net, address)
