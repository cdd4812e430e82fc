"""Handlers for programs and for the page's scripts: JSON records, values, pictures, progress."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING

import numpy as np
from starlette.responses import RedirectResponse, Response, StreamingResponse

from ..blueprint.records import document as tensors_document
from ..errors import GodeeperError
from ..explain.picture import Question
from ..filters.contributions.target import checked_cell
from ..network import BLOG_TENSORS
from ..peek.geometry import Cell, field_box, strongest
from ..peek.mosaic import check_scale
from ..peek.peek import document as peek_document
from ..peek.peek import file_name
from ..version import __version__
from . import pictures
from .events import EventStream, event
from .http.root import at
from .http.upload import tab_of
from .records import tensor_record, urls
from .state import (
    attachment,
    cell_in_query,
    check_filter,
    classifier_of,
    filter_of,
    integer_in_query,
    json_response,
    peek_of,
    photo_of,
    png_response,
    state_of,
    unless_disconnected,
)
from .verdicts import class_of, evidence_of, evidence_record, module_in_query, numbered, verdict_record

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from starlette.requests import Request

    from ..explain.evidence import Evidence
    from .compute.photo_store import StoredPhoto
    from .record_types import HealthRecord

PIECE = 1 << 18  # bytes of an array in one chunk of the response
MAX_TILES = 48  # rows or columns of a thumbnail


async def add_photo(request: Request) -> Response:
    """Store a photo and return its record; a browser without scripts is redirected to the photo's page."""
    state = state_of(request)
    async with state.upload_reader.receive(request) as upload:
        tab = tab_of(upload.field("tab"))
        photo = await state.backend.ingest(upload.read(), upload.name)
    state.backend.scheduler.supersede(tab, photo)
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(at(f"/photo/{photo.id}"), HTTPStatus.SEE_OTHER)
    return json_response(photo.record(), HTTPStatus.CREATED)


async def photo_record(request: Request) -> Response:
    """The record of a stored photo."""
    return json_response((await photo_of(request)).record())


async def progress(request: Request) -> Response:
    """The progress of a photo's forward pass as an event stream; the pass is computed while the stream is open."""
    photo = await photo_of(request)
    tab = tab_of(request.query_params.get("tab"))
    return EventStream(events(request, photo, tab))


async def events(request: Request, photo: StoredPhoto, tab: str | None) -> AsyncGenerator[str]:
    """The events of one progress stream."""
    backend = state_of(request).backend
    try:
        async with aclosing(backend.scheduler.progress(photo, tab)) as steps:
            async for done, segment in steps:
                if segment is None:
                    yield event("waiting", {"before": done})
                    continue
                addresses = [tensor.address for tensor in segment.tensors]
                step = {"part": segment.part, "done": done, "of": len(backend.segments), "sites": addresses}
                yield event("progress", step)
        yield event("done", {})
    except GodeeperError as error:
        yield event("error", {"error": str(error)})


async def display(request: Request) -> Response:
    """The photo as it is displayed, at most 1600 pixels per side."""
    return Response((await photo_of(request)).display, media_type="image/jpeg")


async def network_input(request: Request) -> Response:
    """The network's input as a picture."""
    photo = await photo_of(request)
    return png_response(await state_of(request).backend.render(lambda: pictures.png(photo.input_image)))


async def thumbnail(request: Request) -> Response:
    """A thumbnail of the filters that vary most, for a box of the map."""
    tiles = integer_in_query(request, "rows", 2, MAX_TILES), integer_in_query(request, "columns", 4, MAX_TILES)
    photo = await photo_of(request)
    peek = await peek_of(request, photo)
    return png_response(await state_of(request).backend.render(lambda: pictures.thumbnail(peek, photo, tiles)))


async def tensor(request: Request) -> Response:
    """The record of one tensor."""
    photo = await photo_of(request)
    peek = await peek_of(request, photo)
    backend, scale = state_of(request).backend, request.query_params.get("scale", "shared")
    part = backend.part(peek.tensor)
    return json_response(await backend.render(lambda: tensor_record(backend.network, photo, peek, scale, part)))


async def levels(request: Request) -> Response:
    """All filters as one picture at native pixels."""
    peek = await peek_of(request, await photo_of(request))
    scale, colour = request.query_params.get("scale", "shared"), request.query_params.get("colour")
    return png_response(await state_of(request).backend.render(lambda: pictures.levels(peek, scale, colour)))


async def filter_map(request: Request) -> Response:
    """One filter's map at native pixels."""
    peek = await peek_of(request, await photo_of(request))
    place = filter_of(request, peek)
    scale, colour = request.query_params.get("scale", "shared"), request.query_params.get("colour")
    return png_response(await state_of(request).backend.render(lambda: pictures.filter_map(peek, place, scale, colour)))


async def photo_patch(request: Request) -> Response:
    """The part of the photo in the receptive field of a filter's cell, by default the strongest one."""
    photo, asked = await photo_of(request), cell_in_query(request)
    peek = await peek_of(request, photo)
    backend, place = state_of(request).backend, filter_of(request, peek)
    cell = strongest(peek.activations[0, place]) or Cell(0, 0, 0.0)
    row, column = (cell.row, cell.column) if asked is None else checked_cell(asked, peek.tensor.site)
    box = field_box(peek.tensor.field, row, column)
    return png_response(await backend.render(lambda: pictures.photo_patch(photo, backend.network.preprocess, box)))


