"""Slow and greedy clients do not block others, and slow but steady clients can finish.  The time limits are scaled down."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.unit.web.client import form
from tests.unit.web.conftest import serving
from tests.unit.web.http.test_upload import FORM, picture, received, request_head

from godeeper.web.compute.backend import Backend
from godeeper.web.http.connections import ConnectionLimiter, Limits
from godeeper.web.http.errors import TooManyUploads
from godeeper.web.http.upload import UploadReader, UploadTimer
from godeeper.web.http.upload_memory import UploadMemory

if TYPE_CHECKING:
    from tests.unit.web.conftest import Served

    from godeeper.network import Network

PHOTO = form([("photo", "x.png", picture("PNG"))])
LARGE = "/api/photos/demo/values/conv_2"  # 5.5 MB
PACE = UploadTimer(grace=0.6, rate=20_000, idle=0.6)


@pytest.fixture(scope="module")
def hasty(net: Network) -> Iterator[Served]:
    """A server with a thirtieth of the usual time limits."""
    limits = Limits(head=1.5, stall=0.7, rate=50_000, most=60, most_of_one=30)
    backend = Backend(net.weights, net.preprocess)
    with serving(backend, limits=limits, upload_reader=UploadReader(PACE)) as running:
        running.client.get(LARGE)
        yield running


def connect(served: Served, *, read_buffer: int | None = None) -> socket.socket:
    """Open a connection, optionally with a small read buffer, and return its socket."""
    connection = socket.socket()
    if read_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, read_buffer)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", served.port))
    return connection


def trickle(connection: socket.socket, data: bytes, size: int, pause: float) -> None:
    """Send ``size`` bytes at a time; stop if the connection is closed."""
    with contextlib.suppress(OSError):
        for start in range(0, len(data), size):
            connection.sendall(data[start : start + size])
            time.sleep(pause)


def test_slow_bodies_do_not_block_others(served: Served) -> None:
    """During twenty uploads at a few bytes per second, with the usual limits, the next upload is accepted at once."""
    with ExitStack() as stack:
        for _ in range(20):
            slow = stack.enter_context(connect(served))
            slow.sendall(request_head(served.port, "Content-Length: 60000000") + PHOTO[:100])
        begun = time.monotonic()
        for _ in range(3):
            assert served.client.send([("photo", "x.png", picture("PNG"))]).status == 201
        assert time.monotonic() - begun < 5


def test_a_slow_but_steady_photo_is_accepted(hasty: Served) -> None:
    """An upload at twice the minimum speed is accepted, although it takes three times the grace period."""
    body = form([("tab", None, b"t" * 60)] + [(f"f{n}", None, b"p" * 3500) for n in range(20)] + [("photo", "x.png", picture("PNG"))])  # fmt: skip
    with connect(hasty) as connection:
        connection.sendall(request_head(hasty.port, f"Content-Length: {len(body)}"))
        trickle(connection, body, 2000, 0.05)
        assert received(connection).startswith(b"HTTP/1.1 201")


@pytest.mark.parametrize(("size", "pause"), [(100, 0.1), (5000, 0.9)], ids=["trickle", "pause"])
def test_too_slow_bodies_are_refused(size: int, pause: float, hasty: Served) -> None:
    """A body that arrives too slowly, or not at all for a while, gets a 408 that states the required speed."""
    with connect(hasty) as connection:
        connection.sendall(request_head(hasty.port, "Content-Length: 60000"))
        threading.Thread(target=trickle, args=(connection, PHOTO[:4000] * 10, size, pause), daemon=True).start()
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"20" in answer
    assert hasty.client.get("/api/health").status == 200


def test_the_usual_pace_lets_a_photo_of_a_slow_line_through() -> None:
    """With the usual limits, 8 MB at 1 Mbit/s arrive in time, and 100 bytes per second are too slow after the grace period."""
    pace = UploadTimer()
    for second in range(1, 65):
        assert pace.deadline(0, second, second * 125_000) > second + 1
    assert pace.deadline(0, 10.5, 1050) < 11


def uploaded(memory: UploadMemory, sizes: list[int], clients: list[str], piece: int = 10) -> list[bool]:
    """Upload several photos at once, in pieces, and return whether each was accepted."""
    most = 0

    async def one(size: int, client: str) -> bool:
        nonlocal most
        with memory.reserve(client) as reservation:
            try:
                for _ in range(size // piece):
                    await memory.take(reservation, piece)
                    most = max(most, memory.held)
                    await asyncio.sleep(0)
            except TooManyUploads:
                return False
            reservation.is_arriving = False
            await asyncio.sleep(0.01)
            return True

    async def every() -> list[bool]:
        return await asyncio.gather(*(one(size, client) for size, client in zip(sizes, clients, strict=True)))

    taken = asyncio.run(every())
    assert most <= memory.max_bytes
    assert memory.held == 0
    assert memory.preferred is None
    return taken


def test_the_memory_is_bounded_and_all_get_through() -> None:
    """Forty simultaneous uploads of a quarter of the memory limit are all accepted, one after the other if necessary."""
    assert uploaded(UploadMemory(400, 100, 5), [100] * 40, ["a"] * 40) == [True] * 40


def test_stalled_uploads_give_way() -> None:
    """A stalled upload that holds much memory is dropped when other uploads wait, and the other uploads are accepted."""

    async def look() -> tuple[bool, tuple[bool, ...]]:
        memory = UploadMemory(400, 100, 0.1)

        async def stuck() -> None:
            with memory.reserve("greedy") as reservation:
                await memory.take(reservation, 300)
                async with asyncio.timeout(60) as reservation.limit:
                    await asyncio.sleep(60)

        async def one() -> bool:
            with memory.reserve("other") as reservation:
                for _ in range(10):
                    await memory.take(reservation, 10)
                return True

        held = asyncio.create_task(stuck())
        await asyncio.sleep(0.01)
        preferred = memory.reserve("slow")
        with preferred as reservation:
            await memory.take(reservation, 50)
            others = tuple(await asyncio.gather(one(), one()))
        return isinstance((await asyncio.gather(held, return_exceptions=True))[0], TimeoutError), others

    assert asyncio.run(look()) == (True, (True, True))


def until_closed(connection: socket.socket, patience: float = 10) -> int:
    """Return the number of bytes received until the server closes the connection."""
    total, end = 0, time.monotonic() + patience
    connection.settimeout(patience)
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(1 << 16):
            total += len(piece)
            assert time.monotonic() < end
    return total


def ask_for(connection: socket.socket, served: Served, path: str = LARGE, more: str = "") -> None:
    """Send a GET request for ``path``."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n{more}\r\n".encode())


