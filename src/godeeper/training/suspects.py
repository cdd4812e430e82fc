"""Photos that may be in the wrong folder: what heads that have not seen a photo say of it, against its label.

A head that learned from wrong labels is less sure of the right ones, and which of them it learned from depends on the
folds; so each photo is judged by the heads of several deals, whose probabilities are averaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .basis import Floats
from .folds import Ints
from .head import held_out_logits
from .measure import best_temperature, softmax
from .selection import Selection

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEALS = 4


def held_out_probabilities(
    features: Mapping[str, Floats], labels: Ints, groups: Ints, selection: Selection, seed: int
) -> NDArray[np.float64]:
    """(N, classes): what heads that have not seen a photo, nor its near-duplicates, say of it; NaN where none could.

    Calibrated, and the mean over ``DEALS`` deals of the folds.
    """
    likely = np.zeros((len(labels), int(labels.max()) + 1))
    for deal in range(DEALS):
        logits = held_out_logits(features, labels, groups, selection, seed + deal)
        seen = ~np.isnan(logits).any(1)
        logits[seen] = softmax(logits[seen] / best_temperature(logits[seen], labels[seen]))
        likely += logits / DEALS
    return likely
