"""``Patch``: coefficients on a window of a tensor's map, and functions that propagate them back through one operation.

A patch represents the sum Σ coefficient · value over a window of a tensor.  Each function here takes the coefficients on an
operation's output and returns the coefficients on its input that give the same sum.  A max pool is linear if the position of
each maximum is fixed, and a local response normalisation is linear if its factors are fixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from ...blueprint.ops import Pool, borders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ...blueprint.ops import Conv, Norm

    Doubles = NDArray[np.float64]
    Floats = NDArray[np.float32]

Grid = tuple[int, int]
Window = tuple[slice, slice]


@dataclass(frozen=True)
class Patch:
    """Coefficients ``values`` (C, h, w) float64 on a window of a map, whose first cell is (``top``, ``left``)."""

    top: int
    left: int
    values: Doubles

    @property
    def window(self) -> Window:
        """The rows and columns of the map."""
        height, width = self.values.shape[1:]
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(top, left, bottom, right) in cells, exclusive at the end."""
        rows, columns = self.window
        return rows.start, columns.start, rows.stop, columns.stop

    def of(self, planes: Floats) -> Doubles:
        """Coefficient · value for each cell of the window, (C, h, w) float64; ``planes``: (C, H, W), the whole map."""
        products: Doubles = self.values * planes[:, *self.window]
        return products

    def scaled(self, factors: Doubles | NDArray[np.bool_]) -> Patch:
        """Multiply each coefficient by the factor of its cell; ``factors``: (C, H, W), for the whole map."""
        return Patch(self.top, self.left, self.values * factors[:, *self.window])

    def channels(self, first: int, end: int) -> Patch:
        """The coefficients of some of the channels."""
        return Patch(self.top, self.left, self.values[first:end])

    def __add__(self, other: Patch) -> Patch:
        """The sum of two patches, on the smallest window that contains both."""
        boxes = self.box, other.box
        top, left = (min(box[side] for box in boxes) for side in (0, 1))
        bottom, right = (max(box[side] for box in boxes) for side in (2, 3))
        total = np.zeros((len(self.values), bottom - top, right - left))
        for patch in (self, other):
            rows, columns = patch.window
            total[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] += patch.values
        return Patch(top, left, total)


class PaddedInput:
    """The padded input of a sliding-window operation, or only the region on which a block of its outputs depends.

    Args:
        op: the operation.
        grid: height and width of the input without padding.
        start: the first output.
        outputs: height and width of the outputs.
    """

    def __init__(self, op: Conv | Pool, grid: Grid, start: Grid, outputs: Grid) -> None:
        (above, _), (before, _) = borders(op, grid)
        self.op, self.outputs = op, outputs
        # The first cell of this input in the map; negative in the padding.
        self.top, self.left = start[0] * op.stride - above, start[1] * op.stride - before
        height, width = ((count - 1) * op.stride + kernel for count, kernel in zip(outputs, op.kernel, strict=True))
        self.shape: Grid = (height, width)
        self.inside: Window = (  # the rows and columns that are not padding
            slice(max(-self.top, 0), min(height, grid[0] - self.top)),
            slice(max(-self.left, 0), min(width, grid[1] - self.left)),
        )

    @classmethod
    def read_by(cls, outputs: Patch, op: Conv | Pool, grid: Grid) -> PaddedInput:
        """The region of the input on which the outputs in a patch depend."""
        _, height, width = outputs.values.shape
        return cls(op, grid, (outputs.top, outputs.left), (height, width))

    def taps(self) -> Iterator[tuple[tuple[int, int], Window]]:
        """Yield each position in the kernel, row by row, and the cells that it reads for all outputs."""
        stride = self.op.stride
        height, width = ((count - 1) * stride + 1 for count in self.outputs)
        for row, column in product(*map(range, self.op.kernel)):
            yield (row, column), (slice(row, row + height, stride), slice(column, column + width, stride))

    def patch(self, values: Doubles) -> Patch:
        """The patch of coefficients (C, *shape) on this input, without the padding."""
        rows, columns = self.inside
        return Patch(self.top + rows.start, self.left + columns.start, values[:, rows, columns])

    def padded(self, planes: Floats, padding: float) -> Floats:
        """The values of this input, cut from ``planes`` (C, H, W) and padded with ``padding``, as (C, *shape)."""
        values = np.full((len(planes), *self.shape), padding, np.float32)
        rows, columns = self.inside
        values[:, rows, columns] = planes[
            :, self.top + rows.start : self.top + rows.stop, self.left + columns.start : self.left + columns.stop
        ]
        return values

    def columns(self, planes: Floats, padding: float) -> Floats:
        """The values that each position in the kernel reads, (taps, C, *outputs)."""
        padded = self.padded(planes, padding)
        return np.stack([padded[:, *window] for _, window in self.taps()])

    def divisors(self) -> Doubles:
        """The divisors of an average pool for all outputs: the cells in each window, with padding if the pool counts it."""
        if isinstance(self.op, Pool) and self.op.counts_border:
            return np.full(self.outputs, float(np.prod(self.op.kernel)))
        cells = np.zeros(self.shape)
        cells[self.inside] = 1
        counts: Doubles = sum((cells[window] for _, window in self.taps()), np.zeros(self.outputs))
        return counts


