"""The operations of a blueprint as ``torch.nn`` modules, none of which works in place."""

# mypy: disable-error-code="import-not-found,misc,no-any-return"
# The types are also checked where torch is not installed; its classes are Any there.

from __future__ import annotations

from ...blueprint.ops import Conv, Operation, Pool
from ...blueprint.sites import Site
from ...errors import MissingExtra, OptionError
from ...weights.file import BATCHNORM_EPSILON

try:  # the other files of this folder import torch from here, so that its absence is handled once
    import torch as torch
    from torch import nn as nn
except ImportError:
    raise MissingExtra("torch") from None


class ConvUnit(nn.Module):
    """A convolution, batch normalisation or a bias, and ReLU."""

    def __init__(self, in_channels: int, op: Conv) -> None:
        super().__init__()
        kind = SameConv if op.padding == "SAME" and op.stride > 1 else nn.Conv2d
        self.conv = kind(in_channels, op.filters, op.kernel, op.stride, border(op), bias=False)
        self.then = "bn" if op.normalise else "bias"
        self.add_module(
            self.then, nn.BatchNorm2d(op.filters, eps=BATCHNORM_EPSILON) if op.normalise else Bias(op.filters)
        )
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.get_submodule(self.then)(self.conv(x)))


class Bias(nn.Module):
    """Adds a bias per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.bias[:, None, None]


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding, which depends on the input size; the odd zero is at the end."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(same_border(input, self.kernel_size, self.stride, 0.0))


class SameMaxPool(nn.MaxPool2d):
    """A max pool with TensorFlow's SAME padding; the border is -infinity."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        kernel, stride = self.kernel_size, (self.stride, self.stride)
        return super().forward(same_border(input, kernel, stride, -float("inf")))


def same_border(x: torch.Tensor, kernel: tuple[int, int], stride: tuple[int, int], value: float) -> torch.Tensor:
    """``x`` with TensorFlow's SAME padding around it."""
    missing = [max((-(-c // s) - 1) * s + k - c, 0) for c, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    above, left = (cells // 2 for cells in missing)
    return nn.functional.pad(x, (left, missing[1] - left, above, missing[0] - above), value=value)


class Join(nn.Module):
    """Concatenates tensors along the channels."""

    def forward(self, *ends: torch.Tensor) -> torch.Tensor:
        return torch.cat(ends, 1)


def pool(op: Pool) -> nn.Module:
    """The module of a pool, including its padding; raises ``OptionError`` for a padding that torch does not have."""
    shifted = op.padding == "SAME" and op.stride > 1
    if op.reduce == "max":
        kind = SameMaxPool if shifted else nn.MaxPool2d
        return kind(op.kernel, op.stride, border(op), ceil_mode=op.padding == "CEIL")
    if shifted or op.padding == "CEIL":
        raise OptionError(f"an average pool of stride {op.stride} with {op.padding} padding: expected VALID or HALF")
    return nn.AvgPool2d(op.kernel, op.stride, border(op), count_include_pad=op.counts_border)


def border(op: Conv | Pool) -> tuple[int, int]:
    """The symmetric padding (height, width) of ``op``; (0, 0) if its padding depends on the input size."""
    if op.padding in ("VALID", "CEIL") or (op.padding == "SAME" and op.stride > 1):
        return 0, 0
    height, width = (kernel // 2 for kernel in op.kernel)
    if op.padding == "SAME" and any(kernel % 2 == 0 for kernel in op.kernel):
        raise OptionError(f"a window of {op.kernel} with SAME padding: expected odd sides")
    return height, width


def module_of(op: Operation, in_channels: int) -> nn.Module:
    """The module of ``op``."""
    if isinstance(op, Conv):
        return ConvUnit(in_channels, op)
    if isinstance(op, Pool):
        return pool(op)
    return nn.LocalResponseNorm(op.size, op.alpha, op.beta, op.bias)


def operation(site: Site, in_channels: int) -> nn.Module:
    """The module of ``site``."""
    if site.op is not None:
        return module_of(site.op, in_channels)
    if site.kind == "dense":
        return nn.Linear(in_channels, site.shape[0])
    plain = {
        "average": nn.AdaptiveAvgPool2d(1),
        "reshape": nn.Flatten(1),
        "softmax": nn.Softmax(dim=1),
        "concat": Join(),
    }
    return plain[site.kind]


def attach(parent: nn.Module, path: str, operation: nn.Module) -> None:
    """Add ``operation`` to ``parent`` as the submodule at ``path``, with empty modules between where needed."""
    *containers, name = path.split(".")
    for container in containers:
        if container not in parent._modules:
            parent.add_module(container, nn.Module())
        parent = parent.get_submodule(container)
    parent.add_module(name, operation)
