"""Which photos train, which choose, which test: by what they show, not by what they are called or lie beside.

A group of photos (near-duplicates, a burst, ``_nohash_`` names; see ``photos.doctor``) is never torn apart.
Its set follows from the least hash of its members' pixels alone.  So a photo keeps its set when the folder
is moved, renamed or typed in another way, when the file is renamed, given another class or stored in
another lossless format, and when other photos come or go; **unless its group changes**: a newcomer that
looks like it joins or merges groups, and the whole group goes where its then least hash sends it.

The price is that the shares are only about right: no photo is moved to fill a class's test set.  With few
photos that may leave a class untested, so ``few`` says where, and ``folds`` gives cross-validation.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Literal

from ..errors import OptionError
from ..photos.doctor import Checkup

Set = Literal["train", "validation", "test"]
SETS: tuple[Set, ...] = ("train", "validation", "test")
TEST_BELOW, VALIDATION_BELOW = 0.1, 0.2
FEW_GROUPS = 10


def assign(checkup: Checkup) -> dict[str, Set]:
    """Pixel hash of each usable photo to its set: about a tenth test, a tenth validation."""
    least = least_hashes(checkup)
    return {pixels: set_of(least[checkup.groups[pixels]]) for pixels in usable_hashes(checkup)}


def set_of(least: str) -> Set:
    """The set of the group whose least pixel hash is ``least``."""
    share = fraction(least)
    return "test" if share < TEST_BELOW else "validation" if share < VALIDATION_BELOW else "train"


def fraction(text: str) -> float:
    """A number from 0 to less than 1 that follows from ``text`` and is as good as drawn by lot."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def few(checkup: Checkup) -> tuple[str, ...]:
    """Why the photos are too few to hold a test set back, one line a class; empty when there are enough."""
    assigned = assign(checkup)
    return tuple(line for label in checkup.classes for line in few_of(checkup, label, assigned))


def few_of(checkup: Checkup, label: str, assigned: dict[str, Set]) -> Iterable[str]:
    """The line for one class, if it needs one."""
    members = [verdict.pixels_sha256 or "" for verdict in checkup.usable if verdict.entry.label == label]
    groups = len({checkup.groups[pixels] for pixels in members})
    missing = [part for part in ("train", "test") if part not in {assigned[pixels] for pixels in members}]
    if groups < FEW_GROUPS:
        yield f"class {label!r} has {groups} different photo{'s' * (groups != 1)}; expected at least {FEW_GROUPS}, the more the better"
    elif missing:
        yield f"class {label!r} has no photo in the {' and the '.join(missing)} set"


def folds(checkup: Checkup, k: int) -> dict[str, int]:
    """Pixel hash of each usable photo to one of ``k`` parts, numbered from 0, for cross-validation.

    Groups stay whole, and each class is spread as evenly as they allow.  A class with fewer than ``k`` groups
    is missing from some parts.  Unlike sets, parts are dealt anew when photos come or go.

    Raises:
        OptionError: ``k`` is less than 2, or more than there are groups.
    """
    members = defaultdict(list)
    for verdict in checkup.usable:
        members[checkup.groups[verdict.pixels_sha256 or ""]].append(verdict)
    if not 2 <= k <= len(members):
        raise OptionError(f"cannot deal {len(members)} different photos into {k} parts; expected 2 to {len(members)}")
    least = least_hashes(checkup)
    loads = [Counter[str]() for _ in range(k)]
    dealt: dict[str, int] = {}
    for number in sorted(members, key=lambda number: (-len(members[number]), fraction(least[number]))):
        labels = Counter(verdict.entry.label for verdict in members[number])
        part = min(range(k), key=lambda part: (sum(loads[part][each] for each in labels), loads[part].total(), part))
        loads[part] += labels
        dealt |= dict.fromkeys((verdict.pixels_sha256 or "" for verdict in members[number]), part)
    return dealt


def least_hashes(checkup: Checkup) -> dict[int, str]:
    """The least pixel hash of each group, over all of its photos that could be decoded."""
    least: dict[int, str] = {}
    for pixels in sorted(checkup.groups, reverse=True):
        least[checkup.groups[pixels]] = pixels
    return least


def usable_hashes(checkup: Checkup) -> list[str]:
    """The pixel hashes of usable photos, in the order of the verdicts."""
    return [verdict.pixels_sha256 or "" for verdict in checkup.usable]
