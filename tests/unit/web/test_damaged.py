"""Damaged requests and clients that disconnect get at most one response, and nothing is printed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from tests.unit.web.asking import scope_of
from tests.unit.web.http.test_slow import LARGE, connect
from tests.unit.web.http.test_upload import received, request_head

from godeeper.web.http.guard import Guard

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send
    from tests.unit.web.conftest import Served


CHUNKED = "Host: 127.0.0.1:{port}\r\nTransfer-Encoding: chunked\r\n"
HALF = {
    "after the response": f"POST /nothing HTTP/1.1\r\n{CHUNKED}\r\n",
    "in a response": f"GET {LARGE} HTTP/1.1\r\n{CHUNKED}\r\n",
    "in a stream": f"GET /api/photos/demo/progress HTTP/1.1\r\n{CHUNKED}\r\n",
}
"""Requests by name.  The server responds to each before the request body is complete."""


@pytest.mark.parametrize("kind", HALF)
def test_a_damaged_body_after_the_response_began(
    kind: str, served: Served, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """An invalid chunk after the response has begun ends the connection, and nothing is printed."""
    with connect(served, read_buffer=4096) as connection:
        connection.sendall(HALF[kind].format(port=served.port).encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 ")
        connection.sendall(b"zz\r\n")
        with contextlib.suppress(OSError):
            received(connection)
    assert served.client.get("/api/health").status == 200
    assert (caplog.records, capfd.readouterr().err) == ([], "")


def test_a_damaged_chunk_after_a_damaged_form(
    served: Served, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """An invalid form in one chunk, followed by an invalid chunk, gets only one response, and nothing is printed."""
    with connect(served) as connection:
        connection.sendall(request_head(served.port, "Transfer-Encoding: chunked") + b"5\r\nabc\r\n0\r\n\r\n")
        assert received(connection).count(b"HTTP/1.1") == 1
    assert served.client.get("/api/health").status == 200
    assert (caplog.records, capfd.readouterr().err) == ([], "")


def test_two_lengths_end_the_connection(served: Served) -> None:
    """A request with both Content-Length and chunked encoding ends the connection, because proxies may disagree on its length."""
    host = f"Host: 127.0.0.1:{served.port}\r\n"
    first = f"POST /nothing HTTP/1.1\r\n{host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    with connect(served) as connection:
        connection.sendall(f"{first}GET /api/health HTTP/1.1\r\n{host}\r\n".encode())
        heard = received(connection)
    assert heard.startswith(b"HTTP/1.1 400")
    assert heard.count(b"HTTP/1.1") == 1


def test_a_client_that_goes_away_is_noticed_between_two_pieces() -> None:
    """A client that disconnects while a response is sent in pieces is detected, and no warning is logged."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"piece", "more_body": True})

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def look() -> int:
        asyncio.get_running_loop().call_soon(sent.append, {"type": "noticed"})
        await Guard(app)(scope_of(), receive, send)
        return sent.index({"type": "noticed"})

    assert asyncio.run(look()) < 3
