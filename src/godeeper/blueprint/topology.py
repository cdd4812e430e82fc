"""The topology of a network: the neighbours of a site, the origin of a filter, and the tensors at which to cut a network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from .ops import Blueprint
from .sites import PHOTO_KINDS, Site, sites

PREFIXES = 4
"""The number of parts into which ``prefix_ends`` divides a network."""


@lru_cache(maxsize=8)
def single_tensor_sites(blueprint: Blueprint) -> tuple[Site, ...]:
    """The sites after preprocessing on which all later sites depend, in program order.

    >>> from godeeper.blueprint.inception_v3 import INCEPTION_V3
    >>> [site.address for site in single_tensor_sites(INCEPTION_V3)][6:9]
    ['pool_1', 'mixed/join', 'mixed_1/join']
    """
    cuts: list[Site] = []
    earliest = len(sites(blueprint))  # the earliest site that any later site reads
    for site in reversed(sites(blueprint)):
        if site.index <= earliest and not site.is_photo_step:
            cuts.append(site)
        earliest = min([earliest, *site.inputs])
    return tuple(reversed(cuts))


@lru_cache(maxsize=8)
def prefix_ends(blueprint: Blueprint) -> tuple[Site, ...]:
    """The single-tensor sites that divide the network into parts of about equal cost; ties go to the smallest tensor.

    >>> from godeeper.blueprint.inception_v3 import INCEPTION_V3
    >>> [site.address for site in prefix_ends(INCEPTION_V3)]
    ['pool_1', 'mixed_3/join', 'mixed_6/join']
    """
    all_sites = sites(blueprint)
    total = sum(site.macs for site in all_sites)
    spent = {
        cut: sum(site.macs for site in all_sites[: cut.index + 1]) / total for cut in single_tensor_sites(blueprint)
    }
    shares = [part / PREFIXES for part in range(1, PREFIXES)]
    return tuple(min(spent, key=lambda cut: (abs(spent[cut] - share), math.prod(cut.shape))) for share in shares)


@dataclass(frozen=True)
class Neighbours:
    """The neighbours of a site.

    ``before``: its inputs.  ``after``: the sites that read it.  ``branch``: the sites of its branch in program order,
    including the site itself; for a site of the stem, all of the stem.
    """

    before: tuple[Site, ...]
    after: tuple[Site, ...]
    branch: tuple[Site, ...]


def neighbours(blueprint: Blueprint, site: Site) -> Neighbours:
    """The neighbours of ``site``."""
    all_sites = sites(blueprint)
    place = site.place.module, site.place.path
    return Neighbours(
        before=tuple(all_sites[source] for source in site.inputs),
        after=tuple(other for other in all_sites if site.index in other.inputs),
        branch=tuple(
            other
            for other in all_sites
            if (other.place.module, other.place.path) == place and is_before_the_head(other) == is_before_the_head(site)
        ),
    )


def origin(blueprint: Blueprint, site: Site, number: int) -> tuple[Site, int]:
    """(Site, number) of the filter that filter ``number`` of a concatenation copies; unchanged for any other site.

    >>> from godeeper.blueprint.address import resolve_one
    >>> from godeeper.blueprint.inception_v3 import INCEPTION_V3
    >>> site, number = origin(INCEPTION_V3, resolve_one(INCEPTION_V3, "mixed/join").site, 86)
    >>> site.address, number
    ('mixed/tower/conv_1', 22)
    """
    while site.kind == "concat":
        for source in site.inputs:
            joined = sites(blueprint)[source]
            if number < joined.shape[0]:
                break
            number -= joined.shape[0]
        site = joined
    return site, number


def is_before_the_head(site: Site) -> bool:
    """Whether a site is neither a preprocessing step nor part of the classifier."""
    return site.kind not in (*PHOTO_KINDS, "average", "reshape", "dense", "softmax")
