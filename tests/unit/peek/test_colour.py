"""Colour maps: equal to matplotlib's, with lightness that follows the values."""

from __future__ import annotations

import numpy as np
import pytest

from godeeper.errors import UnknownName
from godeeper.peek.colour import COLOURS, DIVERGING, table


@pytest.mark.parametrize("name", ["viridis", "magma"])
def test_maps_are_matplotlibs(name: str) -> None:
    """Every colour differs by at most 2 of 255 levels from matplotlib's colour map of the same name."""
    matplotlib = pytest.importorskip("matplotlib")
    expected = matplotlib.colormaps[name](np.arange(256))[:, :3] * 255
    assert np.abs(table(name) - expected).max() <= 2


@pytest.mark.parametrize("name", sorted(set(COLOURS) - set(DIVERGING)))
def test_brighter_means_more(name: str) -> None:
    """Lightness never decreases along a sequential colour map."""
    luma = table(name).astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luma) >= -0.75).all()


@pytest.mark.parametrize("name", DIVERGING)
def test_diverging_maps_turn_in_the_middle(name: str) -> None:
    """A diverging map is darkest or lightest in the middle."""
    luma = table(name).astype(float) @ [0.2126, 0.7152, 0.0722]
    middle = int(luma.argmin() if luma[0] > luma[128] else luma.argmax())
    assert abs(middle - 127.5) <= 1.5


def test_grey_is_the_level() -> None:
    """In the grey map, level 200 is the colour (200, 200, 200)."""
    np.testing.assert_array_equal(table("grey"), np.arange(256)[:, None].repeat(3, axis=1))


def test_unknown_colour() -> None:
    """An unknown colour map is an error that lists the known ones."""
    with pytest.raises(UnknownName, match="grey, viridis, magma"):
        table("jet")
