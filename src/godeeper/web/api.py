"""Answers for programs and for the pages' script: records as JSON, numbers, pictures, progress."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import TYPE_CHECKING

import numpy as np
from starlette.responses import RedirectResponse, Response, StreamingResponse

from ..blueprint.records import document as tensors_document
from ..errors import GodeeperError
from ..version import __version__
from . import pictures
from .desk import desk_of, filter_of, json_answer, peek_of, photo_of, png_answer, whole_number
from .records import tensor_record
from .upload import tab_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from .album import Kept

MOST_TILES = 32  # rows or columns of a thumbnail


async def add_photo(request: Request) -> Response:
    """Take a photo in; browsers without a script are sent on to its page."""
    desk = desk_of(request)
    upload = await desk.reception.read(request)
    tab = tab_of(upload.field("tab"))
    photo = await desk.laboratory.develop(upload.data, upload.name)
    desk.laboratory.turn(tab, photo)
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/photo/{photo.id}", HTTPStatus.SEE_OTHER)
    return json_answer(photo.record(), HTTPStatus.CREATED)


async def photo_record(request: Request) -> Response:
    """A photo that is kept."""
    return json_answer((await photo_of(request)).record())


async def progress(request: Request) -> Response:
    """A photo's look as it is computed, as an event stream; computing goes on while the stream is open."""
    photo = await photo_of(request)
    tab = tab_of(request.query_params.get("tab"))
    return StreamingResponse(events(request, photo, tab), media_type="text/event-stream")


async def events(request: Request, photo: Kept, tab: str | None) -> AsyncIterator[str]:
    """The events of one look."""
    laboratory = desk_of(request).laboratory
    try:
        async for done, segment in laboratory.progress(photo, tab):
            addresses = [tensor.address for tensor in segment.tensors]
            step = {"part": segment.part, "done": done, "of": len(laboratory.segments), "sites": addresses}
            yield event("progress", step)
        yield event("done", {})
    except GodeeperError as error:
        yield event("error", {"error": str(error)})


def event(name: str, data: object) -> str:
    """One event of a stream."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


async def display(request: Request) -> Response:
    """The photo to show, at most 1600 pixels a side."""
    return Response((await photo_of(request)).display, media_type="image/jpeg")


async def network_input(request: Request) -> Response:
    """The square that the network saw."""
    photo = await photo_of(request)
    return png_answer(await desk_of(request).laboratory.draw(lambda: pictures.png(photo.input_image)))


async def thumbnail(request: Request) -> Response:
    """A few filters, for a box of the map."""
    tiles = whole_number(request, "rows", 2, MOST_TILES), whole_number(request, "columns", 4, MOST_TILES)
    photo = await photo_of(request)
    peek = await peek_of(request, photo)
    return png_answer(await desk_of(request).laboratory.draw(lambda: pictures.thumbnail(peek, photo, tiles)))


async def tensor(request: Request) -> Response:
    """The record of one tensor."""
    photo = await photo_of(request)
    peek = await peek_of(request, photo)
    laboratory, scale = desk_of(request).laboratory, request.query_params.get("scale", "shared")
    record = await laboratory.draw(lambda: tensor_record(laboratory.network, photo, peek, scale))
    return json_answer(record)


async def levels(request: Request) -> Response:
    """All filters as one picture of native pixels."""
    peek = await peek_of(request, await photo_of(request))
    scale, colour = request.query_params.get("scale", "shared"), request.query_params.get("colour")
    return png_answer(await desk_of(request).laboratory.draw(lambda: pictures.levels(peek, scale, colour)))


async def filter_map(request: Request) -> Response:
    """One filter's map at native pixels."""
    peek = await peek_of(request, await photo_of(request))
    place = filter_of(request, peek)
    scale, colour = request.query_params.get("scale", "shared"), request.query_params.get("colour")
    return png_answer(await desk_of(request).laboratory.draw(lambda: pictures.filter_map(peek, place, scale, colour)))


async def values(request: Request) -> Response:
    """The activations themselves: float32, little-endian, (C, H, W)."""
    peek = await peek_of(request, await photo_of(request))
    shape = ",".join(map(str, peek.shape[1:]))
    body = np.ascontiguousarray(peek.activations[0], "<f4").tobytes()
    return Response(body, media_type="application/octet-stream", headers={"x-shape": shape})


async def tensors(request: Request) -> Response:
    """What can be looked at."""
    network = desk_of(request).laboratory.network
    found = network.tensors(request.query_params.get("pattern", "**"))
    return json_answer(tensors_document(network.blueprint, found))


async def health(request: Request) -> Response:
    """That the server is there, and with what."""
    site = desk_of(request).site
    return json_answer(
        {
            "status": "ok",
            "version": __version__,
            "network": desk_of(request).laboratory.network.blueprint.name,
            "weights": site.weights,
            "classifier": site.classifier,
        }
    )
