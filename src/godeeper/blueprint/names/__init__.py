"""What a name is made of: the record of a site's names, the place they depend on, and a convention.

Each network brings its own conventions (``names_inception_v3``, ``names_googlenet``, …); the table of
them is in ``conventions``.  Names never follow the dialect: a place keeps its name when another
release computes something else there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..ops import Branch, Conv, Operation, Pool

Stage = Literal["conv", "bias", "batchnorm", "relu"]
"""Where in a convolution one looks: raw, with its bias or normalised, or after the ReLU."""


@dataclass(frozen=True)
class Names:
    """A site's name in each of its network's conventions, None where a convention has none.

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
        return dict(self.__dict__.get("by_convention", ()))  # not there yet while a copy is being made

    @property
    def first(self) -> str | None:
        """The name in the first convention that has one: the one that is printed."""
        return next((name for _, name in self.by_convention if name), None)


@dataclass(frozen=True)
class Place:
    """Where an operation stands; None where it stands outside of such a thing.

    ``path`` counts the branches of a module, ``tower`` those among them of more than one step.
    """

    module: int | None = None
    path: int | None = None
    tower: int | None = None
    step: int | None = None
    arm: int | None = None
    branch: Branch | None = None


@dataclass(frozen=True)
class NamedPlace:
    """What a name can depend on: the place, the operation there, and the size of its grid."""

    place: Place
    kind: str
    op: Operation | None
    grid: int


Spelled = str | tuple[str, ...] | None
"""A name; or all its spellings, the printed one first; or none."""


def unstaged(name: str, stage: Stage) -> tuple[str, ...]:
    """For conventions that can only name what comes out in the end."""
    return (name,) if stage == "relu" else ()


@dataclass(frozen=True)
class NamingConvention:
    """One way to name the sites of a network.

    ``rule`` names the stem and the modules, given in program order.  ``fixed`` names what stands outside
    of them, by kind.  ``staged`` spells a convolution's name at one of its stages, the printed one first.
    ``scopes`` may be written before any name.
    """

    name: str
    rule: Callable[[Sequence[NamedPlace]], Iterable[Spelled]]
    fixed: Mapping[str, Spelled]
    staged: Callable[[str, Stage], tuple[str, ...]] = unstaged
    scopes: tuple[str, ...] = field(default=())


def with_endings(endings: Mapping[Stage, tuple[str, ...]]) -> Callable[[str, Stage], tuple[str, ...]]:
    """Stages spelled by what is appended to the name."""
    return lambda name, stage: tuple(name + ending for ending in endings.get(stage, ()))


def window(op: Conv | Pool) -> str:
    """``1x7``: height by width."""
    return "x".join(map(str, op.kernel))


def numbered(name: str, number: int | None) -> str:
    """TensorFlow's way to tell repeats apart: ``conv``, ``conv_1``, ``conv_2``."""
    return f"{name}_{number}" if number else name