def test_clients_that_do_not_read_are_disconnected(hasty: Served) -> None:
    """A response that the client does not read is dropped, and does not block others."""
    with connect(hasty, read_buffer=4096) as connection:
        ask_for(connection, hasty, "/photo/demo/page.html?address=conv_2")
        time.sleep(2.5)
        assert hasty.client.get("/api/health").status == 200
        assert until_closed(connection) < 9_000_000


def test_slow_but_steady_readers_get_everything(hasty: Served) -> None:
    """A client that reads ten times as fast as the minimum gets the complete response, even after the time limit."""
    with connect(hasty, read_buffer=32768) as connection:
        ask_for(connection, hasty, more="Connection: close\r\n")
        total, piece = 0, b"x"
        begun = time.monotonic()
        while piece:
            piece = connection.recv(1 << 15)
            total += len(piece)
            if total < 1_000_000:
                time.sleep(0.05)
    assert total > 147 * 147 * 64 * 4
    assert time.monotonic() - begun > 1


def test_what_waits_to_be_read_is_bounded(net: Network) -> None:
    """If many clients do not read their responses, those with the most unread bytes are disconnected at once."""
    limits = Limits(most_unread_bytes=1 << 20)
    with serving(Backend(net.weights, net.preprocess), limits=limits) as strict, ExitStack() as stack:
        page = "/photo/demo/page.html?address=conv_2"
        whole = len(strict.client.get("/photo/demo/page.html?address=mixed/tower/conv").body)
        assert whole < 1 << 20
        slow = stack.enter_context(connect(strict, read_buffer=4096))
        ask_for(slow, strict, page)
        assert until_closed(slow, 30) < 9_000_000
        assert strict.client.get("/api/health").status == 200


def test_idle_connections_do_not_block_others(hasty: Served) -> None:
    """If one client has too many connections, the connection that is idle longest is closed, and new ones are served."""
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(hasty)) for _ in range(100)]
        begun = time.monotonic()
        assert hasty.client.get("/api/health").status == 200
        assert time.monotonic() - begun < 2
        idle[0].settimeout(5)
        with contextlib.suppress(ConnectionError):
            assert idle[0].recv(1) == b""


def test_one_client_cannot_take_all() -> None:
    """The client with the most connections loses its longest idle connection; a named proxy has no limit."""
    from types import SimpleNamespace
    from typing import Any, cast

    from godeeper.web.http.hosts import network

    def member(address: str, since: float, *, idle: bool = True) -> Any:
        gone: list[str] = []
        transport = SimpleNamespace(abort=lambda: gone.append(address))
        return cast(
            "Any", type("M", (), {"address": address, "idle_since": since, "is_idle": idle, "is_sending": False, "transport": transport, "gone": gone})()
        )  # fmt: skip

    crowd = ConnectionLimiter(Limits(most=10, most_of_one=5, proxies=(network("10.0.0.1"),)))
    mine = [member("a", n) for n in range(6)]
    for each in mine:
        crowd.add(each)
    assert [bool(each.gone) for each in mine] == [True, False, False, False, False, False]
    proxied = [member("10.0.0.1", n) for n in range(7)]
    for each in proxied:
        crowd.add(each)
    assert len(crowd.members) == 10
    assert [bool(each.gone) for each in proxied].count(True) == 1
    busy = ConnectionLimiter(Limits(most=2, most_of_one=2))
    for _ in range(2):
        busy.add(member("a", 0, idle=False))
    late = member("a", 1)
    busy.add(late)
    assert late.gone
    assert late not in busy.members


