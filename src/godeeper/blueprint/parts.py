"""The parts of a network: the photo's own steps, the stem, each module, the classifier."""

from __future__ import annotations

from contextlib import suppress
from itertools import groupby

from ..errors import AddressError, OptionError, nearest, quoted
from .address import resolve_one
from .ops import Blueprint
from .sites import PHOTO_KINDS, Site, sites

CLASSIFIER_KINDS = ("average", "reshape", "dense", "softmax")


def parts(network: Blueprint) -> dict[str, tuple[Site, ...]]:
    """Title -> sites of each card, in program order; every site is in one.  A pool between modules has its own."""
    every = sites(network)
    named: dict[str, tuple[Site, ...]] = {}
    for key, group in groupby(every, key=part_of):
        members = tuple(group)
        title = key if isinstance(key, str) else module_title(members[-1])
        named[title if title not in named else members[-1].address] = members
    return named


def part_of(site: Site) -> int | str:
    """What belongs on one card: a module by its number, and three parts by name."""
    if site.place.module is not None:
        return site.place.module
    if site.kind in PHOTO_KINDS:
        return "photo"
    return "classifier" if site.kind in CLASSIFIER_KINDS else "stem"


def module_title(join: Site) -> str:
    """``mixed_4`` of ``mixed_4/join``."""
    return join.address.rpartition("/")[0] or join.address


def find_part(network: Blueprint, name: str) -> tuple[Site, ...]:
    """The sites of the part called ``name`` in any convention, which may stand before a colon."""
    every = parts(network)
    known = {title: title for title in every}
    for title, members in every.items():
        if members[-1].place.module is not None:
            for spelling in members[-1].names.as_dict().values():
                if spelling:
                    known.setdefault(spelling, title)
    if name not in known:
        with suppress(AddressError):
            site = resolve_one(network, name).site
            if site.place.module is not None and site.place.branch is None:
                return next(members for members in every.values() if site in members)
        offers = nearest(name, known) or list(every)
        raise OptionError(f"no module is called {quoted(name)}; nearest: {', '.join(offers)}; all: {', '.join(every)}")
    return every[known[name]]
