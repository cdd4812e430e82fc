"""Multinomial logistic regression with balanced class weights, fitted by scikit-learn.

The fit is in single precision, since the features have only half precision.  Double precision would need the same number of
iterations, but twice the time and memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..parallel import parallel_map
from .folds import Ints, held_out_folds
from .pca import Floats

Doubles = NDArray[np.float64]

TOLERANCE = 1e-3  # of the gradient; scikit-learn's ``tol``
ITERATIONS = 300


class Fitter:
    """Fits the same photos with several strengths, each starting from the last solution."""

    def __init__(self, coordinates: Floats, labels: Ints, classes: int) -> None:
        from sklearn.linear_model import LogisticRegression

        self.coordinates = coordinates
        self.labels = labels
        self.classes = classes
        self.model = LogisticRegression(
            class_weight="balanced", max_iter=ITERATIONS, tol=TOLERANCE, warm_start=True, random_state=0
        )

    def fit(self, strength: float) -> tuple[Doubles, Doubles]:
        """(classes, k) coefficients and (classes,) intercepts; a class without photos is never predicted."""
        self.model.set_params(C=strength).fit(self.coordinates, self.labels)
        fitted, offsets = self.model.coef_, self.model.intercept_
        if len(fitted) == 1:  # for two classes, scikit-learn stores only their difference
            fitted, offsets = np.concatenate([-fitted, fitted]) / 2, np.concatenate([-offsets, offsets]) / 2
        coefficients = np.zeros((self.classes, fitted.shape[1]))
        intercepts = np.full(self.classes, -np.inf)
        coefficients[self.model.classes_], intercepts[self.model.classes_] = fitted, offsets
        return coefficients, intercepts


def fit_logistic(coordinates: Floats, labels: Ints, strength: float, classes: int) -> tuple[Doubles, Doubles]:
    """(classes, k) coefficients and (classes,) intercepts; call it through ``parallel_map``."""
    return Fitter(coordinates, labels, classes).fit(strength)


def cross_validated_logits(
    coordinates: Floats, labels: Ints, folds: Ints, strengths: Sequence[float]
) -> NDArray[np.float64]:
    """(strengths, N, classes): out-of-fold logits; NaN for photos that are never held out."""
    logits: Doubles = cross_validate(coordinates, labels, [folds], strengths)[0]
    return logits


def cross_validate(
    coordinates: Floats, labels: Ints, repeats: Sequence[Ints], strengths: Sequence[float]
) -> NDArray[np.float64]:
    """(repeats, strengths, N, classes): out-of-fold logits for several assignments of the folds, in parallel."""
    classes = int(labels.max()) + 1
    logits = np.full((len(repeats), len(strengths), len(labels), classes), np.nan)

    def hold_out(task: tuple[int, int]) -> None:
        repeat, fold = task
        out = repeats[repeat] == fold
        fitter = Fitter(coordinates[~out], labels[~out], classes)
        for number, strength in enumerate(strengths):
            coefficients, intercepts = fitter.fit(strength)
            logits[repeat, number, out] = coordinates[out] @ coefficients.T + intercepts

    parallel_map(hold_out, [(repeat, fold) for repeat, folds in enumerate(repeats) for fold in held_out_folds(folds)])
    return logits
