"""The trail: the filters that were opened one after another, from a filter to one that feeds it or that it feeds.

It is in the query of a filter's page, one ``via`` for each filter, such as ``via=mixed/join[3]@12,7``.  So a page can be bookmarked,
shared and reloaded with its trail.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from ...blueprint.address import Tensor
from ...errors import OptionError, quoted
from ...filters.contributions.target import checked_cell
from ..compute.addresses import resolve_viewable
from ..records import urls
from ..state import check_filter

if TYPE_CHECKING:
    from ...network import Network
    from ..compute.photo_store import StoredPhoto

MOST_STEPS = 12
"""The greatest length of a trail.  The oldest filters are dropped."""
STEP = re.compile(r"(?P<address>.{1,200})\[(?P<number>[0-9]{1,9})\]@(?P<row>[0-9]{1,9}),(?P<column>[0-9]{1,9})")


@dataclass(frozen=True)
class Step:
    """One filter of a trail, and the cell that was looked at."""

    tensor: Tensor
    number: int
    cell: tuple[int, int]

    @property
    def label(self) -> str:
        """The filter's address."""
        return address_of(self.tensor, self.number)

    @property
    def text(self) -> str:
        """The step as a parameter ``via``."""
        return f"{self.label}@{self.cell[0]},{self.cell[1]}"

    def url(self, photo: StoredPhoto, trail: Sequence[Step]) -> str:
        """The URL of the filter's page, at the cell, with the trail that led to it."""
        query = [("at", f"{self.cell[0]},{self.cell[1]}"), *(("via", step.text) for step in trail[-MOST_STEPS:])]
        return f"{urls(photo, self.tensor)['filter'].format(n=self.number)}?{urlencode(query)}"


def step_of(network: Network, text: str) -> Step:
    """The step that a parameter ``via`` describes.

    Raises:
        OptionError: it has another form.
        GodeeperError: there is no such filter or cell.
    """
    match = STEP.fullmatch(text)
    if match is None:
        raise OptionError(f"via={quoted(text[:40])}: expected a filter and a cell, such as mixed/join[3]@12,7")
    tensor, number = resolve_viewable(network, match["address"]), int(match["number"])
    check_filter(tensor, number)
    return Step(tensor, number, checked_cell((int(match["row"]), int(match["column"])), tensor.site))


def trail_of(network: Network, texts: Sequence[str]) -> tuple[Step, ...]:
    """The trail of a query, the oldest filter first; raises as ``step_of``, and ``OptionError`` if it is too long."""
    if len(texts) > MOST_STEPS:
        raise OptionError(f"via: {len(texts)} filters, expected at most {MOST_STEPS}")
    return tuple(step_of(network, text) for text in texts)


def address_of(tensor: Tensor, number: int) -> str:
    """The address of one filter of a tensor."""
    return Tensor(tensor.site, tensor.stage, (number,)).address
