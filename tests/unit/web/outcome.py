"""Checks the response to a request, and describes any fault in it."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message
    from tests.unit.web.fuzzing import Case

PATIENCE = 10.0  # seconds for one response; the slowest takes well below one
LEAKED = re.compile(r"Traceback|File \"|/tmp/|site-packages|object at 0x")


async def outcome(app: ASGIApp, case: Case) -> str:
    """Send the request of a case; return a description of the fault in the response, or an empty string."""
    heard: list[Message] = []
    pieces: list[Message] = [{"type": "http.request", "body": each, "more_body": True} for each in case.body]
    if case.is_cut:
        pieces.append({"type": "http.disconnect"})
    else:
        pieces.append({"type": "http.request", "body": b"", "more_body": False})
    pieces.reverse()

    async def receive() -> Message:
        if pieces:
            return pieces.pop()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def send(message: Message) -> None:
        heard.append(message)

    try:
        async with asyncio.timeout(PATIENCE):
            await app(case.scope, receive, send)
    except TimeoutError:
        return "no response in time"
    except Exception as error:  # any exception is a finding
        return f"{type(error).__name__}: {error}"
    return wrong_with(heard, case)


def wrong_with(heard: list[Message], case: Case) -> str:
    """Return a description of the fault in the messages of one response, or an empty string."""
    if not heard:
        return "" if case.is_cut else "no response"
    if [message["type"] for message in heard].count("http.response.start") != 1:
        return "not one response"
    start, body = heard[0], b"".join(message.get("body", b"") for message in heard[1:])
    if start["status"] >= 500 or (start["status"] == 499 and not case.is_cut):
        return f"status {start['status']}: {body[:300]!r}"
    if start["status"] >= 400 and (found := LEAKED.search(body.decode("utf-8", "replace"))):
        return f"leaks {found[0]!r}: {body[:300]!r}"
    return wrong_headers(start, body, case.scope["method"])


def wrong_headers(start: Message, body: bytes, method: str) -> str:
    """Return the fault in the headers, or an empty string.  No request may inject a header or redirect to another site."""
    pairs = list(start["headers"])
    found = dict(pairs)
    for name, text in pairs:
        if re.search(rb"[\0-\x1f\x7f]", name + text):
            return f"control characters in {name!r}: {text[:100]!r}"
    if len(found) != len(pairs):
        return "a header twice"
    if b"content-security-policy" not in found or found.get(b"x-content-type-options") != b"nosniff":
        return "without the guard's headers"
    if not re.fullmatch(rb"/(?![/\\]).*", found.get(b"location", b"/")):
        return f"leads to {found[b'location']!r}"
    if method != "HEAD" and b"content-length" in found and int(found[b"content-length"]) != len(body):
        return "a length that is not the body's"
    return ""
