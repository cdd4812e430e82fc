"""Background bias: finds classes that can be predicted from the photos' backgrounds.

A classifier may have learned the background of such a class, for example a wall, instead of the object.  To find these
classes, a nearest-neighbour classifier predicts each photo's class from the colours along its edges alone.  A good
prediction is not proof of a fault, but the accuracy may be lower on photos taken elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..wording import count_of, first_of
from .folds import Ints
from .targets import Targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEIGHBOURS = 5
CLEAR = 0.9  # minimum recall and precision for a class to be reported
LEAST = 10  # photos; smaller classes are not tested
MOST = 2000  # photos that serve as neighbours
ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class BiasedClass:
    """A class that can be predicted from the edges.

    ``right``: the number of its ``photos`` that are predicted correctly.  ``wrong``: the number of false positives.
    """

    label: str
    photos: int
    right: int
    wrong: int


def remarks(biased: Sequence[BiasedClass]) -> tuple[str, ...]:
    """One line that names these classes; empty if there are none."""
    if not biased:
        return ()
    named = [
        f"{one.label!r} ({one.right} of {count_of(one.photos, 'photo')} correct, {count_of(one.wrong, 'false positive')})"
        for one in biased
    ]
    which = first_of(named, 3)
    return (
        (
            f"class{'es' * (len(biased) > 1)} {which} can be predicted from the colours along the photos' edges alone: "
            "the classifier may have learned the background rather than the object; test it on photos taken elsewhere"
        ),
    )


def background_biases(edges: NDArray[np.float32], targets: Targets, names: tuple[str, ...]) -> tuple[BiasedClass, ...]:
    """The classes that can be predicted from the edges alone.

    Args:
        edges: (N, 6), see ``photos.doctor.fingerprint.edges``.
        targets: the photos' labels and groups; near-duplicates are never each other's neighbours.  If there are more than
            ``MOST`` photos, the seed chooses those that serve as neighbours.
        names: the names of the classes.
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
    """(N,) the class with the most votes among each photo's ``NEIGHBOURS`` nearest photos; rare classes have more weight."""
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
