"""Photos that come in: a form's parts, read into memory alone, counted and timed while they arrive."""

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

from .errors import RequestError, TooManyTabs
from .upload_memory import MEBIBYTE, Reservation, UploadMemory

MAX_BYTES = 64 * MEBIBYTE
MAX_FIELDS = 64
MAX_FIELD_BYTES = 4096
LONGEST_NAME = 120
LONGEST_TAB = 64
MAX_DIGITS = 18  # of a length: Python refuses to convert thousands
FIELD = "photo"


@dataclass(frozen=True)
class Upload:
    """A form: the photo's file in memory, its name as text to show, and the other fields."""

    file: UploadFile = field(repr=False)
    name: str
    fields: dict[str, list[str]]

    def read(self) -> bytes:
        """The bytes of the photo's file."""
        self.file.file.seek(0)
        return self.file.file.read()

    def field(self, name: str, usual: str = "") -> str:
        """The last value of a field, or the usual one."""
        return self.fields.get(name, [usual])[-1] or usual


class FormParser(MultiPartParser):
    """Starlette's parser for multipart forms, with our limits; the file stays in memory."""

    spool_max_size = MAX_BYTES  # more than a body may hold, so no file is written to the disk

    def __init__(self, headers: Headers, stream: AsyncGenerator[bytes]) -> None:
        limits = {"max_files": 1, "max_fields": MAX_FIELDS, "max_part_size": MAX_FIELD_BYTES}
        super().__init__(headers, self.until_complete(stream), **limits)
        self.is_complete = False

    def on_end(self) -> None:
        """The closing boundary was read."""
        self.is_complete = True

    async def until_complete(self, stream: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        """The stream; raises at its end if there was no closing boundary, so that the parser closes its files."""
        async for chunk in stream:
            yield chunk
        if not self.is_complete:
            raise MultiPartException("it ends too early")


@dataclass(frozen=True)
class UploadTimer:
    """How slowly a photo may arrive.

    ``rate`` bytes a second on average, once ``grace`` seconds are over, and never ``idle`` seconds without a byte: 8 MB at
    1 Mbit/s take a minute and are taken, 100 bytes a second are not.
    """

    grace: float = 10.0
    rate: float = 8192.0
    idle: float = 20.0

    def deadline(self, began: float, last: float, received: int) -> float:
        """When the next bytes must be there, from when the first and the last ones were."""
        return min(last + self.idle, began + self.grace + received / self.rate)


class UploadReader:
    """Takes photos in, any number side by side: bounded are the memory they hold, and how slow each may be."""

    def __init__(
        self, pace: UploadTimer | None = None, most_bytes: int = MAX_BYTES, room: UploadMemory | None = None
    ) -> None:
        self.pace, self.most_bytes = pace or UploadTimer(), most_bytes
        self.room = room or UploadMemory()
        logging.getLogger("python_multipart").setLevel(logging.CRITICAL + 1)  # a client must not write to the terminal

    @asynccontextmanager
    async def receive(self, request: Request) -> AsyncGenerator[Upload]:
        """The form of a request, whose memory counts until the block ends; raises ``RequestError`` for what is wrong with it."""
        check_announced(request, self.most_bytes)
        with self.room.guest(request.client.host if request.client else "") as guest:
            try:
                form = await self.parse(request, guest)
            except ClientDisconnect:
                raise RequestError(HTTPStatus.BAD_REQUEST, "the connection ended before the photo was there") from None
            guest.is_arriving = False
            try:
                yield upload_of(form)
            finally:
                await form.close()  # which frees the photo's bytes, even while the form is still referenced

    async def parse(self, request: Request, guest: Reservation) -> FormData:
        """Read the form of a request; raises ``RequestError`` if it is damaged or over a limit."""
        try:
            return await FormParser(request.headers, self.body(request, guest)).parse()
        except (MultiPartException, FormParserError, ValueError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")[:200] or "it is damaged"
            raise RequestError(
                HTTPStatus.BAD_REQUEST,
                f"cannot read the form ({reason}): expected multipart/form-data with one file called {FIELD!r}",
            ) from None

    async def body(self, request: Request, guest: Reservation) -> AsyncGenerator[bytes]:
        """The request's body, piece by piece, as long as it is neither too long nor too slow; waiting for room is no delay."""
        clock, stream = asyncio.get_running_loop().time, request.stream()
        began = last = clock()
        while (chunk := await self.next_piece(stream, guest, self.pace.deadline(began, last, guest.held))) is not None:
            if guest.held + len(chunk) > self.most_bytes:
                raise too_large(self.most_bytes)
            last = clock()
            await self.room.take(guest, len(chunk))
            began, last = began + clock() - last, clock()
            yield chunk

    async def next_piece(self, stream: AsyncGenerator[bytes], guest: Reservation, deadline: float) -> bytes | None:
        """The next bytes of a body, None at its end; raises ``RequestError`` where they do not come in time."""
        try:
            async with asyncio.timeout_at(deadline) as guest.limit:
                return await anext(stream, None)
        except TimeoutError:
            if guest.is_dropped:
                raise TooManyTabs from None
            raise RequestError(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the photo came too slowly: expected {self.pace.rate / 1024:g} KiB a second, "
                f"and no pause of {self.pace.idle:g} seconds",
            ) from None
        finally:
            guest.limit = None


def check_announced(request: Request, most: int) -> None:
    """Raise where the headers already say that this is no form, or too large a one."""
    content = request.headers.get("content-type", "")
    if content.partition(";")[0].strip().lower() != "multipart/form-data":
        raise RequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"got {content[:80] or 'no content type'!r}: expected multipart/form-data with one file called {FIELD!r}",
        )
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise RequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"got a body encoded with {encoding[:40]!r}: expected it as it is"
        )
    announced = request.headers.get("content-length", "0")
    if announced.isascii() and announced.isdecimal() and (len(announced) > MAX_DIGITS or int(announced) > most):
        raise too_large(most)


def too_large(most: int) -> RequestError:
    """The answer to more than is taken in."""
    return RequestError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the photo is larger than {most // MEBIBYTE} MiB: scale it down first, the network sees 299 x 299 pixels",
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
    """A file's name as text to show: its last part, without control characters, not too long."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    clean = "".join(character for character in last if character.isprintable()).strip()
    if not clean.strip("."):
        return "photo"
    return clean if len(clean) <= LONGEST_NAME else f"{clean[: LONGEST_NAME - 1]}…"


def tab_of(text: str | None) -> str | None:
    """The browser's tab as the client calls it; raises ``RequestError`` where that is too long."""
    if text and len(text) > LONGEST_TAB:
        raise RequestError(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"tab of {len(text)} characters: expected at most {LONGEST_TAB}"
        )
    return text or None
