"""Photos that come in: a form's parts, read into memory alone, counted and timed while they arrive."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from .errors import RequestError, TooManyTabs
from .upload_memory import MEBIBYTE, Reservation, UploadMemory

MOST_BYTES = 64 * MEBIBYTE
MOST_FIELDS = 64
MOST_FIELD_BYTES = 4096
MOST_HEADERS = 16
LONGEST_NAME = 120
LONGEST_TAB = 64
MOST_DIGITS = 18  # of a length: Python refuses to convert thousands
FIELD = "photo"
SILENT = logging.Logger("forms", logging.CRITICAL + 1)
"""In place of the parser's: a client gets the error, and no line of the terminal is its to write."""


@dataclass(frozen=True)
class Upload:
    """A form: the photo's file, its name as text to show, and the other fields."""

    data: bytearray
    name: str
    fields: dict[str, list[str]]

    def field(self, name: str, usual: str = "") -> str:
        """The last value of a field, or the usual one."""
        return self.fields.get(name, [usual])[-1] or usual


class FormCollector:
    """Collects the parts of a form as python-multipart tells of them: all in memory, nothing on a disk."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[str, bytearray]] = {}
        self.fields: list[tuple[str, bytearray]] = []
        self.part = bytearray()
        self.most = 0
        self.header, self.headers = (bytearray(), bytearray()), dict[bytes, bytes]()
        self.is_whole = False

    def on_part_begin(self) -> None:
        self.headers = {}
        self.header = bytearray(), bytearray()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self.add_header(0, data[start:end])

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self.add_header(1, data[start:end])

    def add_header(self, side: int, more: bytes) -> None:
        """A piece of a header's name or value."""
        if len(self.header[side]) + len(more) > MOST_FIELD_BYTES or len(self.headers) > MOST_HEADERS:
            raise FormError("a part has too many headers")
        self.header[side].extend(more)

    def on_header_end(self) -> None:
        name, value = self.header
        self.headers[bytes(name).lower()] = bytes(value)
        self.header = bytearray(), bytearray()

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self.headers.get(b"content-disposition"))
        if b"name" not in options:
            raise FormError("a part has no name")
        name, self.part = text(options[b"name"]), bytearray()
        if b"filename" in options:
            self.most = MOST_BYTES
            if self.files:
                raise FormError("it holds several files; expected one photo")
            self.files[name] = text(options[b"filename"]), self.part
        else:
            self.most = MOST_FIELD_BYTES
            if len(self.fields) == MOST_FIELDS:
                raise FormError(f"it has more than {MOST_FIELDS} fields")
            self.fields.append((name, self.part))

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if len(self.part) + end - start > self.most:
            raise FormError(f"a field is longer than {self.most} bytes")
        self.part += memoryview(data)[start:end]

    def on_end(self) -> None:
        self.is_whole = True

    def callbacks(self) -> Any:
        """The methods by name, as python-multipart wants them."""
        return {name: getattr(self, name) for name in dir(self) if name.startswith("on_")}


class FormError(Exception):
    """What is wrong with a form, in a few words."""


def text(data: bytes) -> str:
    """Bytes of a form as text, whatever they are."""
    return data.decode("utf-8", "replace")


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
        self, pace: UploadTimer | None = None, most_bytes: int = MOST_BYTES, room: UploadMemory | None = None
    ) -> None:
        self.pace, self.most_bytes = pace or UploadTimer(), most_bytes
        self.room = room or UploadMemory()

    @asynccontextmanager
    async def receive(self, request: Request) -> AsyncGenerator[Upload]:
        """The form of a request, whose memory counts until the block ends; raises ``RequestError`` for what is wrong with it."""
        check_announced(request, self.most_bytes)
        with self.room.guest(request.client.host if request.client else "") as guest:
            try:
                upload = await self.parse(request, guest)
            except ClientDisconnect:
                raise RequestError(HTTPStatus.BAD_REQUEST, "the connection ended before the photo was there") from None
            guest.is_arriving = False
            try:
                yield upload
            finally:
                upload.data.clear()  # whoever still knows the form does not keep the photo

    async def parse(self, request: Request, guest: Reservation) -> Upload:
        parts = FormCollector()
        try:
            _, options = parse_options_header(request.headers["content-type"])
            parser = MultipartParser(options.get(b"boundary", b""), parts.callbacks())
            parser.logger = SILENT
            async for chunk in self.body(request, guest):
                parser.write(chunk)
            parser.finalize()
            if not parts.is_whole:
                raise FormError("it ends too early")
        except (FormParserError, FormError, ValueError) as error:
            reason = str(error).partition("\n")[0][:200] or "it is damaged"
            raise RequestError(
                HTTPStatus.BAD_REQUEST,
                f"cannot read the form ({reason}): expected multipart/form-data with one file called {FIELD!r}",
            ) from None
        return taken(parts)

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
    if announced.isascii() and announced.isdecimal() and (len(announced) > MOST_DIGITS or int(announced) > most):
        raise too_large(most)


def too_large(most: int) -> RequestError:
    """The answer to more than is taken in."""
    return RequestError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the photo is larger than {most // MEBIBYTE} MiB: scale it down first, the network sees 299 x 299 pixels",
    )


def taken(parts: FormCollector) -> Upload:
    """The photo and the fields of a form."""
    if FIELD not in parts.files:
        got = (
            ", ".join(repr(name[:40]) for name in [*parts.files, *(name for name, _ in parts.fields)][:4]) or "nothing"
        )
        raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, f"the form holds {got}: expected one file called {FIELD!r}")
    name, data = parts.files[FIELD]
    fields: dict[str, list[str]] = {}
    for field, value in parts.fields:
        fields.setdefault(field, []).append(text(bytes(value)))
    return Upload(data, shown_name(name), fields)


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
