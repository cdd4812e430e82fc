"""The page behind nginx, configured as in the guide: at the root of a host and under a path, with and without TLS.

These tests need ``apt-get install nginx-light openssl``, and are skipped without them.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.web.client import BOUNDARY, Answer, form
from tests.unit.web.conftest import serving
from tests.unit.web.http.test_forwarded import Addresses, urls_in
from tests.unit.web.test_api import events

from godeeper.web.compute.backend import Backend
from godeeper.web.http.guard import Rules
from godeeper.web.http.hosts import HostAndPort, network

if TYPE_CHECKING:
    from godeeper.network import Network

GUIDE = Path(__file__).parents[3] / "docs" / "how-to" / "look-in-the-browser.md"
TOKEN = "of-the-tests-behind-nginx"  # noqa: S105
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(
    not (NGINX and shutil.which("openssl")),
    reason="nginx or openssl is not installed: run apt-get install nginx-light openssl",
)

CONFIGURATION = """
{user} daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{plain}; {locations} }}
  server {{ listen 127.0.0.1:{secure} ssl; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; {locations} }}
}}
"""


@dataclass(frozen=True)
class Proxied:
    """A server behind nginx."""

    plain: int
    secure: int
    folder: Path

    def ask(
        self, path: str, headers: dict[str, str] | None = None, body: bytes | None = None, *, scheme: str = "http"
    ) -> Answer:
        """Send a request through nginx to the host name lab.example, and return the response."""
        context = ssl._create_unverified_context()  # noqa: S323 (the test makes its own certificate)
        connection = (
            http.client.HTTPSConnection("127.0.0.1", self.secure, timeout=60, context=context)
            if scheme == "https"
            else http.client.HTTPConnection("127.0.0.1", self.plain, timeout=60)
        )
        sent = {"Host": "lab.example", "Authorization": f"Bearer {TOKEN}", **(headers or {})}
        connection.request("GET" if body is None else "POST", path, body, sent)
        got = connection.getresponse()
        answer = Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())
        connection.close()
        return answer


def free_port() -> int:
    """Return a free port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def block() -> str:
    """Return the configuration block for nginx from the guide."""
    found = re.search(r"```nginx\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]


def top(text: str) -> str:
    """Return the block ``text``, changed for the root of a host as the guide describes."""
    return "\n".join(line for line in text.replace("/godeeper/", "/").splitlines() if "X-Forwarded-Prefix" not in line)


@pytest.fixture(scope="module")
def proxied(net: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """A server behind nginx, with the guide's configuration; the server trusts nginx as its proxy."""
    folder = tmp_path_factory.mktemp("nginx")
    subject = ["-subj", "/CN=lab.example", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject], check=True, capture_output=True)  # fmt: skip
    rules = Rules(allowed=(HostAndPort("lab.example"),), token=TOKEN, proxies=(network("127.0.0.1"),))
    with serving(Backend(net.weights, net.preprocess), rules=rules) as served:
        site = Proxied(free_port(), free_port(), folder)
        locations = (block() + top(block())).replace("8299", str(served.port))
        user = "user root;" if os.geteuid() == 0 else ""
        text = CONFIGURATION.format(user=user, folder=folder, plain=site.plain, secure=site.secure, locations=locations)
        (folder / "nginx.conf").write_text(text)
        assert NGINX
        with subprocess.Popen([NGINX, "-p", folder, "-c", folder / "nginx.conf"], stderr=subprocess.PIPE) as nginx:
            try:
                wait_for(site.secure, nginx)
                yield site
            finally:
                nginx.terminate()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a port accepts connections."""
    for _ in range(200):
        if process.poll() is not None:
            raise AssertionError(process.stderr and process.stderr.read())
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("nginx does not listen")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("root", ["", "/godeeper"])
def test_the_guides_block_serves_the_page(root: str, scheme: str, proxied: Proxied) -> None:
    """Pages, files, pictures and records are found, and their links stay under the prefix."""
    page = proxied.ask(f"{root}/photo/demo", {"Accept": "text/html"}, scheme=scheme)
    assert page.status == 200
    found = [link for link in Addresses(page.text).found if not link.startswith("#")]
    assert all(link.startswith(f"{root}/") for link in found)
    for link in {link.rpartition("/")[0]: link for link in found}.values():
        assert proxied.ask(link.replace("&amp;", "&"), scheme=scheme).status == 200
    record = proxied.ask(f"{root}/api/photos/demo/tensors/conv", scheme=scheme).json
    assert all(url.startswith((f"{root}/photo/", f"{root}/api/")) for url in urls_in(record))


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("root", ["", "/godeeper"])
def test_a_photo_goes_through_nginx(root: str, scheme: str, proxied: Proxied, chelsea: Path) -> None:
    """A photo is uploaded as the page does, and its progress arrives as a stream."""
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Origin": f"{scheme}://lab.example"}
    sent = proxied.ask(f"{root}/api/photos", headers, form([("photo", "cat.jpg", chelsea.read_bytes())]), scheme=scheme)
    assert sent.status == 201
    assert sent.json["url"].startswith(f"{root}/photo/")
    stream = proxied.ask(
        f"{root}/api{sent.json['url'].removeprefix(root).replace('/photo/', '/photos/')}/progress", scheme=scheme
    )
    assert events(stream.text)[-1] == ("done", {})
    foreign = {**headers, "Origin": f"{scheme}://evil.example"}
    assert proxied.ask(f"{root}/api/photos", foreign, b"", scheme=scheme).status == 403
    assert list((proxied.folder / "body").rglob("*.*")) == []


@pytest.mark.parametrize("root", ["", "/godeeper"])
def test_the_token_behind_nginx(root: str, proxied: Proxied) -> None:
    """The cookie is limited to the path, and is Secure under TLS; without the token nothing is served."""
    anybody = {"Authorization": ""}
    for scheme in ("http", "https"):
        assert proxied.ask(f"{root}/", anybody, scheme=scheme).status == 401
        assert proxied.ask(f"{root}/static/app.js", anybody, scheme=scheme).status == 401
        welcome = proxied.ask(f"{root}/photo/demo?token={TOKEN}", anybody, scheme=scheme)
        assert welcome.headers["location"] == f"{root}/photo/demo"
        crumbs = welcome.headers["set-cookie"].split("; ")
        assert f"Path={root}/" in crumbs
        assert ("Secure" in crumbs) == (scheme == "https")
        assert proxied.ask(f"{root}/", {**anybody, "Cookie": crumbs[0]}, scheme=scheme).status == 200


def test_a_client_cannot_play_the_proxy(proxied: Proxied) -> None:
    """Headers ``X-Forwarded-*`` that a client sends are replaced by nginx."""
    headers = {"X-Forwarded-Prefix": "/evil", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    record = proxied.ask("/godeeper/api/photos/demo", headers).json
    assert record["url"] == "/godeeper/photo/demo"
    assert json.dumps(record).count("evil") == 0


def test_a_foreign_name_is_refused_behind_nginx(proxied: Proxied) -> None:
    """The server refuses a foreign host name, which nginx forwards."""
    assert proxied.ask("/godeeper/", {"Host": "evil.example"}).status == 403
