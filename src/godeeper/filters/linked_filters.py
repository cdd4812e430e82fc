"""The earlier and later filters that a filter's offline page links to, with their top photos."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..blueprint.address import Tensor
    from .contributions.record import Contributions, Term
    from .index import FilterIndex, IndexedFilter, IndexedPhoto

PHOTOS = 4  # top photos of each filter


@dataclass(frozen=True)
class LinkedFilter:
    """A filter that the page of another filter links to.

    ``anchor``: the name of its section.  ``indexed``: its entry in the index.  ``roles``: phrases that describe its contribution
    to the other filter, or what it receives.  ``photos``: its top photos, as the template shows them.
    """

    anchor: str
    indexed: IndexedFilter
    roles: tuple[str, ...]
    photos: tuple[dict[str, Any], ...]

    @property
    def address(self) -> str:
        """The filter's address, with its number."""
        return self.indexed.tensor.address


def linked_filters(
    index: FilterIndex,
    found: Contributions,
    terms: Sequence[Term],
    crop: Callable[[IndexedFilter, IndexedPhoto], dict[str, Any]],
    count: int,
) -> tuple[LinkedFilter, ...]:
    """The filters of the shown terms, then the ``count`` greatest listeners by value and the ``count`` greatest by weight.

    ``crop``: the data of a filter's top photo for the template.
    """
    roles: dict[Tensor, list[str]] = {}
    for term in terms:
        if not term.origin_site.is_photo_step:
            roles.setdefault(term.origin, []).append(f"contributes {term.value:+.3g}")
    for each in (*found.listeners[:count], *found.by_weight(count)):
        said = f"receives {each.value:+.3g} (weight {each.weight:.3g})"
        if said not in roles.setdefault(each.tensor, []):
            roles[each.tensor].append(said)
    linked = []
    for tensor, several in roles.items():
        indexed = index.filter(tensor, tensor.filters[0])
        photos = tuple(crop(indexed, photo) for photo in indexed.top[:PHOTOS])
        linked.append(LinkedFilter(anchor_of(tensor), indexed, tuple(several), photos))
    return tuple(linked)


def anchor_of(tensor: Tensor) -> str:
    """The anchor of a filter's section: its address with characters that need no escaping."""
    return re.sub(r"[^A-Za-z0-9]+", "-", tensor.address).strip("-")
