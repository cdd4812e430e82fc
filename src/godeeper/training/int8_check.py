"""Whether 8 bits will do: int8 beside fp32 on some of one's own photos, before a whole folder is computed in it.

Two things are asked of int8: features that point where those of fp32 point, and heads that give the right class of
photos they have not seen the same probability.  Both precisions see the same photos in the same folds.  How often they
are right is counted and said, too, but not decided by: among a hundred photos a few always lie so near the border
between two classes that any change turns them, to either side.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.engines import engine_named
from ..engine.quantization import QuantizationRanges, shipped
from ..errors import UnknownName
from ..features.extract import FeatureObserver, extract
from ..features.store import ResultStore
from ..network import Network
from ..photos.doctor.checkup import TEST, Checkup, examine_entries
from ..photos.doctor.usable import UsablePhoto
from ..photos.sources.source import Source
from .folds import Ints
from .head import held_out_logits, select
from .metrics import best_temperature, softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..photos.sources.folder import Entry

    Floats = NDArray[np.float32]
    Logits = NDArray[np.floating[Any]]
    Features = Mapping[str, Floats]

ASKED = ("fp32", "int8", "auto")
LEAST_COSINE = 0.995
MOST_LOST = 0.005  # of the right class's probability: half a point
SAMPLE = 96  # photos that both precisions see
CALIBRATING = 32  # others, for weights that come without a calibration
FEWEST = 512  # photos; fewer are done before the check has paid
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Comparison:
    """int8 against fp32.

    ``cosines``: address -> of the features, mean over the photos.  ``judged``: photos whose class both were asked for
    by heads that had not seen them; ``probabilities``: of the right class, mean over those, in fp32 and in int8, and
    ``error``, the standard error of their difference; ``right``: how many were right, in fp32 and in int8; ``lost``,
    ``won``: how many only fp32, and only int8, was right about.
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
        """The module whose features turn the most, and their cosine."""
        return min(self.cosines.items(), key=lambda item: item[1])

    @property
    def loss(self) -> float:
        """How much less probability int8 gives to the right class."""
        return self.probabilities[0] - self.probabilities[1]

    @property
    def passes(self) -> bool:
        """Whether int8 will do."""
        return self.worst[1] >= LEAST_COSINE and self.loss <= MOST_LOST

    @property
    def interval(self) -> tuple[float, float]:
        """What int8 adds to the accuracy, 95 %: Agresti and Min's adjusted interval for pairs (Stat. Med. 2005)."""
        lost, won, pairs = self.lost + 0.5, self.won + 0.5, self.judged + 2
        middle = (won - lost) / pairs
        reach = NORMAL_95 * math.sqrt(won + lost - (won - lost) ** 2 / pairs) / pairs
        return middle - reach, middle + reach

    def __str__(self) -> str:
        """In a sentence."""
        address, cosine = self.worst
        said = f"features of {self.photos} photos have a cosine of {cosine:.4f} or more to those of fp32 ({address})"
        if not self.judged:
            return f"{said}; there are too few photos to compare what heads make of them"
        sure, less = self.probabilities
        low, high = self.interval
        return (
            f"{said}; held out, the right class of {self.judged} of them has a mean probability of {less:.2%}, with fp32 "
            f"{sure:.2%} (standard error of the difference {100 * self.error:.2f} points); decided by these two: the cosine is "
            f"to be at least {LEAST_COSINE}, the probability lower by at most {100 * MOST_LOST} points; not by how many are "
            f"right, {self.right[1]} and {self.right[0]}, by which int8 adds between {low:+.1%} and {high:+.1%} to the accuracy (95 %)"
        )


def choose_precision(
    network: Network,
    engine: str,
    asked: str,
    source: Source,
    addresses: Sequence[str],
    seed: int,
    store: ResultStore,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Network, tuple[str, ...]]:
    """The network to compute a folder's features with, and what is to be said about its precision.

    Nothing is said of folders that cannot be trained on: the doctor will say why.

    Args:
        network: in single precision.
        engine: what is to compute, as it was asked for.
        asked: ``fp32``; ``int8``, which is taken if it passes the comparison; or ``auto``, which asks that only of
            folders large enough to gain by it.
        source: the photos; a sample of them is looked at, as the doctor would, but never of a given test set.
        addresses: the tensors whose features are wanted.
        seed: of the folds.
        store: where features and findings are kept.
        progress: told how many photos of the sample are done, and of how many.

    Raises:
        UnknownName: no such precision.
        OptionError: the engine has no int8.
    """
    if asked not in ASKED:
        raise UnknownName("precision", asked, ASKED)
    files = {} if asked == "fp32" else photo_files(entry for entry in source.entries if entry.split != TEST)
    if len(files) < 2:
        return network, ()
    count = sum(map(len, files.values()))
    if asked == "auto" and count < FEWEST:
        return network, (f"precision: fp32, since {count} photos (by their names) are done before int8 is checked",)
    calibration = shipped(network.weights)
    entries = stratified_sample(files, SAMPLE if calibration else SAMPLE + CALIBRATING)
    checkup = examine_entries(source.place, entries, progress, store, FeatureObserver(network, addresses, store))
    if len({photo.entry.label for photo in checkup.usable[:SAMPLE]}) < 2:
        return network, (f"precision: fp32, since int8 was to be checked on {len(entries)} photos that are of no use",)
    calibration = calibration or calibrated(network, checkup.usable)
    small = Network(
        engine_named(engine, network.weights, "int8", calibration), network.preprocess, auto=engine == "auto"
    )
    found = compare(network, small, checkup, addresses, seed, store, progress)
    if found.passes:
        network.close()
        return small, (f"precision: int8: {found}",)
    small.close()
    return network, (f"precision: fp32, since int8 is too far off here: {found}",)


