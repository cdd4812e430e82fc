"""Costs and other numbers derived from the blueprint."""

from __future__ import annotations

import pytest

from godeeper.blueprint.address import resolve_one
from godeeper.blueprint.cost import conv_macs, kernel_size, macs_share, parameters, tensor_macs
from godeeper.blueprint.dialects import DIALECTS, in_dialect
from godeeper.blueprint.inception_v3 import INCEPTION_V3 as NETWORK
from godeeper.blueprint.ops import Conv, Pool
from godeeper.blueprint.sites import sites
from godeeper.errors import OptionError, UnknownName


def test_counts() -> None:
    """There are 94 convolutions, 14 pools including the global pool, and 11 modules."""
    kinds = [site.kind for site in sites(NETWORK)]
    assert (kinds.count("conv"), kinds.count("pool") + kinds.count("average"), len(NETWORK.modules)) == (94, 14, 11)


@pytest.mark.parametrize(
    ("dialect", "statistics", "head", "expected"),
    [
        ("torchvision", False, True, 27_161_264),
        ("slim", True, False, 21_802_784),
        ("keras", True, True, 23_851_784),
    ],
)
def test_parameters(dialect: str, statistics: bool, head: bool, expected: int) -> None:  # noqa: FBT001
    """The number of parameters equals each release's own count."""
    assert parameters(in_dialect(NETWORK, dialect), with_head=head, moving_statistics=statistics) == expected


def test_filters_and_weights() -> None:
    """There are 17,216 filters with 21,751,136 weights."""
    assert sum(site.shape[0] for site in sites(NETWORK) if site.kind == "conv") == 17_216
    all_sites = sites(NETWORK)
    assert sum(kernel_size(site, all_sites) for site in all_sites) == 21_751_136


def test_multiply_adds() -> None:
    """There are 5.711 billion multiply-adds in convolutions, and 5.713 billion with the classifier."""
    assert round(conv_macs(NETWORK) / 1e9, 3) == 5.711
    assert round(sum(site.macs for site in sites(NETWORK)) / 1e9, 3) == 5.713


@pytest.mark.parametrize(
    ("address", "ancestors", "in_order"),
    [
        ("mixed/tower_2/conv", 23.6, 28.9),
        ("mixed/tower_1/conv_2", 26.7, 28.8),
        ("mixed_4/tower_1/conv_4", 51.1, 53.8),
        ("mixed_7/tower_2/conv", 72.4, 82.5),
        ("pool_1", 23.5, 23.5),
    ],
)
def test_shares(address: str, ancestors: float, in_order: float) -> None:
    """A tensor's share counts its ancestors only, or all sites before it in program order."""
    index = resolve_one(NETWORK, address).site.index
    assert round(100 * macs_share(NETWORK, [index]), 1) == ancestors
    before = sum(site.macs for site in sites(NETWORK)[: index + 1])
    assert round(100 * before / conv_macs(NETWORK), 1) == in_order
    assert tensor_macs(NETWORK, [index, index]) == tensor_macs(NETWORK, [index])


def test_last_field() -> None:
    """A cell of mixed_10 sees 1311 pixels per side, 618 of them beyond the border; cells are 32 pixels apart."""
    field = resolve_one(NETWORK, "mixed_10/join").field
    assert (field.size, field.jump, field.padding) == ((1311, 1311), 32, (618, 618))


def test_field_box() -> None:
    """The centre of cell (r, c) of the blog's first tensor is at 13 + 8r, 13 + 8c."""
    field = resolve_one(NETWORK, "mixed/tower_2/conv").field
    top, left, bottom, right = field.box(2, 5)
    assert ((top + bottom - 1) / 2, (left + right - 1) / 2) == (13 + 8 * 2, 13 + 8 * 5)
    assert (bottom - top, right - left) == (47, 47)


def test_grids() -> None:
    """The grids have the sizes that the paper states."""
    stem = [site.shape[1] for site in sites(NETWORK) if site.op is not None and site.place.module is None]
    joins = [site.shape[1] for site in sites(NETWORK) if site.kind == "concat" and site.place.branch is None]
    assert stem == [149, 147, 147, 73, 73, 71, 35]
    assert joins == [35] * 3 + [17] * 5 + [8] * 3


def test_dialects_are_edits_of_data() -> None:
    """Dialects differ in pool borders, the last pool and the classes, and never in convolutions."""
    for name, dialect in DIALECTS.items():
        ops = [site.op for site in sites(in_dialect(NETWORK, name))]
        pools = [op for op in ops if isinstance(op, Pool) and op.stride == 1]
        assert [op for op in ops if isinstance(op, Conv)] == [s.op for s in sites(NETWORK) if isinstance(s.op, Conv)]
        assert {pool.counts_border for pool in pools if pool.reduce == "average"} == {name == "torchvision"}
        assert [pool.reduce for pool in pools] == ["average"] * 8 + ["max" if name == "2015" else "average"]
        assert sites(in_dialect(NETWORK, name))[-1].shape[0] == dialect.classes


def test_unknown_dialect() -> None:
    """An unknown dialect is an error that lists the known ones."""
    with pytest.raises(UnknownName, match="2015, torchvision, slim, keras"):
        in_dialect(NETWORK, "caffe")


def test_too_small_an_input() -> None:
    """Below 75 pixels the last grid would have no cell, and the input is refused."""
    assert sites(NETWORK, 75)[-5].shape == (2048, 1, 1)
    with pytest.raises(OptionError, match="at least 75"):
        sites(NETWORK, 74)
