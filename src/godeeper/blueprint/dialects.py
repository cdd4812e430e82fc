"""Dialects: the differences between releases of a network, as edits of the blueprint.

``Dialect`` lists the differences between releases of Inception v3.  Input scaling belongs to the weights'
preprocessing (``godeeper.photos.preprocess``), not to the dialect.  The dialects of GoogLeNet and
Inception v4 are in the files of their blueprints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from ..errors import UnknownName
from . import googlenet, inception_v4
from .inception_v3 import AUXILIARY
from .ops import Blueprint, Operation, Pool, edit_blueprint


@dataclass(frozen=True)
class Dialect:
    """The differences of one release from the blueprint of Inception v3.

    ``average_counts_border``: average pools include the zero padding in the mean.
    ``last_pool_is_max``: the pool of the last module is a max pool.
    ``stored_gamma``: batch normalisation has a learned scale (gamma).
    ``auxiliary``: the release has an auxiliary classifier.
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


def known_dialects(family: str) -> tuple[str, ...]:
    """The names of the dialects of a family of networks."""
    return tuple(EDITS[family])


def in_dialect(blueprint: Blueprint, name: str) -> Blueprint:
    """``blueprint`` in the dialect ``name``; raises ``UnknownName``, which lists the known ones."""
    edits = EDITS[blueprint.family]
    if name not in edits:
        raise UnknownName("dialect", name, edits)
    return replace(edits[name](blueprint), dialect=name)


def edit_inception_v3(blueprint: Blueprint, dialect: Dialect) -> Blueprint:
    """Inception v3 in ``dialect``."""
    edited = edit_averages(blueprint, lambda pool: replace(pool, counts_border=dialect.average_counts_border))
    if dialect.last_pool_is_max:
        last = replace(edited, modules=edited.modules[-1:])
        edited = replace(edited, modules=edited.modules[:-1] + edit_blueprint(last, maximum).modules)
    return replace(
        edited,
        classes=dialect.classes,
        stored_gamma=dialect.stored_gamma,
        auxiliary=AUXILIARY if dialect.auxiliary else None,
        auxiliary_after=(7,) if dialect.auxiliary else (),
    )


def edit_averages(blueprint: Blueprint, edit: Callable[[Pool], Pool]) -> Blueprint:
    """``blueprint`` with each average pool replaced by ``edit(pool)``."""
    return edit_blueprint(blueprint, lambda op: edit(op) if isinstance(op, Pool) and op.reduce == "average" else op)


def maximum(op: Operation) -> Operation:
    """A pool as a max pool; any other operation unchanged."""
    return replace(op, reduce="max") if isinstance(op, Pool) else op


EDITS: dict[str, Mapping[str, Callable[[Blueprint], Blueprint]]] = {
    "inception_v3": {name: partial(edit_inception_v3, dialect=dialect) for name, dialect in DIALECTS.items()},
    "inception_v4": inception_v4.DIALECTS,
    "googlenet": googlenet.DIALECTS,
}
"""Family -> dialect -> the function that derives its variant from the original blueprint."""
