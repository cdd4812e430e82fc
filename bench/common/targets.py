"""The performance targets, and whether a run meets them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.common.processes import Cost, middle

OURS = "godeeper peek"
RIVALS = ("torchvision", "keras")
STARTS = ("python -c pass", "import godeeper", "godeeper --help")

TIMES_FASTER = {"torchvision": 15.0, "keras": 20.0}
TIMES_SMALLER = {"torchvision": 8.0, "keras": 8.0}
DEAREST = 1.1  # compute time, relative to the share of multiply-adds times the full forward pass
MOSAIC_MS, IMPORT_MS, HELP_MS = 50.0, 60.0, 150.0
AGREEMENT = 1e-3

Costs = dict[str, list[Cost]]


@dataclass(frozen=True)
class Target:
    """A target: ``value`` should be at most, or at least, ``limit``."""

    what: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def row(self) -> list[str]:
        """Return the cells: target, verdict, measured, limit."""
        verdict = "met" if self.is_met else "**missed**"
        if self.limit:
            room = abs(self.value / self.limit - 1)
            verdict = f"met, {room:.0%} to spare" if self.is_met else f"**missed by {room:.0%}**"
        bound = "at least" if self.at_least else "at most"
        return [self.what, verdict, f"{self.value:.3g}", f"{bound} {self.limit:.3g}"]


def all_targets(pictures: Costs, starts: Costs, inside: dict[str, Any]) -> list[Target]:
    """Return every target of one run."""
    return [
        *picture_targets(pictures),
        *(Target(f"{row['peer']}'s values, relative difference", row["own"], AGREEMENT) for row in inside["agreement"]),
        *(
            Target(f"compute of {row['address']}, over its share of the full forward", overhead(row), DEAREST)
            for row in inside["compute"]
        ),
        Target("mosaic of 2,048 filters, ms", 1000 * median(inside["mosaic"]["mosaic"]), MOSAIC_MS),
        Target("import godeeper, whole process, ms", 1000 * middle(starts["import godeeper"]), IMPORT_MS),
        Target("godeeper --help, whole process, ms", 1000 * middle(starts["godeeper --help"]), HELP_MS),
    ]


def picture_targets(pictures: Costs) -> list[Target]:
    """Return the targets for time and memory, relative to each peer."""
    return [
        Target(f"times {what} than {rival}", times(pictures, rival, field), limits[rival], at_least=True)
        for what, field, limits in (("faster", "wall", TIMES_FASTER), ("smaller in memory", "mebibytes", TIMES_SMALLER))
        for rival in RIVALS
    ]


def times(pictures: Costs, peer: str, field: str) -> float:
    """Return the peer's median divided by ours."""
    return middle(pictures[peer], field) / middle(pictures[OURS], field)


def overhead(row: dict[str, Any]) -> float:
    """Return compute time divided by the time for its share of the multiply-adds, medians."""
    cost: float = median(row["seconds"]) / (row["share"] * median(row["full_seconds"]))
    return cost
