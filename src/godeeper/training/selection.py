"""Which modules to learn from, and how strongly to regularise: chosen by cross-validation among the training photos.

Each module is first judged alone, by ridge regression, which takes milliseconds in a module's leading
directions.  The best one is then joined by another for as long as that helps by more than a standard error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..features.table import blocks
from ..parallel import parallel_map
from .folds import Ints, assign_folds, held_out_folds
from .logistic import cross_validated_logits
from .metrics import best_temperature, log_loss
from .pca import Floats, PrincipalComponents, balance, principal_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIRECTIONS = 256  # a module, for the head
JUDGED = 128  # a module, while choosing
MOST = 3  # modules joined
RIVALS = 4  # modules tried beside those chosen, the best alone first
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1)
STRENGTHS = (1e0, 1e1, 1e2, 1e3)


@dataclass(frozen=True)
class Selection:
    """What was chosen, and from what.

    ``scores``: for each module alone, the mean share of photos it gets right when every class counts the same, and
    its standard error; both are NaN where no photo could be held out.  ``chosen``: modules in the order they joined.
    ``strength``: the inverse of the regularisation, scikit-learn's C, for features of unit mean square.
    """

    scores: dict[str, tuple[float, float]]
    chosen: tuple[str, ...]
    strength: float


class ComponentsByModule:
    """The bases that heads of some photos are fitted in; those of the modules last asked for are kept."""

    def __init__(self, features: Mapping[str, Floats], seed: int) -> None:
        self.features = features
        self.seed = seed
        self.kept: dict[tuple[str, ...], list[PrincipalComponents]] = {}

    def of(self, chosen: tuple[str, ...]) -> list[PrincipalComponents]:
        """A basis for each of some modules."""
        if chosen not in self.kept:
            self.kept = {}  # let go of the others first
            self.kept[chosen] = components_by_module(self.features, chosen, self.seed)
        return self.kept[chosen]


def select(
    features: Mapping[str, Floats], labels: Ints, groups: Ints, seed: int, bases: ComponentsByModule | None = None
) -> Selection:
    """Choose modules and strength for ``features``, address -> (N, C).

    Near-duplicates share a number in ``groups``.  ``bases``, those of ``features`` and ``seed``, keep what is computed
    of the modules that are chosen.
    """
    folds = assign_folds(labels, groups, seed)
    if not held_out_folds(folds):
        unknown = float("nan"), float("nan")
        middle = list(features)[len(features) // 2]  # neither edges alone nor what the network was last trained for
        return Selection(dict.fromkeys(features, unknown), (middle,), STRENGTHS[len(STRENGTHS) // 2])
    scores, chosen = choose_modules(features, labels, folds, seed)
    coordinates = join((bases or ComponentsByModule(features, seed)).of(chosen))
    return Selection(scores, chosen, choose_strength(coordinates, labels, folds))


def choose_modules(
    features: Mapping[str, Floats], labels: Ints, folds: Ints, seed: int
) -> tuple[dict[str, tuple[float, float]], tuple[str, ...]]:
    """The ``scores`` and the modules ``chosen`` of a selection."""
    found = parallel_map(
        lambda address: principal_components(partial(blocks, features, address), JUDGED, seed), features
    )
    bases = dict(zip(features, found, strict=True))
    judged = parallel_map(lambda basis: ridge_hits(basis.coordinates, labels, folds), found)
    hits = dict(zip(features, judged, strict=True))
    scores = {address: balanced_mean(hit, labels[folds >= 0]) for address, hit in hits.items()}
    return scores, join_greedily(bases, hits, labels, folds)


def components_by_module(features: Mapping[str, Floats], chosen: Sequence[str], seed: int) -> list[PrincipalComponents]:
    """The bases that the head is fitted in."""
    return parallel_map(
        lambda address: principal_components(partial(blocks, features, address), DIRECTIONS, seed), chosen
    )


def join_greedily(
    bases: Mapping[str, PrincipalComponents], hits: Mapping[str, NDArray[np.bool_]], labels: Ints, folds: Ints
) -> tuple[str, ...]:
    """The best module, and those that help it by more than a standard error of the difference."""
    tested = labels[folds >= 0]
    ranked = sorted(bases, key=lambda address: -balanced_mean(hits[address], tested)[0])
    chosen, best = [ranked[0]], hits[ranked[0]]
    while len(chosen) < min(MOST, len(ranked)):
        rivals = [address for address in ranked if address not in chosen][:RIVALS]
        stacks = [join([bases[name] for name in [*chosen, rival]]) for rival in rivals]
        judged = parallel_map(lambda stack: ridge_hits(stack, labels, folds), stacks)
        joined = dict(zip(rivals, judged, strict=True))
        means = [balanced_mean(hit, tested)[0] for hit in judged]
        winner = rivals[int(np.argmax(means))]
        gain, error = balanced_mean(joined[winner].astype(np.int64) - best, tested)
        if gain <= error:
            break
        chosen, best = [*chosen, winner], joined[winner]
    return tuple(chosen)


def join(bases: Sequence[PrincipalComponents]) -> Floats:
    """(N, k): the coordinates of several modules side by side."""
    return np.concatenate([basis.coordinates for basis in bases], axis=1)


def balanced_mean(values: NDArray[np.bool_] | Ints, labels: Ints) -> tuple[float, float]:
    """The mean of the classes' means, and its standard error; a class of a few photos never looks certain."""
    counts = np.bincount(labels)
    counts = counts[counts > 0]
    _, label = np.unique(labels, return_inverse=True)
    means = np.bincount(label, values) / counts
    squares = np.bincount(label, values.astype(np.float64) ** 2) / counts
    variance = (np.maximum(squares - means**2, 0) * counts + 0.25) / (counts + 1)
    return float(means.mean()), float(np.sqrt((variance / counts).sum()) / len(counts))


