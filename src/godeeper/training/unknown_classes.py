"""How often a photo of a class that was never learned passes for a known one, measured on the training photos.

Some classes are left out of everything but the choice of modules: scaling, reduction, fit, temperature, edge and
threshold are those of a training on the other classes alone.  Their photos are then unknown to that head.  Where there
are many classes, a few are left out of one training together, which costs less and leaves nearly all others in.
``bench/studies/unknown.py`` shows what that changes, and what leaving them out of the choice of modules, too, would change;
``bench/studies/unknown_cost.py`` what all of it costs.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..features.table import TableRows
from ..parallel import parallel_map
from .folds import Ints
from .head import Selection, fit_chosen
from .selection import ComponentsByModule
from .split import CROSS_VALIDATION, TEST_SET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .dataset import Dataset
    from .pca import Doubles, Floats

MOST = {CROSS_VALIDATION: 6, TEST_SET: 2}
"""Classes left out, by how the classifier is tested; a training with a test set is shorter.  See docs/decisions/0025-unknown-classes.md."""

TOGETHER = 4
"""One class of so many may be left out of the same training: of 8 classes two, of 20 five."""

FEWEST = 3  # classes, so that two are left to tell apart


@dataclass(frozen=True)
class UnknownClasses:
    """What was measured on photos of left-out ``classes``; the means over these classes.

    ``false_accept_rate``: the share of their photos that passes a threshold which keeps 95 % of held-out known photos.
    ``auroc``: how well the greatest probability separates known from unknown photos, 0.5 (not at all) to 1: the
    probability that a known photo has the greater one.
    """

    false_accept_rate: float
    auroc: float
    classes: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {**asdict(self), "classes": list(self.classes)}


def measure_unknown(
    data: Dataset, rows: Ints, selection: Selection, most: int = MOST[CROSS_VALIDATION]
) -> UnknownClasses | None:
    """What passes of at most ``most`` classes that are left out; None where fewer than three classes are there."""
    if len(data.checkup.classes) < FEWEST:
        return None
    found = json.loads(
        data.remember(
            f"unknown {most} {TOGETHER} {selection}",
            rows,
            lambda: json.dumps(leave_each_class_out(data, rows, selection, most)).encode(),
        )
    )
    if not found:
        return None
    accepted, separated = np.array([[one["accepted"], one["auroc"]] for one in found]).mean(0)
    return UnknownClasses(float(accepted), float(separated), tuple(data.checkup.classes[one["class"]] for one in found))


def leave_each_class_out(data: Dataset, rows: Ints, selection: Selection, most: int) -> list[dict[str, Any]]:
    """A record for each class left out; classes are passed over where the others leave nothing to hold out."""
    found = []
    for strangers in left_out(len(data.checkup.classes), most):
        scores = leave_class_out(data, rows, selection, strangers)
        if scores is not None:
            for stranger, unknown in zip(strangers, scores.unknown, strict=True):
                accepted = float((unknown >= scores.threshold).mean())
                found.append({"class": stranger, "accepted": accepted, "auroc": auroc(scores.known, unknown)})
    return sorted(found, key=lambda one: one["class"])


def left_out(classes: int, most: int) -> list[list[int]]:
    """At most ``most`` classes, spread over all, by the training they are left out of together.

    >>> left_out(7, 2), left_out(20, 2), left_out(20, 6)
    ([[0], [6]], [[0, 19]], [[0, 7, 15], [3, 11, 19]])
    """
    chosen = np.unique(np.linspace(0, classes - 1, min(classes, most)).astype(int)).tolist()
    trainings = math.ceil(len(chosen) / max(1, classes // TOGETHER))
    return [chosen[number::trainings] for number in range(trainings)]


@dataclass(frozen=True)
class Scores:
    """Greatest probabilities of held-out known photos (K,) and of each stranger's (U,), and the threshold."""

    known: Doubles = field(repr=False)
    unknown: list[Floats] = field(repr=False)
    threshold: float


def leave_class_out(data: Dataset, rows: Ints, selection: Selection, strangers: Sequence[int]) -> Scores | None:
    """What a training without some classes says of the others' photos and of theirs; None where it can hold out nothing."""
    labels = data.labels[rows]
    out = np.isin(labels, strangers)
    unseen = [rows[labels == stranger] for stranger in strangers]
    known = np.unique(labels[~out], return_inverse=True)[1].astype(np.int64)
    names = tuple(name for number, name in enumerate(data.checkup.classes) if number not in strangers)
    bases = ComponentsByModule(TableRows(data.features, rows[~out]), data.seed)
    head, doubts = fit_chosen(known, data.groups[rows[~out]], names, data.seed, selection, bases)
    if doubts is None or not all(map(len, unseen)):
        return None
    sure = parallel_map(lambda some: head.probabilities(TableRows(data.features, some)).max(1), unseen)
    return Scores(doubts.sure, sure, doubts.threshold)


def auroc(known: np.ndarray[Any, Any], unknown: np.ndarray[Any, Any]) -> float:
    """The area under the ROC curve: the share of pairs in which the known photo's score is greater, ties half."""
    ranked = np.sort(unknown)
    below, up_to = np.searchsorted(ranked, known, "left"), np.searchsorted(ranked, known, "right")
    return float((below + up_to).mean() / 2 / len(unknown))
