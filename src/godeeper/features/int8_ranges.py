"""Calibrate 8-bit quantization: choose the range of each tensor from a few dozen photos.

The photos run through the network in single precision twice: first for the maximum of each tensor, then for a histogram
from 0 to that maximum.  The end of a range minimizes the squared error of rounding the values below it and clipping those
above.  Operations that only copy values share a range with their input, so that the copies are exact.  The inputs of a
concatenation have the range of its output, and a max pool has the range of its input.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..blueprint.ops import Blueprint, Pool
from ..blueprint.sites import Site, sites
from ..engine.onnxruntime import OnnxRuntimeEngine
from ..engine.plan import Key, name, output, plan
from ..engine.quantization import QuantizationRanges
from ..errors import OptionError
from ..photos.preprocess import Preprocess
from ..prefetch import ordered_map, pipelined
from ..weights.file import WeightsFile
from .pipeline import (
    ComputedBatch,
    Decode,
    Decoded,
    Forward,
    InputBatch,
    PhotoInfo,
    entries_of,
    input_batches,
    merged,
    require_readable,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Histograms = Mapping[str, NDArray[np.int64]]

ROUNDED = ("conv", "pool", "concat", "norm")
BINS = 2048
FIRST_END, STEP = 64, 8  # the first candidate for the end of a range, and the step between candidates, in bins
METHOD = "least squared error"
EIGHT_BITS = 255
AT_ONCE = 1
"""Photos per batch: all tensors of a batch are in memory, about 50 MB per photo."""


def calibrate(weights: WeightsFile, preprocess: Preprocess, photos: Iterable[Any]) -> QuantizationRanges:
    """The quantization ranges of ``weights`` for photos like these.

    Args:
        weights: the weights of the network.
        preprocess: the preprocessing of the photos.
        photos: paths, or anything else that ``decode`` accepts; a few dozen, because each photo takes 1 MB of memory.

    Raises:
        OptionError: there are no photos.
        PhotoError: a photo cannot be decoded.
    """
    with closing(ordered_map(Decode(preprocess, hash_pixels=True), entries_of(photos), alone=True)) as photos_read:
        decoded = list(require_readable(photos_read))
    if not decoded:
        raise OptionError("no photos to calibrate with: give a few dozen like those to be processed later")
    maxima, histograms = measure(weights, decoded)
    best = {address: best_end(histograms[address], top) for address, top in maxima.items()}
    ranges = {address: (0.0, high) for address, high in shared(weights.blueprint, best).items()}
    return QuantizationRanges(weights.sha256, ranges, METHOD, tuple(info.pixels_sha256 for info, _ in decoded))


def measure(weights: WeightsFile, decoded: Sequence[Decoded]) -> tuple[dict[str, float], Histograms]:
    """The maximum of each tensor over the photos, and the histogram (BINS,) of its values from 0 to that maximum."""
    all_sites = sites(weights.blueprint)
    keys = {name(all_sites, key): key for key in rounded_keys(weights.blueprint)}
    forward = Forward(OnnxRuntimeEngine(weights), plan(weights.blueprint, list(keys.values())))
    batches: list[InputBatch] = list(input_batches(decoded, AT_ONCE))
    with closing(pipelined(forward, batches)) as computed:
        maxima = merged(computed, ReduceToMaxima(keys), Maxima()).values
    maxima = {address: top or 1.0 for address, top in maxima.items()}  # for a tensor of zeros, any range is exact
    with closing(pipelined(forward, batches)) as computed:
        histograms = merged(computed, ReduceToHistograms(keys, maxima), Counts()).values
    return maxima, histograms


def decoded_inputs(inputs: Iterable[Floats]) -> list[Decoded]:
    """Network inputs (1, 3, size, size) in the form of the pipeline's decoded photos."""
    return [(PhotoInfo(position, ""), planes) for position, planes in enumerate(inputs)]


@dataclass
class Maxima:
    """Address -> maximum, at least 0, over a part of the photos."""

    values: dict[str, float] = field(default_factory=dict)

    def merge(self, other: Maxima) -> Maxima:
        for address, top in other.values.items():
            self.values[address] = max(self.values.get(address, 0.0), top)
        return self


@dataclass
class Counts:
    """Address -> histogram (BINS,) over a part of the photos."""

    values: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    def merge(self, other: Counts) -> Counts:
        for address, counts in other.values.items():
            self.values[address] = self.values[address] + counts if address in self.values else counts
        return self


@dataclass(frozen=True)
class ReduceToMaxima:
    """Reduces a batch of the first pass to maxima.  ``keys``: address -> key in the plan."""

    keys: Mapping[str, Key]

    def __call__(self, batch: ComputedBatch) -> Maxima:
        return Maxima({address: float(batch.values[key].max()) for address, key in self.keys.items()})


@dataclass(frozen=True)
class ReduceToHistograms:
    """Reduces a batch of the second pass to histograms.  ``keys``: address -> key in the plan; ``maxima``: address -> maximum."""

    keys: Mapping[str, Key]
    maxima: Mapping[str, float]

    def __call__(self, batch: ComputedBatch) -> Counts:
        return Counts(
            {address: self.histogram(batch.values[key], self.maxima[address]) for address, key in self.keys.items()}
        )

    def histogram(self, values: Floats, top: float) -> NDArray[np.int64]:
        """The histogram (BINS,) of values from 0 to ``top``."""
        bins = (values.ravel() * np.float32(BINS / top)).astype(np.int32)
        return np.bincount(np.minimum(bins, BINS - 1), minlength=BINS)


def rounded_keys(network: Blueprint) -> list[Key]:
    """The tensors that are rounded to 8 bits: all possible inputs of convolutions, except the photo."""
    return [output(site) for site in sites(network) if site.kind in ROUNDED]


def best_end(histogram: NDArray[np.int64], top: float) -> float:
    """The end of the range with the least squared error, for the histogram (BINS,) of values from 0 to ``top``."""
    counts = histogram.astype(np.float64)
    counts[0] = 0  # most values in this bin are zero, which is exact in 8 bits
    middles = (np.arange(BINS) + 0.5) / BINS
    ends = np.append(np.arange(FIRST_END, BINS, STEP), BINS) / BINS
    errors = [
        counts[middles <= end].sum() * (end / EIGHT_BITS) ** 2 / 12
        + (counts[middles > end] * (middles[middles > end] - end) ** 2).sum()
        for end in ends
    ]
    return float(ends[int(np.argmin(errors))] * top)


def shared(network: Blueprint, ends: Mapping[str, float]) -> dict[str, float]:
    """``ends``, changed so that the inputs of a concatenation have its end, and a max pool has its input's end."""
    all_sites = sites(network)
    result = dict(ends)
    joins = [site for site in all_sites if site.kind == "concat"]
    for join in reversed(joins):  # in reverse, because an input can itself be a concatenation
        for part in join.inputs:
            result[name(all_sites, output(all_sites[part]))] = result[name(all_sites, output(join))]
    for site in all_sites:
        if is_max_pool(site) and not any(site.index in other.inputs for other in all_sites if other.kind == "concat"):
            result[name(all_sites, output(site))] = result[name(all_sites, output(all_sites[site.inputs[0]]))]
    return result


def is_max_pool(site: Site) -> bool:
    """Whether all values of ``site`` are values of its input."""
    return isinstance(site.op, Pool) and site.op.reduce == "max"
