"""Downloads official releases over https, and verifies them before they are used.

An interrupted download stays in ``NAME.part`` and is resumed the next time.  urllib reads proxies from the environment.
"""

from __future__ import annotations

import http.client
import re
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import DownloadError, OutputError
from ..files import unwritable
from ..progress import Progress
from ..version import __version__
from .official import Digests, Release, check, digests

TIMEOUT = 10.0  # seconds to wait for a connection or for data
BLOCK = 1 << 18
HTTPS: tuple[str, ...] = ("https",)


def quiet(_done: int, _total: int) -> None:
    """A progress report that prints nothing."""


class SameSchemes(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to addresses with an allowed scheme."""

    def __init__(self, schemes: tuple[str, ...]) -> None:
        self.schemes = schemes

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        check_scheme(newurl, self.schemes)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@dataclass(frozen=True)
class Downloader:
    """Downloads releases into ``folder``.  ``schemes``: the URL schemes that are allowed."""

    folder: Path
    schemes: tuple[str, ...] = HTTPS
    timeout: float = TIMEOUT

    def fetch(self, release: Release, report: Progress = quiet) -> tuple[Path, Digests]:
        """The complete and verified file of a release, and its checksums; raises ``DownloadError`` or ``OutputError``."""
        path = self.folder / "downloads" / release.file_name
        if not path.exists():
            self.complete(release, path, report)
        got = digests(path)
        try:
            check(release, got, self.folder)
        except DownloadError:
            path.unlink(missing_ok=True)
            raise
        return path, got

    def complete(self, release: Release, path: Path, report: Progress) -> None:
        """Download into ``path`` with the ending ``.part``, resume a partial file, and rename it when it is complete."""
        check_scheme(release.address, self.schemes)
        part = path.with_name(f"{path.name}.part")
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            start = part.stat().st_size if part.exists() else 0
        except OSError as error:
            raise unwritable(part, error) from None
        response, start = self.open(release, start)
        with response:
            if response.headers.get_content_type() == "text/html":
                raise DownloadError(f"{release.address} returned a web page instead of a file; {by_hand(release)}")
            rest = int(response.headers.get("Content-Length") or 0)
            total = start + rest if rest else 0
            self.check_space(part, rest)
            done = copy(response, part, start, total, report, release)
        if done < total:
            raise cut(release, done, total)
        part.replace(path)

    def open(self, release: Release, start: int) -> tuple[http.client.HTTPResponse, int]:
        """The server's response, and the offset at which it starts; the offset is 0 if the server cannot resume."""
        opener = urllib.request.build_opener(SameSchemes(self.schemes))
        headers = {"User-Agent": f"godeeper/{__version__}", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        try:
            response = opener.open(urllib.request.Request(release.address, headers=headers), timeout=self.timeout)  # noqa: S310 (scheme checked)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
                return self.open(release, 0)
            raise DownloadError(
                f"{release.address} returned {error.code} ({error.reason}); {by_hand(release)}"
            ) from None
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            reason = getattr(error, "reason", error)
            raise DownloadError(
                f"cannot reach {urlsplit(release.address).hostname} ({reason}); {by_hand(release)}"
            ) from None
        resumed = re.match(rf"bytes {start}-", response.headers.get("Content-Range", ""))
        return response, start if response.status == http.HTTPStatus.PARTIAL_CONTENT and resumed else 0

    def check_space(self, part: Path, wanted: int) -> None:
        """Raise ``OutputError`` if the disk has less than ``wanted`` free bytes."""
        free = shutil.disk_usage(part.parent).free
        if wanted > free:
            raise OutputError(
                f"cannot write {part}: {wanted / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free; free some space and try again"
            )


def copy(response: Any, part: Path, start: int, total: int, report: Progress, release: Release) -> int:
    """Write the response to ``part`` after its first ``start`` bytes; returns the new size of ``part``."""
    done = start
    try:
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            while block := receive(response, release, done, total):
                file.write(block)
                done += len(block)
                report(done, total)
    except OSError as error:
        raise unwritable(part, error) from None
    return done


def receive(response: Any, release: Release, done: int, total: int) -> bytes:
    """The next block from the server; empty at the end.  Raises ``DownloadError`` if the connection is interrupted."""
    try:
        block: bytes = response.read(BLOCK)
    except (OSError, http.client.HTTPException):
        raise cut(release, done, total) from None
    return block


def cut(release: Release, done: int, total: int) -> DownloadError:
    """The error for an interrupted download."""
    of = f" of {total / 1e6:.1f}" if total else ""
    return DownloadError(
        f"{release.file_name}: the download was interrupted after {done / 1e6:.1f}{of} MB; "
        f"run the same command again to resume it: godeeper weights add {release.name}"
    )


def check_scheme(address: str, schemes: tuple[str, ...]) -> None:
    """Raise ``DownloadError`` if the scheme of an address is not allowed."""
    if urlsplit(address).scheme not in schemes:
        raise DownloadError(f"{address} is not an {' or '.join(schemes)} address: not downloaded")


def by_hand(release: Release) -> str:
    """Instructions to install a release without a network connection."""
    return (
        f"download {release.address} on another computer, copy the file here, "
        f"and run: godeeper weights add {release.file_name} --name {release.name}"
    )
