"""Stands before everything: who may ask, and what browsers may do with the answers.

A page on the web can make a browser send requests to this machine.  So the ``Host`` must be ours (a foreign name that was
made to point here is refused: DNS rebinding), what changes something must come from our own pages (cross-site posts are
refused), another site may lead to our pages but neither frame them nor reach the interface, and pictures cannot be drawn
into foreign pages.  Where others than this machine's users can come in, nothing is served without the token.

Browsers say with ``Sec-Fetch-*`` where a request comes from.  Old ones do not, nor any over plain HTTP to another machine:
then ``Origin`` and ``Referer`` tell, where a page does not suppress them, and the token's cookie, which no other site's
requests carry.  An old browser on loopback that sends none of these cannot be told from a program.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.responses import Response

from .forwarded import BrowserRequest, ForgedHeader, asked
from .hosts import HostAndPort, Network, is_loopback, parse_place
from .root import ROOT
from .token import HOW, NEEDED, Token, knock

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors {frames}"
)
SAFE = ("GET", "HEAD", "OPTIONS")
API = "/api/"
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
"""On every answer that does not say otherwise: photos are kept in memory only, so no browser may put them on a disk."""


@dataclass(frozen=True)
class Rules:
    """Who is let in.

    ``port``: the one we listen on; None where another server does, and any is ours.  ``allowed``: hosts we go by beside
    loopback and the address that a connection came in at; ``HostAndPort("*")`` is any.  ``token``: what to bring, None if
    nothing.  ``proxies``: whose ``X-Forwarded-*`` to believe.  ``root_path``: what stands before our paths.
    ``frame_ancestors``: the origins that may show our pages in a frame.
    """

    port: int | None = None
    allowed: tuple[HostAndPort, ...] = ()
    token: str | None = None
    proxies: tuple[Network, ...] = ()
    root_path: str = ""
    frame_ancestors: tuple[str, ...] = ()


USUAL = Rules()
"""Loopback names on any port, no token."""


class Guard:
    """An application behind its door."""

    def __init__(self, app: ASGIApp, rules: Rules = USUAL) -> None:
        self.app, self.rules = app, rules
        self.token = Token(rules.token) if rules.token else None
        policy = POLICY.format(frames=" ".join(rules.frame_ancestors) or "'none'")
        self.headers = {"content-security-policy": policy, **HEADERS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)
            if message.get("more_body"):  # the server notices between two pieces that the client has hung up
                await asyncio.sleep(0)

        if scope["type"] != "http":
            await refuse("no web sockets here")(scope, receive, send_guarded)
            return
        try:
            request = asked(scope, self.rules.proxies, self.rules.root_path)
        except ForgedHeader as error:
            refusal = refuse(str(error), HTTPStatus.BAD_REQUEST)
            refusal.headers["connection"] = "close"  # nothing more is read from who sends such headers
            await refusal(scope, receive, send_guarded)
            return
        mounted = ROOT.set(request.root)
        try:
            answer = self.answer(request) or self.app
            await answer(request.inside(scope), receive, send_guarded)
        finally:
            ROOT.reset(mounted)

    def answer(self, request: BrowserRequest) -> Response | None:
        """The answer of the guard itself; None where a request is let in."""
        refusal = self.refusal(request)
        if refusal:
            return refuse(refusal)
        if self.token is None:
            return None
        if request.method in SAFE and self.token.is_in(request.query):
            elsewhere = request.wants_page and request.site not in ("none", "same-origin")
            return self.token.welcome(
                request.path, request.query, is_https=request.scheme == "https", from_elsewhere=elsewhere
            )
        return None if self.token.is_brought(request.headers) else unknown(request)

    def refusal(self, request: BrowserRequest) -> str | None:
        """Why a request is not let in, whoever sends it; None if it is."""
        place = parse_place(request.host) if request.host is not None else None
        if place is None or not self.knows(place, request):
            got = (request.host or "none")[:80]
            return (
                f"host {got!r} is not this server's: use an address it listens on, or name the host with --allow-host"
            )
        if not self.is_own(request, place) and not self.may_come(request):
            came = f" ({request.origin[:80]!r})" if request.origin else ""
            return f"a request from another site{came} is not let in here: only the page's own are"
        return None

    def is_own(self, request: BrowserRequest, place: HostAndPort) -> bool:
        """Whether a request comes from our own pages, from the address bar, or from a program."""
        origin, site = request.origin, request.site
        if site not in (None, "none", "same-origin"):
            return False
        if origin == "null" and site == "same-origin":  # a form on our own page, which sends no referrer
            return True
        if origin is not None and not same_origin(origin, place):
            return site == "same-origin" and self.is_our_name(origin)  # a proxy that hands on another Host
        is_api = request.path.startswith(API)
        return site is not None or not is_api or request.referer is None or same_origin(request.referer, place)

    def may_come(self, request: BrowserRequest) -> bool:
        """Whether another site may lead here: to a page, in a window of its own or in a frame that we allow."""
        if request.method not in SAFE or request.path.startswith(API) or request.origin not in (None, "null"):
            return False
        frames = ("iframe", "frame") if self.rules.frame_ancestors else ()
        return request.mode == "navigate" and request.dest in ("document", *frames) and not request.is_prefetch

    def knows(self, place: HostAndPort, request: BrowserRequest) -> bool:
        """Whether we go by that host and port."""
        ours = is_loopback(place.host) or place.host == request.server
        if ours and (request.is_forwarded or self.rules.port in (None, place.port or 80)):
            return True
        return any(known.host in (place.host, "*") and known.port in (None, place.port) for known in self.rules.allowed)

    def is_our_name(self, origin: str) -> bool:
        """Whether an origin's host is one that only we can have, whatever its port."""
        place = parse_place(origin.partition("://")[2])
        return place is not None and (
            is_loopback(place.host) or any(place.host == known.host for known in self.rules.allowed)
        )


def same_origin(origin: str, place: HostAndPort) -> bool:
    """Whether an ``Origin``, or the beginning of a ``Referer``, means the host that was asked."""
    scheme, _, rest = origin.partition("://")
    came = parse_place(rest.partition("/")[0])
    default = {"http": 80, "https": 443}.get(scheme)
    return (
        came is not None
        and default is not None
        and (came.host, came.port or default) == (place.host, place.port or default)
    )


def unknown(request: BrowserRequest) -> Response:
    """The answer to who does not bring the token."""
    answer = knock() if request.wants_page else refuse(f"{NEEDED}: {HOW}", HTTPStatus.UNAUTHORIZED)
    answer.headers["www-authenticate"] = 'Bearer realm="godeeper"'
    return answer


def refuse(message: str, status: HTTPStatus = HTTPStatus.FORBIDDEN) -> Response:
    """The answer to who is not let in."""
    body = json.dumps({"error": message, "status": status.value}, ensure_ascii=False)
    return Response(f"{body}\n".encode("utf-8", "replace"), status, media_type="application/json")
