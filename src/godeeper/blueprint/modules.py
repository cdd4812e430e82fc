"""The Inception module by itself: every family of it, for use in anyone's own network.

Each function gives a ``Module``; ``module_sites`` gives its operations with their names, shapes, cost and
receptive fields for any input, and ``godeeper.blueprint.cost`` sums them up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .googlenet import naive, reduced
from .inception_v3 import grid8, grid17, grid35, shrink17, shrink35
from .ops import Conv, Module, Operation, edit_module
from .sites import module_sites

__all__ = ["FAMILIES", "module_sites", "naive", "normalised", "reduced"]

FAMILIES: dict[str, Callable[..., Module]] = {
    "naive": naive,
    "reduced": reduced,
    "grid35": grid35,
    "shrink35": shrink35,
    "grid17": grid17,
    "shrink17": shrink17,
    "grid8": grid8,
}
"""Name -> the function that makes such a module: two of arXiv:1409.4842, five of arXiv:1512.00567."""


def normalised(module: Module) -> Module:
    """``module`` with batch normalisation in place of biases, as everyone has trained them since."""
    return edit_module(module, normalise)


def normalise(op: Operation) -> Operation:
    """A convolution with batch normalisation; anything else as it is."""
    return replace(op, normalise=True) if isinstance(op, Conv) else op
