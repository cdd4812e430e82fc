"""The application: backend, routes, static files, and how errors are shown, behind the guard."""

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
from ..photos.preprocess import Preprocess
from ..weights.registry import find
from .compute.backend import Backend
from .http.errors import status_of
from .http.guard import API, USUAL, Guard, Rules
from .http.upload import MAX_BYTES, UploadReader
from .pages import error_page, site_of
from .routes import ROWS
from .state import AppState, json_response, state_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Scope

    from ..classifier.classifier import Classifier
    from .record_types import ErrorRecord

STATIC = Path(__file__).parent / "static"


class Static(StaticFiles):
    """The package's own files: kept by browsers, but requested again, which costs nothing where they are unchanged."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        if "\0" in path:  # which earlier versions of Starlette hand on to the system
            raise HTTPException(HTTPStatus.NOT_FOUND)
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "no-cache"
        return response


def make_app(
    backend: Backend,
    classifier: Classifier | None = None,
    *,
    classifier_name: str | None = None,
    rules: Rules = USUAL,
    upload_reader: UploadReader | None = None,
) -> Guard:
    """The page over a backend.

    Args:
        backend: the network and the photos.
        classifier: whose verdicts to show, if any; its network is the backend's.
        classifier_name: what to call it.
        rules: who is let in.
        upload_reader: limits of uploads, where they are not the usual ones.
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
    app.state.page = AppState(backend, upload_reader or UploadReader(), site, classifier)
    return Guard(app, rules)


def make_backend(classifier: Classifier | None, weights: str = "bundled") -> Backend:
    """The backend of a classifier, or of weights by name or file; raises ``GodeeperError``."""
    if classifier:
        return Backend(classifier.weights_file, classifier.preprocess, calibration=classifier.calibration)
    found = find(weights)
    return Backend(found, Preprocess.from_mapping(found.description.preprocessing))


async def own_error(request: Request, error: Exception) -> Response:
    """The input's fault."""
    return failure(
        request, status_of(error) if isinstance(error, GodeeperError) else HTTPStatus.BAD_REQUEST, str(error)
    )


async def http_error(request: Request, error: Exception) -> Response:
    """No such path, or not with this method."""
    status = HTTPStatus(error.status_code if isinstance(error, HTTPException) else 400)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        answer = failure(request, status, f"{path_of(request)[:80]} takes no {request.method[:20]}")
        answer.headers.update(getattr(error, "headers", None) or {})
        return answer
    return failure(request, status, f"there is nothing at {path_of(request)[:200]}")


async def server_error(request: Request, _: Exception) -> Response:
    """Godeeper's fault; the server's log has the details."""
    return failure(request, HTTPStatus.INTERNAL_SERVER_ERROR, "godeeper failed here; the terminal it runs in says more")


def failure(request: Request, status: HTTPStatus, message: str) -> Response:
    """An error as JSON for programs, as a page for people."""
    if wants_record(request):
        record: ErrorRecord = {"error": message, "status": status.value}
        return json_response(record, status)
    return error_page(state_of(request).site, status.value, message)


def wants_record(request: Request) -> bool:
    """Whether who asks wants JSON: a program, or the interface; but a form without a script wants a page."""
    accepted = request.headers.get("accept", "")
    wants_page = "text/html" in accepted and "application/json" not in accepted
    return not wants_page and (path_of(request).startswith(API) or "application/json" in accepted)


def path_of(request: Request) -> str:
    """The path that was asked for, without what the page is mounted under."""
    path: str = request.scope["asked_path"]
    return path
