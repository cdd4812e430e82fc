"""Training from a folder of class folders to a classifier with its report.

doctor → split → features → head → report, in this order; but a photo that the doctor has to decode is shown to the
network at once, so that no photo is decoded twice.  Which precision that network is of is settled before, on a sample
(see ``precision``).  What is slow, the features, is kept as it is made, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import arguments
from ..errors import PhotoError
from ..features.extract import Audience, tabulate
from ..features.store import FeatureStore
from ..memory import give_back
from ..network import Network, load
from ..photos.decode import decode
from ..photos.doctor.checkup import Checkup, examine
from ..photos.sources.source import Source, open_source
from ..version import __version__
from .background_bias import remarks, telling_backgrounds
from .classifier import Classifier
from .dataset import Data, require_classes
from .folds import Ints
from .head import KEPT, Head, Selection, nested_logits
from .int8_check import settle
from .label_errors import held_out_probabilities
from .learning_curve import count_right, forecast, learning_curve
from .metrics import suspected_mislabels, worth
from .report import Report, Suspicion, Twins
from .split import TEST_SET, HoldOut, few, hold_out
from .unknown_classes import MOST, Unknown, measure_unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray


MODULES = "mixed*/join"
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
    with FeatureStore() as store:
        with clock.step("precision"):
            network, said = settle(
                network,
                engine,
                precision,
                folder,
                addresses,
                seed,
                store,
                step_of(progress, "comparing precisions"),
            )
        audience = Audience(network, addresses, store) if several_classes(folder) else None
        with clock.step("doctor"):
            checkup = examine(folder, step_of(progress, "looking"), store, audience)
        clock.move("doctor", "features", audience.seconds if audience else 0.0)
        require_classes(checkup)
        with clock.step("features"):
            photos = [(str(verdict.entry.path), verdict.pixels_sha256 or "") for verdict in checkup.usable]
            values = tabulate(network, photos, addresses, store, step_of(progress, "looking"))
        network.close()
        give_back()
        with closing(values):
            data = Data(checkup, values, None if features == "auto" else tuple(addresses), seed, store)
            with clock.step("head"):
                trained = train(data, hold_out(checkup))
            with clock.step("report"):
                report = make_report(data, trained, network, clock)
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


@dataclass(frozen=True)
class Trained:
    """A head, and what heads that had not seen them say of the photos ``tested``.

    ``logits`` and ``calibrated``: (M, classes), before and after the temperature.
    """

    head: Head
    selection: Selection
    unknown: Unknown | None
    trained: Ints
    tested: Ints
    logits: NDArray[np.floating[Any]]
    calibrated: NDArray[np.floating[Any]]
    held_out: HoldOut


def train(data: Data, held_out: HoldOut) -> Trained:
    """Train and test in the way that ``held_out`` says, and measure what passes of classes left out."""
    trained = train_many(data, held_out) if held_out.by == TEST_SET else train_few(data, held_out)
    unknown = measure_unknown(data, trained.trained, trained.selection, MOST[held_out.by])
    rate = unknown.false_accept_rate if unknown else None
    return replace(trained, head=replace(trained.head, false_accept_rate=rate), unknown=unknown)


def train_many(data: Data, held_out: HoldOut) -> Trained:
    """Train on what is no test photo; the test set is never looked at before."""
    is_test = np.array([held_out.sets[verdict.pixels_sha256 or ""] == "test" for verdict in data.verdicts])
    trained, tested = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    head, selection = data.fit(trained)
    logits, calibrated = head.logits(data.of(tested)), head.calibrated(data.of(tested))
    return Trained(head, selection, None, trained, tested, logits, calibrated, held_out)


def train_few(data: Data, held_out: HoldOut) -> Trained:
    """Train on everything; test by repeating all of it, choices included, without some photos in turn."""
    every = np.arange(len(data.labels))
    head, selection = data.fit(every)
    raw, calibrated = data.remember_array(
        "nested",
        every,
        lambda: np.stack(nested_logits(data.features, data.labels, data.groups, data.checkup.classes, data.seed)),
    )
    tested = np.flatnonzero(~np.isnan(raw).any(axis=1))
    return Trained(head, selection, None, every, tested, raw[tested], calibrated[tested], held_out)


def make_report(data: Data, trained: Trained, network: Network, clock: Clock) -> Report:
    """Everything there is to say of the training."""
    rows, head, selection = trained.trained, trained.head, trained.selection
    each_counts = worth(data.groups[rows], cross_validated=True)
    curve = learning_curve(
        data.remember_array(
            f"learning {selection}",
            rows,
            lambda: count_right(
                data.coordinates(rows, selection), data.labels[rows], data.groups[rows], selection.strength, data.seed
            ),
        ),
        each_counts,
    )
    return Report(
        classifier=data.checkup.folder.resolve().stem
        if data.checkup.folder.is_file()
        else data.checkup.folder.resolve().name,
        classes=data.checkup.classes,
        paths=tuple(data.verdicts[row].entry.name for row in trained.tested.tolist()),
        truth=data.labels[trained.tested],
        logits=trained.logits,
        calibrated=trained.calibrated,
        groups=data.groups[trained.tested],
        tested_by=trained.held_out.by,
        why_tested_so=trained.held_out.why,
        cross_validation=curve[-1].accuracy if curve and trained.held_out.by == TEST_SET else None,
        majority=int(np.bincount(data.labels[rows]).argmax()),
        selection=selection,
        temperature=head.temperature,
        threshold=head.threshold,
        unknown=trained.unknown,
        kept=KEPT,
        verdicts=data.checkup.verdicts,
        unusable=len(data.checkup.unusable),
        leaks=tuple(one.entry.name for one in data.checkup.leaks),
        places={one.entry.name: str(one.entry.path) for one in data.checkup.verdicts},
        sets=trained.held_out.counts,
        curve=curve,
        forecast=forecast(curve, 2 * len(rows), data.seed, each_counts),
        suspects=suspicions(data, trained),
        twins=twins(data.checkup),
        notes=(*data.checkup.notes, *few(data.checkup), *background_remarks(data)),
        seconds=clock.seconds,
        memory_mib=peak_memory(),
        provenance=provenance(data, network),
    )


def background_remarks(data: Data) -> tuple[str, ...]:
    """A remark on the classes that may be known by their backgrounds alone."""
    edges = np.frombuffer(b"".join(verdict.edges for verdict in data.verdicts), np.float32).reshape(
        len(data.labels), -1
    )
    return remarks(telling_backgrounds(edges, data.labels, data.groups, data.checkup.classes, data.seed))


def suspicions(data: Data, trained: Trained) -> tuple[Suspicion, ...]:
    """Photos that heads which have not seen them would file elsewhere, the surest first."""
    every, selection = np.arange(len(data.labels)), trained.selection
    likely = data.remember_array(
        f"held out {selection}",
        every,
        lambda: held_out_probabilities(
            data.coordinates(every, selection), data.labels, data.groups, selection.strength, data.seed
        ),
    )
    found = suspected_mislabels(likely, data.labels)
    classes = data.checkup.classes
    return tuple(
        Suspicion(data.verdicts[each.row].entry.name, classes[each.label], classes[each.suggested], each.probability)
        for each in found
    )


def twins(checkup: Checkup) -> tuple[Twins, ...]:
    """Pairs of photos that look alike and are filed under different classes."""
    found = []
    for group in checkup.alike:
        first = group[0]
        for other in group[1:]:
            if other.entry.label != first.entry.label:
                paths = first.entry.name, other.entry.name
                found.append(Twins(paths, (first.entry.label, other.entry.label)))
    return tuple(found)


def provenance(data: Data, network: Network) -> dict[str, str]:
    """What one needs to do the same again."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "onnxruntime", "pillow", "scikit-learn"))
    return {
        "godeeper": __version__,
        "libraries": libraries,
        "python": sys.version.partition(" ")[0],
        "engine": str(network.runner.identity(pooled=True)),
        "weights": f"{network.weights.name}, SHA-256 {network.weights.sha256}",
        "preprocessing": network.preprocess.summary,
        "seed": str(data.seed),
        "folder": str(data.checkup.folder.resolve()),
    }


def peak_memory() -> float | None:
    """The most memory this process has held, in MiB; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)


def thumbnails(paths: Sequence[str], side: int = 96) -> dict[str, bytes]:
    """Small JPEGs of photos, for the report's page; a photo that is gone meanwhile has none."""
    found = {}
    for path in paths:
        try:
            found[path] = thumbnail(path, side)
        except (OSError, ValueError, PhotoError):
            continue
    return found


def thumbnail(path: str, side: int) -> bytes:
    """A small JPEG of one photo; of a large JPEG only as much is decoded as that takes."""
    small = decode(path, least_side=2 * side).image.copy()
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
