"""The training targets of a set of photos: labels, near-duplicate groups and seed, and the folds that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from .folds import BoolMask, Ints, assign_folds


@dataclass(frozen=True, eq=False)
class Targets:
    """``labels``: (N,) class numbers from 0.  ``groups``: (N,) near-duplicates share a number.  ``seed``: the seed for the folds."""

    labels: Ints = field(repr=False)
    groups: Ints = field(repr=False)
    seed: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def folds(self) -> Ints:
        """(N,) the fold of each photo, see ``assign_folds``."""
        return assign_folds(self.labels, self.groups, self.seed)

    def of(self, rows: Ints | BoolMask) -> Targets:
        """The targets of some of the photos."""
        return Targets(self.labels[rows], self.groups[rows], self.seed)
