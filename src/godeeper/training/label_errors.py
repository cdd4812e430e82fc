"""Out-of-fold probabilities for finding suspected label errors: photos that may be in the wrong folder.

``metrics.suspected_mislabels`` selects these photos, and ``report.make`` lists them.

A classifier that was trained on wrong labels gives the right labels lower probabilities.  This effect depends on the folds,
so the probabilities are averaged over several random assignments of the folds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .confidence import best_temperature
from .folds import assign_folds
from .logistic import cross_validate
from .metrics import softmax
from .pca import Floats
from .targets import Targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPEATS = 4


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
