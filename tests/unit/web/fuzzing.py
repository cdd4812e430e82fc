"""Malformed requests, generated from a seed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from tests.unit.web.client import BOUNDARY

from godeeper.filters.visualisation.visualise import Settings
from godeeper.web.application import make_app
from godeeper.web.http.guard import Rules
from godeeper.web.http.hosts import network
from godeeper.web.openapi import PARAMETERS
from godeeper.web.routes import ROWS

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from godeeper.classifier.classifier import Classifier
    from godeeper.web.compute.backend import Backend

TOKEN = "a-token-of-the-fuzzer"  # noqa: S105 (of these tests)
OURS = b"127.0.0.1:8299"
PHOTO = (Path(__file__).parents[3] / "examples" / "chelsea.jpg").read_bytes()
PIXEL = b"P6 1 1 255\n\xff\0\0"

ODD = (
    b"", b" ", b"\0", b"a\0b", b"\r\nSet-Cookie: a=b", b"\n", b"\r", b"\t", b"\x0b", b"\x7f", b"\x85", b"\xff\xfe", b"\xc3", b"\xc0\xaf",
    b"\xed\xa0\x80", b"\xe2\x80\xae", "\u2028".encode(), "猫".encode(), "\U0010ffff".encode(), b"%", b"%0d%0a", b"%00", b"%ff", b"%c3%28",
    b"..", b"../" * 40, b"..%2f" * 9, b"//", b"//evil.example/", b"\\\\evil\\", b"/" * 300, b"'", b'"', b"\\", b"<script>", b"{{7*7}}",
    b"${x}", b"%s%n", b"-1", b"0", b"1e3", b"NaN", b"inf", b"0x10", "٣".encode(), "²".encode(), b"9" * 12, b"9" * 5000, b"a" * 10_000,
    b"[", b"]", b"[0", b"[0:]", b"[::0]", b"[-1]", b"[9999999999]", b"[" * 500, b"*" * 200, b"**/" * 90, b"?", b"#", b"&", b";", b",", b"=",
    b"\xf0\x9f\x90\x88" * 50, b"null", b"None", b"true", b"CON", b"nul.png", b"a\r\n\r\n<html>", b"gs%pipe%id", b"|id", b"file:///etc/passwd",
)  # fmt: skip
"""Values that parsers are known to mishandle."""

ADDRESSES = (
    b"conv",
    b"mixed/tower_2/conv",
    b"mixed_10/join",
    b"conv[3]",
    b"conv[3,7:12]",
    b"Mixed_7b",
    b"keras:mixed9",
    b"pool_1",
    b"softmax",
)
GOOD = {
    "photo": (b"demo",), "address": ADDRESSES, "n": (b"0", b"1", b"31"), "indexed": (b"0", b"7"), "scale": (b"shared", b"filter", b"signed"),
    "colour": (b"grey", b"blue-orange"), "sort": (b"number", b"strength"), "rows": (b"1", b"3"), "columns": (b"2",), "filter": (b"3",),
    "pattern": (b"mixed_*/join", b"**"), "tab": (b"tab",), "class": (b"0", b"cat", "鳥".encode()), "module": (b"mixed/join",), "over": (b"1",),
    "at": (b"0,0", b"3,5"), "via": (b"mixed/join[3]@12,7",), "depth": (b"1", b"3"),
}  # fmt: skip
assert set(GOOD) == set(PARAMETERS)

HEADERS: dict[bytes, tuple[bytes, ...]] = {
    b"range": (b"bytes=0-", b"bytes=-1", b"bytes=9-1", b"bytes=0-0,1-1", b"bytes=" + b"0-1," * 2000, b"bytes=" + b"9" * 5000 + b"-", b"lines=1"),
    b"if-range": (b"*", b'"x"', b"Thu, 99 Foo 0000 99:99:99 GMT"),
    b"if-none-match": (b"*", b'"', b'W/"' + b"a" * 9000, b'"a",' * 2000, b",,,"),
    b"if-modified-since": (b"0", b"Thu, 01 Jan 1970 00:00:00 GMT", b"Thu, 31 Feb 99999 25:61:61 +9999", b"Mon, 01 Jan 0000 00:00:00 -9999"),
    b"accept": (b"text/html", b"application/json", b"*/*;q=NaN", b"text/html;q=-1", b"," * 5000, b"text/html;" * 2000, b"/"),
    b"accept-language": (b"*", b"de;q=1e999", b"-" * 5000, b"en," * 4000),
    b"accept-encoding": (b"gzip", b"*;q=0", b"identity;q=0", b"br," * 3000),
    b"accept-charset": (b"utf-7", b"x"),
    b"content-type": (b"multipart/form-data", b"multipart/form-data; boundary=\xff", b"text/plain", b"multipart/form-data; boundary=" + b"=" * 70),
    b"content-length": (b"-1", b"+5", b"0", b"1e9", b"9" * 5000, "٣".encode(), b"5, 5", b" 7 "),
    b"content-encoding": (b"gzip", b"identity", b"gzip, gzip"),
    b"transfer-encoding": (b"chunked", b"chunked, chunked", b"x"),
    b"expect": (b"100-continue", b"200-maybe"),
    b"cookie": (b"a=b", b"=;=;=", b"a=" + b"b" * 9000, b";" * 4000, b"godeeper-00000000=" + b"\xff"),
    b"authorization": (b"Bearer", b"Bearer " + TOKEN.encode(), b"Bearer \xff", b"Basic OjE=", b"Bearer " + b"a" * 9000),
    b"origin": (b"null", b"http://127.0.0.1:8299", b"http://evil.example", b"http://", b"http://[::", b"\xff://", b"http://127.0.0.1:99999999"),
    b"referer": (b"http://127.0.0.1:8299/", b"http://evil.example/x", b"//", b"http://[", b"a" * 9000),
    b"sec-fetch-site": (b"none", b"same-origin", b"cross-site", b"x"),
    b"sec-fetch-mode": (b"navigate", b"cors", b"x"),
    b"sec-fetch-dest": (b"document", b"iframe", b"x"),
    b"x-forwarded-for": (b"127.0.0.1", b"1.2.3.4, 5.6.7.8", b"," * 4000, b"[::1]", b"999.999.999.999", b"127.0.0.1, " * 2000),
    b"x-forwarded-host": (b"lab.example", b"127.0.0.1", b"a b", b"[", b"lab.example, evil.example"),
    b"x-forwarded-proto": (b"https", b"http", b"javascript", b"https, http"),
    b"x-forwarded-prefix": (b"/godeeper", b"//evil.example", b"/..", b"/a/../b", b"/%0d%0a", b"/" + b"a" * 9000),
    b"forwarded": (b"for=127.0.0.1;host=evil.example",),
    b"x-http-method-override": (b"DELETE",),
    b"upgrade": (b"websocket", b"h2c"),
    b"connection": (b"upgrade", b"close, host"),
    b"host": (b"evil.example", b"localhost:8299", b"127.0.0.1", b"127.0.0.1:0", b"127.0.0.1:99999999", b"[::1]:8299", b"[", b"127.0.0.1:8299@x"),
}  # fmt: skip
METHODS = ("HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get", "X" * 500, "")


@dataclass(frozen=True)
class Case:
    """A request, and the number of the application that receives it."""

    app: int
    scope: dict[str, Any]
    body: tuple[bytes, ...]
    is_cut: bool  # whether the client disconnects before or at the end of the body


def applications(backend: Backend, classifier: Classifier) -> list[ASGIApp]:
    """Return the page with default settings, with a token, behind a proxy, and in frames under a path."""
    rules = (
        Rules(8299),
        Rules(8299, token=TOKEN),
        Rules(8299, proxies=(network("127.0.0.1"),)),
        Rules(root_path="/look", frame_ancestors=("http://localhost:8888",)),
    )
    return [
        make_app(backend, classifier, classifier_name="pets.godeeper", rules=each, visualisations=Settings(steps=1))
        for each in rules
    ]


def cases(count: int, seed: int, kinds: int = 4) -> Iterator[Case]:
    """Yield ``count`` cases for ``kinds`` applications, always the same for one ``seed``."""
    for number in range(count):
        draw = random.Random(f"{seed}.{number}")
        yield upload(draw, kinds) if draw.random() < 0.4 else request(draw, kinds)


def request(draw: random.Random, kinds: int) -> Case:
    """Return a request for a path of the route table with odd values in path, query and headers."""
    body = (draw.choice(ODD),) if draw.random() < 0.1 else ()
    method = draw.choice(METHODS) if draw.random() < 0.1 else "GET"
    return Case(draw.randrange(kinds), scope(draw, target(draw), method, headers(draw)), body, draw.random() < 0.05)


def value(draw: random.Random, name: str = "address", odd: float = 0.3) -> bytes:
    """Return a valid value, an odd value, or a valid value with something odd inserted."""
    good = draw.choice(GOOD.get(name, ADDRESSES))
    if draw.random() >= odd:
        return good
    cut = draw.randrange(len(good) + 1)
    return draw.choice(
        (draw.choice(ODD), good[:cut] + draw.choice(ODD) + good[cut:], draw.randbytes(draw.randrange(1, 30)))
    )


def target(draw: random.Random) -> bytes:
    """Return a path and a query, percent-encoded or not."""
    row = draw.choice(ROWS)
    path = re.sub(rb"{(\w+)(:\w+)?}", lambda found: value(draw, found[1].decode()), row.path.encode())
    if draw.random() < 0.1:
        path = draw.choice((b"/static/", b"/", b"//", b"/api/", b"")) + value(draw, odd=0.9)
    pairs = [(name.encode(), value(draw, name)) for name in row.query if draw.random() < 0.7]
    if draw.random() < 0.1:
        pairs += [
            (draw.choice((*(name.encode() for name in PARAMETERS), b"token", draw.choice(ODD))), draw.choice(ODD))
        ]
    if draw.random() < 0.02:
        pairs *= 1000
    written: Callable[[bytes], str] = quote if draw.random() < 0.7 else lambda data: data.decode("latin-1")
    query = draw.choice("&&&;").join(f"{written(name)}={written(text)}" for name, text in pairs)
    return f"{written(path)}{'?' * bool(query)}{query}".encode("latin-1")


def headers(draw: random.Random) -> list[tuple[bytes, bytes]]:
    """Return known headers with odd values, repeated or in great number, and unknown headers."""
    found = [(b"host", OURS)] if draw.random() < 0.97 else []
    if draw.random() < 0.9:
        found.append((b"authorization", b"Bearer " + TOKEN.encode()))
    for _ in range(draw.choice((0, 0, 0, 1, 1, 5))):
        name = draw.choice([name for name in HEADERS if name != b"host" or draw.random() < 0.1])
        chosen = draw.choice(HEADERS[name]) if draw.random() < 0.7 else draw.choice(ODD)
        found += [(name, chosen)] * draw.choice((1, 1, 1, 2, 50))
    if draw.random() < 0.1:
        found.append((draw.choice(ODD).lower(), draw.choice(ODD)))
    return found


def scope(draw: random.Random, where: bytes, method: str, found: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """Return a scope as servers create it; some servers decode path bytes that are not UTF-8 as surrogates."""
    path, _, query = where.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": draw.choice(("1.0", "1.1", "2")),
        "method": method,
        "scheme": "http",
        "path": unquote(path.decode("latin-1"), errors=draw.choice(("replace", "replace", "surrogateescape"))),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": found,
        "client": draw.choice((("127.0.0.1", 50000), ("::1", 1), ("", 0), None)),
        "server": draw.choice((("127.0.0.1", 8299), ("::1", 8299), ("/run/socket", None), None)),
    }


def upload(draw: random.Random, kinds: int) -> Case:
    """Return a faulty form, sent in pieces."""
    row = draw.choice([row for row in ROWS if row.method == "POST"])
    boundary = draw.choice(
        (BOUNDARY.encode(),) * 20 + (b"-", b"--", b"a" * 70, b"a b", b'"q"', b"x\r\ny", b"\xff", b"'()+_,-./:=?")
    )
    named = draw.choice((boundary,) * 20 + (b"other", boundary[:-1], boundary + b"-"))
    kind = b"multipart/form-data; boundary=" + (b'"%b"' % named if draw.random() < 0.3 else named)
    if draw.random() < 0.1:
        kind += draw.choice(
            (b"; boundary=other", b"; charset=utf-7", b";" * 500, b"; boundary*=utf-8''x", b"; boundary")
        )
    body = mutilated(draw, form(draw, boundary))
    found = [*headers(draw), *[(b"content-type", kind)] * draw.choice((1,) * 9 + (2,))]
    step = draw.choice((1 << 16, 1 << 16, 1000, 17)) if len(body) < 5000 else 1 << 16
    pieces = tuple(body[start : start + step] for start in range(0, len(body), step))
    return Case(draw.randrange(kinds), scope(draw, row.path.encode(), "POST", found), pieces, draw.random() < 0.05)


def form(draw: random.Random, boundary: bytes) -> bytes:
    """Return the parts of a form, most of them correct."""
    parts = [part(draw, boundary) for _ in range(draw.choice((0,) + (1,) * 12 + (2, 3)))]
    if draw.random() < 0.02:
        parts += [
            b'--%b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx\r\n' % (boundary, n) for n in range(10_000)
        ]
    preamble, ending = (
        draw.choice((b"",) * 20 + (b"\r\n", b"preamble\r\n")),
        draw.choice((b"--\r\n",) * 20 + (b"--", b"", b"-", b"--\r\nmore")),
    )
    return preamble + b"".join(parts) + b"--" + boundary + ending


def part(draw: random.Random, boundary: bytes) -> bytes:
    """Return one part: usually the photo, under any name."""
    name = draw.choice((b"photo",) * 20 + (b"address", b"scale", b"tab", b"PHOTO", draw.choice(ODD)))
    odd = re.sub(rb"[\r\n]", b"", draw.choice(ODD)) if draw.random() < 0.9 else draw.choice(ODD)
    file = draw.choice((b"cat.jpg", odd, odd)) if name == b"photo" or draw.random() < 0.1 else None
    quoted = draw.choice((b'"%b"',) * 9 + (b"%b", b'"%b'))
    where = b"form-data; name=" + quoted % name + (b"" if file is None else b"; filename=" + quoted % file)
    if draw.random() < 0.15:
        where += draw.choice(
            (
                b"; filename*=utf-8''%e7%8c%ab",
                b"; filename*=x'y'%ff%zz",
                b"; name=photo",
                b"; filename=",
                b";" * 900,
                b"; filename*0=a",
            )
        )
    extra = draw.choice((b"",) * 40 + (
        b"Content-Type: image/jpeg\r\n", b"Content-Type: multipart/mixed; boundary=inner\r\n", b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Encoding: gzip\r\n", b"X: " + b"a" * 9000 + b"\r\n", b"X: y\r\n" * 40, b": empty\r\n", b"X\r\n", b" folded\r\n", b"X: \0\xff\r\n",
    ))  # fmt: skip
    nested = b'--inner\r\nContent-Disposition: file; filename="a"\r\n\r\nx\r\n--inner--\r\n'
    data = draw.choice(
        (
            PIXEL,
            PIXEL,
            PIXEL,
            PHOTO,
            PHOTO[:4000],
            b"",
            b"x" * 5000,
            nested,
            value(draw),
            value(draw, "scale"),
            draw.randbytes(300),
        )
    )
    disposition = draw.choice(
        (b"Content-Disposition: ",) * 40 + (b"content-disposition:", b"Content-Disposition : ", b"X-Disposition: ")
    )
    return b"--%b\r\n%b%b\r\n%b\r\n%b\r\n" % (boundary, disposition, where, extra, data)


def mutilated(draw: random.Random, body: bytes) -> bytes:
    """Return the content unchanged (often), truncated, or with a few bytes changed."""
    if draw.random() < 0.85 or not body:
        return body
    data = bytearray(body)
    for _ in range(draw.choice((1, 3, 30))):
        data[draw.randrange(min(len(data), 400))] = draw.choice(b'\r\n-;="\0\xff a:')
    return bytes(data[: draw.randrange(len(data) + 1)] if draw.random() < 0.5 else data)
