"""Propagates the value of a filter at a cell back through one or more convolutions, as coefficients on earlier tensors.

A level is a convolution and the concatenations, pools and normalisations before it, up to the ReLUs of earlier convolutions.
For a given photo, a ReLU returns either its input or zero, so a filter's value is linear in the tensors of each level.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...blueprint.ops import Conv, Norm, Pool
from ...weights.file import Parameters
from .patch import Patch, before_average, before_conv, before_max, norm_factors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...blueprint.sites import Site

    Floats = NDArray[np.float32]
    Values = Mapping[int, Floats]
    """Index of a site -> its output (C, H, W); the output of a convolution is after the ReLU."""


@dataclass
class Level:
    """The value of the filter as ``bias`` + Σ coefficient · value over the tensors in ``reads``.

    ``reads``: index of a site -> the coefficients on its output; empty if all filters in between are inactive.  ``depth``: the
    number of convolutions between these tensors and the value.  ``crossed_norm``: whether the factors of a local response
    normalisation were treated as constants.
    """

    reads: dict[int, Patch]
    bias: float = 0.0
    depth: int = 1
    crossed_norm: bool = False

    def add(self, index: int, patch: Patch) -> None:
        """Add coefficients on the output of a site."""
        self.reads[index] = self.reads[index] + patch if index in self.reads else patch


@dataclass(frozen=True)
class Back:
    """Computes levels from the ``values`` of one photo."""

    sites: Sequence[Site]
    values: Values
    parameters: Parameters

    def start(self, site: Site, channel: int, cell: tuple[int, int]) -> Level:
        """The first level: the coefficients on the input of a convolution, for one filter at one cell."""
        kernel, shift = self.folded(site, channel)
        op, source = conv_of(site), site.inputs[0]
        grid = self.sites[source].shape[1:]
        return Level({source: before_conv(op, kernel, Patch(*cell, np.ones((1, 1, 1))), grid)}, float(shift[0]))

    def further(self, first: Level, depth: int, most: int) -> Level:
        """The level ``depth`` convolutions back; ``first`` is level 1.

        ``most``: the number of convolutions on the longest path; from this depth on, the level reads only the photo.
        """
        if depth >= most:
            return self.photo(first, most)
        level = first
        for _ in range(depth - 1):
            level = self.next(level)
        return level

    def next(self, level: Level) -> Level:
        """One level further back.

        Each convolution in ``level.reads`` is replaced, at the cells where its ReLU is active, by the weighted sum of its inputs.
        """
        later = Level({}, level.bias, level.depth + 1, level.crossed_norm)
        for index, patch in self.convolutions(level.reads, later).items():
            site = self.sites[index]
            if site.is_photo_step:
                later.add(index, patch)
            else:
                self.enter(site, patch.scaled(self.values[index] > 0), later)
        return later

    def photo(self, level: Level, depth: int) -> Level:
        """The level that reads only the photo, computed in one pass over the network; ``depth`` is stored in the level."""
        last = Level(dict(level.reads), level.bias, depth, level.crossed_norm)
        while last.reads and not self.sites[max(last.reads)].is_photo_step:
            site = self.sites[max(last.reads)]  # all of its readers have been replaced
            patch = last.reads.pop(site.index)
            if site.kind == "conv":
                self.enter(site, patch.scaled(self.values[site.index] > 0), last)
            else:
                self.cross(site, patch, last)
        return last

    def enter(self, site: Site, patch: Patch, later: Level) -> None:
        """Add the inputs of a convolution and its bias to ``later``.

        ``patch``: the coefficients on the convolution's output, zero where its ReLU is inactive.
        """
        if not patch.values.any():
            return
        kernel, shift = self.folded(site)
        later.bias += float(patch.values.sum(axis=(1, 2)) @ shift)
        source = site.inputs[0]
        later.add(source, before_conv(conv_of(site), kernel, patch, self.sites[source].shape[1:]))

    def convolutions(self, reads: Mapping[int, Patch], later: Level) -> dict[int, Patch]:
        """``reads`` propagated back through all other operations to the nearest convolutions (or the photo)."""
        pending, found = Level(dict(reads)), {}
        while pending.reads:
            site = self.sites[max(pending.reads)]  # all of its readers have been replaced
            patch = pending.reads.pop(site.index)
            if site.kind == "conv" or site.is_photo_step:
                found[site.index] = patch
            else:
                self.cross(site, patch, pending)
        later.crossed_norm |= pending.crossed_norm
        return found

    def cross(self, site: Site, patch: Patch, pending: Level) -> None:
        """Add the inputs of a concatenation, a pool or a normalisation to ``pending``."""
        pending.crossed_norm |= site.kind == "norm"
        for source, part in self.before(site, patch):
            pending.add(source, part)

    def before(self, site: Site, patch: Patch) -> Iterator[tuple[int, Patch]]:
        """The coefficients on each input of a concatenation, a pool or a normalisation."""
        source = site.inputs[0]
        if isinstance(site.op, Norm):
            yield source, patch.scaled(norm_factors(site.op, self.values[source]))
        elif isinstance(site.op, Pool) and site.op.reduce == "max":
            yield source, before_max(site.op, patch, self.values[source])
        elif isinstance(site.op, Pool):
            yield source, before_average(site.op, patch, self.sites[source].shape[1:])
        else:
            first = 0
            for joined in site.inputs:
                end = first + self.sites[joined].shape[0]
                yield joined, patch.channels(first, end)
                first = end

    def folded(self, site: Site, channel: int | None = None) -> tuple[Floats, Floats]:
        """The kernel (out, in, height, width) multiplied by the scale of batch normalisation, and the shift (out,).

        With ``channel``, only this output channel.
        """
        norm = self.parameters.batchnorm(site)
        filters = slice(None) if channel is None else slice(channel, channel + 1)
        kernel = self.parameters.kernel(site)[filters] * norm.scale[filters, None, None, None]
        return kernel, norm.shift[filters]


def conv_of(site: Site) -> Conv:
    """The operation of a convolution's site; raises ``TypeError`` for any other site."""
    if not isinstance(site.op, Conv):
        raise TypeError(f"{site.address} is a {site.kind}, not a convolution")
    return site.op


