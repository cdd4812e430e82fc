"""The position of cells on the photo, checked by changing the photo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from godeeper.blueprint.address import resolve_one
from godeeper.blueprint.dialects import in_dialect, known_dialects
from godeeper.blueprint.inception_v3 import INCEPTION_V3
from godeeper.blueprint.networks import BLUEPRINTS
from godeeper.blueprint.ops import Blueprint as Blueprint
from godeeper.blueprint.ops import Conv, Pool, borders
from godeeper.blueprint.sites import Site, sites
from godeeper.engine.plan import NETWORK_INPUT, key_of, plan
from godeeper.errors import OptionError
from godeeper.network import Network
from godeeper.peek.geometry import Box, Cell, Placement, extent, field_box, patch, square, strongest
from godeeper.photos.decode import decode
from godeeper.photos.fitting import Filter, Fit
from godeeper.photos.preprocess import FILTERS, FITS, Preprocess

if TYPE_CHECKING:
    from numpy.typing import NDArray

ADDRESS = "mixed/tower_2/conv/Conv2D"  # before the ReLU, because the ReLU would hide changes
CELLS = [(0, 0), (0, 34), (17, 3), (20, 20), (34, 34)]
FIELD = resolve_one(INCEPTION_V3, ADDRESS).field


def values(net: Network, planes: NDArray[np.float32], address: str = ADDRESS) -> NDArray[np.float32]:
    """Return (B, C, H, W) of ``address`` for inputs (B, 3, 299, 299)."""
    key = key_of(resolve_one(net.blueprint, address))
    return net.engine.run(plan(net.blueprint, [key]), {NETWORK_INPUT: planes})[key]


@pytest.fixture(scope="module")
def noise() -> NDArray[np.float32]:
    """(1, 3, 299, 299): an input of random numbers."""
    return np.random.default_rng(0).uniform(-1, 1, (1, 3, 299, 299)).astype(np.float32)


@pytest.fixture(scope="module")
def before(net: Network, noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """(C, H, W): the tensor's values for the noise."""
    first: NDArray[np.float32] = values(net, noise)[0]
    return first


@pytest.mark.parametrize(("row", "column"), CELLS)
def test_outside_its_field_nothing_changes_a_cell(
    net: Network, noise: NDArray[np.float32], before: NDArray[np.float32], row: int, column: int
) -> None:
    """If everything outside a cell's receptive field is replaced, the cell's values stay the same."""
    left, top, right, bottom = field_box(FIELD, row, column).within(Box(0, 0, 299, 299)).outward()
    other = -noise[::, :, ::-1, ::-1].copy()
    other[:, :, top:bottom, left:right] = noise[:, :, top:bottom, left:right]
    after = values(net, other)[0]
    np.testing.assert_allclose(after[:, row, column], before[:, row, column], rtol=1e-4, atol=1e-4)
    assert np.abs(after - before).max() > 1


@pytest.mark.parametrize(("row", "column"), CELLS)
def test_every_edge_of_its_field_changes_a_cell(
    net: Network, noise: NDArray[np.float32], before: NDArray[np.float32], row: int, column: int
) -> None:
    """Changing the outermost row or column of a cell's receptive field changes the cell, so the field is not too large."""
    left, top, right, bottom = map(int, field_box(FIELD, row, column))
    edges = (
        (left, np.s_[:, :, max(top, 0) : bottom, left : left + 1]),
        (right - 1, np.s_[:, :, max(top, 0) : bottom, right - 1 : right]),
        (top, np.s_[:, :, top : top + 1, max(left, 0) : right]),
        (bottom - 1, np.s_[:, :, bottom - 1 : bottom, max(left, 0) : right]),
    )
    inside = [window for place, window in edges if 0 <= place < 299]
    assert len(inside) >= 2
    for window in inside:
        other = noise.copy()
        other[window] += 40
        assert np.abs(values(net, other)[0] - before)[:, row, column].max() > 1e-3


