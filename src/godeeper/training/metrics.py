"""Metrics of a classifier with confidence intervals: pure functions on arrays.

Every proportion comes with its Wilson score interval (Wilson, 1927), which is accurate for few photos and near 0 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .folds import Ints

Numbers = NDArray[np.floating[Any]]

Z = 1.959963984540054  # 95 %
DEPENDENCE = 2.0
"""The variance of a cross-validated accuracy, relative to a test on the same number of independent photos.

The variance is larger because the training sets overlap.  docs/decisions/0028-testing.md describes the measurement.
"""

BINS = 10


@dataclass(frozen=True)
class Proportion:
    """A proportion of ``n`` photos, with its 95 % interval; ``value`` is None if ``n`` is 0."""

    value: float | None
    low: float
    high: float
    n: int

    def record(self) -> dict[str, Any]:
        """The proportion as a JSON object."""
        return {"value": self.value, "interval": [self.low, self.high], "n": self.n}


@dataclass(frozen=True)
class ClassScore:
    """``precision``, ``recall`` and ``f1`` of one class.

    The ``n`` of ``f1`` is the number of true positives, false positives and false negatives.
    """

    name: str
    precision: Proportion
    recall: Proportion
    f1: Proportion

    def record(self) -> dict[str, Any]:
        """The score as a JSON object."""
        return {"class": self.name} | {
            key: share.record() for key, share in zip(("precision", "recall", "f1"), self.shares, strict=True)
        }

    @property
    def shares(self) -> tuple[Proportion, Proportion, Proportion]:
        """Precision, recall, F1."""
        return self.precision, self.recall, self.f1


@dataclass(frozen=True)
class Bin:
    """Mean ``confidence`` and ``accuracy`` of the photos whose confidence (greatest probability) is from ``low`` to ``high``."""

    low: float
    high: float
    confidence: float
    accuracy: Proportion


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram.

    ``error``: the expected calibration error, which is the mean gap between confidence and accuracy (Guo et al., 2017).
    """

    error: float
    bins: tuple[Bin, ...]

    def record(self) -> dict[str, Any]:
        """The diagram as a JSON object."""
        return asdict(self)


def wilson(hits: float, n: float, z: float = Z) -> tuple[float, float]:
    """The Wilson score interval of ``hits`` out of ``n``; 0 to 1 if ``n`` is 0."""
    if n == 0:
        return 0.0, 1.0
    share, spread = hits / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z * float(np.sqrt(share * (1 - share) / n + spread / (4 * n))) / (1 + spread)
    return 0.0 if hits <= 0 else middle - half, 1.0 if hits >= n else middle + half  # exact at 0 and 1


def effective_count(groups: Sequence[int] | Ints) -> float:
    """The effective sample size of a test on photos of these groups (Kish, 1965).

    Near-duplicates share a group number.  The conservative assumption is that all photos of a group are classified correctly
    or all incorrectly, so N photos in groups of m count as N / m.
    """
    sizes = np.unique(np.asarray(groups, np.int64), return_counts=True)[1].astype(np.float64)
    return float(sizes.sum() ** 2 / np.square(sizes).sum()) if len(sizes) else 0.0


def worth(groups: Sequence[int] | Ints, *, cross_validated: bool) -> float:
    """The number of independent photos, at most 1, that a photo stands for in an interval.

    Near-duplicates count once.  In cross-validation, the number is also divided by ``DEPENDENCE``.
    """
    return effective_count(groups) / max(1, len(groups)) / (DEPENDENCE if cross_validated else 1.0)


def proportion(hits: float, n: int, worth: float = 1.0) -> Proportion:
    """``hits`` out of ``n`` with its interval; each photo counts as ``worth`` independent photos (at most 1)."""
    return Proportion(hits / n if n else None, *wilson(hits * worth, n * worth), n)


def accuracy(truth: Ints, predicted: Ints, worth: float = 1.0) -> Proportion:
    """The share of photos that are classified correctly; ``worth``: see ``proportion``."""
    return proportion(int((truth == predicted).sum()), len(truth), worth)


def majority(truth: Ints, label: int, worth: float = 1.0) -> Proportion:
    """The accuracy of always predicting ``label``, the largest class in training."""
    return accuracy(truth, np.full_like(truth, label), worth)


def balanced_accuracy(counts: Ints) -> float | None:
    """The mean recall of all classes that have photos, from a confusion matrix."""
    photos = counts.sum(1)
    tested = photos > 0
    return float((counts.diagonal()[tested] / photos[tested]).mean()) if tested.any() else None


def confusion(truth: Ints, predicted: Ints, classes: int) -> Ints:
    """(classes, classes) the confusion matrix: a row for each true class, a column for each predicted class."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def class_scores(counts: Ints, names: Sequence[str], worth: float = 1.0) -> tuple[ClassScore, ...]:
    """The scores of each class of a confusion matrix; ``worth``: see ``proportion``."""
    scores = []
    for number, name in enumerate(names):
        right, predicted, true = int(counts[number, number]), int(counts[:, number].sum()), int(counts[number].sum())
        f1 = f1_share(proportion(right, predicted + true - right, worth))
        scores.append(ClassScore(name, proportion(right, predicted, worth), proportion(right, true, worth), f1))
    return tuple(scores)


def f1_share(overlap: Proportion) -> Proportion:
    """F1 and its interval from the Jaccard index TP / (TP + FP + FN) and its interval; F1 increases with the index."""
    low, high = (2 * bound / (1 + bound) for bound in (overlap.low, overlap.high))
    return Proportion(None if overlap.value is None else 2 * overlap.value / (1 + overlap.value), low, high, overlap.n)


def softmax(logits: Numbers) -> NDArray[np.float64]:
    """Probabilities (N, classes) of logits; rows sum to one."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    probabilities: NDArray[np.float64] = shifted / shifted.sum(1, keepdims=True)
    return probabilities


def log_loss(logits: Numbers, labels: Ints, weights: Numbers | None = None) -> float:
    """The mean negative log-likelihood of the true classes; each loss is capped at 700."""
    top = logits.max(1)
    rest = np.log(np.exp(logits - top[:, None]).sum(1)) + top
    losses = np.minimum(rest - logits[np.arange(len(labels)), labels], 700.0)
    return float(np.average(losses, weights=weights))


def calibration(probabilities: Numbers, truth: Ints, bins: int = BINS, worth: float = 1.0) -> Reliability:
    """The reliability diagram with ``bins`` bins of equal width for the greatest probability; empty bins are left out.

    ``worth``: see ``proportion``.
    """
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == truth
    numbers = np.minimum((confidence * bins).astype(int), bins - 1)
    filled = []
    for number in np.unique(numbers).tolist():
        here = numbers == number
        share = proportion(int(right[here].sum()), int(here.sum()), worth)
        filled.append(Bin(number / bins, (number + 1) / bins, float(confidence[here].mean()), share))
    gaps = [abs(each.confidence - (each.accuracy.value or 0.0)) * each.accuracy.n for each in filled]
    return Reliability(sum(gaps) / max(1, len(truth)), tuple(filled))
