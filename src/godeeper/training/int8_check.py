"""The int8 check: compares int8 with fp32 on a sample of the photos, before a whole folder is computed in int8.

int8 passes under two conditions.  Its features must have a high cosine similarity to those of fp32.  A head trained on int8
features must give the true class of held-out photos nearly the same mean probability as a head trained on fp32 features, with
the same photos and folds.  Accuracy is only reported, because any change moves a few of a hundred photos across a decision
boundary.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.engines import engine_named
from ..engine.quantization import QuantizationRanges, shipped
from ..errors import PhotoError, UnknownName
from ..features.extract import FeatureObserver, extract
from ..features.store import ResultStore
from ..network import Network
from ..photos.doctor.checkup import TEST, Checkup, examine_entries
from ..photos.doctor.usable import UsablePhoto
from ..photos.remote import RemotePhoto
from ..photos.sources.source import Source
from ..progress import Progress
from .confidence import best_temperature
from .folds import Ints
from .head import held_out_logits, select
from .metrics import softmax
from .targets import Targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..photos.sources.folder import Entry

    Floats = NDArray[np.float32]
    Logits = NDArray[np.floating[Any]]
    Features = Mapping[str, Floats]

PRECISIONS = ("fp32", "int8", "auto")
LEAST_COSINE = 0.995
MOST_LOST = 0.005  # the mean probability of the true class may be half a percentage point lower
SAMPLE = 96  # photos compared
CALIBRATING = 32  # more photos, to compute quantization ranges for weights that have none
FEWEST = 512  # photos; in smaller folders, the check takes longer than int8 saves
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Comparison:
    """int8 against fp32.

    ``cosines``: address -> mean cosine similarity of the features.  ``judged``: the number of held-out photos, which the
    other fields describe.  ``probabilities``: the mean probability of the true class, in fp32 and in int8.  ``error``: the
    standard error of the difference.  ``right``: the number of correct classifications, in fp32 and in int8.  ``lost`` and
    ``won``: the number of photos that only fp32, or only int8, classifies correctly.
    """

    photos: int
    cosines: Mapping[str, float]
    judged: int
    probabilities: tuple[float, float]
    error: float
    right: tuple[int, int]
    lost: int
    won: int

    @property
    def worst(self) -> tuple[str, float]:
        """The module with the smallest cosine similarity, and that similarity."""
        return min(self.cosines.items(), key=lambda item: item[1])

    @property
    def loss(self) -> float:
        """How much lower the true class's mean probability is in int8."""
        return self.probabilities[0] - self.probabilities[1]

    @property
    def passes(self) -> bool:
        """Whether int8 passes the check."""
        return self.worst[1] >= LEAST_COSINE and self.loss <= MOST_LOST

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the int8 accuracy minus the fp32 accuracy (Agresti and Min's interval for pairs, Stat. Med. 2005)."""
        lost, won, pairs = self.lost + 0.5, self.won + 0.5, self.judged + 2
        middle = (won - lost) / pairs
        reach = NORMAL_95 * math.sqrt(won + lost - (won - lost) ** 2 / pairs) / pairs
        return middle - reach, middle + reach

    def __str__(self) -> str:
        """The comparison in a sentence."""
        address, cosine = self.worst
        similarity = (
            f"on {self.photos} photos, features have a cosine similarity to fp32 of at least {cosine:.4f} ({address})"
        )
        if not self.judged:
            return f"{similarity}; there are too few photos to compare classifiers"
        exact, rounded = self.probabilities
        low, high = self.interval
        return (
            f"{similarity}; for {self.judged} held-out photos the true class has a mean probability of {rounded:.2%}, with fp32 "
            f"{exact:.2%} (standard error of the difference: {100 * self.error:.2f} points); required: a cosine similarity of at least "
            f"{LEAST_COSINE} and a probability at most {100 * MOST_LOST} points lower; for information, int8 classifies {self.right[1]} and "
            f"fp32 {self.right[0]} correctly, so int8 changes the accuracy by {low:+.1%} to {high:+.1%} (95 % interval)"
        )


@dataclass(frozen=True)
class CheckSettings:
    """The settings of a check.

    ``addresses``: the tensors whose features are compared.  ``seed``: the seed for the folds.  ``store``: caches features and
    the doctor's findings.  ``progress``: called with the number of photos done, and the number in the sample.
    """

    addresses: Sequence[str]
    seed: int
    store: ResultStore
    progress: Progress | None = None


def choose_precision(
    network: Network, engine: str, requested: str, source: Source, settings: CheckSettings
) -> tuple[Network, tuple[str, ...]]:
    """Choose the network that computes a folder's features; also returns notes on its precision.

    A folder with fewer than two classes gets no notes: it cannot be trained on, and the doctor reports this.

    Args:
        network: the network in single precision.
        engine: the requested engine.
        requested: ``fp32``; ``int8``, which is used if it passes the check; or ``auto``, which checks int8 only in folders
            that are large enough to gain from it.
        source: the photos.  The doctor examines a sample of them, which contains no photo of a given test set.
        settings: the settings of the check.

    Raises:
        UnknownName: there is no such precision.
        OptionError: the engine has no int8.
    """
    if requested not in PRECISIONS:
        raise UnknownName("precision", requested, PRECISIONS)
    files = {} if requested == "fp32" else photo_files(entry for entry in source.entries if entry.split != TEST)
    if len(files) < 2:
        return network, ()
    count = sum(map(len, files.values()))
    if requested == "auto" and count < FEWEST:
        return network, (f"precision: fp32; for {count} photos, the int8 check would take longer than it saves",)
    ranges = shipped(network.weights)
    entries = stratified_sample(files, SAMPLE if ranges else SAMPLE + CALIBRATING)
    observer = FeatureObserver(network, settings.addresses, settings.store)
    checkup = examine_entries(source.place, entries, settings.progress, settings.store, observer)
    if len({photo.entry.label for photo in checkup.usable[:SAMPLE]}) < 2:
        return network, (
            f"precision: fp32; int8 could not be checked: too few of {len(entries)} sampled photos are usable",
        )
    ranges = ranges or calibrated(network, checkup.usable)
    small = Network(engine_named(engine, network.weights, "int8", ranges), network.preprocess)
    comparison = compare(network, small, checkup, settings)
    if comparison.passes:
        network.close()
        return small, (f"precision: int8: {comparison}",)
    small.close()
    return network, (f"precision: fp32; int8 differs too much here: {comparison}",)


def calibrated(network: Network, usable: Sequence[UsablePhoto]) -> QuantizationRanges:
    """Quantization ranges from photos outside the compared sample; from the sample if there are no others."""
    others = usable[SAMPLE:] or usable[:CALIBRATING]
    return network.calibrate(photo.entry.photo for photo in others)


def compare(network: Network, small: Network, checkup: Checkup, settings: CheckSettings) -> Comparison:
    """Compare ``small`` (int8) with ``network`` (fp32) on a sample of a folder."""
    sample = checkup.usable[:SAMPLE]
    photos = [(photo.entry.photo, photo.pixels_sha256) for photo in sample]
    # These features come from the store, because the observer has already computed them.
    exact = extract(network, photos, settings.addresses, settings.store)
    rounded = extract(small, photos, settings.addresses, settings.store, settings.progress)
    labels = np.unique([photo.entry.label for photo in sample], return_inverse=True)[1].astype(np.int64)
    targets = Targets(labels, np.array([photo.group for photo in sample], np.int64), settings.seed)
    return compare_held_out(exact, rounded, *held_out(exact, rounded, targets))


def held_out(exact: Features, rounded: Features, targets: Targets) -> tuple[Logits, Logits, Ints]:
    """Out-of-fold logits (M, classes) from the features in fp32 and in int8, and the M photos' labels (M,)."""
    selection = select(exact, targets)  # chosen on fp32, so any bias is against int8
    logits = [held_out_logits(features, targets, selection) for features in (exact, rounded)]
    tested = ~np.isnan(np.concatenate(logits, axis=1)).any(axis=1)
    return logits[0][tested], logits[1][tested], targets.labels[tested]


def compare_held_out(
    exact: Features, rounded: Features, exact_logits: Logits, rounded_logits: Logits, labels: Ints
) -> Comparison:
    """Compare the features of all photos, and the out-of-fold logits (M, classes) of photos with ``labels`` (M,).

    One temperature is fitted on the logits of both precisions, so that neither is favoured.
    """
    temperature = best_temperature(np.concatenate([exact_logits, rounded_logits]), np.tile(labels, 2))
    rows = np.arange(len(labels))
    both = exact_logits, rounded_logits
    fp32, int8 = (softmax(logits / temperature)[rows, labels] for logits in both)
    right, right_int8 = (logits.argmax(axis=1) == labels for logits in both)
    judged = max(1, len(labels))
    return Comparison(
        photos=len(next(iter(exact.values()))),
        cosines={address: float(cosines(exact[address], rounded[address]).mean()) for address in exact},
        judged=len(labels),
        probabilities=(float(fp32.sum()) / judged, float(int8.sum()) / judged),
        error=float(np.std(fp32 - int8, ddof=1)) / math.sqrt(judged) if len(labels) > 1 else 0.0,
        right=(int(right.sum()), int(right_int8.sum())),
        lost=int((right & ~right_int8).sum()),
        won=int((right_int8 & ~right).sum()),
    )


def cosines(exact: Floats, rounded: Floats) -> NDArray[np.float64]:
    """(N,) the cosine similarity of each photo's features (N, C); 1 if both are all zeros."""
    a, b = exact.astype(np.float64), rounded.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    similarity: NDArray[np.float64] = np.where(
        lengths > 0, (a * b).sum(axis=1) / np.where(lengths > 0, lengths, 1), 1.0
    )
    similarity[(lengths == 0) & (a.any(axis=1) | b.any(axis=1))] = 0.0
    return similarity


BEGINNING = 1 << 16  # bytes that are hashed if files have the same size


FEWEST_OF_A_CLASS = 4
"""The least number of photos of each sampled class; with fewer, a fold could leave too few to train on."""


def photo_files(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Class -> its files with a photo's suffix; if there are none, all its files that are not hidden."""
    files: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.label and not entry.hidden:
            files.setdefault(entry.label, []).append(entry)
    return {label: [each for each in members if each.named_photo] or members for label, members in files.items()}


def stratified_sample(files: Mapping[str, Sequence[Entry]], count: int) -> list[Entry]:
    """A stratified sample of at most ``count`` files: one of each class in turn, in hash order.

    If there are too many classes for ``FEWEST_OF_A_CLASS`` files of each, only some classes are sampled.
    """
    labels = sorted(sorted(files, key=digest)[: max(2, count // FEWEST_OF_A_CLASS)])
    return list(islice(interleaved([hash_order(files[label]) for label in labels]), count))


def interleaved(queues: Sequence[Iterator[Entry]]) -> Iterator[Entry]:
    """Yield the first entry of each queue, then the second of each, and so on until all are empty (round robin)."""
    while queues:
        heads = [(queue, next(queue, None)) for queue in queues]
        yield from (entry for _, entry in heads if entry)
        queues = [queue for queue, entry in heads if entry]


def hash_order(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield a class's files in the order of a hash of their size; a hash of their first bytes breaks ties.

    A file is opened only if another one has the same size.
    """
    sized = sorted(((digest(str(size(entry.photo))), entry) for entry in entries), key=lambda each: each[0])
    for _, same in groupby(sized, key=lambda each: each[0]):
        tied = [entry for _, entry in same]
        yield from tied if len(tied) == 1 else sorted(tied, key=lambda entry: (hash_of_start(entry.photo), entry.file))


def digest(text: str) -> str:
    """The SHA-256 of ``text``, in hexadecimal."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def size(path: Path | RemotePhoto) -> int:
    """The size of a file in bytes; 0 if it cannot be read."""
    if isinstance(path, RemotePhoto):
        return path.version[0]
    try:
        return path.stat().st_size
    except OSError:
        return 0


def hash_of_start(path: Path | RemotePhoto) -> str:
    """A hash of a file's first bytes; empty if it cannot be read."""
    try:
        if isinstance(path, RemotePhoto):
            return hashlib.sha256(path.read(BEGINNING)).hexdigest()
        if not path.is_file():  # reading a pipe would block
            return ""
        with path.open("rb") as file:
            return hashlib.sha256(file.read(BEGINNING)).hexdigest()
    except (OSError, PhotoError):
        return ""
