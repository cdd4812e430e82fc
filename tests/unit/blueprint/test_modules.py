"""A single Inception module: its sites, shapes and cost for any input."""

from __future__ import annotations

import pytest

from godeeper.blueprint import cost
from godeeper.blueprint.inception_v3 import INCEPTION_V3
from godeeper.blueprint.modules import FAMILIES, module_sites, naive, normalised, reduced
from godeeper.blueprint.ops import Conv, Module, Pool, branch, module
from godeeper.blueprint.sites import sites
from godeeper.errors import OptionError

MADE: dict[str, tuple[Module, tuple[int, int, int], tuple[int, int, int]]] = {
    "naive": (naive(64, 128, 32), (192, 28, 28), (416, 28, 28)),
    "reduced": (reduced(64, 96, 128, 16, 32, 32), (192, 28, 28), (256, 28, 28)),
    "grid35": (FAMILIES["grid35"](32), (192, 35, 35), (256, 35, 35)),
    "shrink35": (FAMILIES["shrink35"](), (288, 35, 35), (768, 17, 17)),
    "grid17": (FAMILIES["grid17"](128), (768, 17, 17), (768, 17, 17)),
    "shrink17": (FAMILIES["shrink17"](), (768, 17, 17), (1280, 8, 8)),
    "grid8": (FAMILIES["grid8"](), (1280, 8, 8), (2048, 8, 8)),
}
"""Family -> an example module, its input and its output."""


def test_every_family() -> None:
    """Every family has an example in ``FAMILIES``."""
    assert list(MADE) == list(FAMILIES)


@pytest.mark.parametrize("family", MADE)
def test_output(family: str) -> None:
    """A module's output has the channels of all its branches, on the expected grid."""
    made, given, expected = MADE[family]
    all_sites = module_sites(made, given)
    assert (all_sites[0].shape, all_sites[-1].shape) == (given, expected)


@pytest.mark.parametrize("family", MADE)
def test_names(family: str) -> None:
    """No two sites of a module have the same name."""
    made, given, _ = MADE[family]
    names = [site.address for site in module_sites(made, given)]
    assert len(set(names)) == len(names)


def test_naive_branches() -> None:
    """The naive module has one convolution of each size, and a pool that keeps all input channels."""
    all_sites = module_sites(naive(64, 128, 32), (192, 28, 28))
    assert [site.address for site in all_sites] == ["input", "1x1/conv", "3x3/conv", "5x5/conv", "pool/pool", "join"]
    assert all_sites[-2].shape == (192, 28, 28)


def test_reduced_branches() -> None:
    """The reduced module has a 1x1 convolution before 3x3 and 5x5, and after the pool."""
    all_sites = module_sites(reduced(64, 96, 128, 16, 32, 32), (192, 28, 28))
    assert [site.address for site in all_sites] == [
        "input", "1x1/conv", "3x3/conv", "3x3/conv_1", "5x5/conv", "5x5/conv_1", "pool/pool", "pool/conv", "join",
    ]  # fmt: skip


def test_reduction_is_cheaper() -> None:
    """Reducing dimensions first costs less for the same 1x1, 3x3 and 5x5 filters, as the paper argues."""
    given = (192, 28, 28)
    made = naive(64, 128, 32), reduced(64, 96, 128, 16, 32, 32)
    dear, cheap = (sum(site.macs for site in module_sites(each, given)) for each in made)
    pixels = 28 * 28
    assert dear == pixels * 192 * (64 + 9 * 128 + 25 * 32)
    assert cheap == pixels * (192 * (64 + 96 + 16 + 32) + 9 * 96 * 128 + 25 * 16 * 32)


@pytest.mark.parametrize("size", [8, 35, 224])
def test_any_input(size: int) -> None:
    """Shapes follow from the input's shape."""
    assert module_sites(reduced(1, 2, 3, 4, 5, 6), (7, size, size))[-1].shape == (1 + 3 + 5 + 6, size, size)


def test_oblong_input() -> None:
    """Height and width are not confused."""
    assert module_sites(FAMILIES["shrink35"](), (288, 35, 21))[-1].shape == (768, 17, 10)


def test_too_small() -> None:
    """An input is refused if it is so small that a branch's output would have no cell."""
    with pytest.raises(OptionError, match="an input of 2x2 cells is too small"):
        module_sites(FAMILIES["shrink35"](), (288, 2, 2))


def test_parameters() -> None:
    """A module's parameters are kernels and biases; with batch normalisation, each filter has two parameters instead of a bias."""
    made, given = reduced(64, 96, 128, 16, 32, 32), (192, 28, 28)
    kernels = 192 * (64 + 96 + 16 + 32) + 9 * 96 * 128 + 25 * 16 * 32
    filters = 64 + 96 + 128 + 16 + 32 + 32
    assert cost.sites_parameters(module_sites(made, given)) == kernels + filters
    assert cost.sites_parameters(module_sites(normalised(made), given)) == kernels + 2 * filters


def test_as_in_the_network() -> None:
    """A single module has the same operations, shapes and cost as within its network."""
    first = INCEPTION_V3.modules[0]
    assert isinstance(first, Module)
    alone = module_sites(first, (192, 35, 35))[1:]
    within = [site for site in sites(INCEPTION_V3) if site.place.module == 0]
    assert [(s.op, s.shape, s.macs) for s in alone] == [(s.op, s.shape, s.macs) for s in within]


def test_own_module() -> None:
    """A user-defined module has sites too, and their receptive fields are measured in cells of the module's input."""
    own = module(branch("wide", Conv(8, (1, 9))), branch("wide", Pool("average"), Conv(8, (9, 1))))
    all_sites = module_sites(own, (3, 20, 20))
    assert [site.address for site in all_sites] == ["input", "wide/conv", "wide/pool", "wide/conv_1", "join"]
    assert [site.field.size for site in all_sites] == [(1, 1), (1, 9), (3, 3), (11, 3), (11, 9)]
