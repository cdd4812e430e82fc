"""Open-set test: how often a photo of a class that was left out of training reaches the threshold.

A head is trained without some classes.  Scaling, PCA, fit, temperature, radius and threshold use the other classes alone; only
the choice of modules uses all classes.  If there are many classes, one training run leaves out several, which takes less time.
``bench/studies/unknown.py`` measures the effects of these two simplifications, and ``bench/studies/unknown_cost.py`` the time.
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
from .targets import Targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .dataset import Dataset
    from .pca import Doubles, Floats

MOST = {CROSS_VALIDATION: 6, TEST_SET: 2}
"""The most classes left out, by the method of the test; see docs/decisions/0025-unknown-classes.md.

With a test set, the other steps of training take less time, so fewer classes are left out.
"""

TOGETHER = 4
"""One training run leaves out at most 1 / ``TOGETHER`` of the classes: two of 8, five of 20."""

FEWEST = 3  # classes: two must be left to train on


@dataclass(frozen=True)
class UnknownClasses:
    """The results on photos of left-out ``classes``, averaged over these classes.

    ``false_accept_rate``: the share of their photos that reach the threshold, which 95 % of the held-out known photos reach.
    ``auroc``: the area under the ROC curve of the greatest probability, for known against unknown photos; 0.5 is chance.
    """

    false_accept_rate: float
    auroc: float
    classes: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """The results as a JSON object."""
        return {**asdict(self), "classes": list(self.classes)}


def measure_unknown(
    data: Dataset, rows: Ints, selection: Selection, most: int = MOST[CROSS_VALIDATION]
) -> UnknownClasses | None:
    """Leave at most ``most`` classes out of training, and test on their photos; None if there are too few classes or photos."""
    if len(data.checkup.classes) < FEWEST:
        return None
    results = json.loads(
        data.cache(
            f"unknown {most} {TOGETHER} {selection}",
            rows,
            lambda: json.dumps(leave_each_class_out(data, rows, selection, most)).encode(),
        )
    )
    if not results:
        return None
    accepted, separated = np.array([[each["accepted"], each["auroc"]] for each in results]).mean(0)
    names = tuple(data.checkup.classes[each["class"]] for each in results)
    return UnknownClasses(float(accepted), float(separated), names)


def leave_each_class_out(data: Dataset, rows: Ints, selection: Selection, most: int) -> list[dict[str, Any]]:
    """One record for each class left out; skips classes if no photo of the others can be held out."""
    results = []
    for classes in left_out(len(data.checkup.classes), most):
        scores = leave_classes_out(data, rows, selection, classes)
        if scores is not None:
            for number, unknown in zip(classes, scores.unknown, strict=True):
                accepted = float((unknown >= scores.threshold).mean())
                results.append({"class": number, "accepted": accepted, "auroc": auroc(scores.known, unknown)})
    return sorted(results, key=lambda each: each["class"])


def left_out(classes: int, most: int) -> list[list[int]]:
    """The classes that each training run leaves out: at most ``most`` in all, spread evenly.

    >>> left_out(7, 2), left_out(20, 2), left_out(20, 6)
    ([[0], [6]], [[0, 19]], [[0, 7, 15], [3, 11, 19]])
    """
    chosen = np.unique(np.linspace(0, classes - 1, min(classes, most)).astype(int)).tolist()
    trainings = math.ceil(len(chosen) / max(1, classes // TOGETHER))
    return [chosen[number::trainings] for number in range(trainings)]


@dataclass(frozen=True)
class Scores:
    """The threshold, and the greatest probability of each held-out known photo (K,) and of each unknown class's photos (U,)."""

    known: Doubles = field(repr=False)
    unknown: list[Floats] = field(repr=False)
    threshold: float


def leave_classes_out(data: Dataset, rows: Ints, selection: Selection, unknown: Sequence[int]) -> Scores | None:
    """Train without the ``unknown`` classes, and score known and unknown photos; None if no known photo can be held out."""
    labels = data.labels[rows]
    out = np.isin(labels, unknown)
    unknown_rows = [rows[labels == number] for number in unknown]
    known = np.unique(labels[~out], return_inverse=True)[1].astype(np.int64)
    names = tuple(name for number, name in enumerate(data.checkup.classes) if number not in unknown)
    components = ComponentsByModule(TableRows(data.features, rows[~out]), data.seed)
    targets = Targets(known, data.groups[rows[~out]], data.seed)
    head, confidence = fit_chosen(targets, names, selection, components)
    if confidence is None or not all(map(len, unknown_rows)):
        return None
    scores = parallel_map(lambda part: head.probabilities(TableRows(data.features, part)).max(1), unknown_rows)
    return Scores(confidence.confidences, scores, confidence.threshold)


def auroc(known: np.ndarray[Any, Any], unknown: np.ndarray[Any, Any]) -> float:
    """The area under the ROC curve: the share of pairs in which the known photo has the greater score; a tie counts half."""
    ranked = np.sort(unknown)
    below, up_to = np.searchsorted(ranked, known, "left"), np.searchsorted(ranked, known, "right")
    return float((below + up_to).mean() / 2 / len(unknown))
