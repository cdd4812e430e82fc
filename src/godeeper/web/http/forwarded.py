"""What a request asks, as the browser sent it: undone what a proxy, a mount or ``--root-path`` made of it.

``X-Forwarded-Host``, ``-Proto``, ``-Prefix`` and ``-For`` are believed only from proxies that were named; anybody can send
them.  Of several values the last counts: it is the one that our proxy wrote.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.datastructures import Headers

from ...errors import OptionError
from .hosts import Network, is_in, plain_host

if TYPE_CHECKING:
    from starlette.types import Scope

PREFIX = re.compile(r"(/[A-Za-z0-9._~-]*[A-Za-z0-9_~-])+")
OWN = ("api", "photo", "static", "report", "drawing.css")
LONGEST_PREFIX = 200


class ForgedHeader(Exception):
    """Headers that no proxy or client should send."""


@dataclass(frozen=True)
class BrowserRequest:
    """One request.  ``path`` is ours, without the ``root`` before it; None stands for a header that was not sent."""

    method: str
    path: str
    root: str
    query: str
    headers: Headers
    host: str | None
    scheme: str
    server: str
    client: str
    is_forwarded: bool

    @property
    def origin(self) -> str | None:
        return only(self.headers, "origin")

    @property
    def referer(self) -> str | None:
        return only(self.headers, "referer")

    @property
    def site(self) -> str | None:
        return only(self.headers, "sec-fetch-site")

    @property
    def mode(self) -> str | None:
        return only(self.headers, "sec-fetch-mode")

    @property
    def dest(self) -> str | None:
        return only(self.headers, "sec-fetch-dest")

    @property
    def is_prefetch(self) -> bool:
        """Whether a browser asks before anybody wants to see the page."""
        return any("prefetch" in self.headers.get(name, "").lower() for name in ("sec-purpose", "purpose", "x-moz"))

    @property
    def wants_page(self) -> bool:
        """Whether a browser would show the answer."""
        return "text/html" in self.headers.get("accept", "")

    def inside(self, scope: Scope) -> Scope:
        """The request as the application behind the guard gets it."""
        client = (self.client, (scope.get("client") or ("", 0))[1])
        root = self.root_text(scope)
        return {
            **scope,
            "root_path": root,
            "path": f"{root}{self.path}",
            "scheme": self.scheme,
            "client": client,
            "asked_path": self.path,
        }

    def root_text(self, scope: Scope) -> str:
        """The root as text: a mount's path may hold what is encoded in addresses."""
        mount = str(scope.get("root_path", ""))
        return self.root.removesuffix(quote(mount)) + mount


def asked(scope: Scope, proxies: tuple[Network, ...], root_path: str) -> BrowserRequest:
    """The request of a scope; raises ``ForgedHeader``."""
    headers = Headers(scope=scope)
    if "content-length" in headers and "transfer-encoding" in headers:  # a proxy may see another end of the body
        raise ForgedHeader("Content-Length beside Transfer-Encoding: expected one of them")
    peer, server = (str((scope.get(side) or ("", 0))[0]) for side in ("client", "server"))
    is_forwarded = is_in(peer, proxies)
    told = forwarded(headers) if is_forwarded else {}
    prefix = told.get("prefix", root_path)
    mount = str(scope.get("root_path", ""))
    path = below(below(scope["path"], mount), prefix)
    hosts = headers.getlist("host")
    return BrowserRequest(
        method=scope["method"],
        path=path or "/",
        root=prefix + quote(mount),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        host=told.get("host", hosts[0] if len(hosts) == 1 else None),
        scheme=told.get("proto", str(scope.get("scheme", "http"))),
        server=plain_host(server),
        client=sender(headers, proxies, peer) if is_forwarded else peer,
        is_forwarded=is_forwarded,
    )


def below(path: str, prefix: str) -> str:
    """What of a path comes after a prefix; the whole where a proxy has taken the prefix off."""
    return path[len(prefix) :] if path == prefix or path.startswith(f"{prefix}/") else path


def forwarded(headers: Headers) -> dict[str, str]:
    """What a proxy says of host, scheme and prefix; raises ``ForgedHeader``."""
    last = {name: values(headers, f"x-forwarded-{name}")[-1:] for name in ("host", "proto", "prefix")}
    told = {name: found[0] for name, found in last.items() if found}
    if told.get("proto", "http") not in ("http", "https"):
        raise ForgedHeader("X-Forwarded-Proto: expected http or https")
    if "prefix" in told:
        told["prefix"] = told["prefix"].rstrip("/")
        if told["prefix"] and not is_prefix(told["prefix"]):
            raise ForgedHeader("X-Forwarded-Prefix: expected a path like /godeeper")
    return told


def sender(headers: Headers, proxies: tuple[Network, ...], peer: str) -> str:
    """Who sent a request through proxies: the last address that is no proxy's."""
    chain = [place.strip("[]") for place in values(headers, "x-forwarded-for")]
    others = [address for address in chain if not is_in(address, proxies)]
    return others[-1][:80] if others else peer


def values(headers: Headers, name: str) -> list[str]:
    """The values of a header that may stand there several times, or hold several."""
    return [value.strip() for line in headers.getlist(name) for value in line.split(",") if value.strip()]


def only(headers: Headers, name: str) -> str | None:
    """A header that stands there once; several are one that matches nothing."""
    found = headers.getlist(name)
    return ", ".join(found) if found else None


def is_prefix(text: str) -> bool:
    """Whether a text is a path that can stand before ours: no empty step, no step up, nothing to encode."""
    return len(text) <= LONGEST_PREFIX and PREFIX.fullmatch(text) is not None


def root_path(text: str) -> str:
    """What ``--root-path`` names, without a slash at its end; raises ``OptionError``."""
    prefix = text.rstrip("/")
    if prefix and not is_prefix(prefix):
        raise OptionError(f"--root-path {text[:80]!r}: expected a path like /godeeper, of letters, digits and -._~")
    if prefix.split("/")[1:2] and prefix.split("/")[1] in OWN:
        raise OptionError(f"--root-path {text!r}: the page's own paths begin like that; choose another")
    return prefix
