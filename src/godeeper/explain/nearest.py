"""The photos of a folder that a classifier finds most like another: nearest in the features that its head reads.

Features are those of ``training``: what its store knows is not computed again, so that the folder a classifier was
trained on answers at once.  A classifier's file does not say which photos trained it, so nothing here calls a photo a
training photo.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OptionError
from ..features.extract import extract
from ..features.store import ResultStore
from ..photos.doctor.checkup import examine
from ..photos.doctor.fingerprint import pixel_hash
from ..photos.sources.source import open_source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..classifier.classifier import Classifier
    from ..photos.doctor.usable import UsablePhoto
    from .evidence import Evidence

    Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class NearPhoto:
    """A photo like another.  ``distance``: Euclidean, in the head's standardised features."""

    path: Path
    label: str
    distance: float

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {"photo": str(self.path), "class": self.label, "distance": self.distance}


@dataclass(frozen=True)
class ReferencePhotos:
    """The usable photos of a folder, where people find them, and their standardised features, (N, features)."""

    folder: Path
    photos: tuple[UsablePhoto, ...] = field(repr=False)
    paths: tuple[Path, ...] = field(repr=False)
    features: NDArray[np.float64] = field(repr=False)
    classifier: Classifier = field(repr=False)

    def nearest(self, evidence: Evidence, top: int = 5) -> list[NearPhoto]:
        """The ``top`` photos that are nearest to the one the evidence is in, itself left out."""
        joined = np.concatenate([part.features for part in evidence.parts])
        distances = np.linalg.norm(self.features - standardised(self.classifier, joined), axis=1)
        same = pixel_hash(evidence.photo)
        others = [
            row for row in np.argsort(distances, kind="stable").tolist() if self.photos[row].pixels_sha256 != same
        ]
        return [NearPhoto(self.paths[row], self.photos[row].entry.label, float(distances[row])) for row in others[:top]]


def read_reference_photos(
    classifier: Classifier, folder: str | Path, progress: Progress | None = None
) -> ReferencePhotos:
    """The photos of a folder of class folders as a classifier sees them.

    Args:
        classifier: whose features are compared.
        folder: as for ``retrain``.
        progress: told (step, photos done, photos in all).

    Raises:
        OptionError: there is no usable photo in it.
        PhotoError: a photo changes while it is read.
    """
    with open_source(folder) as source, ResultStore() as store:
        checkup = examine(source, step_progress(progress, "checking"), store)
        if not checkup.usable:
            raise OptionError(f"{folder}: no usable photo in a class's folder; see: godeeper doctor {folder}")
        photos = [(photo.entry.path, photo.pixels_sha256) for photo in checkup.usable]
        found: Mapping[str, Any] = extract(
            classifier.network, photos, classifier.head.addresses, store, step_progress(progress, "looking")
        )
    joined = np.concatenate([found[address] for address in classifier.head.addresses], axis=1)
    paths = tuple(source.shown(photo.entry) for photo in checkup.usable)
    return ReferencePhotos(Path(folder), checkup.usable, paths, standardised(classifier, joined), classifier)


def standardised(classifier: Classifier, features: NDArray[Any]) -> NDArray[np.float64]:
    """Features (…, features) in the units in which the head is regularised."""
    head = classifier.head
    found: NDArray[np.float64] = (features.astype(np.float64) - head.mean) / head.scale
    return found


def step_progress(progress: Progress | None, step: str) -> Callable[[int, int], None] | None:
    """``progress`` for one step."""
    return None if progress is None else lambda done, total: progress(step, done, total)
