"""Which tensor's means are the best default features for photos that are not known beforehand.

    python -m bench.studies.default_features [--each 20] [--weights bundled]

For every module, the balanced accuracy of a linear classifier on its means, by cross-validation, on folders of three kinds
(see ``datasets.py``; drawings only where Debian's openclipart-png is installed).  The module with the best mean over the
folders is what ``godeeper embed`` and ``PhotoFeatures`` take by default.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from bench.common.datasets import crops, drawings, have_drawings
from bench.common.tables import own_heading, table

import godeeper
from godeeper.features.recommended import recommended
from godeeper.network import load


def folders(root: Path, each: int) -> dict[str, Path]:
    """Return folders of class folders, by their content."""
    made = {}
    for noise in (0.6, 0.75):
        made[f"crops, {noise:.0%} hidden"] = root / f"crops{noise}"
        crops(root / f"crops{noise}", each, noise)
    if have_drawings():
        made["drawings"] = root / "drawings"
        drawings(root / "drawings", each)
    return made


def scores(folder: Path, weights: str) -> dict[str, float]:
    """Return module -> balanced accuracy by cross-validation among the training photos."""
    report = godeeper.retrain(folder, weights=weights).report_record or {}
    return {module["address"]: module["accuracy"] for module in report["modules"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=20, help="photos a class (default: 20)")
    parser.add_argument("--weights", default="bundled")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        found = {name: scores(folder, options.weights) for name, folder in folders(Path(root), options.each).items()}
    modules = list(next(iter(found.values())))
    means = {module: float(np.mean([each[module] for each in found.values()])) for module in modules}
    print(*own_heading(f"Default features, {options.each} photos a class, weights {options.weights}"), "", sep="\n")
    rows = [[module, *(f"{each[module]:.1%}" for each in found.values()), f"{means[module]:.1%}"] for module in modules]
    print(*table(["module", *found, "mean"], rows), sep="\n")
    print(
        f"best: {max(means, key=lambda module: means[module])}; the default is {recommended(load(weights=options.weights))}"
    )


if __name__ == "__main__":
    main()
