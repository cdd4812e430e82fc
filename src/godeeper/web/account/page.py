"""The page of one filter: its map on the photo, what feeds it, what it responds to, what it wants, and the photos of the index."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import GodeeperError
from ...filters.contributions.target import checked_cell
from ...peek.kernels import has_kernels, kernels
from ..filter_index.records import ranked
from ..http.root import at
from ..pages import query_of, redirect, render
from ..records import quoted, urls
from ..state import AppState, cell_in_query, filter_of, photo_of, state_of
from ..views import chosen, record_of, shown_as
from .findings import Task, names_task, unpacked, visualisation_task
from .sums import sum_of
from .trail import Step, trail_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from ...blueprint.address import Tensor
    from ..compute.photo_store import StoredPhoto
    from ..record_types import IndexedFilterRecord, PhotoRecord, TensorRecord, ViewedFilterRecord
    from .record_types import NamesRecord, VisualisationRecord
    from .sums import SumView


@dataclass(frozen=True)
class Findings:
    """Names and visualisation of a filter.  Each is None until its job is done; ``problem`` says why there cannot be one.

    ``urls``: of the resources of this filter.
    """

    names: NamesRecord | None
    names_problem: str
    visualisation: VisualisationRecord | None
    visualisation_problem: str
    urls: dict[str, str]


@dataclass(frozen=True)
class FilterPage:
    """``filter.html``: one filter.

    ``place``: (row, column) of the cell that is looked at, by default the strongest one; ``value``: the activation there.  ``box``:
    (left, top, right, bottom) of that cell's receptive field in the network's input; it may extend beyond the input.
    ``indexed``: as ``GET /api/filters/{address}/{number}`` returns it.  ``sum``: the value as a sum; None if there is none, and
    ``sum_problem`` says why.
    """

    photo: PhotoRecord
    record: TensorRecord
    number: int
    filter: ViewedFilterRecord
    place: tuple[int, int]
    value: float
    is_strongest: bool
    box: tuple[int, int, int, int]
    map: str
    patch: str
    kernel: str | None
    kernel_legend: str | None
    before: str | None  # the page of the filter with the next lower number
    after: str | None
    scale: str
    colour: str
    query: str
    indexed: IndexedFilterRecord | None
    rank: str  # where the photo would rank among those of ``indexed``, or why there is none, as a sentence
    trail: tuple[tuple[str, str, str], ...]  # (label, URL, URL of the map) of each filter that led to this one
    sum: SumView | None
    sum_problem: str
    findings: Findings


async def filter_page(request: Request) -> Response:
    """One filter of a tensor."""
    state, photo = state_of(request), await photo_of(request)
    backend = state.backend
    tensor = await backend.tensor(request.path_params["address"])
    number: int = request.path_params["n"]
    if tensor.address != request.path_params["address"]:
        return redirect(f"{urls(photo, tensor)['page']}/filter/{number}", request)
    scale, colour, _ = shown_as(request, "filter")  # the page shows one filter, so its own scale shows most
    trail = await backend.render(lambda: trail_of(backend.network, request.query_params.getlist("via")))
    asked = cell_in_query(request)
    if asked is not None:
        checked_cell(asked, tensor.site)
    peek = await backend.peek(photo, tensor)
    position = filter_of(request, peek)
    record = await backend.render(lambda: record_of(state, photo, peek, scale))
    indexed, rank = await backend.render(lambda: ranked(state.index, photo, peek, number))
    row, column = asked or record["filters"][position]["strongest"]
    sum_view, sum_problem = await sum_of(backend, photo, tensor, number, (row, column), trail)
    top, left, bottom, right = tensor.field.box(row, column)
    weights, site = backend.network.weights, tensor.site
    colours = kernels(weights, site) if has_kernels(weights.blueprint, site) else None
    links, query = urls(photo, tensor), query_of(**chosen(request))
    numbers = sorted(tensor.filters)
    place = numbers.index(number)
    page = FilterPage(
        photo=photo.record(),
        record=record,
        number=number,
        filter=record["filters"][position],
        place=(row, column),
        value=float(peek.activations[0, position, row, column]),
        is_strongest=[row, column] == record["filters"][position]["strongest"],
        box=(left, top, right, bottom),
        map=links["map"].format(n=number) + query_of(scale=scale, colour=colour),
        patch=f"{links['patch'].format(n=number)}?at={row},{column}",
        kernel=links["kernel"].format(n=number) if colours else None,
        kernel_legend=colours.legend(number) if colours else None,
        before=links["filter"].format(n=numbers[place - 1]) + query if place else None,
        after=links["filter"].format(n=numbers[place + 1]) + query if place + 1 < len(numbers) else None,
        scale=scale,
        colour=colour,
        query=query,
        indexed=indexed,
        rank=rank,
        trail=trail_view(photo, trail),
        sum=sum_view,
        sum_problem=sum_problem,
        findings=await findings_of(state, tensor, number),
    )
    return render("filter.html", state.site, page)


def trail_view(photo: StoredPhoto, trail: Sequence[Step]) -> tuple[tuple[str, str, str], ...]:
    """The trail for the template."""
    return tuple(
        (
            each.label,
            each.url(photo, trail[:number]),
            f"{urls(photo, each.tensor)['map'].format(n=each.number)}?scale=filter",
        )
        for number, each in enumerate(trail)
    )


async def findings_of(state: AppState, tensor: Tensor, number: int) -> Findings:
    """The names and the visualisation that earlier jobs have made."""
    backend = state.backend
    names, names_problem = await earlier(state, lambda: names_task(backend.job_network, state.index, tensor, number))
    made, made_problem = await earlier(
        state, lambda: visualisation_task(backend.job_network, state.index, tensor, number, state.visualisations)
    )
    path = f"{quoted(tensor.address)}/{number}"
    return Findings(
        names=None if names is None else json.loads(names),
        names_problem=names_problem,
        visualisation=None if made is None else unpacked(made)[0],
        visualisation_problem=made_problem,
        urls={
            "names": at(f"/api/filters/{path}/names"),
            "visualisation": at(f"/filters/{path}/visualisation.png"),
            "progress": at(f"/api/filters/{path}/visualisation/progress"),
        },
    )


async def earlier(state: AppState, task_of: Callable[[], Task]) -> tuple[bytes | None, str]:
    """The result of an earlier job if there was one, and why there cannot be one."""
    try:
        task = await state.backend.render(task_of)
    except GodeeperError as error:
        return None, str(error)
    return await state.backend.jobs.kept(task.key), ""
