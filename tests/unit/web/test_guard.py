"""Who is let in: hosts, origins and sites from the client are not believed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.datastructures import Headers

from godeeper.errors import OptionError
from godeeper.web.guard import Guard, Place, allowed_place

if TYPE_CHECKING:
    from tests.unit.web.client import Client


async def nothing(*_: object) -> None:
    """An application that is never asked."""


def refused(headers: dict[str, str] | list[tuple[str, str]], method: str = "GET") -> bool:
    """Whether a guard on port 8299 that also goes by lab.example refuses."""
    pairs = headers.items() if isinstance(headers, dict) else headers
    raw = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    guard = Guard(nothing, 8299, [Place("lab.example"), Place("proxy.example", 443)])
    return guard.refusal(method, Headers(raw=raw)) is not None


OURS = "127.0.0.1:8299"


@pytest.mark.parametrize(
    "host",
    [OURS, "localhost:8299", "LOCALHOST:8299", "localhost.:8299", "[::1]:8299", "127.0.0.2:8299", "lab.example",
     "lab.example:80", "proxy.example:443"],
)  # fmt: skip
def test_our_hosts_are_let_in(host: str) -> None:
    """Loopback by name or address with our port, and what --allow-host names."""
    assert not refused({"host": host})


@pytest.mark.parametrize(
    "host",
    ["", "127.0.0.1", "127.0.0.1:80", "evil.example:8299", "127.0.0.1.evil.example:8299", "localhost.evil.example:8299",
     "evil.example#127.0.0.1:8299", "127.0.0.1:8299@evil.example", "evil.example@127.0.0.1:8299", "10.0.0.1:8299",
     "127.0.0.1:8299/..", "127.0.0.1:99999999", "[::1", "proxy.example", "proxy.example:8299", "0.0.0.0:8299", "é:8299",
     "127.1:8299", "2130706433:8299"],
)  # fmt: skip
def test_other_hosts_are_refused(host: str) -> None:
    """A foreign name that was made to point here (DNS rebinding), and whatever is no host at all."""
    assert refused({"host": host})


def test_no_host_and_two_hosts_are_refused() -> None:
    """There is exactly one, or the request is not let in."""
    assert refused({})
    assert refused([("host", OURS), ("host", "evil.example")])


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
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    ],
    ids=str,
)
def test_posts_from_elsewhere_are_refused(headers: dict[str, str]) -> None:
    """Only our own pages, and programs that are no browser, may send photos."""
    assert refused({"host": OURS, **headers}, "POST")


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": f"http://{OURS}"}, {"origin": f"http://{OURS}", "sec-fetch-site": "same-origin"},
     {"sec-fetch-site": "none"}, {"origin": "null", "sec-fetch-site": "same-origin"}],
    ids=str,
)  # fmt: skip
def test_own_posts_are_let_in(headers: dict[str, str]) -> None:
    """Our pages' own, and those of programs."""
    assert not refused({"host": OURS, **headers}, "POST")


def test_behind_a_proxy_with_a_name() -> None:
    """An allowed name's own pages may send, whatever scheme the proxy speaks."""
    assert not refused({"host": "lab.example", "origin": "https://lab.example"}, "POST")


def test_links_from_elsewhere_work_but_pictures_do_not() -> None:
    """A permalink may be followed from another site; nothing may be drawn into it, nor computed for it."""
    assert not refused({"host": OURS, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"})
    assert refused({"host": OURS, "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"})
    assert refused({"host": OURS, "sec-fetch-site": "same-site", "sec-fetch-mode": "cors"})


def test_rebinding_is_refused_by_the_server(client: Client) -> None:
    """A request that reached us under a foreign name is answered with 403, and says why."""
    answer = client.get("/api/health", {"Host": "evil.example"})
    assert answer.status == 403
    assert "--allow-host" in answer.json["error"]


def test_a_cross_site_form_is_refused_by_the_server(client: Client, chelsea: Path) -> None:
    """A form that another site's page sends is not read."""
    answer = client.send([("photo", "x.jpg", chelsea.read_bytes())], headers={"Origin": "http://evil.example"})
    assert answer.status == 403


@pytest.mark.parametrize(
    "path", ["/", "/photo/demo", "/nothing", "/api/health", "/photo/demo/photo.jpg", "/static/app.css"]
)
def test_every_answer_is_guarded(client: Client, path: str) -> None:
    """The policy and its companions are on pages, errors, records, pictures and files alike."""
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
    """--allow-host takes a name, perhaps with a port."""
    with pytest.raises(OptionError):
        allowed_place(text)
