"""The mosaic: all filters, in order, with scales that match their legends."""

from __future__ import annotations

import re

import numpy as np
import pytest

from godeeper.errors import OptionError, UnknownName
from godeeper.peek.mosaic import SCALES, make_mosaic, wide_columns


def activations(count: int = 32, height: int = 5, width: int = 7) -> np.ndarray:
    """Return ReLU-like values (count, height, width) with one dead and one constant filter."""
    values = np.random.default_rng(3).normal(0, 2, (count, height, width)).astype(np.float32).clip(0)
    values[0] = 0
    if count > 1:
        values[1] = 1.5
    return values


def seed_recipe(values: np.ndarray) -> np.ndarray:
    """Return the blog's mosaic: reshape, transpose and reshape of an array (H, W, C), as in TensorFlow."""
    height, width, count = values.shape
    cy = 8
    cx = count // cy
    return values.reshape(height, width, cy, cx).transpose(2, 0, 3, 1).reshape(cy * height, cx * width)


@pytest.mark.parametrize("shape", [(32, 35, 35), (96, 35, 35), (192, 17, 17), (8, 1, 1), (2048, 8, 8)])
def test_blog_is_the_seeds_recipe(shape: tuple[int, int, int]) -> None:
    """The ``blog`` layout equals the result of the blog's code bit for bit."""
    values = activations(*shape)
    mosaic = make_mosaic(values, "blog")
    np.testing.assert_array_equal(np.asarray(mosaic), seed_recipe(values.transpose(1, 2, 0)))
    assert mosaic.shape == (8 * shape[1], shape[0] // 8 * shape[2])


def test_blog_of_the_first_tensor_is_280_by_140() -> None:
    """A tensor of 35 x 35 x 32 gives 8 rows of 4 tiles."""
    assert make_mosaic(activations(32, 35, 35), "blog").shape == (280, 140)


def test_blog_needs_rows_that_divide() -> None:
    """12 filters cannot be arranged in 8 rows, so the error lists the divisors of 12."""
    with pytest.raises(OptionError, match=r"12 is not divisible by 8; try --rows 3 or 4 or 6 or 12"):
        make_mosaic(activations(12), "blog")
    assert make_mosaic(activations(12), "blog", rows=4).columns == 3


@pytest.mark.parametrize("count", [1, 2, 3, 7, 11, 32, 48, 80, 97, 192, 2048])
@pytest.mark.parametrize("rows", [None, 1, 2])
def test_every_filter_is_there_once(count: int, rows: int | None) -> None:
    """Filter n is in row n / columns and column n mod columns; the remaining cells are NaN."""
    if rows is not None and rows > count:
        return
    values = activations(count, 2, 3) + np.arange(count, dtype=np.float32)[:, None, None]
    mosaic = make_mosaic(values, rows=rows)
    for number in range(count):
        row, column = divmod(number, mosaic.columns)
        tile = np.asarray(mosaic)[row * 2 : row * 2 + 2, column * 3 : column * 3 + 3]
        np.testing.assert_array_equal(tile, values[number])
    assert np.isnan(np.asarray(mosaic)).sum() == (mosaic.rows * mosaic.columns - count) * 6


def test_usual_grids() -> None:
    """The grid is between square and twice as wide as high, without empty cells if possible."""
    for count in range(1, 300):
        columns = wide_columns(count)
        assert columns >= np.floor(np.sqrt(count))
        assert columns <= np.ceil(2 * np.sqrt(count))


@pytest.mark.parametrize("scale", SCALES)
def test_dark_and_bright_are_what_the_legend_says(scale: str) -> None:
    """The grey level of a value follows from the legend's ends."""
    values = activations() - (1 if scale == "signed" else 0)
    mosaic = make_mosaic(values, scale)
    low, high = (np.broadcast_to(end, (32,)) for end in (mosaic.range.low, mosaic.range.high))
    for number in range(32):
        row, column = divmod(number, mosaic.columns)
        pixels = mosaic.pixels[row * 5 : row * 5 + 5, column * 7 : column * 7 + 7]
        if high[number] == low[number]:
            assert (pixels == 0).all()
            continue
        share = ((values[number] - low[number]) / (high[number] - low[number])).clip(0, 1)
        np.testing.assert_allclose(pixels / 255, share, atol=0.5 / 255 + 1e-6)
    if mosaic.range.is_shared:
        printed = [float(number) for number in re.findall(r"-?\d+\.?\d*(?:e[-+]\d+)?", mosaic.legend)]
        assert printed[0] == pytest.approx(float(low[0]), rel=1e-3)
        assert printed[1] == pytest.approx(float(high[0]), rel=1e-3)


def test_shared_compares_across_filters() -> None:
    """On the scale ``shared``, equal values are equally bright in every tile, and zero is dark."""
    values = np.zeros((2, 1, 2), np.float32)
    values[0], values[1] = [[0, 4]], [[0, 8]]
    np.testing.assert_array_equal(make_mosaic(values, rows=1).pixels, [[0, 128, 0, 255]])


def test_filter_uses_each_tiles_own_ends() -> None:
    """On the scale ``filter``, the greatest value of every tile is white, and the legend says that tiles cannot be compared."""
    values = np.array([[[1, 4]], [[2, 8]], [[3, 3]]], np.float32)
    mosaic = make_mosaic(values, "filter", rows=1)
    np.testing.assert_array_equal(mosaic.pixels, [[0, 255, 0, 255, 0, 0]])
    assert "is not comparable" in mosaic.legend


def test_signed_has_zero_in_the_middle() -> None:
    """On the scale ``signed``, zero has the middle colour, and both signs have the same range."""
    values = np.array([[[-2, 0, 4]]], np.float32)
    np.testing.assert_array_equal(make_mosaic(values, "signed").pixels, [[64, 128, 255]])


def test_percentile_says_what_it_cuts_off() -> None:
    """On the scale ``percentile``, one outlier in a thousand does not darken the rest, and the legend counts the outlier."""
    values = np.linspace(0, 1, 1000, dtype=np.float32).reshape(1, 10, 100)
    values[0, 0, 0] = 100
    mosaic = make_mosaic(values, "percentile")
    assert float(mosaic.range.high) == pytest.approx(0.99, abs=0.005)
    assert "1.00% of the values are clipped" in mosaic.legend


@pytest.mark.parametrize("scale", SCALES)
def test_all_dead(scale: str) -> None:
    """A tensor that is zero everywhere is dark, without a division by zero."""
    assert (make_mosaic(np.zeros((8, 2, 2), np.float32), scale).pixels == 0).all()


def test_unknown_scale_and_rows() -> None:
    """An invalid choice is an error that lists the valid ones."""
    with pytest.raises(UnknownName, match="shared, filter, percentile, signed, blog"):
        make_mosaic(activations(), "log")
    with pytest.raises(OptionError, match="expected 1 to 32"):
        make_mosaic(activations(), rows=33)
