"""``godeeper serve`` as a process: what it says, how it ends."""

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

import pytest
from tests.unit.web.client import Client

from godeeper.cli.main import main
from godeeper.cli.serve import address

EVERYWHERE = "0.0.0.0"  # noqa: S104 (only to see the warning)
ROOT = Path(__file__).parents[3]


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """``godeeper serve`` on a free port, ended with the block."""
    command = [sys.executable, "-m", "godeeper", "serve", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


def first_line(process: subprocess.Popen[str]) -> str:
    """What it prints once it is ready."""
    assert process.stdout
    return process.stdout.readline()


def test_it_says_where_it_is_and_ends_with_ctrl_c() -> None:
    """One line with the address, which answers; Ctrl-C ends it with 0, though a stream is open."""
    with started() as process:
        found = re.fullmatch(r"godeeper is at http://127\.0\.0\.1:(\d+)/  \(Ctrl-C ends it\)\n", first_line(process))
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
    """With --json the address comes as a record, and nothing else."""
    with started("--json") as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(3)]
        assert json.loads("".join(lines))["url"].startswith("http://127.0.0.1:")


def test_a_foreign_address_is_warned_of() -> None:
    """Listening beyond loopback is said in one line."""
    with started("--host", EVERYWHERE, "--allow-host", "lab.example") as process:
        port = int(re.findall(r":(\d+)/", first_line(process))[0])
        client = Client(port)
        assert client.get("/api/health", {"Host": "lab.example"}).status == 200
        assert client.get("/api/health", {"Host": "evil.example"}).status == 403
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr
        [warning] = process.stderr.read().splitlines()
        assert "0.0.0.0 is not loopback" in warning


WRONG = {
    "--port 99999": "--port 99999: expected a number from 0 to 65535",
    "--port -1": "--port -1: expected a number from 0 to 65535",
    "--host no.such.host.invalid": "cannot listen on no.such.host.invalid",
    "--allow-host a/b": "--allow-host 'a/b'",
    "nothing.godeeper": "nothing.godeeper",
    "--weights nothing": "unknown weights 'nothing'",
    "x.godeeper --weights bundled": "leave one of them out",
}


@pytest.mark.parametrize("arguments", WRONG)
def test_what_is_wrong_is_one_line(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The input's faults end it with 2 before it serves."""
    assert main(["serve", *arguments.split()]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert WRONG[arguments] in line


def test_a_port_in_use_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Another server's port ends it with 2 and one line."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"godeeper: cannot listen on 127.0.0.1:{port} (Address already in use")


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", "http://127.0.0.1:80/"), ("::1", "http://[::1]:80/"), (EVERYWHERE, "http://127.0.0.1:80/")],
)
def test_the_address_is_one_that_a_browser_opens(host: str, expected: str) -> None:
    """Every address of the machine is reached by its loopback."""
    assert address(host, 80) == expected


def test_the_bench_runs() -> None:
    """Its short version ends without an error of any request."""
    bench = ROOT / "bench" / "serve.py"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(bench.parent)])}
    done = subprocess.run(
        [sys.executable, bench, "--clients", "2", "--seconds", "4"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment,
    )
    assert "0 errors" in done.stdout, done.stdout + done.stderr
    assert "| upload |" in done.stdout
