"""``/api/openapi.json``: the table of routes as an OpenAPI 3.1 description, from which tests generate requests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ..network import BLOG_TENSORS
from ..peek.colour import COLOURS
from ..peek.mosaic import SCALES
from ..version import __version__
from .account.sums import MAX_DEPTH
from .account.trail import MOST_STEPS
from .api import MAX_TILES
from .http.upload import LONGEST_TAB
from .pages import SORTS
from .schemas import SCHEMAS, TEXT, WHOLE, Schema, named

if TYPE_CHECKING:
    from .row import RouteRow

MEDIA = {
    "page": "text/html; charset=utf-8",
    "style": "text/css; charset=utf-8",
    "events": "text/event-stream; charset=utf-8",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "numbers": "application/octet-stream",
}
"""The media types of responses that are not JSON records."""

CELL: Schema = {"type": "string", "pattern": "^[0-9]{1,9},[0-9]{1,9}$"}

PARAMETERS: Mapping[str, tuple[str, Schema, list[Any]]] = {
    "photo": (
        "a photo's id: the first half of its SHA-256, or demo",
        {"type": "string", "pattern": "^(demo|[0-9a-f]{32})$"},
        ["demo"],
    ),
    "address": (
        "a tensor by any of its names, optionally with channels; slashes are not encoded",
        {"type": "string", "minLength": 1},
        [BLOG_TENSORS[0], "conv[3,7:12]"],
    ),
    "n": ("a filter's number within its tensor, or a class's", WHOLE, [0]),
    "indexed": ("a photo's number in the served index", WHOLE, [0]),
    "scale": ("the scale: what dark and bright mean", {"type": "string", "enum": list(SCALES)}, ["shared"]),
    "colour": ("the colour map", {"type": "string", "enum": list(COLOURS)}, ["grey"]),
    "sort": ("the order of the filters", {"type": "string", "enum": [name for name, _ in SORTS]}, ["number"]),
    "rows": ("rows of tiles", {"type": "integer", "minimum": 1, "maximum": MAX_TILES}, [2]),
    "columns": ("columns of tiles", {"type": "integer", "minimum": 1, "maximum": MAX_TILES}, [4]),
    "filter": ("the filter that is shown first", WHOLE, [0]),
    "pattern": (
        "an address or a pattern; by default all tensors",
        {"type": "string", "minLength": 1},
        ["mixed_*/join"],
    ),
    "tab": (
        "a random token of the browser tab: a new photo cancels the work for the tab's earlier one",
        {"type": "string", "maxLength": LONGEST_TAB},
        ["tab"],
    ),
    "class": ("a class by its name or number", TEXT, ["0"]),
    "module": ("one of the classifier's modules, to show its evidence alone", TEXT, ["mixed/join"]),
    "at": ("a cell, by default the strongest one: row and column", CELL, ["3,5"]),
    "via": (
        "the filters that led to this one, each with a cell",
        {"type": "array", "items": {"type": "string"}, "maxItems": MOST_STEPS},
        [["mixed/join[3]@12,7"]],
    ),
    "depth": ("the number of convolutions to go back", {"type": "integer", "minimum": 1, "maximum": MAX_DEPTH}, [1]),
    "over": ("a class whose evidence is subtracted", TEXT, ["0"]),
}
"""Name -> meaning, schema, examples."""

FORM: Mapping[str, Schema] = {
    "photo": {"type": "string", "contentMediaType": "application/octet-stream", "description": "the photo's file"},
    "tab": PARAMETERS["tab"][1],
    "address": {"type": "array", "items": PARAMETERS["address"][1], "maxItems": 8},
    "scale": PARAMETERS["scale"][1],
}

FOUND, MOVED = HTTPStatus.SEE_OTHER, HTTPStatus.TEMPORARY_REDIRECT


def describe(rows: Iterable[RouteRow]) -> dict[str, Any]:
    """The OpenAPI description of ``rows``."""
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(plain(row.path), {})[row.method.lower()] = operation(row)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "godeeper",
            "version": __version__,
            "description": "Look inside an Inception network with a photo. Photos are kept in memory only.",
        },
        "paths": paths,
        "components": {"schemas": dict(SCHEMAS)},
    }


def plain(path: str) -> str:
    """A path without its converters: ``{address:path}`` as ``{address}``."""
    return re.sub(r":\w+}", "}", path)


def operation(row: RouteRow) -> dict[str, Any]:
    """One row of the table."""
    in_path = re.findall(r"{(\w+)", row.path)
    described: dict[str, Any] = {
        "summary": row.summary,
        "operationId": f"{row.handler.__module__.rpartition('.')[2]}_{row.handler.__name__}",
        "parameters": [
            *(parameter(name, "path") for name in in_path),
            *(parameter(name, "query", required=name == "address") for name in row.query),
        ],
        "responses": {str(status.value): response for status, response in responses(row, in_path).items()},
    }
    if row.form:
        described["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": form(row.form)}}}
    return described


def parameter(name: str, location: str, *, required: bool = True) -> dict[str, Any]:
    """One parameter; ``location`` is ``path`` or ``query``."""
    meaning, schema, examples = PARAMETERS[name]
    return {
        "name": name,
        "in": location,
        "required": required,
        "description": meaning,
        "schema": schema,
        "examples": {str(value): {"value": value} for value in examples},
    }


def form(fields: Iterable[str]) -> Schema:
    """The fields of a form."""
    return {"type": "object", "properties": {name: FORM[name] for name in fields}, "required": ["photo"]}


def responses(row: RouteRow, in_path: list[str]) -> dict[HTTPStatus, dict[str, Any]]:
    """The responses of a route, by status."""
    failed = {status: {"description": status.phrase, "content": failure(row)} for status in failures(row, in_path)}
    if row.gives in MEDIA:
        content: dict[str, Any] = {MEDIA[row.gives]: {}}
    else:
        content = {"application/json": {"schema": named(row.gives)}}
    good = {row.status: {"description": row.summary, "content": content}}
    if row.gives == "page" and "address" in in_path:
        good[MOVED] = {"description": "the same page under the tensor's own name"}
    if row.status == HTTPStatus.CREATED:
        good[FOUND] = {"description": "the photo's page, for browsers that ask for HTML"}
    return good | failed


def failures(row: RouteRow, in_path: list[str]) -> list[HTTPStatus]:
    """The statuses of the route's possible errors."""
    statuses = [HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN]
    if in_path or row.needs_classifier:
        statuses.append(HTTPStatus.NOT_FOUND)
    if row.query or "address" in in_path:
        statuses.append(HTTPStatus.UNPROCESSABLE_ENTITY)
    if "pattern" in row.query or "address" in row.form:
        statuses.append(HTTPStatus.NOT_FOUND)
    if row.form:
        statuses += [
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
        ]
    return statuses


def failure(row: RouteRow) -> dict[str, Any]:
    """The content of an error response: a record for programs, and a page for browsers."""
    content: dict[str, Any] = {"application/json": {"schema": named("Error")}}
    return content if row.path.startswith("/api/") else content | {MEDIA["page"]: {}}
