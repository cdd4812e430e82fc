"""Handlers of what is known about one filter: its sum on a photo, its names, and its visualisation with progress."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from ...errors import GodeeperError
from ...filters.contributions.record import DRAWN
from ...filters.contributions.target import target_of
from ..events import EventStream, event
from ..filter_index.handlers import filter_in_path
from ..http.errors import not_found
from ..state import cell_in_query, integer_in_query, json_response, photo_of, png_response, state_of
from .findings import Task, names_task, unpacked, visualisation_task
from .sums import MAX_DEPTH, contributions_of
from .trail import address_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from ...filters.contributions.record import Contributions
    from .record_types import ContributionsRecord

NOT_MADE = "this visualisation has not been made yet: follow its progress to make it"


async def contributions(request: Request) -> Response:
    """The value of a filter at a cell of a photo as a sum of contributions."""
    photo, (tensor, number) = await photo_of(request), await filter_in_path(request)
    backend = state_of(request).backend
    depth = integer_in_query(request, "depth", 1, MAX_DEPTH)
    target = target_of(backend.network.blueprint, address_of(tensor, number))
    found, _ = await contributions_of(backend, photo, target, cell_in_query(request), depth)
    return json_response(await backend.render(lambda: contributions_record(found)))


def contributions_record(found: Contributions) -> ContributionsRecord:
    """The record of ``godeeper contributions`` without its file and without the contribution of each position in the kernel."""
    kept = found.kept(DRAWN)
    record = found.record(DRAWN) | {"terms": [each.record() | {"share": found.share(each)} for each in kept]}
    del record["png"]
    return record  # type: ignore[return-value]


async def names(request: Request) -> Response:
    """The names of a filter, tested when they are first asked for."""
    task, jobs = await names_in_path(request), state_of(request).backend.jobs
    return json_response(json.loads(await jobs.result(task.key, task.compute)))


async def names_in_path(request: Request) -> Task:
    """The job for the names of the filter in the path."""
    tensor, number = await filter_in_path(request)
    state = state_of(request)
    return await state.backend.render(lambda: names_task(state.backend.job_network, state.index, tensor, number))


async def visualisation_in_path(request: Request) -> Task:
    """The job for the visualisation of the filter in the path."""
    tensor, number = await filter_in_path(request)
    state = state_of(request)
    backend = state.backend
    return await backend.render(
        lambda: visualisation_task(backend.job_network, state.index, tensor, number, state.visualisations)
    )


async def visualisation_result(request: Request) -> bytes:
    """The result of the visualisation in the path; raises ``RequestError`` if it has not been made."""
    task = await visualisation_in_path(request)
    found = await state_of(request).backend.jobs.kept(task.key)
    if found is None:
        raise not_found(NOT_MADE)
    return found


async def visualisation(request: Request) -> Response:
    """The record of a visualisation that has been made."""
    return json_response(unpacked(await visualisation_result(request))[0])


async def visualisation_picture(request: Request) -> Response:
    """A visualisation that has been made."""
    return png_response(unpacked(await visualisation_result(request))[1])


async def visualisation_progress(request: Request) -> Response:
    """The progress of a visualisation as an event stream; it is made while the stream is open."""
    task = await visualisation_in_path(request)
    return EventStream(events(request, task))


async def events(request: Request, task: Task) -> AsyncGenerator[str]:
    """The events of one progress stream."""
    try:
        async with aclosing(state_of(request).backend.jobs.progress(task.key, task.compute)) as steps:
            async for done, total, ahead in steps:
                if ahead:
                    yield event("waiting", {"before": ahead})
                else:
                    yield event("progress", {"done": done, "of": total})
        yield event("done", {})
    except GodeeperError as error:
        yield event("error", {"error": str(error)})