@pytest.mark.parametrize("fit", ["squash", "crop"])
@pytest.mark.parametrize("filter", ["antialias", "tf2015"])
@pytest.mark.parametrize("size", [(640, 427), (150, 201)])
def test_a_field_on_the_photo(net: Network, fit: Any, filter: Any, size: tuple[int, int]) -> None:
    """Only photo pixels in the receptive field, plus the margin of the resize filter, change a cell's value."""
    preprocess = Preprocess(fit=fit, filter=filter)
    random = np.random.default_rng(1)
    pixels = random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    placement = Placement.of(preprocess, size)
    (across, down), (row, column) = placement.step, (12, 21)
    reach = placement.clipped(field_box(FIELD, row, column))
    more_x, more_y = max(across, 2), max(down, 2)
    grown = Box(reach.left - more_x, reach.top - more_y, reach.right + more_x, reach.bottom + more_y)
    left, top, right, bottom = grown.within(Box(0, 0, *size)).outward()
    other = 255 - pixels
    other[top:bottom, left:right] = pixels[top:bottom, left:right]
    middle = pixels.copy()
    x, y = int((reach.left + reach.right) / 2), int((reach.top + reach.bottom) / 2)
    spot = int(max(2, 4 * across))
    middle[y - spot : y + spot, x - spot : x + spot] = 0
    planes = np.concatenate([preprocess(decode(each)) for each in (pixels, other, middle)])
    same, outside, inside = values(net, planes)[:, :, row, column]
    np.testing.assert_allclose(outside, same, rtol=1e-4, atol=1e-4)
    assert np.abs(inside - same).max() > 1e-3


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("filter", FILTERS)
def test_a_bright_pixel_is_where_it_is(fit: Fit, filter: Filter) -> None:
    """The mean position of the input pixels that one photo pixel changes agrees with the stated placement."""
    preprocess = Preprocess(fit=fit, filter=filter, subtract=0.0)
    pixels = np.zeros((598, 1495, 3), np.uint8)
    x, y = 700, 300
    pixels[y, x] = 255
    light = preprocess(decode(pixels))[0].sum(axis=0)  # (299, 299)
    across, down = light.sum(axis=0) @ np.arange(299) / light.sum(), light.sum(axis=1) @ np.arange(299) / light.sum()
    point = Placement.of(preprocess, (1495, 598)).on_photo(Box(across + 0.5, down + 0.5, across + 0.5, down + 0.5))
    assert (point.left, point.top) == pytest.approx((x + 0.5, y + 0.5), abs=0.6)


def seen_by(every: Sequence[Site], index: int, axis: int, first: int, last: int) -> tuple[int, int]:
    """Return the first and last input pixel along one axis that cells ``first`` to ``last`` depend on."""
    site = every[index]
    if site.is_photo_step:
        return first, last
    if not isinstance(site.op, Conv | Pool):
        ends = [seen_by(every, source, axis, first, last) for source in site.inputs]
        return min(start for start, _ in ends), max(end for _, end in ends)
    (source,) = site.inputs
    _, height, width = every[source].shape
    before = borders(site.op, (height, width))[axis][0]
    start, end = first * site.op.stride - before, last * site.op.stride - before + site.op.kernel[axis] - 1
    return seen_by(every, source, axis, max(start, 0), min(end, (height, width)[axis] - 1))


