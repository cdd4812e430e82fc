"""Helpers that all handlers share: the application's state, the parts of a request, and responses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import Response

from ..errors import OptionError, quoted
from ..filters.visualisation.visualise import Settings
from .compute.backend import Backend
from .http.errors import not_found
from .http.upload import UploadReader
from .pages import SiteFacts

if TYPE_CHECKING:
    from starlette.requests import Request

    from ..blueprint.address import Tensor
    from ..classifier.classifier import Classifier
    from ..peek.peek import Peek
    from .compute.photo_store import StoredPhoto
    from .compute.served_index import ServedIndex

    Handler = Callable[[Request], Awaitable[Response]]

CLIENT_CLOSED = 499  # the client disconnected; the response is never sent


@dataclass(frozen=True)
class AppState:
    """The data that the handlers share.  ``visualisations``: the settings with which filters are visualised."""

    backend: Backend
    upload_reader: UploadReader
    site: SiteFacts
    classifier: Classifier | None = None
    index: ServedIndex | None = None
    visualisations: Settings = field(default_factory=Settings)


def state_of(request: Request) -> AppState:
    """The state of the application that got the request."""
    state: AppState = request.app.state.page
    return state


async def photo_of(request: Request) -> StoredPhoto:
    """The photo in the path."""
    return await state_of(request).backend.photo(request.path_params["photo"])


async def peek_of(request: Request, photo: StoredPhoto, address: str | None = None) -> Peek:
    """A peek at the tensor of ``address``, by default the address in the path."""
    backend = state_of(request).backend
    tensor = await backend.tensor(request.path_params["address"] if address is None else address)
    return await backend.peek(photo, tensor)


def filter_of(request: Request, peek: Peek) -> int:
    """The position, among the peek's channels, of the filter in the path; raises ``RequestError`` if there is none."""
    number: int = request.path_params["n"]
    check_filter(peek.tensor, number)
    return peek.tensor.filters.index(number)


def check_filter(tensor: Tensor, number: int) -> None:
    """Raise ``RequestError`` if ``tensor`` has no filter of that number."""
    filters = tensor.filters
    if number not in filters:
        raise not_found(
            f"{tensor.address} has no filter {number}: it has {len(filters)}, {min(filters)} to {max(filters)}"
        )


def integer_in_query(request: Request, name: str, default: int, highest: int, *, lowest: int = 1) -> int:
    """An integer parameter of the query, from ``lowest`` to ``highest``; raises ``OptionError``."""
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and lowest <= int(text) <= highest):
        raise OptionError(f"{name}={text[:40]!r}: expected a whole number from {lowest} to {highest}")
    return int(text)


def cell_in_query(request: Request) -> tuple[int, int] | None:
    """The row and column of the parameter ``at``; None without it.  Raises ``OptionError``."""
    text = request.query_params.get("at")
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 2 or not all(part.isascii() and part.isdecimal() and len(part) < 10 for part in parts):
        raise OptionError(f"at={quoted(text[:40])}: expected a row and a column, such as 3,5")
    return int(parts[0]), int(parts[1])


def filter_in_query(request: Request, peek: Peek) -> int | None:
    """The position of the filter in the query; None if the query has none."""
    if "filter" not in request.query_params:
        return None
    number = integer_in_query(request, "filter", 0, max(peek.tensor.filters), lowest=0)
    if number not in peek.tensor.filters:
        raise not_found(f"{peek.address} has no filter {number}")
    return peek.tensor.filters.index(number)


def classifier_of(state: AppState) -> Classifier:
    """The served classifier; raises ``RequestError`` if there is none."""
    if state.classifier is None:
        raise not_found("no classifier is served: start godeeper serve with a FILE.godeeper")
    return state.classifier


def attachment(name: str) -> str:
    """The ``Content-Disposition`` of a download called ``name``."""
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"


def cancelled_on_disconnect(handler: Handler) -> Handler:
    """The handler, cancelled as soon as the client disconnects."""

    async def respond(request: Request) -> Response:
        return await unless_disconnected(request, handler(request))

    return respond


async def unless_disconnected(request: Request, work: Awaitable[Response]) -> Response:
    """The response of ``work``, which is cancelled if the client disconnects; the request's body must have been read."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return await task if task.done() else Response(status_code=CLIENT_CLOSED)
    finally:
        for pending in (task, gone):
            pending.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def disconnected(request: Request) -> None:
    """Wait until the client disconnects, and discard the rest of the request's body."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def json_response(document: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """A document as JSON."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    body = text.encode("utf-8", "backslashreplace")  # a folder's name may have undecodable bytes
    return Response(body, status, media_type="application/json")


def png_response(picture: bytes) -> Response:
    """A PNG."""
    return Response(picture, media_type="image/png")
