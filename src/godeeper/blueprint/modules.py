"""Single Inception modules for use in other networks.

Each function in ``FAMILIES`` returns a ``Module``.  ``module_sites`` returns its operations with their names, shapes,
cost and receptive fields for an input of any shape; ``godeeper.blueprint.cost`` computes their total cost.
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
"""Name -> the function that creates such a module; the first two are from arXiv:1409.4842, the others from arXiv:1512.00567."""


def normalised(module: Module) -> Module:
    """``module`` with batch normalisation instead of biases, as in all later releases."""
    return edit_module(module, normalise)


def normalise(op: Operation) -> Operation:
    """A convolution with batch normalisation; any other operation unchanged."""
    return replace(op, normalise=True) if isinstance(op, Conv) else op
