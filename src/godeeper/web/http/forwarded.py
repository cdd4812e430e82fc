"""The request as the browser sent it, before a proxy, a mount or ``--root-path`` changed it.

``X-Forwarded-Host``, ``-Proto``, ``-Prefix`` and ``-For`` are trusted only from the named proxies, because any client can send
them.  If a header has several values, the last one is used, because our own proxy added it.
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
    """Headers that are invalid or contradict each other."""


@dataclass(frozen=True)
class BrowserRequest:
    """One request.  ``root`` is the prefix before ``path``.  Missing headers are None."""

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
        """Whether a browser prefetches the page."""
        return any("prefetch" in self.headers.get(name, "").lower() for name in ("sec-purpose", "purpose", "x-moz"))

    @property
    def wants_page(self) -> bool:
        """Whether the client accepts HTML."""
        return "text/html" in self.headers.get("accept", "")

    def inside(self, scope: Scope) -> Scope:
        """The scope for the application behind the guard."""
        client = (self.client, (scope.get("client") or ("", 0))[1])
        root = self.root_text(scope)
        return {
            **scope,
            "root_path": root,
            "path": f"{root}{self.path}",
            "scheme": self.scheme,
            "client": client,
            "own_path": self.path,
        }

    def root_text(self, scope: Scope) -> str:
        """The root with the mount's path decoded, since that path may have characters that URLs encode."""
        mount = str(scope.get("root_path", ""))
        return self.root.removesuffix(quote(mount)) + mount


def browser_request(scope: Scope, proxies: tuple[Network, ...], root_path: str) -> BrowserRequest:
    """The request of an ASGI scope; raises ``ForgedHeader``."""
    headers = Headers(scope=scope)
    if "content-length" in headers and "transfer-encoding" in headers:  # a proxy may disagree on where the body ends
        raise ForgedHeader("Content-Length beside Transfer-Encoding: expected one of them")
    peer, server = (str((scope.get(side) or ("", 0))[0]) for side in ("client", "server"))
    is_forwarded = is_in(peer, proxies)
    sent = forwarded(headers) if is_forwarded else {}
    prefix = sent.get("prefix", root_path)
    mount = str(scope.get("root_path", ""))
    path = below(below(scope["path"], mount), prefix)
    hosts = headers.getlist("host")
    return BrowserRequest(
        method=scope["method"],
        path=path or "/",
        root=prefix + quote(mount),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        host=sent.get("host", hosts[0] if len(hosts) == 1 else None),
        scheme=sent.get("proto", str(scope.get("scheme", "http"))),
        server=plain_host(server),
        client=sender(headers, proxies, peer) if is_forwarded else peer,
        is_forwarded=is_forwarded,
    )


def below(path: str, prefix: str) -> str:
    """Remove a prefix from a path; the path is unchanged if a proxy has already removed the prefix."""
    return path[len(prefix) :] if path == prefix or path.startswith(f"{prefix}/") else path


def forwarded(headers: Headers) -> dict[str, str]:
    """The host, scheme and prefix that a proxy sent; missing ones are left out.  Raises ``ForgedHeader``."""
    last = {name: values(headers, f"x-forwarded-{name}")[-1:] for name in ("host", "proto", "prefix")}
    sent = {name: found[0] for name, found in last.items() if found}
    if sent.get("proto", "http") not in ("http", "https"):
        raise ForgedHeader("X-Forwarded-Proto: expected http or https")
    if "prefix" in sent:
        sent["prefix"] = sent["prefix"].rstrip("/")
        if sent["prefix"] and not is_prefix(sent["prefix"]):
            raise ForgedHeader("X-Forwarded-Prefix: expected a path like /godeeper")
    return sent


def sender(headers: Headers, proxies: tuple[Network, ...], peer: str) -> str:
    """The address of the client behind the proxies: the last forwarded address that is not a proxy's."""
    chain = [place.strip("[]") for place in values(headers, "x-forwarded-for")]
    others = [address for address in chain if not is_in(address, proxies)]
    return others[-1][:80] if others else peer


def values(headers: Headers, name: str) -> list[str]:
    """All values of a header, which may be repeated or hold a comma-separated list."""
    return [value.strip() for line in headers.getlist(name) for value in line.split(",") if value.strip()]


def only(headers: Headers, name: str) -> str | None:
    """The value of a header; repeated headers are joined, so they match no expected value."""
    found = headers.getlist(name)
    return ", ".join(found) if found else None


def is_prefix(text: str) -> bool:
    """Whether a text is a valid path prefix, without empty segments, ``..`` or characters that URLs encode."""
    return len(text) <= LONGEST_PREFIX and PREFIX.fullmatch(text) is not None


def root_path(text: str) -> str:
    """The path of ``--root-path``, without a final slash; raises ``OptionError``."""
    prefix = text.rstrip("/")
    if prefix and not is_prefix(prefix):
        raise OptionError(f"--root-path {text[:80]!r}: expected a path like /godeeper, of letters, digits and -._~")
    if prefix.split("/")[1:2] and prefix.split("/")[1] in OWN:
        raise OptionError(f"--root-path {text!r}: the page's own paths begin with it; choose another")
    return prefix
