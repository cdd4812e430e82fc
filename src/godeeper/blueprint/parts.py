"""The parts of a network: the photo's preprocessing steps, the stem, each module, the classifier."""

from __future__ import annotations

from contextlib import suppress
from itertools import groupby

from ..errors import AddressError, OptionError, nearest, quoted
from .address import resolve_one
from .ops import Blueprint
from .sites import Site, sites

CLASSIFIER_KINDS = ("average", "reshape", "dense", "softmax")


def parts(blueprint: Blueprint) -> dict[str, tuple[Site, ...]]:
    """Title -> sites of each part, in program order.  Each site is in one part; a pool between modules is a separate part."""
    all_sites = sites(blueprint)
    named: dict[str, tuple[Site, ...]] = {}
    for key, group in groupby(all_sites, key=part_of):
        members = tuple(group)
        title = key if isinstance(key, str) else module_title(members[-1])
        named[title if title not in named else members[-1].address] = members
    return named


def part_of(site: Site) -> int | str:
    """The part that a site belongs to: a module's number, ``photo``, ``stem`` or ``classifier``."""
    if site.place.module is not None:
        return site.place.module
    if site.is_photo_step:
        return "photo"
    return "classifier" if site.kind in CLASSIFIER_KINDS else "stem"


def module_title(join: Site) -> str:
    """The name of a module from its concatenation: ``mixed_4/join`` -> ``mixed_4``."""
    return join.address.rpartition("/")[0] or join.address


def find_part(blueprint: Blueprint, name: str) -> tuple[Site, ...]:
    """The sites of the part called ``name`` in any convention; raises ``OptionError`` for an unknown name.

    ``name`` may also be prefixed with a convention and a colon.
    """
    all_parts = parts(blueprint)
    known = {title: title for title in all_parts}
    for title, members in all_parts.items():
        if members[-1].place.module is not None:
            for spelling in members[-1].names.as_dict().values():
                if spelling:
                    known.setdefault(spelling, title)
    if name not in known:
        with suppress(AddressError):
            site = resolve_one(blueprint, name).site
            if site.place.module is not None and site.place.branch is None:
                return next(members for members in all_parts.values() if site in members)
        offers = nearest(name, known) or list(all_parts)
        raise OptionError(
            f"no module is called {quoted(name)}; nearest: {', '.join(offers)}; all: {', '.join(all_parts)}"
        )
    return all_parts[known[name]]
