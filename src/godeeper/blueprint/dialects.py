"""What differs between releases of the same network, as edits of the blueprint.

A dialect changes data: how an average pool treats the border, what the pool of ``mixed_10``
does, how many classes there are, whether an auxiliary head was trained.  Scaling of the input
belongs to the weights' preprocessing (``godeeper.photos.preprocess``), not here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import UnknownName
from .inception_v3 import AUXILIARY
from .ops import Branch, Module, Network, Pool, Step


@dataclass(frozen=True)
class Dialect:
    """One release's differences from the blueprint as written.

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
    """The dialect of that name; raises ``UnknownName`` listing those there are."""
    try:
        return DIALECTS[name]
    except KeyError:
        raise UnknownName("dialect", name, DIALECTS) from None


def in_dialect(network: Network, name: str) -> Network:
    """``network`` as the release called ``name`` computes it."""
    dialect = dialect_named(name)
    edited = edit_averages(network, lambda pool: replace(pool, counts_border=dialect.average_counts_border))
    if dialect.last_pool_is_max:
        last = edit_module(edited.modules[-1], lambda pool: replace(pool, reduce="max"))
        edited = replace(edited, modules=(*edited.modules[:-1], last))
    return replace(
        edited,
        classes=dialect.classes,
        dialect=dialect.name,
        auxiliary=AUXILIARY if dialect.auxiliary else None,
        auxiliary_after=7 if dialect.auxiliary else -1,
    )


def edit_averages(network: Network, edit: Callable[[Pool], Pool]) -> Network:
    """``network`` with every average pool inside a module replaced by ``edit(pool)``."""
    return replace(network, modules=tuple(edit_module(module, edit) for module in network.modules))


def edit_module(module: Module, edit: Callable[[Pool], Pool]) -> Module:
    """``module`` with every average pool replaced by ``edit(pool)``."""

    def edit_step(step: Step) -> Step:
        return edit(step) if isinstance(step, Pool) and step.reduce == "average" else step

    return Module(tuple(Branch(branch.label, tuple(map(edit_step, branch.steps))) for branch in module.branches))
