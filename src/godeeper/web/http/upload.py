"""Uploads: forms with one photo, which are read into memory only, with limits on size, speed and memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from .errors import RequestError, TooManyUploads
from .upload_memory import MEBIBYTE, Reservation, UploadMemory

MAX_BYTES = 64 * MEBIBYTE
MAX_FIELDS = 64
MAX_FIELD_BYTES = 4096
LONGEST_NAME = 120
LONGEST_TAB = 64
MAX_DIGITS = 18  # of a Content-Length; Python raises an error for thousands of digits
FIELD = "photo"


@dataclass(frozen=True)
class Upload:
    """A form: the photo's file in memory, its name for display, and the other fields."""

    file: UploadFile = field(repr=False)
    name: str
    fields: dict[str, list[str]]

    def read(self) -> bytes:
        """The bytes of the photo's file."""
        self.file.file.seek(0)
        return self.file.file.read()

    def field(self, name: str, default: str = "") -> str:
        """The last value of a field, or ``default``."""
        return self.fields.get(name, [default])[-1] or default


class FormParser(MultiPartParser):
    """Starlette's parser for multipart forms, with our limits; the file stays in memory."""

    spool_max_size = MAX_BYTES  # the limit of a whole body, so no file is written to the disk

    def __init__(self, headers: Headers, stream: AsyncGenerator[bytes]) -> None:
        limits = {"max_files": 1, "max_fields": MAX_FIELDS, "max_part_size": MAX_FIELD_BYTES}
        super().__init__(headers, self.until_complete(stream), **limits)
        self.is_complete = False

    def on_end(self) -> None:
        """Called when the closing boundary has been read."""
        self.is_complete = True

    async def until_complete(self, stream: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        """The stream; raises ``MultiPartException`` at its end if there was no closing boundary."""
        async for chunk in stream:
            yield chunk
        if not self.is_complete:
            raise MultiPartException("it ends too early")


@dataclass(frozen=True)
class UploadTimer:
    """The minimum speed of an upload.

    After the first ``grace`` seconds, an upload must arrive at ``rate`` bytes per second on average.  It must never pause for
    ``idle`` seconds.  For example, 8 MB at 1 Mbit/s are accepted, and 100 bytes per second are not.
    """

    grace: float = 10.0
    rate: float = 8192.0
    idle: float = 20.0

    def deadline(self, start: float, last: float, received: int) -> float:
        """The time by which the next bytes must arrive, given the times of the start and of the last bytes."""
        return min(last + self.idle, start + self.grace + received / self.rate)


class UploadReader:
    """Reads any number of uploads at once, with limits on their total memory and their speed."""

    def __init__(
        self, timer: UploadTimer | None = None, most_bytes: int = MAX_BYTES, memory: UploadMemory | None = None
    ) -> None:
        self.timer, self.most_bytes = timer or UploadTimer(), most_bytes
        self.memory = memory or UploadMemory()
        logging.getLogger("python_multipart").setLevel(logging.CRITICAL + 1)  # a client must not write to the terminal

    @asynccontextmanager
    async def receive(self, request: Request) -> AsyncGenerator[Upload]:
        """The form of a request, with memory reserved until the block ends; raises ``RequestError`` if it cannot be read."""
        check_headers(request, self.most_bytes)
        with self.memory.reserve(request.client.host if request.client else "") as reservation:
            try:
                form = await self.parse(request, reservation)
            except ClientDisconnect:
                raise RequestError(
                    HTTPStatus.BAD_REQUEST, "the connection was closed before the whole photo had arrived"
                ) from None
            reservation.is_arriving = False
            try:
                yield upload_of(form)
            finally:
                await form.close()  # frees the photo's bytes even while the form is still referenced

    async def parse(self, request: Request, reservation: Reservation) -> FormData:
        """Read the form of a request; raises ``RequestError`` if it is damaged or over a limit."""
        try:
            return await FormParser(request.headers, self.body(request, reservation)).parse()
        except (MultiPartException, FormParserError, ValueError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")[:200] or "it is damaged"
            raise RequestError(
                HTTPStatus.BAD_REQUEST,
                f"cannot read the form ({reason}): expected multipart/form-data with one file called {FIELD!r}",
            ) from None

    async def body(self, request: Request, reservation: Reservation) -> AsyncGenerator[bytes]:
        """The body in pieces; raises ``RequestError`` if it is too long or too slow.  Waiting for memory does not count."""
        clock, stream = asyncio.get_running_loop().time, request.stream()
        start = last = clock()
        while (
            chunk := await self.next_piece(stream, reservation, self.timer.deadline(start, last, reservation.held))
        ) is not None:
            if reservation.held + len(chunk) > self.most_bytes:
                raise too_large(self.most_bytes)
            last = clock()
            await self.memory.take(reservation, len(chunk))
            start, last = start + clock() - last, clock()
            yield chunk

    async def next_piece(
        self, stream: AsyncGenerator[bytes], reservation: Reservation, deadline: float
    ) -> bytes | None:
        """The next bytes of a body, None at its end; raises ``RequestError`` if they do not arrive in time."""
        try:
            async with asyncio.timeout_at(deadline) as reservation.limit:
                return await anext(stream, None)
        except TimeoutError:
            if reservation.is_dropped:
                raise TooManyUploads from None
            raise RequestError(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the photo arrived too slowly: expected at least {self.timer.rate / 1024:g} KiB per second, "
                f"without a pause of {self.timer.idle:g} seconds",
            ) from None
        finally:
            reservation.limit = None


def check_headers(request: Request, max_bytes: int) -> None:
    """Raise ``RequestError`` if the headers do not describe a form, or describe one that is too large."""
    content = request.headers.get("content-type", "")
    if content.partition(";")[0].strip().lower() != "multipart/form-data":
        raise RequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"got {content[:80] or 'no content type'!r}: expected multipart/form-data with one file called {FIELD!r}",
        )
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise RequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"got a body with Content-Encoding {encoding[:40]!r}: expected one without",
        )
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdecimal() and (len(length) > MAX_DIGITS or int(length) > max_bytes):
        raise too_large(max_bytes)


def too_large(max_bytes: int) -> RequestError:
    """The error for a photo over the limit."""
    return RequestError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the photo is larger than {max_bytes // MEBIBYTE} MiB: scale it down first, the network sees 299 x 299 pixels",
    )


def upload_of(form: FormData) -> Upload:
    """The photo and the fields of a form; raises ``RequestError`` if it has no photo."""
    photo = form.get(FIELD)
    if not isinstance(photo, UploadFile):
        got = ", ".join(repr(name[:40]) for name in list(form)[:4]) or "nothing"
        raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, f"the form holds {got}: expected one file called {FIELD!r}")
    fields: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            fields.setdefault(name, []).append(value)
    return Upload(photo, shown_name(photo.filename), fields)


def shown_name(name: str | None) -> str:
    """A file's name for display: its last part, without control characters, shortened."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    clean = "".join(character for character in last if character.isprintable()).strip()
    if not clean.strip("."):
        return "photo"
    return clean if len(clean) <= LONGEST_NAME else f"{clean[: LONGEST_NAME - 1]}…"


def tab_of(text: str | None) -> str | None:
    """The token of the browser tab, None if it is empty; raises ``RequestError`` if it is too long."""
    if text and len(text) > LONGEST_TAB:
        raise RequestError(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"tab of {len(text)} characters: expected at most {LONGEST_TAB}"
        )
    return text or None
