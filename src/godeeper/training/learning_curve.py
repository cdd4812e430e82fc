"""How accuracy grows with the number of photos, and what more of them might bring, with its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..parallel import parallel_map
from .folds import Ints, assign_folds, held_out_folds
from .logistic import fit_logistic
from .metrics import Proportion, proportion
from .pca import Floats

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARES = (0.25, 0.5, 0.75, 1.0)
DRAWS = 2000
STEEPEST = 1.5  # exponent of the power law; errors have not been seen to fall faster


@dataclass(frozen=True)
class CurvePoint:
    """The accuracy on held-out photos of heads trained on ``photos`` of them (the mean over folds)."""

    photos: int
    accuracy: Proportion

    def record(self) -> dict[str, Any]:
        """The point as JSON can hold it."""
        return {"photos": self.photos} | self.accuracy.record()


@dataclass(frozen=True)
class Forecast:
    """What accuracy ``photos`` might bring: the middle of what is compatible with the curve, and 95 % of it."""

    photos: int
    value: float
    low: float
    high: float

    def record(self) -> dict[str, Any]:
        """The forecast as JSON can hold it."""
        return asdict(self)


def learning_curve(counts: Ints, worth: float = 1.0) -> tuple[CurvePoint, ...]:
    """A point for each row of what ``count_right`` returns; ``worth``: see ``proportion``."""
    return tuple(CurvePoint(photos, proportion(hits, n, worth)) for photos, hits, n in counts.tolist())


def count_right(coordinates: Floats, labels: Ints, groups: Ints, strength: float, seed: int) -> Ints:
    """(shares, 3): photos trained on, those told right and those tested, for each of ``SHARES`` of the training photos.

    By cross-validation; no row where nothing can be held out.  ``coordinates``, (N, k), of the chosen modules, and
    ``strength`` are those chosen with all of them, which flatters every point a little.
    """
    folds = assign_folds(labels, groups, seed)
    tested = held_out_folds(folds)

    def judge(task: tuple[float, int]) -> tuple[int, int, int]:
        share, fold = task
        out = folds == fold
        rows = subsample(np.flatnonzero(~out), labels, groups, share, seed)
        fitted = fit_logistic(coordinates[rows], labels[rows], strength, int(labels.max()) + 1)
        told = (coordinates[out] @ fitted[0].T + fitted[1]).argmax(1)
        return len(rows), int((told == labels[out]).sum()), int(out.sum())

    if not tested:
        return np.zeros((0, 3), np.int64)
    found = np.array(parallel_map(judge, [(share, fold) for share in SHARES for fold in tested]))
    sums: Ints = found.reshape(len(SHARES), len(tested), 3).sum(1)
    sums[:, 0] = np.rint(sums[:, 0] / len(tested))
    return sums


def subsample(rows: Ints, labels: Ints, groups: Ints, share: float, seed: int) -> Ints:
    """A ``share`` of each class's groups among ``rows``, at least one; a smaller share is part of a greater one."""
    order = np.random.default_rng(seed).permutation(int(groups.max()) + 1)[groups[rows]]
    kept = np.zeros(len(rows), bool)
    for label in np.unique(labels[rows]):
        of_class = labels[rows] == label
        known = np.unique(order[of_class])
        kept |= of_class & (order <= known[int(np.ceil(share * len(known))) - 1])
    return rows[kept]


def forecast(curve: Sequence[CurvePoint], photos: int, seed: int = 0, worth: float = 1.0) -> Forecast | None:
    """Accuracy with ``photos``, if error falls as a power of their number; None for a curve of fewer than three sizes.

    Each draw takes every point of the curve again from what its count allows (a beta distribution), fits a line
    through the logarithms of the last two, three or all points, since curves flatten, and goes on from the last
    point with its slope; what the draws say of ``photos`` is the uncertainty.  ``worth``: see ``proportion``.
    """
    curve = list({point.photos: point for point in curve}.values())  # with few photos two shares may be the same ones
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
    answer: NDArray[np.float64] = y @ centred / (centred @ centred)
    return answer
