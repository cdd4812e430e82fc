"""The pages: what each template is given, as frozen records, and the answers made of them.

Every template gets ``site`` (a ``SiteFacts``) and ``page`` (the record of that page).  A template makes up no fact and no
legend: what it prints is in these records.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ..classifier.refusal import written
from ..diagram.sheet import display_name
from ..escaping import escaped
from ..network import Network
from ..peek.colour import COLOURS
from ..peek.mosaic import SCALES
from ..peek.statistics import SELECTIVITY, STRENGTH
from ..version import __version__
from .chart import Chart
from .http.root import at

if TYPE_CHECKING:
    from jinja2.runtime import Context
    from markupsafe import Markup
    from starlette.requests import Request

    from .record_types import EvidenceRecord, PhotoRecord, TensorRecord, VerdictRecord, ViewedFilterRecord


SORTS = (("number", "the order of the filters' numbers"), ("strength", STRENGTH), ("selectivity", SELECTIVITY))
"""What filters can be sorted by (``explain.filters.ORDERS``), and what that means."""


@dataclass(frozen=True)
class SiteFacts:
    """What every page knows.  ``classes``: of the classifier that is served, empty where there is none."""

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
    """``empty.html``: no photo yet.  ``demo``: where the demonstration photo's map is."""

    demo: str


@dataclass(frozen=True)
class MapPage:
    """``map.html``: the network with room for thumbnails.

    ``photo``: the photo's record, as ``GET /api/photos/{photo}`` answers it.  ``chart``: the network drawn, as links.
    ``progress``: the event stream that says which thumbnails are ready; ``ready``: whether all are already.
    """

    photo: PhotoRecord
    chart: Chart
    progress: str
    ready: bool


@dataclass(frozen=True)
class TensorPage:
    """``tensor.html``: the mosaic.  ``record``: as ``GET /api/photos/{photo}/tensors/{address}`` answers it."""

    photo: PhotoRecord
    record: TensorRecord
    stages: tuple[tuple[str, str, str], ...]  # stage, address, url: of the same site; one row where it has no stages
    scale: str
    colour: str
    sort: str
    query: str  # the chosen scale and colour as a query, empty where they are the usual ones
    order: tuple[int, ...]  # positions of the tiles in the chosen order


@dataclass(frozen=True)
class FilterPage:
    """``filter.html``: one filter.  ``number``: within the whole tensor; ``filter``: its row of ``record["filters"]``.

    ``place``: (row, column) of its strongest cell; ``box``: (left, top, right, bottom) of that cell's receptive field
    in the network's input, which may reach over its border.
    """

    photo: PhotoRecord
    record: TensorRecord
    number: int
    filter: ViewedFilterRecord
    place: tuple[int, int]
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


@dataclass(frozen=True)
class VerdictPage:
    """``verdict.html``: what the classifier says, and why.

    ``verdict``: as ``GET /api/photos/{photo}/verdict`` answers it.  ``chosen``: the number of the class that is explained;
    ``evidence``: as ``GET /api/photos/{photo}/evidence/{chosen}`` answers it; ``module``: the one that is shown alone.
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
    """All that the offline page needs, as text: ``numbers`` base64 of float32, little-endian, (C, H, W)."""

    style: str
    script: str
    levels: str  # data: addresses
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
    """``error.html``: what was wrong, in one line."""

    status: int
    title: str
    message: str


@lru_cache(maxsize=1)
def templates() -> Environment:
    """The templates of the package."""
    environment = Environment(
        loader=PackageLoader("godeeper.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=shown,
    )
    environment.filters["at"] = mounted
    environment.filters["written"] = written
    return environment


def shown(value: object) -> object:
    """A value as a page shows it: names of classes and files can do nothing but say something."""
    return escaped(value) if type(value) is str else value  # Markup is a string, and godeeper's own


@pass_context  # or Jinja would compute it once for all requests, from what is constant in a template
def mounted(_: Context, path: str) -> str:
    """The filter ``at``: a path of the page as a browser must ask for it."""
    return at(path)


def site_of(network: Network, classifier: str | None, classes: tuple[str, ...], most_upload_bytes: int) -> SiteFacts:
    """What every page knows of this server."""
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
"""What stays as it is in a query that is passed on."""


def render(template: str, site: SiteFacts, page: object, status: int = 200) -> Response:
    """A page."""
    body = filled(template, site, page).encode("utf-8", "replace")  # a folder's name may hold what no encoding has
    return HTMLResponse(body, status)


def filled(template: str, site: SiteFacts, page: object) -> str:
    """The text of a page."""
    return templates().get_template(template).render(site=site, page=page)


def error_page(site: SiteFacts, status: int, message: str) -> Response:
    """The page for a request that is not answered."""
    return render("error.html", site, ErrorPage(status, HTTPStatus(status).phrase, message), status)


def redirect(path: str, request: Request) -> Response:
    """To the same page under its own name, with the query as it was."""
    given: bytes = request.scope["query_string"]  # which need not be UTF-8
    query = f"?{quote(given, safe=URL_SIGNS)}" if given else ""
    return RedirectResponse(f"{path}{query}", HTTPStatus.TEMPORARY_REDIRECT)


def query_of(**chosen: str | None) -> str:
    """``?scale=…`` of what is chosen, or nothing."""
    given = {name: value for name, value in chosen.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
