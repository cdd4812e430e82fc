"""``godeeper.retrain``: trains a classifier on photos in class folders, and reports on it.

The steps are precision → doctor → features → split → head → report.  The precision is chosen on a sample of the photos (see
``training.int8_check``).  The network computes a photo's features while the doctor examines it, so no photo is decoded twice.
Features take the most time; they are stored batch by batch, so a run that was stopped can resume.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import arguments
from .classifier.classifier import Classifier
from .features.executors.executor import HERE, Executor
from .features.extract import FeatureObserver, extract_table
from .features.inspect_elsewhere import inspection_by
from .features.store import ResultStore
from .memory import release_to_os
from .network import Network, load
from .photos.doctor.checkup import examine
from .photos.sources.source import Source, open_source
from .progress import StepProgress, step_progress
from .report.make import make_report
from .report.report import Report
from .training.dataset import Dataset, require_classes
from .training.head import Head
from .training.int8_check import CheckSettings, choose_precision
from .training.split import hold_out
from .training.train import MODULES, train

RUN_DEPENDENT = ("seconds", "memory_mib", "classifier")
"""Fields of the report that depend on the run or on the folder's path.

A classifier's file does not contain them, so that the same photos give the same file.
"""


def retrain(
    folder: str | Path | Source,
    *,
    weights: str | Path = "bundled",
    features: str | Sequence[str] = "auto",
    seed: int = 0,
    engine: str = "auto",
    precision: str = "fp32",
    progress: StepProgress | None = None,
    executor: Executor = HERE,
) -> Classifier:
    """Train a classifier on a folder of photos, and test it.

    Args:
        folder: a folder that contains one folder of photos per class, or such folders in ``train``, ``val`` and
            ``test``.  A nested folder is a separate class.  It can also be a zip, or a list with the columns path and
            label; see ``godeeper.photos.sources.source``.  An executor that reads photos elsewhere also accepts
            addresses such as ``s3://bucket/photos``.
        weights: the weights that compute the features: a name of installed weights, or a file.
        features: ``auto``, which chooses among the modules by cross-validation; or addresses, all of which are used.
        seed: the seed for the folds and the fit; the same photos, seed, engine and precision give the same classifier.
        engine: the engine that computes the features, as in ``load``.
        precision: ``fp32``; ``int8``, which is used only if it passes a comparison on these photos; or ``auto``, which
            means ``int8`` for large folders and ``fp32`` for others.
        progress: called with (step, photos done, photos in all).
        executor: decodes the photos and computes the features; the classifier does not depend on it.

    Returns:
        The classifier; its ``report`` describes the training and the test.  The test is on held-out photos, or by
        cross-validation of the whole procedure if there are too few photos for a test set.

    Raises:
        OptionError: the folder cannot be used, or fewer than two classes have photos.
        UnknownAddress, UnknownName, WeightsError: no tensor, engine, precision or weights of that name exist.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> from godeeper import retrain
    >>> random = np.random.default_rng(0)
    >>> with tempfile.TemporaryDirectory() as name:
    ...     for label, top in (("dark", 50), ("bright", 250)):
    ...         (Path(name) / label).mkdir()
    ...         for number in range(8):
    ...             noise = Image.fromarray(random.integers(0, top, (6, 6, 3), np.uint8))
    ...             noise.resize((64, 64)).save(Path(name) / label / f"{number}.png")
    ...     classifier = retrain(name, features="conv")
    >>> classifier.classes_.tolist()
    ['bright', 'dark']
    """
    check_arguments(folder, weights, features, seed, engine, precision)
    clock = Clock()
    with ready(folder, remote=executor.is_remote) as source, ResultStore() as store:
        network = load(weights=weights, engine=engine)
        addresses = wanted_addresses(network, features)
        with clock.step("precision"):
            settings = CheckSettings(addresses, seed, store, step_progress(progress, "comparing precisions"))
            network, notes = choose_precision(network, engine, precision, source, settings)
        observer = FeatureObserver(network, addresses, store) if several_classes(source) else None
        with clock.step("doctor"):
            shown = step_progress(progress, "checking photos")
            checkup = examine(source, shown, store, observer, inspection_by(executor))
        clock.move("doctor", "features", observer.seconds if observer else 0.0)
        require_classes(checkup)
        with clock.step("features"):
            photos = [(photo.entry.remote or str(photo.entry.path), photo.pixels_sha256) for photo in checkup.usable]
            shown = step_progress(progress, "computing features")
            values = extract_table(network, photos, addresses, store, shown, executor)
        network.close()
        release_to_os()
        with closing(values):
            data = Dataset(checkup, values, None if features == "auto" else tuple(addresses), seed, store)
            with clock.step("head"):
                trained = train(data, hold_out(checkup))
            with clock.step("report"):
                report = make_report(data, trained, network, clock.seconds)
                report = replace(report, notes=(*report.notes, *notes))
    return make_classifier(trained.head, str(weights), network, replace(report, seconds=clock.seconds))


def make_classifier(head: Head, weights: str, network: Network, report: Report) -> Classifier:
    """The classifier of a trained head; its file will contain the report without the fields ``RUN_DEPENDENT``."""
    record = {key: value for key, value in report.record().items() if key not in RUN_DEPENDENT}
    record["provenance"] = {key: value for key, value in report.provenance.items() if key != "folder"}
    return Classifier(
        head=head,
        weights=weights,
        weights_sha256=network.weights.sha256,
        preprocessing=network.weights.description.preprocessing,
        report_record=record,
        calibration=network.calibration,
        report=report,
    )


def ready(folder: str | Path | Source, *, remote: bool) -> AbstractContextManager[Source]:
    """The photos of ``folder``, as a context manager that closes them unless the caller opened them."""
    return nullcontext(folder) if isinstance(folder, Source) else open_source(folder, remote=remote)


def wanted_addresses(network: Network, features: str | Sequence[str]) -> list[str]:
    """The tensors whose features are computed."""
    if features == "auto":
        return [tensor.address for tensor in network.tensors(MODULES)]
    return [tensor.address for tensor in network.tensors(arguments.addresses("features", features))]


def check_arguments(folder: Any, weights: Any, features: Any, seed: Any, engine: Any, precision: Any) -> None:
    """Raise ``OptionError`` if an argument has a wrong type, before anything is read."""
    if not isinstance(folder, Source):
        arguments.place("folder", folder)
    arguments.place("weights", weights)
    arguments.addresses("features", features)
    arguments.seed(seed)
    arguments.text("engine", engine, "auto")
    arguments.text("precision", precision, "fp32")


def several_classes(source: Source) -> bool:
    """Whether two or more classes have files.  The doctor checks later whether the files are photos."""
    return len({entry.label for entry in source.entries if entry.label and not entry.hidden}) > 1


class Clock:
    """Measures the seconds that each step takes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.add(name, time.perf_counter() - started)

    def move(self, name: str, other: str, seconds: float) -> None:
        """Subtract ``seconds`` from the step ``name``, and add them to the step ``other``."""
        self.add(name, -seconds)
        self.add(other, seconds)

    def add(self, name: str, seconds: float) -> None:
        self.seconds[name] = round(self.seconds.get(name, 0.0) + seconds, 3)
