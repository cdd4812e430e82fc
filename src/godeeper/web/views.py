"""Handlers of the HTML pages."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import TemplateRuntimeError
from starlette.responses import Response

from ..blueprint.address import Tensor, stages
from ..blueprint.ops import Blueprint as Blueprint
from ..blueprint.sites import sites
from ..diagram.sheet import Diagram
from ..network import Network
from ..peek.colour import default_colour, table
from ..peek.peek import file_name
from ..peek.statistics import order
from ..report.page import article
from ..report.style import article_style
from .chart import draw as draw_chart
from .chart import layout as lay_out_chart
from .http.errors import not_found
from .http.root import at
from .offline import script as offline_script
from .offline import style as offline_style
from .pages import (
    Assets,
    EmptyPage,
    MapPage,
    OfflinePage,
    ReportPage,
    SiteFacts,
    TensorPage,
    VerdictPage,
    query_of,
    redirect,
    render,
)
from .pictures import levels
from .records import tensor_record, urls, viewable
from .state import AppState, attachment, classifier_of, filter_in_query, peek_of, photo_of, state_of
from .style import style_sheet
from .verdicts import class_of, evidence_of, evidence_record, module_in_query, verdict_record

if TYPE_CHECKING:
    from starlette.requests import Request

    from ..peek.peek import Peek
    from .compute.photo_store import StoredPhoto
    from .record_types import TensorRecord


async def empty(request: Request) -> Response:
    """The first page, without a photo."""
    return render("empty.html", state_of(request).site, EmptyPage(at("/photo/demo")))


async def network_map(request: Request) -> Response:
    """The network's map."""
    state, photo = state_of(request), await photo_of(request)
    ready = state.backend.ready(photo)
    page = MapPage(
        photo=photo.record(),
        chart=draw_chart(layout(state.backend.network.blueprint), photo.id, ready, linked(state.backend.network)),
        progress=at(f"/api/photos/{photo.id}/progress"),
        ready=state.backend.is_ready(photo),
    )
    return render("map.html", state.site, page)


async def drawing_style(request: Request) -> Response:
    """The style sheet computed from the network's diagram and the palettes."""
    text = style_sheet(layout(state_of(request).backend.network.blueprint)) + article_style()
    return Response(text, media_type="text/css", headers={"cache-control": "no-cache"})


@lru_cache(maxsize=4)
def layout(blueprint: Blueprint) -> Diagram:
    """The diagram of a network, with space for thumbnails."""
    return lay_out_chart(blueprint)


def linked(network: Network) -> frozenset[str]:
    """The addresses that have a page."""
    return frozenset(viewable(network, sites(network.blueprint)))


async def tensor(request: Request) -> Response:
    """All filters of one tensor."""
    state, photo = state_of(request), await photo_of(request)
    tensor = await state.backend.tensor(request.path_params["address"])
    if tensor.address != request.path_params["address"]:
        return redirect(urls(photo, tensor)["page"], request)
    scale, colour, sort = shown_as(request, "signed" if tensor.stage in ("conv", "batchnorm") else "shared")
    peek = await state.backend.peek(photo, tensor)
    record, places = await state.backend.render(
        lambda: (record_of(state, photo, peek, scale), order(peek.activations[0], sort))
    )
    page = TensorPage(
        photo=photo.record(),
        record=record,
        stages=stages_of(photo, tensor),
        scale=scale,
        colour=colour,
        sort=sort,
        query=query_of(**chosen(request)),
        order=tuple(places),
    )
    return render("tensor.html", state.site, page)


async def verdict(request: Request) -> Response:
    """The verdict on a photo, and its evidence."""
    state, photo = state_of(request), await photo_of(request)
    found = await evidence_of(request, photo)
    text = request.query_params.get("class")
    chosen = found.likeliest if text is None else class_of(found, text)
    page = VerdictPage(
        photo=photo.record(),
        verdict=verdict_record(state, photo, found),
        chosen=chosen,
        module=module_in_query(request, found),
        evidence=await state.backend.render(lambda: evidence_record(photo, found, chosen, None)),
    )
    return render("verdict.html", state.site, page)


async def report(request: Request) -> Response:
    """The report of the classifier's training."""
    state = state_of(request)
    return report_page(state.site, classifier_of(state).report_record)


def report_page(site: SiteFacts, record: Mapping[str, Any] | None) -> Response:
    """A report as a page; the record comes from a file, so it may be damaged."""
    if not record:
        raise not_found("this classifier's file holds no report")
    try:
        named = {"classifier": site.classifier} | dict(record)
        return render("report.html", site, ReportPage(str(named["classifier"]), article(named)))
    except (TemplateRuntimeError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise not_found(
            "the report in this classifier's file is damaged, or another version's, and cannot be shown; "
            "verdicts do not depend on it"
        ) from error


async def offline(request: Request) -> Response:
    """A tensor's page as one HTML file that needs no server."""
    state, photo = state_of(request), await photo_of(request)
    peek = await peek_of(request, photo, request.query_params.get("address", ""))
    scale, colour, sort = shown_as(request)
    order(peek.activations[0], sort)
    start = filter_in_query(request, peek)
    page = await state.backend.render(lambda: offline_page(state, photo, peek, (scale, colour, sort), start))
    response = render("offline.html", state.site, page)
    response.headers["content-disposition"] = attachment(file_name(peek, ".html"))
    return response


def offline_page(
    state: AppState, photo: StoredPhoto, peek: Peek, chosen: tuple[str, str, str], start: int | None
) -> OfflinePage:
    """The data of a tensor's offline page; ``chosen`` is the scale, the colour and the order."""
    scale, colour, sort = chosen
    assets = Assets(
        style=offline_style() + style_sheet(layout(state.backend.network.blueprint)),
        script=offline_script(),
        levels=data_uri(levels(peek, scale, colour), "image/png"),
        photo=data_uri(photo.display, "image/jpeg"),
        numbers=base64.b64encode(np.ascontiguousarray(peek.activations[0], "<f4").tobytes()).decode(),
        start=start,
    )
    return OfflinePage(photo.record(), record_of(state, photo, peek, scale), (), scale, colour, sort, "", assets)


def data_uri(data: bytes, kind: str) -> str:
    """Bytes as a ``data:`` URL."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def record_of(state: AppState, photo: StoredPhoto, peek: Peek, scale: str) -> TensorRecord:
    """The record of a tensor."""
    return tensor_record(state.backend.network, photo, peek, scale, state.backend.part(peek.tensor))


def stages_of(photo: StoredPhoto, tensor: Tensor) -> tuple[tuple[str, str, str], ...]:
    """The stages of a tensor's site: name, address, page."""
    tensors = [Tensor(tensor.site, stage) for stage in stages(tensor.site)]
    return tuple((each.stage or "", each.address, urls(photo, each)["page"]) for each in tensors)


def shown_as(request: Request, default_scale: str = "shared") -> tuple[str, str, str]:
    """(scale, colour, sort) of the query, with ``default_scale``; raises ``UnknownName`` for an unknown colour."""
    scale = request.query_params.get("scale", default_scale)
    colour = request.query_params.get("colour") or default_colour(scale)
    table(colour)
    return scale, colour, request.query_params.get("sort", "number")


def chosen(request: Request) -> dict[str, str | None]:
    """The scale and colour of the query, for links that keep them; None for one that the query does not have."""
    return {name: request.query_params.get(name) for name in ("scale", "colour")}
