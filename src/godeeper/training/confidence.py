"""Temperature scaling, and the threshold for "none of these"; both are fitted on held-out photos."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .folds import Ints
from .logistic import cross_validated_logits
from .metrics import Numbers, log_loss, softmax
from .ood import TrainingPoints, held_out_distances, radius_of, strangeness
from .targets import Targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLDEST, HOTTEST = 0.05, 20.0
PRIOR = 2.0  # the weight of a normal prior on the logarithm of the temperature, with a standard deviation of one half


def best_temperature(logits: Numbers, labels: Ints) -> float:
    """Temperature scaling (Guo et al., 2017): the temperature with the smallest log loss.

    A prior keeps the temperature near one if there are few photos.
    """

    def loss(logarithm: float) -> float:
        return log_loss(logits / np.exp(logarithm), labels) + PRIOR * logarithm**2 / len(labels)

    if not len(labels):
        return 1.0
    low, high = np.log(COLDEST), np.log(HOTTEST)
    ratio = (np.sqrt(5.0) - 1) / 2
    for _ in range(40):  # golden-section search: the loss has one minimum
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


KEPT = 0.95
"""The share of held-out photos that reach the threshold."""


@dataclass(frozen=True)
class ConfidenceFit:
    """Temperature, OOD radius and threshold, all fitted on held-out photos.

    ``radius``: see the module ``ood``.  ``threshold``: the highest value that at least the share ``KEPT`` of the held-out
    photos reaches.  ``confidences``: (M,) the highest probability of each held-out photo, in ascending order.
    """

    temperature: float
    radius: float
    threshold: float
    confidences: NDArray[np.float64] = field(repr=False)


def fit_confidence(points: TrainingPoints, targets: Targets, strength: float) -> ConfidenceFit | None:
    """Fit temperature, radius and threshold by cross-validation; None if no photo can be held out."""
    labels, folds = targets.labels, targets.folds
    tested = folds >= 0
    if not tested.any():
        return None
    logits = cross_validated_logits(points.coordinates, labels, folds, [strength])[0][tested]
    temperature = best_temperature(logits, labels[tested])
    distances = held_out_distances(points, folds)[tested]
    radius = radius_of(distances)
    confidences = np.sort(softmax(logits / (temperature * strangeness(distances / radius)[:, None])).max(1))
    return ConfidenceFit(temperature, radius, float(confidences[int((1 - KEPT) * len(confidences))]), confidences)