@pytest.mark.parametrize(
    ("network", "dialect"),
    [(network, dialect) for network in BLUEPRINTS.values() for dialect in known_dialects(network.family)],
    ids=lambda each: each if isinstance(each, str) else each.name,
)
def test_fields_of_every_network(network: Blueprint, dialect: str) -> None:
    """For each module's output, the receptive field equals the field found by going back through every operation."""
    every = sites(in_dialect(network, dialect))
    whole = Box(0, 0, network.input_size, network.input_size)
    joins = [site for site in every if site.kind == "concat"]
    assert len(joins) >= 9
    for site in joins[:4]:
        for cell in {0, site.shape[1] // 2, site.shape[1] - 1}:
            (top, bottom), (left, right) = (seen_by(every, site.index, axis, cell, cell) for axis in (0, 1))
            assert field_box(site.field, cell, cell).within(whole) == Box(left, top, right + 1, bottom + 1)


def test_squares_lie_side_by_side() -> None:
    """The squares of the cells cover the map without gap or overlap, and each is centred on its receptive field."""
    site = resolve_one(INCEPTION_V3, "mixed_8/join").site
    whole = extent(site, 299)
    _, rows, columns = site.shape
    for row, column in [(0, 0), (3, 5), (rows - 1, columns - 1)]:
        box, seen = square(site.field, row, column), field_box(site.field, row, column)
        assert box.left == pytest.approx(whole.left + column * (whole.right - whole.left) / columns)
        assert box.bottom == pytest.approx(whole.top + (row + 1) * (whole.bottom - whole.top) / rows)
        assert (box.left + box.right, box.top + box.bottom) == (seen.left + seen.right, seen.top + seen.bottom)


@pytest.mark.parametrize("address", ["conv", "pool", "mixed/join", "mixed_4/tower_1/conv_4", "mixed_10/join"])
def test_maps_lie_within_the_input(address: str) -> None:
    """No square of Inception v3 extends beyond the border."""
    whole = Box(0, 0, 299, 299)
    box = extent(resolve_one(INCEPTION_V3, address).site, 299)
    assert box.within(whole) == box


def test_without_a_grid_a_cell_stands_for_everything() -> None:
    """A cell of the global average covers the whole input."""
    assert extent(resolve_one(INCEPTION_V3, "pool_3").site, 299) == Box(0, 0, 299, 299)


def test_crop_uses_the_middle() -> None:
    """With ``crop`` the input is the photo's central square, with ``squash`` the whole photo."""
    whole = Box(0, 0, 299, 299)
    crop, squash = (Placement.of(Preprocess(fit=fit), (600, 299)) for fit in FITS[::-1])
    assert crop.on_photo(whole) == crop.used == Box(150, 0, 449, 299)
    assert squash.on_photo(whole) == squash.used == Box(0, 0, 600, 299)
    assert crop.on_photo(Box(-10, 0, 10, 10)).left == 140
    assert crop.clipped(Box(-10, 0, 10, 10)).left == 150


def test_strongest_cell() -> None:
    """The strongest cell is the first with the greatest value, or None if all values are equal."""
    plane = np.array([[0, 2, 1], [2, 0, 0]], np.float32)
    assert strongest(plane) == Cell(0, 1, 2.0)
    assert strongest(np.zeros((3, 3))) is None
    assert strongest(np.full((1, 1), 7.0)) == Cell(0, 0, 7.0)


def test_patch(chelsea: Path) -> None:
    """The crop contains the photo's original pixels up to the photo's border, at any display size."""
    photo = decode(chelsea)
    placement = Placement.of(Preprocess(), photo.size)
    box = Box(100, 50, 147, 97)
    cut = patch(photo.image, placement, box)
    left, top = int(100 * 451 / 299), int(50 * 300 / 299)
    np.testing.assert_array_equal(np.asarray(cut)[0, 0], photo.pixels[top, left])
    assert cut.size == pytest.approx((47 * 451 / 299, 47), abs=2)
    half = photo.image.resize((photo.size[0] // 2, photo.size[1] // 2), Image.Resampling.BOX)
    assert patch(half, placement, box).size == pytest.approx((cut.width / 2, cut.height / 2), abs=2)
    assert patch(photo.image, placement, Box(-20, -20, 10, 10)).size == (16, 11)
    with pytest.raises(OptionError, match="outside the photo"):
        patch(photo.image, placement, Box(-20, -20, 0, 10))
