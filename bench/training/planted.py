"""Measure whether godeeper finds faults in a folder: plant faults, run the command, and compare.

    python -m bench.training.planted [--quick] [--seeds N]

1. *Everything at once*: crops of pictures, one class per picture.  One photo in twenty is in a wrong folder, and one in twenty has a copy
   (the same pixels in another format, or a scaled, recompressed, cropped or lighter version).  One class shows nothing but
   background, and all photos of another have the same red border.  godeeper trains on this folder as a user would, and then
   classifies photos of unknown classes.
2. *Label errors by accuracy*: labels are swapped in data sets that are increasingly hard to separate, with several seeds each.
3. *Near-duplicates* in photos and drawings, for each change of the copy.

Prints tables, then each target and whether it was met.  Exit code 1 if a target is missed.  The drawings need Debian's
``openclipart-png``, and most of the photos need scikit-image.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from bench.common.places import RESULTS, RETRAIN_CACHE
from bench.common.tables import own_heading, table, target_table
from bench.common.targets import Target
from bench.training import retrain_py
from bench.training.folders import COPIES, FAULTY, SAME_PIXELS, Planted, copy, made_folders, plant, strangers
from numpy.typing import NDArray

import godeeper
from godeeper.classifier.classifier import Classifier
from godeeper.photos.doctor.checkup import examine
from godeeper.training.label_errors import held_out_probabilities, suspected_mislabels
from godeeper.training.selection import components_by_module, join, select
from godeeper.training.split import assign
from godeeper.training.targets import Targets

Ints = NDArray[np.int64]

RECALL, PRECISION = 0.80, 0.70
STRADDLING = 0
CLEAR = 0.95  # minimum accuracy at which the targets for label errors apply


@dataclass(frozen=True)
class Found:
    """Numbers of planted faults, of reported faults, and of reported faults that were planted."""

    planted: int
    reported: int
    right: int

    @property
    def recall(self) -> float:
        return self.right / max(1, self.planted)

    @property
    def precision(self) -> float:
        return self.right / max(1, self.reported)

    @property
    def enough(self) -> bool:
        return self.recall >= RECALL and self.precision >= PRECISION


def together(found: Sequence[Found]) -> Found:
    """Return the sum of several runs."""
    return Found(*(sum(getattr(each, name) for each in found) for name in ("planted", "reported", "right")))


@dataclass(frozen=True)
class Training:
    """The results of one training on a planted folder."""

    accuracy: float
    mislabels: Found
    copies: dict[str, list[bool]]  # by change: whether copy and original are on the same side
    notes: tuple[str, ...]
    left_out: float | None  # share of the photos of left-out classes that are accepted
    passed: dict[str, float]  # share of unknown photos accepted, by kind


def train(planted: Planted, others: dict[str, list[Path]]) -> Training:
    """Run ``godeeper retrain`` on the folder, and ``godeeper classify`` on the unknown photos."""
    classifier = godeeper.retrain(planted.root)
    report = classifier.report
    assert report is not None
    suspects = {suspect.path for suspect in report.suspects}
    mislabels = Found(len(planted.misfiled), len(suspects), len(suspects & planted.misfiled))
    return Training(
        accuracy=report.accuracy.value or 0.0,
        mislabels=mislabels,
        copies=sides(planted.root, planted.copies),
        notes=report.notes,
        left_out=classifier.head.false_accept_rate,
        passed={kind: passing(classifier, photos) for kind, photos in others.items()},
    )


def sides(root: Path, copies: Iterable[tuple[str, str, str]]) -> dict[str, list[bool]]:
    """Return change -> whether the doctor puts each copy into its original's group, which no split separates."""
    checkup = examine(root)
    sets = assign(checkup)
    pixels = {str(verdict.entry.path): verdict.pixels_sha256 or "" for verdict in checkup.verdicts}
    found: dict[str, list[bool]] = {}
    for change, original, copied in copies:
        one, other = pixels[original], pixels[copied]
        together = checkup.groups[one] == checkup.groups[other]
        assert not together or sets.get(one) == sets.get(other)
        found.setdefault(change, []).append(together)
    return found


def passing(classifier: Classifier, photos: Sequence[Path]) -> float:
    """Return the share of photos that are accepted as one of the classes."""
    verdicts = [judgement.verdict for judgement in classifier.judge(photos) if judgement.error is None]
    return sum(verdict is not None for verdict in verdicts) / max(1, len(verdicts))


def swapped(labels: Ints, share: float, seed: int) -> tuple[Ints, set[int]]:
    """Return a copy of the labels with a random share set to another class, and the indices of the changed labels."""
    chance = np.random.default_rng(seed)
    rows = chance.choice(len(labels), round(share * len(labels)), replace=False)
    wrong = labels.copy()
    wrong[rows] = (labels[rows] + chance.integers(1, labels.max() + 1, len(rows))) % (labels.max() + 1)
    return wrong, set(rows.tolist())


def mislabels(folder: Path, seeds: int) -> tuple[float, list[Found]]:
    """Return the accuracy after training on swapped labels, measured with the true labels, and the findings for each seed."""
    photos = retrain_py.read(folder)
    right, found = [], []
    for seed in range(seeds):
        labels, rows = swapped(photos.labels, FAULTY, seed)
        targets = Targets(labels, photos.groups, seed)
        selection = select(photos.features, targets)
        coordinates = join(components_by_module(photos.features, selection.chosen, seed))
        likely = held_out_probabilities(coordinates, targets, selection.strength)
        seen = ~np.isnan(likely).any(1)
        right.append(float((likely[seen].argmax(1) == photos.labels[seen]).mean()))
        suspects = {suspect.row for suspect in suspected_mislabels(likely, labels)}
        found.append(Found(len(rows), len(suspects), len(suspects & rows)))
    return float(np.mean(right)), found


