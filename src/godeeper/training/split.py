"""Splits photos into train, validation and test sets by a hash of their pixels, so that the split is stable.

All photos of a group (near-duplicates, a burst, ``_nohash_`` names; see ``photos.doctor.checkup``) are in one set, and the
smallest pixel hash of the group decides which.  A photo therefore stays in its set when folders or files are moved or
renamed, when its class or lossless format changes, and when other photos are added or removed, **unless its group changes**.
A new photo may join or merge groups; the new smallest hash then decides the set of the whole group.

The shares are only approximate, since no photo is moved to fill a class's test set.  If the test set is too small,
``hold_out`` chooses cross-validation instead.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..natural_order import natural_key
from ..photos.doctor.checkup import Checkup
from ..wording import first_of
from .metrics import effective_count

Set = Literal["train", "validation", "test"]
SETS: tuple[Set, ...] = ("train", "validation", "test")
TEST_BELOW, VALIDATION_BELOW = 0.1, 0.2
FEW_GROUPS = 10
ENOUGH = 100
"""The least size of a test set, with near-duplicates counted once; its 95 % interval is then at most 20 points wide."""

CROSS_VALIDATION, TEST_SET = "cross-validation", "a test set"


@dataclass(frozen=True)
class HoldOut:
    """How a classifier is tested.

    ``by``: the method.  ``sets``: pixel hash -> set; in cross-validation, every photo is in ``train``, and all are tested in
    turn.  ``why``: the reason for the method.
    """

    by: str
    sets: Mapping[str, Set]
    why: str

    @property
    def counts(self) -> dict[str, int]:
        """The number of photos in each set."""
        found = Counter(self.sets.values())
        return {name: found[name] for name in SETS if found[name] or self.by == TEST_SET}


def hold_out(checkup: Checkup) -> HoldOut:
    """Choose between a test set and cross-validation, and choose the photos of the test set.

    A test set that the user gives is always used.  Otherwise, a test set is used if it has at least ``ENOUGH`` photos and
    every class has photos both inside and outside it.  If not, cross-validation tests every photo, which gives a narrower
    interval.  See docs/decisions/0028-testing.md.
    """
    given = given_sets(checkup)
    if given:
        photos = sum(part == "test" for part in given.values())
        return HoldOut(TEST_SET, given, f"the given test set, {photos} photo{'s' * (photos != 1)}")
    assigned = assign(checkup)
    test = [pixels for pixels, part in assigned.items() if part == "test"]
    count = effective_count([checkup.groups[pixels] for pixels in test])
    missing = [label for label in checkup.classes if not is_on_both_sides(checkup, label, assigned)]
    if count < ENOUGH:
        why = f"a tenth of the photos would be a test set of about {count:.0f}; expected at least {ENOUGH}"
    elif missing:
        why = f"a tenth of the photos as a test set would not cover {quoted(missing)}"
    else:
        return HoldOut(TEST_SET, assigned, f"a tenth of the photos, {len(test)}, is enough for a test set")
    return HoldOut(CROSS_VALIDATION, dict.fromkeys(assigned, "train"), why)


def given_sets(checkup: Checkup) -> dict[str, Set]:
    """Pixel hash of each usable photo -> the set given by the user; empty if no test set is given."""
    parts: dict[str, Set] = {"test": "test", "validation": "validation"}
    sets = {photo.pixels_sha256: parts.get(photo.entry.split, "train") for photo in checkup.usable}
    return sets if "test" in sets.values() else {}


def is_on_both_sides(checkup: Checkup, label: str, assigned: Mapping[str, Set]) -> bool:
    """Whether a class has photos in the test set and outside it."""
    return len({assigned[photo.pixels_sha256] == "test" for photo in checkup.usable if photo.entry.label == label}) == 2


def assign(checkup: Checkup) -> dict[str, Set]:
    """Pixel hash of each usable photo -> its set; about a tenth are in ``test`` and a tenth in ``validation``."""
    least = least_hashes(checkup)
    return {photo.pixels_sha256: set_of(least[photo.group]) for photo in checkup.usable}


def set_of(least: str) -> Set:
    """The set of the group whose smallest pixel hash is ``least``."""
    share = fraction(least)
    return "test" if share < TEST_BELOW else "validation" if share < VALIDATION_BELOW else "train"


def fraction(text: str) -> float:
    """A hash of ``text`` as a number from 0 to 1, excluding 1."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def too_few_reasons(checkup: Checkup) -> tuple[str, ...]:
    """One line that names the classes with too few different photos, the fewest first; empty if there are none."""
    groups = defaultdict(set)
    for photo in checkup.usable:
        groups[photo.entry.label].add(photo.group)
    counts = {label: len(members) for label, members in groups.items() if len(members) < FEW_GROUPS}
    if not counts:
        return ()
    ranked = sorted(counts, key=lambda label: (counts[label], natural_key(label)))
    which = first_of([f"{label!r} has {counts[label]}" for label in ranked])
    verb = "class has" if len(counts) == 1 else "classes have"
    return (
        (
            f"{len(counts)} of {len(groups)} {verb} few different photos: {which}; "
            f"expected at least {FEW_GROUPS} per class"
        ),
    )


def quoted(labels: Sequence[str]) -> str:
    """The first few of these classes in natural order, quoted."""
    return f"class{'es' * (len(labels) > 1)} {first_of([repr(label) for label in sorted(labels, key=natural_key)])}"


def least_hashes(checkup: Checkup) -> dict[int, str]:
    """The smallest pixel hash of each group, among all its photos that could be decoded."""
    least: dict[int, str] = {}
    for pixels in sorted(checkup.groups, reverse=True):
        least[checkup.groups[pixels]] = pixels
    return least
