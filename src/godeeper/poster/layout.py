"""The layout of a poster: the position of every filter.  Nothing is drawn here.

The parts of the network (the photo, the stem, each module, the classifier) are bands from top to bottom.  Each tensor is a
block of its filters at native resolution.  The blocks of a band are side by side on a shelf, in program order.  If one
shelf would be too high, the blocks are split into several shelves, with the least total height.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..blueprint.address import Tensor

SIDE = 256  # of a Deep Zoom tile, in pixels
ASPECT = math.sqrt(2)  # height over width, as of A4 paper
MARGIN = 32
GAP = 14  # between blocks
BLOCK_HEAD = 20  # room for the name above a block
BAND_HEAD = 52  # room for the title above a band
LOWEST_SHELF, HIGHEST_SHELF = 96, 560


@dataclass(frozen=True)
class Block:
    """A tensor on the poster: its filters in ``rows`` and ``columns``, with the top left corner at (``left``, ``top``)."""

    tensor: Tensor
    left: int
    top: int
    rows: int
    columns: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in native pixels."""
        _, height, width = self.tensor.shape
        return self.rows * height, self.columns * width

    def corner(self, place: int) -> tuple[int, int]:
        """(left, top) of the filter number ``place``, from 0."""
        row, column = divmod(place, self.columns)
        _, height, width = self.tensor.shape
        return self.left + column * width, self.top + row * height


@dataclass(frozen=True)
class Shelf:
    """Blocks side by side; ``top`` and ``bottom`` include their headings."""

    top: int
    bottom: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Band:
    """A part of the network, with its title and its shelves."""

    title: str
    top: int
    shelves: tuple[Shelf, ...]


@dataclass(frozen=True)
class Layout:
    """A poster of ``width`` x ``height`` native pixels."""

    width: int
    height: int
    bands: tuple[Band, ...]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks, in program order."""
        return tuple(block for band in self.bands for shelf in band.shelves for block in shelf.blocks)


def lay_out_poster(parts: Mapping[str, Sequence[Tensor]]) -> Layout:
    """The layout of ``parts`` (title -> tensors), at the width whose aspect ratio is nearest to ``ASPECT``."""
    area = sum(math.prod(tensor.shape) for tensors in parts.values() for tensor in tensors)
    usual = math.ceil(math.sqrt(area / ASPECT) / SIDE)
    layouts = [lay_out_at(parts, SIDE * columns) for columns in range(usual, usual + 1 + max(2, usual // 4))]
    return min(layouts, key=lambda layout: abs(layout.height / layout.width - ASPECT))


def lay_out_at(parts: Mapping[str, Sequence[Tensor]], width: int) -> Layout:
    """The layout of ``parts`` at one width."""
    top = MARGIN
    bands = []
    for title, tensors in parts.items():
        shelves = []
        start = top
        top += BAND_HEAD
        for group in split(tensors, width - 2 * MARGIN):
            shelves.append(shelf(group, top, width - 2 * MARGIN))
            top = shelves[-1].bottom
        bands.append(Band(title, start, tuple(shelves)))
    return Layout(width, top + MARGIN, tuple(bands))


def shelf(tensors: Sequence[Tensor], top: int, room: int) -> Shelf:
    """The shelf of ``tensors`` with the least height at which it is at most ``room`` wide."""
    height = lowest(tensors, room)
    left = MARGIN
    blocks = []
    for tensor in tensors:
        rows, columns = grid_within(tensor, height)
        blocks.append(Block(tensor, left, top + BLOCK_HEAD, rows, columns))
        left += blocks[-1].size[1] + GAP
    bottom = max(block.top + block.size[0] for block in blocks)
    return Shelf(top, bottom + GAP, tuple(blocks))


def split(tensors: Sequence[Tensor], room: int) -> list[Sequence[Tensor]]:
    """The tensors of each shelf: all on one shelf or, if that is too high, split for the least total height."""
    if lowest(tensors, room) <= HIGHEST_SHELF:
        return [tensors]
    best: list[tuple[int, list[int]]] = [
        (0, [0])
    ]  # for the first n tensors: the total height, and the ends of the shelves
    for end in range(1, len(tensors) + 1):
        heights = [
            (best[start][0] + BLOCK_HEAD + GAP + lowest(tensors[start:end], room), start) for start in range(end)
        ]
        height, start = min(heights)
        best.append((height, [*best[start][1], end]))
    return [tensors[start:end] for start, end in pairwise(best[-1][1])]


def lowest(tensors: Sequence[Tensor], room: int) -> int:
    """The least height at which the blocks of ``tensors`` fit side by side into the width ``room``."""
    low, high = LOWEST_SHELF, max(LOWEST_SHELF, *(tensor.shape[0] * tensor.shape[1] for tensor in tensors))
    while low < high:
        middle = (low + high) // 2
        if breadth(tensors, middle) <= room:
            high = middle
        else:
            low = middle + 1
    return max(low, *(tensor.shape[1] for tensor in tensors))


def breadth(tensors: Sequence[Tensor], height: int) -> int:
    """The total width of the blocks, gaps included, if each is at most ``height`` high, or has one row."""
    widths = (grid_within(tensor, height)[1] * tensor.shape[2] for tensor in tensors)
    return sum(widths) + GAP * (len(tensors) - 1)


def grid_within(tensor: Tensor, height: int) -> tuple[int, int]:
    """(rows, columns) of a block that is at most ``height`` high, or has one row."""
    count, tall, _ = tensor.shape
    columns = math.ceil(count / max(1, min(height // tall, count)))
    return math.ceil(count / columns), columns
