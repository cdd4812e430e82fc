"""All blueprints by name."""

from __future__ import annotations

from ..errors import UnknownName
from .googlenet import GOOGLENET
from .inception_v3 import INCEPTION_V3
from .inception_v4 import INCEPTION_V4
from .ops import Blueprint

BLUEPRINTS = {network.name: network for network in (GOOGLENET, INCEPTION_V3, INCEPTION_V4)}


def blueprint_named(name: str) -> Blueprint:
    """The blueprint with this name; raises ``UnknownName``, which lists the known ones."""
    try:
        return BLUEPRINTS[name]
    except KeyError:
        raise UnknownName("network", name, BLUEPRINTS) from None
