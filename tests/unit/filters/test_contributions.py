"""Contributions add up exactly in every network and at every depth; also switched-off filters, listeners and errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.studies.contributions import cases, share_greater
from tests.unit.filters.random_network import random_network

import godeeper
from godeeper.blueprint.ops import Pool
from godeeper.errors import AddressError, ChannelError, OptionError, PhotoError
from godeeper.filters.contributions.patch import Patch, before_average, before_max, pooled
from godeeper.filters.contributions.picture import png
from godeeper.network import Network

TOLERANCE = 1e-5  # of the sum of the terms' magnitudes
ADDRESS = "mixed_4/tower_1/conv_4[17]"


@pytest.mark.parametrize("depth", [1, 3])
def test_it_adds_up_for_every_convolution(net: Network, chelsea: Path, depth: int) -> None:
    """Bias and terms add up to the value before the ReLU, at random cells of all 94 convolutions."""
    found = list(cases(net, chelsea, cells=2, depth=depth))
    assert len(found) == 188
    assert max(case.error for case in found) <= TOLERANCE


@pytest.mark.parametrize(
    ("architecture", "dialect"),
    [
        ("googlenet", "bvlc"),
        ("googlenet", "inception5h"),
        ("googlenet", "torchvision"),
        ("inception_v3", "torchvision"),
        ("inception_v4", "timm"),
    ],
)
def test_it_adds_up_in_every_network(architecture: str, dialect: str, chelsea: Path, tmp_path: Path) -> None:
    """Contributions add up in all networks with random weights, three levels back."""
    network = random_network(tmp_path, architecture, dialect)
    assert max(case.error for case in cases(network, chelsea, cells=1, depth=3)) <= TOLERANCE


def test_switching_off(net: Network, chelsea: Path) -> None:
    """If the greatest contributors are set to zero, the value changes by their sum, and by more than for random ones."""
    found = list(cases(net, chelsea, cells=1, off=True, peak=True))
    assert max(case.off_error for case in found) <= TOLERANCE
    assert share_greater(found, "magnitude") >= 0.9  # 0.967 in 4,700 cases in bench/studies; here there are 94 cases
    assert share_greater(found, "positive") >= 0.95


def test_a_silent_filter(net: Network, chelsea: Path) -> None:
    """A filter that is inactive everywhere has a value before the ReLU, and contributes nothing to filters that read it."""
    found = net.contributions(chelsea, "mixed_8/tower/conv_1[7]")
    assert (found.is_inactive, found.is_silent) == (True, True)
    assert {listener.value for listener in found.listeners} == {0.0}


def test_all_the_way_to_the_photo(net: Network, chelsea: Path) -> None:
    """With a depth beyond the network's, only the photo's three channels remain, and the sum is still exact."""
    found = net.contributions(chelsea, "mixed_1/tower_1/conv_2[5]", depth=50)
    assert sorted(term.tensor.address for term in found.terms) == ["Mul[0]", "Mul[1]", "Mul[2]"]
    assert abs(found.bias + sum(term.value for term in found.terms) - found.value) <= TOLERANCE * found.magnitude


@pytest.mark.parametrize("address", ["conv[3]", "mixed/tower_2/conv[3]", ADDRESS])
def test_the_default_cell_has_the_greatest_value(net: Network, chelsea: Path, address: str) -> None:
    """The default cell has the maximum before the ReLU, and that value equals the value in a peek."""
    found = net.contributions(chelsea, address)
    plane = net.peek(chelsea, address.replace("[", "/batchnorm[")).activations[0, 0]
    assert found.value == plane.max() == plane[found.cell.row, found.cell.column]
    at = net.contributions(chelsea, address, at=(1, 2))
    assert (at.value, at.cell[:2]) == (plane[1, 2], (1, 2))


def test_a_dead_filter_has_a_cell(chelsea: Path, tmp_path: Path) -> None:
    """A filter with one value everywhere, here with a kernel of zeros, is decomposed at its first cell."""
    network = random_network(tmp_path, "googlenet", "bvlc", zeros=("conv2/3x3_reduce",))
    found = network.contributions(chelsea, "conv2/3x3_reduce[5]")
    assert found.cell[:2] == (0, 0)
    assert (found.bias, found.magnitude, found.share(found.terms[0])) == (found.value, 0.0, 0.0)


def test_terms_are_named_as_read_and_by_origin(net: Network, chelsea: Path) -> None:
    """Behind a join or a pool, a term names the channel that is read and, as its origin, the filter of a convolution."""
    joined = {term.channel: term for term in net.contributions(chelsea, "mixed_1/conv[3]").terms}
    assert (joined[86].tensor.address, joined[86].origin.address) == ("mixed/join[86]", "mixed/tower/conv_1[22]")
    read = net.contributions(chelsea, "mixed/tower_2/conv[3]").terms[0]
    assert read.tensor.address == f"mixed/tower_2/pool[{read.channel}]"
    assert read.origin.address == f"conv_4[{read.channel}]"


def test_taps(net: Network, chelsea: Path) -> None:
    """A term is the sum of its taps; at the border, taps on padding are left out."""
    inner, corner = (net.contributions(chelsea, ADDRESS, at=at) for at in ((8, 8), (0, 0)))
    assert (inner.terms[0].cells.shape, inner.terms[0].window) == ((1, 7), (8, 5, 9, 12))
    assert (corner.terms[0].cells.shape, corner.terms[0].window) == ((1, 4), (0, 0, 1, 4))
    np.testing.assert_allclose(inner.terms[0].cells.sum(), inner.terms[0].value)


def test_a_filter_of_a_join_is_the_one_it_copies(net: Network, chelsea: Path) -> None:
    """For a filter of a join, the result is that of the branch's filter, with a note."""
    found = net.contributions(chelsea, "mixed/join[86]")
    assert found.tensor.address == "mixed/tower/conv_1[22]"
    assert found.notes == ("mixed/join[86] is a copy of mixed/tower/conv_1[22]",)


