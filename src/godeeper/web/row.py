"""A row of the table of routes."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.routing import Route

from .state import cancelled_on_disconnect

if TYPE_CHECKING:
    from .state import Handler


@dataclass(frozen=True)
class RouteRow:
    """One path and method.

    ``path`` uses Starlette's syntax.  ``gives``: a key of ``openapi.MEDIA``, or of ``schemas.SCHEMAS`` for a JSON record.
    ``query`` and ``form``: names of parameters, which ``openapi`` describes.  The handler of a GET is cancelled when its
    client disconnects; event streams handle that themselves.
    """

    method: str
    path: str
    handler: Handler
    gives: str
    summary: str
    query: tuple[str, ...] = ()
    form: tuple[str, ...] = ()
    status: HTTPStatus = HTTPStatus.OK
    needs_classifier: bool = False

    def route(self) -> Route:
        """The row as a route of Starlette."""
        handles_disconnect = self.method != "GET" or self.gives == "events"
        return Route(
            self.path,
            self.handler if handles_disconnect else cancelled_on_disconnect(self.handler),
            methods=[self.method],
        )
