"""Feature selection: chooses the modules and the regularisation by cross-validation among the training photos.

First, each module is scored alone by ridge regression on its leading principal components, which takes milliseconds.
Then greedy forward selection adds modules to the best one, while a module improves the score by more than a standard error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..features.table import blocks
from ..parallel import parallel_map
from .confidence import best_temperature
from .folds import Ints, held_out_folds
from .logistic import cross_validated_logits
from .metrics import log_loss
from .pca import Floats, PrincipalComponents, balance, principal_components
from .targets import Targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

COMPONENTS = 256  # per module, for the head
SCORING_COMPONENTS = 128  # per module, for the choice of modules
MOST = 3  # at most this many modules are chosen
CANDIDATES = 4  # modules tried in each step, by their scores alone
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1)
STRENGTHS = (1e0, 1e1, 1e2, 1e3)


@dataclass(frozen=True)
class Selection:
    """The chosen modules and strength, and the scores of all modules.

    ``scores``: the balanced accuracy of each module alone, and its standard error; both are NaN if no photo could be held
    out.  ``chosen``: the modules in the order in which they were added.  ``strength``: the inverse regularisation strength,
    scikit-learn's C, for standardised features.
    """

    scores: dict[str, tuple[float, float]]
    chosen: tuple[str, ...]
    strength: float


class ComponentsByModule:
    """The principal components of modules, all over the same photos; the last result is cached."""

    def __init__(self, features: Mapping[str, Floats], seed: int) -> None:
        self.features = features
        self.seed = seed
        self.cached: dict[tuple[str, ...], list[PrincipalComponents]] = {}

    def of(self, chosen: tuple[str, ...]) -> list[PrincipalComponents]:
        """The principal components of each of these modules."""
        if chosen not in self.cached:
            self.cached = {}  # frees the memory of the others first
            self.cached[chosen] = components_by_module(self.features, chosen, self.seed)
        return self.cached[chosen]


def select(features: Mapping[str, Floats], targets: Targets, components: ComponentsByModule | None = None) -> Selection:
    """Choose modules and strength for ``features``, address -> (N, C).

    ``components``: computes the principal components of ``features``, and keeps those of the chosen modules for the caller.
    """
    labels, folds = targets.labels, targets.folds
    if not held_out_folds(folds):
        unknown = float("nan"), float("nan")
        # A middle module's features are neither low-level edges nor specific to the classes of the network's training.
        middle = list(features)[len(features) // 2]
        return Selection(dict.fromkeys(features, unknown), (middle,), STRENGTHS[len(STRENGTHS) // 2])
    scores, chosen = choose_modules(features, labels, folds, targets.seed)
    coordinates = join((components or ComponentsByModule(features, targets.seed)).of(chosen))
    return Selection(scores, chosen, choose_strength(coordinates, labels, folds))


def choose_modules(
    features: Mapping[str, Floats], labels: Ints, folds: Ints, seed: int
) -> tuple[dict[str, tuple[float, float]], tuple[str, ...]]:
    """Score each module, and choose modules: the fields ``scores`` and ``chosen`` of a ``Selection``."""
    pcas = parallel_map(
        lambda address: principal_components(partial(blocks, features, address), SCORING_COMPONENTS, seed), features
    )
    components = dict(zip(features, pcas, strict=True))
    hit_rows = parallel_map(lambda pca: ridge_hits(pca.coordinates, labels, folds), pcas)
    hits = dict(zip(features, hit_rows, strict=True))
    scores = {address: balanced_mean(hit, labels[folds >= 0]) for address, hit in hits.items()}
    return scores, select_greedily(components, hits, labels, folds)


def components_by_module(features: Mapping[str, Floats], chosen: Sequence[str], seed: int) -> list[PrincipalComponents]:
    """The principal components that the head is fitted on."""
    return parallel_map(
        lambda address: principal_components(partial(blocks, features, address), COMPONENTS, seed), chosen
    )


def select_greedily(
    components: Mapping[str, PrincipalComponents], hits: Mapping[str, NDArray[np.bool_]], labels: Ints, folds: Ints
) -> tuple[str, ...]:
    """Greedy forward selection, while the next module's gain exceeds the standard error of the difference."""
    tested = labels[folds >= 0]
    ranked = sorted(components, key=lambda address: -balanced_mean(hits[address], tested)[0])
    chosen, best = [ranked[0]], hits[ranked[0]]
    while len(chosen) < min(MOST, len(ranked)):
        candidates = [address for address in ranked if address not in chosen][:CANDIDATES]
        joined = [join([components[name] for name in [*chosen, candidate]]) for candidate in candidates]
        hit_rows = parallel_map(lambda coordinates: ridge_hits(coordinates, labels, folds), joined)
        candidate_hits = dict(zip(candidates, hit_rows, strict=True))
        means = [balanced_mean(row, tested)[0] for row in hit_rows]
        winner = candidates[int(np.argmax(means))]
        gain, error = balanced_mean(candidate_hits[winner].astype(np.int64) - best, tested)
        if gain <= error:
            break
        chosen, best = [*chosen, winner], candidate_hits[winner]
    return tuple(chosen)


