"""All filters of a tensor side by side, with a legend that states the scale exactly.

``lay_out`` arranges the channels in a grid without changing their values.  A ``Range`` has the values that are shown as
dark and as bright: one pair for all tiles, or one pair per tile.  A tile whose range is empty is dark.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OptionError, UnknownName

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

BLOG_ROWS = 8
PERCENTILE = 99.0


@dataclass(frozen=True)
class Range:
    """The values shown as dark (``low``) and bright (``high``): scalars shared by all tiles, or (C,) with one for each tile."""

    low: Floats
    high: Floats
    legend: str

    @property
    def is_shared(self) -> bool:
        return self.low.ndim == 0


@dataclass(frozen=True)
class Mosaic:
    """A tensor's filters as one array.

    ``activations``: (C, H, W) float32.  ``pixels``: (rows · H, columns · W) uint8, from 0 at the low end of the scale
    to 255 at the high end.  ``numpy.asarray(mosaic)`` returns ``values``.  ``tile``: (H, W).
    """

    activations: Floats = field(repr=False)
    pixels: NDArray[np.uint8] = field(repr=False)
    scale: str
    range: Range
    rows: int
    columns: int
    filters: int
    tile: tuple[int, int]

    @cached_property
    def values(self) -> Floats:
        """The activations as arranged in the picture, (rows · H, columns · W) float32; NaN in empty grid cells."""
        return lay_out(self.activations, self.rows, self.columns)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in native pixels."""
        return self.rows * self.tile[0], self.columns * self.tile[1]

    @property
    def legend(self) -> str:
        """The sentence that explains brightness."""
        return self.range.legend

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001 (numpy's protocol)
        return np.array(self.values, dtype, copy=copy)


def make_mosaic(activations: Floats, scale: str = "shared", rows: int | None = None) -> Mosaic:
    """The mosaic of ``activations`` (C, H, W) on one of ``SCALES``, in ``rows`` rows of tiles.

    Raises:
        UnknownName: no such scale.
        OptionError: ``rows`` does not fit the number of filters.
    """
    count, height, width = activations.shape
    measured = measure(activations, scale)
    rows, columns = grid(count, scale, rows)
    return Mosaic(
        activations=activations,
        pixels=lay_out(to_bytes(activations, measured), rows, columns),
        scale=scale,
        range=measured,
        rows=rows,
        columns=columns,
        filters=count,
        tile=(height, width),
    )


def measure(activations: Floats, scale: str) -> Range:
    """The range that one of ``SCALES`` gives for ``activations`` (C, H, W); raises ``UnknownName``."""
    check_scale(scale)
    return SCALES[scale](activations)


def check_scale(scale: str) -> None:
    """Raise ``UnknownName`` unless ``scale`` is one of ``SCALES``."""
    if scale not in SCALES:
        raise UnknownName("scale", scale, SCALES)


def grid(count: int, scale: str, rows: int | None) -> tuple[int, int]:
    """(rows, columns) for ``count`` tiles; raises ``OptionError`` if ``rows`` does not fit."""
    if rows is not None and not 1 <= rows <= count:
        raise OptionError(f"{rows} rows for {count} filters: expected 1 to {count}")
    if scale != "blog":
        columns = math.ceil(count / rows) if rows else wide_columns(count)
        return math.ceil(count / columns), columns
    rows = rows or BLOG_ROWS
    if count % rows:
        fitting = [n for n in range(1, count + 1) if count % n == 0]
        nearest = sorted(sorted(fitting, key=lambda n: abs(n - rows))[:4])
        raise OptionError(
            f"scale blog needs a number of rows that divides the number of filters: {count} is not divisible by {rows}; try --rows {' or '.join(map(str, nearest))}"
        )
    return rows, count // rows


def wide_columns(count: int) -> int:
    """The number of columns between sqrt(``count``) and 2 sqrt(``count``) that leaves the fewest cells empty."""
    root = math.sqrt(count)
    candidates = range(max(1, math.floor(root)), max(1, math.ceil(2 * root)) + 1)
    return min(candidates, key=lambda columns: (-count % columns, abs(columns - 1.5 * root)))


def lay_out(tiles: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    """Arrange (C, H, W) as (rows · H, columns · W), row by row from filter 0 at the top left.

    The result is the same as in the original code: reshape to (H, W, rows, columns), transpose (2, 0, 3, 1), reshape.
    Cells without a filter are NaN, or 0 if the type has no NaN.
    """
    count, height, width = tiles.shape
    spare = rows * columns - count
    if spare:
        empty = np.nan if np.issubdtype(tiles.dtype, np.floating) else 0
        tiles = np.concatenate([tiles, np.full((spare, height, width), empty, tiles.dtype)])
    placed = tiles.reshape(rows, columns, height, width).transpose(0, 2, 1, 3)
    return placed.reshape(rows * height, columns * width)


def to_bytes(values: Floats, measured: Range) -> NDArray[np.uint8]:
    """Values as levels from 0 at the low end of the range to 255 at the high end; 0 if the range is empty."""
    low, high = (end if end.ndim == 0 else end[:, None, None] for end in (measured.low, measured.high))
    span = high - low
    share = (values - low) / np.where(span > 0, span, np.float32(1))
    share = np.where(span > 0, share, np.float32(0))
    return np.rint(np.clip(share, 0, 1) * np.float32(255)).astype(np.uint8)


def shared(values: Floats) -> Range:
    """One scale for all tiles: from zero, or the minimum if that is negative, to the maximum."""
    low, high = np.minimum(values.min(), np.float32(0)), values.max()
    return Range(
        low,
        high,
        f"one scale for all filters: dark {low:.4g}, bright {high:.4g}; brightness is comparable across tiles",
    )


def each(values: Floats) -> Range:
    """A scale for each tile, from its minimum to its maximum."""
    return Range(
        values.min(axis=(1, 2)),
        values.max(axis=(1, 2)),
        "each filter on its own scale, from its minimum to its maximum; brightness is not comparable across tiles",
    )


def percentile(values: Floats) -> Range:
    """As ``shared``, but from percentile to percentile, so that a few extreme values do not determine the scale."""
    bottom, top = np.percentile(values, [100 - PERCENTILE, PERCENTILE]).astype(np.float32)
    low = np.minimum(bottom, np.float32(0))
    clipped = float(np.mean((values > top) | (values < low)))
    return Range(
        low,
        top,
        f"one scale for all filters: dark {low:.4g}, bright {top:.4g} ({PERCENTILE:g}th percentile) or more; {clipped:.2%} of the values are clipped",
    )


def signed(values: Floats) -> Range:
    """One scale for all tiles, symmetric about zero."""
    limit = np.abs(values).max()
    return Range(-limit, limit, f"one signed scale for all filters: {-limit:.4g} to {limit:.4g}, zero in the middle")


def blog(values: Floats) -> Range:
    """The 2016 blog's scale: one for all tiles, from the minimum to the maximum."""
    low, high = values.min(), values.max()
    return Range(
        low,
        high,
        f"the blog's scale, one for all filters: dark {low:.4g} (the minimum), bright {high:.4g} (the maximum)",
    )


SCALES: dict[str, Callable[[Floats], Range]] = {
    "shared": shared,
    "filter": each,
    "percentile": percentile,
    "signed": signed,
    "blog": blog,
}
