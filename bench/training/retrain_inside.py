"""Measure, inside one process, the share of a cold run that is spent in the network.

    python -m bench.training.retrain_inside retrain FOLDER      the complete training: doctor, features, head and report
    python -m bench.training.retrain_inside fill FOLDER TENSORS only the features of TENSORS, which is an address pattern

With ``fill``, the doctor runs first and is not timed.  Prints one JSON document.  Time in the network is the total wall-clock
time of all calls to ONNX Runtime.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import godeeper
from godeeper.engine.onnxruntime import Session
from godeeper.features.extract import store_features
from godeeper.features.store import ResultStore
from godeeper.photos.doctor.checkup import examine


class Meter:
    """Measures how many seconds the sessions run."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.run = Session.run

    def __call__(self, session: Session, feeds: Any) -> Any:
        started = time.perf_counter()
        try:
            return self.run(session, feeds)
        finally:
            self.seconds += time.perf_counter() - started


def main() -> None:
    what, folder, *rest = sys.argv[1:]
    meter = Meter()
    setattr(Session, "run", lambda session, feeds: meter(session, feeds))  # noqa: B010 (replaces ``run`` in every session)
    document = retrain(Path(folder)) if what == "retrain" else fill_alone(Path(folder), rest[0])
    print(json.dumps({**document, "network": meter.seconds}))


def retrain(folder: Path) -> dict[str, Any]:
    """Return the time of each training step in seconds, and the chosen features."""
    report = godeeper.retrain(folder).report
    assert report is not None
    return {"steps": dict(report.seconds), "features": list(report.selection.chosen)}


def fill_alone(folder: Path, pattern: str) -> dict[str, Any]:
    """Return the time it takes to compute the features, excluding the doctor."""
    network = godeeper.load()
    addresses = [tensor.address for tensor in network.tensors(pattern)]
    with ResultStore() as store:
        checkup = examine(folder, memory=store)
        photos = [(str(photo.entry.path), photo.pixels_sha256) for photo in checkup.usable]
        started = time.perf_counter()
        store_features(network, photos, addresses, store)
        return {"steps": {"features": time.perf_counter() - started}}


if __name__ == "__main__":
    main()
