"""Whether 8 bits will do: int8 beside fp32 on some of one's own photos, before a whole folder is computed in it.

Two things are asked of int8: features that point where those of fp32 point, and heads that are as often right about
photos they have not seen.  Both precisions see the same photos in the same folds.  The second question has only as
good an answer as there are photos, and the answer says how good that is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..engine.calibration import Calibration, shipped
from ..engine.engines import engine_named
from ..errors import UnknownName
from ..network import Network
from ..photos.doctor import Checkup, Verdict
from .features import extract
from .folds import Ints
from .head import held_out_logits, select
from .store import FeatureStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Features = Mapping[str, Floats]

ASKED = ("fp32", "int8", "auto")
LEAST_COSINE = 0.995
MOST_LOST = 0.005  # of all photos: half a point of accuracy
SAMPLE = 128  # photos that both precisions see
CALIBRATING = 32  # others, for weights that come without a calibration
FEWEST = 512  # photos; fewer are done before the check has paid
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Comparison:
    """int8 against fp32.

    ``cosines``: address -> of the features, mean over the photos.  ``judged``: photos whose class both were asked for
    by heads that had not seen them; ``right``: how many were right, in fp32 and in int8; ``lost``, ``won``: how many
    only fp32, and only int8, was right about.
    """

    photos: int
    cosines: Mapping[str, float]
    judged: int
    right: tuple[int, int]
    lost: int
    won: int

    @property
    def worst(self) -> tuple[str, float]:
        """The module whose features turn the most, and their cosine."""
        return min(self.cosines.items(), key=lambda item: item[1])

    @property
    def passes(self) -> bool:
        """Whether int8 will do."""
        return self.worst[1] >= LEAST_COSINE and self.lost - self.won <= MOST_LOST * self.judged

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
            return f"{said}; there are too few photos to compare accuracies"
        shares = [right / self.judged for right in self.right]
        low, high = self.interval
        return (
            f"{said}; held out, {self.judged} of them are told apart with {shares[1]:.1%} accuracy, with fp32 {shares[0]:.1%}; "
            f"in truth int8 adds between {low:+.1%} and {high:+.1%} (95 %)"
        )


def settle(
    network: Network,
    engine: str,
    asked: str,
    checkup: Checkup,
    addresses: Sequence[str],
    seed: int,
    store: FeatureStore,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Network, tuple[str, ...]]:
    """The network to compute a folder's features with, and what is to be said about its precision.

    Args:
        network: in single precision.
        engine: what is to compute, as it was asked for.
        asked: ``fp32``; ``int8``, which is taken if it passes the comparison; or ``auto``, which asks that only of
            folders large enough to gain by it.
        checkup: of the folder.
        addresses: the tensors whose features are wanted.
        seed: of the folds.
        store: where features are kept.
        progress: told how many photos of the sample are done, and of how many.

    Raises:
        UnknownName: no such precision.
        OptionError: the engine has no int8.
    """
    if asked not in ASKED:
        raise UnknownName("precision", asked, ASKED)
    usable = checkup.usable
    if asked == "fp32":
        return network, ()
    if asked == "auto" and len(usable) < FEWEST:
        return network, (f"precision: fp32, since {len(usable)} photos are done before int8 is checked",)
    order = spread(usable)
    sample = order[:SAMPLE]
    calibration = shipped(network.weights) or calibrated(network, order)
    small = Network(engine_named(engine, network.weights, "int8", calibration), network.preprocess)
    found = compare(network, small, sample, checkup, addresses, seed, store, progress)
    if found.passes:
        network.close()
        return small, (f"precision: int8: {found}",)
    small.close()
    return network, (f"precision: fp32, since int8 is too far off here: {found}",)


def spread(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """All photos, those of one class as far from each other as they can be; by lot, but always the same."""
    seen: dict[str, int] = {}
    turns: list[tuple[int, int, Verdict]] = []
    for verdict in sorted(verdicts, key=lambda each: each.pixels_sha256 or ""):
        turns.append((seen.setdefault(verdict.entry.label, 0), len(turns), verdict))
        seen[verdict.entry.label] += 1
    return [verdict for _, _, verdict in sorted(turns, key=lambda turn: turn[:2])]


def calibrated(network: Network, order: Sequence[Verdict]) -> Calibration:
    """A calibration on photos that are not compared, unless there are no others."""
    others = order[SAMPLE : SAMPLE + CALIBRATING] or order[:CALIBRATING]
    return network.calibrate(verdict.entry.path for verdict in others)


def compare(
    network: Network,
    small: Network,
    sample: Sequence[Verdict],
    checkup: Checkup,
    addresses: Sequence[str],
    seed: int,
    store: FeatureStore,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """``small`` beside ``network`` on some photos of a folder."""
    photos = [(verdict.entry.path, verdict.pixels_sha256 or "") for verdict in sample]
    exact = extract(network, photos, addresses, store, progress)
    rounded = extract(small, photos, addresses, store, progress)
    numbers = {label: number for number, label in enumerate(checkup.classes)}
    labels = np.array([numbers[verdict.entry.label] for verdict in sample], np.int64)
    groups = np.array([checkup.groups[verdict.pixels_sha256 or ""] for verdict in sample], np.int64)
    sure, less = judged(exact, rounded, labels, groups, seed)
    return Comparison(
        photos=len(sample),
        cosines={address: float(cosines(exact[address], rounded[address]).mean()) for address in addresses},
        judged=len(sure),
        right=(int(sure.sum()), int(less.sum())),
        lost=int((sure & ~less).sum()),
        won=int((less & ~sure).sum()),
    )


def judged(
    exact: Features, rounded: Features, labels: Ints, groups: Ints, seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(M,) each: whether heads on fp32's features, and on int8's, are right about photos that they have not seen."""
    selection = select(exact, labels, groups, seed)  # fp32 chooses for both: if that favours one, it is not int8
    logits = [held_out_logits(features, labels, groups, selection, seed) for features in (exact, rounded)]
    tested = ~np.isnan(np.concatenate(logits, axis=1)).any(axis=1)
    sure, less = ((each[tested].argmax(axis=1) == labels[tested]) for each in logits)
    return sure, less


def cosines(exact: Floats, rounded: Floats) -> NDArray[np.float64]:
    """(N,) of each photo's features (N, C); one where both are all zeros."""
    one, other = exact.astype(np.float64), rounded.astype(np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    found: NDArray[np.float64] = np.where(
        lengths > 0, (one * other).sum(axis=1) / np.where(lengths > 0, lengths, 1), 1.0
    )
    found[(lengths == 0) & (one.any(axis=1) | other.any(axis=1))] = 0.0
    return found
