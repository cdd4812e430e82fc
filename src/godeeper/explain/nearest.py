"""Nearest neighbours: the photos of a folder that are nearest to another photo, by the features of a classifier's head.

Stored features are reused, so a classifier's training folder takes little time.  The folder need not be the training folder,
since a classifier's file does not list its training photos.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from ..errors import OptionError
from ..features.extract import extract
from ..features.store import ResultStore
from ..photos.doctor.checkup import examine
from ..photos.doctor.fingerprint import pixel_hash
from ..photos.sources.source import open_source
from ..progress import step_progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..classifier.classifier import Classifier
    from ..photos.doctor.usable import UsablePhoto
    from ..progress import StepProgress
    from .evidence import Evidence


NearPhotoRecord = TypedDict("NearPhotoRecord", {"photo": str, "class": str, "distance": float})


@dataclass(frozen=True)
class NearPhoto:
    """A neighbour.  ``distance``: the Euclidean distance of standardised features."""

    path: Path
    label: str
    distance: float

    def record(self) -> NearPhotoRecord:
        """The neighbour as a JSON object."""
        return {"photo": str(self.path), "class": self.label, "distance": self.distance}


@dataclass(frozen=True)
class ReferencePhotos:
    """The usable photos of a folder.  ``paths``: the paths to show to users.  ``features``: (N, features), standardised."""

    folder: Path
    photos: tuple[UsablePhoto, ...] = field(repr=False)
    paths: tuple[Path, ...] = field(repr=False)
    features: NDArray[np.float64] = field(repr=False)
    classifier: Classifier = field(repr=False)

    def nearest(self, evidence: Evidence, top: int = 5) -> list[NearPhoto]:
        """The ``top`` photos nearest to the photo of ``evidence``; photos with the same pixels are left out."""
        joined = np.concatenate([part.features for part in evidence.parts])
        distances = np.linalg.norm(self.features - standardised(self.classifier, joined), axis=1)
        same = pixel_hash(evidence.photo)
        others = [
            row for row in np.argsort(distances, kind="stable").tolist() if self.photos[row].pixels_sha256 != same
        ]
        return [NearPhoto(self.paths[row], self.photos[row].entry.label, float(distances[row])) for row in others[:top]]


def read_reference_photos(
    classifier: Classifier, folder: str | Path, progress: StepProgress | None = None
) -> ReferencePhotos:
    """Read the photos of a folder that contains class folders, and compute their features.

    Args:
        classifier: the classifier whose network computes the features.
        folder: as for ``retrain``.
        progress: called with (step, photos done, photos in all).

    Raises:
        OptionError: the folder has no usable photo.
        PhotoError: a photo was changed while it was read.
    """
    with open_source(folder) as source, ResultStore() as store:
        checkup = examine(source, step_progress(progress, "checking photos"), store)
        if not checkup.usable:
            raise OptionError(f"{folder}: no usable photo in a class's folder; see: godeeper doctor {folder}")
        photos = [(photo.entry.path, photo.pixels_sha256) for photo in checkup.usable]
        features: Mapping[str, Any] = extract(
            classifier.network, photos, classifier.head.addresses, store, step_progress(progress, "computing features")
        )
    joined = np.concatenate([features[address] for address in classifier.head.addresses], axis=1)
    paths = tuple(source.shown(photo.entry) for photo in checkup.usable)
    return ReferencePhotos(Path(folder), checkup.usable, paths, standardised(classifier, joined), classifier)


def standardised(classifier: Classifier, features: NDArray[Any]) -> NDArray[np.float64]:
    """Features (…, features), standardised with the head's mean and scale."""
    head = classifier.head
    result: NDArray[np.float64] = (features.astype(np.float64) - head.mean) / head.scale
    return result
