"""Finds suspected label errors: photos that may be in the wrong folder, by their out-of-fold probabilities.

A classifier that was trained on wrong labels gives the right labels lower probabilities.  This effect depends on the folds,
so the probabilities are averaged over several random assignments of the folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .confidence import best_temperature
from .folds import Ints, assign_folds
from .logistic import cross_validate
from .metrics import Numbers, confusion, softmax
from .pca import Floats
from .targets import Targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPEATS = 4
MARGIN = 0.4  # least margin of a suspected photo, up to the estimated number of label errors
WIDE_MARGIN = 0.5  # least margin of photos beyond that number


@dataclass(frozen=True)
class SuspectedMislabel:
    """A photo, given by its row, with a label that contradicts a confident out-of-fold prediction."""

    row: int
    label: int
    suggested: int
    probability: float


def held_out_probabilities(coordinates: Floats, targets: Targets, strength: float) -> NDArray[np.float64]:
    """(N, classes): calibrated out-of-fold probabilities, averaged over ``REPEATS`` assignments of the folds.

    The probabilities are NaN for photos that some assignment does not hold out.  Near-duplicates are in the same fold.
    ``coordinates``: (N, k), the photos in the principal components of the chosen modules.
    """
    labels = targets.labels
    mean = np.zeros((len(labels), int(labels.max()) + 1))
    repeats = [assign_folds(labels, targets.groups, targets.seed + repeat) for repeat in range(REPEATS)]
    for (logits,) in cross_validate(coordinates, labels, repeats, [strength]):
        tested = ~np.isnan(logits).any(1)
        logits[tested] = softmax(logits[tested] / best_temperature(logits[tested], labels[tested]))
        mean += logits / REPEATS
    return mean


def suspected_mislabels(probabilities: Numbers, labels: Ints) -> tuple[SuspectedMislabel, ...]:
    """Photos that seem to be in the wrong folder, the most suspicious first (confident learning, Northcutt et al., 2021).

    A photo confidently belongs to a class if its probability for the class is at least the mean over the photos with that
    label.  Among one label's photos that confidently belong to some class, the share that belongs to another class
    estimates the share, and so the number, of wrong labels.

    A photo's margin is the greatest probability of another class minus the probability of its label.  For each label, the
    photos with the widest margins are suspected, up to the estimated number if the margin is above ``MARGIN``.  One standard
    deviation of the count more are suspected if the margin is above ``WIDE_MARGIN``.

    Args:
        probabilities: (N, classes) out-of-fold; rows with NaN are skipped.
        labels: (N,) the class of the folder that each photo is in.
    """
    rows = np.flatnonzero(~np.isnan(probabilities).any(1))
    seen, label = probabilities[rows], labels[rows]
    at = np.arange(len(rows))
    own = seen[at, label]
    others = seen.copy()
    others[at, label] = -1.0
    other = others.argmax(1)
    margin = others[at, other] - own
    expected = estimated_wrong(seen, label)
    order = np.argsort(-margin, kind="stable")
    suspected = []
    for name in np.unique(label):
        fewest, most = np.rint(expected[name]), np.ceil(expected[name] + np.sqrt(expected[name]))
        for rank, row in enumerate(order[label[order] == name]):
            if rank < most and margin[row] > (MARGIN if rank < fewest else WIDE_MARGIN):
                suspected.append(int(row))
    suspected.sort(key=lambda row: (-margin[row], row))
    return tuple(
        SuspectedMislabel(int(rows[row]), int(label[row]), int(other[row]), float(seen[row, other[row]]))
        for row in suspected
    )


def estimated_wrong(probabilities: Numbers, labels: Ints) -> NDArray[np.float64]:
    """(classes,) the estimated number of wrong labels in each class, from the confident joint."""
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    own = probabilities[np.arange(len(labels)), labels]
    usual = np.bincount(labels, own, minlength=classes) / np.maximum(counts, 1)
    usual[counts == 0] = np.inf
    claimed = np.where(probabilities >= usual, probabilities, -1.0)
    confident = claimed.max(1, initial=-1.0) >= 0
    joint = confusion(labels[confident], claimed[confident].argmax(1), classes)
    share = 1 - joint.diagonal() / np.maximum(joint.sum(1), 1)
    share[joint.sum(1) == 0] = 0.0
    expected: NDArray[np.float64] = share * counts
    return expected
