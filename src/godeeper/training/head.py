"""The head: a linear classifier on the pooled features of a few modules, its calibration and its doubts.

Using a head needs numpy alone; fitting one imports scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..errors import OptionError
from ..features.table import TableRows
from ..parallel import parallel_map
from .folds import Ints, assign_folds, held_out_folds
from .logistic import cross_validated_logits, fit_logistic
from .metrics import best_temperature, softmax
from .ood import OodModel, TrainingCloud, fit_ellipsoid, held_out_distances, radius_of, strangeness
from .pca import Floats, PrincipalComponents
from .selection import ComponentsByModule, Selection, components_by_module, join, select

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["KEPT", "Head", "Selection", "fit", "fit_chosen", "held_out_logits", "nested_logits", "select"]

KEPT = 0.95
"""The share of known photos that the threshold lets pass."""


@dataclass(frozen=True)
class Head:
    """Features of ``addresses``, side by side -> a probability for each of ``classes``.

    ``mean``, ``scale``: (features,), ``coefficients``: (classes, features), ``intercepts``: (classes,), float32.
    ``temperature``: what logits are divided by before they become probabilities.  ``threshold``: a photo whose greatest
    probability is below it is none of these; None where no photo could be held out.  ``false_accept_rate``: the share
    of photos of a class left out of training that pass all the same, see ``unknown``; None where it was not measured.
    ``familiarity``: by which photos unlike all others are told with less confidence; None in classifiers of format 1.
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
    familiarity: OodModel | None = field(default=None, repr=False)

    def logits(self, features: Mapping[str, Floats]) -> Floats:
        """(N, classes) float32, before the temperature, from ``features``: address -> (N, C)."""
        return self.logits_of(self.standard(features))

    def calibrated(self, features: Mapping[str, Floats]) -> Floats:
        """(N, classes) float32, after the temperature, which is higher for photos unlike all others."""
        return self.logits(features) / (np.float32(self.temperature) * self.strangeness(features))

    def strangeness(self, features: Mapping[str, Floats]) -> Floats:
        """(N, 1) float32, from 1: how many times higher the temperature is for each photo."""
        if self.familiarity is None:
            return np.ones((len(features[self.addresses[0]]), 1), np.float32)
        return self.familiarity.strangeness(self.standard(features))

    def probabilities(self, features: Mapping[str, Floats]) -> Floats:
        """(N, classes) float32, calibrated; rows sum to one."""
        return softmax(self.calibrated(features)).astype(np.float32)

    def standard(self, features: Mapping[str, Floats]) -> Floats:
        """(N, features): standardised, those of several modules side by side."""
        joined = np.concatenate([features[address] for address in self.addresses], axis=1)
        answer: Floats = (joined - self.mean) / self.scale
        return answer

    def logits_of(self, standard: Floats) -> Floats:
        """(N, classes) float32 of standardised features."""
        return (standard @ self.coefficients.T + self.intercepts).astype(np.float32)


def fit(
    features: Mapping[str, Floats],
    labels: Ints,
    groups: Ints,
    classes: Sequence[str],
    seed: int,
    selection: Selection | None = None,
    bases: ComponentsByModule | None = None,
) -> tuple[Head, Selection]:
    """Choose modules and strength, then fit a head to all photos given.

    Args:
        features: address -> (N, C), the pooled activations of each module.
        labels: (N,) the number of each photo's class among ``classes``.
        groups: (N,) near-duplicates share a number.
        classes: their names.
        seed: of the folds and the reduction; the same seed gives the same head.
        selection: what an earlier run chose, to choose nothing again.
        bases: of ``features`` and ``seed``, where others need them too.

    Raises:
        OptionError: fewer than two classes, or one without photos.
    """
    check(labels, classes)
    bases = bases or ComponentsByModule(features, seed)
    selection = selection or select(features, labels, groups, seed, bases)
    head, _ = fit_chosen(labels, groups, classes, seed, selection, bases)
    return head, selection


def fit_chosen(
    labels: Ints, groups: Ints, classes: Sequence[str], seed: int, selection: Selection, bases: ComponentsByModule
) -> tuple[Head, ConfidenceFit | None]:
    """A head of modules already chosen, and what held-out photos say of its confidence."""
    folds = assign_folds(labels, groups, seed)
    chosen = bases.of(selection.chosen)
    cloud, strength = cloud_of(chosen), selection.strength
    doubts = calibrate(cloud, labels, folds, strength)
    [(coefficients, intercepts)] = parallel_map(
        lambda some: fit_logistic(some.coordinates, labels, strength, len(classes)), [cloud]
    )
    head = Head(
        addresses=selection.chosen,
        mean=np.concatenate([basis.mean for basis in chosen]),
        scale=np.concatenate([basis.scale for basis in chosen]),
        coefficients=unfold(coefficients, chosen),
        intercepts=intercepts.astype(np.float32),
        temperature=doubts.temperature if doubts else 1.0,
        threshold=doubts.threshold if doubts else None,
        false_accept_rate=None,
        classes=tuple(classes),
        familiarity=ood_model_of(cloud, chosen, doubts.edge) if doubts and cloud.lengths.any() else None,
    )
    return head, doubts


