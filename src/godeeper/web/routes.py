"""Every path, what answers it, and how it is described: one table for the router and for ``/api/openapi.json``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.routing import Route

from . import api, views
from .desk import while_wanted

if TYPE_CHECKING:
    from .desk import Handler


@dataclass(frozen=True)
class Row:
    """One path.  ``path`` is Starlette's; a GET is given up when its client hangs up."""

    method: str
    path: str
    handler: Handler
    summary: str

    def route(self) -> Route:
        """As the router wants it."""
        handler = (
            while_wanted(self.handler) if self.method == "GET" and self.handler is not api.progress else self.handler
        )
        return Route(self.path, handler, methods=[self.method])


ROWS = (
    Row("GET", "/", views.empty, "the first page"),
    Row("GET", "/drawing.css", views.drawing_style, "the pages' computed style"),
    Row("GET", "/report", views.report, "the classifier's report"),
    Row("GET", "/photo/{photo}", views.network_map, "the map"),
    Row("GET", "/photo/{photo}/verdict", views.verdict, "the classifier's verdict"),
    Row("GET", "/photo/{photo}/tensor/{address:path}/filter/{n:int}", views.filter_page, "a filter"),
    Row("GET", "/photo/{photo}/tensor/{address:path}", views.tensor, "a tensor's mosaic"),
    Row("GET", "/photo/{photo}/photo.jpg", api.display, "the photo"),
    Row("GET", "/photo/{photo}/input.png", api.network_input, "what the network saw"),
    Row("GET", "/photo/{photo}/picture.png", api.picture, "a tensor as a picture with its legend"),
    Row("GET", "/photo/{photo}/page.html", views.offline, "a tensor's page as one file"),
    Row("GET", "/photo/{photo}/thumbnail/{address:path}.png", api.thumbnail, "a few filters"),
    Row("GET", "/photo/{photo}/levels/{address:path}.png", api.levels, "all filters, native pixels"),
    Row("GET", "/photo/{photo}/map/{address:path}/{n:int}.png", api.filter_map, "one filter, native pixels"),
    Row(
        "GET", "/photo/{photo}/patch/{address:path}/{n:int}.png", api.photo_patch, "what a filter's strongest cell sees"
    ),
    Row("GET", "/photo/{photo}/kernel/{address:path}/{n:int}.png", api.kernel, "a filter's kernel in colour"),
    Row("GET", "/photo/{photo}/evidence/{n:int}.png", api.evidence_picture, "the evidence for a class on the photo"),
    Row("POST", "/api/photos", api.add_photo, "take a photo in"),
    Row("GET", "/api/photos/{photo}", api.photo_record, "a photo that is kept"),
    Row("GET", "/api/photos/{photo}/progress", api.progress, "compute a photo's look"),
    Row("GET", "/api/photos/{photo}/tensors/{address:path}", api.tensor, "a tensor's record"),
    Row("GET", "/api/photos/{photo}/values/{address:path}", api.values, "a tensor's values"),
    Row("GET", "/api/photos/{photo}/verdict", api.verdict, "the classifier's verdict"),
    Row("GET", "/api/photos/{photo}/evidence/{n:int}", api.evidence, "the evidence for a class"),
    Row("POST", "/api/peek", api.peek, "look at a photo"),
    Row("POST", "/api/classify", api.classify, "judge a photo"),
    Row("GET", "/api/tensors", api.tensors, "what can be looked at"),
    Row("GET", "/api/health", api.health, "that the server is there"),
)
