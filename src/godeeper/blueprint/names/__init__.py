"""Data types for names: the names of a site, the place they depend on, and a naming convention.

Each network has its own conventions (``names.inception_v3``, ``names.googlenet``, …); ``conventions``
has the table of them.  Names do not depend on the dialect: a site keeps its name if another release
computes something else there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..ops import Branch, Conv, Operation, Pool

Stage = Literal["conv", "bias", "batchnorm", "relu"]
"""A stage of a convolution: its raw output, after the bias or batch normalisation, or after the ReLU."""


@dataclass(frozen=True)
class Names:
    """A site's name in each convention of its network, None if a convention has none.

    Conventions are attributes: ``names.tf2015``, ``names.bvlc``.
    """

    by_convention: tuple[tuple[str, str | None], ...] = ()

    def __getattr__(self, convention: str) -> str | None:
        names = self.as_dict()
        if convention not in names:
            raise AttributeError(f"no convention {convention!r}: expected one of {', '.join(names)}")
        return names[convention]

    def as_dict(self) -> dict[str, str | None]:
        """Convention -> name, in the network's order."""
        return dict(self.__dict__.get("by_convention", ()))  # missing while a copy is being created

    @property
    def first(self) -> str | None:
        """The name in the first convention that has one; this one is printed."""
        return next((name for _, name in self.by_convention if name), None)


@dataclass(frozen=True)
class Place:
    """The position of an operation; a field is None if it does not apply.

    ``path``: the index of the branch in its module; ``tower``: its index among the branches with more than one step.
    """

    module: int | None = None
    path: int | None = None
    tower: int | None = None
    step: int | None = None
    arm: int | None = None
    branch: Branch | None = None


@dataclass(frozen=True)
class NamedPlace:
    """What a name depends on: the place, the operation there, and the size of its grid."""

    place: Place
    kind: str
    op: Operation | None
    grid: int


Spelled = str | tuple[str, ...] | None
"""A name, or all its spellings with the printed one first, or None."""


def unstaged(name: str, stage: Stage) -> tuple[str, ...]:
    """For conventions that name only a convolution's final output."""
    return (name,) if stage == "relu" else ()


@dataclass(frozen=True)
class NamingConvention:
    """One way to name the sites of a network.

    ``rule`` names the sites of the stem and the modules, in program order.  ``fixed`` names the others, by kind.
    ``staged`` returns a convolution's names at a stage, the printed one first.  ``scopes``: optional prefixes of all names.
    """

    name: str
    rule: Callable[[Sequence[NamedPlace]], Iterable[Spelled]]
    fixed: Mapping[str, Spelled]
    staged: Callable[[str, Stage], tuple[str, ...]] = unstaged
    scopes: tuple[str, ...] = field(default=())


def with_endings(endings: Mapping[Stage, tuple[str, ...]]) -> Callable[[str, Stage], tuple[str, ...]]:
    """A ``staged`` function that appends endings to the name."""
    return lambda name, stage: tuple(name + ending for ending in endings.get(stage, ()))


def window(op: Conv | Pool) -> str:
    """``1x7``: height by width."""
    return "x".join(map(str, op.kernel))


def numbered(name: str, number: int | None) -> str:
    """TensorFlow's numbering of repeated names: ``conv``, ``conv_1``, ``conv_2``."""
    return f"{name}_{number}" if number else name
