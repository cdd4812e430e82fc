"""Every path, what answers it, and how it is described: one table for the router and for ``/api/openapi.json``."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.convertors import IntegerConvertor, register_url_convertor

from . import api, views
from .http.root import at
from .openapi import describe
from .row import RouteRow
from .state import json_response

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


class Number(IntegerConvertor):
    """A whole number in a path, with few enough digits that Python converts it; more is another path."""

    regex = "[0-9]{1,9}"


register_url_convertor("number", Number())


async def openapi(request: Request) -> Response:  # noqa: ARG001 (every handler gets the request)
    """The description of all this."""
    return json_response({**description(), "servers": [{"url": at("/")}]})


@lru_cache(maxsize=1)
def description() -> dict[str, Any]:
    """The table as an OpenAPI description."""
    return describe(ROWS)


LOOK = ("scale", "colour")
EXPORT = ("address", "scale", "colour", "sort")
PHOTO, PAGE = "/photo/{photo}", "/photo/{photo}/tensor/{address:path}"
DATA = "/api/photos/{photo}"

ROWS = (
    RouteRow("GET", "/", views.empty, "page", "the first page: no photo yet"),
    RouteRow("GET", "/drawing.css", views.drawing_style, "style", "the style that follows from the network's drawing"),
    RouteRow("GET", "/report", views.report, "page", "the report of the classifier's training", needs_classifier=True),
    RouteRow("GET", PHOTO, views.network_map, "page", "the network's map, the index of everything"),
    RouteRow("GET", f"{PHOTO}/verdict", views.verdict, "page", "the verdict and its evidence", ("class", "module")),
    RouteRow("GET", f"{PAGE}/filter/{{n:number}}", views.filter_page, "page", "one filter", LOOK),
    RouteRow("GET", PAGE, views.tensor, "page", "all filters of a tensor", (*LOOK, "sort")),
    RouteRow("GET", f"{PHOTO}/photo.jpg", api.display, "jpeg", "the photo, at most 1600 pixels a side"),
    RouteRow("GET", f"{PHOTO}/input.png", api.network_input, "png", "the square that the network saw"),
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
        "the photo cut out where a filter's strongest cell sees it",
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
        "POST", "/api/photos", api.add_photo, "Photo", "take a photo in", (), ("photo", "tab"), HTTPStatus.CREATED
    ),
    RouteRow("GET", DATA, api.photo_record, "Photo", "a photo that is kept"),
    RouteRow("GET", f"{DATA}/progress", api.progress, "events", "compute a photo's look, part by part", ("tab",)),
    RouteRow("GET", f"{DATA}/tensors/{{address:path}}", api.tensor, "Tensor", "a tensor's record", ("scale",)),
    RouteRow("GET", f"{DATA}/values/{{address:path}}", api.values, "numbers", "float32, little-endian, (C, H, W)"),
    RouteRow("GET", f"{DATA}/verdict", api.verdict, "Verdict", "the verdict, and what it comes from"),
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
    RouteRow("GET", "/api/tensors", api.tensors, "Tensors", "what there is to look at", ("pattern",)),
    RouteRow("GET", "/api/health", api.health, "Health", "that the server is there, and with what"),
    RouteRow("GET", "/api/openapi.json", openapi, "Description", "this description"),
)
