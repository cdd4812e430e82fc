"""Parity: an export says what the classifier says, or it is not written.

Every photo of the test set is scored by both.  The certificate says how many they were, how many verdicts
agreed, how far apart the probabilities were, and which versions were compared.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError, ParityError
from ..photos.decode import decode
from ..training.classifier_file import packed
from ..version import __version__

if TYPE_CHECKING:
    from ..training.classifier import Classifier

Predict = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""What an export says of a photo: its pixels (H, W, 3) uint8 -> (classes,) probabilities."""

Progress = Callable[[int, int], None]

TOLERANCE = 1e-3
"""How far apart probabilities may be; the verdicts must be the same."""


@dataclass(frozen=True)
class Export:
    """An export that is made and not yet written.

    ``files``: from what it is to say of itself to ending -> content, the main file last.  ``packages``: those
    whose versions matter to the comparison.
    """

    predict: Predict
    files: Callable[[Mapping[str, Any]], dict[str, bytes]]
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Certificate:
    """What a comparison found.

    ``photos``: how many were scored.  ``agreeing``: of how many the verdict was the same.  ``difference``: the
    largest between two probabilities.  ``classifier_sha256``: of the classifier's file, its certificate left out.
    """

    target: str
    photos: int
    agreeing: int
    difference: float
    tolerance: float
    classifier_sha256: str
    versions: Mapping[str, str]
    date: str

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def certify(
    classifier: Classifier,
    export: Export,
    photos: Iterable[Any],
    target: str,
    report: Progress | None = None,
) -> Certificate:
    """Compare ``export`` with ``classifier`` on ``photos``.

    Args:
        classifier: the original.
        export: what is to agree with it.
        photos: paths, or whatever else can be decoded.
        target: the export's kind.
        report: told how many are done, and of how many.

    Raises:
        ParityError: a verdict differs, or a probability by more than ``TOLERANCE``; or there is no photo.
        PhotoError: a photo cannot be decoded.
    """
    waiting = list(photos)
    if not waiting:
        raise OptionError("no photos to check the export with: name some with --photos, best those of the test set")
    agreeing, worst = 0, 0.0
    for done, source in enumerate(waiting, 1):
        photo = decode(source)
        ours = classifier.probabilities([photo])[0]
        theirs = np.asarray(export.predict(np.ascontiguousarray(photo.pixels)), np.float64)
        apart = difference(ours, theirs)
        same = classifier.verdict_of(ours) == classifier.verdict_of(theirs)
        if not same or apart > TOLERANCE:
            raise ParityError(
                f"the {target} export is not written: of {photo.name} it says {classifier.verdict_of(theirs)!r}, the classifier "
                f"{classifier.verdict_of(ours)!r}, and probabilities differ by {apart:.2g}; expected the same verdict and at most {TOLERANCE:g}"
            )
        agreeing, worst = agreeing + same, max(worst, apart)
        if report:
            report(done, len(waiting))
    return Certificate(
        target=target,
        photos=len(waiting),
        agreeing=agreeing,
        difference=worst,
        tolerance=TOLERANCE,
        classifier_sha256=fingerprint(classifier),
        versions={
            "godeeper": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in export.packages},
        },
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def difference(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """The largest difference; infinite where shapes differ or something is no number."""
    if ours.shape != theirs.shape or not np.isfinite(theirs).all():
        return float("inf")
    return float(np.abs(ours - theirs).max())


def fingerprint(classifier: Classifier) -> str:
    """SHA-256 of the classifier's file, without its certificate and its report."""
    from dataclasses import replace

    return hashlib.sha256(packed(replace(classifier, certificate=None, report_record=None))).hexdigest()
