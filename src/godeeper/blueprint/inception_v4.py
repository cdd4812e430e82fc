"""Inception v4 as data: a stem that ends in three modules, then 16 modules of five kinds.

Source: Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on
Learning", arXiv:1602.07261, figures 3 to 9, with the filters of the released slim checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .inception_v3 import HALVE
from .ops import Blueprint, Conv, Fork, Module, Pool, branch, module


def stem() -> tuple[Module, ...]:
    """The three modules between the first convolutions and the 35x35 grid."""
    return (
        module(
            branch("maxpool", Pool("max", *HALVE)),
            branch("conv", Conv(96, *HALVE)),
        ),
        module(
            branch("0", Conv(64, (1, 1)), Conv(96, (3, 3), 1, "VALID")),
            branch("1", Conv(64, (1, 1)), Conv(64, (1, 7)), Conv(64, (7, 1)), Conv(96, (3, 3), 1, "VALID")),
        ),
        module(
            branch("conv", Conv(192, *HALVE)),
            branch("maxpool", Pool("max", *HALVE)),
        ),
    )


def inception_a() -> Module:
    """A module with 1x1, 3x3, double 3x3 and pool branches, on the 35x35 grid."""
    return module(
        branch("0", Conv(96, (1, 1))),
        branch("1", Conv(64, (1, 1)), Conv(96, (3, 3))),
        branch("2", Conv(64, (1, 1)), Conv(96, (3, 3)), Conv(96, (3, 3))),
        branch("3", Pool("average"), Conv(96, (1, 1))),
    )


def reduction_a() -> Module:
    """A module that reduces the 35x35 grid to 17x17."""
    return module(
        branch("0", Conv(384, *HALVE)),
        branch("1", Conv(192, (1, 1)), Conv(224, (3, 3)), Conv(256, *HALVE)),
        branch("2", Pool("max", *HALVE)),
    )


def inception_b() -> Module:
    """A module with 7x7 factorised into 1x7 and 7x1, on the 17x17 grid."""
    return module(
        branch("0", Conv(384, (1, 1))),
        branch("1", Conv(192, (1, 1)), Conv(224, (1, 7)), Conv(256, (7, 1))),
        branch("2", Conv(192, (1, 1)), Conv(192, (7, 1)), Conv(224, (1, 7)), Conv(224, (7, 1)), Conv(256, (1, 7))),
        branch("3", Pool("average"), Conv(128, (1, 1))),
    )


def reduction_b() -> Module:
    """A module that reduces the 17x17 grid to 8x8."""
    return module(
        branch("0", Conv(192, (1, 1)), Conv(192, *HALVE)),
        branch("1", Conv(256, (1, 1)), Conv(256, (1, 7)), Conv(320, (7, 1)), Conv(320, *HALVE)),
        branch("2", Pool("max", *HALVE)),
    )


def inception_c() -> Module:
    """A module with branches that fork into 1x3 and 3x1, on the 8x8 grid."""
    fork = Fork((Conv(256, (1, 3)), Conv(256, (3, 1))))
    return module(
        branch("0", Conv(256, (1, 1))),
        branch("1", Conv(384, (1, 1)), fork),
        branch("2", Conv(384, (1, 1)), Conv(448, (3, 1)), Conv(512, (1, 3)), fork),
        branch("3", Pool("average"), Conv(256, (1, 1))),
    )


INCEPTION_V4 = Blueprint(
    name="inception_v4",
    stem=(
        Conv(32, *HALVE),
        Conv(32, (3, 3), 1, "VALID"),
        Conv(64, (3, 3)),
    ),
    modules=(
        *stem(),  # Mixed_3a to Mixed_5a
        *[inception_a()] * 4,  # Mixed_5b to Mixed_5e, 35x35
        reduction_a(),  # Mixed_6a
        *[inception_b()] * 7,  # Mixed_6b to Mixed_6h, 17x17
        reduction_b(),  # Mixed_7a
        *[inception_c()] * 3,  # Mixed_7b to Mixed_7d, 8x8
    ),
    classes=1001,
    dialect="slim",
    family="inception_v4",
)

AUXILIARY = branch(
    "aux",
    Pool("average", (5, 5), 3, "VALID"),
    Conv(128, (1, 1)),
    Conv(768, (5, 5), padding="VALID"),
)
"""The auxiliary classifier that slim's training graph attaches to ``Mixed_6h``."""


def in_slim(blueprint: Blueprint) -> Blueprint:
    """The slim release: with the auxiliary classifier and a background class."""
    return replace(blueprint, auxiliary=AUXILIARY, auxiliary_after=(14,))


def in_timm(blueprint: Blueprint) -> Blueprint:
    """The timm release: no auxiliary classifier and no background class; batch normalisation has a stored gamma."""
    return replace(blueprint, classes=1000, stored_gamma=True)


DIALECTS: dict[str, Callable[[Blueprint], Blueprint]] = {"slim": in_slim, "timm": in_timm}
"""Release -> the function that derives its variant from the blueprint above."""
