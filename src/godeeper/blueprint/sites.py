"""The sites of a network: all its operations in program order, with shape, cost and receptive field.

A site is one operation at its place: a convolution (with batch normalisation and ReLU), a pool, a
concatenation, or a step between the photo and the network.  Names, tables, diagrams, graphs and the
mapping of weights are all derived from these sites.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from typing import Literal

from ..errors import OptionError
from .names import NamedPlace, Names, Place
from .names.conventions import family_conventions, name_places
from .names.inception_v3 import PHOTO_NAMES
from .ops import Blueprint, Fork, Module, Norm, Operation, Pool, Step, borders
from .receptive_field import Field, largest

Kind = Literal[
    "jpeg", "decode", "cast", "expand", "resize", "subtract", "multiply",
    "input", "conv", "pool", "norm", "concat", "average", "reshape", "dense", "softmax",
]  # fmt: skip

PHOTO_KINDS: tuple[Kind, ...] = ("jpeg", "decode", "cast", "expand", "resize", "subtract", "multiply")
"""The steps from the photo's bytes to the network's input, in order."""

MODULE_FAMILY = "module"
"""The family with the naming convention for the sites of a stand-alone module."""


@dataclass(frozen=True)
class Site:
    """One operation of a network.

    ``shape``: the output's (C, H, W) for one photo; H = W = 0 before the photo is resized.  ``inputs``: indices of the
    sites that it reads.  ``macs``: multiply-adds of this operation alone.
    """

    index: int
    kind: Kind
    names: Names
    inputs: tuple[int, ...]
    shape: tuple[int, int, int]
    field: Field
    op: Operation | None = None
    macs: int = 0
    place: Place = dataclasses.field(default=Place(), repr=False)
    family: str = dataclasses.field(default="", repr=False)

    @property
    def address(self) -> str:
        """The printed name; the photo's steps have the 2015 graph's names in every network."""
        return self.names.first or PHOTO_NAMES.get(self.kind, "")

    @property
    def is_photo_step(self) -> bool:
        """Whether this is a step between the photo's bytes and the network's input, which the engines do not compute."""
        return self.kind in PHOTO_KINDS


@lru_cache(maxsize=8)
def sites(blueprint: Blueprint, size: int | None = None) -> tuple[Site, ...]:
    """The sites of ``blueprint`` in program order, for an input of ``size`` x ``size`` pixels.

    Raises ``OptionError``, with the smallest possible size, if a grid would have no cells.
    """
    size = blueprint.input_size if size is None else size
    walk = walk_network(blueprint, size)
    if not walk.fits:
        smallest = next(pixels for pixels in count(max(size, 0) + 1) if walk_network(blueprint, pixels).fits)
        raise OptionError(f"input size {size} is too small: expected at least {smallest} pixels")
    return named(walk.sites, blueprint.family)


def module_sites(module: Module, shape: tuple[int, int, int]) -> tuple[Site, ...]:
    """The sites of a single module; the first one is its input of ``shape`` (C, H, W).

    Sites are named by branch (``3x3/conv_1``, ``join``), and receptive fields are measured in cells of the input.
    Raises ``OptionError`` if the input is too small.

    >>> from godeeper.blueprint.googlenet import reduced
    >>> [site.shape for site in module_sites(reduced(64, 96, 128, 16, 32, 32), (192, 28, 28))][-1]
    (256, 28, 28)
    """
    walk = Walk()
    walk.module(module, walk.add("input", [], shape, Field(), Place()), 0)
    if not walk.fits:
        raise OptionError(
            f"an input of {shape[1]}x{shape[2]} cells is too small: a branch of the module has no cells left"
        )
    return named(walk.sites, MODULE_FAMILY)


def walk_network(blueprint: Blueprint, size: int) -> Walk:
    """The walk over all of ``blueprint``, with sites that have no names yet."""
    walk = Walk()
    x = walk.photo(size)
    for position, op in enumerate(blueprint.stem):
        x = walk.window(op, x, Place(step=position))
    number = 0
    for position, part in enumerate(blueprint.modules, start=len(blueprint.stem)):
        if isinstance(part, Module):
            x = walk.module(part, x, number)
            number += 1
        else:
            x = walk.window(part, x, Place(step=position))
    walk.classifier(x, blueprint.classes)
    return walk


def named(all_sites: Sequence[Site], family: str) -> tuple[Site, ...]:
    """The sites with their names in the conventions of ``family``."""
    conventions = family_conventions(family)
    convention_names = [convention.name for convention in conventions]
    spelled = name_places(conventions, placed(all_sites))
    return tuple(
        replace(
            site,
            names=Names(tuple((c, next(iter(s), None)) for c, s in zip(convention_names, spellings, strict=True))),
            family=family,
        )
        for site, spellings in zip(all_sites, spelled, strict=True)
    )


def placed(all_sites: Iterable[Site]) -> list[NamedPlace]:
    """The properties of each site that determine its names."""
    return [NamedPlace(site.place, site.kind, site.op, site.shape[1]) for site in all_sites]


class Walk:
    """Appends sites to ``start``; each method adds one kind of site and returns the index of the last site added."""

    def __init__(self, start: Iterable[Site] = ()) -> None:
        self.sites = list(start)

    @property
    def fits(self) -> bool:
        """Whether every grid has at least one cell.  The photo's steps, whose size may be unknown, are not checked."""
        return all(min(site.shape[1:]) > 0 for site in self.sites if not site.is_photo_step)

    def add(
        self,
        kind: Kind,
        inputs: Sequence[int],
        shape: tuple[int, int, int],
        field: Field,
        place: Place,
        op: Operation | None = None,
        macs: int = 0,
    ) -> int:
        self.sites.append(Site(len(self.sites), kind, Names(), tuple(inputs), shape, field, op, macs, place))
        return len(self.sites) - 1

    def photo(self, size: int) -> int:
        """Add the steps from a JPEG to the network's input."""
        for position, kind in enumerate(PHOTO_KINDS):
            sized = size if kind in ("resize", "subtract", "multiply") else 0
            last = self.add(kind, [position - 1] if position else [], (3, sized, sized), Field(), Place())
        return last

    def module(self, module: Module, source: int, number: int) -> int:
        """Add all branches of a module, and their concatenation."""
        ends = []
        towers = 0
        for path, branch in enumerate(module.branches):
            end = source
            for position, step in enumerate(branch.steps):
                end = self.step(step, end, Place(number, path, towers, position, branch=branch))
            ends.append(end)
            towers += len(branch.steps) > 1
        return self.join(ends, Place(number))

    def step(self, step: Step, source: int, place: Place) -> int:
        """Add one step of a branch; for a fork, its convolutions and their concatenation."""
        if isinstance(step, Fork):
            arms = [self.window(conv, source, replace(place, arm=number)) for number, conv in enumerate(step.convs)]
            return self.join(arms, place)
        return self.window(step, source, place)

    def window(self, op: Operation, source: int, place: Place) -> int:
        """Add a convolution, a pool, or a normalisation across channels."""
        (channels, *grid), seen = self.sites[source].shape, self.sites[source].field
        if isinstance(op, Norm):
            return self.add("norm", [source], self.sites[source].shape, seen, place, op)
        border = borders(op, (grid[0], grid[1]))
        height, width = (
            (cells + sum(around) - kernel) // op.stride + 1
            for cells, around, kernel in zip(grid, border, op.kernel, strict=True)
        )
        (above, _), (left, _) = border
        field = seen.behind_window(op.kernel, op.stride, (above, left))
        if isinstance(op, Pool):
            return self.add("pool", [source], (channels, height, width), field, place, op)
        macs = op.filters * channels * op.kernel[0] * op.kernel[1] * height * width
        return self.add("conv", [source], (op.filters, height, width), field, place, op, macs)

    def join(self, ends: Sequence[int], place: Place) -> int:
        """Add a concatenation along the channels; its receptive field is the largest among its inputs."""
        joined = [self.sites[end] for end in ends]
        channels = sum(site.shape[0] for site in joined)
        field = largest([site.field for site in joined])
        return self.add("concat", ends, (channels, *joined[0].shape[1:]), field, place)

    def classifier(self, source: int, classes: int) -> None:
        """Add global average pool, flatten, fully connected layer and softmax."""
        (channels, *grid), seen = self.sites[source].shape, self.sites[source].field
        field = seen.of_grid((grid[0], grid[1]))
        pooled = self.add("average", [source], (channels, 1, 1), field, Place())
        flat = self.add("reshape", [pooled], (channels, 1, 1), field, Place())
        logits = self.add("dense", [flat], (classes, 1, 1), field, Place(), macs=channels * classes)
        self.add("softmax", [logits], (classes, 1, 1), field, Place())


def ancestors(all_sites: Sequence[Site], wanted: Iterable[int]) -> list[int]:
    """The indices of the ``wanted`` sites and of all sites that they depend on, in program order."""
    visited: set[int] = set()
    waiting = list(wanted)
    while waiting:
        index = waiting.pop()
        if index not in visited:
            visited.add(index)
            waiting.extend(all_sites[index].inputs)
    return sorted(visited)