def test_all_filters_between_are_inactive(net: Network, chelsea: Path) -> None:
    """If all filters in between are inactive, only the bias remains, and the picture can still be drawn."""
    found = net.contributions(chelsea, "conv_1[13]", at=(64, 69), depth=2)
    assert (found.terms, found.magnitude, found.depth) == ((), 0.0, 2)
    np.testing.assert_allclose(found.bias, found.value, rtol=1e-6)
    assert png(found)


def test_depth_ends_at_the_photo(net: Network, chelsea: Path) -> None:
    """In the result, ``depth`` is at most the number of convolutions between the filter and the photo."""
    assert net.contributions(chelsea, "conv_1[13]", depth=10**9).depth == 2


def test_local_response_normalisation_is_noted(chelsea: Path, tmp_path: Path) -> None:
    """There is a note only if the decomposition passes a local response norm."""
    network = random_network(tmp_path, "googlenet", "bvlc")
    assert not network.contributions(chelsea, "conv2/3x3_reduce[5]").notes
    assert "local response normalisation" in network.contributions(chelsea, "conv2/3x3_reduce[5]", depth=2).notes[0]


@pytest.mark.parametrize(
    "address", ["conv_4[9]", "mixed_2/conv[4]", "mixed_8/tower/conv_1[8]", "mixed_9/tower/mixed/conv[2]"]
)
def test_a_listener_has_the_filter_as_its_term(net: Network, chelsea: Path, address: str) -> None:
    """A listener is a filter that reads the given filter; the value stated for a listener equals the term in its contributions."""
    found = net.contributions(chelsea, address)
    assert not found.is_silent
    for listener in (*found.listeners[:2], found.by_weight()[0]):
        there = net.contributions(chelsea, listener.tensor.address, at=listener.cell)
        term = next(term for term in there.terms if term.origin == found.tensor)
        np.testing.assert_allclose(listener.value, term.value, rtol=1e-4, atol=1e-6)


def test_listeners_through_a_norm(chelsea: Path, tmp_path: Path) -> None:
    """Through a pool and a local response norm, the listener's value equals the filter's term, too."""
    network = random_network(tmp_path, "googlenet", "bvlc")
    found = network.contributions(chelsea, "conv1/7x7_s2[63]")
    listener = found.listeners[0]
    term = network.contributions(chelsea, listener.tensor.address, at=listener.cell).terms
    assert listener.tensor.name == "conv2/3x3_reduce"
    np.testing.assert_allclose(listener.value, next(each.value for each in term if each.channel == 63), rtol=1e-4)


def test_the_last_filters_have_no_listeners(net: Network, chelsea: Path) -> None:
    """No convolution reads the last module."""
    assert net.contributions(chelsea, "mixed_10/conv[3]").listeners == ()


def test_the_record_adds_up(net: Network, chelsea: Path) -> None:
    """In the JSON, bias + terms + rest is the value, for a complete and for a shortened list."""
    found = net.contributions(chelsea, ADDRESS, depth=2)
    for top in (None, 3):
        record = found.record(top)
        total = record["bias"] + sum(term["value"] for term in record["terms"]) + record["rest"]
        assert abs(total - record["value"]) <= TOLERANCE * found.magnitude
        sizes = [abs(term["value"]) for term in record["terms"]]
        assert sizes == sorted(sizes, reverse=True)
    assert len(record["terms"]) == 6
    assert abs(record["rest"]) > 0


