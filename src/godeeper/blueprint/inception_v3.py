"""Inception v3 as data: eleven modules of five kinds.

Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision",
arXiv:1512.00567, as released in the 2015 graph.  The graph differs from the paper's figures in small
ways, for example in the 5x5 branch of its first modules.
"""

from __future__ import annotations

from .ops import Blueprint, Conv, Fork, Module, Padding, Pool, branch, module

HALVE: tuple[tuple[int, int], int, Padding] = (3, 3), 2, "VALID"


def grid35(pool_filters: int) -> Module:
    """A module with 1x1, 5x5, double 3x3 and pool branches, on the 35x35 grid."""
    return module(
        branch("1x1", Conv(64, (1, 1))),
        branch("5x5", Conv(48, (1, 1)), Conv(64, (5, 5))),
        branch("3x3dbl", Conv(64, (1, 1)), Conv(96, (3, 3)), Conv(96, (3, 3))),
        branch("_pool", Pool("average"), Conv(pool_filters, (1, 1))),
    )


def shrink35() -> Module:
    """A module that reduces the 35x35 grid to 17x17."""
    return module(
        branch("3x3", Conv(384, *HALVE)),
        branch("3x3dbl", Conv(64, (1, 1)), Conv(96, (3, 3)), Conv(96, *HALVE)),
        branch("_pool", Pool("max", *HALVE)),
    )


def grid17(c: int) -> Module:
    """A module with 7x7 factorised into 1x7 and 7x1, on the 17x17 grid; its inner convolutions have ``c`` filters."""
    return module(
        branch("1x1", Conv(192, (1, 1))),
        branch("7x7", Conv(c, (1, 1)), Conv(c, (1, 7)), Conv(192, (7, 1))),
        branch("7x7dbl", Conv(c, (1, 1)), Conv(c, (7, 1)), Conv(c, (1, 7)), Conv(c, (7, 1)), Conv(192, (1, 7))),
        branch("_pool", Pool("average"), Conv(192, (1, 1))),
    )


def shrink17() -> Module:
    """A module that reduces the 17x17 grid to 8x8."""
    return module(
        branch("3x3", Conv(192, (1, 1)), Conv(320, *HALVE)),
        branch("7x7x3", Conv(192, (1, 1)), Conv(192, (1, 7)), Conv(192, (7, 1)), Conv(192, *HALVE)),
        branch("_pool", Pool("max", *HALVE)),
    )


def grid8() -> Module:
    """A module with branches that fork into 1x3 and 3x1, on the 8x8 grid."""
    fork = Fork((Conv(384, (1, 3)), Conv(384, (3, 1))))
    return module(
        branch("1x1", Conv(320, (1, 1))),
        branch("3x3", Conv(384, (1, 1)), fork),
        branch("3x3dbl", Conv(448, (1, 1)), Conv(384, (3, 3)), fork),
        branch("_pool", Pool("average"), Conv(192, (1, 1))),
    )


INCEPTION_V3 = Blueprint(
    name="inception_v3",
    stem=(
        Conv(32, *HALVE),
        Conv(32, (3, 3), 1, "VALID"),
        Conv(64, (3, 3)),
        Pool("max", *HALVE),
        Conv(80, (1, 1), 1, "VALID"),
        Conv(192, (3, 3), 1, "VALID"),
        Pool("max", *HALVE),
    ),
    modules=(
        grid35(32),  # mixed     35x35
        grid35(64),  # mixed_1
        grid35(64),  # mixed_2
        shrink35(),  # mixed_3   17x17
        grid17(128),  # mixed_4
        grid17(160),  # mixed_5
        grid17(160),  # mixed_6
        grid17(192),  # mixed_7
        shrink17(),  # mixed_8   8x8
        grid8(),  # mixed_9
        grid8(),  # mixed_10
    ),
    classes=1000,
)

AUXILIARY = branch(
    "aux",
    Pool("average", (5, 5), 3, "VALID"),
    Conv(128, (1, 1), 1, "VALID"),
    Conv(768, (5, 5), 1, "VALID"),
)
"""The auxiliary classifier that torchvision's and slim's training graphs attach to ``mixed_7``."""