def calibrated(network: Network, usable: Sequence[UsablePhoto]) -> QuantizationRanges:
    """A calibration on photos that are not compared, unless there are no others."""
    others = usable[SAMPLE:] or usable[:CALIBRATING]
    return network.calibrate(photo.entry.path for photo in others)


def compare(
    network: Network,
    small: Network,
    checkup: Checkup,
    addresses: Sequence[str],
    seed: int,
    store: ResultStore,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """``small`` beside ``network`` on a sample of a folder."""
    sample = checkup.usable[:SAMPLE]
    photos = [(photo.entry.path, photo.pixels_sha256) for photo in sample]
    exact = extract(network, photos, addresses, store)  # stored while the sample was decoded
    rounded = extract(small, photos, addresses, store, progress)
    labels = np.unique([photo.entry.label for photo in sample], return_inverse=True)[1].astype(np.int64)
    groups = np.array([photo.group for photo in sample], np.int64)
    return compare_held_out(exact, rounded, *held_out(exact, rounded, labels, groups, seed))


def held_out(exact: Features, rounded: Features, labels: Ints, groups: Ints, seed: int) -> tuple[Logits, Logits, Ints]:
    """(M, classes) twice: what heads on fp32's features, and on int8's, say of photos that they have not seen; (M,) labels."""
    selection = select(exact, labels, groups, seed)  # fp32 chooses for both: if that favours one, it is not int8
    logits = [held_out_logits(features, labels, groups, selection, seed) for features in (exact, rounded)]
    tested = ~np.isnan(np.concatenate(logits, axis=1)).any(axis=1)
    return logits[0][tested], logits[1][tested], labels[tested]


def compare_held_out(exact: Features, rounded: Features, sure: Logits, less: Logits, labels: Ints) -> Comparison:
    """What features, and what logits (M, classes) of held-out photos of classes ``labels``, say of both precisions.

    Logits become probabilities at the temperature that fits all of them together, so that neither is favoured.
    """
    temperature = best_temperature(np.concatenate([sure, less]), np.tile(labels, 2))
    rows = np.arange(len(labels))
    one, other = (softmax(each / temperature)[rows, labels] for each in (sure, less))
    right, still = (each.argmax(axis=1) == labels for each in (sure, less))
    judged = max(1, len(labels))
    return Comparison(
        photos=len(next(iter(exact.values()))),
        cosines={address: float(cosines(exact[address], rounded[address]).mean()) for address in exact},
        judged=len(labels),
        probabilities=(float(one.sum()) / judged, float(other.sum()) / judged),
        error=float(np.std(one - other, ddof=1)) / math.sqrt(judged) if len(labels) > 1 else 0.0,
        right=(int(right.sum()), int(still.sum())),
        lost=int((right & ~still).sum()),
        won=int((still & ~right).sum()),
    )


def cosines(exact: Floats, rounded: Floats) -> NDArray[np.float64]:
    """(N,) of each photo's features (N, C); one where both are all zeros."""
    one, other = exact.astype(np.float64), rounded.astype(np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    found: NDArray[np.float64] = np.where(
        lengths > 0, (one * other).sum(axis=1) / np.where(lengths > 0, lengths, 1), 1.0
    )
    found[(lengths == 0) & (one.any(axis=1) | other.any(axis=1))] = 0.0
    return found


BEGINNING = 1 << 16  # bytes; of files of one size, until there are enough


FEWEST_OF_A_CLASS = 4
"""So that heads that have not seen one of them have seen others; rather fewer classes than fewer of each."""


def photo_files(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Class -> its files that are named like photos; where a class has none of those, all that anybody might see."""
    files: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.label and not entry.hidden:
            files.setdefault(entry.label, []).append(entry)
    return {label: [each for each in some if each.named_photo] or some for label, some in files.items()}


def stratified_sample(files: Mapping[str, Sequence[Entry]], count: int) -> list[Entry]:
    """At most ``count`` of the files of all classes: one of each class in turn, until there are enough.

    Where there are so many classes that a few of each would be too many, only some classes are drawn from.
    """
    labels = sorted(sorted(files, key=digest)[: max(2, count // FEWEST_OF_A_CLASS)])
    return list(islice(interleaved([hash_order(files[label]) for label in labels]), count))


def interleaved(queues: Sequence[Iterator[Entry]]) -> Iterator[Entry]:
    """The first of each queue, the second of each, and so on until all are empty."""
    while queues:
        heads = [(queue, next(queue, None)) for queue in queues]
        yield from (entry for _, entry in heads if entry)
        queues = [queue for queue, entry in heads if entry]


def hash_order(entries: Iterable[Entry]) -> Iterator[Entry]:
    """One class's files; no more of them are opened than are asked for, and those that are of one size with them."""
    sized = sorted(((digest(str(size(entry.path))), entry) for entry in entries), key=lambda each: each[0])
    for _, same in groupby(sized, key=lambda each: each[0]):
        tied = [entry for _, entry in same]
        yield from tied if len(tied) == 1 else sorted(tied, key=lambda entry: (hash_of_start(entry.path), entry.file))


def digest(text: str) -> str:
    """A hexadecimal number that follows from ``text``, as good as random."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def size(path: Path) -> int:
    """Bytes of a file; none where there is nothing to read."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def hash_of_start(path: Path) -> str:
    """A hash of a file's first bytes; empty where there is nothing to read."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return ""
        with path.open("rb") as file:
            return hashlib.sha256(file.read(BEGINNING)).hexdigest()
    except OSError:
        return ""
