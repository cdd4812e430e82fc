"""Compare scores that detect photos of unknown classes, and measure the effect of leaving a class out of more training steps.

    python -m bench.studies.unknown FOLDER … [--most 6] [--seed 0]

Each class in turn is left out of scaling, reduction, fit, temperature and threshold, which makes its photos unknown.  The known
photos are the photos of the other classes, held out by cross-validation.  The model of each fold scores its held-out known photos and all
unknown photos, so the same models score both.  For each score, the first table shows the AUROC and the false-accept rate: the share of
unknown photos above the threshold that accepts 95 % of the known photos.  Scores only reject photos, so the predicted class and the
accuracy do not depend on the score.

The second table shows the false-accept rate if a class is left out of

- the fit alone, as godeeper once measured it,
- every step except the choice of modules,
- the same steps, together with other classes, as godeeper does now with eight or more classes,
- every step, including the choice of modules.

Its last column is the number of trainings.  ``unknown_cost.py`` measures the cost.  ``datasets.py`` generates folders.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench.common.places import RETRAIN_CACHE
from bench.common.tables import own_heading, table
from bench.training import retrain_py
from numpy.typing import NDArray

from godeeper.features.table import TableRows
from godeeper.parallel import parallel_map
from godeeper.training.confidence import ConfidenceFit, fit_confidence
from godeeper.training.folds import held_out_folds
from godeeper.training.head import fit, fit_chosen, points_of
from godeeper.training.logistic import fit_logistic
from godeeper.training.metrics import softmax
from godeeper.training.ood import TrainingPoints, fit_ellipsoid, strangeness
from godeeper.training.selection import ComponentsByModule, Selection, select
from godeeper.training.targets import Targets
from godeeper.training.unknown_classes import auroc
from godeeper.training.unknown_classes import left_out as classes_left_out

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

KEPT = 0.95
NEIGHBOURS = 5
PRINCIPAL = 64  # directions of ViM's principal space
SHRINKAGE = 0.1  # shrinkage of covariances towards their mean variance
SCORES = (
    "greatest probability",
    "the same, with the ellipsoid's temperature (godeeper)",
    "Mahalanobis, L2-normalised",
    "relative Mahalanobis",
    "ViM",
    "nearest neighbours",
    "nearest neighbours × Mahalanobis",
)


def inverse(centred: Doubles) -> Doubles:
    """Return (k, k): the inverse of the shrunken covariance of (N, k)."""
    covariance = centred.T @ centred / len(centred)
    mean = np.trace(covariance) / len(covariance)
    found: Doubles = np.linalg.inv((1 - SHRINKAGE) * covariance + SHRINKAGE * mean * np.eye(len(covariance)))
    return found


def squared(rows: Doubles, metric: Doubles) -> Doubles:
    """Return (N,) squared lengths of the rows under a metric."""
    found: Doubles = np.einsum("nk,kl,nl->n", rows, metric, rows, optimize=True)
    return found


def class_distances(seen: Doubles, labels: Ints, asked: Doubles) -> Doubles:
    """Return (M,) squared Mahalanobis distances from the nearest class mean, with one covariance for all (Lee et al., 2018)."""
    means = np.stack([seen[labels == label].mean(0) for label in range(labels.max() + 1)])
    metric = inverse(seen - means[labels])
    found: Doubles = np.min([squared(asked - mean, metric) for mean in means], axis=0)
    return found


def unit(rows: Doubles) -> Doubles:
    """Return the rows, scaled to unit length."""
    found: Doubles = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return found


def neighbour_distances(seen: Doubles, asked: Doubles) -> Doubles:
    """Return (M,) distances from the k-th nearest of normalised rows (Sun et al., 2022)."""
    apart = np.sqrt(np.maximum(2 - 2 * unit(asked) @ unit(seen).T, 0))
    place = min(NEIGHBOURS, len(seen)) - 1
    found: Doubles = np.partition(apart, place, axis=1)[:, place]
    return found


def feature_scores(
    seen: Doubles, lengths: Floats, labels: Ints, asked: Doubles, long: Floats, head: tuple[Doubles, Doubles]
) -> Doubles:
    """Return (5, M) scores from features, greater for known photos; ``lengths`` and ``long`` are squared lengths over all directions."""
    plain = class_distances(unit(seen), labels, unit(asked))
    centred = seen - seen.mean(0)
    relative = class_distances(seen, labels, asked) - squared(asked - seen.mean(0), inverse(centred))
    near = neighbour_distances(seen, asked)
    coefficients, intercepts = head
    logits, own = asked @ coefficients.T + intercepts, seen @ coefficients.T + intercepts
    rest = np.sqrt(np.maximum(long - np.square(asked[:, :PRINCIPAL]).sum(1), 0))
    own_rest = np.sqrt(np.maximum(lengths - np.square(seen[:, :PRINCIPAL]).sum(1), 0))
    scale = own.max(1).mean() / max(own_rest.mean(), 1e-12)  # Wang et al., 2022
    energy = logits.max(1) + np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1))
    return np.stack(
        [-plain, -relative, energy - scale * rest, -near, -np.log(near + 1e-12) - np.log(plain + 1e-12) / 2]
    )


@dataclass(frozen=True)
class Crowd:
    """Photos in the principal components of a head: their coordinates, and their squared lengths over all directions."""

    points: TrainingPoints
    labels: Ints

    def part(self, rows: NDArray[np.bool_]) -> Crowd:
        """Return some of the photos."""
        return Crowd(self.points.part(rows), self.labels[rows])


def left_out(
    photos: retrain_py.Photos, selection: Selection, stranger: int, seed: int
) -> list[tuple[Doubles, Doubles]]:
    """Score each fold's known photos (scores, K) and the left-out class (scores, U) with the model of the other folds."""
    out = photos.labels == stranger
    seen, unseen = np.flatnonzero(~out), np.flatnonzero(out)
    labels = np.unique(photos.labels[seen], return_inverse=True)[1].astype(np.int64)
    bases = ComponentsByModule(TableRows(photos.features, seen), seed).of(selection.chosen)
    known = Crowd(points_of(bases), labels)
    standard = [
        (photos.features[name][unseen] - basis.mean) / basis.scale
        for name, basis in zip(selection.chosen, bases, strict=True)
    ]
    coordinates = np.concatenate([rows @ basis.components.T for rows, basis in zip(standard, bases, strict=True)], 1)
    lengths = np.sum([np.square(rows).sum(1) for rows in standard], axis=0)
    strange = Crowd(TrainingPoints(coordinates, lengths, known.points.width), np.full(len(unseen), -1))
    targets = Targets(labels, photos.groups[seen], seed)
    folds = targets.folds
    confidence = fit_confidence(known.points, targets, selection.strength)
    assert confidence is not None

    def judge(fold: int) -> tuple[Doubles, Doubles]:
        kept, held = known.part(folds != fold), known.part(folds == fold)
        return score(kept, held, selection.strength, confidence), score(kept, strange, selection.strength, confidence)

    return parallel_map(judge, held_out_folds(folds))


