"""Send a request to an ASGI application without a server, and collect the response."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.unit.web.client import Answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message

OURS = "127.0.0.1:8299"
Pairs = Iterable[tuple[str, str]]


def scope_of(
    target: str = "/", headers: Pairs | dict[str, str] = (), method: str = "GET", *,
    client: str = "127.0.0.1", server: str = "127.0.0.1", **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """Return a request's ASGI scope, with the server's own ``Host`` unless ``headers`` contains a ``Host``."""
    pairs = list(headers.items() if isinstance(headers, dict) else headers)
    if not any(name.lower() == "host" for name, _ in pairs):
        pairs.insert(0, ("host", OURS))
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("latin-1", "replace"),
        "query_string": query.encode("latin-1", "replace"),
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in pairs],
        "client": (client, 50000),
        "server": (server, 8299),
        **more,
    }


async def ask(app: ASGIApp, scope: dict[str, Any], body: bytes = b"") -> Answer:
    """Send a request to ``app``, and return the response."""
    heard: list[Message] = []
    asked = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if asked:
            return asked.pop()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def send(message: Message) -> None:
        heard.append(message)

    await app(scope, receive, send)
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in heard[0].get("headers", ())}
    return Answer(heard[0]["status"], headers, b"".join(message.get("body", b"") for message in heard[1:]))


def answer(app: ASGIApp, *arguments: Any, body: bytes = b"", **named: Any) -> Answer:
    """Return the response of ``app`` to a request with the arguments of ``scope_of``, using a new event loop."""
    return asyncio.run(ask(app, scope_of(*arguments, **named), body))
