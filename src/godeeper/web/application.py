"""The application: backend, routes, static files, and error pages, behind the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from ..errors import GodeeperError
from ..filters.visualisation.visualise import Settings
from ..photos.preprocess import Preprocess
from ..weights.registry import find
from .compute.backend import Backend
from .http.errors import status_of
from .http.guard import API, DEFAULT_RULES, Guard, Rules
from .http.upload import MAX_BYTES, UploadReader
from .pages import error_page, site_of
from .routes import ROWS
from .state import AppState, json_response, state_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Scope

    from ..classifier.classifier import Classifier
    from .compute.served_index import ServedIndex
    from .record_types import ErrorRecord

STATIC = Path(__file__).parent / "static"


class Static(StaticFiles):
    """The package's static files, which browsers cache but revalidate."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        if (
            "\0" in path
        ):  # earlier versions of Starlette pass such paths to the operating system, which raises ValueError
            raise HTTPException(HTTPStatus.NOT_FOUND)
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "no-cache"
        return response


def make_app(
    backend: Backend,
    classifier: Classifier | None = None,
    *,
    classifier_name: str | None = None,
    rules: Rules = DEFAULT_RULES,
    upload_reader: UploadReader | None = None,
    index: ServedIndex | None = None,
    visualisations: Settings | None = None,
) -> Guard:
    """The page's application for a backend.

    Args:
        backend: the network and the photos.
        classifier: the classifier whose verdicts are shown, if any; it must use the backend's network.
        classifier_name: the displayed name of the classifier.
        rules: the access rules.
        upload_reader: reads uploads; with the default limits if None.
        index: the filter index that is shown, if any; see ``compute.served_index.check_network``.
        visualisations: how filters are visualised; None means the default.
    """
    classes = classifier.head.classes if classifier else ()
    site = site_of(backend.network, classifier_name, tuple(classes), MAX_BYTES)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        backend.close()

    app = Starlette(
        routes=[*(row.route() for row in ROWS), Mount("/static", Static(directory=STATIC), name="static")],
        exception_handlers={GodeeperError: own_error, HTTPException: http_error, Exception: server_error},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.page = AppState(
        backend, upload_reader or UploadReader(), site, classifier, index, visualisations or Settings()
    )
    return Guard(app, rules)


def make_backend(classifier: Classifier | None, weights: str = "bundled") -> Backend:
    """The backend of a classifier, or of weights by name or file; raises ``GodeeperError``."""
    if classifier:
        return Backend(classifier.weights_file, classifier.preprocess, calibration=classifier.calibration)
    file = find(weights)
    return Backend(file, Preprocess.from_mapping(file.description.preprocessing))


async def own_error(request: Request, error: Exception) -> Response:
    """The response to a ``GodeeperError``."""
    return failure(
        request, status_of(error) if isinstance(error, GodeeperError) else HTTPStatus.BAD_REQUEST, str(error)
    )


async def http_error(request: Request, error: Exception) -> Response:
    """The response to an unknown path, or to a method that the path does not support."""
    status = HTTPStatus(error.status_code if isinstance(error, HTTPException) else 400)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        response = failure(request, status, f"{path_of(request)[:80]} does not support {request.method[:20]}")
        response.headers.update(getattr(error, "headers", None) or {})
        return response
    return failure(request, status, f"there is nothing at {path_of(request)[:200]}")


async def server_error(request: Request, _: Exception) -> Response:
    """The response to an unexpected error; the server's terminal shows the traceback."""
    return failure(request, HTTPStatus.INTERNAL_SERVER_ERROR, "godeeper failed; its terminal shows the details")


def failure(request: Request, status: HTTPStatus, message: str) -> Response:
    """An error as JSON for programs, or as a page for browsers."""
    if wants_record(request):
        record: ErrorRecord = {"error": message, "status": status.value}
        return json_response(record, status)
    return error_page(state_of(request).site, status.value, message)


def wants_record(request: Request) -> bool:
    """Whether the client wants JSON, as programs and the page's scripts do; a form sent without scripts wants a page."""
    accepted = request.headers.get("accept", "")
    wants_page = "text/html" in accepted and "application/json" not in accepted
    return not wants_page and (path_of(request).startswith(API) or "application/json" in accepted)


def path_of(request: Request) -> str:
    """The requested path, without the path that the page is mounted at."""
    path: str = request.scope["own_path"]
    return path
