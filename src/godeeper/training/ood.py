"""How far a photo is from all that a head learned from, classes aside, and how much less sure that makes it.

A linear head is surest where features are largest, so also of what it has never seen the like of: of drawings, say, by a
head for photos.  Here the photos it learned from are an ellipsoid about their mean, with its own width in the
directions in which they differ most and one width in all others; a photo's distance from the mean is measured in
these widths (Mahalanobis, 1936).  Up to the ``edge``, within which nearly all known photos lie that had no part in
the ellipsoid, a photo's probabilities stay as they are; beyond, the temperature rises with the distance.
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
KNOWN = 0.95  # the share of held-out photos that lie within the edge
POWER = 2.0  # of the distance beyond it: logits grow as the distance, so that less would leave strangers sure
THINNEST = 1e-5  # of the mean squared distance: photos that differ in few directions must not make all others infinitely strange

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class OodModel:
    """The ellipsoid for use: a photo's distance, the edge being one, is ``reach * |z|² - |directions @ z|²``.

    z: (features,), standardised.  ``directions``: (q, features) float32.
    """

    directions: Floats = field(repr=False)
    reach: float

    def strangeness(self, standard: Floats) -> Floats:
        """(N, 1): what the temperature is taken times, from standardised features (N, features)."""
        within = np.square(standard @ self.directions.T).sum(1, keepdims=True)
        distance = np.float32(self.reach) * np.square(standard).sum(1, keepdims=True) - within
        return strangeness(distance).astype(np.float32)


@dataclass(frozen=True)
class TrainingCloud:
    """Photos by their coordinates (N, k), squared lengths (N,) in all directions, and how many directions there are."""

    coordinates: Floats
    lengths: Floats
    width: int

    def part(self, rows: NDArray[np.bool_]) -> TrainingCloud:
        """Some of the photos."""
        return TrainingCloud(self.coordinates[rows], self.lengths[rows], self.width)


@dataclass(frozen=True)
class Ellipsoid:
    """The inverse squared width ``outside`` of ``directions`` (q, k), and how much of it is too much in each of them."""

    directions: Doubles
    excess: Doubles
    outside: float

    def distances(self, cloud: TrainingCloud) -> Doubles:
        """(N,) squared distances from the mean."""
        within = np.square(cloud.coordinates @ self.directions.T) @ self.excess
        answer: Doubles = self.outside * cloud.lengths.astype(np.float64) - within
        return answer


def fit_ellipsoid(cloud: TrainingCloud) -> Ellipsoid:
    """The ellipsoid of some photos; to be called through ``each``."""
    most = min(DIRECTIONS, len(cloud.coordinates) // 2, cloud.width // 2, cloud.coordinates.shape[1])
    coordinates = cloud.coordinates.astype(np.float64)
    values, vectors = np.linalg.eigh(coordinates.T @ coordinates / len(coordinates))
    spread, directions = np.maximum(values[::-1][:most], 0), vectors[:, ::-1][:, :most].T
    mean = float(cloud.lengths.mean(dtype=np.float64))
    rest = max((mean - spread.sum()) / max(1, cloud.width - most), THINNEST * mean + 1e-30)
    return Ellipsoid(directions, 1 / rest - 1 / (spread + rest), 1 / rest)


def held_out_distances(cloud: TrainingCloud, folds: Ints) -> Doubles:
    """(N,) squared distances from ellipsoids of other photos; NaN where a photo is never held out."""
    found = np.full(len(folds), np.nan)

    def hold_out(fold: int) -> None:
        out = folds == fold
        found[out] = fit_ellipsoid(cloud.part(~out)).distances(cloud.part(out))

    parallel_map(hold_out, held_out_folds(folds))
    return found


def radius_of(distances: Doubles) -> float:
    """The squared distance within which the share ``KNOWN`` of held-out photos lies."""
    known = distances[~np.isnan(distances)]
    return max(float(np.quantile(known, KNOWN)), 1e-30)


def strangeness(distances: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """What temperatures are taken times, from squared distances of which the edge is one."""
    answer: NDArray[np.floating[Any]] = np.maximum(distances, 1.0) ** POWER
    return answer
