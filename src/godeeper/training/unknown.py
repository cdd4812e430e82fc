"""How often a photo of a class that was never learned passes for a known one, measured on the training photos.

Each class in turn is left out of everything but the choice of modules: scaling, reduction, fit, temperature, edge and
threshold are those of a training on the other classes alone.  Its photos are then unknown to that head.
``bench/unknown.py`` shows what leaving it out of the choice of modules, too, would change.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .folds import Ints
from .head import Selection, fit_chosen
from .parallel import each
from .selection import Bases
from .split import CROSS_VALIDATION, TEST_SET
from .tables import Part

if TYPE_CHECKING:
    from .data import Data

MOST = {CROSS_VALIDATION: 6, TEST_SET: 2}
"""Classes left out, by how the classifier is tested.

Share of a warm training: 7 to 16 % by cross-validation; 10 and 22 % of the processor time with a test set, at best of three, and
up to 29 % on a busy computer.  See docs/decisions/0025-unknown-classes.md.
"""

FEWEST = 3  # classes, so that two are left to tell apart


@dataclass(frozen=True)
class Unknown:
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


def measure_unknown(data: Data, rows: Ints, selection: Selection, most: int = MOST[CROSS_VALIDATION]) -> Unknown | None:
    """What passes, by leaving out each of at most ``most`` classes; None where fewer than three classes are there."""
    if len(data.checkup.classes) < FEWEST:
        return None
    found = json.loads(
        data.remember(
            f"unknown {most} {selection}",
            rows,
            lambda: json.dumps(leave_out_each(data, rows, selection, most)).encode(),
        )
    )
    if not found:
        return None
    accepted, separated = np.array([[one["accepted"], one["auroc"]] for one in found]).mean(0)
    return Unknown(float(accepted), float(separated), tuple(data.checkup.classes[one["class"]] for one in found))


def leave_out_each(data: Data, rows: Ints, selection: Selection, most: int) -> list[dict[str, Any]]:
    """A record for each class left out; a class is passed over where the others leave nothing to hold out."""
    classes = len(data.checkup.classes)
    chosen = np.unique(np.linspace(0, classes - 1, min(classes, most)).astype(int)).tolist()
    found = []
    for stranger in chosen:
        scores = leave_out(data, rows, selection, stranger)
        if scores is not None:
            known, unknown, threshold = scores
            accepted = float((unknown >= threshold).mean())
            found.append({"class": stranger, "accepted": accepted, "auroc": auroc(known, unknown)})
    return found


def leave_out(
    data: Data, rows: Ints, selection: Selection, stranger: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], float] | None:
    """Greatest probabilities of held-out known photos (K,) and of the stranger's (U,), and the threshold."""
    out = data.labels[rows] == stranger
    seen, unseen = rows[~out], rows[out]
    labels = np.unique(data.labels[seen], return_inverse=True)[1].astype(np.int64)
    names = tuple(name for number, name in enumerate(data.checkup.classes) if number != stranger)
    bases = Bases(Part(data.features, seen), data.seed)
    head, doubts = fit_chosen(labels, data.groups[seen], names, data.seed, selection, bases)
    if doubts is None or not len(unseen):
        return None
    [sure] = each(lambda some: head.probabilities(Part(data.features, some)).max(1), [unseen])
    return doubts.sure, sure, doubts.threshold


def auroc(known: np.ndarray[Any, Any], unknown: np.ndarray[Any, Any]) -> float:
    """The area under the ROC curve: the share of pairs in which the known photo's score is greater, ties half."""
    ranked = np.sort(unknown)
    below, up_to = np.searchsorted(ranked, known, "left"), np.searchsorted(ranked, known, "right")
    return float((below + up_to).mean() / 2 / len(unknown))
