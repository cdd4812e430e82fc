"""Compare methods of choosing the int8 ranges by how close the features stay to fp32.

    python -m bench.studies.rounding FOLDER_TO_CALIBRATE_ON FOLDER_TO_TEST_ON [--most 60]

Prints, for each method and module, the cosine similarity of int8 and fp32 features: the mean, and the minimum over
all photos.  Suitable folders are scikit-image's ``data`` and Debian's ``mate-backgrounds`` and ``tuxpaint-stamps-default``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from bench.common import tables
from bench.speed.engines import cosine

from godeeper import load
from godeeper.engine.engines import engine_named
from godeeper.engine.plan import NETWORK_INPUT, key_of, plan
from godeeper.engine.quantization import QuantizationRanges, calibration_of
from godeeper.errors import PhotoError
from godeeper.features.int8_ranges import BINS, best_end, decoded_inputs, measure, shared
from godeeper.network import Network
from godeeper.photos.decode import decode
from godeeper.photos.sources.find_photos import photos_in

SHARE_KEPT = 0.9999  # share of the non-zero values
WAYS: dict[str, Callable[[np.ndarray, float], float]] = {
    "least squared error": best_end,
    "greatest value": lambda histogram, top: top,  # noqa: ARG005 (all methods have the same signature)
    "99.99 % of values": lambda histogram, top: percentile(histogram) * top,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "folders", type=Path, nargs=2, metavar="FOLDER", help="folder to calibrate on, and folder to test on"
    )
    parser.add_argument(
        "--most", type=int, default=60, metavar="N", help="maximum number of photos per folder (default: 60)"
    )
    options = parser.parse_args()
    network = load("inception_v3", engine="onnxruntime")
    known, strange = (looks(network, folder, options.most) for folder in options.folders)
    print(f"{len(known)} photos to calibrate on, {len(strange)} to test on")
    steps = plan(network.blueprint, [key_of(each) for each in network.tensors("mixed*/join")], pooled=True)
    exact = network.engine.run(steps, {NETWORK_INPUT: strange})
    columns = {}
    for name, ranges in all_ranges(network, known).items():
        record = QuantizationRanges(
            network.weights.sha256, {key: (0.0, high) for key, high in ranges.items()}, name, ()
        )
        small = engine_named("onnxruntime", network.weights, "int8", record)
        rounded = small.run(steps, {NETWORK_INPUT: strange})
        columns[name] = [cosine(exact[key], rounded[key]) for key in steps.fetched]
    addresses = [tensor.address for tensor in network.tensors("mixed*/join")]
    rows = [
        [address, *(f"{values[place].mean():.4f} ({values[place].min():.4f})" for values in columns.values())]
        for place, address in enumerate(addresses)
    ]
    print(*tables.table(["cosine similarity to fp32, mean (minimum)", *columns], rows), sep="\n")


def looks(network: Network, folder: Path, most: int) -> np.ndarray:
    """Return (N, 3, size, size): some photos of a folder, evenly spread over it."""
    paths = photos_in([str(folder)])
    chosen = paths[:: -(-len(paths) // most)]
    found = []
    for path in chosen:
        with suppress(PhotoError):  # raised, for example, for a TIFF with many pages
            found.append(network.preprocess(decode(path)))
    return np.concatenate(found)


def all_ranges(network: Network, photos: np.ndarray) -> dict[str, dict[str, float]]:
    """Return method -> address -> the end of its range."""
    maxima, histograms = measure(network.weights, decoded_inputs(photo[None] for photo in photos))
    ends = {
        name: {address: way(histograms[address], top) for address, top in maxima.items()} for name, way in WAYS.items()
    }
    found = {name: shared(network.blueprint, each) for name, each in ends.items()}
    first = next(iter(WAYS))
    record = calibration_of(network.weights)
    return found | {f"{first}, nothing shared": ends[first], "the bundled ranges": record.maxima}


def percentile(histogram: np.ndarray) -> float:
    """Return the end of the first bin at which the cumulative share reaches ``SHARE_KEPT``."""
    counts = np.append(0, histogram[1:]).astype(np.float64)
    return float(np.searchsorted(np.cumsum(counts), SHARE_KEPT * counts.sum()) + 1) / BINS


if __name__ == "__main__":
    main()