async def kernel(request: Request) -> Response:
    """The kernel of a filter of the first convolution, in colour."""
    await photo_of(request)  # the kernel depends only on the weights, but an unknown photo must be an error
    backend, number = state_of(request).backend, request.path_params["n"]
    tensor = await backend.tensor(request.path_params["address"])
    check_filter(tensor, number)
    return png_response(await backend.render(lambda: pictures.kernel(backend.network.weights, tensor, number)))


async def picture(request: Request) -> Response:
    """The mosaic as a PNG to download, with legend and provenance."""
    query = request.query_params
    peek = await peek_of(request, await photo_of(request), query.get("address", ""))
    scale, sort = query.get("scale", "shared"), query.get("sort", "number")
    drawn = await state_of(request).backend.render(lambda: pictures.framed(peek, scale, query.get("colour"), sort))
    response = png_response(drawn)
    response.headers["content-disposition"] = attachment(file_name(peek))
    return response


async def verdict(request: Request) -> Response:
    """The classifier's verdict on a stored photo."""
    photo = await photo_of(request)
    return json_response(verdict_record(state_of(request), photo, await evidence_of(request, photo)))


async def evidence(request: Request) -> Response:
    """The evidence for one class, or for one class over another."""
    photo = await photo_of(request)
    found = await evidence_of(request, photo)
    number, against = numbered(found, request.path_params["n"]), over(request, found)
    record = await state_of(request).backend.render(lambda: evidence_record(photo, found, number, against))
    return json_response(record)


async def evidence_picture(request: Request) -> Response:
    """The photo, tinted by the evidence for a class."""
    found = await evidence_of(request, await photo_of(request))
    number, against = numbered(found, request.path_params["n"]), over(request, found)
    module = module_in_query(request, found)
    question = Question(number, against)

    def rendered() -> bytes:
        return pictures.png(pictures.evidence_overlay(found, question, module))

    return png_response(await state_of(request).backend.render(rendered))


def over(request: Request, found: Evidence) -> int | None:
    """The class in the query whose evidence is subtracted; None if the query has none."""
    text = request.query_params.get("over")
    return None if text is None else class_of(found, text)


async def peek(request: Request) -> Response:
    """Store an uploaded photo and return the record of ``godeeper peek --json`` for it."""
    state = state_of(request)
    backend = state.backend
    async with state.upload_reader.receive(request) as upload:
        addresses = upload.fields.get("address") or BLOG_TENSORS
        tensors = await backend.tensors(addresses)
        scale = upload.field("scale", "shared")
        check_scale(scale)
        photo = await backend.ingest(upload.read(), upload.name)

    async def compute() -> Response:
        peeks = [await backend.peek(photo, tensor) for tensor in tensors]

        def respond() -> Response:
            records = [peek.record(f"{urls(photo, peek.tensor)['picture']}&scale={scale}", scale) for peek in peeks]
            return json_response(peek_document(photo.name, peeks[0], records, backend.identity))

        return await backend.render(respond)

    return await unless_disconnected(request, compute())


async def classify(request: Request) -> Response:
    """Store an uploaded photo and return the record of ``godeeper classify --json`` for it."""
    state = state_of(request)
    classifier_of(state)
    async with state.upload_reader.receive(request) as upload:
        photo = await state.backend.ingest(upload.read(), upload.name)

    async def compute() -> Response:
        found = await evidence_of(request, photo)
        judgement = classifier_of(state).judgement(photo.name, found.probabilities, found.strangeness)
        computed = state.backend.identity.record
        return json_response({"classifier": state.site.classifier, **computed, "photos": [judgement.record()]})

    return await unless_disconnected(request, compute())


async def values(request: Request) -> Response:
    """The activations as bytes: float32, little-endian, (C, H, W)."""
    peek = await peek_of(request, await photo_of(request))
    numbers = np.ascontiguousarray(peek.activations[0], "<f4")
    headers = {"x-shape": ",".join(map(str, numbers.shape)), "content-length": str(numbers.nbytes)}
    return StreamingResponse(pieces(numbers), media_type="application/octet-stream", headers=headers)


async def pieces(numbers: NDArray[np.float32]) -> AsyncIterator[memoryview]:
    """The bytes of an array in pieces, without a copy of the whole array."""
    whole = numbers.reshape(-1).view(np.uint8).data
    for start in range(0, len(whole), PIECE):
        yield whole[start : start + PIECE]


async def tensors(request: Request) -> Response:
    """The tensors that match a pattern."""
    backend, pattern = state_of(request).backend, request.query_params.get("pattern", "**")
    network = backend.network
    record = await backend.render(lambda: tensors_document(network.blueprint, network.tensors(pattern)))
    return json_response(record)


async def health(request: Request) -> Response:
    """Whether the server is up, and what it serves."""
    state = state_of(request)
    record: HealthRecord = {
        "status": "ok",
        "version": __version__,
        "network": state.backend.network.blueprint.name,
        "weights": state.site.weights,
        "classifier": state.site.classifier,
    }
    return json_response(record)