def talk(served: Served, data: bytes, wait: float = 10) -> bytes:
    """Send ``data`` to the server; return the response once it is complete or the connection is closed."""
    with connect(served) as connection:
        connection.settimeout(wait)
        heard = b""
        with contextlib.suppress(OSError):
            connection.sendall(data)
            while piece := connection.recv(1 << 16):
                heard += piece
                if heard.partition(b"\r\n\r\n")[2].endswith((b"}", b"received.", b"}\n")):
                    break
        return heard


def test_permission_to_go_on_is_given(hasty: Served) -> None:
    """A request with ``Expect: 100-continue`` gets 100 before its body is sent; a refused request gets the error instead."""
    with connect(hasty) as connection:
        connection.sendall(request_head(hasty.port, f"Content-Length: {len(PHOTO)}\r\nExpect: 100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(PHOTO)
        assert received(connection).startswith(b"HTTP/1.1 201")
    refused = talk(hasty, request_head(hasty.port, "Content-Length: 999999999\r\nExpect: 100-continue"))
    assert refused.startswith(b"HTTP/1.1 413")


ODD: dict[str, tuple[bytes, bytes]] = {
    "huge head": (b"GET / HTTP/1.1\r\nHost: {host}\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", b""),
    "many headers": (b"GET / HTTP/1.1\r\nHost: {host}\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", b""),
    "huge path": (b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: {host}\r\n\r\n", b"400"),
    "two lengths": (b"POST /api/photos HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", b"400"),
    "negative length": (b"POST /api/photos HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n", b"400"),
    "length of digits": (b"POST /api/photos HTTP/1.1\r\nHost: {host}\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", b"4"),
    "bad chunk": (b"POST /api/photos HTTP/1.1\r\nHost: {host}\r\nContent-Type: " + FORM.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
    "unknown coding": (b"POST /api/photos HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", b"4"),
    "compressed": (b"POST /api/photos HTTP/1.1\r\nHost: {host}\r\nContent-Type: " + FORM.encode() + b"\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz", b"415"),
    "no request": (b"\x16\x03\x01\x02\x00" + bytes(200), b"400"),
    "wrong version": (b"GET / HTTP/9.9\r\nHost: {host}\r\n\r\n", b""),
    "nul in a header": (b"GET / HTTP/1.1\r\nHost: {host}\r\nX: a\0b\r\n\r\n", b"400"),
    "line folding": (b"GET /nothing HTTP/1.1\r\nHost: {host}\r\nX: a\r\n b\r\n\r\n", b"404"),
    "bare lf": (b"GET /nothing HTTP/1.1\nHost: {host}\n\n", b"404"),
    "absolute form": (b"GET http://evil.example/ HTTP/1.1\r\nHost: {host}\r\n\r\n", b"404"),
    "connect": (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: {host}\r\n\r\n", b"4"),
    "length too short": (
        b"POST /api/photos HTTP/1.1\r\nHost: {host}\r\nContent-Type: " + FORM.encode() + b"\r\nContent-Length: 5\r\n\r\n" + PHOTO[:900], b"400"
    ),
    "smuggled": (
        b"POST /api/photos HTTP/1.1\r\nHost: {host}\r\nContent-Type: " + FORM.encode() + b"\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"
    ),
    "upgrade": (b"GET /nothing HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n\r\n", b"404"),
}  # fmt: skip
"""Name -> the bytes that are sent, and the first digits of the response's status."""


@pytest.mark.parametrize("kind", ODD)
def test_odd_requests_get_a_clear_end(kind: str, hasty: Served, capfd: pytest.CaptureFixture[str]) -> None:
    """A malformed request gets a 4xx or a closed connection in time; nothing is printed, and the server continues."""
    sent, status = ODD[kind]
    heard = talk(hasty, sent.replace(b"{host}", f"127.0.0.1:{hasty.port}\r\nConnection: close".encode()))
    assert not heard or heard.startswith(b"HTTP/1.1 " + status), heard[:300]
    assert hasty.client.get("/api/health").status == 200
    assert capfd.readouterr().err == ""


def test_a_body_that_is_shorter_than_announced_ends(hasty: Served) -> None:
    """The server does not wait forever for the announced bytes."""
    with connect(hasty) as connection:
        connection.sendall(request_head(hasty.port, f"Content-Length: {len(PHOTO) + 500}") + PHOTO)
        assert received(connection).startswith(b"HTTP/1.1 408")


def test_slow_bodies_do_not_use_up_connections(hasty: Served) -> None:
    """If slow uploads use all connections that a client may have, the next connection closes the slowest upload."""
    head = request_head(hasty.port, "Content-Length: 60000")
    with ExitStack() as stack:
        for _ in range(40):  # a client may have thirty connections
            stack.enter_context(connect(hasty)).sendall(head + PHOTO[:100])
        assert hasty.client.send([("photo", "x.png", picture("PNG"))]).status == 201
