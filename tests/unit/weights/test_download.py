"""Downloads are resumed and verified, and leave nothing half-installed, whatever the network does."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from godeeper.errors import DownloadError, OutputError
from godeeper.weights import install
from godeeper.weights.download import Downloader
from godeeper.weights.install import Options, add
from godeeper.weights.official import OFFICIAL, Release, pins
from godeeper.weights.registry import installed_paths

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SCHEMES = ("http",)


@dataclass
class Server:
    """A web server on this machine that can be configured to misbehave."""

    content: bytes = CONTENT
    cut_after: int | None = None
    ranges: bool = True
    status: int = 200
    content_type: str = "application/octet-stream"
    redirect: str = ""
    asked: list[str | None] = field(default_factory=list)
    address: str = ""

    def release(self, **published: Any) -> Release:
        """Return a release at this server's address."""
        return Release("tiny-release", f"{self.address}/weights.bin", "", "MIT", "a test", **published)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The misbehaving server, which listens on loopback during a test."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.asked.append(asked)
            if state.redirect:
                self.send_response(302)
                self.send_header("Location", state.redirect)
                self.end_headers()
                return
            start = int(asked[6:-1]) if asked and state.ranges else 0
            if start >= len(state.content) and start:
                self.send_error(416)
                return
            body = state.content[start:]
            self.send_response(206 if start else state.status)
            self.send_header("Content-Type", state.content_type)
            self.send_header("Content-Length", str(len(body)))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(state.content) - 1}/{len(state.content)}")
            self.end_headers()
            self.wfile.write(body if state.cut_after is None else body[: state.cut_after])

        def log_message(self, *_arguments: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        state.address = f"http://127.0.0.1:{httpd.server_port}"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield state
        httpd.shutdown()
        thread.join()


@pytest.fixture
def downloader(tmp_path: Path) -> Downloader:
    """A downloader that may use plain HTTP, for the server in these tests."""
    return Downloader(tmp_path, SCHEMES, timeout=5)


def part_of(downloader: Downloader) -> Path:
    return downloader.folder / "downloads" / "weights.bin.part"


def test_a_whole_download_is_reported_and_checked(server: Server, downloader: Downloader) -> None:
    """A complete download is bit-identical, its progress ends at the total, and no partial file is left."""
    progress: list[tuple[int, int]] = []
    path, got = downloader.fetch(server.release(sha256=SHA256), lambda *numbers: progress.append(numbers))
    assert path.read_bytes() == CONTENT
    assert got.sha256 == SHA256
    assert progress[-1] == (len(CONTENT), len(CONTENT))
    assert not part_of(downloader).exists()


def test_a_cut_download_is_resumed(server: Server, downloader: Downloader) -> None:
    """The data before the interruption is kept, and only the rest is requested."""
    server.cut_after = 100_000
    with pytest.raises(DownloadError, match=r"interrupted after 0\.1 of 0\.3 MB; run the same command again") as caught:
        downloader.fetch(server.release(sha256=SHA256))
    assert "\n" not in str(caught.value)
    assert part_of(downloader).read_bytes() == CONTENT[:100_000]
    server.cut_after = None
    path, _ = downloader.fetch(server.release(sha256=SHA256))
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-"]


def test_a_server_that_cannot_resume_starts_over(server: Server, downloader: Downloader) -> None:
    """A complete response to a request for the rest replaces the partial file."""
    part_of(downloader).parent.mkdir()
    part_of(downloader).write_bytes(b"x" * 1000)
    server.ranges = False
    path, _ = downloader.fetch(server.release(sha256=SHA256))
    assert path.read_bytes() == CONTENT


def test_a_partial_file_that_is_too_long_is_downloaded_again(server: Server, downloader: Downloader) -> None:
    """If the server has no data after the end of the partial file, the file is downloaded again."""
    part_of(downloader).parent.mkdir()
    part_of(downloader).write_bytes(b"x" * (len(CONTENT) + 1))
    path, _ = downloader.fetch(server.release(sha256=SHA256))
    assert path.read_bytes() == CONTENT
    assert server.asked[-1] is None


@pytest.mark.parametrize("published", [{"sha256": "00" * 32}, {"sha256": "0badc0de"}, {"md5": "00" * 16}])
def test_a_wrong_hash_is_refused_and_not_kept(server: Server, downloader: Downloader, published: Any) -> None:
    """A file with a wrong hash is removed, and the error states both values."""
    with pytest.raises(DownloadError, match=r"expected 0.*not the published file") as caught:
        downloader.fetch(server.release(**published))
    assert "\n" not in str(caught.value)
    assert not list((downloader.folder / "downloads").iterdir())


@pytest.mark.parametrize(
    "published",
    [{"sha256": SHA256}, {"sha256": SHA256[:8]}, {"md5": hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()}],
)
def test_each_published_kind_of_hash_is_accepted(server: Server, downloader: Downloader, published: Any) -> None:
    """A release may publish a complete SHA-256, the first eight digits of a SHA-256, or an MD5."""
    assert downloader.fetch(server.release(**published))[0].read_bytes() == CONTENT


def test_a_web_page_is_not_kept(server: Server, downloader: Downloader) -> None:
    """A captive portal's login page is recognised before anything is stored."""
    server.content_type = "text/html; charset=utf-8"
    with pytest.raises(DownloadError, match="returned a web page"):
        downloader.fetch(server.release())
    assert not part_of(downloader).exists()


def test_a_server_error_is_reported(server: Server, downloader: Downloader) -> None:
    """If the server responds with 404, the error says so, and says how to download the file by hand."""
    server.status = 404
    with pytest.raises(DownloadError, match=r"returned 404 .* godeeper weights add weights\.bin --name tiny-release"):
        downloader.fetch(server.release())


def test_a_missing_network_is_reported_at_once(downloader: Downloader) -> None:
    """A refused connection gives one line with the file's address, and how to install a file from another computer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(
        DownloadError, match=r"cannot reach 127\.0\.0\.1 .*on another computer.*godeeper weights add"
    ) as caught:
        downloader.fetch(Server(address=address).release())
    assert "\n" not in str(caught.value)


def test_a_silent_server_is_abandoned(tmp_path: Path) -> None:
    """A server that accepts a connection and sends nothing is abandoned after the time limit."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(DownloadError, match="cannot reach"):
            Downloader(tmp_path, SCHEMES, timeout=0.2).fetch(Server(address=address).release())


def test_plain_http_is_refused(server: Server, tmp_path: Path) -> None:
    """A plain HTTP address is refused before anything is requested."""
    with pytest.raises(DownloadError, match="not an https address"):
        Downloader(tmp_path).fetch(server.release())
    assert server.asked == []


@pytest.mark.parametrize("elsewhere", ["ftp://127.0.0.1/x", "https://127.0.0.1/x"])
def test_a_redirect_to_another_scheme_is_refused(server: Server, downloader: Downloader, elsewhere: str) -> None:
    """A redirect to a scheme that is not allowed is refused."""
    server.redirect = elsewhere
    with pytest.raises(DownloadError, match="not an http address: not downloaded"):
        downloader.fetch(server.release())


def test_a_full_disk_is_reported_before_the_download(
    server: Server, downloader: Downloader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the disk has not enough space for the rest of the file, nothing is written."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: type("Usage", (), {"free": 1000}))
    with pytest.raises(OutputError, match="0 MB free; free some space"):
        downloader.fetch(server.release())
    assert not part_of(downloader).exists()


def test_a_disk_that_fills_up_is_reported(
    server: Server, downloader: Downloader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENOSPC during a download gives one line; the partial file is kept to be resumed, and no complete file appears."""
    opened = Path.open

    class Full:
        """A file on a full disk."""

        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_error: object) -> None:
            self.file.close()

        def seek(self, position: int) -> None:
            self.file.seek(position)

        def write(self, _block: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def open_full(path: Path, mode: str = "r", *more: Any, **rest: Any) -> Any:
        file = opened(path, mode, *more, **rest)
        return Full(file) if path.suffix == ".part" else file

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        downloader.fetch(server.release())
    assert "\n" not in str(caught.value)
    assert not part_of(downloader).with_suffix("").exists()


@pytest.fixture
def released(
    server: Server, numbers_of: Any, as_torchvision: Any, torch_file: Any, monkeypatch: pytest.MonkeyPatch
) -> Server:
    """The server, which offers a valid state dict as the official release ``tiny-release`` without a published hash."""
    server.content = torch_file(as_torchvision(numbers_of())).read_bytes()
    monkeypatch.setitem(OFFICIAL, "tiny-release", server.release())
    monkeypatch.setattr(install, "Downloader", lambda folder: Downloader(folder, SCHEMES))
    return server


def test_a_release_is_installed_by_name_and_pinned(released: Server, own_folder: Path) -> None:
    """If no hash is published, the first download's hash is pinned with a note, and the download is not stored twice."""
    added = add("tiny-release")
    sha256 = hashlib.sha256(released.content).hexdigest()
    assert pins(own_folder)["tiny-release"]["sha256"] == sha256
    assert f"SHA-256 {sha256} is pinned from now on" in added.notes
    assert added.file.description.licence == "MIT"
    assert "tiny-release" in installed_paths()
    assert not list((own_folder / "downloads").iterdir())


def test_a_release_that_changed_is_refused(released: Server, own_folder: Path) -> None:
    """A later download with another hash changes nothing, and the installed weights still work."""
    add("tiny-release")
    before = installed_paths()["tiny-release"].read_bytes()
    released.content += b"\0"
    with pytest.raises(DownloadError, match=r"the first download had .*pins\.json"):
        add("tiny-release", Options(replace=True))
    assert installed_paths()["tiny-release"].read_bytes() == before


def test_a_download_without_weights_is_not_installed(released: Server) -> None:
    """A complete download of another network is refused like any other file."""
    released.content = CONTENT
    with pytest.raises(Exception, match="not weights in a known format"):
        add("tiny-release")
    assert "tiny-release" not in installed_paths()
