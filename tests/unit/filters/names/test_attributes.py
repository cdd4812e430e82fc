"""Attributes of synthetic crops: hues, angles, frequency, lightness."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest

from godeeper.filters.names.attributes import ANGLES, ATTRIBUTES, HUES, TESTS, measured

NAMED = [each.more for each in ATTRIBUTES]


def stripes(angle: float, period: float = 12.0, side: int = 48) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return stripes whose edges run at ``angle`` degrees, anticlockwise from horizontal."""
    rows, columns = np.mgrid[:side, :side]
    turned = np.deg2rad(angle)
    wave = np.sin((columns * np.sin(turned) + rows * np.cos(turned)) * 2 * np.pi / period)
    return np.repeat((128 + 100 * wave).astype(np.uint8)[..., None], 3, axis=-1)


@pytest.mark.parametrize("hue", range(6))
def test_hue(hue: int) -> None:
    """For a picture of one colour, the attribute of that colour's hue has the highest value."""
    colour = [round(255 * each) for each in colorsys.hsv_to_rgb(hue / 6, 0.8, 0.8)]
    values = measured(np.full((8, 8, 3), colour, np.uint8), (0.5, 0.5))
    assert HUES[int(values[:6].argmax())] == HUES[hue]


@pytest.mark.parametrize("angle", ANGLES)
def test_angle(angle: float) -> None:
    """For stripes, the attribute of the angle of their edges has the highest value."""
    values = measured(stripes(angle), (0.5, 0.5))[6 : 6 + len(ANGLES)]
    assert ANGLES[int(values.argmax())] == angle
    np.testing.assert_allclose(values[:4], -values[4:], atol=1e-12)


def test_frequency() -> None:
    """The measured frequency of stripes is 1 / period, reduced by the known error of finite differences."""
    at = NAMED.index("fine")
    np.testing.assert_allclose(measured(stripes(90, 16), (0.5, 0.5))[at], 1 / 16, rtol=0.1)
    assert measured(stripes(90, 8), (0.5, 0.5))[at] > measured(stripes(90, 24), (0.5, 0.5))[at]


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 7, 3), (5, 5, 3)])
def test_flat(shape: tuple[int, int, int]) -> None:
    """A uniform or tiny crop has no edges, and all its attributes are valid numbers."""
    values = measured(np.full(shape, 200, np.uint8), (0.0, 1.0))
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values[:14], 0, atol=1e-9)
    np.testing.assert_allclose(values[NAMED.index("light")], 200 / 255)


def test_count() -> None:
    """Two-sided attributes count as two tests in the correction for multiple tests."""
    assert TESTS == 6 + 8 + 2 * 6
