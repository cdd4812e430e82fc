"""Statistics of filters, kernels in colour, neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from godeeper.blueprint.address import resolve_one
from godeeper.blueprint.inception_v3 import INCEPTION_V3
from godeeper.blueprint.topology import neighbours
from godeeper.engine.plan import NETWORK_INPUT, key_of, plan
from godeeper.errors import AddressError, UnknownName
from godeeper.network import Network
from godeeper.peek.kernels import kernels
from godeeper.peek.statistics import order, selectivities, strengths


def test_selectivity_is_vinje_and_gallants() -> None:
    """The selectivity equals the result of the formula by Vinje and Gallant (2000)."""
    values = np.random.default_rng(0).exponential(size=(5, 7, 9)).astype(np.float32)
    for plane, found in zip(values, selectivities(values), strict=True):
        n = plane.size
        mean, square = sum(map(float, plane.ravel())) / n, sum(float(r) ** 2 for r in plane.ravel()) / n
        assert found == pytest.approx((1 - mean**2 / square) / (1 - 1 / n))


def test_selectivity_is_of_rectified_grids() -> None:
    """Tensors of a single cell, or with negative values, have no selectivity."""
    assert np.isnan(selectivities(np.ones((3, 1, 1), np.float32))).all()
    assert np.isnan(selectivities(np.array([[[-1, 2.0]]], np.float32))).all()


def test_orders() -> None:
    """The strongest or most selective filter is first, dead filters are last, and equal filters keep their order."""
    values = np.array([[[0, 0], [0, 0]], [[1, 1], [1, 1]], [[0, 0], [0, 9]], [[1, 1], [1, 1]]], np.float32)
    np.testing.assert_array_equal(strengths(values), [0, 1, 9, 1])
    assert order(values) == [0, 1, 2, 3]
    assert order(values, "strength") == [2, 1, 3, 0]
    assert order(values, "selectivity") == [2, 1, 3, 0]
    with pytest.raises(UnknownName, match="number, strength, selectivity"):
        order(values, "beauty")


def test_kernels_are_what_the_network_computes_with(net: Network) -> None:
    """An input equal to a kernel gives the product of the kernel with itself, plus the shift."""
    site = resolve_one(net.blueprint, "conv").site
    found = kernels(net.weights, site).values
    assert found.shape == (32, 3, 3, 3)
    photo = np.zeros((1, 3, 299, 299), np.float32)
    photo[0, :, 10:13, 20:23] = found[5].transpose(2, 0, 1)
    key = key_of(resolve_one(net.blueprint, "conv/batchnorm"))
    values = net.engine.run(plan(net.blueprint, [key]), {NETWORK_INPUT: photo})[key][0, 5]
    assert values[5, 10] - values[50, 50] == pytest.approx(float(np.square(found[5]).sum()), rel=1e-3)


def test_kernels_in_colour(net: Network) -> None:
    """In a kernel's picture, zero is mid grey, the largest weight is at an end of the range, and the legend states both."""
    found = kernels(net.weights, resolve_one(net.blueprint, "conv").site)
    levels = np.asarray(found.picture(3)).astype(float)
    np.testing.assert_allclose((levels - 127.5) / 127.5 * found.limit(3), found.values[3], atol=found.limit(3) / 200)
    assert levels.min() == 0 or levels.max() == 255
    assert f"{found.limit(3):.3g}" in found.legend(3)
    assert found.picture(3, zoom=8).size == (24, 24)


@pytest.mark.parametrize("address", ["conv_1", "pool", "mixed/join"])
def test_only_the_first_layer_has_colours(net: Network, address: str) -> None:
    """Only kernels of the first layer are drawn in colour."""
    with pytest.raises(AddressError, match="no colours"):
        kernels(net.weights, resolve_one(net.blueprint, address).site)


@pytest.mark.parametrize(
    ("address", "before", "after", "branch"),
    [
        ("mixed/tower_2/conv", ["mixed/tower_2/pool"], ["mixed/join"], ["mixed/tower_2/pool", "mixed/tower_2/conv"]),
        ("conv", ["Mul"], ["conv_1"], ["conv", "conv_1", "conv_2", "pool", "conv_3", "conv_4", "pool_1"]),
        ("mixed_10/join", None, ["pool_3"], ["mixed_10/join"]),
        ("pool_3", ["mixed_10/join"], ["pool_3/_reshape"], None),
    ],
)
def test_neighbours(address: str, before: list[str] | None, after: list[str], branch: list[str] | None) -> None:
    """The neighbours of a site are its inputs, the sites that read it, and its path."""
    found = neighbours(INCEPTION_V3, resolve_one(INCEPTION_V3, address).site)
    assert before is None or [site.address for site in found.before] == before
    assert [site.address for site in found.after] == after
    assert branch is None or [site.address for site in found.branch] == branch


def test_neighbours_are_mutual() -> None:
    """If a site is listed as an input of another, the other is listed as its reader."""
    site = resolve_one(INCEPTION_V3, "mixed_4/join").site
    found = neighbours(INCEPTION_V3, site)
    assert len(found.before) == len(found.after) == 4
    for other in found.after:
        assert site in neighbours(INCEPTION_V3, other).before
