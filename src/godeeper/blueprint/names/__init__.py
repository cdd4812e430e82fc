"""Data types for names: the names of a site, its place in the network, and a naming convention.

Each network has a file with its conventions (``names.inception_v3``, ``names.googlenet``, …), and ``conventions`` lists
them all.  Names do not depend on the dialect: a site keeps its name even if a release has another operation there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..ops import Branch, Conv, Operation, Pool

Stage = Literal["conv", "bias", "batchnorm", "relu"]
"""A stage of a convolution: the raw output, the value after the bias or batch normalisation, or that after the ReLU."""


@dataclass(frozen=True)
class Names:
    """A site's name in each convention of its network; None if a convention has no name for it.

    Each convention is also an attribute: ``names.tf2015``, ``names.bvlc``.
    """

    by_convention: tuple[tuple[str, str | None], ...] = ()

    def __getattr__(self, convention: str) -> str | None:
        names = self.as_dict()
        if convention not in names:
            raise AttributeError(f"no convention {convention!r}: expected one of {', '.join(names)}")
        return names[convention]

    def as_dict(self) -> dict[str, str | None]:
        """Convention -> name, in the order of the network's conventions."""
        return dict(self.__dict__.get("by_convention", ()))  # the field is missing while a copy is being created

    @property
    def first(self) -> str | None:
        """The name in the first convention that has one, which godeeper prints."""
        return next((name for _, name in self.by_convention if name), None)


@dataclass(frozen=True)
class Place:
    """The position of an operation; a field is None if it does not apply.

    ``path``: the index of the branch in its module.  ``tower``: the number of branches before it that have more than one
    step.  ``step``: the index in the stem or branch.  ``arm``: the index in a fork.
    """

    module: int | None = None
    path: int | None = None
    tower: int | None = None
    step: int | None = None
    arm: int | None = None
    branch: Branch | None = None


@dataclass(frozen=True)
class NamedPlace:
    """The properties of a site that determine its names: its place, its operation, and the height of its grid."""

    place: Place
    kind: str
    op: Operation | None
    grid: int


Spelled = str | tuple[str, ...] | None
"""A name, or several spellings of it with the printed one first, or None."""


def unstaged(name: str, stage: Stage) -> tuple[str, ...]:
    """The ``staged`` function of conventions that only name the final output of a convolution."""
    return (name,) if stage == "relu" else ()


@dataclass(frozen=True)
class NamingConvention:
    """One way to name the sites of a network.

    ``rule``: the function that names the sites of the stem and the modules, in program order.  ``fixed``: kind -> name of
    the other sites.  ``staged``: the function that returns the names of a convolution at a stage, the printed one first.
    ``scopes``: optional prefixes of all names.
    """

    name: str
    rule: Callable[[Sequence[NamedPlace]], Iterable[Spelled]]
    fixed: Mapping[str, Spelled]
    staged: Callable[[str, Stage], tuple[str, ...]] = unstaged
    scopes: tuple[str, ...] = field(default=())


def with_endings(endings: Mapping[Stage, tuple[str, ...]]) -> Callable[[str, Stage], tuple[str, ...]]:
    """A ``staged`` function that appends the endings of the stage to the name."""
    return lambda name, stage: tuple(name + ending for ending in endings.get(stage, ()))


def window(op: Conv | Pool) -> str:
    """The size of a window as height x width: ``1x7``."""
    return "x".join(map(str, op.kernel))


def numbered(name: str, number: int | None) -> str:
    """A repeated name with TensorFlow's numbering: ``conv``, ``conv_1``, ``conv_2``."""
    return f"{name}_{number}" if number else name