def held_out_logits(
    features: Mapping[str, Floats], labels: Ints, groups: Ints, selection: Selection, seed: int
) -> NDArray[np.float64]:
    """(N, classes): what heads that have not seen a photo, nor its near-duplicates, say of it; NaN where none could.

    Where these photos had a part in ``selection``, accuracy computed from this flatters: see ``nested_logits``.
    """
    coordinates = join(components_by_module(features, selection.chosen, seed))
    folds = assign_folds(labels, groups, seed)
    found: NDArray[np.float64] = cross_validated_logits(coordinates, labels, folds, [selection.strength])[0]
    return found


def nested_logits(
    features: Mapping[str, Floats], labels: Ints, groups: Ints, classes: Sequence[str], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two (N, classes), before and after the temperature: what is said of photos that had no part in any choice.

    Modules, strength and temperature are chosen again without each fold, so that accuracy from this is honest where
    there is no test set.  NaN where a photo could not be held out.
    """
    raw = np.full((len(labels), len(classes)), np.nan)
    calibrated = raw.copy()
    folds = assign_folds(labels, groups, seed)
    for fold in held_out_folds(folds):
        out = folds == fold
        seen = TableRows(features, np.flatnonzero(~out))
        head, _ = fit(seen, labels[~out], groups[~out], classes, seed)
        raw[out] = head.logits(TableRows(features, np.flatnonzero(out)))
        calibrated[out] = head.calibrated(TableRows(features, np.flatnonzero(out)))
    return raw, calibrated


def check(labels: Ints, classes: Sequence[str]) -> None:
    """Raise ``OptionError`` unless there are two classes and each has a photo."""
    if len(classes) < 2:
        raise OptionError(f"{len(classes)} class to tell apart: expected at least two folders with photos; add another")
    counts = np.bincount(labels, minlength=len(classes))
    if (counts == 0).any():
        empty = classes[int(counts.argmin())]
        raise OptionError(f"class {empty!r} has no photo to learn from: expected at least one; add photos or remove it")


@dataclass(frozen=True)
class ConfidenceFit:
    """``edge``: see ``familiarity``.  ``threshold``: the greatest that lets the share ``KEPT`` of held-out photos pass.

    ``sure``: (M,) the held-out photos' greatest probabilities, least first.
    """

    temperature: float
    edge: float
    threshold: float
    sure: NDArray[np.float64] = field(repr=False)


def calibrate(cloud: TrainingCloud, labels: Ints, folds: Ints, strength: float) -> ConfidenceFit | None:
    """What held-out photos say of a head's confidence; None where there are none."""
    tested = folds >= 0
    if not tested.any():
        return None
    logits = cross_validated_logits(cloud.coordinates, labels, folds, [strength])[0][tested]
    temperature = best_temperature(logits, labels[tested])
    distances = held_out_distances(cloud, folds)[tested]
    edge = radius_of(distances)
    sure = np.sort(softmax(logits / (temperature * strangeness(distances / edge)[:, None])).max(1))
    return ConfidenceFit(temperature, edge, float(sure[int((1 - KEPT) * len(sure))]), sure)


def cloud_of(bases: Sequence[PrincipalComponents]) -> TrainingCloud:
    """The photos of several modules' bases."""
    lengths: Floats = np.sum([basis.lengths for basis in bases], axis=0)
    return TrainingCloud(join(bases), lengths, sum(basis.components.shape[1] for basis in bases))


def ood_model_of(cloud: TrainingCloud, bases: Sequence[PrincipalComponents], edge: float) -> OodModel:
    """The ellipsoid of all photos, for standardised features."""
    [ellipsoid] = parallel_map(fit_ellipsoid, [cloud])
    directions = unfold(ellipsoid.directions * np.sqrt(ellipsoid.excess / edge)[:, None], bases)
    return OodModel(directions, ellipsoid.outside / edge)


def unfold(coefficients: NDArray[np.float64], bases: Sequence[PrincipalComponents]) -> Floats:
    """(rows, features) for standardised features, of (rows, k) for coordinates."""
    ends = np.cumsum([len(basis.components) for basis in bases])[:-1]
    parts = np.split(coefficients, ends, axis=1)
    whole = [part @ basis.components for part, basis in zip(parts, bases, strict=True)]
    return np.concatenate(whole, axis=1).astype(np.float32)
