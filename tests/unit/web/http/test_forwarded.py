"""The path under which the page is mounted, and trust in the headers of named proxies and the enclosing application."""

from __future__ import annotations

import asyncio
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount
from tests.unit.web.asking import Pairs, answer, ask, scope_of

import godeeper
import godeeper.web
from godeeper.web.http.guard import Guard, Rules
from godeeper.web.http.hosts import HostAndPort, network
from godeeper.web.http.root import at

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send
    from tests.unit.web.client import Answer

PROXY = "10.1.2.3"


async def told(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that responds with the scope that it received."""
    seen = {
        "path": scope["own_path"],
        "root": scope["root_path"],
        "scheme": scope["scheme"],
        "client": scope["client"][0],
    }
    await JSONResponse(seen | {"link": at("/x")})(scope, receive, send)


GUARD = Guard(told, Rules(8299, (HostAndPort("lab.example"),), proxies=(network("10.1.0.0/16"),), root_path="/deep"))
HEADERS = {"x-forwarded-proto": "https", "x-forwarded-prefix": "/lab/page/", "x-forwarded-for": "203.0.113.5",
           "x-forwarded-host": "lab.example"}  # fmt: skip


def seen(headers: Pairs | dict[str, str] = (), target: str = "/a", client: str = PROXY) -> Any:
    """Return the scope that the application received."""
    return answer(GUARD, target, headers, client=client).json


def test_a_named_proxy_is_trusted() -> None:
    """Scheme, prefix, host and client are taken from the proxy's headers."""
    assert seen({"host": "inside:1", **HEADERS}) == {
        "path": "/a", "root": "/lab/page", "scheme": "https", "client": "203.0.113.5", "link": "/lab/page/x"
    }  # fmt: skip


def test_no_other_address_is_trusted() -> None:
    """Forwarding headers from an address that is not a named proxy change nothing."""
    got = seen(HEADERS, client="10.2.0.1")
    assert got == {"path": "/a", "root": "/deep", "scheme": "http", "client": "10.2.0.1", "link": "/deep/x"}
    assert answer(GUARD, "/a", {"host": "inside:1", **HEADERS}, client="10.2.0.1").status == 403


def test_a_foreign_name_stays_refused_behind_a_proxy() -> None:
    """The host name that a client requested from the proxy must be one that the server accepts, too."""
    assert answer(GUARD, "/a", {"x-forwarded-host": "evil.example"}, client=PROXY).status == 403
    assert answer(GUARD, "/a", {"host": "evil.example"}, client=PROXY).status == 403
    assert answer(GUARD, "/a", {"x-forwarded-host": "localhost:8443"}, client=PROXY).status == 200


def test_the_last_value_is_the_proxys() -> None:
    """Only the last value of a header comes from the proxy, so earlier values, on the same or other lines, are ignored."""
    assert seen({"x-forwarded-for": "127.0.0.1, 203.0.113.5, 10.1.9.9"})["client"] == "203.0.113.5"
    assert seen([("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "203.0.113.6")])["client"] == "203.0.113.6"
    assert seen([("x-forwarded-prefix", "/evil"), ("x-forwarded-prefix", "/lab")])["root"] == "/lab"
    assert seen({"x-forwarded-proto": "http, https"})["scheme"] == "https"
    assert seen({"x-forwarded-for": ", ,"})["client"] == PROXY


@pytest.mark.parametrize("prefix", ["//evil.example", "/a//b", "/..", "/a/..", "a", "/a b", "/a?b", "/a#", "/<b>", "/%2f", "/" + "a" * 300, "/é"])  # fmt: skip
def test_a_prefix_is_a_path(prefix: str) -> None:
    """A prefix that could lead elsewhere is refused, even from a named proxy."""
    assert answer(GUARD, "/", {"x-forwarded-prefix": prefix}, client=PROXY).status == 400
    assert answer(GUARD, "/", {"x-forwarded-proto": "javascript"}, client=PROXY).status == 400


@pytest.mark.parametrize(
    ("target", "path"),
    [("/deep/photo/demo", "/photo/demo"), ("/photo/demo", "/photo/demo"), ("/deep", "/"), ("/deep/", "/"), ("/deeper", "/deeper"),
     ("/deep/deep/x", "/deep/x"), ("/", "/")],
)  # fmt: skip
def test_the_prefix_may_come_or_be_taken_off(target: str, path: str) -> None:
    """A proxy may forward the whole path, or only the part after the prefix."""
    assert seen(target=target)["path"] == path


@pytest.fixture(scope="module")
def mounted() -> ASGIApp:
    """The page, mounted in another application that does not run lifespan events."""
    return Starlette(routes=[Mount("/x", godeeper.web.app())])


class Addresses(HTMLParser):
    """Collects the addresses that a page requests or links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = ("href", "src", "action", "data-href", *(["data-address"] if tag == "div" else []))
        self.found += [value for name, value in attrs if name in names and value]


def urls_in(record: Any) -> list[str]:
    """Return every address in a record."""
    if isinstance(record, dict):
        return [url for value in record.values() for url in urls_in(value)]
    if isinstance(record, list):
        return [url for value in record for url in urls_in(value)]
    return [record] if isinstance(record, str) and record.startswith("/") else []


PAGES = [
    "/x/",
    "/x/photo/demo",
    "/x/photo/demo/tensor/mixed/tower_2/conv",
    "/x/photo/demo/tensor/conv/filter/3",
    "/x/nothing",
]


@pytest.mark.parametrize("path", PAGES)
def test_mounted_every_link_stays_within(path: str, mounted: ASGIApp) -> None:
    """Links, pictures, files and scripts of a mounted page stay under its mount point, and exist."""

    async def look() -> None:
        page = await ask(mounted, scope_of(path, {"accept": "text/html"}))
        found = [address for address in Addresses(page.text).found if not re.match("#|[?]", address)]
        assert [address for address in found if not address.startswith("/x/")] == []
        kinds = {"/".join(address.split("/")[:5]): address for address in found if address.startswith("/x/")}
        for address in kinds.values():
            got: Answer = await ask(mounted, scope_of(address.partition("#")[0].replace("&amp;", "&")))
            assert got.status in (200, 405), address  # 405: the target of a form

    asyncio.run(look())


def test_mounted_records_and_redirects_stay_within(mounted: ASGIApp) -> None:
    """Links in records, and redirects, stay under the mount point."""

    async def look() -> None:
        record = json.loads((await ask(mounted, scope_of("/x/api/photos/demo/tensors/conv"))).body)
        found = urls_in(record)
        assert len(found) > 10
        assert all(url.startswith("/x/") for url in found)
        moved = await ask(mounted, scope_of("/x/photo/demo/tensor/Mixed_5b?scale=filter"))
        assert moved.headers["location"] == "/x/photo/demo/tensor/mixed/join?scale=filter"
        refused = await ask(mounted, scope_of("/x/api/nothing", {"accept": "*/*"}))
        assert (refused.status, json.loads(refused.body)["status"]) == (404, 404)
        offline = await ask(mounted, scope_of("/x/photo/demo/page.html?address=conv"))
        assert [link for link in Addresses(offline.text).found if not link.startswith(("data:", "#"))] == []

    asyncio.run(look())


def test_mounted_in_a_loop_of_its_own_for_each_request(mounted: ASGIApp) -> None:
    """A mounted page works if every request runs in a new event loop, as in some test clients."""
    for tensor in ("conv", "mixed_2/join", "conv"):
        assert answer(mounted, f"/x/api/photos/demo/tensors/{tensor}").status == 200


def test_mounted_it_goes_by_the_address_it_is_reached_at(mounted: ASGIApp) -> None:
    """Loopback and the connection's own address are accepted on any port; a foreign name is refused unless allowed."""
    assert answer(mounted, "/x/", {"host": "127.0.0.1:1234"}).status == 200
    assert answer(mounted, "/x/", {"host": "testserver"}, server="testserver").status == 200
    assert answer(mounted, "/x/", {"host": "evil.example"}).status == 403


def test_the_application_has_options(net: godeeper.Network) -> None:
    """The application accepts hosts, frames, a token and a classifier's path."""
    page = godeeper.web.app(hosts=["*"], frame_ancestors=["http://localhost:8888"], token="of-the-application")  # noqa: S106 (of this test)
    assert answer(page, "/", {"host": "anything.example"}).status == 401
    got = answer(page, "/", {"host": "anything.example", "authorization": "Bearer of-the-application"})
    assert got.status == 200
    assert "frame-ancestors http://localhost:8888" in got.headers["content-security-policy"]
    with pytest.raises(godeeper.GodeeperError):
        godeeper.web.app("nothing.godeeper")
