"""Background bias: classes that the background alone gives away, so that one may learn the wall instead of the car.

A nearest-neighbour classifier predicts each photo's class from the colours along its edges alone.  A class that it nearly
always recognises is no proof of a fault, but the accuracy then need not hold for photos taken elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..wording import first_of
from .folds import Ints
from .targets import Targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEIGHBOURS = 5
CLEAR = 0.9  # recall and precision from which a class is named
LEAST = 10  # photos a class needs to be judged
MOST = 2000  # photos compared with
ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class BiasedClass:
    """A class that the edges give away: ``right`` of its ``photos`` are recognised, and ``wrong`` others are predicted as it."""

    label: str
    photos: int
    right: int
    wrong: int


def remarks(biased: Sequence[BiasedClass]) -> tuple[str, ...]:
    """One line that names these classes; empty where there are none."""
    if not biased:
        return ()
    which = first_of([f"{one.label!r} ({one.right} of {one.photos}, {one.wrong} false positives)" for one in biased], 3)
    return (
        (
            f"the colours along the photos' edges alone give away class{'es' * (len(biased) > 1)} {which}: "
            "the classifier may have learned the background rather than the object; test it on photos taken elsewhere"
        ),
    )


def background_biases(edges: NDArray[np.float32], targets: Targets, names: tuple[str, ...]) -> tuple[BiasedClass, ...]:
    """The classes that the edges alone give away.

    Args:
        edges: (N, 6), see ``photos.doctor.fingerprint.edges``.
        targets: of the photos; a photo is never compared with its near-duplicates.  The seed chooses the photos that are
            compared with, where there are very many.
        names: of the classes.
    """
    predicted, labels = predict_from_edges(edges, targets), targets.labels
    biased = []
    for number, name in enumerate(names):
        of_class = labels == number
        right, wrong = int((predicted[of_class] == number).sum()), int((predicted[~of_class] == number).sum())
        photos = int(of_class.sum())
        if photos >= LEAST and right >= CLEAR * photos and right >= CLEAR * (right + wrong):
            biased.append(BiasedClass(name, photos, right, wrong))
    return tuple(biased)


def predict_from_edges(edges: NDArray[np.float32], targets: Targets) -> Ints:
    """(N,) the majority class of each photo's ``NEIGHBOURS`` nearest photos, with balanced class weights."""
    labels, groups = targets.labels, targets.groups
    known = np.sort(np.random.default_rng(targets.seed).permutation(len(labels))[:MOST])
    votes = np.eye(labels.max() + 1)[labels[known]] / np.bincount(labels)[labels[known], None]
    predicted = np.empty(len(labels), np.int64)
    for start in range(0, len(labels), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        distances = np.square(edges[rows, None] - edges[None, known]).sum(2)  # (rows, known)
        distances[groups[rows, None] == groups[None, known]] = np.inf
        nearest = np.argpartition(distances, min(NEIGHBOURS, len(known) - 1), axis=1)[:, :NEIGHBOURS]
        predicted[rows] = votes[nearest].sum(1).argmax(1)
    return predicted
