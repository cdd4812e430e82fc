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

from ..classifier.file import packed
from ..errors import OptionError, ParityError, PhotoError
from ..photos.decode import Photo, decode
from ..version import __version__

if TYPE_CHECKING:
    from ..classifier.classifier import Classifier

Predict = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""What an export says of a photo: its pixels (H, W, 3) uint8 -> (classes,) probabilities."""

Progress = Callable[[int, int], None]

TOLERANCE = 1e-3
"""How far apart probabilities may be; the verdicts must be the same."""

LOOSE = 1e-2
"""The same for 8 bits in a program that resizes photos a little differently: a pixel that is one level off can move a value by a whole
step of the 256.  A verdict may differ only where the probabilities agree within this, and is counted."""


@dataclass(frozen=True)
class Export:
    """An export that is made and not yet written.

    ``files``: from what it is to say of itself to ending -> content, the main file last.  ``packages``: those
    whose versions matter to the comparison.  ``tolerance``: ``TOLERANCE`` or ``LOOSE``.
    """

    predict: Predict
    files: Callable[[Mapping[str, Any]], dict[str, bytes]]
    packages: tuple[str, ...]
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class Certificate:
    """What a comparison found.

    ``photos``: how many were scored.  ``agreeing``: of how many the verdict was the same.  ``difference``: the
    largest between two probabilities.  ``engine``: what computed the classifier's, and its precision.  ``classifier_sha256``: of the classifier's file, its certificate left out.
    """

    target: str
    photos: int
    agreeing: int
    difference: float
    tolerance: float
    classifier_sha256: str
    versions: Mapping[str, str]
    date: str
    engine: str = ""

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def certify(
    classifier: Classifier,
    export: Export,
    photos: Iterable[Any],
    target: str,
    report: Progress | None = None,
    skip: Callable[[str], None] | None = None,
) -> Certificate:
    """Compare ``export`` with ``classifier`` on ``photos``.

    Args:
        classifier: the original.
        export: what is to agree with it.
        photos: paths, or whatever else can be decoded.
        target: the export's kind.
        report: told how many are done, and of how many.
        skip: told the error of each photo that cannot be decoded, which is then left out; if not given, the error is raised.

    Raises:
        ParityError: a verdict differs, or a probability by more than the export's tolerance.
        OptionError: there is no photo.
        PhotoError: a photo cannot be decoded, or none can.
    """
    waiting = list(photos)
    if not waiting:
        raise OptionError("no photos to check the export with: name some with --photos, best those of the test set")
    apart, agreeing = [], 0
    for done, source in enumerate(waiting, 1):
        photo = decoded(source, skip)
        if photo is not None:
            ours, theirs = both(classifier, export, photo)
            apart.append(difference(ours, theirs))
            same = classifier.verdict_of(ours) == classifier.verdict_of(theirs)
            agreeing += same
            if apart[-1] > export.tolerance or not (same or export.tolerance == LOOSE):
                raise disagreement(classifier, photo, target, ours, theirs, export.tolerance)
        if report:
            report(done, len(waiting))
    if not apart:
        raise PhotoError(
            f"none of the {len(waiting)} photos to check the export with can be read; name others with --photos"
        )
    return Certificate(
        target=target,
        photos=len(apart),
        agreeing=agreeing,
        difference=max(apart),
        tolerance=export.tolerance,
        classifier_sha256=fingerprint(classifier),
        versions={
            "godeeper": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in export.packages},
        },
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        engine=str(classifier.network.batch_engine.identity()),
    )


def decoded(source: Any, skip: Callable[[str], None] | None) -> Photo | None:
    """A photo, or None where it cannot be decoded and ``skip`` has been told."""
    try:
        return decode(source)
    except PhotoError as error:
        if skip is None:
            raise
        skip(str(error))
        return None


def both(classifier: Classifier, export: Export, photo: Photo) -> tuple[NDArray[Any], NDArray[Any]]:
    """(classes,) probabilities of the classifier and of the export."""
    theirs = export.predict(np.asarray(classifier.preprocess.image_of(photo)))
    return classifier.probabilities([photo])[0], np.asarray(theirs, np.float64)


def disagreement(
    classifier: Classifier, photo: Photo, target: str, ours: NDArray[Any], theirs: NDArray[Any], tolerance: float
) -> ParityError:
    """The error for a photo of which the two say different things."""
    return ParityError(
        f"the {target} export is not written: of {photo.name} it says {classifier.verdict_of(theirs)!r}, the classifier "
        f"{classifier.verdict_of(ours)!r}, and probabilities differ by {difference(ours, theirs):.2g}; expected the same verdict and at "
        f"most {tolerance:g}, computed by {classifier.network.batch_engine.identity()}; try another --engine"
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
