"""The data types of a blueprint: operations, branches, modules.

A blueprint is a network's architecture as frozen data, without weights and independent of any framework.
Names, shapes, cost, receptive fields and graphs are derived from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

Padding = Literal["SAME", "VALID", "HALF", "CEIL"]
"""Padding at the border.

VALID  no padding: all windows are inside the grid.
SAME   as in TensorFlow: enough for ceil(cells / stride) windows; of an odd number, the end gets one more.
HALF   as in Caffe and PyTorch: half a window on each side, whatever the stride.
CEIL   as in Caffe's pools: no padding at the start, and the last window can extend beyond the end.
"""


@dataclass(frozen=True)
class Conv:
    """A convolution, followed by batch normalisation (or a bias, if ``normalise`` is False) and ReLU."""

    filters: int
    kernel: tuple[int, int]  # height, width
    stride: int = 1
    padding: Padding = "SAME"
    normalise: bool = True


@dataclass(frozen=True)
class Pool:
    """A pool.  ``counts_border``: an average pool divides by the size of the whole window, including padding."""

    reduce: Literal["max", "average"]
    kernel: tuple[int, int] = (3, 3)
    stride: int = 1
    padding: Padding = "SAME"
    counts_border: bool = False


@dataclass(frozen=True)
class Norm:
    """Local response normalisation over ``size`` neighbouring channels, without parameters.

    It computes x / (``bias`` + ``alpha`` / ``size`` * (sum of the squares of these channels)) ** ``beta``, as in Caffe and
    ONNX; TensorFlow does not divide ``alpha`` by ``size``.  Source: Krizhevsky et al., NIPS 2012, section 3.3.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    bias: float = 1.0


@dataclass(frozen=True)
class Fork:
    """Parallel convolutions inside a branch, concatenated."""

    convs: tuple[Conv, ...]


Operation = Conv | Pool | Norm
Step = Operation | Fork


@dataclass(frozen=True)
class Branch:
    """One path through a module.  Its ``label`` is unique within the module and appears in names."""

    label: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Module:
    """Parallel branches that read the same input; their outputs are concatenated along the channels."""

    branches: tuple[Branch, ...]


@dataclass(frozen=True)
class Blueprint:
    """A stem, a sequence of modules (with pools between them), and a linear classifier on the global average.

    ``family``: selects the naming conventions and dialects.  ``stored_gamma``: batch normalisation has a scale (gamma).
    ``auxiliary``: the auxiliary classifier without its last layer.  One is attached to each module in
    ``auxiliary_after``; its parameters are counted, but it never runs.

    Two fields come from the original file of the weights: ``scope`` is an optional prefix of all names, and ``aliases``
    maps further tensor names to ours.
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
    """A branch with these steps."""
    return Branch(label, steps)


def module(*branches: Branch) -> Module:
    """A module with these branches."""
    return Module(branches)


def borders(op: Conv | Pool, grid: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """((above, below), (left, right)): the padding of ``op`` on ``grid``, in cells."""
    height, width = (border(op, cells, kernel) for cells, kernel in zip(grid, op.kernel, strict=True))
    return height, width


def border(op: Conv | Pool, cells: int, kernel: int) -> tuple[int, int]:
    """(before, after): the padding along one axis of ``cells`` cells."""
    if op.padding == "VALID":
        return 0, 0
    if op.padding == "HALF":
        return kernel // 2, kernel // 2
    if op.padding == "CEIL":
        return 0, (kernel - cells) % op.stride
    windows = -(-cells // op.stride)
    missing = max((windows - 1) * op.stride + kernel - cells, 0)
    return missing // 2, missing - missing // 2


def edit_blueprint(blueprint: Blueprint, edit: Callable[[Operation], Operation | None]) -> Blueprint:
    """``blueprint`` with each operation replaced by ``edit(operation)``, or removed if that is None."""
    parts = (edit_module(part, edit) if isinstance(part, Module) else edit(part) for part in blueprint.modules)
    return replace(
        blueprint,
        stem=tuple(kept for op in blueprint.stem if (kept := edit(op))),
        modules=tuple(part for part in parts if isinstance(part, Module | Pool)),
        auxiliary=blueprint.auxiliary and edit_branch(blueprint.auxiliary, edit),
    )


def edit_module(module: Module, edit: Callable[[Operation], Operation | None]) -> Module:
    """``module`` with each operation replaced by ``edit(operation)``, or removed if that is None."""
    return Module(tuple(edit_branch(branch, edit) for branch in module.branches))


def edit_branch(branch: Branch, edit: Callable[[Operation], Operation | None]) -> Branch:
    """``branch`` with each operation replaced by ``edit(operation)``, or removed if that is None."""
    return Branch(branch.label, tuple(kept for step in branch.steps if (kept := edit_step(step, edit))))


def edit_step(step: Step, edit: Callable[[Operation], Operation | None]) -> Step | None:
    """``edit(step)``; for a fork, a fork of its edited convolutions."""
    if not isinstance(step, Fork):
        return edit(step)
    return Fork(tuple(conv for arm in step.convs if isinstance(conv := edit(arm), Conv)))
