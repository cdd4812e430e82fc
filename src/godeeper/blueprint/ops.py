"""The seven kinds of thing a blueprint is made of.

A blueprint is a network's architecture as frozen data.  It holds no weights and knows no
framework; everything else (names, shapes, cost, receptive fields, graphs) is derived from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

Padding = Literal["SAME", "VALID", "HALF", "CEIL"]
"""What lies beyond the border.

VALID  nothing: the window stays inside.
SAME   as TensorFlow: zeros until there are ceil(cells / stride) windows, the odd one at the end.
HALF   as Caffe and PyTorch write it: half a window of zeros on every side, whatever the stride.
CEIL   as Caffe's pools: nothing at the start, and the last window may reach over the end.
"""


@dataclass(frozen=True)
class Conv:
    """A convolution, then batch normalisation or (``normalise`` False) a bias, then ReLU."""

    filters: int
    kernel: tuple[int, int]  # height, width
    stride: int = 1
    padding: Padding = "SAME"
    normalise: bool = True


@dataclass(frozen=True)
class Pool:
    """A pool.  ``counts_border``: an average pool divides by the whole window, padding included."""

    reduce: Literal["max", "average"]
    kernel: tuple[int, int] = (3, 3)
    stride: int = 1
    padding: Padding = "SAME"
    counts_border: bool = False


@dataclass(frozen=True)
class Norm:
    """Local response normalisation over ``size`` neighbouring channels, without parameters.

    x / (``bias`` + ``alpha`` / size * (sum of their squares)) ** ``beta``, as Caffe and ONNX write it
    (TensorFlow does not divide ``alpha``).  Source: Krizhevsky et al., NIPS 2012, section 3.3.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    bias: float = 1.0


@dataclass(frozen=True)
class Fork:
    """Convolutions side by side inside a branch, concatenated."""

    convs: tuple[Conv, ...]


Operation = Conv | Pool | Norm
Step = Operation | Fork


@dataclass(frozen=True)
class Branch:
    """One path through a module.  ``label`` tells it from its neighbours; rules of naming use it."""

    label: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Module:
    """Parallel branches over one input, concatenated along the channels."""

    branches: tuple[Branch, ...]


@dataclass(frozen=True)
class Blueprint:
    """A stem, a row of modules (and pools between them), a linear classifier over the global average.

    ``family`` says whose conventions name its sites and whose dialects it has.  ``stored_gamma``:
    batch normalisation has a scale of its own.  ``auxiliary``: the side classifier, less its last
    layer, that hangs on each of the modules ``auxiliary_after``; counted in parameters, never run.
    ``scope`` may stand before any name, and ``aliases`` are further names of tensors -> ours, as the file that the
    weights are from has them.
    """

    name: str
    stem: tuple[Operation, ...]
    modules: tuple[Module | Pool, ...]
    classes: int
    auxiliary: Branch | None = None
    auxiliary_after: tuple[int, ...] = ()
    input_size: int = 299
    dialect: str = "keras"
    family: str = "inception_v3"
    stored_gamma: bool = False
    scope: str = ""
    aliases: tuple[tuple[str, str], ...] = ()


def branch(label: str, *steps: Step) -> Branch:
    """A branch of these steps: how tables of architecture are written."""
    return Branch(label, steps)


def module(*branches: Branch) -> Module:
    """A module of these branches."""
    return Module(branches)


def borders(op: Conv | Pool, grid: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """((above, below), (left, right)): the cells that ``op`` takes from beyond the border of ``grid``."""
    height, width = (border(op, cells, kernel) for cells, kernel in zip(grid, op.kernel, strict=True))
    return height, width


def border(op: Conv | Pool, cells: int, kernel: int) -> tuple[int, int]:
    """(before, after) along one axis of ``cells`` cells."""
    if op.padding == "VALID":
        return 0, 0
    if op.padding == "HALF":
        return kernel // 2, kernel // 2
    if op.padding == "CEIL":
        return 0, (kernel - cells) % op.stride
    windows = -(-cells // op.stride)
    missing = max((windows - 1) * op.stride + kernel - cells, 0)
    return missing // 2, missing - missing // 2


def edit_network(network: Blueprint, edit: Callable[[Operation], Operation | None]) -> Blueprint:
    """``network`` with every operation replaced by ``edit(operation)``; None takes it out."""
    row = (edit_module(part, edit) if isinstance(part, Module) else edit(part) for part in network.modules)
    return replace(
        network,
        stem=tuple(kept for op in network.stem if (kept := edit(op))),
        modules=tuple(part for part in row if isinstance(part, Module | Pool)),
        auxiliary=network.auxiliary and edit_branch(network.auxiliary, edit),
    )


def edit_module(module: Module, edit: Callable[[Operation], Operation | None]) -> Module:
    """``module`` with every operation replaced by ``edit(operation)``."""
    return Module(tuple(edit_branch(branch, edit) for branch in module.branches))


def edit_branch(branch: Branch, edit: Callable[[Operation], Operation | None]) -> Branch:
    """``branch`` with every operation replaced by ``edit(operation)``."""
    return Branch(branch.label, tuple(kept for step in branch.steps if (kept := edit_step(step, edit))))


def edit_step(step: Step, edit: Callable[[Operation], Operation | None]) -> Step | None:
    """``step`` replaced by ``edit(step)``, the arms of a fork one by one."""
    if not isinstance(step, Fork):
        return edit(step)
    return Fork(tuple(conv for arm in step.convs if isinstance(conv := edit(arm), Conv)))
