"""Measure how often a generated picture activates its filter more than the best of many photos, and the cost.

    python -m bench.studies.wanted FILE.index [--photos FOLDER] [--each 8] [--steps 64 128]

Takes filters of three modules, evenly spread over each tensor.  For each method and number of steps, it prints the share of pictures that
activate the filter more than the best photo of the index, the ratio of the two values (geometric mean), the share of trusted pictures,
and the CPU seconds per picture.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from bench.common import tables

import godeeper
from godeeper.blueprint.address import resolve_one
from godeeper.filters.visualisation.photos import photos_from
from godeeper.filters.visualisation.visualise import Settings, visualise

TENSORS = ("mixed/tower_1/conv_2", "mixed_4/tower_1/conv_4", "mixed_7/tower/conv_2")
HEADINGS = [
    "tensor",
    "method",
    "steps",
    "above the best photo",
    "value / value of the best photo",
    "trusted",
    "median similarity",
    "CPU s per picture",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index")
    parser.add_argument("--photos")
    parser.add_argument("--each", type=int, default=8, help="number of filters per tensor (default: 8)")
    parser.add_argument("--steps", type=int, nargs="*", default=[64])
    parser.add_argument("--methods", nargs="*", default=["fourier", "phase"])
    options = parser.parse_args()
    network = godeeper.load()
    photos = photos_from(network, options.index, options.photos)
    rows = []
    for address in TENSORS:
        count = resolve_one(network.blueprint, address).site.shape[0]
        numbers = sorted({int(each) for each in np.linspace(0, count - 1, options.each)})
        tensor = resolve_one(network.blueprint, f"{address}[{','.join(map(str, numbers))}]")
        for method in options.methods:
            for steps in options.steps:
                started = time.process_time()
                made = visualise(network, tensor, Settings(method=method, steps=steps), photos)
                seconds = (time.process_time() - started) / len(made)
                alive = [each for each in made if each.best_photo is not None]
                ratios = np.array([each.value / each.best_photo.value for each in alive if each.best_photo])
                similar = [each.path_similarity for each in alive if each.path_similarity is not None]
                rows.append(
                    [
                        address, method, str(steps), f"{(ratios > 1).sum()} of {len(alive)}",
                        f"{np.exp(np.log(np.maximum(ratios, 1e-3)).mean()):.2f}",
                        f"{sum(each.trusted for each in alive)} of {len(alive)}",
                        f"{np.median(similar):.2f}" if similar else "", f"{seconds:.1f}",
                    ]
                )  # fmt: skip
                print(rows[-1], flush=True)
    print("\n".join(tables.table(HEADINGS, rows)))


if __name__ == "__main__":
    main()
