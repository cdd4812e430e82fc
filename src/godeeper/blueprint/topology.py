"""Where a network is one tensor wide: all that comes later is computed from that tensor alone."""

from __future__ import annotations

import math
from functools import lru_cache

from .ops import Network
from .sites import PHOTO_KINDS, Site, sites

TRUNKS = 4
"""Into how many parts of about equal cost the trunks divide a network."""


@lru_cache(maxsize=8)
def cuts(network: Network) -> tuple[Site, ...]:
    """Every site after the photo's own steps that all later sites follow from, in program order.

    >>> from godeeper.blueprint.inception_v3 import INCEPTION_V3
    >>> [site.address for site in cuts(INCEPTION_V3)][6:9]
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
def trunks(network: Network) -> tuple[Site, ...]:
    """The cuts that divide the network into parts of about equal cost: of those equally near, the smallest tensor.

    >>> from godeeper.blueprint.inception_v3 import INCEPTION_V3
    >>> [site.address for site in trunks(INCEPTION_V3)]
    ['pool_1', 'mixed_3/join', 'mixed_6/join']
    """
    every = sites(network)
    total = sum(site.macs for site in every)
    spent = {cut: sum(site.macs for site in every[: cut.index + 1]) / total for cut in cuts(network)}
    shares = [part / TRUNKS for part in range(1, TRUNKS)]
    return tuple(min(spent, key=lambda cut: (abs(spent[cut] - share), math.prod(cut.shape))) for share in shares)
