"""The one walk over a network: every site in program order, with its shape, cost and receptive field.

A site is one operation at its place: a convolution (with batch normalisation and ReLU), a pool, a
concatenation, or a step between the photo and the network.  All that godeeper says of a network
(names, tables, diagrams, graphs, the mapping of weights) is derived from this walk.

Receptive fields follow Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural
Networks" (Distill, 2019), height and width apart, because a 1x7 widens only one of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from ..errors import OptionError
from .names import Names, Place, Placed, name_places
from .ops import Conv, Fork, Network, Pool, Step

Kind = Literal[
    "jpeg", "decode", "cast", "expand", "resize", "subtract", "multiply",
    "conv", "pool", "concat", "average", "reshape", "dense", "softmax",
]  # fmt: skip

PHOTO_KINDS: tuple[Kind, ...] = ("jpeg", "decode", "cast", "expand", "resize", "subtract", "multiply")
"""What happens between the photo's bytes and the network's input, in order."""

SMALLEST_INPUT = 75  # below it the 8x8 grid has no cell left


@dataclass(frozen=True)
class Field:
    """What one cell of a tensor sees of the network's input, in pixels of that input.

    ``size``: (height, width) of the receptive field.  ``jump``: distance of neighbouring cells' centres.
    ``padding``: (height, width) by which the field of cell (0, 0) reaches over the border.
    """

    size: tuple[int, int] = (1, 1)
    jump: int = 1
    padding: tuple[int, int] = (0, 0)

    @property
    def centre(self) -> tuple[float, float]:
        """(y, x) of the middle of cell (0, 0)'s field."""
        y, x = ((size - 1) / 2 - padding for size, padding in zip(self.size, self.padding, strict=True))
        return y, x

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """(top, left, bottom, right) of what cell (row, column) sees; it may reach over the border."""
        top, left = (cell * self.jump - padding for cell, padding in zip((row, column), self.padding, strict=True))
        return top, left, top + self.size[0], left + self.size[1]


@dataclass(frozen=True)
class Site:
    """One operation of a network at its place.

    ``shape`` is (C, H, W) for one photo; a photo of unknown size has H = W = 0.  ``inputs`` are
    indices of sites.  ``macs`` are the multiply-adds of this operation alone.
    """

    index: int
    kind: Kind
    names: Names
    inputs: tuple[int, ...]
    shape: tuple[int, int, int]
    field: Field
    op: Conv | Pool | None = None
    macs: int = 0
    place: Place = dataclasses.field(default=Place(), repr=False)

    @property
    def address(self) -> str:
        """The 2015 name, or, for the joins that graph lacks, slim's."""
        return self.names.tf2015 or self.names.slim or ""


@lru_cache(maxsize=8)
def sites(network: Network, size: int | None = None) -> tuple[Site, ...]:
    """Every site of ``network`` in program order, for square photos of ``size`` pixels."""
    size = network.input_size if size is None else size
    if size < SMALLEST_INPUT:
        raise OptionError(f"input size {size} is too small: expected at least {SMALLEST_INPUT} pixels")
    walk = Walk()
    x = walk.photo(size)
    for position, op in enumerate(network.stem):
        x = walk.window(op, x, Place(step=position))
    for number, module in enumerate(network.modules):
        ends = []
        towers = 0
        for path, branch in enumerate(module.branches):
            end = x
            for position, step in enumerate(branch.steps):
                end = walk.step(step, end, Place(number, path, towers, position, branch=branch))
            ends.append(end)
            towers += len(branch.steps) > 1
        x = walk.join(ends, Place(number))
    walk.classifier(x, network.classes)
    named = name_places([Placed(site.place, site.kind, site.op, site.shape[1]) for site in walk.sites])
    return tuple(replace(site, names=names) for site, names in zip(walk.sites, named, strict=True))


class Walk:
    """Collects sites; each method adds one kind and answers its index."""

    def __init__(self) -> None:
        self.sites: list[Site] = []

    def add(
        self,
        kind: Kind,
        inputs: Sequence[int],
        shape: tuple[int, int, int],
        field: Field,
        place: Place,
        op: Conv | Pool | None = None,
        macs: int = 0,
    ) -> int:
        self.sites.append(Site(len(self.sites), kind, Names(), tuple(inputs), shape, field, op, macs, place))
        return len(self.sites) - 1

    def photo(self, size: int) -> int:
        """The steps from a JPEG to the network's input."""
        for position, kind in enumerate(PHOTO_KINDS):
            sized = size if kind in ("resize", "subtract", "multiply") else 0
            last = self.add(kind, [position - 1] if position else [], (3, sized, sized), Field(), Place())
        return last

    def step(self, step: Step, source: int, place: Place) -> int:
        if isinstance(step, Fork):
            arms = [self.window(conv, source, replace(place, arm=number)) for number, conv in enumerate(step.convs)]
            return self.join(arms, place)
        return self.window(step, source, place)

    def window(self, op: Conv | Pool, source: int, place: Place) -> int:
        """A convolution or a pool."""
        (channels, *grid), seen = self.sites[source].shape, self.sites[source].field
        border = tuple((k - 1) // 2 if op.padding == "SAME" else 0 for k in op.kernel)
        height, width = (
            (cells + 2 * pad - kernel) // op.stride + 1
            for cells, pad, kernel in zip(grid, border, op.kernel, strict=True)
        )
        field = Field(
            size=add_each(seen.size, ((k - 1) * seen.jump for k in op.kernel)),
            jump=seen.jump * op.stride,
            padding=add_each(seen.padding, (pad * seen.jump for pad in border)),
        )
        if isinstance(op, Pool):
            return self.add("pool", [source], (channels, height, width), field, place, op)
        macs = op.filters * channels * op.kernel[0] * op.kernel[1] * height * width
        return self.add("conv", [source], (op.filters, height, width), field, place, op, macs)

    def join(self, ends: Sequence[int], place: Place) -> int:
        """A concatenation along the channels; it sees what the branch that sees most does."""
        joined = [self.sites[end] for end in ends]
        channels = sum(site.shape[0] for site in joined)
        size = max(s.field.size[0] for s in joined), max(s.field.size[1] for s in joined)
        padding = max(s.field.padding[0] for s in joined), max(s.field.padding[1] for s in joined)
        field = Field(size, joined[0].field.jump, padding)
        return self.add("concat", ends, (channels, *joined[0].shape[1:]), field, place)

    def classifier(self, source: int, classes: int) -> None:
        """Global average, reshape, fully connected layer, softmax."""
        (channels, *grid), seen = self.sites[source].shape, self.sites[source].field
        size = add_each(seen.size, ((cells - 1) * seen.jump for cells in grid))
        field = Field(size, seen.jump, seen.padding)
        pooled = self.add("average", [source], (channels, 1, 1), field, Place())
        flat = self.add("reshape", [pooled], (channels, 1, 1), field, Place())
        logits = self.add("dense", [flat], (classes, 1, 1), field, Place(), macs=channels * classes)
        self.add("softmax", [logits], (classes, 1, 1), field, Place())


def add_each(pair: tuple[int, int], more: Iterable[int]) -> tuple[int, int]:
    """The sum of two pairs, part by part."""
    first, second = more
    return pair[0] + first, pair[1] + second


def ancestors(every: Sequence[Site], wanted: Iterable[int]) -> list[int]:
    """The ``wanted`` sites and all that they are computed from: indices in program order."""
    found: set[int] = set()
    waiting = list(wanted)
    while waiting:
        index = waiting.pop()
        if index not in found:
            found.add(index)
            waiting.extend(every[index].inputs)
    return sorted(found)
