"""The learning curve: accuracy against the number of training photos, and a forecast for more photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..parallel import parallel_map
from .folds import Ints, held_out_folds
from .logistic import fit_logistic
from .metrics import Proportion, proportion
from .pca import Floats
from .targets import Targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARES = (0.25, 0.5, 0.75, 1.0)
DRAWS = 2000
STEEPEST = 1.5  # the greatest exponent of the power law; measured errors did not fall faster


@dataclass(frozen=True)
class CurvePoint:
    """The accuracy on held-out photos of heads trained on ``photos`` photos (a mean over the folds)."""

    photos: int
    accuracy: Proportion

    def record(self) -> dict[str, Any]:
        """The point as a JSON object."""
        return {"photos": self.photos} | self.accuracy.record()


@dataclass(frozen=True)
class Forecast:
    """The forecast accuracy for ``photos`` training photos: the median, and a 95 % interval."""

    photos: int
    value: float
    low: float
    high: float

    def record(self) -> dict[str, Any]:
        """The forecast as a JSON object."""
        return asdict(self)


def learning_curve(counts: Ints, worth: float = 1.0) -> tuple[CurvePoint, ...]:
    """The points of the curve, from the result of ``count_right``; ``worth``: see ``proportion``."""
    return tuple(CurvePoint(photos, proportion(hits, n, worth)) for photos, hits, n in counts.tolist())


def count_right(coordinates: Floats, targets: Targets, strength: float) -> Ints:
    """(shares, 3): for each of ``SHARES``, the number of training photos, of correctly classified and of tested photos.

    The counts are from cross-validation; the result is (0, 3) if no photo can be held out.  The modules of ``coordinates``
    (N, k) and ``strength`` were chosen with all photos, so the accuracy at every point is slightly too high.
    """
    labels, folds = targets.labels, targets.folds
    tested = held_out_folds(folds)

    def score(task: tuple[float, int]) -> tuple[int, int, int]:
        share, fold = task
        out = folds == fold
        rows = subsample(np.flatnonzero(~out), targets, share)
        fitted = fit_logistic(coordinates[rows], labels[rows], strength, int(labels.max()) + 1)
        predicted = (coordinates[out] @ fitted[0].T + fitted[1]).argmax(1)
        return len(rows), int((predicted == labels[out]).sum()), int(out.sum())

    if not tested:
        return np.zeros((0, 3), np.int64)
    counts = np.array(parallel_map(score, [(share, fold) for share in SHARES for fold in tested]))
    sums: Ints = counts.reshape(len(SHARES), len(tested), 3).sum(1)
    sums[:, 0] = np.rint(sums[:, 0] / len(tested))
    return sums


def subsample(rows: Ints, targets: Targets, share: float) -> Ints:
    """The rows of a random ``share`` of each class's groups, at least one; a smaller share is a subset of a larger one."""
    labels, groups = targets.labels, targets.groups
    order = np.random.default_rng(targets.seed).permutation(int(groups.max()) + 1)[groups[rows]]
    kept = np.zeros(len(rows), bool)
    for label in np.unique(labels[rows]):
        of_class = labels[rows] == label
        known = np.unique(order[of_class])
        kept |= of_class & (order <= known[int(np.ceil(share * len(known))) - 1])
    return rows[kept]


def forecast(curve: Sequence[CurvePoint], photos: int, seed: int = 0, worth: float = 1.0) -> Forecast | None:
    """The accuracy with ``photos`` training photos if the error follows a power law; None with fewer than three sizes.

    Each Monte Carlo draw samples every point's error from its beta posterior, fits a line to the logarithms of the last two,
    the last three or all points, and extrapolates from the last point.  The number of points varies because curves flatten.
    The forecast consists of quantiles of the draws.  ``worth``: see ``proportion``.
    """
    # With few photos, two shares may have the same size.
    curve = list({point.photos: point for point in curve}.values())
    sizes = np.array([point.photos for point in curve], float)
    if len(sizes) < 3:
        return None
    generator = np.random.default_rng(seed)
    wrong = worth * np.array([(1 - (point.accuracy.value or 0.0)) * point.accuracy.n for point in curve])
    total = worth * np.array([point.accuracy.n for point in curve], float)
    errors = generator.beta(wrong + 0.5, total - wrong + 0.5, (DRAWS, len(curve)))
    x, y = np.log(sizes), np.log(errors)
    slopes = np.stack([np.clip(slope(x[-last:], y[:, -last:]), -STEEPEST, 0.0) for last in (2, 3, len(x))])
    drawn = slopes[generator.integers(0, len(slopes), DRAWS), np.arange(DRAWS)]
    accuracy = 1 - np.exp(y[:, -1] + drawn * (np.log(photos) - x[-1]))
    low, middle, high = np.quantile(np.clip(accuracy, 0, 1), [0.025, 0.5, 0.975])
    return Forecast(photos, float(middle), float(low), float(high))


def slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """(draws,): the least-squares slopes of ``y`` (draws, points) over ``x`` (points,)."""
    centred = x - x.mean()
    slopes: NDArray[np.float64] = y @ centred / (centred @ centred)
    return slopes
