"""Single operations of a blueprint as ``torch.nn`` modules: each a module of its own, none working in place."""

# mypy: disable-error-code="import-not-found,misc,no-any-return"
# Types are checked where torch is not installed, too: its classes are Any there.

from __future__ import annotations

from ..blueprint.ops import Conv, Pool
from ..blueprint.sites import Site
from ..errors import MissingExtra
from ..weights.file import BATCHNORM_EPSILON

try:  # the names are given on to the files beside this one, which need this guard too
    import torch as torch
    from torch import nn as nn
except ImportError:
    raise MissingExtra("torch") from None


class ConvUnit(nn.Module):
    """Convolution, batch normalisation, ReLU; its output is a new tensor, never a changed one."""

    def __init__(self, in_channels: int, op: Conv) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, op.filters, op.kernel, op.stride, border(op), bias=False)
        self.bn = nn.BatchNorm2d(op.filters, eps=BATCHNORM_EPSILON)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.bn(self.conv(x)))


class Join(nn.Module):
    """Concatenation along the channels."""

    def forward(self, *ends: torch.Tensor) -> torch.Tensor:
        return torch.cat(ends, 1)


def pool(op: Pool) -> nn.Module:
    """A pool as the blueprint has it, the border included."""
    if op.reduce == "max":
        return nn.MaxPool2d(op.kernel, op.stride, border(op))
    return nn.AvgPool2d(op.kernel, op.stride, border(op), count_include_pad=op.counts_border)


def border(op: Conv | Pool) -> tuple[int, int]:
    """Padding above and below, left and right."""
    height, width = ((kernel - 1) // 2 if op.padding == "SAME" else 0 for kernel in op.kernel)
    return height, width


def operation(site: Site, in_channels: int) -> nn.Module:
    """The module that does what ``site`` does."""
    if isinstance(site.op, Conv):
        return ConvUnit(in_channels, site.op)
    if isinstance(site.op, Pool):
        return pool(site.op)
    if site.kind == "dense":
        return nn.Linear(in_channels, site.shape[0])
    plain = {
        "average": nn.AdaptiveAvgPool2d(1),
        "reshape": nn.Flatten(1),
        "softmax": nn.Softmax(dim=1),
        "concat": Join(),
    }
    return plain[site.kind]
