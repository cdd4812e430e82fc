"""Multinomial logistic regression with class balancing: scikit-learn fits, everything else is numpy.

It fits in single precision, which half precision's features do not fill, in as many steps as in double and in half the
time and memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..parallel import parallel_map
from .folds import Ints, held_out_folds
from .pca import Floats

Doubles = NDArray[np.float64]

TOLERANCE = 1e-3  # of the gradient, in scikit-learn's units
ITERATIONS = 300


class Fitter:
    """Fits the same photos at one strength after another, each from where the last ended."""

    def __init__(self, coordinates: Floats, labels: Ints, classes: int) -> None:
        from sklearn.linear_model import LogisticRegression

        self.coordinates = coordinates
        self.labels = labels
        self.classes = classes
        self.model = LogisticRegression(
            class_weight="balanced", max_iter=ITERATIONS, tol=TOLERANCE, warm_start=True, random_state=0
        )

    def fit(self, strength: float) -> tuple[Doubles, Doubles]:
        """(classes, k) coefficients and (classes,) intercepts; a class without photos is never told."""
        self.model.set_params(C=strength).fit(self.coordinates, self.labels)
        found, offsets = self.model.coef_, self.model.intercept_
        if len(found) == 1:  # two classes: scikit-learn keeps the difference
            found, offsets = np.concatenate([-found, found]) / 2, np.concatenate([-offsets, offsets]) / 2
        coefficients = np.zeros((self.classes, found.shape[1]))
        intercepts = np.full(self.classes, -np.inf)
        coefficients[self.model.classes_], intercepts[self.model.classes_] = found, offsets
        return coefficients, intercepts


def fit_logistic(coordinates: Floats, labels: Ints, strength: float, classes: int) -> tuple[Doubles, Doubles]:
    """(classes, k) coefficients and (classes,) intercepts; to be called through ``each``."""
    return Fitter(coordinates, labels, classes).fit(strength)


def cross_validated_logits(
    coordinates: Floats, labels: Ints, folds: Ints, strengths: Sequence[float]
) -> NDArray[np.float64]:
    """(strengths, N, classes): what heads that have not seen a photo say; NaN where a photo is never held out."""
    found: Doubles = cross_validate(coordinates, labels, [folds], strengths)[0]
    return found


def cross_validate(
    coordinates: Floats, labels: Ints, deals: Sequence[Ints], strengths: Sequence[float]
) -> NDArray[np.float64]:
    """(deals, strengths, N, classes): the same for several deals of the folds, all of them side by side."""
    classes = int(labels.max()) + 1
    found = np.full((len(deals), len(strengths), len(labels), classes), np.nan)

    def hold_out(task: tuple[int, int]) -> None:
        deal, fold = task
        out = deals[deal] == fold
        fitter = Fitter(coordinates[~out], labels[~out], classes)
        for number, strength in enumerate(strengths):
            coefficients, intercepts = fitter.fit(strength)
            found[deal, number, out] = coordinates[out] @ coefficients.T + intercepts

    parallel_map(hold_out, [(deal, fold) for deal, folds in enumerate(deals) for fold in held_out_folds(folds)])
    return found
