"""Compare the heads of godeeper and of TensorFlow's retrain.py, which the blog used, on the same photos and folds.

    python -m bench.training.retrain_py [FOLDER ...] [--folds 5] [--seed 0] [--quick] [--json FILE]

Without a folder, the folders of ``planted.py`` are generated: crops of pictures that are increasingly hard to separate, a
folder with planted faults, and drawings if they are installed.

The original algorithm of retrain.py is one linear layer on ``pool_3``, trained with 4000 steps of plain gradient
descent at a learning rate of 0.01. For each of the 100 photos of a batch, a class is drawn uniformly, with replacement.
Weights start from a normal distribution with standard deviation 0.001, truncated at two standard deviations; biases
start at zero. The algorithm runs a second time on the modules that godeeper chose, to separate the effect of the
features from the effect of the fit. Folds never split near-duplicates. Exit code 1 if godeeper is less accurate than
retrain.py on ``pool_3`` on any folder.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from bench.common.places import RESULTS, RETRAIN_CACHE
from bench.common.tables import own_heading, table, target_table
from bench.common.targets import Target
from bench.training.folders import made_folders, plant
from numpy.typing import NDArray

import godeeper
from godeeper.features.extract import extract
from godeeper.features.store import ResultStore
from godeeper.photos.doctor.checkup import examine
from godeeper.training.head import fit
from godeeper.training.metrics import wilson
from godeeper.training.targets import Targets

STEPS, RATE, BATCH, DEVIATION = 4000, 0.01, 100, 0.001
POOL_3 = "mixed_10/join"  # its spatial mean is pool_3

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Features = Mapping[str, Floats]


@dataclass(frozen=True)
class Photos:
    """The usable photos of a folder: features, classes, and groups of near-duplicates."""

    folder: str
    features: Features
    labels: Ints
    groups: Ints
    classes: tuple[str, ...]
    seconds: float

    def part(self, mask: NDArray[np.bool_]) -> Photos:
        """Return the photos where ``mask`` is true."""
        features = {address: values[mask] for address, values in self.features.items()}
        return replace(self, features=features, labels=self.labels[mask], groups=self.groups[mask])


Way = Callable[[Photos, Features, int, list[str]], Ints]
"""A function (training photos, features of the test photos, seed, addresses) -> predictions for the test photos."""


@dataclass(frozen=True)
class Row:
    """The result of one way of training on one folder, over all folds."""

    folder: str
    way: str
    photos: int
    classes: int
    right: int
    interval: tuple[float, float]
    seconds: float

    @property
    def accuracy(self) -> float:
        return self.right / self.photos


def read(folder: Path) -> Photos:
    """Examine a folder and compute its features, or read them from the store."""
    started = time.perf_counter()
    checkup = examine(folder)
    network = godeeper.load("inception_v3")
    addresses = [tensor.address for tensor in network.tensors("mixed*/join")]
    photos = [(photo.entry.path, photo.pixels_sha256) for photo in checkup.usable]
    with ResultStore() as store:
        features = extract(network, photos, addresses, store)
    network.close()
    classes = checkup.classes
    labels = np.array([classes.index(photo.entry.label) for photo in checkup.usable])
    groups = np.array([photo.group for photo in checkup.usable])
    return Photos(str(folder), features, labels, groups, classes, time.perf_counter() - started)


def told_apart(photos: Photos, folds: int) -> Photos:
    """Return the photos of the classes that have at least as many different photos as folds."""
    kept = [number for number in range(len(photos.classes)) if different(photos, number) >= folds]
    part = photos.part(np.isin(photos.labels, kept))
    labels = np.searchsorted(kept, part.labels)
    return replace(part, labels=labels, classes=tuple(photos.classes[number] for number in kept))


def different(photos: Photos, number: int) -> int:
    """Return how many different photos a class has, with near-duplicates counted once."""
    return len(np.unique(photos.groups[photos.labels == number]))


def assign_folds(groups: Ints, labels: Ints, folds: int, seed: int) -> Ints:
    """Return the fold of each photo, (N,).  Groups are assigned class by class, in random order."""
    random = np.random.default_rng(seed)
    names, first = np.unique(groups, return_index=True)
    order = random.permutation(len(names))
    order = order[np.argsort(labels[first][order], kind="stable")]
    dealt = np.empty(len(names), np.int64)
    dealt[order] = np.arange(len(names)) % folds
    return dealt[np.searchsorted(names, groups)]


def descend(features: Floats, labels: Ints, classes: int, seed: int) -> tuple[Floats, Floats]:
    """Train as retrain.py does, and return (features, classes) weights and (classes,) biases."""
    random = np.random.default_rng(seed)
    weights = truncated_normal(random, (features.shape[1], classes))
    biases = np.zeros(classes, np.float32)
    by_class = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=classes)
    first = np.cumsum(counts) - counts
    present = np.flatnonzero(counts)
    for _ in range(STEPS):
        drawn = random.choice(present, BATCH)
        photos = features[by_class[first[drawn] + random.integers(counts[drawn])]]  # (100, features)
        slope = softmax(photos @ weights + biases)
        slope[np.arange(BATCH), drawn] -= 1
        weights -= (RATE / BATCH) * (photos.T @ slope)
        biases -= RATE * slope.mean(axis=0)
    return weights, biases


def truncated_normal(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Return normal numbers, with those beyond two deviations drawn again."""
    values = random.normal(size=shape)
    while (beyond := np.abs(values) > 2).any():
        values[beyond] = random.normal(size=int(beyond.sum()))
    return (values * DEVIATION).astype(np.float32)


