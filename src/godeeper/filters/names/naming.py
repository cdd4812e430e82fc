"""Names a filter by the attributes and classes that are significant for its top photos.

Every p-value is multiplied by the number of tests over all filters of the index (Bonferroni correction).  The procedures of
Holm and of Benjamini and Hochberg would need the p-values of all filters, and so the crops of all of their places, to name
one filter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...photos.sources.sets import set_named
from .attributes import ATTRIBUTES, TESTS
from .places import other_places, top_places
from .statistics import greater, hypergeometric_tail, superiority

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...blueprint.sites import Site
    from ..index import FilterIndex
    from .places import IndexedPhotos

    Floats = NDArray[np.float64]

LEVEL = 0.05
FEWEST_REFERENCES = 20


@dataclass(frozen=True)
class Name:
    """A class or an attribute that a filter responds to.

    ``kind``: ``class``, or the kind of the attribute.  ``effect`` of a class: its frequency among the top or the active photos
    divided by its frequency among all photos.  ``effect`` of an attribute: the probability that a top place of this filter has
    more of the attribute than a top place of another filter of the same tensor, or less if the name says so; 0.5 means no
    difference.  ``p``: the p-value, corrected for all tests of all filters.  ``evidence``: the effect as a phrase.
    """

    kind: str
    text: str
    effect: float
    p: float
    evidence: str

    def record(self) -> dict[str, Any]:
        """The data as a JSON object."""
        return asdict(self)


def names_of(index: FilterIndex, site: Site, channel: int, photos: IndexedPhotos | None) -> tuple[Name, ...]:
    """The names of a filter of a convolution, the most significant first.

    ``photos``: the photos of the index, to test attributes; None tests only classes.

    Raises ``PhotoError`` if a photo has moved or changed.
    """
    tests = tests_of(index)
    names = class_names(class_counts(index, site, channel), index.photos, tests)
    if photos is not None:
        own, others = top_places(index, site, channel), other_places(index, site, channel)
        if own and len(others) >= FEWEST_REFERENCES:
            values = photos.attributes(site, [*own, *others])
            names += attribute_names(values[: len(own)], values[len(own) :], tests)
    return tuple(sorted(names, key=lambda name: name.p))


def tests_of(index: FilterIndex) -> int:
    """The number of tests over all filters, classes and attributes; every p-value is corrected for this number."""
    return len(index.array("mean")) * (2 * len(index.classes) + TESTS)


@dataclass(frozen=True)
class ClassCounts:
    """The counts for one class and one filter.

    ``photos``: the photos of the class.  ``active``: those on which the filter is active.  ``top``: those among the filter's top
    photos.  ``all_active`` and ``all_top``: the same counts over all classes.
    """

    photos: int
    active: int
    top: int
    all_active: int
    all_top: int


def class_counts(index: FilterIndex, site: Site, channel: int) -> dict[str, ClassCounts]:
    """Class -> the counts for a filter."""
    place, filters = index.first[site.index] + channel, len(index.array("mean"))
    classes = [class_of(index.names[each.photo]) for each in top_places(index, site, channel)]
    active = index.array("active")[place]
    return {
        name: ClassCounts(
            count, index.array("class_active")[at * filters + place], classes.count(name), active, len(classes)
        )
        for at, (name, count) in enumerate(index.classes.items())
    }


def class_of(name: str) -> str:
    """The class of a photo, from its name in an index; see ``index_folder.named_sources``."""
    folders = name.split("/")[:-1]
    if len(folders) > 1 and set_named(folders[0]):
        folders = folders[1:]
    return folders[0] if folders else ""


def class_names(counts: Mapping[str, ClassCounts], photos: int, tests: int) -> list[Name]:
    """The classes that are significantly more frequent among the top or the active photos."""
    names = []
    for label, each in counts.items():
        candidates = [
            class_name(label, "top photos", each.top, each.all_top, each.photos, photos, tests),
            class_name(label, "photos on which it is active", each.active, each.all_active, each.photos, photos, tests),
        ]
        names += sorted((name for name in candidates if name is not None), key=lambda name: name.p)[:1]
    return names


def class_name(label: str, which: str, found: int, drawn: int, marked: int, photos: int, tests: int) -> Name | None:
    """The name for a class; None if it is not significant.

    The class has ``found`` of the ``drawn`` photos (the top or the active photos), and ``marked`` of all ``photos``.
    """
    p = hypergeometric_tail(found, drawn, marked, photos) * tests
    if p > LEVEL:
        return None
    evidence = f"{found} of its {drawn} {which}; {marked} of all {photos}"
    return Name("class", f"class {label}", found * photos / (drawn * marked), p, evidence)


def attribute_names(own: Floats, others: Floats, tests: int) -> list[Name]:
    """The attributes in which the places of a filter (N, A) differ significantly from places of other filters (M, A)."""
    best: dict[str, tuple[float, Name]] = {}
    for at, attribute in enumerate(ATTRIBUTES):
        for text, sign in ((attribute.more, 1.0), (attribute.less, -1.0)):
            if not text:
                continue
            name = attribute_name(attribute.kind, text, sign * own[:, at], sign * others[:, at], tests)
            amount = float(np.median(own[:, at]))
            # Neighbouring hues and angles overlap, and several may be significant: keep the one with the greatest amount.
            if name is not None and (attribute.kind not in best or amount > best[attribute.kind][0]):
                best[attribute.kind] = amount, name
    return [name for _, name in best.values()]


def attribute_name(kind: str, text: str, own: Floats, others: Floats, tests: int) -> Name | None:
    """The name if ``own`` are significantly greater than ``others``."""
    p = greater(own, others) * tests
    if p > LEVEL:
        return None
    effect = superiority(own, others)
    evidence = f"stronger than in {effect:.0%} of the top places of the tensor's other filters"
    return Name(kind, text, effect, p, evidence)
