"""Measure how often the stated 95 % interval contains the true accuracy of a classifier.

    python -m bench.studies.intervals [FOLDER] [--draws 200] [--seed 0] [--photos 20 40 100 400 1000] [--copies 1 4] [--jobs 2]

Each draw is a small folder of photos.  A classifier is trained on it and tested in two ways: by cross-validation of the whole
procedure, and with a tenth of the photos held out.  Modules are chosen in each draw, but the regularisation strength is fixed, for
speed.  The true accuracy is measured on many photos that are used in neither training nor testing.

Without FOLDER, features are artificial: 2 to 10 normally distributed classes, seen through three modules with increasing noise.  The
distance between classes is random, so some folders are easy and some are hard.  The true accuracy is measured on 10,000 other
photos.  With ``--copies 4``, each photo belongs to a group of up to four near-duplicates.

FOLDER contains one folder per class (see ``datasets.py``).  Each draw takes 8 to 10 of the classes, and at most half of the photos;
larger sizes are skipped.  A draw takes fewer classes if FOLDER has fewer, or if a class would get fewer than four photos.  Features are
the leading principal components of three modules, so that a draw takes only a second.  The true accuracy is measured on the
remaining photos of these classes, without near-duplicates of the drawn photos.  This is only an estimate: the column ``truth ±`` is its
mean standard error in percentage points, and this error can only lower the measured coverage.

The coverage is the share of folders whose interval contains the true accuracy.  The table shows the coverage of three intervals: one that counts all
photos, one that uses the effective number of photos (Kish), and the interval that godeeper states, which also accounts for the
dependence between folds.  The last columns are the 95 % confidence interval for the coverage of the stated interval, the
mean width of the stated interval in percentage points, and the number of folders.
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

# Set before NumPy is imported.  Folders are processed in parallel, each on one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from bench.common.places import RETRAIN_CACHE
from bench.common.tables import own_heading, table
from numpy.typing import NDArray

from godeeper.training import logistic, selection
from godeeper.training.folds import assign_folds, held_out_folds
from godeeper.training.logistic import fit_logistic
from godeeper.training.metrics import DEPENDENCE, effective_count, wilson
from godeeper.training.selection import ComponentsByModule, join, select
from godeeper.training.targets import Targets

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Features = dict[str, Floats]

HIDDEN, WIDTH, NOISE = 6, 24, (0.6, 1.0, 1.5)
UNSEEN = 10_000
NEAR, FAR = 0.4, 1.6  # distances of the class means, in standard deviations of a hidden direction
FEWEST_CLASSES, MOST_CLASSES = 8, 10  # per draw from a folder of photos; an artificial folder has 2 or more
PER_CLASS = 4  # minimum average number of photos per class
MODULES = ("mixed_3/join", "mixed_7/join", "mixed_9/join")
REDUCED = 64  # directions per module, for a folder's photos
TENTH = 10
STRENGTH = 10.0
COUNTED = ("all photos counted", "near-duplicates counted once", "as stated")
WAYS = ("cross-validation", "a tenth held out")


@dataclass(frozen=True)
class Folder:
    """The photos to train on, and the other photos, which measure the true accuracy."""

    features: Features
    labels: Ints
    groups: Ints
    unseen: Features
    truth: Ints


@dataclass(frozen=True)
class Test:
    """The result of a test: the numbers of correct and of all photos, the effective number, and the true accuracy."""

    hits: int
    n: int
    effective: float
    truth: float
    unseen: int

    def holds(self, n: float) -> bool:
        """Whether the interval for ``n`` independent photos contains the true accuracy."""
        low, high = wilson(self.hits * n / self.n, n)
        return low <= self.truth <= high


Take = Callable[[np.random.Generator, int, int], Folder]
"""A function (random generator, number of photos, maximum number of near-duplicates of each) -> a folder."""


def made_up(chance: np.random.Generator, count: int, copies: int) -> Folder:
    """Return artificial features of ``count`` photos to train on, and of many other photos."""
    classes = int(chance.integers(2, min(MOST_CLASSES, count // PER_CLASS) + 1))
    centres = chance.uniform(NEAR, FAR) * chance.standard_normal((classes, HIDDEN))
    turns = [chance.standard_normal((HIDDEN, WIDTH)) / 2 for _ in NOISE]

    def seen(groups: Ints) -> tuple[Features, Ints]:
        labels = groups % classes
        number = groups.max() + 1
        hidden = (centres[np.arange(number) % classes] + chance.standard_normal((number, HIDDEN)))[groups]
        hidden += 0.05 * chance.standard_normal(hidden.shape)
        found = {}
        for place, (turn, noise) in enumerate(zip(turns, NOISE, strict=True)):
            rows = hidden @ turn + noise * chance.standard_normal((number, WIDTH))[groups]
            found[f"module {place}"] = np.maximum(rows, 0).astype(np.float32)
        return found, labels

    groups = np.repeat(np.arange(count), chance.integers(1, copies + 1, count))[:count]
    features, labels = seen(groups)
    return Folder(features, labels, groups, *seen(np.arange(UNSEEN)))


@dataclass(frozen=True)
class Pool:
    """All photos of a folder."""

    features: Features
    labels: Ints
    groups: Ints

    def draw(self, chance: np.random.Generator, count: int, _: int) -> Folder:
        """Return ``count`` photos of some classes, and the other photos of these classes without their near-duplicates."""
        classes = int(self.labels.max()) + 1
        most = min(MOST_CLASSES, count // PER_CLASS, classes)
        wanted = chance.permutation(classes)[: int(chance.integers(min(FEWEST_CLASSES, most), most + 1))]
        rows = chance.permutation(np.flatnonzero(np.isin(self.labels, wanted)))
        drawn, rest = rows[:count], rows[count:]
        known = np.unique(self.labels[drawn])  # a small class may have no photo among them
        rest = rest[np.isin(self.labels[rest], known) & ~np.isin(self.groups[rest], self.groups[drawn])]
        labels = np.searchsorted(known, self.labels)
        return Folder(
            part(self.features, drawn), labels[drawn], self.groups[drawn], part(self.features, rest), labels[rest]
        )


def read(folder: Path) -> Pool:
    """Return the leading principal components of the features of a folder's photos."""
    from bench.training import retrain_py

    photos = retrain_py.read(folder)
    features = {}
    for name in MODULES:
        centred = photos.features[name] - photos.features[name].mean(0)
        directions = np.linalg.eigh(centred.T @ centred)[1][:, -REDUCED:]
        features[name] = (centred @ directions).astype(np.float32)
    return Pool(features, photos.labels.astype(np.int64), photos.groups.astype(np.int64))


