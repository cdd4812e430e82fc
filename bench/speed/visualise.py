"""Compare ``visualise`` with Lucent, which follows Olah et al. (2017) on PyTorch: time, and the value that the pictures reach.

    python -m bench.speed.visualise [--steps 96 512] [--each 2]

Takes evenly spread filters of two tensors.  Both programs use the same weights and make pictures of 299 x 299 pixels, one after
another.  godeeper runs with its default settings.  Lucent runs with its default settings for each number
of ``--steps``; its default is 512.  The value is the greatest activation after the ReLU that ``godeeper peek`` finds in the picture's
file.  It is divided by the value of the best sample picture.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bench.common import environment, tables

import godeeper
from godeeper.blueprint.address import resolve_one
from godeeper.filters.visualisation.photos import photos_from
from godeeper.filters.visualisation.visualise import STEPS, Settings, visualise

TENSORS = {"mixed/tower_1/conv_2": "Mixed_5b.branch3x3dbl_3", "mixed_4/tower_1/conv_4": "Mixed_6b.branch7x7dbl_5"}
"""godeeper's address -> name of the convolution in the PyTorch network."""

INSIDE = Path(__file__).with_name("visualise_inside.py")
HEADINGS = ["tensor", "program", "steps", "s per picture", "value / best sample picture", "greater than godeeper's"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--steps", type=int, nargs="+", default=[STEPS, 512], help="numbers of steps for Lucent (default: 96 512)"
    )
    parser.add_argument("--each", type=int, default=2, help="number of filters per tensor (default: 2)")
    options = parser.parse_args()
    network = godeeper.load()
    photos = photos_from(network, None)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for address, module in TENSORS.items():
            count = resolve_one(network.blueprint, address).site.shape[0]
            numbers = sorted({int(each) for each in np.linspace(0, count - 1, options.each)})
            tensor = resolve_one(network.blueprint, f"{address}[{','.join(map(str, numbers))}]")
            visualise(network, tensor, Settings(steps=2), photos)  # build the graphs, which is not timed
            started = time.perf_counter()
            made = [
                visualise(network, resolve_one(network.blueprint, f"{address}[{number}]"), Settings(), photos)[0]
                for number in numbers
            ]
            seconds = (time.perf_counter() - started) / len(made)
            best = [each.best_photo.value if each.best_photo else np.nan for each in made]
            ours = np.array([each.value for each in made])
            found = {("godeeper", STEPS): (seconds, ours)}
            for steps in options.steps:
                taken = lucent(module, numbers, steps, folder)
                values = np.array([peeked(network, folder / f"{number}.png", address, number) for number in numbers])
                found["Lucent", steps] = taken, values
            for (program, steps), (each, reached) in found.items():
                ratio = float(np.exp(np.nanmean(np.log(np.maximum(reached, 1e-3) / best))))
                greater = f"{int((reached > ours).sum())} of {len(ours)}" if program != "godeeper" else ""
                rows.append([address, program, str(steps), f"{each:.1f}", f"{ratio:.2f}", greater])
                print(rows[-1], flush=True)
    print("\n".join(tables.table(HEADINGS, rows)))


def lucent(module: str, numbers: list[int], steps: int, folder: Path) -> float:
    """Make pictures with Lucent in the peers' environment, and return the seconds per picture, without imports."""
    source = Path(godeeper.__file__).parents[1]
    places = [environment.python(), INSIDE, source, folder]
    command = [*map(str, places), module, str(steps), *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"Lucent failed:\n{done.stderr[-2000:]}")
    seconds: float = json.loads(done.stdout.splitlines()[-1])["seconds"]
    return seconds / len(numbers)


def peeked(network: godeeper.Network, path: Path, address: str, number: int) -> float:
    """The greatest activation of a filter in a picture's file."""
    return float(network.peek(path, f"{address}[{number}]").activations.max())


if __name__ == "__main__":
    main()
