"""GoogLeNet as data: nine modules of one kind.

Source: Szegedy et al., "Going deeper with convolutions", arXiv:1409.4842, table 1, as released in
Caffe's bvlc_googlenet.  That release has biases, local response normalisation, and pools that extend
beyond the end of the grid.  The other releases (``DIALECTS``) are derived from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .ops import Blueprint, Conv, Module, Norm, Operation, Pool, branch, edit_blueprint, module


def naive(ones: int, threes: int, fives: int) -> Module:
    """The naive module (figure 2a): 1x1, 3x3, 5x5 and pool branches, without dimension reduction."""
    return module(
        branch("1x1", biased(ones, 1)),
        branch("3x3", biased(threes, 3)),
        branch("5x5", biased(fives, 5)),
        branch("pool", Pool("max")),
    )


def reduced(ones: int, three_reduce: int, threes: int, five_reduce: int, fives: int, projected: int) -> Module:
    """The module with dimension reduction (figure 2b); the arguments are the columns of table 1, in order."""
    return module(
        branch("1x1", biased(ones, 1)),
        branch("3x3", biased(three_reduce, 1), biased(threes, 3)),
        branch("5x5", biased(five_reduce, 1), biased(fives, 5)),
        branch("pool", Pool("max"), biased(projected, 1)),
    )


def biased(filters: int, side: int) -> Conv:
    """A square convolution with a bias, like all convolutions of the paper."""
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
    """The release in torchvision.

    Batch normalisation replaces biases and local response normalisation, 3x3 convolutions replace 5x5, and the last max
    pool is 2x2.
    """

    def edit(op: Operation) -> Operation | None:
        if isinstance(op, Norm):
            return None
        if not isinstance(op, Conv) or op.kernel == (4, 4):
            return op
        return replace(op, kernel=(3, 3) if op.kernel == (5, 5) else op.kernel, normalise=True)

    edited = edit_blueprint(blueprint, edit)
    last = max(at for at, part in enumerate(edited.modules) if isinstance(part, Pool))
    modules = (*edited.modules[:last], replace(SHRINK, kernel=(2, 2)), *edited.modules[last + 1 :])
    return replace(edited, modules=modules, stored_gamma=True)


def in_inception5h(blueprint: Blueprint) -> Blueprint:
    """Google's release of 2015.

    Modules 4a and 5a have other numbers of filters than in the paper.  The release has TensorFlow's padding, a wider
    local response normalisation, and 1008 classes.
    """

    def edit(op: Operation) -> Operation:
        if isinstance(op, Norm):  # TensorFlow does not divide alpha, here 1e-4, by the size
            return Norm(size=11, alpha=11e-4, beta=0.5, bias=2.0)
        return replace(op, padding="SAME") if op.padding in ("HALF", "CEIL") else op

    edited = edit_blueprint(blueprint, edit)
    changed = {3: reduced(192, 96, 204, 16, 48, 64), 9: reduced(256, 160, 320, 48, 128, 128)}  # 4a, 5a
    modules = tuple(changed.get(at, part) for at, part in enumerate(edited.modules))
    return replace(edited, modules=modules, classes=1008)


DIALECTS: dict[str, Callable[[Blueprint], Blueprint]] = {
    "bvlc": lambda network: network,
    "torchvision": in_torchvision,
    "inception5h": in_inception5h,
}
"""Release -> the function that derives its variant from the blueprint above."""
