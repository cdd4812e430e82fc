"""The table of routes, which the router and ``/api/openapi.json`` share."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.convertors import IntegerConvertor, register_url_convertor

from . import api, views
from .account import handlers as account
from .account.page import filter_page
from .filter_index import handlers as filter_index
from .http.root import at
from .openapi import describe
from .row import RouteRow
from .state import json_response

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


class Number(IntegerConvertor):
    """An integer in a path, of at most nine digits; a longer one does not match."""

    regex = "[0-9]{1,9}"


register_url_convertor("number", Number())


async def openapi(request: Request) -> Response:  # noqa: ARG001 (every handler gets the request)
    """The OpenAPI description."""
    return json_response({**description(), "servers": [{"url": at("/")}]})


@lru_cache(maxsize=1)
def description() -> dict[str, Any]:
    """The OpenAPI description of ``ROWS``."""
    return describe(ROWS)


LOOK = ("scale", "colour")
EXPORT = ("address", "scale", "colour", "sort")
PHOTO, PAGE = "/photo/{photo}", "/photo/{photo}/tensor/{address:path}"
DATA = "/api/photos/{photo}"
FILTER = "/api/filters/{address:path}/{n:number}"

ROWS = (
    RouteRow("GET", "/", views.empty, "page", "the first page, without a photo"),
    RouteRow("GET", "/drawing.css", views.drawing_style, "style", "the style sheet for the network's map"),
    RouteRow("GET", "/report", views.report, "page", "the report of the classifier's training", needs_classifier=True),
    RouteRow("GET", PHOTO, views.network_map, "page", "the network's map"),
    RouteRow("GET", f"{PHOTO}/verdict", views.verdict, "page", "the verdict and its evidence", ("class", "module")),
    RouteRow("GET", f"{PAGE}/filter/{{n:number}}", filter_page, "page", "one filter", (*LOOK, "at", "via")),
    RouteRow("GET", PAGE, views.tensor, "page", "all filters of a tensor", (*LOOK, "sort")),
    RouteRow("GET", f"{PHOTO}/photo.jpg", api.display, "jpeg", "the photo, at most 1600 pixels per side"),
    RouteRow("GET", f"{PHOTO}/input.png", api.network_input, "png", "the network's input as a picture"),
    RouteRow("GET", f"{PHOTO}/picture.png", api.picture, "png", "a tensor with heading, legend and provenance", EXPORT),
    RouteRow("GET", f"{PHOTO}/page.html", views.offline, "page", "a tensor's page as one file", (*EXPORT, "filter")),
    RouteRow(
        "GET",
        f"{PHOTO}/thumbnail/{{address:path}}.png",
        api.thumbnail,
        "png",
        "the filters that vary most, for a box of the map",
        ("rows", "columns"),
    ),
    RouteRow("GET", f"{PHOTO}/levels/{{address:path}}.png", api.levels, "png", "all filters at native pixels", LOOK),
    RouteRow("GET", f"{PHOTO}/map/{{address:path}}/{{n:number}}.png", api.filter_map, "png", "one filter's map", LOOK),
    RouteRow(
        "GET",
        f"{PHOTO}/patch/{{address:path}}/{{n:number}}.png",
        api.photo_patch,
        "png",
        "the part of the photo in the receptive field of a filter's cell, by default the strongest one",
        ("at",),
    ),
    RouteRow(
        "GET",
        f"{PHOTO}/kernel/{{address:path}}/{{n:number}}.png",
        api.kernel,
        "png",
        "a kernel of the first convolution in colour",
    ),
    RouteRow(
        "GET",
        f"{PHOTO}/evidence/{{n:number}}.png",
        api.evidence_picture,
        "png",
        "a class's evidence on the photo",
        ("over", "module"),
    ),
    RouteRow(
        "GET",
        "/index/crops/{address:path}/{n:number}/{indexed:number}.jpg",
        filter_index.crop,
        "jpeg",
        "the part of an indexed photo in the receptive field of a filter's strongest cell",
    ),
    RouteRow("POST", "/api/photos", api.add_photo, "Photo", "store a photo", (), ("photo", "tab"), HTTPStatus.CREATED),
    RouteRow("GET", DATA, api.photo_record, "Photo", "the record of a stored photo"),
    RouteRow(
        "GET", f"{DATA}/progress", api.progress, "events", "compute a photo's forward pass, part by part", ("tab",)
    ),
    RouteRow("GET", f"{DATA}/tensors/{{address:path}}", api.tensor, "Tensor", "a tensor's record", ("scale",)),
    RouteRow("GET", f"{DATA}/values/{{address:path}}", api.values, "numbers", "float32, little-endian, (C, H, W)"),
    RouteRow("GET", f"{DATA}/verdict", api.verdict, "Verdict", "the verdict and its evidence"),
    RouteRow("GET", f"{DATA}/evidence/{{n:number}}", api.evidence, "Evidence", "the evidence for one class", ("over",)),
    RouteRow("POST", "/api/peek", api.peek, "Peek", "the record of godeeper peek", (), ("photo", "address", "scale")),
    RouteRow(
        "POST",
        "/api/classify",
        api.classify,
        "Judgements",
        "the record of godeeper classify",
        (),
        ("photo",),
        needs_classifier=True,
    ),
    RouteRow("GET", "/api/tensors", api.tensors, "Tensors", "the tensors of the network", ("pattern",)),
    RouteRow(
        "GET",
        FILTER,
        filter_index.indexed_filter,
        "IndexedFilter",
        "the photos of the served index that activate a filter most",
    ),
    RouteRow(
        "GET",
        f"{DATA}/contributions/{{address:path}}/{{n:number}}",
        account.contributions,
        "Contributions",
        "the value of a filter at a cell as a sum of contributions",
        ("at", "depth"),
    ),
    RouteRow("GET", f"{FILTER}/names", account.names, "Names", "what a filter responds to, from the served index"),
    RouteRow(
        "GET", f"{FILTER}/visualisation", account.visualisation, "Visualisation", "a visualisation that has been made"
    ),
    RouteRow(
        "GET",
        f"{FILTER}/visualisation/progress",
        account.visualisation_progress,
        "events",
        "make a picture of what a filter wants, step by step",
    ),
    RouteRow(
        "GET",
        "/filters/{address:path}/{n:number}/visualisation.png",
        account.visualisation_picture,
        "png",
        "a visualisation that has been made",
    ),
    RouteRow("GET", "/api/health", api.health, "Health", "whether the server is up, and what it serves"),
    RouteRow("GET", "/api/openapi.json", openapi, "Description", "this description"),
)
