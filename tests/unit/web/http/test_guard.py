"""The guard checks the host, the origin and the fetch metadata of a request."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.responses import PlainTextResponse
from tests.unit.web.asking import OURS, Pairs, answer, ask, scope_of

from godeeper.errors import OptionError
from godeeper.web.http.guard import Guard, Rules
from godeeper.web.http.hosts import HostAndPort, allowed_place, frame_ancestor, network

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send
    from tests.unit.web.client import Client


async def inside(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that accepts everything."""
    await PlainTextResponse("in")(scope, receive, send)


GUARD = Guard(inside, Rules(8299, (HostAndPort("lab.example"), HostAndPort("proxy.example", 443))))


def refused(headers: Pairs | dict[str, str], method: str = "GET", path: str = "/", guard: Guard = GUARD) -> bool:
    """Return whether a guard on port 8299, which is also called lab.example, refuses the request."""
    return answer(guard, path, headers, method).status == 403


@pytest.mark.parametrize(
    "host",
    [OURS, "localhost:8299", "LOCALHOST:8299", "localhost.:8299", "[::1]:8299", "127.0.0.2:8299", "lab.example",
     "lab.example:80", "proxy.example:443", "[::ffff:127.0.0.1]:8299"],
)  # fmt: skip
def test_our_hosts_are_let_in(host: str) -> None:
    """The server accepts loopback, by name or address, with its own port, and the hosts given with --allow-host."""
    assert not refused({"host": host})


@pytest.mark.parametrize(
    "host",
    ["", "127.0.0.1", "127.0.0.1:80", "evil.example:8299", "127.0.0.1.evil.example:8299", "localhost.evil.example:8299",
     "evil.example#127.0.0.1:8299", "127.0.0.1:8299@evil.example", "evil.example@127.0.0.1:8299", "10.0.0.1:8299",
     "127.0.0.1:8299/..", "127.0.0.1:99999999", "[::1", "proxy.example", "proxy.example:8299", "0.0.0.0:8299", "é:8299",
     "127.1:8299", "2130706433:8299", "*", "[fe80::1%25eth0]:8299"],
)  # fmt: skip
def test_other_hosts_are_refused(host: str) -> None:
    """A foreign name that resolves to this machine (DNS rebinding) and invalid hosts are refused."""
    assert refused({"host": host})


def test_no_host_and_two_hosts_are_refused() -> None:
    """A request must have exactly one Host header."""
    assert asyncio.run(ask(GUARD, scope_of() | {"headers": []})).status == 403
    assert refused([("host", OURS), ("host", "evil.example")])
    assert refused([("host", OURS), ("host", OURS)])


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://localhost:8299"},
        {"origin": "file://"},
        {"origin": ""},
        {"origin": "http://evil.example", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
    ],
    ids=str,
)
def test_posts_from_elsewhere_are_refused(headers: dict[str, str]) -> None:
    """Uploads from other sites are refused: only godeeper's own pages, and programs other than browsers, may upload photos."""
    assert refused({"host": OURS, **headers}, "POST")


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": f"http://{OURS}"}, {"origin": f"http://{OURS}", "sec-fetch-site": "same-origin"},
     {"sec-fetch-site": "none"}, {"origin": "null", "sec-fetch-site": "same-origin"}],
    ids=str,
)  # fmt: skip
def test_own_posts_are_let_in(headers: dict[str, str]) -> None:
    """Uploads from godeeper's own pages and from programs other than browsers are accepted."""
    assert not refused({"host": OURS, **headers}, "POST")


def test_behind_a_proxy_with_a_name() -> None:
    """Pages under an allowed host name may upload, even if the proxy uses HTTPS and the server HTTP."""
    assert not refused({"host": "lab.example", "origin": "https://lab.example"}, "POST")


def test_behind_a_proxy_that_hands_on_another_host() -> None:
    """Behind a proxy that changes ``Host``, a same-origin request is accepted if its origin is loopback or an allowed host."""
    ours = {"host": OURS, "sec-fetch-site": "same-origin"}
    assert not refused({**ours, "origin": "https://localhost:8443"}, "POST")
    assert not refused({**ours, "origin": "https://lab.example"}, "POST")
    assert refused({**ours, "origin": "https://evil.example"}, "POST")


