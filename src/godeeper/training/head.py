"""The head: a linear classifier on the pooled features of a few modules, with calibration and OOD detection.

Using a head needs only numpy; fitting one imports scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..errors import OptionError
from ..features.table import TableRows
from ..parallel import parallel_map
from .confidence import KEPT, ConfidenceFit, fit_confidence
from .folds import Ints, held_out_folds
from .logistic import cross_validated_logits, fit_logistic
from .metrics import softmax
from .ood import OodModel, TrainingPoints, fit_ellipsoid
from .pca import Floats, PrincipalComponents
from .selection import ComponentsByModule, Selection, components_by_module, join, select
from .targets import Targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["KEPT", "Head", "Selection", "fit", "fit_chosen", "held_out_logits", "nested_logits", "select"]


@dataclass(frozen=True)
class Head:
    """A linear classifier from the concatenated features of ``addresses`` to a probability for each of ``classes``.

    ``mean`` and ``scale`` (features,), ``coefficients`` (classes, features) and ``intercepts`` (classes,) are float32.
    ``temperature``: logits are divided by it before the softmax.  ``threshold``: a photo is "none of these" if its highest
    probability is lower; None if no photo could be held out.  ``false_accept_rate``: the share of photos that reach the
    threshold although their class was left out of training (see ``unknown_classes``); None if it was not measured.
    ``ood_model``: lowers the confidence for photos unlike the training photos; None if it could not be fitted, or if the
    classifier's file has format 1.
    """

    addresses: tuple[str, ...]
    mean: Floats = field(repr=False)
    scale: Floats = field(repr=False)
    coefficients: Floats = field(repr=False)
    intercepts: Floats = field(repr=False)
    temperature: float
    threshold: float | None
    false_accept_rate: float | None
    classes: tuple[str, ...]
    ood_model: OodModel | None = field(default=None, repr=False)

    def logits(self, features: Mapping[str, Floats]) -> Floats:
        """(N, classes) float32: logits before the temperature, from ``features``, address -> (N, C)."""
        return self.logits_of(self.standard(features))

    def calibrated(self, features: Mapping[str, Floats]) -> Floats:
        """(N, classes) float32: logits divided by the temperature, which is raised for photos unlike the training photos."""
        return self.logits(features) / (np.float32(self.temperature) * self.strangeness(features))

    def strangeness(self, features: Mapping[str, Floats]) -> Floats:
        """(N, 1) float32, at least 1: the factor by which the temperature is raised for each photo."""
        if self.ood_model is None:
            return np.ones((len(features[self.addresses[0]]), 1), np.float32)
        return self.ood_model.strangeness(self.standard(features))

    def probabilities(self, features: Mapping[str, Floats]) -> Floats:
        """(N, classes) float32: calibrated probabilities; rows sum to one."""
        return softmax(self.calibrated(features)).astype(np.float32)

    def standard(self, features: Mapping[str, Floats]) -> Floats:
        """(N, features): the modules' features, concatenated and standardised."""
        joined = np.concatenate([features[address] for address in self.addresses], axis=1)
        standard: Floats = (joined - self.mean) / self.scale
        return standard

    def logits_of(self, standard: Floats) -> Floats:
        """(N, classes) float32: the logits of standardised features (N, features)."""
        return (standard @ self.coefficients.T + self.intercepts).astype(np.float32)


def fit(
    features: Mapping[str, Floats],
    targets: Targets,
    classes: Sequence[str],
    selection: Selection | None = None,
    components: ComponentsByModule | None = None,
) -> tuple[Head, Selection]:
    """Choose modules and strength, then fit a head on all photos.

    Args:
        features: address -> (N, C), the pooled activations of each module.
        targets: the photos' labels and groups, and the seed; the same seed gives the same head.
        classes: the names of the classes.
        selection: modules and strength, if they were chosen before.
        components: the principal components of ``features``, if they were computed before.

    Raises:
        OptionError: there are fewer than two classes, or one has no photo.
    """
    check(targets.labels, classes)
    components = components or ComponentsByModule(features, targets.seed)
    selection = selection or select(features, targets, components)
    head, _ = fit_chosen(targets, classes, selection, components)
    return head, selection


