"""Measure how much the network's input changes if a JPEG is decoded at reduced size.

    python -m bench.studies.folder_decoding FOLDER ... [--most 60]

Reads every large JPEG below the folders.  For each minimum of the shorter side (as a multiple of the side of the network's
input), it prints how many photos were reduced, the difference of the input's pixels from the full decode, the
cosine similarity of the two feature vectors, and the speed-up of decoding and resizing.  The value of
``godeeper.features.stream.KEPT`` comes from this study (``docs/decisions/0017-reduced-decoding.md``).  The JPEGs in Debian's
``mate-backgrounds`` and ``lomiri-wallpapers-16.04`` are suitable photos.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from godeeper import load
from godeeper.features.stream import pooled
from godeeper.network import Network
from godeeper.photos.decode import decode

KEPT = (1.0, 1.5, 2.0, 3.0, 4.0)
FEATURES = ("mixed_5/join", "mixed_10/join")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--most", type=int, default=60)
    options = parser.parse_args()
    network = load()
    paths = [path for folder in options.folders for path in sorted(folder.rglob("*.jp*g"))]
    paths = [path for path in paths if min(decode(path).size) >= 2 * network.preprocess.size][: options.most]
    rows = {kept: [compared(network, path, kept) for path in paths] for kept in KEPT}
    print(f"{len(paths)} photos of {min(sizes(paths)):.1f} to {max(sizes(paths)):.1f} megapixels")
    print(
        "| minimum side / input side | photos reduced | mean difference in levels: all photos, worst photo | largest difference "
        "| minimum cosine similarity | speed-up |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for kept, row in rows.items():
        reduced = np.array([each for each in row if each[1]])
        if not len(reduced):
            continue
        seconds, _, mean, largest, cosine, whole = reduced.T
        print(
            f"| {kept:g} | {len(reduced)} | {mean.mean():.2f}, {mean.max():.2f} | {largest.max():.0f} "
            f"| {cosine.min():.6f} | {np.median(whole / seconds):.1f} |"
        )


def sizes(paths: list[Path]) -> list[float]:
    """Return the megapixels of each photo."""
    return [float(np.prod(decode(path).size)) / 1e6 for path in paths]


def compared(network: Network, path: Path, kept: float) -> tuple[float, ...]:
    """Return seconds, whether the photo was reduced, mean and largest difference, least cosine, seconds of the full decode."""
    prepare = network.preprocess
    start = time.perf_counter()
    part = decode(path, least_side=round(kept * prepare.size))
    some = prepare.resized(part)
    middle = time.perf_counter()
    whole = decode(path)
    every = prepare.resized(whole)
    end = time.perf_counter()
    if part.size == whole.size:
        return (middle - start, 0, 0, 0, 1, end - middle)
    apart = np.abs(some - every)
    planes = np.concatenate([prepare(part), prepare(whole)])
    cosine = min(cosine_of(values) for values in pooled(network, planes, FEATURES).values())
    return (middle - start, 1, float(apart.mean()), float(apart.max()), cosine, end - middle)


def cosine_of(pair: np.ndarray) -> float:
    one, other = pair.astype(np.float64)
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


if __name__ == "__main__":
    main()
