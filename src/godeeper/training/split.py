"""Which photos train, which choose, which test: by what they show, not by what they are called or lie beside.

A group of photos (near-duplicates, a burst, ``_nohash_`` names; see ``photos.doctor.checkup``) is never torn apart.
Its set follows from the least hash of its members' pixels alone.  So a photo keeps its set when the folder
is moved, renamed or typed in another way, when the file is renamed, given another class or stored in
another lossless format, and when other photos come or go; **unless its group changes**: a newcomer that
looks like it joins or merges groups, and the whole group goes where its then least hash sends it.

The price is that the shares are only about right: no photo is moved to fill a class's test set.  ``hold_out``
decides whether the test set is large enough to be used; where it is not, cross-validation tests all photos.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..natural_order import natural_key
from ..photos.doctor.checkup import Checkup, some
from .metrics import effective_count

Set = Literal["train", "validation", "test"]
SETS: tuple[Set, ...] = ("train", "validation", "test")
TEST_BELOW, VALIDATION_BELOW = 0.1, 0.2
FEW_GROUPS = 10
ENOUGH = 100
"""Photos that a test set must hold, near-duplicates counted once: its 95 % interval is then 20 points wide at most."""

CROSS_VALIDATION, TEST_SET = "cross-validation", "a test set"


@dataclass(frozen=True)
class HoldOut:
    """How a classifier is tested: ``by`` which method, which photo (by pixel hash) is in which set, and ``why``.

    Under cross-validation every photo is in the set ``train``, and all of them are tested in turn.
    """

    by: str
    sets: Mapping[str, Set]
    why: str

    @property
    def counts(self) -> dict[str, int]:
        """How many photos each set holds."""
        found = Counter(self.sets.values())
        return {name: found[name] for name in SETS if found[name] or self.by == TEST_SET}


def hold_out(checkup: Checkup) -> HoldOut:
    """Which photos test.  The only place where this is decided.

    A test set is used if it holds at least ``ENOUGH`` photos and every class has photos on both sides; otherwise
    cross-validation, which tests every photo and so gives the narrower interval.  See docs/decisions/0028-testing.md.
    """
    given = given_sets(checkup)
    if given:
        photos = sum(part == "test" for part in given.values())
        return HoldOut(TEST_SET, given, f"the test set that was given, {photos} photo{'s' * (photos != 1)}")
    assigned = assign(checkup)
    test = [pixels for pixels, part in assigned.items() if part == "test"]
    count = effective_count([checkup.groups[pixels] for pixels in test])
    missing = [label for label in checkup.classes if not is_on_both_sides(checkup, label, assigned)]
    if count < ENOUGH:
        why = f"a test set of a tenth of the photos would hold about {count:.0f}; expected at least {ENOUGH}"
    elif missing:
        why = f"a test set of a tenth of the photos would leave out {quoted(missing)}"
    else:
        return HoldOut(TEST_SET, assigned, f"a tenth of the photos, {len(test)}, is enough for a test set")
    return HoldOut(CROSS_VALIDATION, dict.fromkeys(assigned, "train"), why)


def given_sets(checkup: Checkup) -> dict[str, Set]:
    """Pixel hash of each usable photo to the set that the user put it in; empty where no test set is given."""
    parts: dict[str, Set] = {"test": "test", "validation": "validation"}
    sets = {photo.pixels_sha256: parts.get(photo.entry.split, "train") for photo in checkup.usable}
    return sets if "test" in sets.values() else {}


def is_on_both_sides(checkup: Checkup, label: str, assigned: Mapping[str, Set]) -> bool:
    """Whether a class has photos in the test set and outside it."""
    return len({assigned[photo.pixels_sha256] == "test" for photo in checkup.usable if photo.entry.label == label}) == 2


def assign(checkup: Checkup) -> dict[str, Set]:
    """Pixel hash of each usable photo to its set: about a tenth test, a tenth validation."""
    least = least_hashes(checkup)
    return {photo.pixels_sha256: set_of(least[photo.group]) for photo in checkup.usable}


def set_of(least: str) -> Set:
    """The set of the group whose least pixel hash is ``least``."""
    share = fraction(least)
    return "test" if share < TEST_BELOW else "validation" if share < VALIDATION_BELOW else "train"


def fraction(text: str) -> float:
    """A number from 0 to less than 1 that follows from ``text`` and is as good as random."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def too_few_reasons(checkup: Checkup) -> tuple[str, ...]:
    """A line that names the classes with too few different photos, the fewest first; empty where there are none."""
    groups = defaultdict(set)
    for photo in checkup.usable:
        groups[photo.entry.label].add(photo.group)
    counts = {label: len(members) for label, members in groups.items() if len(members) < FEW_GROUPS}
    if not counts:
        return ()
    ranked = sorted(counts, key=lambda label: (counts[label], natural_key(label)))
    which = some([f"{label!r} has {counts[label]}" for label in ranked])
    verb = "class has" if len(counts) == 1 else "classes have"
    return (
        (
            f"{len(counts)} of {len(groups)} {verb} few different photos: {which}; "
            f"expected at least {FEW_GROUPS} a class, the more the better"
        ),
    )


def quoted(labels: Sequence[str]) -> str:
    """The first of some classes by name."""
    return f"class{'es' * (len(labels) > 1)} {some([repr(label) for label in sorted(labels, key=natural_key)])}"


def least_hashes(checkup: Checkup) -> dict[int, str]:
    """The least pixel hash of each group, over all of its photos that could be decoded."""
    least: dict[int, str] = {}
    for pixels in sorted(checkup.groups, reverse=True):
        least[checkup.groups[pixels]] = pixels
    return least
