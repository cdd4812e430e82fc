"""Compare two rules that decide whether int8 is used: by the number of correct photos, and by their probability.

    python -m bench.studies.settling FOLDER … [--draws 100] [--sizes 96 128]

Computes the features of whole folders in both precisions, and then compares them as ``godeeper retrain --precision
int8`` does, on many samples of each folder. Besides int8, it compares features that are degraded on purpose: int8
features plus noise whose deviation is a fraction of each feature's standard deviation. The loss on the whole folder is
the best estimate of the true loss. A good rule makes the same decision on every sample. The cosine similarity is
printed, but neither rule uses it; it would reject some of the degraded features. Suitable folders are
``crops`` with much noise and ``drawings``, both from ``datasets.py``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench.common import tables
from numpy.typing import NDArray

from godeeper import load
from godeeper.features.extract import extract
from godeeper.features.store import ResultStore
from godeeper.photos.doctor.checkup import Checkup, examine
from godeeper.training.head import held_out_logits, select
from godeeper.training.int8_check import MOST_LOST, Comparison, compare_held_out
from godeeper.training.targets import Targets

Features = dict[str, NDArray[np.float32]]
Ints = NDArray[np.int64]

HARMS = (0.1, 0.2, 0.4, 0.8)  # noise, relative to each feature's standard deviation
HEADINGS = [
    "features", "photos", "minimum cosine similarity", "loss by counting, mean (spread)", "loss of probability, mean (spread)",
    "refused by counting", "refused by probability",
]  # fmt: skip


@dataclass(frozen=True)
class Folder:
    """A folder's N photos: their features in fp32, other features by name, classes, and groups."""

    exact: Features
    others: dict[str, Features]
    labels: Ints
    groups: Ints

    def compare(self, rows: Ints, seed: int) -> dict[str, Comparison]:
        """Compare the other features with the fp32 features, on the photos ``rows``."""
        exact = part(self.exact, rows)
        labels = np.unique(self.labels[rows], return_inverse=True)[1].astype(np.int64)
        targets = Targets(labels, self.groups[rows], seed)
        selection = select(exact, targets)
        sure = held_out_logits(exact, targets, selection)
        found = {}
        for name, features in self.others.items():
            rounded = part(features, rows)
            less = held_out_logits(rounded, targets, selection)
            tested = ~np.isnan(sure + less).any(axis=1)
            found[name] = compare_held_out(exact, rounded, sure[tested], less[tested], labels[tested])
        return found

    def sample(self, count: int, seed: int) -> Ints:
        """Return ``count`` photos, the same number of each class."""
        shuffled = np.random.default_rng(seed).permutation(len(self.labels))
        turn = np.zeros(len(shuffled), np.int64)
        for label in range(self.labels.max() + 1):
            of = self.labels[shuffled] == label
            turn[of] = np.arange(of.sum())
        chosen: Ints = np.sort(shuffled[np.argsort(turn, kind="stable")[:count]])
        return chosen


def part(features: Features, rows: Ints) -> Features:
    return {address: values[rows] for address, values in features.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="FOLDER", help="folders that contain one folder per class"
    )
    parser.add_argument(
        "--draws", type=int, default=100, metavar="N", help="number of samples of each size (default: 100)"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 128], help="photos per sample (default: 96 128)")
    options = parser.parse_args()
    for path in options.folders:
        folder = read(path)
        classes = int(folder.labels.max()) + 1
        print(
            f"\n{path.name}: {len(folder.labels)} photos of {classes} classes, {options.draws} samples of each size\n"
        )
        print(*tables.table(HEADINGS, list(rows(folder, options.sizes, options.draws))), sep="\n", flush=True)


def read(path: Path) -> Folder:
    """Return a folder's features, computed or from the store."""
    with ResultStore() as store:
        checkup = examine(path, memory=store)
        exact, rounded = (features(checkup, precision, store) for precision in ("fp32", "int8"))
    harmed = {f"int8 under {share:.0%} noise": under_noise(rounded, share) for share in HARMS}
    numbers = {label: number for number, label in enumerate(checkup.classes)}
    labels = np.array([numbers[verdict.entry.label] for verdict in checkup.usable], np.int64)
    groups = np.array([photo.group for photo in checkup.usable], np.int64)
    return Folder(exact, {"int8": rounded, **harmed}, labels, groups)


def features(checkup: Checkup, precision: str, store: ResultStore) -> Features:
    """Return the features of all modules."""
    network = load(engine="onnxruntime", precision=precision)
    photos = [(photo.entry.path, photo.pixels_sha256) for photo in checkup.usable]
    found = extract(network, photos, [tensor.address for tensor in network.tensors("mixed*/join")], store)
    network.close()
    return found


def under_noise(clean: Features, share: float, seed: int = 0) -> Features:
    """Return features with noise added."""
    chance = np.random.default_rng(seed)
    return {
        address: values + share * values.std(0) * chance.standard_normal(values.shape, np.float32)
        for address, values in clean.items()
    }


def rows(folder: Folder, sizes: Sequence[int], draws: int) -> list[list[str]]:
    """Return, for each kind of features, a row for the whole folder and one for each size."""
    whole = folder.compare(np.arange(len(folder.labels)), 0)
    drawn = {size: [folder.compare(folder.sample(size, draw), draw) for draw in range(draws)] for size in sizes}
    found = []
    for name, truth in whole.items():
        found.append(row(name, f"all {truth.photos}", [truth]))
        found += [row(name, str(size), [each[name] for each in some]) for size, some in drawn.items()]
    return found


def row(name: str, photos: str, some: Sequence[Comparison]) -> list[str]:
    """Return mean, spread and share of refusals over the samples; a single sample has no spread."""
    counted = np.array([(each.lost - each.won) / each.judged for each in some])
    likely = np.array([each.loss for each in some])
    means = [
        f"{values.mean():+.2%}" + (f" ({values.std(ddof=1):.2%})" if len(some) > 1 else "")
        for values in (counted, likely)
    ]
    refused = [f"{(values > MOST_LOST).mean():.0%}" for values in (counted, likely)]
    worst = np.mean([each.worst[1] for each in some])
    return [name, photos, f"{worst:.4f}", *means, *refused]


if __name__ == "__main__":
    main()
