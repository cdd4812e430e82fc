"""Remarks on names that are easily confused: ``Mixed_7b`` with ``mixed_7``, ``maxpool1`` with ``pool_1``.

Conventions number modules and pools differently.  Two names are similar if they contain the same word and number,
ignoring case, underscores and a final letter.  A remark states which tensor a name refers to.
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
"""A module's number, or the address of a site outside the modules.  All sites of a place share its remarks."""

Key = tuple[str, int]
"""The word and number that similar names have in common: ``("mixed", 7)``."""

Labels = dict[str, list[str]]
"""A pool's or module's name -> the conventions with that name."""


def remark(blueprint: Blueprint, tensor: Tensor) -> str | None:
    """A warning about names of other tensors that look like this one's; None if there are none.

    >>> from godeeper.blueprint.address import resolve_one
    >>> from godeeper.blueprint.inception_v3 import INCEPTION_V3
    >>> remark(INCEPTION_V3, resolve_one(INCEPTION_V3, "mixed_9/tower_2/conv"))
    'Mixed_7b (slim, torchvision) is mixed_9 (tf2015), not mixed_7 or mixed7'
    """
    return "; ".join(remarks_by_place(blueprint).get(place_of(tensor.site), ())) or None


def remarks_on(blueprint: Blueprint, texts: Iterable[str], *, likeness: bool = True) -> list[str]:
    """Remarks on names that a user typed, which may mean another tensor in an older release or another convention.

    Patterns, and names that begin with a convention and a colon, get no remarks.  ``likeness``: whether to include the
    remarks on similar names.
    """
    found: dict[str, None] = {}
    for reference in parse_all(texts):
        convention, name = split_convention(blueprint, reference.name)
        if convention is None and not reference.is_pattern:
            found.update(dict.fromkeys(older_release_remarks(blueprint, reference)))
            found.update(dict.fromkeys(similar_name_remarks(blueprint, reference, name) if likeness else ()))
    return list(found)


def older_release_remarks(blueprint: Blueprint, reference: Reference) -> Iterator[str]:
    """Yield a remark if the name means another tensor in an older release."""
    tensor = Tensor(*look_up(blueprint, reference))
    for convention in ASKED_FOR.get(blueprint.family, ()):
        for pair in meanings(blueprint, convention.name).get(reference.name, ()):
            other = Tensor(*pair)
            if other.name != tensor.name:
                yield (
                    f"{reference.name} is {tensor.name}; in {convention.name} it is {other.name}: "
                    f"write {convention.name}:{reference.name} for that one"
                )


def similar_name_remarks(blueprint: Blueprint, reference: Reference, name: str) -> Iterator[str]:
    """Yield remarks on a name that looks like another module's or pool's, unless godeeper prints this name itself."""
    site, _ = look_up(blueprint, reference)
    usual = scope_of(site.address)
    for text in remarks_by_place(blueprint).get(place_of(site), ()):
        if text.startswith(f"{scope_of(name)} (") and scope_of(name) != usual:
            yield text


@lru_cache(maxsize=8)
def remarks_by_place(blueprint: Blueprint) -> dict[Place, tuple[str, ...]]:
    """Place -> the remarks on its names."""
    table: dict[Place, dict[Key, Labels]] = {}
    for site in sites(blueprint):
        for convention, label, key in confusable_names(site):
            table.setdefault(place_of(site), {}).setdefault(key, {}).setdefault(label, []).append(convention)
    return {place: tuple(place_remarks(place, table)) for place in table}


def place_of(site: Site) -> Place:
    """The place of a site."""
    return site.address if site.place.module is None else site.place.module


def scope_of(name: str) -> str:
    """The first part of a name: ``Mixed_7b.branch_pool`` -> ``Mixed_7b``."""
    return re.split(r"[/.]", name, maxsplit=1)[0]


def confusable_names(site: Site) -> Iterator[tuple[str, str, Key]]:
    """Yield (convention, label, key) of each confusable name of a module's join, or of a pool outside modules."""
    if site.kind != ("pool" if site.place.module is None else "concat") or site.place.branch:
        return
    for convention, name in site.names.as_dict().items():
        label = name if site.place.module is None else scope_of(name or "")
        match = LIKENESS.fullmatch(label or "")
        if label and match:
            yield convention, label, (match[1].lower(), int(match[2]))


def place_remarks(place: Place, table: dict[Place, dict[Key, Labels]]) -> Iterator[str]:
    """Yield a remark for each key of ``place`` that some convention uses for another place, but not for ``place``."""
    for key, own in table[place].items():
        own_conventions = {convention for conventions in own.values() for convention in conventions}
        rivals = [
            (label, conventions)
            for other, keys in table.items()
            for label, conventions in keys.get(key, {}).items()
            if other != place and not own_conventions.issuperset(conventions)
        ]
        if rivals:
            others = (with_conventions(labels) for other, labels in table[place].items() if other != key)
            *first, last = (with_conventions({label: those}) if label in own else label for label, those in rivals)
            listed = f"{', '.join(first)} or {last}" if first else last
            yield f"{with_conventions(own)} is {next(others, place)}, not {listed}"


def with_conventions(labels: Labels) -> str:
    """The first name, with its conventions: ``Mixed_7b (slim, torchvision)``."""
    label, conventions = next(iter(labels.items()))
    return f"{label} ({', '.join(conventions)})"
