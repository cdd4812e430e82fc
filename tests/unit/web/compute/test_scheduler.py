"""The laboratory: work goes on while somebody waits, one photo a tab, memory bounded."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from godeeper.engine.onnxruntime import OnnxRuntimeEngine
from godeeper.engine.plan import Plan
from godeeper.errors import AddressError, UnknownAddress
from godeeper.network import Network
from godeeper.photos.decode import decode
from godeeper.web.compute.photo_store import StoredPhoto, ingest
from godeeper.web.compute.scheduler import Scheduler
from godeeper.web.http.errors import RequestError, Superseded

Story = Callable[[Scheduler], Coroutine[Any, Any, None]]


@pytest.fixture
def laboratory(net: Network) -> Iterator[Scheduler]:
    """A laboratory of its own."""
    made = Scheduler(net.weights, net.preprocess)
    yield made
    made.close()


@pytest.fixture(scope="module")
def photos(net: Network, chelsea: Path) -> list[StoredPhoto]:
    """Three photos, all different."""
    pixels = decode(chelsea).pixels
    return [
        ingest(bmp(np.ascontiguousarray(turned)), "turned.bmp", net.preprocess)
        for turned in (pixels, pixels[::-1], pixels[:, ::-1])
    ]


def bmp(pixels: Any) -> bytes:
    """Pixels as a file."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "BMP")
    return buffer.getvalue()


def tell(laboratory: Scheduler, story: Story) -> None:
    """Run a story to its end."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await story(laboratory)

    asyncio.run(bounded())


async def idle(laboratory: Scheduler) -> None:
    """Wait until nothing is in hand."""
    while laboratory.jobs:
        await asyncio.sleep(0.01)


async def take(steps: AsyncIterator[Any], count: int) -> list[Any]:
    """The first few of a stream."""
    return [await anext(steps) for _ in range(count)]


def test_progress_is_segment_by_segment(laboratory: Scheduler, photos: list[StoredPhoto]) -> None:
    """Every segment is reported once, in order, and then the look is whole."""

    async def story(laboratory: Scheduler) -> None:
        seen = [step async for step in laboratory.progress(photos[0], None)]
        assert seen == list(enumerate(laboratory.segments, start=1))
        assert laboratory.is_ready(photos[0])

    tell(laboratory, story)


def test_who_hangs_up_frees_the_work(laboratory: Scheduler, photos: list[StoredPhoto]) -> None:
    """Once nobody waits for a look, it is computed no further."""

    async def story(laboratory: Scheduler) -> None:
        async with aclosing(laboratory.progress(photos[0], None)) as steps:
            await take(steps, 2)
        await idle(laboratory)
        assert 2 <= laboratory.looks[photos[0].id].done < len(laboratory.segments)

    tell(laboratory, story)


def test_waiting_work_of_who_hung_up_is_dropped(laboratory: Scheduler, photos: list[StoredPhoto]) -> None:
    """A look that was waiting for the lane when its client left is never begun."""

    async def story(laboratory: Scheduler) -> None:
        async with aclosing(laboratory.progress(photos[0], "a")) as first:
            await take(first, 1)
            async with aclosing(laboratory.progress(photos[1], "b")) as second:
                assert await take(second, 1) == [(1, None)]
            async for _ in first:
                pass
        await idle(laboratory)
        assert laboratory.looks[photos[1].id].done == 0

    tell(laboratory, story)


def test_a_second_photo_of_the_tab_cancels_the_first(laboratory: Scheduler, photos: list[StoredPhoto]) -> None:
    """The first photo's stream ends with ``Superseded``, and its look stays unfinished."""

    async def story(laboratory: Scheduler) -> None:
        first = laboratory.progress(photos[0], "tab")
        await take(first, 1)
        second = [step async for step in laboratory.progress(photos[1], "tab") if step[1]]
        with pytest.raises(Superseded):
            await take(first, len(laboratory.segments))
        await idle(laboratory)
        assert len(second) == len(laboratory.segments)
        assert laboratory.looks[photos[0].id].done < len(laboratory.segments)

    tell(laboratory, story)


def test_an_upload_of_the_tab_cancels_too(laboratory: Scheduler, photos: list[StoredPhoto]) -> None:
    """What the tab waited for is dropped as soon as its next photo is there."""

    async def story(laboratory: Scheduler) -> None:
        first = laboratory.progress(photos[0], "tab")
        await take(first, 1)
        laboratory.turn("tab", photos[1])
        with pytest.raises(Superseded):
            await take(first, len(laboratory.segments))

    tell(laboratory, story)


def test_tabs_do_not_disturb_each_other(laboratory: Scheduler, photos: list[StoredPhoto]) -> None:
    """Three tabs, two photos: all are served, and what two wait for goes on when one of them leaves."""

    async def story(laboratory: Scheduler) -> None:
        leaving = laboratory.progress(photos[0], "c")

        async def whole(photo: StoredPhoto, tab: str) -> int:
            return len([done async for done, segment in laboratory.progress(photo, tab) if segment])

        await take(leaving, 1)
        staying = asyncio.gather(whole(photos[0], "a"), whole(photos[1], "b"))
        await asyncio.sleep(0)
        await leaving.aclose()
        assert list(await staying) == [len(laboratory.segments)] * 2

    tell(laboratory, story)


