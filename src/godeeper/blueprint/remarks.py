"""Names that are easily taken for one another: ``Mixed_7b`` beside ``mixed_7``, ``maxpool1`` beside ``pool_1``.

Conventions number modules and pools differently.  Two names are alike when they hold the same word and
number, apart from case, underscores and a letter behind; a remark says which tensor is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from .address import Reference, Tensor, look_up, meanings, parse_all, split_convention
from .names.conventions import ASKED_FOR
from .ops import Blueprint
from .sites import Site, sites

LIKENESS = re.compile(r"(?:max_?)?(pool|mixed)(?:ing2d)?_?([0-9]{1,3})[a-z]?", re.IGNORECASE)

Place = int | str
"""A module's number; or the address of a site outside of the modules."""

Key = tuple[str, int]
"""What names that are alike share: ``("mixed", 7)``."""

Labels = dict[str, list[str]]
"""A name, or the module's part of it -> the conventions that have it."""


def remark(blueprint: Blueprint, tensor: Tensor) -> str | None:
    """What the tensor's names can be mistaken for; None for nothing.

    >>> from godeeper.blueprint.address import resolve_one
    >>> from godeeper.blueprint.inception_v3 import INCEPTION_V3
    >>> remark(INCEPTION_V3, resolve_one(INCEPTION_V3, "mixed_9/tower_2/conv"))
    'Mixed_7b (slim, torchvision) is mixed_9 (tf2015), not mixed_7 or mixed7'
    """
    return "; ".join(remarks_by_place(blueprint).get(place_of(tensor.site), ())) or None


def remarks_on(blueprint: Blueprint, texts: Iterable[str], *, likeness: bool = True) -> list[str]:
    """What to say about names as they were typed: that an older release, or another convention, means another tensor.

    A name with its convention before a colon and a pattern mean what they say.  ``likeness``: whether to include
    what ``remark`` says.
    """
    found: dict[str, None] = {}
    for reference in parse_all(texts):
        convention, name = split_convention(blueprint, reference.name)
        if convention is None and not reference.is_pattern:
            found.update(dict.fromkeys(counted_otherwise(blueprint, reference)))
            found.update(dict.fromkeys(mistaken(blueprint, reference, name) if likeness else ()))
    return list(found)


def counted_otherwise(blueprint: Blueprint, reference: Reference) -> Iterator[str]:
    """That an older release calls another tensor so."""
    tensor = Tensor(*look_up(blueprint, reference))
    for convention in ASKED_FOR.get(blueprint.family, ()):
        for pair in meanings(blueprint, convention.name).get(reference.name, ()):
            other = Tensor(*pair)
            if other.name != tensor.name:
                yield (
                    f"{reference.name} is {tensor.name}; in {convention.name} it is {other.name}: "
                    f"write {convention.name}:{reference.name} for that one"
                )


def mistaken(blueprint: Blueprint, reference: Reference, name: str) -> Iterator[str]:
    """That the name looks like another module's or pool's; names of the convention that we print need no such remark."""
    site, _ = look_up(blueprint, reference)
    usual = scope_of(site.address)
    for said in remarks_by_place(blueprint).get(place_of(site), ()):
        if said.startswith(f"{scope_of(name)} (") and scope_of(name) != usual:
            yield said


@lru_cache(maxsize=8)
def remarks_by_place(blueprint: Blueprint) -> dict[Place, tuple[str, ...]]:
    """The remarks on each place."""
    table: dict[Place, dict[Key, Labels]] = {}
    for site in sites(blueprint):
        for convention, label, key in alike(site):
            table.setdefault(place_of(site), {}).setdefault(key, {}).setdefault(label, []).append(convention)
    return {place: tuple(sentences(place, table)) for place in table}


def place_of(site: Site) -> Place:
    """What shares one remark."""
    return site.address if site.place.module is None else site.place.module


def scope_of(name: str) -> str:
    """``Mixed_7b`` of ``Mixed_7b.branch_pool``."""
    return re.split(r"[/.]", name, maxsplit=1)[0]


def alike(site: Site) -> Iterator[tuple[str, str, Key]]:
    """(convention, label, key) of each name that can be mistaken: of a module by its join, and of a pool outside."""
    if site.kind != ("pool" if site.place.module is None else "concat") or site.place.branch:
        return
    for convention, name in site.names.as_dict().items():
        label = name if site.place.module is None else scope_of(name or "")
        match = LIKENESS.fullmatch(label or "")
        if label and match:
            yield convention, label, (match[1].lower(), int(match[2]))


def sentences(place: Place, table: dict[Place, dict[Key, Labels]]) -> Iterator[str]:
    """A sentence for each key that another place has too, in a convention that gives this place another one."""
    for key, own in table[place].items():
        taken = {convention for conventions in own.values() for convention in conventions}
        rivals = [
            (label, conventions)
            for other, keys in table.items()
            for label, conventions in keys.get(key, {}).items()
            if other != place and not taken.issuperset(conventions)
        ]
        if rivals:
            others = (shown(labels) for other, labels in table[place].items() if other != key)
            *first, last = (shown({label: those}) if label in own else label for label, those in rivals)
            listed = f"{', '.join(first)} or {last}" if first else last
            yield f"{shown(own)} is {next(others, place)}, not {listed}"


def shown(labels: Labels) -> str:
    """The first of the names, and who calls it so: ``Mixed_7b (slim, torchvision)``."""
    label, conventions = next(iter(labels.items()))
    return f"{label} ({', '.join(conventions)})"
