"""The report: what was trained, on which photos, how good it is, and how sure one can be of that.

A ``Report`` holds plain numbers and names; everything it says is computed from them here or in ``training.metrics``.
How it looks is ``report_page``'s business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..escaping import json_text
from ..training import metrics
from ..training.learning_curve import CurvePoint, Forecast
from ..training.selection import Selection
from ..training.split import TEST_SET
from ..training.unknown_classes import UnknownClasses
from .fields import finite, photos_of, tested_on, unknown_record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WIDE = 0.2
"""An interval of accuracy wider than this says little."""

Thumbnails = Callable[[Sequence[str]], Mapping[str, bytes]]
"""Paths of photos -> small JPEG files; a photo may be missing."""


class PhotoEntry(Protocol):
    """A file in a class's folder."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...


class PhotoDiagnosis(Protocol):
    """What the doctor says of a file: ``status`` is used, repaired or quarantined."""

    @property
    def entry(self) -> PhotoEntry: ...
    @property
    def status(self) -> str: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...
    @property
    def remarks(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class LabelError:
    """A photo that seems to be in the wrong folder."""

    path: str
    label: str
    suggested: str
    probability: float


@dataclass(frozen=True)
class CrossClassDuplicates:
    """Two photos that look alike and are filed under different classes."""

    paths: tuple[str, str]
    labels: tuple[str, str]


@dataclass(frozen=True)
class Report:
    """Everything there is to say of one training.

    ``paths``, ``truth`` (M,) and ``logits`` (M, classes): the M photos it was tested on, and what heads that have not
    seen them said before the temperature.  ``tested_by``: how these were held out.  ``calibrated``: (M, classes) logits after the temperature, where each
    fold has its own; otherwise the temperature of the final head is used.  ``majority``: the number of the largest class in training.
    ``groups``: (M,) near-duplicates share a number; without it all photos count as different.  ``cross_validation``: of the
    training photos, where a test set tested.  ``unknown``: what was measured on classes left out.
    ``leaks``: test photos of a given split with a near-duplicate among the training photos.  ``places``: photo -> its file now.
    ``unusable``: how many photos could not be used, duplicates aside.  ``sets``: how many photos each part has.  ``seconds``: by step.  ``provenance``: versions, seed, hashes, command.
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
        """(M, classes), calibrated."""
        return metrics.softmax(self.logits / self.temperature if self.calibrated is None else self.calibrated)

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """(M,) the number of each photo's likeliest class; the threshold is not applied."""
        told: NDArray[np.int64] = self.logits.argmax(1)
        return told

    @cached_property
    def effective(self) -> float:
        """How many independent photos the test amounts to; fewer than M where there are near-duplicates."""
        return float(len(self.truth)) if self.groups is None else metrics.effective_count(self.groups)

    @property
    def independent(self) -> float:
        """How many independent photos the intervals count the tested ones as."""
        return self.worth * len(self.truth)

    @property
    def worth(self) -> float:
        """Independent photos a tested photo, for intervals."""
        groups = range(len(self.truth)) if self.groups is None else self.groups
        return metrics.worth(groups, cross_validated=self.tested_by != TEST_SET)

    @cached_property
    def accuracy(self) -> metrics.Proportion:
        """The share of tested photos that are classified correctly."""
        return metrics.accuracy(self.truth, self.predicted, self.worth)

    @cached_property
    def baseline(self) -> metrics.Proportion:
        """The accuracy of always guessing the largest class."""
        return metrics.majority(self.truth, self.majority, self.worth)

    @cached_property
    def balanced_accuracy(self) -> float | None:
        """The mean over classes of recall: every class counts the same, however many photos it has."""
        return metrics.balanced_accuracy(self.confusion)

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """(classes, classes) counts: row the true class, column what was said."""
        return metrics.confusion(self.truth, self.predicted, len(self.classes))

    @cached_property
    def per_class(self) -> tuple[metrics.ClassScore, ...]:
        """Precision, recall and F1 of each class."""
        return metrics.class_scores(self.confusion, self.classes, self.worth)

    @cached_property
    def calibrations(self) -> tuple[metrics.Reliability, metrics.Reliability]:
        """Before and after the temperature."""
        raw = metrics.softmax(self.logits)
        before, after = (metrics.calibration(each, self.truth, worth=self.worth) for each in (raw, self.probabilities))
        return before, after

    @cached_property
    def photos(self) -> dict[str, int]:
        """How many files the doctor used, repaired and quarantined."""
        counts = Counter(verdict.status for verdict in self.verdicts)
        return {status: counts[status] for status in ("used", "repaired", "quarantined")}

    @property
    def tested(self) -> str:
        """On which photos it was tested, in words."""
        return tested_on(self.test_record())

    @property
    def caution(self) -> str | None:
        """What keeps the accuracy from saying much: too few photos, or no better than guessing; None where nothing does."""
        return " ".join(filter(None, (self.too_few, self.no_better, self.leaking))) or None

    @property
    def too_few(self) -> str | None:
        """A sentence where the interval is wide."""
        if not self.accuracy.n:
            return "No photo could be held out for a test, so the accuracy is unknown."
        width = self.accuracy.high - self.accuracy.low
        if width <= WIDE:
            return None
        return (
            f"n = {photos_of(self.accuracy.n)}: this says little; the 95 % interval is {100 * width:.0f} points wide."
        )

    @property
    def leaking(self) -> str | None:
        """A sentence where test photos have near-duplicates among the training photos."""
        if not self.leaks:
            return None
        return (
            f"{len(self.leaks)} of {photos_of(self.accuracy.n)} in the test set have a near-duplicate, or a photo of their group, in training: "
            "the true accuracy may be lower."
        )

    @property
    def no_better(self) -> str | None:
        """A sentence where always guessing the largest class would do as well."""
        got, guessed = self.accuracy.value, self.baseline.value
        if got is None or guessed is None or self.accuracy.low > guessed:
            return None
        name = self.classes[self.majority]
        how = "no better" if got <= guessed else "not clearly better"
        return f"The accuracy is {how} than always guessing the largest class, {name!r} ({guessed:.1%})."

    def rows_of(self, true: int, said: int) -> list[int]:
        """The tested photos of one cell of the confusion matrix, those told with the most confidence first."""
        rows = ((self.truth == true) & (self.predicted == said)).nonzero()[0].tolist()
        return sorted(rows, key=lambda row: -float(self.probabilities[row, said]))

    def test_record(self) -> dict[str, Any]:
        """The result of the test as JSON can hold it."""
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
        """The report as JSON can hold it."""
        before, after = self.calibrations
        wrong = (self.truth != self.predicted).nonzero()[0].tolist()
        record = {
            "classifier": self.classifier,
            "classes": list(self.classes),
            "photos": self.photos,
            "sets": dict(self.sets),
            "test": self.test_record(),
            "features": list(self.selection.chosen),
            "modules": [
                {"address": address, "accuracy": mean, "standard_error": error}
                for address, (mean, error) in self.selection.scores.items()
            ],
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
            "doctor": [
                {
                    "photo": one.entry.name,
                    "class": one.entry.label,
                    "status": one.status,
                    "reasons": [*one.reasons],
                    "remarks": [*one.remarks],
                }
                for one in self.verdicts
                if one.status != "used" or one.remarks
            ],
            "notes": list(self.notes),
            "seconds": dict(self.seconds),
            "memory_mib": self.memory_mib,
            "provenance": dict(self.provenance),
        }
        record["near_duplicates_in_training"] = list(self.leaks)
        return {key: finite(value) for key, value in record.items()}

    def mistake(self, row: int) -> dict[str, Any]:
        """A misclassified photo as JSON can hold it."""
        said = int(self.predicted[row])
        return {
            "photo": self.paths[row],
            "class": self.classes[int(self.truth[row])],
            "predicted": self.classes[said],
            "probability": float(self.probabilities[row, said]),
        }

    def html(self, thumbnails: Thumbnails | None = None) -> str:
        """The report as one page that needs nothing else; ``thumbnails`` gives the small pictures in it."""
        from .page import page

        return page(self, None if thumbnails is None else self.located(thumbnails))

    def located(self, thumbnails: Thumbnails) -> Thumbnails:
        """The same by the photos' names, wherever their files are."""

        def by_name(names: Sequence[str]) -> Mapping[str, bytes]:
            paths = {name: self.places.get(name, name) for name in names}
            found = thumbnails(list(paths.values()))
            return {name: found[path] for name, path in paths.items() if path in found}

        return by_name

    def save(self, path: str | Path, thumbnails: Thumbnails | None = None) -> Path:
        """Write the page."""
        return write(Path(path), self.html(thumbnails))

    def save_json(self, path: str | Path) -> Path:
        """Write the record."""
        return write(Path(path), self.json())

    def json(self) -> str:
        """The record as text."""
        return json_text(self.record(), indent=1, allow_nan=False) + "\n"


def write(path: Path, text: str) -> Path:
    """Write ``text``."""
    from ..files import write_atomically

    write_atomically(path, encoded(text))
    return path


def encoded(text: str) -> bytes:
    """UTF-8; names of files that are no Unicode are written with escapes."""
    return text.encode("utf-8", "backslashreplace")
