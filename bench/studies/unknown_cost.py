"""Measure the cost of measuring unknown classes, as a share of a training whose features are already stored.

    python -m bench.studies.unknown_cost [FOLDER …] [--photos 3000 1000 300] [--classes 5 20] [--rounds 3] [--seed 0]

Without a folder, features are artificial: modules of the network's widths, classes in separate directions, and a spread that
decreases over the directions as in real features.  Seconds are CPU seconds of all threads, because other programs affect them little.  The
minimum over the rounds is printed.  With enough photos (about a thousand) a test set is used, as in ``godeeper retrain``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bench.common.places import RETRAIN_CACHE
from bench.common.tables import own_heading, table
from numpy.typing import NDArray

from godeeper.features.store import ResultStore
from godeeper.photos.doctor.checkup import Checkup, Diagnosis, examine
from godeeper.photos.sources.folder import Entry
from godeeper.training import train as training
from godeeper.training.dataset import Dataset
from godeeper.training.label_errors import held_out_probabilities, suspected_mislabels
from godeeper.training.learning_curve import count_right
from godeeper.training.split import TEST_SET, hold_out
from godeeper.training.unknown_classes import MOST, measure_unknown

Floats = NDArray[np.float32]

WIDTHS = (256, 288, 288, 768, 768, 768, 768, 768, 1280, 2048, 2048)
HIDDEN, SPREAD = 40, 1.2  # number of directions in which classes differ, and exponent of the decreasing spread


@dataclass(frozen=True)
class Photos:
    """A folder with its features, in the form that a training uses."""

    name: str
    checkup: Checkup
    features: dict[str, Floats]


def made_up(count: int, classes: int, seed: int) -> Photos:
    """Return artificial features of ``count`` photos."""
    chance = np.random.default_rng([seed, count, classes])
    labels = np.arange(count) % classes
    hidden = chance.standard_normal((count, HIDDEN)) + 0.8 * chance.standard_normal((classes, HIDDEN))[labels]
    features = {}
    for place, width in enumerate(WIDTHS):
        falling = np.arange(1, width + 1) ** -SPREAD
        rows = (chance.standard_normal((count, width)) * falling) @ chance.standard_normal((width, width)) / 2
        rows += hidden @ chance.standard_normal((HIDDEN, width)) / 10 * min(1.0, 0.4 + place / 10)
        features[f"module {place}"] = np.maximum(rows, 0).astype(np.float16).astype(np.float32)
    verdicts = tuple(
        Diagnosis(Entry(f"/{label}", f"{number}.jpg", f"{label:02}"), "used", (), f"{number:064x}", number, (9, 9))
        for number, label in enumerate(labels.tolist())
    )
    verdicts = tuple(sorted(verdicts, key=lambda one: one.entry.label))
    order = np.array([one.fingerprint for one in verdicts])
    groups = {one.pixels_sha256 or "": number for number, one in enumerate(verdicts)}
    kept = {name: values[order] for name, values in features.items()}
    return Photos(f"{count} artificial photos, {classes} classes", Checkup(Path("made up"), verdicts, groups, ()), kept)


def read(folder: Path) -> Photos:
    """Return the photos of a folder, and their features."""
    from bench.training import retrain_py

    return Photos(folder.name, examine(folder), dict(retrain_py.read(folder).features))


def measured(photos: Photos, seed: int) -> tuple[str, float, float]:
    """Return the way of testing, the seconds of a training without the measurement, and the seconds of the measurement."""
    held_out = hold_out(photos.checkup)
    with tempfile.TemporaryDirectory() as name, ResultStore(Path(name, "store.sqlite")) as store:
        data = Dataset(photos.checkup, photos.features, None, seed, store)
        how = training.with_test_set if held_out.by == TEST_SET else training.with_cross_validation
        seconds, trained = timed(lambda: how(data, held_out))
        unknown, _ = timed(lambda: measure_unknown(data, trained.trained, trained.selection, MOST[held_out.by]))
        rest, _ = timed(lambda: account(data, trained))
    return held_out.by, seconds + rest, unknown


def account(data: Dataset, trained: Any) -> None:
    """Compute what the report needs from features: the learning curve and the suspected label errors."""
    selection, rows, all_rows = trained.selection, trained.trained, np.arange(len(data.labels))
    count_right(data.coordinates(rows, selection), data.targets.of(rows), selection.strength)
    likely = held_out_probabilities(data.coordinates(all_rows, selection), data.targets, selection.strength)
    suspected_mislabels(likely, data.labels)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds, and the result of ``work``."""
    started = time.process_time()
    found = work()
    return time.process_time() - started, found


def main() -> None:
    options = parse()
    os.environ.setdefault("GODEEPER_CACHE", str(RETRAIN_CACHE))
    print("\n".join(own_heading("The cost of measuring unknown classes")), "\n", flush=True)
    sizes = [] if options.folders else [(count, classes) for count in options.photos for classes in options.classes]
    makers: list[Callable[[], Photos]] = [partial(read, folder) for folder in options.folders]
    makers += [partial(made_up, *size, options.seed) for size in sizes]
    rows = []
    for make in makers:
        photos = make()
        found = [measured(photos, options.seed) for _ in range(options.rounds)]
        rest, unknown = min(one[1] for one in found), min(one[2] for one in found)
        cells = [photos.name, found[0][0], f"{rest:.2f} s", f"{unknown:.2f} s", f"{unknown / (rest + unknown):.1%}"]
        rows.append(cells)
        print(*cells, sep=" | ", flush=True)
    print(
        "",
        *table(["photos", "tested by", "everything else", "unknown classes", "share of unknown classes"], rows),
        sep="\n",
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--photos", type=int, nargs="+", default=[3000, 1000, 300], metavar="N")
    parser.add_argument("--classes", type=int, nargs="+", default=[5, 20], metavar="N")
    parser.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="number of rounds; the minimum is reported (default: 3)"
    )
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