def score(seen: Crowd, asked: Crowd, strength: float, confidence: ConfidenceFit) -> Doubles:
    """Return (scores, M) of the photos ``asked``, from a model of the photos ``seen``."""
    rows, others = seen.points.coordinates.astype(np.float64), asked.points.coordinates.astype(np.float64)
    coefficients, intercepts = fit_logistic(seen.points.coordinates, seen.labels, strength, int(seen.labels.max()) + 1)
    logits = (others @ coefficients.T + intercepts) / confidence.temperature
    far = strangeness(fit_ellipsoid(seen.points).distances(asked.points) / confidence.radius)[:, None]
    features = feature_scores(
        rows, seen.points.lengths, seen.labels, others, asked.points.lengths, (coefficients, intercepts)
    )
    return np.concatenate([[softmax(logits).max(1), softmax(logits / far).max(1)], features])


def separated(found: list[tuple[Doubles, Doubles]], number: int) -> tuple[float, float]:
    """Return a score's mean AUROC over folds, and its false-accept rate if ``KEPT`` of the known photos are accepted."""
    area = np.mean([auroc(known[number], unknown[number]) for known, unknown in found])
    known, unknown = (np.concatenate([fold[side][number] for fold in found]) for side in (0, 1))
    return float(area), float((unknown >= np.sort(known)[int((1 - KEPT) * len(known))]).mean())


