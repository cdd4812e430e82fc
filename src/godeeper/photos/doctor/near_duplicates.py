"""Group photos that must stay in one set: near-duplicates, bursts, and photos that file names or lists put together.

``bench/studies/near_duplicates.py`` tests the thresholds for near-duplicates on scikit-image's pictures and on
openclipart's drawings.  Copies are scaled, recompressed, cropped by 2 and 5 %, and changed in brightness and contrast.
94 % of the pictures' copies and 96 % of the drawings' are found.  The thresholds for bursts were chosen without a measurement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .fingerprint import UNIT, Fingerprint, thumbnails, views

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR_BITS, NEAR_LIKENESS = 20, 0.95  # bits of 64 that may differ; least correlation of the thumbnails
BURST_BITS, BURST_LIKENESS, BURST_SECONDS = 24, 0.80, 2
FLAT_CONTRAST, FLAT_LEVELS = 2.0, 4.0  # a flat thumbnail has a lower deviation; flat ones match within this many levels


class UnionFind:
    """Union-find over ``count`` items in one array: the number of an item is the least index in its group."""

    def __init__(self, count: int) -> None:
        self.numbers = np.arange(count)

    def join(self, members: Iterable[int | np.integer[Any]]) -> None:
        """Merge the groups of all members."""
        numbers = np.unique(self.numbers[np.array(list(members), np.intp)])
        if len(numbers) > 1:
            self.numbers[np.isin(self.numbers, numbers)] = numbers[0]


def group(fingerprints: Sequence[Fingerprint], families: Iterable[Iterable[int]] = ()) -> list[int]:
    """The number of each photo's group, from 0 in the order of first appearance.

    Args:
        fingerprints: one for each photo; no two with the same pixels.
        families: sets of indices of photos that belong together regardless of their pixels.
    """
    groups = UnionFind(len(fingerprints))
    for family in families:
        groups.join(family)
    if fingerprints:
        join_near_duplicates(fingerprints, groups)
    _, numbers = np.unique(groups.numbers, return_inverse=True)
    return [int(number) for number in numbers]


def join_near_duplicates(fingerprints: Sequence[Fingerprint], groups: UnionFind) -> None:
    """Join near-duplicates and bursts: compare all crops of each photo with the other photos uncropped."""
    size = views_of(fingerprints[0])[0].size
    whole = np.empty((len(fingerprints), size), np.int16)  # (N, 192); all values are integers
    flat = np.empty(len(fingerprints), bool)
    for index, fingerprint in enumerate(fingerprints):
        whole[index] = views_of(fingerprint)[0]
        flat[index] = thumbnails([fingerprint]).std(dtype=np.float32) < FLAT_CONTRAST
    bits = np.array([each.fingerprint for each in fingerprints], np.uint64)
    cameras, taken = cameras_and_times(fingerprints)
    join_flat(fingerprints, flat, groups)
    for index in np.flatnonzero(~flat).tolist():
        distance = np.bitwise_count(bits ^ bits[index])
        burst = (cameras == cameras[index]) & (np.abs(taken - taken[index]) <= BURST_SECONDS) & (cameras >= 0)
        possible = (distance <= NEAR_BITS) | (burst & (distance <= BURST_BITS))
        others = np.flatnonzero(possible & ~flat & (groups.numbers != groups.numbers[index]))
        if len(others):
            likeness = (whole[others].astype(np.float32) @ views_of(fingerprints[index]).T).max(axis=1) / UNIT**2
            near = (distance[others] <= NEAR_BITS) & (likeness >= NEAR_LIKENESS)
            groups.join([index, *others[near | (burst[others] & (likeness >= BURST_LIKENESS))]])


def views_of(fingerprint: Fingerprint) -> NDArray[np.float32]:
    """The views of a fingerprint's thumbnail, (19, 192); see ``fingerprint.views``."""
    return views(thumbnails([fingerprint])[0])


def join_flat(fingerprints: Sequence[Fingerprint], flat: NDArray[np.bool_], groups: UnionFind) -> None:
    """Join pictures of a single colour if their colours are nearly the same."""
    where = np.flatnonzero(flat)
    colours = thumbnails([fingerprints[index] for index in where.tolist()]).mean(axis=(1, 2))  # (n, 3)
    for index, colour in zip(where, colours, strict=True):
        same = np.abs(colours - colour).max(axis=1) <= FLAT_LEVELS
        groups.join([index, *where[same]])


def cameras_and_times(fingerprints: Sequence[Fingerprint]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The camera number of each photo (-1 if camera or time is unknown), and its time in seconds (0 if unknown)."""
    known = {
        camera: number for number, camera in enumerate(sorted({each.camera for each in fingerprints if each.camera}))
    }
    cameras = [known[each.camera] if each.camera and each.taken is not None else -1 for each in fingerprints]
    return np.array(cameras), np.array([each.taken or 0 for each in fingerprints])
