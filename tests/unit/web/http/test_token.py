"""The access token is required on all addresses but loopback, and the browser stores it in a cookie."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from tests.unit.web.asking import answer
from tests.unit.web.conftest import serving
from tests.unit.web.http.test_guard import inside

from godeeper.errors import OptionError
from godeeper.web.compute.backend import Backend
from godeeper.web.http.guard import Guard, Rules
from godeeper.web.http.hosts import network
from godeeper.web.http.token import Token, token_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.web.conftest import Served

    from godeeper.network import Network

SECRET = "a-secret/that+needs=quoting"  # noqa: S105 (of these tests)
QUOTED = "a-secret%2Fthat%2Bneeds%3Dquoting"
GUARD = Guard(inside, Rules(8299, token=SECRET))
COOKIE = f"{Token(SECRET).cookie}={Token(SECRET).value}"


@pytest.fixture(scope="module")
def guarded(net: Network) -> Iterator[Served]:
    """A server that requires the token."""
    with serving(Backend(net.weights, net.preprocess), rules=Rules(token=SECRET)) as running:
        yield running


@pytest.mark.parametrize(
    "path", ["/", "/photo/demo", "/photo/demo/photo.jpg", "/static/app.js", "/drawing.css", "/api/health", "/nothing",
             "/api/openapi.json", "/static/../app.js", "//", "/?token=", "/?token=wrong", f"/?token={QUOTED}&token=wrong"]
)  # fmt: skip
def test_nothing_is_served_without_it(path: str, guarded: Served) -> None:
    """Without the token, pages, pictures, files and the API are refused, and no response reveals which paths exist."""
    refusal = guarded.client.get(path)
    assert refusal.status == 401
    assert refusal.headers["www-authenticate"].startswith("Bearer")
    assert set(refusal.json) == {"error", "status"}
    assert guarded.client.get(path, {"Accept": "text/html"}).status == 401


def test_the_printed_address_lets_in(guarded: Served) -> None:
    """A visit with the token sets a cookie and redirects to the address without the token; later visits need only the cookie."""
    client = guarded.client
    first = client.get(f"/photo/demo?a=1&token={QUOTED}&b=2")
    assert (first.status, first.headers["location"]) == (303, "/photo/demo?a=1&b=2")
    cookie = first.headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert SECRET not in cookie
    crumb = {"Cookie": f"other=1; {cookie.partition(';')[0]}"}
    for path in ("/", "/static/app.js", "/api/health", "/photo/demo/photo.jpg"):
        assert client.get(path, crumb).status == 200
    assert client.get("/", {"Cookie": cookie.partition(";")[0][:-1]}).status == 401


def test_programs_send_it_in_a_header(guarded: Served) -> None:
    """Programs can send the token in the header ``Authorization: Bearer``."""
    assert guarded.client.get("/api/health", {"Authorization": f"Bearer {SECRET}"}).status == 200
    for wrong in (f"Bearer {SECRET}x", f"Basic {SECRET}", "Bearer", "", SECRET, "Bearer é"):
        assert guarded.client.get("/api/health", {"Authorization": wrong}).status == 401


@pytest.mark.parametrize(
    "target", ["//evil.example/", "/\\evil.example", "/%0d%0aset-cookie:a=b", "/https://evil.example", "/%2f%2fevil"]
)
def test_it_leads_nowhere_else(target: str) -> None:
    """A redirect target that looks like another site's address, or like a header, remains a path on this server."""
    where = answer(GUARD, f"{target}?token={QUOTED}").headers["location"]
    assert re.match(r"/(?![/\\])", where)
    assert "\r" not in where


def test_a_link_on_another_site_is_followed_by_a_page() -> None:
    """A cross-site link with the token gets a page that forwards, because a redirect would not send the strict cookie."""
    headers = {"accept": "text/html", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate",
               "sec-fetch-dest": "document"}  # fmt: skip
    page = answer(GUARD, f'/photo/demo?x="><script>&token={QUOTED}', headers)
    assert page.status == 200
    assert 'content="0; url=/photo/demo?x=&quot;&gt;&lt;script&gt;"' in page.text
    assert page.headers["set-cookie"].startswith(COOKIE)
    assert answer(GUARD, f"/?token={QUOTED}", {**headers, "sec-fetch-site": "none"}).status == 303


def test_without_it_people_get_a_page() -> None:
    """Without the token, people get a page that explains what to do.

    The page links to itself: the browser sends the cookie with that link, but not with a link on another site.
    """
    page = answer(GUARD, "/photo/demo", {"accept": "text/html"})
    assert page.status == 401
    assert "the address that it printed" in page.text
    assert '<a href="">' in page.text


def test_under_https_the_cookie_is_secure() -> None:
    """The cookie is ``Secure`` if a named proxy says that the client uses HTTPS; other clients are not trusted."""
    headers = {"x-forwarded-proto": "https"}
    trusting = Guard(inside, Rules(8299, token=SECRET, proxies=(network("127.0.0.1"),)))
    assert "Secure" in answer(trusting, f"/?token={QUOTED}", headers).headers["set-cookie"]
    assert "Secure" not in answer(GUARD, f"/?token={QUOTED}", headers).headers["set-cookie"]


def test_the_token_does_not_admit_other_sites() -> None:
    """Even with a valid token, a foreign host or a cross-site request is refused."""
    for headers in ({"host": "evil.example:8299"}, {"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}):
        assert answer(GUARD, "/api/health", {**headers, "cookie": COOKIE}).status == 403
        assert answer(GUARD, f"/?token={QUOTED}", headers).status == 403
    assert answer(GUARD, "/api/health", {"cookie": COOKIE}, "POST").status == 200


def test_when_it_is_made_up() -> None:
    """On loopback there is no token, elsewhere a long random token; characters that are invalid in a URL are refused."""
    assert token_of("auto", is_loopback=True, has_proxy=False) is None
    made = {token_of("auto", is_loopback=False, has_proxy=False) for _ in range(4)}
    made |= {token_of("auto", is_loopback=True, has_proxy=True)}
    assert len(made) == 5
    assert all(token and len(token) >= 32 for token in made)
    assert token_of("none", is_loopback=True, has_proxy=True) is None
    for text in ("", "a b", "é", "a\n"):
        with pytest.raises(OptionError):
            token_of(text, is_loopback=True, has_proxy=False)
    with pytest.raises(OptionError):
        token_of("none", is_loopback=False, has_proxy=False)


def test_the_address_that_a_connection_came_in_at_is_ours() -> None:
    """Of the machine's addresses, a server accepts as host only the address at which the connection arrived."""
    host = {"host": "192.0.2.7:8299", "cookie": COOKIE}
    assert answer(GUARD, "/", host, server="192.0.2.7").status == 200
    assert answer(GUARD, "/", host, server="::ffff:192.0.2.7").status == 200
    assert answer(GUARD, "/", host, server="192.0.2.8").status == 403
    assert answer(GUARD, "/", {**host, "host": "192.0.2.7:80"}, server="192.0.2.7").status == 403
    six = {"host": "[2001:db8::7]:8299", "cookie": COOKIE}
    assert answer(GUARD, "/", six, server="2001:db8:0::7").status == 200
    assert urlsplit(f"//{six['host']}").port == 8299
