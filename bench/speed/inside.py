"""Measurements inside one process: agreement with the peers' values, cost of a cut graph, time to make a mosaic.

    python -m bench.speed.inside ROUNDS NAME=VALUES.npy ...

Prints one JSON document.  ``peek.py`` runs it as a child process, so that the parent stays small.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from bench.common.places import ADDRESS, PHOTO

from godeeper import load
from godeeper.blueprint.address import resolve_one
from godeeper.blueprint.cost import macs_share
from godeeper.blueprint.dialects import in_dialect
from godeeper.blueprint.inception_v3 import INCEPTION_V3
from godeeper.blueprint.sites import sites
from godeeper.engine.onnx_graph import build
from godeeper.engine.onnxruntime import OnnxRuntimeEngine, Session
from godeeper.engine.plan import NETWORK_INPUT, key_of, name, plan
from godeeper.network import BLOG_TENSORS, Network
from godeeper.peek.picture import View, png
from godeeper.photos.decode import decode

PEEKED = (*BLOG_TENSORS, "mixed_7/tower_2/conv")
FULL = "pool_3"
WIDEST = "mixed_10/join"
DIALECTS = {"torchvision": "torchvision"}  # its average pools count the zeros of the padding, unlike the others'
REST = 0.1  # seconds until the previous run's threads stop busy-waiting; they would slow the next run


def main() -> None:
    rounds, *files = sys.argv[1:]
    network = load()
    document = {
        "agreement": agreement(network, dict(file.split("=", 1) for file in files)),
        "compute": compute(network, int(rounds)),
        "mosaic": mosaic(network, int(rounds)),
    }
    print(json.dumps(document))


def agreement(network: Network, files: dict[str, str]) -> list[dict[str, Any]]:
    """Return each peer's difference from godeeper's values, computed in the peer's dialect and in the network's default dialect."""
    drawn = values_in_dialect(network, network.blueprint.dialect)
    rows = []
    for peer, path in files.items():
        theirs = np.load(path)
        dialect = DIALECTS.get(peer, network.blueprint.dialect)
        own = values_in_dialect(network, dialect)
        rows.append(
            {"peer": peer, "dialect": dialect, "own": difference(theirs, own), "drawn": difference(theirs, drawn)}
        )
    return rows


def values_in_dialect(network: Network, dialect: str) -> np.ndarray:
    """Return the tensor that godeeper computes with the bundled weights in a dialect, (32, 35, 35) float32."""
    blueprint = in_dialect(INCEPTION_V3, dialect)
    key = key_of(resolve_one(blueprint, ADDRESS))
    with network.weights.parameters() as numbers:
        graph = build(plan(blueprint, [key]), numbers)
    session = Session(graph, [name(sites(blueprint), key)])
    values: np.ndarray = session.run(network_input(network))[0][0]
    return values


def network_input(network: Network) -> dict[str, np.ndarray]:
    """Return the demonstration photo as a graph's input."""
    return {name(sites(network.blueprint), NETWORK_INPUT): network.preprocess(decode(PHOTO))}


def difference(theirs: np.ndarray, ours: np.ndarray) -> float:
    """Return the largest difference, relative to the largest value."""
    return float(np.abs(theirs - ours).max() / np.abs(ours).max())


def compute(network: Network, rounds: int) -> list[dict[str, Any]]:
    """Measure each cut graph and the whole network, in turn; only the sessions' runs are timed."""
    feeds = network_input(network)
    keys = {address: key_of(resolve_one(network.blueprint, address)) for address in (*PEEKED, FULL)}
    runner = OnnxRuntimeEngine(network.weights)
    sessions = {address: runner.session(plan(network.blueprint, [key])) for address, key in keys.items()}
    seconds = in_turn({address: run_of(session, feeds) for address, session in sessions.items()}, rounds)
    full = seconds.pop(FULL)
    return [
        {
            "address": address,
            "share": macs_share(network.blueprint, [keys[address][0]]),
            "seconds": taken,
            "full_seconds": full,
        }
        for address, taken in seconds.items()
    ]


def run_of(session: Session, feeds: dict[str, np.ndarray]) -> Callable[[], Any]:
    """Return a function that runs ``session``."""
    return lambda: session.run(feeds)


def mosaic(network: Network, rounds: int) -> dict[str, list[float]]:
    """Measure all filters of the widest tensor, as a mosaic and as the complete picture."""
    peek = network.peek(PHOTO, WIDEST)
    return in_turn({"mosaic": peek.mosaic, "picture": lambda: png(peek, View())}, rounds)


def in_turn(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Time all calls in turn, for ``rounds`` rounds after one uncounted warm-up round."""
    seconds: dict[str, list[float]] = {what: [] for what in calls}
    for number in range(rounds + 1):
        for what, call in calls.items():
            time.sleep(REST)
            start = time.perf_counter()
            call()
            if number:
                seconds[what].append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    main()