def join(pcas: Sequence[PrincipalComponents]) -> Floats:
    """(N, k): the coordinates of several modules, concatenated."""
    return np.concatenate([pca.coordinates for pca in pcas], axis=1)


def balanced_mean(values: NDArray[np.bool_] | Ints, labels: Ints) -> tuple[float, float]:
    """The mean of the classes' means, and its standard error; smoothing keeps the error of a small class above zero."""
    counts = np.bincount(labels)
    counts = counts[counts > 0]
    _, label = np.unique(labels, return_inverse=True)
    means = np.bincount(label, values) / counts
    squares = np.bincount(label, values.astype(np.float64) ** 2) / counts
    variance = (np.maximum(squares - means**2, 0) * counts + 0.25) / (counts + 1)
    return float(means.mean()), float(np.sqrt((variance / counts).sum()) / len(counts))


def ridge_hits(coordinates: Floats, labels: Ints, folds: Ints) -> NDArray[np.bool_]:
    """(tested,): whether ridge regression with the best of ``RIDGES`` classifies each held-out photo correctly."""
    right = np.zeros((len(RIDGES), len(labels)), bool)
    for fold in held_out_folds(folds):
        out = folds == fold
        right[:, out] = ridge_predictions(coordinates[~out], labels[~out], coordinates[out]) == labels[out]
    tested = folds >= 0
    means = [balanced_mean(row[tested], labels[tested])[0] for row in right]
    best: NDArray[np.bool_] = right[int(np.argmax(means)), tested]
    return best


def ridge_predictions(training: Floats, labels: Ints, tested: Floats) -> Ints:
    """(ridges, M): the classes predicted by weighted ridge regression on one-hot targets, for each of ``RIDGES``."""
    weights = balance(labels).astype(np.float32)[:, None] / len(labels)
    targets = np.eye(labels.max() + 1, dtype=np.float32)[labels]
    middle, share = (weights * training).sum(0), (weights * targets).sum(0)
    centred = training - middle
    values, vectors = np.linalg.eigh(centred.T @ (weights * centred))
    projected = vectors.T @ (centred.T @ (weights * (targets - share)))
    rotated = (tested - middle) @ vectors
    return np.stack(
        [(rotated @ (projected / (np.maximum(values, 0)[:, None] + ridge)) + share).argmax(1) for ridge in RIDGES]
    )


def choose_strength(coordinates: Floats, labels: Ints, folds: Ints) -> float:
    """The strength with the smallest log loss of calibrated out-of-fold probabilities; of equal losses, the smaller strength."""
    tested = folds >= 0
    weights = balance(labels[tested])
    losses = []
    for logits in cross_validated_logits(coordinates, labels, folds, STRENGTHS):
        temperature = best_temperature(logits[tested], labels[tested])
        losses.append(log_loss(logits[tested] / temperature, labels[tested], weights))
    return STRENGTHS[int(np.argmin(losses))]
