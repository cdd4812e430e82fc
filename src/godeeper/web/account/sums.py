"""The value of a filter on a stored photo as a sum, from the values of the photo's forward pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...blueprint.address import Tensor, stages
from ...blueprint.sites import sites
from ...engine.plan import NETWORK_INPUT, output
from ...errors import GodeeperError
from ...filters.contributions.decompose import ForwardPass, check_precision, decompose
from ...filters.contributions.follow import origin_cell
from ...filters.contributions.levels import needed
from ...filters.contributions.record import DRAWN
from ...filters.contributions.target import checked_cell, target_of
from ..records import urls
from .trail import Step, address_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ...filters.contributions.record import Contributions, Term
    from ...filters.contributions.target import Target
    from ...network import Network
    from ..compute.backend import Backend
    from ..compute.photo_store import StoredPhoto

    Outputs = Mapping[int, NDArray[np.float32]]

MAX_DEPTH = 3  # deeper sums take seconds


@dataclass(frozen=True)
class TermView:
    """One term.  ``url``: the page of the filter that it comes from; None for the photo.  ``map``: the picture of the map that is read.

    ``grid``: the height and width of the map; ``window``: (left, top, width, height) of the cells that are read.
    """

    label: str
    value: float
    share: float
    url: str | None
    map: str
    grid: tuple[int, int]
    window: tuple[int, int, int, int]


@dataclass(frozen=True)
class ListenerView:
    """A later filter that reads this one."""

    label: str
    value: float
    weight: float
    url: str


@dataclass(frozen=True)
class SumView:
    """What the page shows of a sum: ``sides`` are the greatest positive and negative terms; ``readers`` the greatest listeners by value
    and by weight, each with a title.
    """

    value: float
    bias: float
    rest: float
    count: int
    cell: tuple[int, int]
    sides: tuple[tuple[str, tuple[TermView, ...]], ...]
    readers: tuple[tuple[str, tuple[ListenerView, ...]], ...]
    notes: tuple[str, ...]


async def contributions_of(
    backend: Backend, photo: StoredPhoto, target: Target, at: tuple[int, int] | None, depth: int = 1
) -> tuple[Contributions, Outputs]:
    """The sum for a filter at a cell, by default the one with the greatest value; and the outputs of all earlier sites.

    Raises:
        OptionError: the network is in int8.
    """
    check_precision(backend.network)
    if at is not None:
        checked_cell(at, target.site)
    all_sites = sites(backend.network.blueprint)
    forward = await backend.forward(photo, target.site)
    before = await backend.values(photo, Tensor(target.site, stages(target.site)[1]))
    outputs = {
        site.index: forward.values[output(site)][0]
        for site in all_sites[: target.site.index]
        if output(site) in forward.values
    } | {NETWORK_INPUT.site: forward.values[NETWORK_INPUT][0]}
    kept = {index: outputs[index] for index in needed(all_sites, target.site, depth) | {NETWORK_INPUT.site}}
    run = ForwardPass(photo.photo, photo.input_image, kept, before[0])
    found = await backend.render(lambda: decompose(backend.network, target, run, at, depth))
    return found, outputs


async def sum_of(
    backend: Backend, photo: StoredPhoto, tensor: Tensor, number: int, cell: tuple[int, int], trail: Sequence[Step]
) -> tuple[SumView | None, str]:
    """The sum for the page, or None and why there is none."""
    network = backend.network
    try:
        target = target_of(network.blueprint, address_of(tensor, number))
        found, outputs = await contributions_of(backend, photo, target, cell)
    except GodeeperError as error:
        return None, str(error)
    here = (*trail, Step(tensor, number, cell))
    return await backend.render(lambda: view(network, photo, found, outputs, here)), ""


def view(
    network: Network, photo: StoredPhoto, found: Contributions, outputs: Outputs, trail: Sequence[Step]
) -> SumView:
    """What the page shows of a sum; the links continue ``trail``."""
    positive, negative = found.greatest(DRAWN)
    drawn = [*positive, *negative]

    def term(each: Term) -> TermView:
        return term_view(network, photo, found, outputs, trail, each)

    readers = tuple(
        (
            title,
            tuple(
                ListenerView(
                    each.tensor.address, each.value, each.weight, step(each.tensor, each.cell).url(photo, trail)
                )
                for each in listed
            ),
        )
        for title, listed in (
            ("the most on this photo", found.kept_listeners(None)[:DRAWN]),
            ("with the greatest weights", found.by_weight(DRAWN)),
        )
    )
    return SumView(
        value=found.value,
        bias=found.bias,
        rest=found.rest(drawn),
        count=len(found.terms),
        cell=(found.cell.row, found.cell.column),
        sides=(("raise it", tuple(map(term, positive))), ("lower it", tuple(map(term, negative)))),
        readers=readers,
        notes=found.notes,
    )


def term_view(
    network: Network, photo: StoredPhoto, found: Contributions, outputs: Outputs, trail: Sequence[Step], each: Term
) -> TermView:
    """What the page shows of one term."""
    all_sites = sites(network.blueprint)
    top, left, bottom, right = each.window
    url = None
    if not each.origin_site.is_photo_step:
        url = step(each.origin, origin_cell(all_sites, outputs, each)).url(photo, trail)
    read = Tensor(each.site, stages(each.site)[0])
    return TermView(
        label=each.label,
        value=each.value,
        share=found.share(each),
        url=url,
        map=f"{urls(photo, read)['map'].format(n=each.channel)}?scale=filter",
        grid=(each.site.shape[1], each.site.shape[2]),
        window=(left, top, right - left, bottom - top),
    )


def step(tensor: Tensor, cell: tuple[int, int]) -> Step:
    """The step to a tensor of one filter."""
    return Step(Tensor(tensor.site, tensor.stage), tensor.filters[0], cell)
