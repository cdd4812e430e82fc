"""Check that pictures of manipulated filters get the stamp ``DOUBTFUL``, and pictures of unmodified filters do not.

In a copy of the bundled weights, a filter F of mixed_2 gets two additional inputs from a filter D of mixed_1 (the decoy).  The
first is D itself.  The second is a hundred times the amount by which D exceeds its maximum over all sample pictures.  It is zero on
every sample picture, so the best photos of F hardly change, but gradient ascent draws a picture of D.

The manipulation follows Geirhos et al., "Don't trust your eyes" (ICML 2024), arXiv:2306.04719.

    python -m bench.studies.fooled [--planted 5] [--honest 20] [--steps 64]
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import godeeper
from godeeper.blueprint.address import resolve_one
from godeeper.filters.index import read_index
from godeeper.filters.sample import INDEX, PICTURES
from godeeper.filters.visualisation.verdict import LEAST_SIMILARITY
from godeeper.weights.file import write

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from godeeper.filters.visualisation.visualise import Visualisation

GATE, HINT = 0, 1  # filters of mixed_2/tower/conv that are overwritten: D above its maximum, and D itself
DECEIVING = "mixed_2/tower/conv_1"
STRENGTH = 100.0
HONEST = (
    "mixed/conv",
    "mixed/tower/conv_1",
    "mixed_2/tower_1/conv_2",
    "mixed_4/tower_1/conv_4",
    "mixed_6/tower/conv_2",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--planted", type=int, default=5)
    parser.add_argument("--honest", type=int, default=20)
    parser.add_argument("--steps", type=int, default=64)
    options = parser.parse_args()
    honest = [made for number in range(options.honest) for made in honest_one(number, options.steps)]
    print(f"{'honest':8} {sum(not each.trusted for each in honest)} of {len(honest)} doubtful")
    planted = [planted_one(number, options.steps) for number in range(options.planted)]
    print(f"{'planted':8} {sum(not each.trusted for each in planted)} of {len(planted)} doubtful")
    missed = [each for each in planted if each.trusted]
    print(f"pictures with a similarity below {LEAST_SIMILARITY} are stamped")
    return 1 if missed or any(not each.trusted for each in honest) else 0


def honest_one(number: int, steps: int) -> list[Visualisation]:
    """Return a list with the visualisation of an unmodified filter of the bundled weights."""
    network = godeeper.load()
    address = f"{HONEST[number % len(HONEST)]}[{3 + 7 * (number // len(HONEST))}]"
    return [told(address, each) for each in network.visualise(address, steps=steps)]


def planted_one(number: int, steps: int) -> Visualisation:
    """Return the visualisation of a manipulated filter."""
    index = read_index(INDEX)
    network = godeeper.load()
    join = resolve_one(network.blueprint, "mixed_1/join")
    strongest = [each.top[0].value if each.top else np.inf for each in index.filters(join)]
    decoy = int(np.argsort(strongest)[number])
    filter_number = 5 + 9 * number
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deceiving.safetensors"
        plant(network, path, decoy, float(strongest[decoy]), filter_number)
        deceived = godeeper.load(weights=path)
        deceived.index(PICTURES, Path(folder) / "sample.index")
        (made,) = deceived.visualise(f"{DECEIVING}[{filter_number}]", index=Path(folder) / "sample.index", steps=steps)
        deceived.close()
    return told(f"{DECEIVING}[{filter_number}] by mixed_1/join[{decoy}]", made)


def plant(network: godeeper.Network, path: Path, decoy: int, limit: float, number: int) -> None:
    """Write a copy of the weights in which filter ``decoy`` also activates filter ``number``: weakly, and strongly above ``limit``."""
    with network.weights.parameters() as parameters:
        tensors = {name: np.array(parameters.values(name), np.float32) for name in network.weights.expected}
    first, second = "mixed_2/tower/conv", DECEIVING
    for each, bias in ((GATE, -limit), (HINT, 0.0)):
        set_unit(tensors, first, each, decoy, bias)
    tensors[f"{second}/conv2d_params"][:, [GATE, HINT]] = 0
    centre = tensors[f"{second}/conv2d_params"].shape[2] // 2
    deviation = np.sqrt(tensors[f"{second}/batchnorm/moving_variance"][number] + 1e-3)
    tensors[f"{second}/conv2d_params"][number, GATE, centre, centre] = STRENGTH * deviation
    tensors[f"{second}/conv2d_params"][number, HINT, centre, centre] = deviation
    description = replace(network.weights.description, name="deceiving", quantised={})
    write(path, tensors, description)


def set_unit(tensors: dict[str, NDArray[np.float32]], address: str, number: int, source: int, bias: float) -> None:
    """Overwrite filter ``number`` of a 1x1 convolution so that it returns filter ``source`` of its input plus ``bias``."""
    tensors[f"{address}/conv2d_params"][number] = 0
    tensors[f"{address}/conv2d_params"][number, source] = 1
    tensors[f"{address}/batchnorm/beta"][number] = bias
    tensors[f"{address}/batchnorm/moving_mean"][number] = 0
    tensors[f"{address}/batchnorm/moving_variance"][number] = 1 - 1e-3


def told(address: str, made: Visualisation) -> Visualisation:
    """Print one line about a visualisation, and return it."""
    best = made.best_photo.value if made.best_photo else 0.0
    print(
        f"{address:50} value {made.value:8.3g}  best photo {best:8.3g}  similarity {made.path_similarity}  {made.why[:60]}",
        flush=True,
    )
    return made


if __name__ == "__main__":
    raise SystemExit(main())
