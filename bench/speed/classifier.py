"""Time and accuracy of training a classifier from a folder of photos with a cold cache: godeeper, Keras and fastai.

    python -m bench.speed.classifier [--rounds 2] [--each 240] [--photos FOLDER] [--without fastai]

All three train on the same photos and are then tested on the same held-out photos.  By default, the photos are crops of
scikit-image's pictures, blurred and with added noise.  ``--photos`` selects a folder with one folder per class instead, such as
``/usr/share/openclipart/png`` from Debian's ``openclipart-png``.

godeeper uses int8 by default, provided that int8 passes godeeper's own comparison with fp32 on these photos.  Unlike the others, it
also checks the photos, chooses modules by cross-validation, calibrates probabilities and writes a report.  Each godeeper run starts
with an empty cache.  Exit code 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.common import arguments, environment, processes, tables
from bench.common.places import HERE, KERAS_WEIGHTS, RESULTS, TORCHVISION_WEIGHTS
from bench.common.targets import Target

FOLDER = RESULTS / "classifier"
OURS = "godeeper retrain, classify"
RIVALS = {"keras": KERAS_WEIGHTS, "fastai": TORCHVISION_WEIGHTS}
SLOW = ("fastai",)  # a run takes minutes, so there is only one
TIMES_FASTER = {"keras": 2.5, "fastai": 20.0}


@dataclass(frozen=True)
class Run:
    """One run from the folder to a classifier and its predictions for the test photos."""

    seconds: float
    mebibytes: float
    accuracy: float
    photos: int


def main() -> int:
    options = arguments.parse(__doc__, 2, more_options)
    peers = environment.python()
    RESULTS.mkdir(parents=True, exist_ok=True)
    processes.measure([sys.executable, HERE / "common" / "prepare.py", peers])
    _, said = processes.run([peers, HERE / "speed" / "pictures.py", FOLDER, str(options.each), *options.photos])
    runs: dict[str, list[Run]] = {name: [] for name in (OURS, *RIVALS) if name not in options.without}
    for number in range(options.rounds):
        for name in [name for name in runs if name not in SLOW or number < 1]:
            processes.say(f"round {number + 1} of {options.rounds}: {name}")
            runs[name].append(ours(options.precision) if name == OURS else rival(peers, name))
    processes.say("")
    print(tables.heading(peers, options.rounds))
    print("", said.strip(), "", *rows(runs), sep="\n")
    targets = all_targets(runs)
    print("", *tables.target_table(targets), sep="\n")
    return 0 if all(target.is_met for target in targets) else 1


def more_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--each", type=int, default=240, metavar="N", help="maximum number of photos per class (default: 240)"
    )
    parser.add_argument(
        "--photos", nargs=1, default=[], metavar="FOLDER", help="photos to use, in one folder per class"
    )
    parser.add_argument(
        "--without", action="append", default=[], choices=RIVALS, help="leave out this program; may be repeated"
    )
    parser.add_argument("--precision", default="int8", help="godeeper's precision: fp32, int8 or auto (default: int8)")


def ours(precision: str) -> Run:
    """Run ``godeeper retrain`` and ``godeeper classify`` with an empty cache."""
    cache, classifier = RESULTS / "classifier-cache", RESULTS / "classifier.godeeper"
    shutil.rmtree(cache, ignore_errors=True)
    classifier.unlink(missing_ok=True)
    godeeper = [sys.executable, "-m", "godeeper"]
    chosen = [] if precision == "fp32" else ["--precision", precision]
    trained, _ = processes.run([*godeeper, "retrain", FOLDER / "train", "--out", classifier, *chosen], cache)
    asked, text = processes.run([*godeeper, "classify", classifier, FOLDER / "test", "--json"], cache)
    photos = json.loads(text)["photos"]
    right = [
        Path(each["photo"]).parent.name == max(each["probabilities"], key=each["probabilities"].get) for each in photos
    ]
    most = max(trained.mebibytes, asked.mebibytes)
    return Run(trained.wall + asked.wall, most, statistics.mean(right), len(right))


def rival(peers: Path, name: str) -> Run:
    """Run one of the peers' scripts."""
    cost, text = processes.run([peers, HERE / "peers" / f"{name}_classifier.py", FOLDER, RIVALS[name]])
    answer = json.loads(text.splitlines()[-1])
    return Run(cost.wall, cost.mebibytes, answer["accuracy"], answer["photos"])


def seconds(runs: list[Run]) -> float:
    return statistics.median(run.seconds for run in runs)


def accuracy(runs: list[Run]) -> float:
    return statistics.median(run.accuracy for run in runs)


def rows(runs: dict[str, list[Run]]) -> list[str]:
    """Return the table of times, memory and accuracy."""
    names = ["folder to classifier", "× our time", "wall s", "peak MiB", "accuracy", "95 % interval"]
    best = seconds(runs[OURS])
    return tables.table(names, [row(name, taken, best) for name, taken in runs.items()])


def row(name: str, runs: list[Run], best: float) -> list[str]:
    count = runs[0].photos
    low, high = wilson(round(accuracy(runs) * count), count)
    return [
        name,
        f"{seconds(runs) / best:.1f}",
        tables.seconds([run.seconds for run in runs]) if len(runs) > 1 else f"{runs[0].seconds:.1f} (once)",
        f"{statistics.median(run.mebibytes for run in runs):.0f}",
        f"{accuracy(runs):.1%} of {count}",
        f"{low:.1%} to {high:.1%}",
    ]


def wilson(right: int, count: int) -> tuple[float, float]:
    """Return the Wilson interval, as godeeper's reports do."""
    from godeeper.training.metrics import wilson  # imports NumPy, so it is imported only after all measurements

    return wilson(right, count)


def all_targets(runs: dict[str, list[Run]]) -> list[Target]:
    """Return the targets: faster than each peer, and no less accurate."""
    ours = runs[OURS]
    faster = [
        Target(
            f"speed-up over {name}, from a folder to a classifier",
            seconds(runs[name]) / seconds(ours),
            limit,
            at_least=True,
        )
        for name, limit in TIMES_FASTER.items()
        if name in runs
    ]
    better = [
        Target(f"accuracy, relative to {name}", accuracy(ours) / accuracy(runs[name]), 1.0, at_least=True)
        for name in RIVALS
        if name in runs
    ]
    return faster + better


if __name__ == "__main__":
    sys.exit(main())