def needed(sites: Sequence[Site], site: Site, depth: int) -> set[int]:
    """The sites whose values are needed to go back ``depth`` levels from ``site``.

    The values are needed as terms, to see which ReLUs are active, or to find the maxima of pools.
    """
    reads, inner = {site.inputs[0]}, set[int]()
    for _ in range(depth - 1):
        if all(sites[index].is_photo_step for index in reads):
            break
        behind = set(through(sites, reads))
        convolutions = {index for index in behind if sites[index].kind == "conv"}
        inner |= convolutions
        inner |= {sites[index].inputs[0] for index in behind if needs_input(sites[index])}
        reads = {sites[index].inputs[0] for index in convolutions} | {
            index for index in behind if sites[index].is_photo_step
        }
    return reads | inner


def longest(sites: Sequence[Site], site: Site) -> int:
    """The number of convolutions on the longest path from the photo to ``site``, including ``site``."""
    lengths: dict[int, int] = {}
    for each in sites[: site.index + 1]:
        before = max((lengths[source] for source in each.inputs), default=0)
        lengths[each.index] = before + (each.kind == "conv")
    return lengths[site.index]


def needs_input(site: Site) -> bool:
    """Whether propagating back through ``site`` depends on the values of its input."""
    return isinstance(site.op, Norm) or (isinstance(site.op, Pool) and site.op.reduce == "max")


def through(sites: Sequence[Site], indices: Iterable[int]) -> Iterator[int]:
    """Yield these sites and the sites before them, up to the nearest convolutions or the photo."""
    waiting, seen = list(indices), set[int]()
    while waiting:
        index = waiting.pop()
        if index in seen:
            continue
        seen.add(index)
        yield index
        if sites[index].kind != "conv" and not sites[index].is_photo_step:
            waiting.extend(sites[index].inputs)
