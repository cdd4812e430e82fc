"""The report of a training run: the photos, the chosen modules, the test results and their uncertainty.

A ``Report`` contains plain numbers and names.  Its properties compute everything else from them, with ``training.metrics``.
``report.page`` renders it as HTML.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..escaping import json_text
from ..training import metrics
from ..training.learning_curve import CurvePoint, Forecast
from ..training.selection import Selection
from ..training.split import TEST_SET
from ..training.unknown_classes import UnknownClasses
from .fields import PhotoDiagnosis, doctor_records, finite, photos_of, tested_on, unknown_record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WIDE = 0.2
"""The report warns if the interval of the accuracy is wider than this."""

Thumbnails = Callable[[Sequence[str]], Mapping[str, bytes]]
"""A function that returns a small JPEG for each photo's path; it may leave photos out."""


@dataclass(frozen=True)
class LabelError:
    """A photo that may be in the wrong folder."""

    path: str
    label: str
    suggested: str
    probability: float


@dataclass(frozen=True)
class CrossClassDuplicates:
    """Two near-duplicates in the folders of different classes."""

    paths: tuple[str, str]
    labels: tuple[str, str]


@dataclass(frozen=True)
class Report:
    """The data of one training run and of its test on M photos.

    The test: ``paths`` and ``truth`` (M,) are the tested photos and the numbers of their classes.  ``logits`` (M, classes) come
    from heads that were not trained on these photos, before the temperature.  ``calibrated``: (M, classes) the logits after
    the temperature; if None, the temperature of the final head is used.  ``groups``: (M,) near-duplicates share a number; if
    None, all photos count as different.  ``tested_by``: the method of the test.  ``why_tested_so``: the reason for the method.
    ``cross_validation``: the cross-validated accuracy on the training photos, if there is a test set.  ``majority``: the number
    of the largest class in training.  ``unknown``: the results on left-out classes.  ``kept``: the share of held-out photos that
    reach the threshold.

    The photos: ``verdicts`` are the doctor's results.  ``unusable``: the number of photos that could not be used, apart from
    duplicates.  ``sets``: the number of photos in each set.  ``leaks``: test photos of a given split with a near-duplicate among
    the training photos.  ``places``: photo -> its current file.

    The run: ``seconds`` by step, and ``provenance``, which has versions, weights, seed and folder.
    """

    classifier: str
    classes: tuple[str, ...]
    paths: tuple[str, ...] = field(repr=False)
    truth: NDArray[np.int64] = field(repr=False)
    logits: NDArray[np.floating[Any]] = field(repr=False)
    tested_by: str
    majority: int
    selection: Selection
    temperature: float
    threshold: float | None
    unknown: UnknownClasses | None
    kept: float
    verdicts: Sequence[PhotoDiagnosis] = field(default=(), repr=False)
    unusable: int = 0
    sets: Mapping[str, int] = field(default_factory=dict)
    curve: tuple[CurvePoint, ...] = ()
    forecast: Forecast | None = None
    suspects: tuple[LabelError, ...] = ()
    twins: tuple[CrossClassDuplicates, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    memory_mib: float | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
    calibrated: NDArray[np.floating[Any]] | None = field(default=None, repr=False)
    groups: NDArray[np.int64] | None = field(default=None, repr=False)
    why_tested_so: str = ""
    cross_validation: metrics.Proportion | None = None
    leaks: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """(M, classes) calibrated probabilities."""
        return metrics.softmax(self.logits / self.temperature if self.calibrated is None else self.calibrated)

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """(M,) the number of each photo's most likely class; the threshold is not applied."""
        classes: NDArray[np.int64] = self.logits.argmax(1)
        return classes

    @cached_property
    def effective(self) -> float:
        """The effective number of tested photos, which is below M if there are near-duplicates."""
        return float(len(self.truth)) if self.groups is None else metrics.effective_count(self.groups)

    @property
    def independent(self) -> float:
        """The number of independent photos that the tested photos stand for in intervals."""
        return self.worth * len(self.truth)

    @property
    def worth(self) -> float:
        """The number of independent photos, at most 1, that a tested photo stands for in intervals."""
        groups = range(len(self.truth)) if self.groups is None else self.groups
        return metrics.worth(groups, cross_validated=self.tested_by != TEST_SET)

    @cached_property
    def accuracy(self) -> metrics.Proportion:
        """The share of tested photos that are classified correctly."""
        return metrics.accuracy(self.truth, self.predicted, self.worth)

    @cached_property
    def baseline(self) -> metrics.Proportion:
        """The accuracy of always predicting the largest class."""
        return metrics.majority(self.truth, self.majority, self.worth)

    @cached_property
    def balanced_accuracy(self) -> float | None:
        """The mean recall of the classes, in which every class has the same weight."""
        return metrics.balanced_accuracy(self.confusion)

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """(classes, classes) the confusion matrix: a row for each true class, a column for each predicted class."""
        return metrics.confusion(self.truth, self.predicted, len(self.classes))

    @cached_property
    def per_class(self) -> tuple[metrics.ClassScore, ...]:
        """Precision, recall and F1 of each class."""
        return metrics.class_scores(self.confusion, self.classes, self.worth)

    @cached_property
    def calibrations(self) -> tuple[metrics.Reliability, metrics.Reliability]:
        """The reliability diagrams before and after the temperature."""
        raw = metrics.softmax(self.logits)
        before, after = (metrics.calibration(each, self.truth, worth=self.worth) for each in (raw, self.probabilities))
        return before, after

    @cached_property
    def photos(self) -> dict[str, int]:
        """The number of files that are used, repaired and quarantined."""
        counts = Counter(verdict.status for verdict in self.verdicts)
        return {status: counts[status] for status in ("used", "repaired", "quarantined")}

    @property
    def tested(self) -> str:
        """A description of the tested photos."""
        return tested_on(self.test_record())

    @property
    def caution(self) -> str | None:
        """Warnings about the accuracy: few photos, a strong baseline, or leaks; None if there are none."""
        return " ".join(filter(None, (self.too_few, self.no_better, self.leaking))) or None

    @property
    def too_few(self) -> str | None:
        """A warning if the interval is wide, or None."""
        if not self.accuracy.n:
            return "No photo could be held out for a test, so the accuracy is unknown."
        width = self.accuracy.high - self.accuracy.low
        if width <= WIDE:
            return None
        return f"n = {photos_of(self.accuracy.n)}: too few to measure the accuracy well; the 95 % interval is {100 * width:.0f} points wide."

    @property
    def leaking(self) -> str | None:
        """A warning if test photos have near-duplicates among the training photos, or None."""
        if not self.leaks:
            return None
        return (
            f"{len(self.leaks)} of {photos_of(self.accuracy.n)} in the test set have a near-duplicate, or a photo of their group, in training: "
            "the true accuracy may be lower."
        )

    @property
    def no_better(self) -> str | None:
        """A warning if the accuracy is not clearly above the majority-class baseline, or None."""
        got, guessed = self.accuracy.value, self.baseline.value
        if got is None or guessed is None or self.accuracy.low > guessed:
            return None
        name = self.classes[self.majority]
        how = "no better" if got <= guessed else "not clearly better"
        return f"The accuracy is {how} than always guessing the largest class, {name!r} ({guessed:.1%})."

    def rows_of(self, true: int, said: int) -> list[int]:
        """The rows of the tested photos in one cell of the confusion matrix, by descending probability."""
        rows = ((self.truth == true) & (self.predicted == said)).nonzero()[0].tolist()
        return sorted(rows, key=lambda row: -float(self.probabilities[row, said]))

    def test_record(self) -> dict[str, Any]:
        """The result of the test as a JSON object."""
        return {
            "accuracy": self.accuracy.value,
            "interval": [self.accuracy.low, self.accuracy.high],
            "n": self.accuracy.n,
            "by": self.tested_by,
            "why": self.why_tested_so,
            "effective_n": self.effective,
            "interval_n": self.independent,
            "balanced_accuracy": self.balanced_accuracy,
            "cross_validation": self.cross_validation.record() if self.cross_validation else None,
            "majority_baseline": {"class": self.classes[self.majority]} | self.baseline.record(),
            "caution": self.caution,
        }

    def record(self) -> dict[str, Any]:
        """The report as a JSON object."""
        before, after = self.calibrations
        wrong = (self.truth != self.predicted).nonzero()[0].tolist()
        record = {
            "classifier": self.classifier,
            "classes": list(self.classes),
            "photos": self.photos,
            "sets": dict(self.sets),
            "test": self.test_record(),
            "features": list(self.selection.chosen),
            "modules": self.module_records(),
            "strength": self.selection.strength,
            "per_class": [score.record() for score in self.per_class],
            "confusion": self.confusion.tolist(),
            "calibration": {"temperature": self.temperature, "before": before.record(), "after": after.record()},
            "none_of_these": {
                "threshold": self.threshold,
                "kept": self.kept,
                **unknown_record(self.unknown, len(self.classes)),
            },
            "learning_curve": [point.record() for point in self.curve],
            "forecast": self.forecast.record() if self.forecast else None,
            "test_photos": list(self.paths),
            "misclassified": [self.mistake(row) for row in wrong],
            "suspected_mislabels": [vars(suspect) for suspect in self.suspects],
            "near_duplicates_across_classes": [
                {"paths": list(twins.paths), "classes": list(twins.labels)} for twins in self.twins
            ],
            "doctor": doctor_records(self.verdicts),
            "notes": list(self.notes),
            "seconds": dict(self.seconds),
            "memory_mib": self.memory_mib,
            "provenance": dict(self.provenance),
            "near_duplicates_in_training": list(self.leaks),
        }
        return {key: finite(value) for key, value in record.items()}

    def module_records(self) -> list[dict[str, Any]]:
        """The score of each module as a JSON object."""
        return [
            {"address": address, "accuracy": mean, "standard_error": error}
            for address, (mean, error) in self.selection.scores.items()
        ]

    def mistake(self, row: int) -> dict[str, Any]:
        """A misclassified photo as a JSON object."""
        said = int(self.predicted[row])
        return {
            "photo": self.paths[row],
            "class": self.classes[int(self.truth[row])],
            "predicted": self.classes[said],
            "probability": float(self.probabilities[row, said]),
        }

    def html(self, thumbnails: Thumbnails | None = None) -> str:
        """The report as an HTML page without external resources; ``thumbnails`` makes the page's thumbnails."""
        from .page import page

        return page(self, None if thumbnails is None else self.located(thumbnails))

    def located(self, thumbnails: Thumbnails) -> Thumbnails:
        """``thumbnails`` as a function of the photos' names in the report instead of their paths."""

        def by_name(names: Sequence[str]) -> Mapping[str, bytes]:
            paths = {name: self.places.get(name, name) for name in names}
            found = thumbnails(list(paths.values()))
            return {name: found[path] for name, path in paths.items() if path in found}

        return by_name

    def save(self, path: str | Path, thumbnails: Thumbnails | None = None) -> Path:
        """Write the HTML page to ``path``."""
        return write(Path(path), self.html(thumbnails))

    def save_json(self, path: str | Path) -> Path:
        """Write the record as JSON to ``path``."""
        return write(Path(path), self.json())

    def json(self) -> str:
        """The record as JSON text."""
        return json_text(self.record(), indent=1, allow_nan=False) + "\n"


def write(path: Path, text: str) -> Path:
    """Write ``text`` to ``path``, and return the path."""
    from ..files import write_atomically

    write_atomically(path, encoded(text))
    return path


def encoded(text: str) -> bytes:
    """``text`` in UTF-8; file names that are not valid Unicode are escaped."""
    return text.encode("utf-8", "backslashreplace")
