"""Write the files that the peers' scripts read: the bundled weights in each framework's format.

    python -m bench.common.prepare PEERS_PYTHON

With the same weights, the pictures of godeeper and the three peers show the same values; ``bench/speed/inside.py`` checks this.
The files are in ``bench/results/``.  They are written again when the bundled weights or godeeper's version change.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from bench.common.places import ADDRESS, GRAPH, HERE, KERAS_WEIGHTS, NUMBERS, PREPARED, RESULTS, TORCHVISION_WEIGHTS

from godeeper.blueprint.address import resolve_one
from godeeper.blueprint.sites import sites
from godeeper.engine.onnx_graph import build
from godeeper.engine.plan import key_of, plan
from godeeper.version import __version__
from godeeper.weights.file import WeightsFile
from godeeper.weights.registry import find


def main() -> None:
    weights = find("bundled")
    mark = f"{__version__} {weights.sha256}\n"
    wanted = (GRAPH, NUMBERS, TORCHVISION_WEIGHTS, KERAS_WEIGHTS)
    if PREPARED.exists() and PREPARED.read_text() == mark and all(path.exists() for path in wanted):
        return
    RESULTS.mkdir(exist_ok=True)
    PREPARED.unlink(missing_ok=True)
    write_graph(weights, GRAPH)
    write_numbers(weights, NUMBERS)
    convert: list[str | Path] = [
        sys.argv[1],
        HERE / "peers" / "convert.py",
        NUMBERS,
        TORCHVISION_WEIGHTS,
        KERAS_WEIGHTS,
    ]
    subprocess.run(convert, check=True)  # `bench/speed/peek.py` hides this script's output unless the script fails
    PREPARED.write_text(mark)


def write_graph(weights: WeightsFile, path: Path) -> None:
    """Write the graph of the tensor ``ADDRESS`` and its ancestors, as godeeper's engine builds it."""
    tensor = resolve_one(weights.blueprint, ADDRESS)
    with weights.parameters() as numbers:
        path.write_bytes(build(plan(weights.blueprint, [key_of(tensor)]), numbers))


def write_numbers(weights: WeightsFile, path: Path) -> None:
    """Write every convolution's weights in order of creation, under the names that ``peers/convert.py`` reads."""
    arrays: dict[str, np.ndarray] = {}
    convs = [site for site in sites(weights.blueprint) if site.kind == "conv"]
    with weights.parameters() as numbers:
        for n, site in enumerate(convs):
            scope = f"{site.names.tf2015}/batchnorm"
            arrays[f"{n}.name"] = np.array(site.names.torchvision)
            arrays[f"{n}.kernel"] = numbers.kernel(site)
            arrays[f"{n}.beta"] = numbers.values(f"{scope}/beta")
            arrays[f"{n}.mean"] = numbers.values(f"{scope}/moving_mean")
            arrays[f"{n}.variance"] = numbers.values(f"{scope}/moving_variance")
    np.savez(path, allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()
