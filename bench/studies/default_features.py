"""Find the tensor whose means are the best default features for arbitrary photos.

    python -m bench.studies.default_features [--each 20] [--weights bundled]

Prints, for each module, the cross-validated balanced accuracy of a linear classifier on the module's means, for crops with
two levels of noise and, if Debian's openclipart-png is installed, for drawings (see ``bench/common/datasets.py``).  The
best module for the bundled weights is the default of ``godeeper embed`` and ``PhotoFeatures``; for other weights the
default is the last module.
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
    """Write the data sets below ``root`` and return description -> folder."""
    made = {}
    for noise in (0.6, 0.75):
        made[f"crops, {noise:.0%} hidden"] = root / f"crops{noise}"
        crops(root / f"crops{noise}", each, noise)
    if have_drawings():
        made["drawings"] = root / "drawings"
        drawings(root / "drawings", each)
    return made


def scores(folder: Path, weights: str) -> dict[str, float]:
    """Return module -> cross-validated balanced accuracy on the training photos."""
    report = godeeper.retrain(folder, weights=weights).report_record or {}
    return {module["address"]: module["accuracy"] for module in report["modules"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=20, help="photos per class (default: 20)")
    parser.add_argument("--weights", default="bundled")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        found = {name: scores(folder, options.weights) for name, folder in folders(Path(root), options.each).items()}
    modules = list(next(iter(found.values())))
    means = {module: float(np.mean([each[module] for each in found.values()])) for module in modules}
    print(*own_heading(f"Default features, {options.each} photos per class, weights {options.weights}"), "", sep="\n")
    rows = [[module, *(f"{each[module]:.1%}" for each in found.values()), f"{means[module]:.1%}"] for module in modules]
    print(*table(["module", *found, "mean"], rows), sep="\n")
    print(
        f"best: {max(means, key=lambda module: means[module])}; the default is {recommended(load(weights=options.weights))}"
    )


if __name__ == "__main__":
    main()
