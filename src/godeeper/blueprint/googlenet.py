"""GoogLeNet as data: one family of modules, nine rows.

Source: Szegedy et al., "Going deeper with convolutions", arXiv:1409.4842, table 1, in the form of
Caffe's bvlc_googlenet: biases, local response normalisation, pools that reach over the end.
The other releases (``DIALECTS``) are edits of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .ops import Blueprint, Conv, Module, Norm, Operation, Pool, branch, edit_blueprint, module


def naive(ones: int, threes: int, fives: int) -> Module:
    """The module as first thought of (figure 2a): 1x1, 3x3 and 5x5 side by side, and a pool; channels only grow."""
    return module(
        branch("1x1", biased(ones, 1)),
        branch("3x3", biased(threes, 3)),
        branch("5x5", biased(fives, 5)),
        branch("pool", Pool("max")),
    )


def reduced(ones: int, three_reduce: int, threes: int, five_reduce: int, fives: int, projected: int) -> Module:
    """The module with dimension reduction (figure 2b); the arguments are table 1's columns, in its order."""
    return module(
        branch("1x1", biased(ones, 1)),
        branch("3x3", biased(three_reduce, 1), biased(threes, 3)),
        branch("5x5", biased(five_reduce, 1), biased(fives, 5)),
        branch("pool", Pool("max"), biased(projected, 1)),
    )


def biased(filters: int, side: int) -> Conv:
    """A square convolution with a bias, as the paper has them all."""
    return Conv(filters, (side, side), normalise=False)


SHRINK = Pool("max", (3, 3), 2, "CEIL")

GOOGLENET = Blueprint(
    name="googlenet",
    stem=(
        Conv(64, (7, 7), 2, "HALF", normalise=False),
        SHRINK,
        Norm(),
        biased(64, 1),
        biased(192, 3),
        Norm(),
        SHRINK,
    ),
    modules=(
        reduced(64, 96, 128, 16, 32, 32),  # 3a  28x28
        reduced(128, 128, 192, 32, 96, 64),  # 3b
        SHRINK,
        reduced(192, 96, 208, 16, 48, 64),  # 4a  14x14
        reduced(160, 112, 224, 24, 64, 64),  # 4b
        reduced(128, 128, 256, 24, 64, 64),  # 4c
        reduced(112, 144, 288, 32, 64, 64),  # 4d
        reduced(256, 160, 320, 32, 128, 128),  # 4e
        SHRINK,
        reduced(256, 160, 320, 32, 128, 128),  # 5a  7x7
        reduced(384, 192, 384, 48, 128, 128),  # 5b
    ),
    classes=1000,
    auxiliary=branch(
        "aux",
        Pool("average", (5, 5), 3, "VALID"),
        biased(128, 1),
        Conv(1024, (4, 4), padding="VALID", normalise=False),  # the paper's first fully connected layer
    ),
    auxiliary_after=(2, 5),  # 4a and 4d
    input_size=224,
    dialect="bvlc",
    family="googlenet",
)


def in_torchvision(blueprint: Blueprint) -> Blueprint:
    """Batch normalisation throughout, none across channels; 3x3 where the paper has 5x5; a last pool of 2x2."""

    def edit(op: Operation) -> Operation | None:
        if isinstance(op, Norm):
            return None
        if not isinstance(op, Conv) or op.kernel == (4, 4):
            return op
        return replace(op, kernel=(3, 3) if op.kernel == (5, 5) else op.kernel, normalise=True)

    edited = edit_blueprint(blueprint, edit)
    last = max(at for at, part in enumerate(edited.modules) if isinstance(part, Pool))
    row = (*edited.modules[:last], replace(SHRINK, kernel=(2, 2)), *edited.modules[last + 1 :])
    return replace(edited, modules=row, stored_gamma=True)


def in_inception5h(blueprint: Blueprint) -> Blueprint:
    """Two rows differ from the paper's; TensorFlow's padding; 1008 classes; a wider normalisation."""

    def edit(op: Operation) -> Operation:
        if isinstance(op, Norm):  # its alpha of 1e-4 is not divided by the window's size
            return Norm(size=11, alpha=11e-4, beta=0.5, bias=2.0)
        return replace(op, padding="SAME") if op.padding in ("HALF", "CEIL") else op

    edited = edit_blueprint(blueprint, edit)
    rows = {3: reduced(192, 96, 204, 16, 48, 64), 9: reduced(256, 160, 320, 48, 128, 128)}  # 4a, 5a
    row = tuple(rows.get(at, part) for at, part in enumerate(edited.modules))
    return replace(edited, modules=row, classes=1008)


DIALECTS: dict[str, Callable[[Blueprint], Blueprint]] = {
    "bvlc": lambda network: network,
    "torchvision": in_torchvision,
    "inception5h": in_inception5h,
}
"""Release -> the edit that turns the original blueprint into that release."""
