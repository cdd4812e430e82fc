"""Handlers of the served filter index: a filter's record, and the crops of its photos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from ..compute.served_index import crop_of
from ..http.errors import not_found
from ..state import check_filter, json_response, state_of
from .records import filter_record

if TYPE_CHECKING:
    from starlette.requests import Request

    from ...blueprint.address import Tensor
    from ..compute.served_index import ServedIndex

NO_INDEX = "no index of photos is served: start godeeper serve with --photos FOLDER or --index FILE.index"


async def indexed_filter(request: Request) -> Response:
    """The record of a filter in the index."""
    served, (tensor, number) = index_of(request), await filter_in_path(request)
    render = state_of(request).backend.render
    return json_response(await render(lambda: filter_record(served, served.filter(tensor, number))))


async def crop(request: Request) -> Response:
    """The part of an indexed photo in the receptive field of a filter's strongest cell."""
    served, (tensor, number) = index_of(request), await filter_in_path(request)
    backend, photo = state_of(request).backend, request.path_params["indexed"]
    key = tensor.site.index, number, photo
    picture = served.crops.get(key)
    if picture is None:
        activation = await backend.render(lambda: served.activation(tensor, number, photo))
        decoded = await backend.decode(lambda: served.photo(photo, activation, backend.network))
        picture = await backend.render(lambda: crop_of(decoded, activation))
        served.crops.put(key, picture)
        served.crops.evict()
    return Response(picture, media_type="image/jpeg")


def index_of(request: Request) -> ServedIndex:
    """The served index; raises ``RequestError`` if there is none."""
    served = state_of(request).index
    if served is None:
        raise not_found(NO_INDEX)
    return served


async def filter_in_path(request: Request) -> tuple[Tensor, int]:
    """The tensor and the number of the filter in the path."""
    tensor, number = await state_of(request).backend.tensor(request.path_params["address"]), request.path_params["n"]
    check_filter(tensor, number)
    return tensor, number
