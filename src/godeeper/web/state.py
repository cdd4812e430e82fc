"""What the answers to requests have in common: the state that requests come to, and reading their parts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import Response

from ..errors import OptionError
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

    Handler = Callable[[Request], Awaitable[Response]]

GONE = 499  # what nobody reads: the client hung up


@dataclass(frozen=True)
class AppState:
    """Everything a request may need."""

    backend: Backend
    upload_reader: UploadReader
    site: SiteFacts
    classifier: Classifier | None = None


def state_of(request: Request) -> AppState:
    """The state of the application that was asked."""
    state: AppState = request.app.state.page
    return state


async def photo_of(request: Request) -> StoredPhoto:
    """The photo that the path names."""
    return await state_of(request).backend.photo(request.path_params["photo"])


async def peek_of(request: Request, photo: StoredPhoto, address: str | None = None) -> Peek:
    """What the tensor that the path names, or ``address``, says of the photo."""
    backend = state_of(request).backend
    tensor = await backend.tensor(request.path_params["address"] if address is None else address)
    return await backend.peek(photo, tensor)


def filter_of(request: Request, peek: Peek) -> int:
    """The position among the peek's channels of the filter in the path; raises ``RequestError`` if it has no such filter."""
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


def integer_in_query(request: Request, name: str, usual: int, most: int, *, least: int = 1) -> int:
    """A number in the query from ``least`` to ``most``; raises ``OptionError``."""
    text = request.query_params.get(name, str(usual))
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and least <= int(text) <= most):
        raise OptionError(f"{name}={text[:40]!r}: expected a whole number from {least} to {most}")
    return int(text)


def filter_in_query(request: Request, peek: Peek) -> int | None:
    """The position of the filter that the query names; None if it names none."""
    if "filter" not in request.query_params:
        return None
    number = integer_in_query(request, "filter", 0, max(peek.tensor.filters), least=0)
    if number not in peek.tensor.filters:
        raise not_found(f"{peek.address} has no filter {number}")
    return peek.tensor.filters.index(number)


def classifier_of(state: AppState) -> Classifier:
    """The classifier that is served; raises ``RequestError`` where there is none."""
    if state.classifier is None:
        raise not_found("no classifier is served: start godeeper serve with a FILE.godeeper")
    return state.classifier


def attachment(name: str) -> str:
    """A header that gives a download its name."""
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"


def while_wanted(handler: Handler) -> Handler:
    """The handler, given up as soon as the client hangs up."""

    async def answer(request: Request) -> Response:
        return await unless_hung_up(request, handler(request))

    return answer


async def unless_hung_up(request: Request, work: Awaitable[Response]) -> Response:
    """What ``work`` answers; it is given up as soon as the client hangs up.  The request's body has been read."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(hung_up(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return await task if task.done() else Response(status_code=GONE)
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def hung_up(request: Request) -> None:
    """Ends when the client does; its body, which nobody wants, is not kept."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def json_response(document: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """A document as JSON."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    body = text.encode("utf-8", "backslashreplace")  # a folder's name may hold what no encoding has
    return Response(body, status, media_type="application/json")


def png_response(picture: bytes) -> Response:
    """A PNG."""
    return Response(picture, media_type="image/png")
