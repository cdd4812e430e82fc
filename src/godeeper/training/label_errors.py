"""Photos that may be in the wrong folder: what heads that have not seen a photo say of it, against its label.

A head that learned from wrong labels is less sure of the right ones, and which of them it learned from depends on the
folds; so each photo is judged by the heads of several deals, whose probabilities are averaged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .folds import Ints, assign_folds
from .logistic import cross_validate
from .metrics import best_temperature, softmax
from .pca import Floats

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPEATS = 4


def held_out_probabilities(
    coordinates: Floats, labels: Ints, groups: Ints, strength: float, seed: int
) -> NDArray[np.float64]:
    """(N, classes): what heads that have not seen a photo, nor its near-duplicates, say of it; NaN where none could.

    Calibrated, and the mean over ``REPEATS`` deals of the folds.  ``coordinates``, (N, k), are of the chosen modules.
    """
    likely = np.zeros((len(labels), int(labels.max()) + 1))
    deals = [assign_folds(labels, groups, seed + deal) for deal in range(REPEATS)]
    for (logits,) in cross_validate(coordinates, labels, deals, [strength]):
        seen = ~np.isnan(logits).any(1)
        logits[seen] = softmax(logits[seen] / best_temperature(logits[seen], labels[seen]))
        likely += logits / REPEATS
    return likely
