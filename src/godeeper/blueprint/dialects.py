"""What differs between releases of the same network, as edits of the blueprint.

A dialect changes data: how an average pool treats the border, what the pool of ``mixed_10``
does, how many classes there are, whether an auxiliary head was trained.  Scaling of the input
belongs to the weights' preprocessing (``godeeper.photos.preprocess``), not here.  The releases of
GoogLeNet and Inception v4 stand with their blueprints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from ..errors import UnknownName
from . import googlenet, inception_v4
from .inception_v3 import AUXILIARY
from .ops import Blueprint, Operation, Pool, edit_network


@dataclass(frozen=True)
class Dialect:
    """One release's differences from Inception v3 as written.

    ``average_counts_border``: zeros of the padding are counted by average pools.
    ``last_pool_is_max``: the pool of the last module takes the maximum.
    ``stored_gamma``: batch normalisation has a scale of its own.
    """

    name: str
    classes: int
    average_counts_border: bool = False
    last_pool_is_max: bool = False
    stored_gamma: bool = True
    auxiliary: bool = False


DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect("2015", classes=1008, last_pool_is_max=True),
        Dialect("torchvision", classes=1000, average_counts_border=True, auxiliary=True),
        Dialect("slim", classes=1001, stored_gamma=False, auxiliary=True),
        Dialect("keras", classes=1000, stored_gamma=False),
    )
}


def dialect_named(name: str) -> Dialect:
    """The dialect of Inception v3 of that name; raises ``UnknownName`` listing those there are."""
    try:
        return DIALECTS[name]
    except KeyError:
        raise UnknownName("dialect", name, DIALECTS) from None


def known_dialects(family: str) -> tuple[str, ...]:
    """The releases of a family of networks."""
    return tuple(EDITS[family])


def in_dialect(network: Blueprint, name: str) -> Blueprint:
    """``network`` as the release called ``name`` computes it; raises ``UnknownName`` listing those there are."""
    edits = EDITS[network.family]
    if name not in edits:
        raise UnknownName("dialect", name, edits)
    return replace(edits[name](network), dialect=name)


def edit_inception_v3(network: Blueprint, dialect: Dialect) -> Blueprint:
    """Inception v3 as ``dialect`` has it."""
    edited = edit_averages(network, lambda pool: replace(pool, counts_border=dialect.average_counts_border))
    if dialect.last_pool_is_max:
        last = replace(edited, modules=edited.modules[-1:])
        edited = replace(edited, modules=edited.modules[:-1] + edit_network(last, maximum).modules)
    return replace(
        edited,
        classes=dialect.classes,
        stored_gamma=dialect.stored_gamma,
        auxiliary=AUXILIARY if dialect.auxiliary else None,
        auxiliary_after=(7,) if dialect.auxiliary else (),
    )


def edit_averages(network: Blueprint, edit: Callable[[Pool], Pool]) -> Blueprint:
    """``network`` with every average pool replaced by ``edit(pool)``."""
    return edit_network(network, lambda op: edit(op) if isinstance(op, Pool) and op.reduce == "average" else op)


def maximum(op: Operation) -> Operation:
    """An average pool as one that takes the maximum; anything else as it is."""
    return replace(op, reduce="max") if isinstance(op, Pool) else op


EDITS: dict[str, Mapping[str, Callable[[Blueprint], Blueprint]]] = {
    "inception_v3": {name: partial(edit_inception_v3, dialect=dialect) for name, dialect in DIALECTS.items()},
    "inception_v4": inception_v4.DIALECTS,
    "googlenet": googlenet.DIALECTS,
}
"""Family -> release -> the edit that makes it of the blueprint as written."""
