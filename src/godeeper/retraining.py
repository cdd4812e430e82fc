"""``godeeper.retrain``: from a folder of class folders to a classifier with its report.

doctor → split → features → head → report, in this order; but a photo that the doctor has to decode is shown to the
network at once, so that no photo is decoded twice.  Which precision that network is of is settled before, on a sample
(see ``training.int8_check``).  What is slow, the features, is kept as it is made, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import arguments
from .classifier.classifier import Classifier
from .features.extract import FeatureObserver, extract_table
from .features.store import ResultStore
from .memory import release_to_os
from .network import Network, load
from .photos.doctor.checkup import examine
from .photos.sources.source import Source, open_source
from .report.make import make_report
from .training.dataset import Dataset, require_classes
from .training.int8_check import choose_precision
from .training.split import hold_out
from .training.train import MODULES, train

UNCHANGING = ("seconds", "memory_mib", "classifier")
"""What a report says of one run or of a folder's place, and a classifier's file leaves out: the same photos give the same file."""


Progress = Callable[[str, int, int], None]
"""Told the step, how many photos are done, and how many there are."""


def retrain(
    folder: str | Path | Source,
    *,
    weights: str | Path = "bundled",
    features: str | Sequence[str] = "auto",
    seed: int = 0,
    engine: str = "auto",
    precision: str = "fp32",
    progress: Progress | None = None,
) -> Classifier:
    """Train a classifier on a folder of class folders, and test it.

    Args:
        folder: one folder of photos a class, nested folders being classes of their own; the same within ``train``, ``val`` and
            ``test``; a list with the columns path and label; a zip.  See ``godeeper.photos.sources.source``.
        weights: of the network whose features are used: installed ones by name, or a file.
        features: ``auto`` chooses among the modules by cross-validation; or addresses, all of which are used.
        seed: of the folds and the fit; the same photos, seed, engine and precision give the same classifier.
        engine: what computes the features, as in ``load``.
        precision: ``fp32``; ``int8``, where it passes a comparison on these photos; ``auto``, that of large folders.
        progress: told (step, photos done, photos in all).

    Returns:
        The classifier; ``report`` is its report.  It was tested on photos that it was not trained on, or, where
        there are too few to hold any back, by cross-validation of the whole procedure.

    Raises:
        OptionError: the folder cannot be used, or has photos of fewer than two classes.
        UnknownAddress, UnknownName, WeightsError: what was asked for is not there.
    """
    check_arguments(folder, weights, features, seed, engine, precision)
    if not isinstance(folder, Source):
        with open_source(folder) as source:
            return retrain(
                source,
                weights=weights,
                features=features,
                seed=seed,
                engine=engine,
                precision=precision,
                progress=progress,
            )
    clock = Clock()
    network = load(weights=weights, engine=engine)
    addresses = wanted_addresses(network, features)
    with ResultStore() as store:
        with clock.step("precision"):
            network, said = choose_precision(
                network,
                engine,
                precision,
                folder,
                addresses,
                seed,
                store,
                step_of(progress, "comparing precisions"),
            )
        audience = FeatureObserver(network, addresses, store) if several_classes(folder) else None
        with clock.step("doctor"):
            checkup = examine(folder, step_of(progress, "looking"), store, audience)
        clock.move("doctor", "features", audience.seconds if audience else 0.0)
        require_classes(checkup)
        with clock.step("features"):
            photos = [(str(photo.entry.path), photo.pixels_sha256) for photo in checkup.usable]
            values = extract_table(network, photos, addresses, store, step_of(progress, "looking"))
        network.close()
        release_to_os()
        with closing(values):
            data = Dataset(checkup, values, None if features == "auto" else tuple(addresses), seed, store)
            with clock.step("head"):
                trained = train(data, hold_out(checkup))
            with clock.step("report"):
                report = make_report(data, trained, network, clock.seconds)
                report = replace(report, notes=(*report.notes, *said))
    record = {key: value for key, value in report.record().items() if key not in UNCHANGING}
    record["provenance"] = {key: value for key, value in report.provenance.items() if key != "folder"}
    return Classifier(
        head=trained.head,
        weights=str(weights),
        weights_sha256=network.weights.sha256,
        preprocessing=network.weights.description.preprocessing,
        report_record=record,
        calibration=network.calibration,
        report=replace(report, seconds=clock.seconds),
    )


def wanted_addresses(network: Network, features: str | Sequence[str]) -> list[str]:
    """The tensors whose features are computed."""
    if features == "auto":
        return [tensor.address for tensor in network.tensors(MODULES)]
    return [tensor.address for tensor in network.tensors(arguments.addresses("features", features))]


def check_arguments(folder: Any, weights: Any, features: Any, seed: Any, engine: Any, precision: Any) -> None:
    """Raise ``OptionError`` for an argument of ``retrain`` that is of a type it cannot have, before anything is read."""
    if not isinstance(folder, Source):
        arguments.place("folder", folder)
    arguments.place("weights", weights)
    arguments.addresses("features", features)
    arguments.seed(seed)
    arguments.text("engine", engine, "auto")
    arguments.text("precision", precision, "fp32")


def several_classes(source: Source) -> bool:
    """Whether there are files in the folders of two classes or more; whether they are photos, the doctor will say."""
    return len({entry.label for entry in source.entries if entry.label and not entry.hidden}) > 1


def step_of(progress: Progress | None, step: str) -> Callable[[int, int], None] | None:
    """``progress`` for one step."""
    return None if progress is None else lambda done, total: progress(step, done, total)


class Clock:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.add(name, time.perf_counter() - started)

    def move(self, name: str, other: str, seconds: float) -> None:
        """Count some of one step's seconds as another's."""
        self.add(name, -seconds)
        self.add(other, seconds)

    def add(self, name: str, seconds: float) -> None:
        self.seconds[name] = round(self.seconds.get(name, 0.0) + seconds, 3)