def softmax(logits: Floats) -> Floats:
    """Return the softmax of each row."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    answer: Floats = powers / powers.sum(axis=1, keepdims=True)
    return answer


def godeeper_way(seen: Photos, unseen: Features, seed: int, chosen: list[str]) -> Ints:
    """Return godeeper's predictions; the modules that it used are added to ``chosen``."""
    head, _ = fit(seen.features, Targets(seen.labels, seen.groups, seed), seen.classes)
    chosen[:] = head.addresses
    answer: Ints = head.logits(unseen).argmax(axis=1)
    return answer


def old_way(seen: Photos, unseen: Features, seed: int, addresses: list[str]) -> Ints:
    """Return retrain.py's predictions from ``addresses``."""
    weights, biases = descend(joined(seen.features, addresses), seen.labels, len(seen.classes), seed)
    answer: Ints = (joined(unseen, addresses) @ weights + biases).argmax(axis=1)
    return answer


def joined(features: Features, addresses: list[str]) -> Floats:
    """Return (N, features) of several modules, concatenated."""
    return np.concatenate([features[address] for address in addresses], axis=1)


def compare(photos: Photos, folds: int, seed: int) -> list[Row]:
    """Return the results of every way of training on the same folds; the seconds are summed over folds, without the features."""
    chosen: list[str] = []
    # godeeper runs first, because the last way uses the modules that godeeper chooses.
    ways: dict[str, tuple[Way, list[str]]] = {
        "godeeper": (godeeper_way, chosen),
        "retrain.py on pool_3": (old_way, [POOL_3]),
        "retrain.py on godeeper's modules": (old_way, chosen),
    }
    fold_of = assign_folds(photos.groups, photos.labels, folds, seed)
    right = dict.fromkeys(ways, 0)
    seconds = dict.fromkeys(ways, 0.0)
    for fold in range(folds):
        seen, unseen = photos.part(fold_of != fold), photos.part(fold_of == fold)
        for name, (way, addresses) in ways.items():
            started = time.perf_counter()
            predicted = way(seen, unseen.features, seed, addresses)
            seconds[name] += time.perf_counter() - started
            right[name] += int((predicted == unseen.labels).sum())
    count = len(photos.labels)
    return [
        Row(photos.folder, name, count, len(photos.classes), right[name], wilson(right[name], count), seconds[name])
        for name in ways
    ]


def print_rows(name: str, photos: Photos, rows: list[Row]) -> None:
    """Print a table in Markdown."""
    lines = [
        [row.way, f"{row.accuracy:.1%}", f"{row.interval[0]:.1%} to {row.interval[1]:.1%}", f"{row.seconds:.1f}"]
        for row in rows
    ]
    what = f"{name}: {len(photos.labels)} photos, {len(photos.classes)} classes"
    print("", *table([what, "accuracy", "95 % interval", "training time of all folds, s"], lines), sep="\n", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "folders", metavar="FOLDER", nargs="*", type=Path, help="folder that contains one folder per class"
    )
    parser.add_argument("--quick", action="store_true", help="use fewer photos in the generated folders")
    parser.add_argument("--folds", type=int, default=5, metavar="N", help="folds of the cross-validation (default: 5)")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="random seed of folds, batches and fits (default: 0)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to FILE")
    options = parser.parse_args()
    os.environ.setdefault("GODEEPER_CACHE", str(RETRAIN_CACHE))
    print("\n".join(own_heading("Accuracy of godeeper and of retrain.py")))
    every: list[list[Row]] = []
    for name, folder in folders_of(options.folders, each=40 if options.quick else 80, seed=options.seed).items():
        photos = told_apart(read(folder), options.folds)
        every.append(compare(replace(photos, folder=name), options.folds, options.seed))
        print_rows(name, photos, every[-1])
    targets = [
        Target(f"accuracy on {ours.folder}, relative to retrain.py", ours.accuracy / old.accuracy, 1.0, at_least=True)
        for ours, old, *_ in every
    ]
    print("", *target_table(targets), sep="\n")
    if options.json:
        rows = [asdict(row) | {"accuracy": row.accuracy} for folder_rows in every for row in folder_rows]
        options.json.write_text(json.dumps(rows, indent=1, ensure_ascii=False))
    return 0 if all(target.is_met for target in targets) else 1


def folders_of(given: Sequence[Path], each: int, seed: int) -> dict[str, Path]:
    """Return the given folders by name, or generated ones."""
    if given:
        return {str(folder): folder for folder in given}
    faulty = plant(RESULTS / "folders" / "planted", each, seed).root
    return {**made_folders(each), "planted faults": faulty}


if __name__ == "__main__":
    raise SystemExit(main())
