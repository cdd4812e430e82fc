"""Training from a folder of class folders to a classifier with its report.

doctor → split → features → head → report, in this order.  What is slow, the features, is kept as it is
made, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OptionError
from ..network import Network, load
from ..photos.doctor import Checkup, Verdict, examine
from ..version import __version__
from .classifier import Classifier
from .features import extract
from .folds import Ints
from .head import KEPT, Head, Selection, fit, held_out_logits, nested_logits, select
from .learning import forecast, learning_curve
from .measure import softmax, suspected_mislabels
from .precision import settle
from .report import Report, Suspicion, Twins
from .split import SETS, assign, few
from .store import FeatureStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .basis import Floats

MODULES = "mixed*/join"
UNCHANGING = ("seconds", "memory_mib")
"""What a report says of one run only, and a classifier's file leaves out: the same photos give the same file."""

Progress = Callable[[str, int, int], None]
"""Told the step, how many photos are done, and how many there are."""


def retrain(
    folder: str | Path,
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
        folder: one folder of photos a class; nested folders are classes of their own.
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
    clock = Clock()
    network = load(weights=weights, engine=engine)
    addresses = wanted_addresses(network, features)
    with FeatureStore() as store:
        with clock.step("doctor"):
            checkup = examine(Path(folder), step_of(progress, "checking"), store)
        require_classes(checkup)
        with clock.step("precision"):
            network, said = settle(
                network, engine, precision, checkup, addresses, seed, store, step_of(progress, "comparing precisions")
            )
        with clock.step("features"):
            photos = [(verdict.entry.path, verdict.pixels_sha256 or "") for verdict in checkup.usable]
            values = extract(network, photos, addresses, store, step_of(progress, "looking"))
        network.close()
        data = Data(checkup, values, None if features == "auto" else tuple(addresses), seed, store)
        with clock.step("head"):
            trained = train_few(data) if few(checkup) else train_many(data)
    with clock.step("report"):
        report = make_report(data, trained, network, clock)
        report = replace(report, notes=(*report.notes, *said))
    record = {key: value for key, value in report.record().items() if key not in UNCHANGING}
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
    asked = features.split(",") if isinstance(features, str) else features
    return [tensor.address for tensor in network.tensors(asked)]


def require_classes(checkup: Checkup) -> None:
    """Raise unless photos of two classes are there."""
    if len(checkup.classes) < 2:
        found = f"only the class {checkup.classes[0]!r}" if checkup.classes else "no usable photo in a class's folder"
        raise OptionError(
            f"{checkup.folder}: {found}; expected two folders of photos or more, one a class; "
            f"see: godeeper doctor {checkup.folder}"
        )


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
        self.seconds[name] = round(time.perf_counter() - started, 3)


@dataclass(frozen=True)
class Data:
    """Usable photos in the order of the doctor's verdicts, with their features, address -> (N, C)."""

    checkup: Checkup
    features: dict[str, Floats] = field(repr=False)
    chosen: tuple[str, ...] | None  # modules that must be used; None: choose
    seed: int
    store: FeatureStore = field(repr=False)  # where choices are kept, too

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        return self.checkup.usable

    @cached_property
    def labels(self) -> Ints:
        """(N,) the number of each photo's class."""
        numbers = {label: number for number, label in enumerate(self.checkup.classes)}
        return np.array([numbers[verdict.entry.label] for verdict in self.verdicts], np.int64)

    @cached_property
    def groups(self) -> Ints:
        """(N,) near-duplicates share a number, and a photo's number does not depend on others being there."""
        return np.array([self.checkup.groups[verdict.pixels_sha256 or ""] for verdict in self.verdicts], np.int64)

    def of(self, rows: Ints) -> dict[str, Floats]:
        """The features of some photos."""
        return {address: values[rows] for address, values in self.features.items()}

    def fit(self, rows: Ints) -> tuple[Head, Selection]:
        """A head trained on some photos alone: modules and strength are chosen on them, too."""
        features, labels, groups = self.of(rows), self.labels[rows], self.groups[rows]
        selection = self.select(features, labels, groups)
        if self.chosen is not None:
            selection = replace(selection, chosen=self.chosen)
        return fit(features, labels, groups, self.checkup.classes, self.seed, selection)

    def select(self, features: dict[str, Floats], labels: Ints, groups: Ints) -> Selection:
        """What modules and strength cross-validation chooses; for the same numbers, what it chose before."""
        key = selection_key(features, labels, groups, self.seed)
        known = self.store.get_blobs([key]).get(key)
        if known is not None:
            fields = json.loads(known)
            scores = {address: (mean, error) for address, (mean, error) in fields["scores"].items()}
            return Selection(scores, tuple(fields["chosen"]), fields["strength"])
        selection = select(features, labels, groups, self.seed)
        self.store.put_blobs({key: json.dumps(asdict(selection)).encode()})
        return selection


def selection_key(features: dict[str, Floats], labels: Ints, groups: Ints, seed: int) -> bytes:
    """Names a choice by all that it follows from: the numbers themselves, and who chooses."""
    digest = hashlib.sha256(f"selection {__version__} {version('scikit-learn')} {version('numpy')} {seed}".encode())
    parts: dict[str, NDArray[Any]] = {**features, "labels": labels, "groups": groups}
    for name, values in parts.items():
        digest.update(f"\n{name} {values.shape} {values.dtype}\n".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.digest()


@dataclass(frozen=True)
class Trained:
    """A head, and what heads that had not seen them say of the photos ``tested``.

    ``logits`` and ``calibrated``: (M, classes), before and after the temperature.
    """

    head: Head
    selection: Selection
    trained: Ints
    tested: Ints
    logits: NDArray[np.floating[Any]]
    calibrated: NDArray[np.floating[Any]]
    tested_by: str


def train_many(data: Data) -> Trained:
    """Train on what is no test photo; the test set is never looked at before."""
    sets = assign(data.checkup)
    is_test = np.array([sets[verdict.pixels_sha256 or ""] == "test" for verdict in data.verdicts])
    trained, tested = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    head, selection = data.fit(trained)
    logits = head.logits(data.of(tested))
    said = "a test set of photos never used in training"
    return Trained(head, selection, trained, tested, logits, logits / head.temperature, said)


def train_few(data: Data) -> Trained:
    """Train on everything; test by repeating all of it, choices included, without some photos in turn."""
    every = np.arange(len(data.labels))
    head, selection = data.fit(every)
    raw, calibrated = nested_logits(data.features, data.labels, data.groups, data.checkup.classes, data.seed)
    tested = np.flatnonzero(~np.isnan(raw).any(axis=1))
    return Trained(head, selection, every, tested, raw[tested], calibrated[tested], "cross-validation")


def make_report(data: Data, trained: Trained, network: Network, clock: Clock) -> Report:
    """Everything there is to say of the training."""
    rows, head = trained.trained, trained.head
    curve = learning_curve(data.of(rows), data.labels[rows], data.groups[rows], trained.selection, data.seed)
    return Report(
        classifier=data.checkup.folder.resolve().name,
        classes=data.checkup.classes,
        paths=tuple(str(data.verdicts[row].entry.path) for row in trained.tested.tolist()),
        truth=data.labels[trained.tested],
        logits=trained.logits,
        calibrated=trained.calibrated,
        tested_by=trained.tested_by,
        majority=int(np.bincount(data.labels[rows]).argmax()),
        selection=trained.selection,
        temperature=head.temperature,
        threshold=head.threshold,
        false_accept_rate=head.false_accept_rate,
        kept=KEPT,
        verdicts=data.checkup.verdicts,
        sets=set_sizes(data, trained),
        curve=curve,
        forecast=forecast(curve, 2 * len(rows), data.seed),
        suspects=suspicions(data, trained),
        twins=twins(data.checkup),
        notes=(*data.checkup.notes, *few(data.checkup)),
        seconds=clock.seconds,
        memory_mib=peak_memory(),
        provenance=provenance(data, network),
    )


def set_sizes(data: Data, trained: Trained) -> dict[str, int]:
    """How many photos trained and tested; validation photos train, since choices are made by cross-validation."""
    if len(trained.trained) == len(data.labels):
        return {"train": len(trained.trained)}
    sets = list(assign(data.checkup).values())
    return {name: sets.count(name) for name in SETS}


def suspicions(data: Data, trained: Trained) -> tuple[Suspicion, ...]:
    """Photos that heads which have not seen them would file elsewhere, the surest first."""
    logits = held_out_logits(data.features, data.labels, data.groups, trained.selection, data.seed)
    found = suspected_mislabels(softmax(logits / trained.head.temperature), data.labels)
    classes = data.checkup.classes
    return tuple(
        Suspicion(
            str(data.verdicts[each.row].entry.path), classes[each.label], classes[each.suggested], each.probability
        )
        for each in found
    )


def twins(checkup: Checkup) -> tuple[Twins, ...]:
    """Pairs of photos that look alike and are filed under different classes."""
    found = []
    for group in checkup.alike:
        first = group[0]
        for other in group[1:]:
            if other.entry.label != first.entry.label:
                paths = str(first.entry.path), str(other.entry.path)
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
        "folder": str(data.checkup.folder),
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
    import io

    from ..errors import PhotoError
    from ..photos.decode import decode

    found = {}
    for path in paths:
        try:
            image = decode(path).image.copy()
        except PhotoError:
            continue
        image.thumbnail((side, side))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=80)
        found[path] = buffer.getvalue()
    return found
