"""Stands before everything: who may ask, and what browsers may do with the answers.

A page on the web can make a browser send requests to this machine.  So the ``Host`` must be ours (a foreign name that was
made to point here is refused: DNS rebinding), what changes something must come from our own pages (cross-site posts are
refused), and pictures cannot be drawn into foreign pages.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

from ..errors import OptionError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFE = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
"""On every answer that does not say otherwise: photos are kept in memory only, so no browser may put them on a disk."""


@dataclass(frozen=True)
class Place:
    """A host, and a port; None stands for any."""

    host: str
    port: int | None = None


def parse_place(text: str) -> Place | None:
    """``name``, ``name:port``, ``[::1]:port`` taken apart; None if it is none of these."""
    try:
        parts = urlsplit(f"//{text}")
        if parts.path or parts.query or parts.fragment or parts.username is not None or not parts.hostname:
            return None
        return Place(parts.hostname.rstrip("."), parts.port)
    except ValueError:
        return None


def allowed_place(text: str) -> Place:
    """What ``--allow-host`` names; raises ``OptionError``."""
    place = parse_place(text)
    if place is None:
        raise OptionError(f"--allow-host {text!r}: expected a name, or NAME:PORT")
    return place


def is_loopback(host: str) -> bool:
    """Whether a host's name or address always means this very machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """An application behind its door."""

    def __init__(self, app: ASGIApp, port: int | None, allowed: Iterable[Place] = ()) -> None:
        """``port``: ours, None for any (in tests).  ``allowed``: other hosts that we go by."""
        self.app, self.port, self.allowed = app, port, tuple(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = (
            self.refusal(scope["method"], Headers(scope=scope)) if scope["type"] == "http" else "no web sockets here"
        )
        answer: ASGIApp = refuse(refusal) if refusal else self.app
        await answer(scope, receive, send_guarded)

    def refusal(self, method: str, headers: Headers) -> str | None:
        """Why a request is not let in; None if it is."""
        hosts = headers.getlist("host")
        place = parse_place(hosts[0]) if len(hosts) == 1 else None
        if place is None or not self.knows(place):
            got = ", ".join(hosts)[:80] or "none"
            return f"host {got!r} is not this server's: use its loopback address, or start it with --allow-host"
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if origin == "null" and site == "same-origin":  # a form on our own page, which sends no referrer
            origin = None
        if method not in SAFE and origin is not None and not same_origin(origin, place):
            return f"a request from {origin[:80]!r} is not let in: only the page's own are"
        if site not in ("same-origin", "none") and not (method in SAFE and headers.get("sec-fetch-mode") == "navigate"):
            return "a request from another site is not let in: only the page's own are"
        return None

    def knows(self, place: Place) -> bool:
        """Whether we go by that host and port."""
        if is_loopback(place.host) and self.port in (None, place.port or 80):
            return True
        return any(place.host == known.host and known.port in (None, place.port) for known in self.allowed)


def same_origin(origin: str, place: Place) -> bool:
    """Whether an ``Origin`` header means the host that was asked."""
    scheme, _, rest = origin.partition("://")
    came = parse_place(rest)
    default = {"http": 80, "https": 443}.get(scheme)
    return (
        came is not None
        and default is not None
        and (came.host, came.port or default) == (place.host, place.port or default)
    )


def refuse(message: str) -> Response:
    """The answer to who is not let in."""
    status = HTTPStatus.FORBIDDEN
    body = json.dumps({"error": message, "status": status.value}, ensure_ascii=False)
    return Response(f"{body}\n", status, media_type="application/json")
