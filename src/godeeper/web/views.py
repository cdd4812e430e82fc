"""Answers for people: the pages, filled in."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ..blueprint.address import Tensor, stages
from ..blueprint.cost import conv_macs
from ..blueprint.diagram.card import Style
from ..blueprint.diagram.sheet import Diagram, diagram
from ..blueprint.ops import Network as Blueprint
from ..peek.colour import default_colour, table
from ..peek.ranking import order
from .desk import Desk, desk_of, filter_of, photo_of
from .pages import EmptyPage, FilterPage, MapPage, Part, TensorPage, query_of, redirect, render
from .records import tensor_record, urls

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from ..peek.capture import Peek
    from .album import Kept

PICTURE_ROWS = 2  # rows of tiles in a box of the map


async def empty(request: Request) -> Response:
    """No photo yet."""
    return render("empty.html", desk_of(request).site, EmptyPage("/photo/demo"))


async def network_map(request: Request) -> Response:
    """The network as the index of everything."""
    desk, photo = desk_of(request), await photo_of(request)
    network = desk.laboratory.network
    page = MapPage(
        photo=photo.record(),
        base=f"/photo/{photo.id}",
        diagram=sheet(network.blueprint),
        parts=tuple(parts_of(desk, photo)),
        progress=f"/api/photos/{photo.id}/progress",
        ready=desk.laboratory.is_ready(photo),
    )
    return render("map.html", desk.site, page)


@lru_cache(maxsize=4)
def sheet(blueprint: Blueprint) -> Diagram:
    """The whole network on a sheet, with room for thumbnails."""
    return diagram(blueprint, Style(names=True, picture_rows=PICTURE_ROWS))


def parts_of(desk: Desk, photo: Kept) -> list[Part]:
    """The index: every part of the network that is computed."""
    total = conv_macs(desk.laboratory.network.blueprint)
    found = []
    for segment in desk.laboratory.segments:
        end = segment.tensors[-1]
        found.append(
            Part(
                title=segment.part,
                names=tuple(dict.fromkeys(name for name in end.names.as_dict().values() if name)),
                address=end.address,
                url=urls(photo, end)["page"],
                shape=end.shape,
                cost=sum(tensor.site.macs for tensor in segment.tensors if tensor.site.kind == "conv") / total,
                field=end.field.size,
                addresses=tuple(tensor.address for tensor in segment.tensors),
            )
        )
    return found


async def tensor(request: Request) -> Response:
    """All filters of one tensor."""
    desk, photo = desk_of(request), await photo_of(request)
    wanted = desk.laboratory.tensor(request.path_params["address"])
    if wanted.address != request.path_params["address"]:
        return redirect(urls(photo, wanted)["page"], request)
    scale, colour, sort = shown_as(request)
    peek = await desk.laboratory.peek(photo, wanted)
    record, places = await desk.laboratory.draw(
        lambda: (tensor_record(desk.laboratory.network, photo, peek, scale), order(peek, sort))
    )
    page = TensorPage(
        photo=photo.record(),
        record=record,
        stages=stages_of(photo, wanted),
        scale=scale,
        colour=colour,
        sort=sort,
        query=query_of(**chosen(request)),
        order=tuple(places.tolist()),
    )
    return render("tensor.html", desk.site, page)


async def filter_page(request: Request) -> Response:
    """One filter of a tensor."""
    desk, photo = desk_of(request), await photo_of(request)
    wanted = desk.laboratory.tensor(request.path_params["address"])
    number: int = request.path_params["n"]
    if wanted.address != request.path_params["address"]:
        return redirect(f"{urls(photo, wanted)['page']}/filter/{number}", request)
    scale, colour, _ = shown_as(request)
    peek = await desk.laboratory.peek(photo, wanted)
    position = filter_of(request, peek)
    record = await desk.laboratory.draw(lambda: tensor_record(desk.laboratory.network, photo, peek, scale))
    cell = strongest(peek, position)
    top, left, bottom, right = peek.tensor.field.box(*cell)
    links, query = urls(photo, wanted), query_of(**chosen(request))
    numbers = sorted(peek.tensor.filters)
    rank = numbers.index(number)
    page = FilterPage(
        photo=photo.record(),
        record=record,
        number=number,
        filter=record["filters"][position],
        place=cell,
        box=(left, top, right, bottom),
        map=links["map"].format(n=number) + query,
        patch=links["patch"].format(n=number),
        kernel=None,
        before=links["filter"].format(n=numbers[rank - 1]) + query if rank else None,
        after=links["filter"].format(n=numbers[rank + 1]) + query if rank + 1 < len(numbers) else None,
        scale=scale,
        colour=colour,
        query=query,
    )
    return render("filter.html", desk.site, page)


def strongest(peek: Peek, position: int) -> tuple[int, int]:
    """(row, column) of a channel's greatest value, the first of equals."""
    row, column = np.unravel_index(int(peek.activations[0, position].argmax()), peek.shape[2:])
    return int(row), int(column)


def stages_of(photo: Kept, tensor: Tensor) -> tuple[tuple[str, str, str], ...]:
    """The stages of a tensor's site: name, address, page."""
    found = [Tensor(tensor.site, stage) for stage in stages(tensor.site)]
    return tuple((each.stage or "", each.address, urls(photo, each)["page"]) for each in found)


def shown_as(request: Request) -> tuple[str, str, str]:
    """(scale, colour, sort) of the query; raises ``UnknownName`` for a colour that is none."""
    scale = request.query_params.get("scale", "shared")
    colour = request.query_params.get("colour") or default_colour(scale)
    table(colour)
    return scale, colour, request.query_params.get("sort", "number")


def chosen(request: Request) -> dict[str, str | None]:
    """What the query chose, for links that keep the choice."""
    return {name: request.query_params.get(name) for name in ("scale", "colour")}
