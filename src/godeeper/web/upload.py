"""Photos that come in: a form's parts, read into memory alone, counted and timed while they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from .refusals import Refused

MEBIBYTE = 1 << 20
MOST_BYTES = 64 * MEBIBYTE
MOST_FIELDS = 64
MOST_FIELD_BYTES = 4096
MOST_HEADERS = 16
LONGEST_NAME = 120
LONGEST_TAB = 64
SECONDS = 60.0
AT_ONCE = 4  # uploads in memory at the same time; the others wait in their senders' sockets
MOST_DIGITS = 18  # of a length: Python refuses to convert thousands
FIELD = "photo"


@dataclass(frozen=True)
class Upload:
    """A form: the photo's file, its name as text to show, and the other fields."""

    data: bytes
    name: str
    fields: dict[str, list[str]]

    def field(self, name: str, usual: str = "") -> str:
        """The last value of a field, or the usual one."""
        return self.fields.get(name, [usual])[-1] or usual


class Parts:
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


class Reception:
    """Lets uploads in, a few at a time."""

    def __init__(self, seconds: float = SECONDS, most_bytes: int = MOST_BYTES) -> None:
        self.seconds, self.most_bytes = seconds, most_bytes
        self.room = asyncio.Semaphore(AT_ONCE)

    async def read(self, request: Request) -> Upload:
        """The form of a request; raises ``Refused`` for whatever is wrong with it."""
        check_announced(request, self.most_bytes)
        async with self.room:
            try:
                async with asyncio.timeout(self.seconds):
                    return await self.parse(request)
            except TimeoutError:
                raise Refused(
                    HTTPStatus.REQUEST_TIMEOUT, f"the photo did not arrive within {self.seconds:g} seconds"
                ) from None
            except ClientDisconnect:
                raise Refused(HTTPStatus.BAD_REQUEST, "the connection ended before the photo was there") from None

    async def parse(self, request: Request) -> Upload:
        parts = Parts()
        try:
            _, options = parse_options_header(request.headers["content-type"])
            parser = MultipartParser(options.get(b"boundary", b""), parts.callbacks())
            async for chunk in counted(request, self.most_bytes):
                parser.write(chunk)
            parser.finalize()
            if not parts.is_whole:
                raise FormError("it ends too early")
        except (FormParserError, FormError, ValueError) as error:
            reason = str(error).partition("\n")[0][:200] or "it is damaged"
            raise Refused(
                HTTPStatus.BAD_REQUEST,
                f"cannot read the form ({reason}): expected multipart/form-data with one file called {FIELD!r}",
            ) from None
        return taken(parts)


def check_announced(request: Request, most: int) -> None:
    """Raise where the headers already say that this is no form, or too large a one."""
    content = request.headers.get("content-type", "")
    if content.partition(";")[0].strip().lower() != "multipart/form-data":
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"got {content[:80] or 'no content type'!r}: expected multipart/form-data with one file called {FIELD!r}",
        )
    announced = request.headers.get("content-length", "0")
    if announced.isascii() and announced.isdecimal() and (len(announced) > MOST_DIGITS or int(announced) > most):
        raise too_large(most)


def too_large(most: int) -> Refused:
    """The answer to more than is taken in."""
    return Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the photo is larger than {most // MEBIBYTE} MiB: scale it down first, the network sees 299 x 299 pixels",
    )


async def counted(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The request's body, piece by piece, until it is too long."""
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > most:
            raise too_large(most)
        yield chunk


def taken(parts: Parts) -> Upload:
    """The photo and the fields of a form."""
    if FIELD not in parts.files:
        got = (
            ", ".join(repr(name[:40]) for name in [*parts.files, *(name for name, _ in parts.fields)][:4]) or "nothing"
        )
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"the form holds {got}: expected one file called {FIELD!r}")
    name, data = parts.files[FIELD]
    fields: dict[str, list[str]] = {}
    for field, value in parts.fields:
        fields.setdefault(field, []).append(text(bytes(value)))
    return Upload(bytes(data), shown_name(name), fields)


def shown_name(name: str | None) -> str:
    """A file's name as text to show: its last part, without control characters, not too long."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    clean = "".join(character for character in last if character.isprintable()).strip()
    if not clean.strip("."):
        return "photo"
    return clean if len(clean) <= LONGEST_NAME else f"{clean[: LONGEST_NAME - 1]}…"


def tab_of(text: str | None) -> str | None:
    """The browser's tab as the client calls it; raises ``Refused`` where that is too long."""
    if text and len(text) > LONGEST_TAB:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"tab of {len(text)} characters: expected at most {LONGEST_TAB}")
    return text or None
