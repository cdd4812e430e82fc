"""ASGI middleware that controls access: checks host, origin and token, and sets the security headers.

Any web site can make a browser send requests to this machine.  Therefore the ``Host`` must be one of ours (against DNS
rebinding), and requests that change something must come from our own pages (against cross-site request forgery).  Another
site may link to our pages, but may not frame them, call ``/api/`` or show our pictures.  If other machines can reach the
server, nothing is served without the token.

Browsers describe the origin of a request in ``Sec-Fetch-*``.  Old browsers do not, and no browser does over plain HTTP to
another machine.  In these cases the guard checks ``Origin`` and ``Referer``, which a page can suppress, and the token's cookie, which browsers
do not send with requests from other sites.  An old browser on loopback that sends none of these looks like a program.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.responses import Response

from .forwarded import BrowserRequest, ForgedHeader, browser_request
from .hosts import HostAndPort, Network, is_loopback, parse_place
from .root import ROOT
from .token import HOW, NEEDED, Token, token_page

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
"""Default headers of all responses; ``no-store`` keeps browsers from writing photos to disk."""


@dataclass(frozen=True)
class Rules:
    """The access rules.

    ``port``: the port we listen on; None accepts any port, for an application inside another server.  ``allowed``: hosts to
    accept besides loopback and the address of the connection; ``HostAndPort("*")`` is any host.  ``token``: the token that
    requests must carry; None requires none.  ``proxies``: the networks from which ``X-Forwarded-*`` headers are trusted.
    ``root_path``: the prefix of our paths.  ``frame_ancestors``: the origins that may show our pages in a frame.
    """

    port: int | None = None
    allowed: tuple[HostAndPort, ...] = ()
    token: str | None = None
    proxies: tuple[Network, ...] = ()
    root_path: str = ""
    frame_ancestors: tuple[str, ...] = ()


DEFAULT_RULES = Rules()
"""Loopback names on any port, no token."""


class Guard:
    """The middleware around an application."""

    def __init__(self, app: ASGIApp, rules: Rules = DEFAULT_RULES) -> None:
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
            if message.get("more_body"):  # lets the server notice, between two chunks, that the client has disconnected
                await asyncio.sleep(0)

        if scope["type"] != "http":
            await refuse("web sockets are not supported")(scope, receive, send_guarded)
            return
        try:
            request = browser_request(scope, self.rules.proxies, self.rules.root_path)
        except ForgedHeader as error:
            refusal = refuse(str(error), HTTPStatus.BAD_REQUEST)
            refusal.headers["connection"] = "close"  # read nothing more from a client with such headers
            await refusal(scope, receive, send_guarded)
            return
        mounted = ROOT.set(request.root)
        try:
            responder = self.response(request) or self.app
            await responder(request.inside(scope), receive, send_guarded)
        finally:
            ROOT.reset(mounted)

    def response(self, request: BrowserRequest) -> Response | None:
        """The guard's own response; None if the request may pass."""
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
        return None if self.token.is_carried(request.headers) else unauthorized(request)

    def refusal(self, request: BrowserRequest) -> str | None:
        """The reason to refuse a request even with the token; None if there is no reason."""
        place = parse_place(request.host) if request.host is not None else None
        if place is None or not self.is_our_host(place, request):
            got = (request.host or "none")[:80]
            return (
                f"host {got!r} is not this server's: use an address it listens on, or name the host with --allow-host"
            )
        if not self.is_own(request, place) and not self.may_navigate(request):
            origin = f" ({request.origin[:80]!r})" if request.origin else ""
            return (
                f"requests from another site{origin} are refused: only requests from godeeper's own pages are accepted"
            )
        return None

    def is_own(self, request: BrowserRequest, place: HostAndPort) -> bool:
        """Whether a request comes from our own pages, from the address bar, or from a program."""
        origin, site = request.origin, request.site
        if site not in (None, "none", "same-origin"):
            return False
        if origin == "null" and site == "same-origin":  # a form on our own page, which sends no referrer
            return True
        if origin is not None and not same_origin(origin, place):
            return site == "same-origin" and self.is_our_name(origin)  # a proxy changed the Host header
        is_api = request.path.startswith(API)
        return site is not None or not is_api or request.referer is None or same_origin(request.referer, place)

    def may_navigate(self, request: BrowserRequest) -> bool:
        """Whether the request opens a page, at the top level or in an allowed frame; other sites may link to pages."""
        if request.method not in SAFE or request.path.startswith(API) or request.origin not in (None, "null"):
            return False
        frames = ("iframe", "frame") if self.rules.frame_ancestors else ()
        return request.mode == "navigate" and request.dest in ("document", *frames) and not request.is_prefetch

    def is_our_host(self, place: HostAndPort, request: BrowserRequest) -> bool:
        """Whether we accept requests to that host and port."""
        ours = is_loopback(place.host) or place.host == request.server
        if ours and (request.is_forwarded or self.rules.port in (None, place.port or 80)):
            return True
        return any(known.host in (place.host, "*") and known.port in (None, place.port) for known in self.rules.allowed)

    def is_our_name(self, origin: str) -> bool:
        """Whether an origin's host is loopback or allowed by name; the port does not matter."""
        place = parse_place(origin.partition("://")[2])
        return place is not None and (
            is_loopback(place.host) or any(place.host == known.host for known in self.rules.allowed)
        )


def same_origin(origin: str, place: HostAndPort) -> bool:
    """Whether an ``Origin`` or a ``Referer`` has the requested host and port."""
    scheme, _, rest = origin.partition("://")
    origin_place = parse_place(rest.partition("/")[0])
    default = {"http": 80, "https": 443}.get(scheme)
    return (
        origin_place is not None
        and default is not None
        and (origin_place.host, origin_place.port or default) == (place.host, place.port or default)
    )


def unauthorized(request: BrowserRequest) -> Response:
    """The response to a request without the token."""
    response = token_page() if request.wants_page else refuse(f"{NEEDED}: {HOW}", HTTPStatus.UNAUTHORIZED)
    response.headers["www-authenticate"] = 'Bearer realm="godeeper"'
    return response


def refuse(message: str, status: HTTPStatus = HTTPStatus.FORBIDDEN) -> Response:
    """The response to a refused request."""
    body = json.dumps({"error": message, "status": status.value}, ensure_ascii=False)
    return Response(f"{body}\n".encode("utf-8", "replace"), status, media_type="application/json")
