"""Classes whose photos are alike along their edges and unlike all others': one may learn the wall instead of the car.

Each photo is told by the colours along its edges alone, from the photos nearest in that; a class that is nearly
always told right so is no proof of a fault, but accuracy then says nothing of photos taken elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..photos.doctor.checkup import some
from .folds import Ints

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEIGHBOURS = 5
TOLD = 0.9  # of the class's photos, and of those taken for it
LEAST = 10  # photos of a class, to say anything of it
MOST = 2000  # photos compared with
ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class BiasedClass:
    """A class that the edges tell: ``right`` of its ``photos``, and ``wrong`` of the others taken for it."""

    label: str
    photos: int
    right: int
    wrong: int


def remarks(found: Sequence[BiasedClass]) -> tuple[str, ...]:
    """What people should know of these classes, in one line; none where there are none."""
    if not found:
        return ()
    which = some(
        [f"{one.label!r} ({one.right} of {one.photos}, and {one.wrong} others taken for it)" for one in found], 3
    )
    return (
        (
            f"the colours along the edges of the photos alone give away class{'es' * (len(found) > 1)} {which}: "
            "the classifier may have learned the background rather than the object; test it on photos taken elsewhere"
        ),
    )


def background_biases(
    edges: NDArray[np.float32], labels: Ints, groups: Ints, names: tuple[str, ...], seed: int
) -> tuple[BiasedClass, ...]:
    """The classes that edges alone tell.

    Args:
        edges: (N, 6), see ``photos.doctor.fingerprint.edges``.
        labels: (N,) the number of each photo's class among ``names``.
        groups: (N,) near-duplicates share a number; a photo is not told by its own.
        names: of the classes.
        seed: of which photos are compared with, where there are very many.
    """
    told = compare_edges(edges, labels, groups, seed)
    found = []
    for number, name in enumerate(names):
        of_class = labels == number
        right, wrong = int((told[of_class] == number).sum()), int((told[~of_class] == number).sum())
        photos = int(of_class.sum())
        if photos >= LEAST and right >= TOLD * photos and right >= TOLD * (right + wrong):
            found.append(BiasedClass(name, photos, right, wrong))
    return tuple(found)


def compare_edges(edges: NDArray[np.float32], labels: Ints, groups: Ints, seed: int) -> Ints:
    """(N,) the class that most of the nearest photos have, every class counting the same."""
    known = np.sort(np.random.default_rng(seed).permutation(len(labels))[:MOST])
    votes = np.eye(labels.max() + 1)[labels[known]] / np.bincount(labels)[labels[known], None]
    told = np.empty(len(labels), np.int64)
    for start in range(0, len(labels), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        apart = np.square(edges[rows, None] - edges[None, known]).sum(2)  # (rows, known)
        apart[groups[rows, None] == groups[None, known]] = np.inf
        nearest = np.argpartition(apart, min(NEIGHBOURS, len(known) - 1), axis=1)[:, :NEIGHBOURS]
        told[rows] = votes[nearest].sum(1).argmax(1)
    return told
