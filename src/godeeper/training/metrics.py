"""How good a classifier is, and how sure one can be of that: pure functions on arrays.

Every share comes with its Wilson score interval (Wilson, 1927), which is sensible for few photos and
at 0 and 1.  Nothing here fits a classifier.
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
"""How many times the variance of as many independent photos cross-validation's accuracy has about the true one.

Its heads learn from fewer photos than the one that is tested, and from each other's.  Measured: docs/decisions/0028-testing.md.
"""

BINS = 10
LIKELY = 0.4  # the margin of probability that makes a photo suspect, up to the number expected
SURE = 0.5  # and beyond it
COLDEST, HOTTEST = 0.05, 20.0
CAUTION = 2.0  # the weight of a normal prior on the logarithm of the temperature, standard deviation one half


@dataclass(frozen=True)
class Proportion:
    """A share of ``n``, with its 95 % interval; ``value`` is None where there is nothing to count."""

    value: float | None
    low: float
    high: float
    n: int

    def record(self) -> dict[str, Any]:
        """The share as JSON can hold it."""
        return {"value": self.value, "interval": [self.low, self.high], "n": self.n}


@dataclass(frozen=True)
class ClassScore:
    """How one class fares: ``precision``, ``recall`` and their harmonic mean ``f1``, whose n is all photos concerned."""

    name: str
    precision: Proportion
    recall: Proportion
    f1: Proportion

    def record(self) -> dict[str, Any]:
        """The score as JSON can hold it."""
        return {"class": self.name} | {
            key: share.record() for key, share in zip(("precision", "recall", "f1"), self.shares, strict=True)
        }

    @property
    def shares(self) -> tuple[Proportion, Proportion, Proportion]:
        """Precision, recall, F1."""
        return self.precision, self.recall, self.f1


@dataclass(frozen=True)
class Bin:
    """The photos whose greatest probability lies within ``low`` and ``high``: its mean, and the share that is right."""

    low: float
    high: float
    confidence: float
    accuracy: Proportion


@dataclass(frozen=True)
class Reliability:
    """``error``: the expected calibration error, the mean gap between confidence and accuracy (Guo et al., 2017)."""

    error: float
    bins: tuple[Bin, ...]

    def record(self) -> dict[str, Any]:
        """The calibration as JSON can hold it."""
        return asdict(self)


@dataclass(frozen=True)
class SuspectedMislabel:
    """A photo, by its row, whose label a head that has not seen it contradicts with confidence."""

    row: int
    label: int
    suggested: int
    probability: float


def wilson(hits: float, n: float, z: float = Z) -> tuple[float, float]:
    """The Wilson score interval of ``hits`` out of ``n``; all there is, 0 to 1, for none."""
    if n == 0:
        return 0.0, 1.0
    share, spread = hits / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z * float(np.sqrt(share * (1 - share) / n + spread / (4 * n))) / (1 + spread)
    return 0.0 if hits <= 0 else middle - half, 1.0 if hits >= n else middle + half  # there exactly, without rounding


def effective_count(groups: Sequence[int] | Ints) -> float:
    """How many independent photos a test on photos of these groups amounts to (Kish, 1965).

    Near-duplicates share a group number.  They are taken to be right or wrong together, which is the cautious
    assumption: N photos in groups of m count as N / m.
    """
    sizes = np.unique(np.asarray(groups, np.int64), return_counts=True)[1].astype(np.float64)
    return float(sizes.sum() ** 2 / np.square(sizes).sum()) if len(sizes) else 0.0


def worth(groups: Sequence[int] | Ints, *, cross_validated: bool) -> float:
    """How many independent photos, at most 1, each of these photos counts as in an interval.

    Near-duplicates count once; cross-validation's photos count for less, by ``DEPENDENCE``.
    """
    return effective_count(groups) / max(1, len(groups)) / (DEPENDENCE if cross_validated else 1.0)


def proportion(hits: float, n: int, worth: float = 1.0) -> Proportion:
    """``hits`` out of ``n`` with its interval; each photo counts there as ``worth`` independent ones, at most 1."""
    return Proportion(hits / n if n else None, *wilson(hits * worth, n * worth), n)


def accuracy(truth: Ints, predicted: Ints, worth: float = 1.0) -> Proportion:
    """The share of photos that are classified correctly; ``worth``: see ``proportion``."""
    return proportion(int((truth == predicted).sum()), len(truth), worth)


def majority(truth: Ints, label: int, worth: float = 1.0) -> Proportion:
    """The accuracy of always guessing ``label``, the largest class in training."""
    return accuracy(truth, np.full_like(truth, label), worth)


def balanced_accuracy(counts: Ints) -> float | None:
    """The mean over classes of recall, from a confusion matrix; classes without photos are left out."""
    photos = counts.sum(1)
    tested = photos > 0
    return float((counts.diagonal()[tested] / photos[tested]).mean()) if tested.any() else None


def confusion(truth: Ints, predicted: Ints, classes: int) -> Ints:
    """(classes, classes) counts: row the true class, column what was said."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def class_scores(counts: Ints, names: Sequence[str], worth: float = 1.0) -> tuple[ClassScore, ...]:
    """A row for each class of a confusion matrix; ``worth``: see ``proportion``."""
    scores = []
    for number, name in enumerate(names):
        right, said, true = int(counts[number, number]), int(counts[:, number].sum()), int(counts[number].sum())
        f1 = f1_share(proportion(right, said + true - right, worth))
        scores.append(ClassScore(name, proportion(right, said, worth), proportion(right, true, worth), f1))
    return tuple(scores)


