"""What lies around a site: its neighbours, the origin of a join's filters, and where a network is one tensor wide."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from .ops import Blueprint
from .sites import PHOTO_KINDS, Site, sites

PREFIXES = 4
"""Into how many parts of about equal cost the trunks divide a network."""


@lru_cache(maxsize=8)
def single_tensor_sites(network: Blueprint) -> tuple[Site, ...]:
    """Every site after the photo's own steps that all later sites follow from, in program order.

    >>> from godeeper.blueprint.inception_v3 import INCEPTION_V3
    >>> [site.address for site in single_tensor_sites(INCEPTION_V3)][6:9]
    ['pool_1', 'mixed/join', 'mixed_1/join']
    """
    found: list[Site] = []
    reached = len(sites(network))  # how far back anything later reaches
    for site in reversed(sites(network)):
        if site.index <= reached and site.kind not in PHOTO_KINDS:
            found.append(site)
        reached = min([reached, *site.inputs])
    return tuple(reversed(found))


@lru_cache(maxsize=8)
def prefix_ends(network: Blueprint) -> tuple[Site, ...]:
    """The cuts that divide the network into parts of about equal cost: of those equally near, the smallest tensor.

    >>> from godeeper.blueprint.inception_v3 import INCEPTION_V3
    >>> [site.address for site in prefix_ends(INCEPTION_V3)]
    ['pool_1', 'mixed_3/join', 'mixed_6/join']
    """
    every = sites(network)
    total = sum(site.macs for site in every)
    spent = {cut: sum(site.macs for site in every[: cut.index + 1]) / total for cut in single_tensor_sites(network)}
    shares = [part / PREFIXES for part in range(1, PREFIXES)]
    return tuple(min(spent, key=lambda cut: (abs(spent[cut] - share), math.prod(cut.shape))) for share in shares)


@dataclass(frozen=True)
class Neighbours:
    """What stands around a site.

    ``before``: what it is computed from.  ``after``: what is computed from it.  ``branch``: the sites on the same path
    through the same module, in order, the site itself among them; for those of the stem, all of the stem.
    """

    before: tuple[Site, ...]
    after: tuple[Site, ...]
    branch: tuple[Site, ...]


def neighbours(network: Blueprint, site: Site) -> Neighbours:
    """The sites around ``site``."""
    every = sites(network)
    place = site.place.module, site.place.path
    return Neighbours(
        before=tuple(every[source] for source in site.inputs),
        after=tuple(other for other in every if site.index in other.inputs),
        branch=tuple(
            other
            for other in every
            if (other.place.module, other.place.path) == place and is_before_the_head(other) == is_before_the_head(site)
        ),
    )


def origin(network: Blueprint, site: Site, number: int) -> tuple[Site, int]:
    """Which site a filter of a join comes from, and its number there; any other site's filters are its own.

    >>> from godeeper.blueprint.address import resolve_one
    >>> from godeeper.blueprint.inception_v3 import INCEPTION_V3
    >>> site, number = origin(INCEPTION_V3, resolve_one(INCEPTION_V3, "mixed/join").site, 86)
    >>> site.address, number
    ('mixed/tower/conv_1', 22)
    """
    while site.kind == "concat":
        for source in site.inputs:
            joined = sites(network)[source]
            if number < joined.shape[0]:
                break
            number -= joined.shape[0]
        site = joined
    return site, number


def is_before_the_head(site: Site) -> bool:
    """Whether a site belongs to stem or modules, neither to the photo's steps nor to the classifier."""
    return site.kind not in (*PHOTO_KINDS, "average", "reshape", "dense", "softmax")
