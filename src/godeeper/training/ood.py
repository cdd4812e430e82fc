"""Out-of-distribution detection: measures how far a photo is from the training photos, and raises the temperature accordingly.

A linear head is most confident where features are largest, even for photos unlike all of its training photos, such as
drawings for a head that was trained on photographs.  The training photos are therefore modelled as an ellipsoid about their
mean.  The ellipsoid has a width for each of the directions of greatest variance, and one width for all other directions.
A photo's distance from the mean is measured in these widths (Mahalanobis distance).  Nearly all held-out photos lie within
the ``radius``.  Beyond the radius, the temperature rises with the distance; within it, nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..parallel import parallel_map
from .folds import Ints, held_out_folds
from .pca import Floats

DIRECTIONS = 64
KNOWN = 0.95  # the share of held-out photos that lie within the radius
POWER = 2.0  # exponent of the squared distance; logits grow with the distance, and the temperature must grow faster
THINNEST = 1e-5  # lower bound of the squared width, as a fraction of the mean squared length; avoids a width of 0

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class OodModel:
    """The ellipsoid of a classifier: the squared distance, in squared radii, is ``reach * |z|² - |directions @ z|²``.

    z: (features,) standardised features.  ``directions``: (q, features) float32.
    """

    directions: Floats = field(repr=False)
    reach: float

    def strangeness(self, standard: Floats) -> Floats:
        """(N, 1): the factor by which the temperature is raised, from standardised features (N, features)."""
        within = np.square(standard @ self.directions.T).sum(1, keepdims=True)
        distance = np.float32(self.reach) * np.square(standard).sum(1, keepdims=True) - within
        return strangeness(distance).astype(np.float32)


@dataclass(frozen=True)
class TrainingPoints:
    """Training photos in PCA space.

    ``coordinates``: (N, k).  ``lengths``: (N,) the squared lengths of the standardised features.  ``width``: the number of
    features.
    """

    coordinates: Floats
    lengths: Floats
    width: int

    def part(self, rows: NDArray[np.bool_]) -> TrainingPoints:
        """Some of the photos."""
        return TrainingPoints(self.coordinates[rows], self.lengths[rows], self.width)


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid about the mean of the training photos.

    ``outside``: the inverse squared width in all directions other than ``directions`` (q, k).  ``excess``: (q,) ``outside``
    minus the inverse squared width in each of ``directions``.
    """

    directions: Doubles
    excess: Doubles
    outside: float

    def distances(self, points: TrainingPoints) -> Doubles:
        """(N,) squared distances from the mean."""
        within = np.square(points.coordinates @ self.directions.T) @ self.excess
        distances: Doubles = self.outside * points.lengths.astype(np.float64) - within
        return distances


def fit_ellipsoid(points: TrainingPoints) -> Ellipsoid:
    """Fit an ellipsoid to some photos; call it through ``parallel_map``."""
    most = min(DIRECTIONS, len(points.coordinates) // 2, points.width // 2, points.coordinates.shape[1])
    coordinates = points.coordinates.astype(np.float64)
    values, vectors = np.linalg.eigh(coordinates.T @ coordinates / len(coordinates))
    spread, directions = np.maximum(values[::-1][:most], 0), vectors[:, ::-1][:, :most].T
    mean = float(points.lengths.mean(dtype=np.float64))
    rest = max((mean - spread.sum()) / max(1, points.width - most), THINNEST * mean + 1e-30)
    return Ellipsoid(directions, 1 / rest - 1 / (spread + rest), 1 / rest)


def held_out_distances(points: TrainingPoints, folds: Ints) -> Doubles:
    """(N,) each photo's squared distance, measured with an ellipsoid fitted without the photo's fold; NaN for photos never held out."""
    distances = np.full(len(folds), np.nan)

    def hold_out(fold: int) -> None:
        out = folds == fold
        distances[out] = fit_ellipsoid(points.part(~out)).distances(points.part(out))

    parallel_map(hold_out, held_out_folds(folds))
    return distances


def radius_of(distances: Doubles) -> float:
    """The squared distance within which the share ``KNOWN`` of held-out photos lies."""
    known = distances[~np.isnan(distances)]
    return max(float(np.quantile(known, KNOWN)), 1e-30)


def strangeness(distances: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """The factor by which temperatures are raised, from squared distances in units of the squared radius."""
    factors: NDArray[np.floating[Any]] = np.maximum(distances, 1.0) ** POWER
    return factors