SITES = (None, "none", "same-origin", "same-site", "cross-site", "Same-Origin", "odd")
MODES = (None, "navigate", "no-cors", "cors", "same-origin", "websocket")
DESTS = (None, "document", "iframe", "frame", "object", "embed", "image", "empty", "fencedframe", "script")
PATHS = ("/", "/photo/demo/tensor/conv", "/api/tensors", "/api/photos/demo/progress", "/static/app.js")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("path", PATHS)
def test_every_combination_of_fetch_headers(path: str, method: str) -> None:
    """The only requests that another site may cause are navigations of a top-level window to godeeper's pages."""
    for site, mode, dest in itertools.product(SITES, MODES, DESTS):
        told = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest}
        headers = {name: value for name, value in told.items() if value is not None}
        is_link = (mode, dest) == ("navigate", "document") and method != "POST" and not path.startswith("/api/")
        is_let_in = site in (None, "none", "same-origin") or is_link
        assert refused(headers, method, path) != is_let_in, headers


def test_a_doubled_header_matches_nothing() -> None:
    """A request with two different values of the same security header is refused."""
    assert refused([("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")])
    assert refused([("origin", f"http://{OURS}"), ("origin", "http://evil.example")], "POST")


@pytest.mark.parametrize("name", ["sec-purpose", "purpose", "x-moz"])
def test_another_site_cannot_have_pages_fetched_ahead(name: str) -> None:
    """A prefetch by another site is a navigation without a visible page, and is refused."""
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert not refused(link)
    assert refused({**link, name: "prefetch;prerender"})
    assert not refused({"sec-fetch-site": "same-origin", name: "prefetch"})


@pytest.mark.parametrize(
    "referer", ["http://evil.example/page", "https://127.0.0.1:8299.evil.example/", "about:blank", ""]
)
def test_browsers_without_fetch_headers(referer: str) -> None:
    """If a browser sends only ``Referer``, another site still cannot call the API."""
    assert refused({"referer": referer}, path="/api/tensors")
    assert not refused({"referer": referer}, path="/photo/demo")
    assert refused({"origin": "http://evil.example"}, path="/photo/demo")
    assert not refused({"referer": f"http://{OURS}/photo/demo"}, path="/api/tensors")
    assert not refused({}, path="/api/tensors")


def test_frames_that_the_user_allows() -> None:
    """An origin that the user allows may show godeeper's page in a frame, but cannot call the API."""
    guard = Guard(inside, Rules(8299, frame_ancestors=("http://localhost:8888",)))
    frame = {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
    assert not refused(frame, guard=guard)
    assert refused(frame, path="/api/tensors", guard=guard)
    assert refused({**frame, "sec-fetch-dest": "object"}, guard=guard)
    policy = answer(guard).headers["content-security-policy"]
    assert policy.endswith("frame-ancestors http://localhost:8888")
    assert answer(GUARD).headers["content-security-policy"].endswith("frame-ancestors 'none'")


def test_rebinding_is_refused_by_the_server(client: Client) -> None:
    """A request to a foreign host name gets a 403 with the reason."""
    refusal = client.get("/api/health", {"Host": "evil.example"})
    assert refusal.status == 403
    assert "--allow-host" in refusal.json["error"]


def test_a_cross_site_form_is_refused_by_the_server(client: Client, chelsea: Path) -> None:
    """A form that another site's page submits is not read."""
    refusal = client.send([("photo", "x.jpg", chelsea.read_bytes())], headers={"Origin": "http://evil.example"})
    assert refusal.status == 403


@pytest.mark.parametrize(
    "path", ["/", "/photo/demo", "/nothing", "/api/health", "/photo/demo/photo.jpg", "/static/app.css"]
)
def test_every_response_is_guarded(client: Client, path: str) -> None:
    """The policy and related headers are on pages, errors, records, pictures and files."""
    headers = client.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=(self)" in headers["permissions-policy"]
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store")
    assert "server" not in headers


@pytest.mark.parametrize("text", ["", "a/b", "http://name", "name:port", "user@name"])
def test_an_allowed_host_is_a_host(text: str) -> None:
    """--allow-host accepts a name, optionally with a port."""
    with pytest.raises(OptionError):
        allowed_place(text)


@pytest.mark.parametrize("text", ["", "localhost:8888", "*", "'self'", "http://a b", "http://x; script-src *", "data:"])
def test_an_ancestor_is_an_origin(text: str) -> None:
    """--frame accepts only an origin, so nothing else can be injected into the policy."""
    with pytest.raises(OptionError):
        frame_ancestor(text)


@pytest.mark.parametrize("text", ["", "proxy.example", "10.0.0.0/99", "10.0.0.1/8"])
def test_a_proxy_is_an_address(text: str) -> None:
    """--proxy accepts an address or a network, but no host name, because its address could change."""
    with pytest.raises(OptionError):
        network(text)