def fit_chosen(
    targets: Targets, classes: Sequence[str], selection: Selection, components: ComponentsByModule
) -> tuple[Head, ConfidenceFit | None]:
    """Fit a head on modules that are already chosen.

    Also returns the fit of its confidence, which is None if no photo could be held out.
    """
    pcas = components.of(selection.chosen)
    points, strength = points_of(pcas), selection.strength
    confidence = fit_confidence(points, targets, strength)
    [(coefficients, intercepts)] = parallel_map(
        lambda each: fit_logistic(each.coordinates, targets.labels, strength, len(classes)), [points]
    )
    head = Head(
        addresses=selection.chosen,
        mean=np.concatenate([pca.mean for pca in pcas]),
        scale=np.concatenate([pca.scale for pca in pcas]),
        coefficients=to_features(coefficients, pcas),
        intercepts=intercepts.astype(np.float32),
        temperature=confidence.temperature if confidence else 1.0,
        threshold=confidence.threshold if confidence else None,
        false_accept_rate=None,
        classes=tuple(classes),
        ood_model=fit_ood_model(points, pcas, confidence.radius) if confidence and points.lengths.any() else None,
    )
    return head, confidence


def held_out_logits(features: Mapping[str, Floats], targets: Targets, selection: Selection) -> NDArray[np.float64]:
    """(N, classes): out-of-fold logits; NaN for photos never held out.  Near-duplicates are in the same fold.

    If ``selection`` was chosen on these photos, an accuracy computed from the logits is too high; ``nested_logits`` avoids that.
    """
    coordinates = join(components_by_module(features, selection.chosen, targets.seed))
    logits: NDArray[np.float64] = cross_validated_logits(
        coordinates, targets.labels, targets.folds, [selection.strength]
    )[0]
    return logits


def nested_logits(
    features: Mapping[str, Floats], targets: Targets, classes: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Out-of-fold logits of nested cross-validation, before and after the temperature, both (N, classes).

    For each held-out fold, modules, strength and temperature are chosen again on the other photos.  These choices therefore do
    not bias an accuracy computed from the logits.  The logits are NaN for photos never held out.
    """
    raw = np.full((len(targets), len(classes)), np.nan)
    calibrated = raw.copy()
    for fold in held_out_folds(targets.folds):
        out = targets.folds == fold
        training, tested = (TableRows(features, np.flatnonzero(rows)) for rows in (~out, out))
        head, _ = fit(training, targets.of(~out), classes)
        raw[out], calibrated[out] = head.logits(tested), head.calibrated(tested)
    return raw, calibrated


def check(labels: Ints, classes: Sequence[str]) -> None:
    """Raise ``OptionError`` unless there are at least two classes and each has a photo."""
    if len(classes) < 2:
        raise OptionError(f"{len(classes)} class: expected at least two folders with photos; add another")
    counts = np.bincount(labels, minlength=len(classes))
    if (counts == 0).any():
        empty = classes[int(counts.argmin())]
        raise OptionError(f"class {empty!r} has no training photo: expected at least one; add photos or remove it")


def points_of(pcas: Sequence[PrincipalComponents]) -> TrainingPoints:
    """The coordinates of the training photos in the principal components of several modules."""
    lengths: Floats = np.sum([pca.lengths for pca in pcas], axis=0)
    return TrainingPoints(join(pcas), lengths, sum(pca.components.shape[1] for pca in pcas))


def fit_ood_model(points: TrainingPoints, pcas: Sequence[PrincipalComponents], radius: float) -> OodModel:
    """Fit the ellipsoid to all training photos, and convert it to standardised features."""
    [ellipsoid] = parallel_map(fit_ellipsoid, [points])
    directions = to_features(ellipsoid.directions * np.sqrt(ellipsoid.excess / radius)[:, None], pcas)
    return OodModel(directions, ellipsoid.outside / radius)


def to_features(coefficients: NDArray[np.float64], pcas: Sequence[PrincipalComponents]) -> Floats:
    """Convert coefficients for PCA coordinates, (rows, k), to coefficients for standardised features, (rows, features)."""
    ends = np.cumsum([len(pca.components) for pca in pcas])[:-1]
    parts = np.split(coefficients, ends, axis=1)
    return np.concatenate([part @ pca.components for part, pca in zip(parts, pcas, strict=True)], axis=1).astype(
        np.float32
    )
