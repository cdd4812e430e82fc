"""Parity check: an export is only written if its predictions match the classifier's.

Export and classifier predict the same photos, preferably the test set.  The certificate records the number of photos and of
equal verdicts, the largest difference of probabilities, and the versions of all packages.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    from ..photos.decode import PhotoSource
    from ..progress import Progress

Predict = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""A function from a photo's pixels (H, W, 3) uint8 to the export's probabilities (classes,)."""

TOLERANCE = 1e-3
"""The greatest allowed difference of probabilities; verdicts must be equal."""

LOOSE = 1e-2
"""The tolerance for int8 in a program whose resize differs slightly.

A difference of one pixel level can change a value by a whole quantization step.  Verdicts may differ if the probabilities are
within the tolerance; the certificate counts the equal verdicts.
"""


@dataclass(frozen=True)
class Export:
    """An export in memory, not written yet.

    ``predict``: computes the export's probabilities.  ``files``: a function from the metadata to extension -> content, with
    the main file last.  ``packages``: the certificate records the versions of these packages.  ``tolerance``: ``TOLERANCE`` or
    ``LOOSE``.
    """

    predict: Predict
    files: Callable[[Mapping[str, Any]], dict[str, bytes]]
    packages: tuple[str, ...]
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class Certificate:
    """The result of a comparison.

    ``photos``: the number of photos.  ``agreeing``: the number of photos with equal verdicts.  ``difference``: the largest
    difference between two probabilities.  ``engine``: the engine and the precision of the classifier.
    ``classifier_sha256``: the hash of the classifier's file without its certificate and report.
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
        """The certificate as a JSON object."""
        return asdict(self)


def certify(
    classifier: Classifier,
    export: Export,
    photos: Iterable[PhotoSource],
    target: str,
    report: Progress | None = None,
    skip: Callable[[str], None] | None = None,
) -> Certificate:
    """Compare ``export`` with ``classifier`` on ``photos``.

    Args:
        classifier: the original.
        export: the export to check.
        photos: paths, or other objects that ``decode`` accepts.
        target: the format of the export.
        report: called with the number of photos done and the number of all photos.
        skip: called with the error of each photo that cannot be decoded, which is then skipped; if None, the error is raised.

    Raises:
        ParityError: a verdict differs, or a probability differs by more than the export's tolerance.
        OptionError: there are no photos.
        PhotoError: a photo cannot be decoded and ``skip`` is None, or no photo can be decoded.
    """
    waiting = list(photos)
    if not waiting:
        raise OptionError(
            "no photos to check the export with: give some with --photos, preferably those of the test set"
        )
    differences, agreeing = compared(classifier, export, waiting, target, report, skip)
    if not differences:
        raise PhotoError(
            f"none of the {len(waiting)} photos to check the export with can be read; give others with --photos"
        )
    return Certificate(
        target=target,
        photos=len(differences),
        agreeing=agreeing,
        difference=max(differences),
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


def compared(
    classifier: Classifier,
    export: Export,
    photos: Sequence[PhotoSource],
    target: str,
    report: Progress | None,
    skip: Callable[[str], None] | None,
) -> tuple[list[float], int]:
    """The difference of probabilities for each photo that can be decoded, and the number of equal verdicts.

    Raises:
        ParityError: the first difference that is not allowed.
    """
    differences, agreeing = [], 0
    for done, source in enumerate(photos, 1):
        photo = decoded(source, skip)
        if photo is not None:
            ours, theirs = both(classifier, export, photo)
            differences.append(difference(ours, theirs))
            same = classifier.verdict_of(ours) == classifier.verdict_of(theirs)
            agreeing += same
            if differences[-1] > export.tolerance or not (same or export.tolerance == LOOSE):
                raise disagreement(classifier, photo, target, ours, theirs, export.tolerance)
        if report:
            report(done, len(photos))
    return differences, agreeing


def decoded(source: PhotoSource, skip: Callable[[str], None] | None) -> Photo | None:
    """The decoded photo, or None if it cannot be decoded and ``skip`` was called."""
    try:
        return decode(source)
    except PhotoError as error:
        if skip is None:
            raise
        skip(str(error))
        return None


def both(classifier: Classifier, export: Export, photo: Photo) -> tuple[NDArray[Any], NDArray[Any]]:
    """The probabilities (classes,) of the classifier and of the export for one photo."""
    theirs = export.predict(np.asarray(classifier.preprocess.image_of(photo)))
    return classifier.probabilities([photo])[0], np.asarray(theirs, np.float64)


def disagreement(
    classifier: Classifier, photo: Photo, target: str, ours: NDArray[Any], theirs: NDArray[Any], tolerance: float
) -> ParityError:
    """The error for a photo with predictions that differ."""
    return ParityError(
        f"the {target} export is not written: for {photo.name} it predicts {classifier.verdict_of(theirs)!r}, the classifier "
        f"{classifier.verdict_of(ours)!r}, and probabilities differ by {difference(ours, theirs):.2g}; expected equal verdicts and at "
        f"most {tolerance:g}, computed by {classifier.network.batch_engine.identity()}; try another --engine"
    )


def difference(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """The largest absolute difference; infinite if shapes differ or a value of the export is not finite."""
    if ours.shape != theirs.shape or not np.isfinite(theirs).all():
        return float("inf")
    return float(np.abs(ours - theirs).max())


def fingerprint(classifier: Classifier) -> str:
    """SHA-256 of the classifier's file without its certificate and report."""
    from dataclasses import replace

    return hashlib.sha256(packed(replace(classifier, certificate=None, report_record=None))).hexdigest()
