"""The data of each template as a frozen record, and the rendering of templates.

Every template gets ``site`` (a ``SiteFacts``) and ``page`` (the record of that page).  All facts and legends on a page come
from these two.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from jinja2 import pass_context
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ..classifier.refusal import written
from ..diagram.sheet import display_name
from ..network import Network
from ..peek.colour import COLOURS
from ..peek.mosaic import SCALES
from ..peek.statistics import SELECTIVITY, STRENGTH
from ..templates import template_environment
from ..version import __version__
from .chart import Chart
from .http.root import at

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.runtime import Context
    from markupsafe import Markup
    from starlette.requests import Request

    from .record_types import (
        EvidenceRecord,
        PhotoRecord,
        TensorRecord,
        VerdictRecord,
    )


SORTS = (("number", "by filter number"), ("strength", STRENGTH), ("selectivity", SELECTIVITY))
"""Each order of filters in ``peek.statistics.ORDERS``, with its meaning."""


@dataclass(frozen=True)
class SiteFacts:
    """The data that all pages share.  ``classes``: the classes of the served classifier; empty if there is none."""

    version: str
    network: str
    weights: str
    preprocessing: str
    classifier: str | None
    classes: tuple[str, ...]
    scales: tuple[str, ...]
    colours: tuple[str, ...]
    sorts: tuple[tuple[str, str], ...]  # name, meaning
    most_upload_bytes: int


@dataclass(frozen=True)
class EmptyPage:
    """``empty.html``: the first page.  ``demo``: the URL of the demo photo's map."""

    demo: str


@dataclass(frozen=True)
class MapPage:
    """``map.html``: the network's map, with space for thumbnails.

    ``photo``: the photo's record, as ``GET /api/photos/{photo}`` returns it.  ``chart``: the drawn network, with links.
    ``progress``: the URL of the progress stream.  ``ready``: whether all thumbnails are ready.
    """

    photo: PhotoRecord
    chart: Chart
    progress: str
    ready: bool


@dataclass(frozen=True)
class TensorPage:
    """``tensor.html``: the mosaic.  ``record``: as ``GET /api/photos/{photo}/tensors/{address}`` returns it."""

    photo: PhotoRecord
    record: TensorRecord
    stages: tuple[
        tuple[str, str, str], ...
    ]  # (stage, address, URL) of each stage of the site; one row if it has no stages
    scale: str
    colour: str
    sort: str
    query: str  # the chosen scale and colour as a URL query; empty for the defaults
    order: tuple[int, ...]  # positions of the tiles in the chosen order


@dataclass(frozen=True)
class VerdictPage:
    """``verdict.html``: the verdict and its evidence.

    ``verdict``: as ``GET /api/photos/{photo}/verdict`` returns it.  ``chosen``: the number of the class that is explained.
    ``evidence``: as ``GET /api/photos/{photo}/evidence/{chosen}`` returns it.  ``module``: the only module whose evidence
    is shown; None shows all.
    """

    photo: PhotoRecord
    verdict: VerdictRecord
    chosen: int
    module: str | None
    evidence: EvidenceRecord


@dataclass(frozen=True)
class ReportPage:
    """``report.html``: the report of the classifier's training; ``article``: as ``godeeper.report`` renders it."""

    classifier: str
    article: Markup


@dataclass(frozen=True)
class Assets:
    """The files of the offline page, as text.  ``numbers``: the activations (C, H, W), little-endian float32 in base64."""

    style: str
    script: str
    levels: str  # data: URLs
    photo: str
    numbers: str
    start: int | None  # the filter that is shown first


@dataclass(frozen=True)
class OfflinePage:
    """``offline.html``: a tensor's page as one file that needs no server."""

    photo: PhotoRecord
    record: TensorRecord
    stages: tuple[tuple[str, str, str], ...]
    scale: str
    colour: str
    sort: str
    query: str
    assets: Assets


@dataclass(frozen=True)
class ErrorPage:
    """``error.html``: an error in one line."""

    status: int
    title: str
    message: str


@lru_cache(maxsize=1)
def templates() -> Environment:
    """The templates of the package."""
    environment = template_environment("godeeper.web")
    environment.filters["at"] = mounted
    environment.filters["written"] = written
    return environment


@pass_context  # otherwise Jinja would evaluate the filter only once, at compile time, if the path is constant
def mounted(_: Context, path: str) -> str:
    """The Jinja filter ``at``: prefixes a path with the mount path; see ``http.root.at``."""
    return at(path)


def site_of(network: Network, classifier: str | None, classes: tuple[str, ...], most_upload_bytes: int) -> SiteFacts:
    """The data that all pages of a server share."""
    return SiteFacts(
        version=__version__,
        network=display_name(network.blueprint.name),
        weights=network.weights.name,
        preprocessing=network.preprocess.summary,
        classifier=classifier,
        classes=classes,
        scales=tuple(SCALES),
        colours=tuple(COLOURS),
        sorts=SORTS,
        most_upload_bytes=most_upload_bytes,
    )


URL_SIGNS = "%:/?#[]@!$&'()*+,;=-._~"
"""Characters that ``redirect`` does not encode in the query."""


def render(template: str, site: SiteFacts, page: object, status: int = 200) -> Response:
    """A page as a response."""
    body = filled(template, site, page).encode("utf-8", "replace")  # a folder's name may have undecodable bytes
    return HTMLResponse(body, status)


def filled(template: str, site: SiteFacts, page: object) -> str:
    """The text of a page."""
    return templates().get_template(template).render(site=site, page=page)


def error_page(site: SiteFacts, status: int, message: str) -> Response:
    """The page for a request that failed."""
    return render("error.html", site, ErrorPage(status, HTTPStatus(status).phrase, message), status)


def redirect(path: str, request: Request) -> Response:
    """Redirect to the same page under the tensor's own name, with the query unchanged."""
    given: bytes = request.scope["query_string"]  # it may not be valid UTF-8
    query = f"?{quote(given, safe=URL_SIGNS)}" if given else ""
    return RedirectResponse(f"{path}{query}", HTTPStatus.TEMPORARY_REDIRECT)


def query_of(**chosen: str | None) -> str:
    """A URL query such as ``?scale=…`` with the values that are not None; empty if all are None."""
    given = {name: value for name, value in chosen.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
