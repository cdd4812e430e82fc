"""The naming conventions of each family of networks, and the functions that apply them.

A blueprint's ``family`` selects its conventions.  godeeper prints a site's name in the first convention that has one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from . import (
    NamedPlace,
    NamingConvention,
    Place,
    Spelled,
    googlenet,
    inception_v3,
    inception_v4,
    numbered,
    with_endings,
)

OUTSIDE = Place()
"""The place of sites that are neither in the stem nor in a module: the photo's steps and the classifier."""


def blueprint_names(places: Sequence[NamedPlace]) -> Iterator[Spelled]:
    """Names made of the branch's label and the kind of operation: ``3x3/conv_1``, ``join``."""
    seen: Counter[str] = Counter()
    for placed in places:
        branch = placed.place.branch
        name = f"{branch.label.strip('_')}/{placed.kind}" if branch else "join"
        yield numbered(name, seen[name])
        seen[name] += 1


CONVENTIONS: dict[str, tuple[NamingConvention, ...]] = {
    "inception_v3": inception_v3.CONVENTIONS,
    "inception_v4": inception_v4.CONVENTIONS,
    "googlenet": googlenet.CONVENTIONS,
    "module": (
        NamingConvention(
            "blueprint",
            blueprint_names,
            fixed={"input": "input"},
            staged=with_endings({"conv": ("/raw",), "bias": ("/bias",), "batchnorm": ("/batchnorm",), "relu": ("",)}),
        ),
    ),
}


ASKED_FOR: dict[str, tuple[NamingConvention, ...]] = {"inception_v3": inception_v3.ASKED_FOR}
"""Conventions that apply only to names prefixed with the convention and a colon: ``keras2.2:activation_12``."""


def family_conventions(family: str) -> tuple[NamingConvention, ...]:
    """The conventions of a family, the preferred one first."""
    return CONVENTIONS[family]


def prefixes(family: str) -> dict[str, NamingConvention]:
    """Prefix -> convention; the prefix and a colon before a name select the convention."""
    return {each.name: each for each in (*CONVENTIONS[family], *ASKED_FOR.get(family, ()))}


def name_places(
    conventions: Sequence[NamingConvention], places: Sequence[NamedPlace]
) -> list[tuple[tuple[str, ...], ...]]:
    """The spellings of each place in each convention; ``places`` must be those of a whole network, in program order."""
    columns = [spell_places(convention, places) for convention in conventions]
    return list(zip(*columns, strict=True))


def spell_places(convention: NamingConvention, places: Sequence[NamedPlace]) -> Iterator[tuple[str, ...]]:
    """The spellings of each place in one convention, the printed one first; () if there is none."""
    ruled = iter(convention.rule([placed for placed in places if placed.place != OUTSIDE]))
    for placed in places:
        spelled = convention.fixed.get(placed.kind) if placed.place == OUTSIDE else next(ruled)
        yield spelled if isinstance(spelled, tuple) else (spelled,) if spelled else ()