def f1_share(overlap: Proportion) -> Proportion:
    """F1 and its interval, of TP / (TP + FP + FN), of which it is an increasing function."""
    low, high = (2 * bound / (1 + bound) for bound in (overlap.low, overlap.high))
    return Proportion(None if overlap.value is None else 2 * overlap.value / (1 + overlap.value), low, high, overlap.n)


def softmax(logits: Numbers) -> NDArray[np.float64]:
    """Probabilities (N, classes) of logits; rows sum to one."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    probabilities: NDArray[np.float64] = shifted / shifted.sum(1, keepdims=True)
    return probabilities


def log_loss(logits: Numbers, labels: Ints, weights: Numbers | None = None) -> float:
    """The mean negative log probability of the true classes; infinitely sure mistakes count as 700."""
    top = logits.max(1)
    rest = np.log(np.exp(logits - top[:, None]).sum(1)) + top
    losses = np.minimum(rest - logits[np.arange(len(labels)), labels], 700.0)
    return float(np.average(losses, weights=weights))


def best_temperature(logits: Numbers, labels: Ints) -> float:
    """What to divide logits by so that probabilities fit best (Guo et al., 2017); few photos keep it near one."""

    def loss(logarithm: float) -> float:
        return log_loss(logits / np.exp(logarithm), labels) + CAUTION * logarithm**2 / len(labels)

    if not len(labels):
        return 1.0
    low, high = np.log(COLDEST), np.log(HOTTEST)
    ratio = (np.sqrt(5.0) - 1) / 2
    for _ in range(40):  # golden section: the loss has one minimum
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def calibration(probabilities: Numbers, truth: Ints, bins: int = BINS, worth: float = 1.0) -> Reliability:
    """Confidence against accuracy in ``bins`` equal steps of the greatest probability; empty bins are left out.

    ``worth``: see ``proportion``.
    """
    sure = probabilities.max(1)
    right = probabilities.argmax(1) == truth
    place = np.minimum((sure * bins).astype(int), bins - 1)
    found = []
    for number in np.unique(place).tolist():
        here = place == number
        share = proportion(int(right[here].sum()), int(here.sum()), worth)
        found.append(Bin(number / bins, (number + 1) / bins, float(sure[here].mean()), share))
    gaps = [abs(one.confidence - (one.accuracy.value or 0.0)) * one.accuracy.n for one in found]
    return Reliability(sum(gaps) / max(1, len(truth)), tuple(found))


def suspected_mislabels(probabilities: Numbers, labels: Ints) -> tuple[SuspectedMislabel, ...]:
    """Photos that seem to be in the wrong folder, the likeliest first (confident learning, Northcutt et al., 2021).

    A photo counts for a class with confidence if its probability there is at least the mean over the photos that carry
    its label.  Of the photos in a class that count for any, the share that count for another one estimates how many
    labels are wrong.  At most so many are suspect: those that find another class likelier by the widest margin, if it is
    above ``LIKELY``; and, as that number is a count, up to a standard deviation more whose margin is above ``SURE``.

    Args:
        probabilities: (N, classes), each row from a head that has not seen that photo; NaN rows are passed over.
        labels: (N,) the classes the photos are filed under.
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
    picked = []
    for name in np.unique(label):
        fewest, most = np.rint(expected[name]), np.ceil(expected[name] + np.sqrt(expected[name]))
        for place, one in enumerate(order[label[order] == name]):
            if place < most and margin[one] > (LIKELY if place < fewest else SURE):
                picked.append(int(one))
    picked.sort(key=lambda one: (-margin[one], one))
    return tuple(
        SuspectedMislabel(int(rows[one]), int(label[one]), int(other[one]), float(seen[one, other[one]]))
        for one in picked
    )


def estimated_wrong(probabilities: Numbers, labels: Ints) -> NDArray[np.float64]:
    """(classes,) how many photos filed under each class belong to another, by the confident joint."""
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