def duplicates(folder: Path, copied: Path, seed: int) -> dict[str, list[bool]]:
    """Return change -> whether each copy is grouped with its original."""
    shutil.rmtree(copied, ignore_errors=True)
    shutil.copytree(folder, copied)
    photos = sorted(path for path in copied.rglob("*") if path.is_file())
    drawn = random.Random(seed).sample(photos, min(len(photos) // 2, 12 * len(COPIES)))
    made = [copy(path, COPIES[number % len(COPIES)]) for number, path in enumerate(drawn)]
    return sides(copied, made)


def main() -> int:
    options = parse()
    os.environ.setdefault("GODEEPER_CACHE", str(RETRAIN_CACHE))
    print("\n".join(own_heading("Planted faults that godeeper finds")), flush=True)
    each, seeds = (40, 3) if options.quick else (80, options.seeds)
    trainings = []
    for seed in range(1 if options.quick else 3):
        planted = plant(RESULTS / "folders" / "planted", each, seed)
        trainings.append(train(planted, strangers(RESULTS / "folders" / "strangers", 2 * each, seed)))
    folders = made_folders(each)
    rows = {name: mislabels(folder, seeds) for name, folder in folders.items()}
    copies = {name: duplicates(folder, RESULTS / "folders" / "copied", 0) for name, folder in folders.items()}
    (RESULTS / "planted.json").write_text(
        json.dumps({"trainings": [asdict(one) for one in trainings]}, indent=1, default=str)
    )
    targets = all_targets(trainings, rows, copies)
    for lines in (
        training_table(trainings),
        note_lines(trainings),
        mislabel_table(rows),
        copy_table(copies),
        target_table(targets),
    ):
        print("", *lines, sep="\n")
    return 0 if all(target.is_met for target in targets) else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="use fewer photos and seeds")
    parser.add_argument(
        "--seeds", type=int, default=8, metavar="N", help="number of random seeds for the swapped labels (default: 8)"
    )
    return parser.parse_args()


Rows = dict[str, tuple[float, list[Found]]]
Copies = dict[str, dict[str, list[bool]]]


def all_targets(trainings: Sequence[Training], rows: Rows, copies: Copies) -> list[Target]:
    """Return the targets."""
    whole = together([one.mislabels for one in trainings])
    parted = [same for one in (*copies.values(), *(each.copies for each in trainings)) for same in one[SAME_PIXELS]]
    trained = [same for one in trainings for sides in one.copies.values() for same in sides]
    return [
        Target("recall of misfiled photos, everything at once", whole.recall, RECALL, at_least=True),
        Target("precision of misfiled photos, everything at once", whole.precision, PRECISION, at_least=True),
        *(
            Target(f"{what} of label errors, {name}", getattr(together(found), what), limit, at_least=True)
            for name, (accuracy, found) in rows.items()
            if accuracy >= CLEAR
            for what, limit in (("recall", RECALL), ("precision", PRECISION))
        ),
        Target("copies of the same pixels that may straddle the split", parted.count(False), STRADDLING),
        Target("changed copies of photos that may straddle the split", trained.count(False), STRADDLING),
    ]


def training_table(trainings: Sequence[Training]) -> list[str]:
    """Return the table of the planted folder."""
    kinds = list(trainings[0].passed)
    rows = [
        [
            str(number),
            f"{one.accuracy:.1%}",
            f"{one.mislabels.right} of {one.mislabels.planted}",
            f"{one.mislabels.precision:.0%}",
            f"{sum(map(sum, one.copies.values()))} of {sum(map(len, one.copies.values()))}",
            "" if one.left_out is None else f"{one.left_out:.0%}",
            *(f"{one.passed[kind]:.0%}" for kind in kinds),
        ]
        for number, one in enumerate(trainings)
    ]
    names = [
        "everything at once, seed",
        "accuracy",
        "misfiled photos found",
        "precision",
        "copies grouped with their photo",
    ]
    passes = ["a class left out (as reported)", *kinds]
    return table([*names, *(f"unknown photos accepted: {kind}" for kind in passes)], rows)


def note_lines(trainings: Sequence[Training]) -> list[str]:
    """Return the report's notes on the folder with the backgrounds."""
    return ["The first report's notes:", "", *(f"- {note}" for note in trainings[0].notes or ("none",))]


def mislabel_table(rows: Rows) -> list[str]:
    """Return the table of swapped labels, one row per folder."""
    lines = []
    for name, (accuracy, found) in rows.items():
        every = together(found)
        good = sum(one.enough for one in found)
        lines.append(
            [name, f"{accuracy:.1%}", f"{every.recall:.0%}", f"{every.precision:.0%}", f"{good} of {len(found)}"]
        )
    last = f"seeds with recall ≥ {RECALL:.0%} and precision ≥ {PRECISION:.0%}"
    return table([f"{FAULTY:.0%} of labels swapped", "accuracy", "recall", "precision", last], lines)


def copy_table(copies: Copies) -> list[str]:
    """Return the table of copies, one column per change."""
    rows = [
        [name, *(f"{sum(found[change])} of {len(found[change])}" for change in COPIES)]
        for name, found in copies.items()
    ]
    return table(["copies grouped with their photo", *COPIES], rows)


if __name__ == "__main__":
    sys.exit(main())
