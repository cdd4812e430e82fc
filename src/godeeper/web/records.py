"""The JSON record of a tensor: the record of ``peek --json``, and what the page needs in addition."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import numpy as np

from ..blueprint.address import Tensor, stages
from ..blueprint.sites import Site, sites
from ..blueprint.topology import neighbours
from ..network import Network
from ..peek.mosaic import grid, measure
from ..peek.picture import ends
from ..peek.statistics import selectivities, strengths
from .chart import card_id
from .compute.photo_store import WHOLE_PHOTO
from .http.root import at

if TYPE_CHECKING:
    from ..peek.peek import Peek
    from .compute.photo_store import StoredPhoto
    from .record_types import NeighboursRecord, TensorLinkRecord, TensorRecord


def tensor_record(network: Network, photo: StoredPhoto, peek: Peek, scale: str, part: str) -> TensorRecord:
    """The record of a tensor on one scale; ``part`` is the title of the tensor's card on the map."""
    measured = measure(peek.activations[0], scale)
    rows, columns = grid(peek.shape[1], scale, None)
    tensor, field = peek.tensor, peek.tensor.field
    links = urls(photo, tensor)
    peeked = peek.record(links["picture"], scale)
    previous, following = adjacent(network, photo, tensor)
    filters = [row | more for row, more in zip(peeked["filters"], filter_facts(peek), strict=True)]
    besides = {
        "filters": filters,
        "kind": tensor.site.kind,
        "is_rectified": peek.is_rectified,
        "legend": measured.legend,
        "low": float(measured.low) if measured.is_shared else None,
        "high": float(measured.high) if measured.is_shared else None,
        "ends": list(ends(measured)),
        "rows": rows,
        "columns": columns,
        "tile": list(peek.shape[2:]),
        "field": {"size": list(field.size), "jump": field.jump, "padding": list(field.padding)},
        "input_size": network.preprocess.size,
        "used": list(photo.used),
        "module": {"title": part, "url": at(f"/photo/{photo.id}#{card_id(part)}")},
        "previous": previous,
        "next": following,
        "neighbours": around(network, tensor),
        "urls": links,
    }
    return cast("TensorRecord", peeked | besides)


def filter_facts(peek: Peek) -> Iterator[dict[str, Any]]:
    """Facts of each filter that are not in a peek's record: strength, selectivity (None if undefined), strongest cell."""
    values = peek.activations[0]
    selective = selectivities(values) if peek.is_rectified else np.full(len(values), np.nan)
    cells = np.stack(np.unravel_index(values.reshape(len(values), -1).argmax(axis=1), values.shape[1:]), axis=1)
    for strength, selectivity, cell in zip(strengths(values).tolist(), selective.tolist(), cells.tolist(), strict=True):
        yield {"strength": strength, "selectivity": None if math.isnan(selectivity) else selectivity, "strongest": cell}


def around(network: Network, tensor: Tensor) -> NeighboursRecord:
    """Addresses of a tensor's inputs, of the tensors that use it, and of its branch, including itself."""
    found = neighbours(network.blueprint, tensor.site)
    return {
        "before": viewable(network, found.before),
        "after": viewable(network, found.after),
        "branch": viewable(network, found.branch),
    }


def adjacent(
    network: Network, photo: StoredPhoto, tensor: Tensor
) -> tuple[TensorLinkRecord | None, TensorLinkRecord | None]:
    """Links to the previous and the next tensor in program order; None at either end."""
    addresses = viewable(network, sites(network.blueprint))
    here = addresses.index(Tensor(tensor.site, stages(tensor.site)[0]).address)
    previous = link(photo, addresses[here - 1]) if here else None
    return previous, link(photo, addresses[here + 1]) if here + 1 < len(addresses) else None


def link(photo: StoredPhoto, address: str) -> TensorLinkRecord:
    """A tensor's address and page."""
    return {"address": address, "url": at(f"/photo/{photo.id}/tensor/{quoted(address)}")}


def viewable(network: Network, members: Iterable[Site]) -> list[str]:
    """The addresses of the sites that the page can show."""
    tensors = [Tensor(site, stages(site)[0]) for site in members if site.kind not in WHOLE_PHOTO]
    return [tensor.address for tensor in tensors if network.shows(tensor)]


def quoted(address: str) -> str:
    """An address, percent-encoded for a path."""
    return quote(address, safe="/")


def urls(photo: StoredPhoto, tensor: Tensor) -> dict[str, str]:
    """The URLs of a tensor; ``{n}`` stands for a filter's number."""
    address, base, api = quoted(tensor.address), at(f"/photo/{photo.id}"), at(f"/api/photos/{photo.id}")
    query = f"address={quote(tensor.address, safe='')}"
    return {
        "page": f"{base}/tensor/{address}",
        "filter": f"{base}/tensor/{address}/filter/{{n}}",
        "record": f"{api}/tensors/{address}",
        "values": f"{api}/values/{address}",
        "levels": f"{base}/levels/{address}.png",
        "thumbnail": f"{base}/thumbnail/{address}.png",
        "map": f"{base}/map/{address}/{{n}}.png",
        "patch": f"{base}/patch/{address}/{{n}}.png",
        "kernel": f"{base}/kernel/{address}/{{n}}.png",
        "picture": f"{base}/picture.png?{query}",
        "offline": f"{base}/page.html?{query}",
    }
