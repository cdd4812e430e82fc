"""``godeeper serve`` as a process: its output, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.unit.web.client import Client

from godeeper.cli.main import main
from godeeper.cli.serve import address
from godeeper.web.http.hosts import is_loopback, outward_address
from godeeper.web.http.server import open_socket

EVERYWHERE = "0.0.0.0"  # noqa: S104 (only to test the warning)
ROOT = Path(__file__).parents[3]


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``godeeper serve`` on a free port during the ``with`` block, and yield the process."""
    command = [sys.executable, "-m", "godeeper", "serve", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


def first_line(process: subprocess.Popen[str]) -> str:
    """Return the line that the server prints when it is ready."""
    assert process.stdout
    return process.stdout.readline()


def test_it_says_where_it_is_and_ends_with_ctrl_c() -> None:
    """The server prints one line with a working address; Ctrl-C stops it with exit code 0, even while a stream is open."""
    with started() as process:
        found = re.fullmatch(
            r"godeeper is at http://127\.0\.0\.1:(\d+)/  \(press Ctrl-C to stop\)\n", first_line(process)
        )
        assert found
        port = int(found[1])
        assert Client(port).get("/api/health").json["status"] == "ok"
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            request = f"GET /api/photos/demo/progress HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
            connection.sendall(request.encode())
            while b"event: progress" not in connection.recv(65536):
                pass
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        assert process.stderr
        assert process.stderr.read().strip() == ""


def test_json_is_one_document() -> None:
    """With --json, the server prints one JSON document with the address."""
    with started("--json") as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(3)]
        assert json.loads("".join(lines))["url"].startswith("http://127.0.0.1:")


def machine_address() -> str | None:
    """Return an address of this machine that is not loopback, or None if it has none."""
    found = outward_address(EVERYWHERE)
    return None if is_loopback(found) else found


def test_a_foreign_address_requires_the_token() -> None:
    """On a non-loopback address the server prints one warning, and requires the token and a known host name."""
    with started("--host", EVERYWHERE, "--allow-host", "lab.example") as process:
        printed = urlsplit(first_line(process).split()[3])
        assert printed.port
        assert printed.hostname == (machine_address() or "127.0.0.1")
        client = Client(printed.port)
        cookie = {"Cookie": client.get(f"/?{printed.query}").headers["set-cookie"].partition(";")[0]}
        for host in (f"127.0.0.1:{printed.port}", "lab.example", f"{socket.gethostname()}:{printed.port}"):
            for path in ("/", "/static/app.css", "/api/health"):
                assert client.get(path, {"Host": host}).status == 401
                assert client.get(path, {"Host": host, **cookie}).status == 200
        for host in ("evil.example", f"evil.example:{printed.port}", f"203.0.113.9:{printed.port}"):
            assert client.get("/api/health", {"Host": host, **cookie}).status == 403
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr
        [warning] = process.stderr.read().splitlines()
        assert "0.0.0.0 is not a loopback address" in warning
        assert "token" in warning


@pytest.mark.skipif(machine_address() is None, reason="this machine has no address beside loopback")
@pytest.mark.parametrize("host", [EVERYWHERE, machine_address()])
def test_it_is_reached_at_the_machines_address(host: str) -> None:
    """At the machine's address, which the server prints, only requests with the token are accepted."""
    with started("--host", host, "--json") as process:
        assert process.stdout
        url = urlsplit(json.loads("".join(process.stdout.readline() for _ in range(3)))["url"])
        assert url.port
        client = Client(url.port, str(url.hostname))
        assert client.get("/").status == client.get("/static/app.css").status == 401
        welcome = client.get(f"{url.path}?{url.query}")
        assert (welcome.status, welcome.headers["location"]) == (303, "/")
        assert client.get("/", {"Cookie": welcome.headers["set-cookie"].partition(";")[0]}).status == 200


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_both_families_are_listened_to() -> None:
    """``--host ::`` listens on every address of the machine, including IPv4."""
    with open_socket("::", 0) as listening:
        port = listening.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), timeout=10).close()


def test_a_token_of_ones_own_on_loopback() -> None:
    """If the user sets a token, it is required on loopback too; a short token gives a warning."""
    with started("--token", "short", "--root-path", "/deep/er/", "--proxy", "127.0.0.1") as process:
        url = urlsplit(first_line(process).split()[3])
        assert (url.path, url.query) == ("/deep/er/", "token=short")
        assert url.port
        assert Client(url.port).get("/").status == 401
        assert Client(url.port).get("/deep/er/?token=short").headers["location"] == "/deep/er/"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr
        assert "can be guessed" in process.stderr.read()


WRONG = {
    "--port 99999": "--port 99999: expected a number from 0 to 65535",
    "--port -1": "--port -1: expected a number from 0 to 65535",
    "--host no.such.host.invalid": "cannot listen on no.such.host.invalid",
    "--allow-host a/b": "--allow-host 'a/b'",
    "--root-path a/b": "--root-path 'a/b': expected a path like /godeeper",
    "--root-path /a/../b": "--root-path '/a/../b': expected",
    "--root-path //evil.example": "expected a path",
    "--root-path /photo/x": "the page's own paths begin with it",
    "--proxy nginx": "--proxy 'nginx': expected the address",
    "--frame *": "--frame '*': expected an origin",
    "--host 0.0.0.0 --token none": "--token none: expected a loopback --host",
    "nothing.godeeper": "nothing.godeeper",
    "--weights nothing": "unknown weights 'nothing'",
    "x.godeeper --weights bundled": "give either --weights or a classifier, not both",
}


@pytest.mark.parametrize("arguments", WRONG)
def test_what_is_wrong_is_one_line(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Invalid arguments give one line and exit code 2, before the server starts."""
    assert main(["serve", *arguments.split()]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert WRONG[arguments] in line


def test_a_port_in_use_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """If the port is in use, the command prints one line and exits with code 2."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"godeeper: cannot listen on 127.0.0.1:{port} (Address already in use")


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", "http://127.0.0.1:80/"), ("::1", "http://[::1]:80/"), ("localhost", "http://localhost:80/")],
)
def test_the_address_is_one_that_a_browser_opens(host: str, expected: str) -> None:
    """IPv6 addresses are in brackets, and root path and token are included."""
    assert address(host, 80) == expected
    assert address(host, 80, "/deep", "a+b") == f"{expected}deep/?token=a%2Bb"


def test_the_bench_runs() -> None:
    """A short run of the benchmark finishes without a failed request."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-m", "bench.speed.serve", "--clients", "2", "--seconds", "4"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment,
        cwd=ROOT,
    )
    assert "0 errors" in done.stdout, done.stdout + done.stderr
    assert "| upload |" in done.stdout
