"""Photos that come in: a form's parts, read into memory alone, counted and timed while they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from http import HTTPStatus

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from .refusals import Refused

MEBIBYTE = 1 << 20
MOST_BYTES = 64 * MEBIBYTE
MOST_FIELDS = 64
MOST_FIELD_BYTES = 4096
LONGEST_NAME = 120
LONGEST_TAB = 64
SECONDS = 60.0
AT_ONCE = 4  # uploads in memory at the same time; the others wait in their senders' sockets
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


class InMemory(MultiPartParser):
    """Starlette's parser of forms, which keeps files in memory up to this size: all that are let in."""

    spool_max_size = MOST_BYTES + 1


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
        parser = InMemory(
            request.headers,
            counted(request, self.most_bytes),
            max_files=1,
            max_fields=MOST_FIELDS,
            max_part_size=MOST_FIELD_BYTES,
        )
        try:
            form = await parser.parse()
        except (MultiPartException, FormParserError, ValueError, KeyError) as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"cannot read the form: {reason(error)}") from None
        try:
            return await taken(form)
        finally:
            await form.close()


def reason(error: Exception) -> str:
    """Why a form cannot be read, in one line."""
    text = str(getattr(error, "message", "") or error).strip().rstrip(".") or type(error).__name__
    if "number of files" in text:
        return "it holds several files; expected one photo"
    return f"{text[0].lower()}{text[1:200]}; expected multipart/form-data with one file called {FIELD!r}"


def check_announced(request: Request, most: int) -> None:
    """Raise where the headers already say that this is no form, or too large a one."""
    content = request.headers.get("content-type", "")
    if content.partition(";")[0].strip().lower() != "multipart/form-data":
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"got {content[:80] or 'no content type'!r}: expected multipart/form-data with one file called {FIELD!r}",
        )
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > most:
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


async def taken(form: FormData) -> Upload:
    """The photo and the fields of a form."""
    file = form.get(FIELD)
    if not isinstance(file, UploadFile):
        got = ", ".join(repr(name[:40]) for name in list(form)[:4]) or "nothing"
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"the form holds {got}: expected one file called {FIELD!r}")
    fields: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            fields.setdefault(name, []).append(value)
    return Upload(await file.read(), shown_name(file.filename), fields)


def shown_name(name: str | None) -> str:
    """A file's name as text to show: its last part, without control characters, not too long."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    clean = "".join(character for character in last if character.isprintable()).strip()
    return clean if len(clean) <= LONGEST_NAME else f"{clean[: LONGEST_NAME - 1]}…" if clean else "photo"


def tab_of(text: str | None) -> str | None:
    """The browser's tab as the client calls it; raises ``Refused`` where that is too long."""
    if text and len(text) > LONGEST_TAB:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"tab of {len(text)} characters: expected at most {LONGEST_TAB}")
    return text or None