def before_conv(op: Conv, kernel: Floats, outputs: Patch, grid: Grid) -> Patch:
    """The coefficients on a convolution's input, a map of ``grid`` cells.

    ``kernel``: (out, in, height, width), multiplied by the scale of batch normalisation.  This is a transposed convolution.
    """
    active = outputs.values.any(axis=(1, 2))
    weights, values = kernel[active].astype(np.float64), outputs.values[active]  # other filters add nothing
    read = PaddedInput.read_by(outputs, op, grid)
    spread = np.zeros((kernel.shape[1], *read.shape))
    for (row, column), window in read.taps():
        spread[:, *window] += np.tensordot(weights[:, :, row, column], values, axes=(0, 0))
    return read.patch(spread)


def before_average(op: Pool, outputs: Patch, grid: Grid) -> Patch:
    """The coefficients on an average pool's input: each coefficient is divided equally among the cells of its window."""
    read = PaddedInput.read_by(outputs, op, grid)
    shares = outputs.values / read.divisors()
    spread = np.zeros((len(shares), *read.shape))
    for _, window in read.taps():
        spread[:, *window] += shares
    return read.patch(spread)


def before_max(op: Pool, outputs: Patch, planes: Floats) -> Patch:
    """The coefficients on a max pool's input ``planes`` (C, H, W): each coefficient goes to the first maximum of its window."""
    read = PaddedInput.read_by(outputs, op, (planes.shape[1], planes.shape[2]))
    winners = read.columns(planes, -np.inf).argmax(axis=0)  # (C, h, w); the first of equal maxima, row by row
    spread = np.zeros((len(planes), *read.shape))
    for number, (_, window) in enumerate(read.taps()):
        spread[:, *window] += np.where(winners == number, outputs.values, 0)
    return read.patch(spread)


def pooled(op: Pool, planes: Floats, grid: Grid) -> Floats:
    """The output of a pool, (C, *grid) float32, for its input ``planes`` (C, H, W)."""
    read = PaddedInput(op, (planes.shape[1], planes.shape[2]), (0, 0), grid)
    if op.reduce == "max":
        greatest: Floats = read.columns(planes, -np.inf).max(axis=0)
        return greatest
    sums = read.columns(planes, 0).sum(axis=0, dtype=np.float64)
    means: Floats = (sums / read.divisors()).astype(np.float32)
    return means


def norm_factors(op: Norm, planes: Floats) -> Doubles:
    """The factors (C, H, W) by which local response normalisation multiplies ``planes`` (C, H, W)."""
    squares = np.pad(np.square(planes.astype(np.float64)), (((op.size - 1) // 2 + 1, op.size // 2), (0, 0), (0, 0)))
    sums = squares.cumsum(axis=0)
    near = sums[op.size :] - sums[: -op.size]
    factors: Doubles = (op.bias + op.alpha / op.size * near) ** -op.beta
    return factors