POOLS = [
    Pool("average"),
    Pool("average", padding="HALF", counts_border=True),
    Pool("average", (5, 5), 3, "VALID"),
    Pool("max"),
    Pool("max", stride=2, padding="CEIL"),
]


@pytest.mark.parametrize("op", POOLS, ids=str)
def test_pools_pass_coefficients_back(op: Pool) -> None:
    """Coefficients passed back through a pool keep the sum: Σ coefficient · output equals Σ coefficient · input."""
    random = np.random.default_rng(0)
    planes = random.normal(size=(3, 10, 10)).astype(np.float32)
    side = {"VALID": 2, "CEIL": 5}.get(op.padding, 10)
    outputs = pooled(op, planes, (side, side))
    patch = Patch(0, side - 2, random.normal(size=(3, 2, 2)))
    back = before_max(op, patch, planes) if op.reduce == "max" else before_average(op, patch, (10, 10))
    np.testing.assert_allclose(back.of(planes).sum(), patch.of(outputs).sum(), rtol=1e-5)


def test_of_equal_cells_the_first_wins() -> None:
    """A max pool over equal values passes everything to the upper left cell, as PyTorch does."""
    back = before_max(Pool("max", (2, 2), 2, "VALID"), Patch(0, 0, np.ones((1, 1, 1))), np.ones((1, 2, 2), np.float32))
    np.testing.assert_array_equal(back.values, [[[1, 0], [0, 0]]])


def test_the_picture_is_the_same_every_time(net: Network, chelsea: Path) -> None:
    """Two pictures of the same cell have equal bytes."""
    one, two = (png(net.contributions(chelsea, "mixed/tower_2/conv[3]")) for _ in range(2))
    assert one == two


@pytest.mark.parametrize(
    ("address", "options", "error", "reason"),
    [
        (
            "mixed/tower_2/pool[3]",
            {},
            AddressError,
            "is a pool, which has no weights: expected a filter of a convolution",
        ),
        ("mixed_3/join[700]", {}, AddressError, "is a copy of mixed_3/pool[220], a pool"),
        ("pool_3[3]", {}, AddressError, "the mean over all places"),
        ("Mul[1]", {}, AddressError, "a step of the photo's preprocessing"),
        ("softmax[1]", {}, AddressError, "a class of the classifier"),
        ("mixed/conv", {}, AddressError, "names 64 filters: expected one, such as mixed/conv[0]"),
        ("mixed/conv[1:3]", {}, AddressError, "names 2 filters"),
        ("mixed/*[1]", {}, AddressError, "one is expected"),
        ("mixed/conv[64]", {}, ChannelError, "channels 0 to 63"),
        ("mixed/conv[1]", {"at": (35, 0)}, OptionError, "rows 0 to 34 and columns 0 to 34"),
        ("mixed/conv[1]", {"at": (-1, 0)}, OptionError, "outside the map"),
        ("mixed/conv[1]", {"at": 3}, OptionError, "expected a row and a column"),
        ("mixed/conv[1]", {"at": (1.5, 2)}, OptionError, "expected a row and a column"),
        ("mixed/conv[1]", {"at": "12"}, OptionError, "expected a row and a column"),
        ("mixed/conv[1]", {"depth": 0}, OptionError, "1 or more"),
        ("mixed/conv[1]", {"depth": True}, OptionError, "1 or more"),
    ],
)
def test_what_is_refused(
    net: Network, chelsea: Path, address: str, options: dict[str, Any], error: type, reason: str
) -> None:
    """An invalid request raises a one-line error that states what was given and what was expected."""
    with pytest.raises(error, match=r"^[^\n]*$") as raised:
        net.contributions(chelsea, address, **options)
    assert reason in str(raised.value)


def test_int8_is_refused(chelsea: Path) -> None:
    """int8 is refused, because rounded values do not add up."""
    with pytest.raises(OptionError, match="single precision"):
        godeeper.load(precision="int8").contributions(chelsea, "mixed/conv[1]")


def test_a_photo_that_cannot_be_read(net: Network, tmp_path: Path) -> None:
    """A photo that cannot be read raises the decoder's error."""
    with pytest.raises(PhotoError):
        net.contributions(tmp_path / "none.jpg", "mixed/conv[1]")
