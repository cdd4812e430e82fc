"""Finds how far 8 bits should reach in each tensor: ``calibrate``.

Every photo goes through the network in single precision, twice: for the greatest values, then for a histogram up to
them.  A range ends where the squared error of rounding below it and of cutting above it is least.  Tensors that are only
copied into others share their range, so that copying stays copying: the parts of a join have the join's, and a max
pool has that of its input.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..blueprint.ops import Blueprint, Pool
from ..blueprint.sites import Site, sites
from ..engine.onnxruntime import OnnxRuntimeEngine
from ..engine.plan import NETWORK_INPUT, Key, name, output, plan
from ..engine.quantization import QuantizationRanges
from ..errors import OptionError
from ..photos.decode import decode
from ..photos.doctor.fingerprint import pixel_hash
from ..photos.preprocess import Preprocess
from ..weights.file import WeightsFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

ROUNDED = ("conv", "pool", "concat", "norm")
BINS = 2048
FIRST_END, STEP = 64, 8  # the ends that are tried, in bins
METHOD = "least squared error"
EIGHT_BITS = 255


def calibrate(weights: WeightsFile, preprocess: Preprocess, photos: Iterable[Any]) -> QuantizationRanges:
    """A calibration of ``weights`` for photos like these.

    Args:
        weights: of the network.
        preprocess: what is done to photos first.
        photos: paths, or whatever else can be decoded, some dozens; each is 1 MB of memory meanwhile.

    Raises:
        OptionError: there are no photos.
        PhotoError: one cannot be decoded.
    """
    inputs: list[Floats] = []
    hashes: list[str] = []
    for each in photos:
        photo = decode(each)
        inputs.append(preprocess(photo))
        hashes.append(pixel_hash(photo))
    if not inputs:
        raise OptionError("no photos to calibrate with: give some dozens that are like those to come")
    counts = Counts(weights, inputs)
    best = {address: best_end(counts.histograms[address], top) for address, top in counts.greatest.items()}
    ranges = {address: (0.0, high) for address, high in shared(weights.network, best).items()}
    return QuantizationRanges(weights.sha256, ranges, METHOD, tuple(hashes))


class Counts:
    """The greatest value of each tensor, and a histogram of its values up to that."""

    def __init__(self, weights: WeightsFile, inputs: Sequence[Floats]) -> None:
        self.steps = plan(weights.network, rounded_keys(weights.network))
        self.names = [name(sites(weights.network), key) for key in self.steps.fetched]
        self.greatest = dict.fromkeys(self.names, 0.0)
        self.histograms = {address: np.zeros(BINS, np.int64) for address in self.names}
        runner = OnnxRuntimeEngine(weights)
        for address, values in self.values(runner, inputs):
            self.greatest[address] = max(self.greatest[address], float(values.max()))
        self.greatest = {address: top or 1.0 for address, top in self.greatest.items()}  # one is as good for zeros
        for address, values in self.values(runner, inputs):
            places = (values.ravel() * np.float32(BINS / self.greatest[address])).astype(np.int32)
            self.histograms[address] += np.bincount(np.minimum(places, BINS - 1), minlength=BINS)

    def values(self, runner: OnnxRuntimeEngine, inputs: Sequence[Floats]) -> Iterator[tuple[str, Floats]]:
        """Every tensor of every photo in turn."""
        for planes in inputs:
            found = runner.run(self.steps, {NETWORK_INPUT: planes})
            yield from zip(self.names, found.values(), strict=True)


def rounded_keys(network: Blueprint) -> list[Key]:
    """What is rounded: all that convolutions may take, apart from the photo."""
    return [output(site) for site in sites(network) if site.kind in ROUNDED]


def best_end(histogram: NDArray[np.int64], top: float) -> float:
    """Where a range had best end: (BINS,) counts of values from 0 to ``top``."""
    counts = histogram.astype(np.float64)
    counts[0] = 0  # zero is kept exactly, and so are most of these
    middles = (np.arange(BINS) + 0.5) / BINS
    ends = np.append(np.arange(FIRST_END, BINS, STEP), BINS) / BINS
    errors = [
        counts[middles <= end].sum() * (end / EIGHT_BITS) ** 2 / 12
        + (counts[middles > end] * (middles[middles > end] - end) ** 2).sum()
        for end in ends
    ]
    return float(ends[int(np.argmin(errors))] * top)


def shared(network: Blueprint, ends: Mapping[str, float]) -> dict[str, float]:
    """The ends with those of parts and of max pools replaced by the end they share."""
    every = sites(network)
    found = dict(ends)
    for join in reversed([site for site in every if site.kind == "concat"]):  # a part may be a join itself
        for part in join.inputs:
            found[name(every, output(every[part]))] = found[name(every, output(join))]
    for site in every:
        if is_max_pool(site) and not any(site.index in other.inputs for other in every if other.kind == "concat"):
            found[name(every, output(site))] = found[name(every, output(every[site.inputs[0]]))]
    return found


def is_max_pool(site: Site) -> bool:
    """Whether ``site`` only picks from its input."""
    return isinstance(site.op, Pool) and site.op.reduce == "max"
