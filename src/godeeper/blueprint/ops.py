"""The six kinds of thing a blueprint is made of.

A blueprint is a network's architecture as frozen data.  It holds no weights and knows no
framework; everything else (names, shapes, cost, receptive fields, graphs) is derived from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Padding = Literal["SAME", "VALID"]


@dataclass(frozen=True)
class Conv:
    """A convolution without bias, then batch normalisation, then ReLU."""

    filters: int
    kernel: tuple[int, int]  # height, width
    stride: int = 1
    padding: Padding = "SAME"


@dataclass(frozen=True)
class Pool:
    """A pool.  ``counts_border``: an average pool divides by the whole window, padding included."""

    reduce: Literal["max", "average"]
    kernel: tuple[int, int] = (3, 3)
    stride: int = 1
    padding: Padding = "SAME"
    counts_border: bool = False


@dataclass(frozen=True)
class Fork:
    """Convolutions side by side inside a branch, concatenated."""

    convs: tuple[Conv, ...]


Step = Conv | Pool | Fork


@dataclass(frozen=True)
class Branch:
    """One path through a module.  ``label`` is the path's name in torchvision, less ``branch``."""

    label: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Module:
    """Parallel branches over one input, concatenated along the channels."""

    branches: tuple[Branch, ...]


@dataclass(frozen=True)
class Network:
    """A stem, a row of modules, and a linear classifier over the globally averaged last one."""

    name: str
    stem: tuple[Conv | Pool, ...]
    modules: tuple[Module, ...]
    classes: int
    auxiliary: Branch | None = None  # counted in parameters; never run
    auxiliary_after: int = -1  # index of the module that feeds it
    input_size: int = 299
    dialect: str = "keras"


def branch(label: str, *steps: Step) -> Branch:
    """A branch of these steps: how tables of architecture are written."""
    return Branch(label, steps)


def module(*branches: Branch) -> Module:
    """A module of these branches."""
    return Module(branches)
