"""How often the stated 95 % interval holds the true accuracy: folders are drawn, trained on, and tested again on many photos.

    python bench/intervals.py [--draws 200] [--seed 0] [--photos 12 40 120 400]

Made-up features of two modules (normal classes), so that the truth can be measured: the accuracy of the very classifier on
4,000 photos that nobody has seen.  For each number of photos: cross-validation of the whole procedure, and a test set of a tenth. In half
of the folders every photo has up to four near-duplicates; there the interval is given twice, with all photos
counted (naive) and with the effective number (as the report states it).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from godeeper.training.head import fit, nested_logits
from godeeper.training.measure import accuracy, effective_count, wilson
from tables import own_heading, table

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

CLASSES, HIDDEN, WIDTH, MODULES = 3, 6, 24, ("clear", "noisy")
UNSEEN = 4000
APART = 1.2  # distance of the classes' means, in standard deviations of a hidden direction
COPIES = 4  # near-duplicates of a photo at most, itself included
TENTH = 10
NAMES = ("a", "b", "c")


@dataclass(frozen=True)
class World:
    """What photos are drawn from."""

    centres: NDArray[np.float64]
    turns: tuple[NDArray[np.float64], ...]

    def photos(self, chance: np.random.Generator, count: int, most: int) -> tuple[dict[str, Floats], Ints, Ints]:
        """Features, labels and groups of ``count`` photos, each in a group of 1 to ``most``."""
        sizes = chance.integers(1, most + 1, count)
        groups = np.repeat(np.arange(count), sizes)[:count]
        labels = (np.arange(count) % CLASSES)[groups]
        own = self.centres[np.arange(count) % CLASSES] + chance.standard_normal((count, HIDDEN))
        hidden = own[groups] + 0.05 * chance.standard_normal((count, HIDDEN))
        noises = [(0.5 + place) * chance.standard_normal((count, WIDTH)) for place in range(len(MODULES))]
        rows = [np.maximum(hidden @ turn + noise[groups], 0) for turn, noise in zip(self.turns, noises, strict=True)]
        return dict(zip(MODULES, [each.astype(np.float32) for each in rows], strict=True)), labels, groups


def world(chance: np.random.Generator) -> World:
    """Classes and modules of one folder's kind."""
    turns = tuple(chance.standard_normal((HIDDEN, WIDTH)) / 2 for _ in MODULES)
    return World(APART * chance.standard_normal((CLASSES, HIDDEN)), turns)


def part(features: dict[str, Floats], rows: NDArray[np.bool_]) -> dict[str, Floats]:
    """Some photos."""
    return {name: values[rows] for name, values in features.items()}


def draw(seed: tuple[int, ...], count: int, most: int) -> dict[str, tuple[bool, bool, float]]:
    """Way of testing -> whether the truth is within the interval of all photos, of the effective number; its width."""
    chance = np.random.default_rng(list(seed))
    made = world(chance)
    features, labels, groups = made.photos(chance, count, most)
    unseen, truth, _ = made.photos(chance, UNSEEN, 1)
    logits = nested_logits(features, labels, groups, NAMES, 0)[0]
    seen = ~np.isnan(logits).any(1)
    head, _ = fit(features, labels, groups, NAMES, 0)
    found = {"cross-validation": judged(logits[seen].argmax(1), labels[seen], groups[seen], right(head, unseen, truth))}
    test = chance.permutation(count)[groups] < max(1, count // TENTH)
    if test.any() and set(labels[~test]) == set(range(CLASSES)):
        head, _ = fit(part(features, ~test), labels[~test], groups[~test], NAMES, 0)
        predicted = head.logits(part(features, test)).argmax(1)
        found["a tenth held out"] = judged(predicted, labels[test], groups[test], right(head, unseen, truth))
    return found


def right(head: object, features: dict[str, Floats], truth: Ints) -> float:
    """The true accuracy."""
    return float((head.logits(features).argmax(1) == truth).mean())  # type: ignore[attr-defined]


def judged(predicted: Ints, labels: Ints, groups: Ints, truth: float) -> tuple[bool, bool, float]:
    """Whether the two intervals hold the truth, and how wide the second is."""
    hits, n = int((predicted == labels).sum()), len(labels)
    stated = accuracy(labels, predicted, effective_count(groups) / n)
    naive = wilson(hits, n)
    return naive[0] <= truth <= naive[1], stated.low <= truth <= stated.high, stated.high - stated.low


def main() -> None:
    options = parse()
    print("\n".join(own_heading("Intervals that hold the truth")), flush=True)
    rows = []
    for most in (1, COPIES):
        for count in options.photos:
            draws = [draw((options.seed, count, most, number), count, most) for number in range(options.draws)]
            for way in ("cross-validation", "a tenth held out"):
                found = np.array([one[way] for one in draws if way in one], float)
                if len(found):
                    naive, stated, width = found.mean(0)
                    kind = "no near-duplicates" if most == 1 else f"groups of up to {most}"
                    cells = [f"{naive:.1%}", f"{stated:.1%}", f"{100 * width:.0f} points", str(len(found))]
                    rows.append([str(count), kind, way, *cells])
                    print(rows[-1], flush=True)
    heads = ["photos", "folder", "tested by", "all photos counted", "as stated", "width", "folders"]
    print("", *table(heads, rows), sep="\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=200, metavar="N", help="folders of each kind (default: 200)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--photos", type=int, nargs="+", default=[12, 40, 120, 400], metavar="N")
    return parser.parse_args()


if __name__ == "__main__":
    main()