def test_who_waits_is_told_how_many_are_before(laboratory: Scheduler, photos: list[StoredPhoto]) -> None:
    """While another look is computed, the first thing told is that there is one; then the steps come."""

    async def story(laboratory: Scheduler) -> None:
        async with aclosing(laboratory.progress(photos[0], "a")) as first:
            await take(first, 1)
            second = laboratory.progress(photos[1], "b")
            assert await take(second, 1) == [(1, None)]
        assert await take(second, 1) == [(1, laboratory.segments[0])]
        await second.aclose()

    tell(laboratory, story)


def test_a_tensor_needs_only_what_is_before_it(laboratory: Scheduler, photos: list[StoredPhoto]) -> None:
    """Looking at the first module computes no other."""

    async def story(laboratory: Scheduler) -> None:
        await laboratory.peek(photos[0], laboratory.tensor("mixed/join"))
        assert laboratory.looks[photos[0].id].done == 2

    tell(laboratory, story)


@pytest.mark.parametrize(
    "address", ["mixed_4/tower_1/conv_4/Conv2D", "Mixed_5b.branch_pool.bn", "conv/Conv2D", "ResizeBilinear", "Mul"]
)
def test_other_stages_are_computed_on_demand(address: str, laboratory: Scheduler, net: Network, chelsea: Path) -> None:
    """Raw and normalised values, and the photo's own steps, are those of a peek."""

    async def story(laboratory: Scheduler) -> None:
        photo = await laboratory.photo("demo")
        found = await laboratory.peek(photo, laboratory.tensor(address))
        expected = net.peek(chelsea, address)
        assert found.address == expected.address
        np.testing.assert_allclose(found.activations, expected.activations, rtol=1e-4, atol=1e-4)

    tell(laboratory, story)


def test_looks_are_bounded_by_their_bytes(net: Network, photos: list[StoredPhoto]) -> None:
    """The longest unused look goes; what is asked of it again is computed again."""
    small = Scheduler(net.weights, net.preprocess, most_look_bytes=100 << 20)

    async def story(laboratory: Scheduler) -> None:
        tensor = laboratory.tensor("mixed_10/join")
        first = await laboratory.peek(photos[0], tensor)
        await laboratory.peek(photos[1], tensor)
        await laboratory.peek(photos[2], tensor)
        assert sum(look.nbytes for look in laboratory.looks.values()) <= laboratory.most_look_bytes
        assert photos[0].id not in laboratory.looks
        again = await laboratory.peek(photos[0], tensor)
        np.testing.assert_array_equal(first.activations, again.activations)

    tell(small, story)
    small.close()


def test_a_wish_while_memory_is_given_back_is_heard(
    net: Network, photos: list[StoredPhoto], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for more of a look just when its first part is done, and another has gone, gets it."""
    small = Scheduler(net.weights, net.preprocess, most_look_bytes=1)
    begun = threading.Event()

    def slow() -> None:
        begun.set()
        time.sleep(0.2)

    monkeypatch.setattr("godeeper.web.compute.scheduler.release_to_os", slow)

    async def story(laboratory: Scheduler) -> None:
        tensor = laboratory.tensor("mixed_10/join")
        await laboratory.peek(photos[0], laboratory.tensor("conv"))
        await laboratory.peek(photos[1], laboratory.tensor("conv"))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        assert (await laboratory.peek(photos[1], tensor)).shape == (1, 2048, 8, 8)

    tell(small, story)
    small.close()


def test_an_error_reaches_all_who_wait(
    laboratory: Scheduler, photos: list[StoredPhoto], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes wrong in the lane is told to those who wait, and the next look works again."""

    def fail(_self: OnnxRuntimeEngine, _plan: Plan, _feeds: object) -> None:
        raise MemoryError("no more")

    async def story(laboratory: Scheduler) -> None:
        tensor = laboratory.tensor("conv")
        with monkeypatch.context() as patch:
            patch.setattr(OnnxRuntimeEngine, "run", fail)
            errors = await asyncio.gather(
                *(laboratory.peek(photos[0], tensor) for _ in range(2)), return_exceptions=True
            )
        assert [type(error) for error in errors] == [MemoryError, MemoryError]
        assert (await laboratory.peek(photos[0], tensor)).shape == (1, 32, 149, 149)

    tell(laboratory, story)


@pytest.mark.parametrize(
    ("address", "error"),
    [("nothing", UnknownAddress), ("DecodeJpeg", AddressError), ("softmax", RequestError), ("mixed/*", AddressError)],
)
def test_what_cannot_be_shown_is_said(address: str, error: type[Exception], laboratory: Scheduler) -> None:
    """An address that is none, or is too large, or has nothing behind it, is an error of its own."""
    with pytest.raises(error):
        laboratory.tensor(address)