def ridge_hits(coordinates: Floats, labels: Ints, folds: Ints) -> NDArray[np.bool_]:
    """Whether each held-out photo is told right by ridge regression, with the best of ``RIDGES``."""
    right = np.zeros((len(RIDGES), len(labels)), bool)
    for fold in held_out_folds(folds):
        out = folds == fold
        right[:, out] = ridge_predictions(coordinates[~out], labels[~out], coordinates[out]) == labels[out]
    tested = folds >= 0
    means = [balanced_mean(row[tested], labels[tested])[0] for row in right]
    best: NDArray[np.bool_] = right[int(np.argmax(means)), tested]
    return best


def ridge_predictions(seen: Floats, labels: Ints, unseen: Floats) -> Ints:
    """(ridges, M): the classes that weighted least squares on one-hot targets gives, for each of ``RIDGES``."""
    weights = balance(labels).astype(np.float32)[:, None] / len(labels)
    targets = np.eye(labels.max() + 1, dtype=np.float32)[labels]
    middle, share = (weights * seen).sum(0), (weights * targets).sum(0)
    centred = seen - middle
    values, vectors = np.linalg.eigh(centred.T @ (weights * centred))
    projected = vectors.T @ (centred.T @ (weights * (targets - share)))
    rotated = (unseen - middle) @ vectors
    return np.stack(
        [(rotated @ (projected / (np.maximum(values, 0)[:, None] + ridge)) + share).argmax(1) for ridge in RIDGES]
    )


def choose_strength(coordinates: Floats, labels: Ints, folds: Ints) -> float:
    """The strength whose held-out probabilities, after calibration, fit best; the least of equals."""
    tested = folds >= 0
    weights = balance(labels[tested])
    losses = []
    for logits in cross_validated_logits(coordinates, labels, folds, STRENGTHS):
        temperature = best_temperature(logits[tested], labels[tested])
        losses.append(log_loss(logits[tested] / temperature, labels[tested], weights))
    return STRENGTHS[int(np.argmin(losses))]
