"""Measurements on a folder inside one process: overhead of the pipeline over the engine alone, and agreement of the features.

    python -m bench.speed.folder_inside FOLDER ROUNDS NAME=FEATURES ...

Prints one JSON document.  ``folder.py`` runs it as a child process, so that the parent stays small.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bench.speed.inside import in_turn

from godeeper import load
from godeeper.features.pipeline import BATCH_SIZE
from godeeper.features.stream import pooled, stream
from godeeper.network import Network
from godeeper.photos.decode import decode

ADDRESSES = ("mixed_10/join",)
WHOLE = "--exact"


def main() -> None:
    folder, rounds, *files = sys.argv[1:]
    paths = sorted(Path(folder).glob("*.jpg"))
    document = {
        "seconds": seconds(load(), paths, int(rounds)),
        "agreement": agreement(dict(file.split("=", 1) for file in files)),
    }
    print(json.dumps(document))


def seconds(network: Network, paths: list[Path], rounds: int) -> dict[str, list[float]]:
    """Measure the engine alone on prepared tensors, the pipeline from files, and decoding alone, in turn."""
    ready = [
        np.concatenate([network.preprocess(decode(path)) for path in paths[start : start + BATCH_SIZE]])
        for start in range(0, len(paths), BATCH_SIZE)
    ]
    calls: dict[str, Callable[[], Any]] = {
        "prepared tensors": lambda: [pooled(network, planes, ADDRESSES) for planes in ready],
        "from files": lambda: list(stream(network, paths, ADDRESSES)),
        "decoding and resizing alone, one thread": lambda: [network.preprocess(decode(path)) for path in paths],
    }
    return in_turn(calls, rounds)


def agreement(files: dict[str, str]) -> list[dict[str, Any]]:
    """Return the cosines of each peer's features with the features of fully decoded JPEGs, over all photos."""
    features = {name: read(path) for name, path in files.items()}
    whole = next(values for name, values in features.items() if name.endswith(WHOLE))
    return [{"name": name, **cosines(values, whole)} for name, values in features.items()]


def read(path: str) -> np.ndarray:
    """Return (N, 2048) float64, sorted by photo name."""
    loaded = np.load(path)
    return np.asarray(loaded if isinstance(loaded, np.ndarray) else loaded[ADDRESSES[0]], np.float64)


def cosines(values: np.ndarray, whole: np.ndarray) -> dict[str, float]:
    """Return minimum, mean and median."""
    each = (values * whole).sum(1) / np.linalg.norm(values, axis=1) / np.linalg.norm(whole, axis=1)
    return {"least": float(each.min()), "mean": float(each.mean()), "median": float(np.median(each))}


if __name__ == "__main__":
    main()
