"""Groups of photos that must not be torn apart: near-duplicates, bursts, and what a file name says belongs together.

The thresholds were measured (``bench/studies/near_duplicates.py``) on pictures that scikit-image carries and on drawings
of openclipart, each scaled to a half and a quarter, recompressed, cropped by 2 and 5 %, made lighter, darker and
harder, and all of it at once: 94 and 96 % of the copies are found.  The numbers for bursts are a choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .fingerprint import UNIT, Fingerprint, smalls, views

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR_BITS, NEAR_LIKENESS = 20, 0.95  # of 64; correlation of the small pictures
BURST_BITS, BURST_LIKENESS, BURST_SECONDS = 24, 0.80, 2
FLAT_CONTRAST, FLAT_LEVELS = 2.0, 4.0  # standard deviation below which there is nothing to compare but colour


class UnionFind:
    """Union-find over ``count`` things in one array: a thing's number is the least index in its group."""

    def __init__(self, count: int) -> None:
        self.numbers = np.arange(count)

    def join(self, members: Iterable[int | np.integer[Any]]) -> None:
        """All groups of the members become one."""
        numbers = np.unique(self.numbers[np.array(list(members), np.intp)])
        if len(numbers) > 1:
            self.numbers[np.isin(self.numbers, numbers)] = numbers[0]


def group(looks: Sequence[Fingerprint], families: Iterable[Iterable[int]] = ()) -> list[int]:
    """The number of each photo's group, from 0 in the order of first appearance.

    Args:
        looks: one for each photo, no pixels twice.
        families: sets of indices that belong together whatever they look like.
    """
    groups = UnionFind(len(looks))
    for family in families:
        groups.join(family)
    if looks:
        join_alike(looks, groups)
    _, numbers = np.unique(groups.numbers, return_inverse=True)
    return [int(number) for number in numbers]


def join_alike(looks: Sequence[Fingerprint], groups: UnionFind) -> None:
    """Joins near-duplicates and bursts.  Each photo's crops are compared with the others whole, so all pairs both ways."""
    whole = np.empty((len(looks), views_of(looks[0])[0].size), np.int16)  # (N, 192); they are whole numbers
    flat = np.empty(len(looks), bool)
    for index, look in enumerate(looks):
        whole[index] = views_of(look)[0]
        flat[index] = smalls([look]).std(dtype=np.float32) < FLAT_CONTRAST
    bits = np.array([each.fingerprint for each in looks], np.uint64)
    cameras, taken = shots(looks)
    join_flat(looks, flat, groups)
    for index in np.flatnonzero(~flat).tolist():
        apart = np.bitwise_count(bits ^ bits[index])
        burst = (cameras == cameras[index]) & (np.abs(taken - taken[index]) <= BURST_SECONDS) & (cameras >= 0)
        possible = (apart <= NEAR_BITS) | (burst & (apart <= BURST_BITS))
        others = np.flatnonzero(possible & ~flat & (groups.numbers != groups.numbers[index]))
        if len(others):
            likeness = (whole[others].astype(np.float32) @ views_of(looks[index]).T).max(axis=1) / UNIT**2
            near = (apart[others] <= NEAR_BITS) & (likeness >= NEAR_LIKENESS)
            groups.join([index, *others[near | (burst[others] & (likeness >= BURST_LIKENESS))]])


def views_of(look: Fingerprint) -> NDArray[np.float32]:
    """(19, 192): see ``views``."""
    return views(smalls([look])[0])


def join_flat(looks: Sequence[Fingerprint], flat: NDArray[np.bool_], groups: UnionFind) -> None:
    """Joins pictures of one colour and nothing else, where the colour is the same."""
    where = np.flatnonzero(flat)
    colours = smalls([looks[index] for index in where.tolist()]).mean(axis=(1, 2))  # (n, 3)
    for index, colour in zip(where, colours, strict=True):
        same = np.abs(colours - colour).max(axis=1) <= FLAT_LEVELS
        groups.join([index, *where[same]])


def shots(looks: Sequence[Fingerprint]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A number for each photo's camera, -1 where it or the time is not known; and the time in seconds."""
    known = {camera: number for number, camera in enumerate(sorted({each.camera for each in looks if each.camera}))}
    cameras = [known[each.camera] if each.camera and each.taken is not None else -1 for each in looks]
    return np.array(cameras), np.array([each.taken or 0 for each in looks])