def fit_alone(photos: retrain_py.Photos, selection: Selection, strangers: Sequence[int], seed: int) -> float:
    """Return the rate as godeeper once measured it: scaling, reduction, temperature, radius and threshold used the class."""
    labels = photos.labels.astype(np.int64)
    points = points_of(ComponentsByModule(photos.features, seed).of(selection.chosen))
    confidence = fit_confidence(points, Targets(labels, photos.groups, seed), selection.strength)
    assert confidence is not None
    rates = []
    for stranger in strangers:
        out = labels == stranger
        kept, others = points.part(~out), points.part(out)
        coefficients, intercepts = fit_logistic(kept.coordinates, labels[~out], selection.strength, len(photos.classes))
        far = strangeness(fit_ellipsoid(kept).distances(others) / confidence.radius)[:, None]
        likely = softmax((others.coordinates @ coefficients.T + intercepts) / (confidence.temperature * far))
        rates.append((likely.max(1) >= confidence.threshold).mean())
    return float(np.mean(rates))


def retrained(
    photos: retrain_py.Photos, selection: Selection | None, strangers: Sequence[int], seed: int
) -> list[float]:
    """Return the rates of classes that are left out together; without ``selection``, also from the choice of modules."""
    out = np.isin(photos.labels, strangers)
    labels = np.unique(photos.labels[~out], return_inverse=True)[1].astype(np.int64)
    features, targets = TableRows(photos.features, np.flatnonzero(~out)), Targets(labels, photos.groups[~out], seed)
    bases = ComponentsByModule(features, seed)
    chosen = selection or select(features, targets, bases)
    names = photos.classes[: len(photos.classes) - len(strangers)]
    head, confidence = fit_chosen(targets, names, chosen, bases)
    assert confidence is not None
    unseen = [TableRows(photos.features, np.flatnonzero(photos.labels == one)) for one in strangers]
    return [float((head.probabilities(some).max(1) >= confidence.threshold).mean()) for some in unseen]


def main() -> None:
    options = parse()
    os.environ.setdefault("GODEEPER_CACHE", str(RETRAIN_CACHE))
    print("\n".join(own_heading("Photos of unknown classes")), flush=True)
    lines, steps = [], []
    for folder in options.folders:
        scores, step = compare(folder, options.most, options.seed)
        lines += scores
        steps.append(step)
    print(
        "",
        *table(["folder", "score", "AUROC", "false-accept rate with 95 % of known photos accepted"], lines),
        sep="\n",
    )
    heads = [
        "folder",
        "left out of the fit alone",
        "left out of every step but the choice of modules",
        "the same, with other classes (now)",
        "left out of every step",
        "trainings",
    ]
    print("", *table(heads, steps), sep="\n")


def compare(folder: Path, most: int, seed: int) -> tuple[list[list[str]], list[str]]:
    """Return a folder's rows: one for each score, and one for each set of steps that a class is left out of."""
    photos = retrain_py.read(folder)
    labels = photos.labels.astype(np.int64)
    _, selection = fit(photos.features, Targets(labels, photos.groups, seed), photos.classes)
    trainings = classes_left_out(len(photos.classes), most)
    strangers = sorted(one for some in trainings for one in some)
    found = [left_out(photos, selection, one, seed) for one in strangers]
    lines = []
    for number, name in enumerate(SCORES):
        area, rate = np.mean([separated(one, number) for one in found], axis=0)
        lines.append([folder.name, name, f"{area:.3f}", f"{rate:.1%}"])
    before = fit_alone(photos, selection, strangers, seed)
    alone = [retrained(photos, selection, [one], seed) for one in strangers]
    together = [rate for some in trainings for rate in retrained(photos, selection, some, seed)]
    without = [retrained(photos, None, [one], seed) for one in strangers]
    shares = [f"{share:.1%}" for share in (before, np.mean(alone), np.mean(together), np.mean(without))]
    return lines, [folder.name, *shares, f"{len(trainings)} for {len(strangers)} classes"]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--most", type=int, default=6, metavar="N", help="maximum number of classes left out (default: 6)"
    )
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
