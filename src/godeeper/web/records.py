"""What the pages know of a tensor and its filters, as JSON: the record of ``peek --json``, and what a screen needs more."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..blueprint.address import Tensor, stages
from ..blueprint.sites import Site, sites
from ..network import Network
from ..peek.mosaic import grid, measure
from ..peek.ranking import selectivity

if TYPE_CHECKING:
    from ..peek.capture import Peek
    from .album import Kept


def tensor_record(network: Network, photo: Kept, peek: Peek, scale: str) -> dict[str, Any]:
    """One tensor on one scale."""
    measured = measure(peek.activations[0], scale)
    rows, columns = grid(peek.shape[1], scale, None)
    tensor, field = peek.tensor, peek.tensor.field
    record = peek.record(urls(photo, tensor)["picture"], scale)
    for row, chosen, strength in zip(record["filters"], selectivity(peek).tolist(), peek.maximum.tolist(), strict=True):
        row |= {"selectivity": None if math.isnan(chosen) else chosen, "strength": strength}
    return record | {
        "kind": tensor.site.kind,
        "legend": measured.legend,
        "low": float(measured.low) if measured.is_shared else None,
        "high": float(measured.high) if measured.is_shared else None,
        "rows": rows,
        "columns": columns,
        "tile": list(peek.shape[2:]),
        "field": {"size": list(field.size), "jump": field.jump, "padding": list(field.padding)},
        "input_size": network.preprocess.size,
        "used": list(photo.used),
        "neighbours": neighbours(network, tensor),
        "urls": urls(photo, tensor),
    }


def neighbours(network: Network, tensor: Tensor) -> dict[str, list[str]]:
    """Addresses of what a tensor is computed from, of what is computed from it, and of its branch, itself included."""
    every = sites(network.blueprint)
    site = tensor.site
    lane = (site.place.module, site.place.path)
    branch = [each for each in every if (each.place.module, each.place.path) == lane] if lane[0] is not None else []
    return {
        "before": shown(network, [every[source] for source in site.inputs]),
        "after": shown(network, [each for each in every if site.index in each.inputs]),
        "branch": shown(network, branch if site.place.path is not None else []),
    }


def shown(network: Network, some: list[Site]) -> list[str]:
    """The addresses of those sites where there is something to see."""
    tensors = [Tensor(site, stages(site)[0]) for site in some]
    return [tensor.address for tensor in tensors if network.shows(tensor)]


def quoted(address: str) -> str:
    """An address as a part of a path."""
    return quote(address, safe="/")


def urls(photo: Kept, tensor: Tensor) -> dict[str, str]:
    """Where everything about a tensor is; ``{n}`` stands for a filter's number."""
    address, base, api = quoted(tensor.address), f"/photo/{photo.id}", f"/api/photos/{photo.id}"
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
        "picture": f"{base}/picture.png?{query}",
        "offline": f"{base}/page.html?{query}",
    }