def part(features: Features, rows: NDArray[np.bool_] | Ints) -> Features:
    """Return the features of some of the photos."""
    return {name: values[rows] for name, values in features.items()}


def learn(features: Features, labels: Ints, groups: Ints, classes: int) -> Callable[[Features], Ints]:
    """Train on these photos and return the prediction function.  The temperature is not fitted; it does not change predictions."""
    bases = ComponentsByModule(features, 0)
    chosen = select(features, Targets(labels, groups), bases)
    kept = bases.of(chosen.chosen)
    coefficients, intercepts = fit_logistic(join(kept), labels, chosen.strength, classes)

    def predict(asked: Features) -> Ints:
        rows = [
            ((asked[name] - basis.mean) / basis.scale) @ basis.components.T
            for name, basis in zip(chosen.chosen, kept, strict=True)
        ]
        found: Ints = (np.concatenate(rows, 1) @ coefficients.T + intercepts).argmax(1)
        return found

    return predict


def tested(take: Take, seed: tuple[int, ...]) -> dict[str, Test]:
    """Return way of testing -> its result on a drawn folder; a way is left out if a class would have no training photo."""
    _, count, copies, _ = seed
    chance = np.random.default_rng(list(seed))
    one = take(chance, count, copies)
    labels, groups = one.labels, one.groups
    classes = int(labels.max()) + 1
    if len(np.unique(labels)) < classes or classes < 2:
        return {}
    predicted = cross_validated(one, classes)
    seen = predicted >= 0
    found = {}
    if seen.any():
        right = learn(one.features, labels, groups, classes)(one.unseen) == one.truth
        found[WAYS[0]] = judged(predicted[seen], labels[seen], groups[seen], right)
    test = np.isin(groups, chance.permutation(np.unique(groups))[: max(1, len(np.unique(groups)) // TENTH)])
    if len(np.unique(labels[~test])) == classes:
        predict = learn(part(one.features, ~test), labels[~test], groups[~test], classes)
        found[WAYS[1]] = judged(
            predict(part(one.features, test)), labels[test], groups[test], predict(one.unseen) == one.truth
        )
    return found


def cross_validated(one: Folder, classes: int) -> Ints:
    """Return the out-of-fold predictions (N,); -1 for a photo without one."""
    folds = assign_folds(one.labels, one.groups, 0)
    predicted = np.full(len(folds), -1)
    for fold in held_out_folds(folds):
        out = folds == fold
        predict = learn(part(one.features, ~out), one.labels[~out], one.groups[~out], classes)
        predicted[out] = predict(part(one.features, out))
    return predicted


def judged(predicted: Ints, labels: Ints, groups: Ints, right: NDArray[np.bool_]) -> Test:
    """Return the result of a test, with the true accuracy from ``right``."""
    return Test(int((predicted == labels).sum()), len(labels), effective_count(groups), float(right.mean()), len(right))


def work_alone() -> None:
    """Set up each process: one thread, and a fixed strength, because choosing the strength takes most of the time."""
    warnings.simplefilter("ignore")
    vars(selection)["choose_strength"] = lambda *_: STRENGTH
    for module in (logistic, selection):
        vars(module)["each"] = lambda work, items: [work(item) for item in items]


def main() -> None:
    options = parse()
    print("\n".join(own_heading("How often intervals contain the true accuracy")), flush=True)
    os.environ.setdefault("GODEEPER_CACHE", str(RETRAIN_CACHE))
    take: Take = made_up
    if options.folder:
        found_there = read(options.folder)
        take, options.copies = found_there.draw, [1]
        options.photos = [count for count in options.photos if count <= len(found_there.labels) // 2]
        print(
            f"\n{options.folder.name}: {len(found_there.labels)} photos in {found_there.labels.max() + 1} classes.\n",
            flush=True,
        )
    rows = []
    with ProcessPoolExecutor(options.jobs, initializer=work_alone) as pool:
        for copies in options.copies:
            for count in options.photos:
                seeds = [(options.seed, count, copies, number) for number in range(options.draws)]
                found = list(pool.map(partial(tested, take), seeds, chunksize=4))
                for way in WAYS:
                    rows.append([str(count), str(copies), way, *cells([one[way] for one in found if way in one], way)])
                    print(rows[-1], flush=True)
    heads = [
        "photos",
        "copies",
        "tested by",
        "accuracy",
        "truth ±",
        "estimate − truth",
        *COUNTED,
        "95 % interval",
        "width",
        "folders",
    ]
    print("", *table(heads, rows), sep="\n")


def cells(tests: Sequence[Test], way: str) -> list[str]:
    """Return a row of the table for these tests."""
    truth = np.mean([one.truth for one in tests])
    error = 100 * np.mean([np.sqrt(one.truth * (1 - one.truth) / one.unseen) for one in tests])
    bias = np.mean([one.hits / one.n - one.truth for one in tests])
    dependence = DEPENDENCE if way == WAYS[0] else 1.0
    ways = [(one.n, one.effective, one.effective / dependence) for one in tests]
    held = np.array([[one.holds(n) for n in counts] for one, counts in zip(tests, ways, strict=True)])
    low, high = wilson(int(held[:, -1].sum()), len(tests))
    stated = [wilson(one.hits * counts[-1] / one.n, counts[-1]) for one, counts in zip(tests, ways, strict=True)]
    width = 100 * float(np.mean([upper - lower for lower, upper in stated]))
    shares = [f"{share:.1%}" for share in held.mean(0)]
    return [
        f"{truth:.0%}",
        f"{error:.1f}",
        f"{100 * bias:+.1f}",
        *shares,
        f"{low:.0%} to {high:.0%}",
        f"{width:.0f}",
        str(len(tests)),
    ]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--draws", type=int, default=200, metavar="N", help="number of folders of each kind (default: 200)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--photos", type=int, nargs="+", default=[20, 40, 100, 400, 1000], metavar="N")
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 4], metavar="N")
    parser.add_argument(
        "--jobs", type=int, default=2, metavar="N", help="number of folders processed in parallel (default: 2)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
