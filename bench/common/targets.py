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
DEAREST = 1.1  # time of a tensor, relative to its share of the multiply-adds times the full forward pass
MOSAIC_MS, IMPORT_MS, HELP_MS = 50.0, 60.0, 150.0
AGREEMENT = 1e-3

Costs = dict[str, list[Cost]]


@dataclass(frozen=True)
class Target:
    """A target: ``value`` must be at most ``limit``, or at least ``limit`` if ``at_least`` is true."""

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
        *(
            Target(f"relative difference of the values of {row['peer']}", row["own"], AGREEMENT)
            for row in inside["agreement"]
        ),
        *(
            Target(f"time of {row['address']}, relative to its share of the full forward pass", overhead(row), DEAREST)
            for row in inside["compute"]
        ),
        Target("mosaic of 2,048 filters, ms", 1000 * median(inside["mosaic"]["mosaic"]), MOSAIC_MS),
        Target("`import godeeper` as a whole process, ms", 1000 * middle(starts["import godeeper"]), IMPORT_MS),
        Target("`godeeper --help` as a whole process, ms", 1000 * middle(starts["godeeper --help"]), HELP_MS),
    ]


def picture_targets(pictures: Costs) -> list[Target]:
    """Return the targets for time and memory, relative to each peer."""
    return [
        Target(what.format(rival), times(pictures, rival, field), limits[rival], at_least=True)
        for what, field, limits in (
            ("speed-up over {}", "wall", TIMES_FASTER),
            ("peak memory of {}, relative to godeeper", "mebibytes", TIMES_SMALLER),
        )
        for rival in RIVALS
    ]


def times(pictures: Costs, peer: str, field: str) -> float:
    """Return the peer's median divided by ours."""
    return middle(pictures[peer], field) / middle(pictures[OURS], field)


def overhead(row: dict[str, Any]) -> float:
    """Return a tensor's median time, relative to the median time of the full forward pass times its share of the multiply-adds."""
    cost: float = median(row["seconds"]) / (row["share"] * median(row["full_seconds"]))
    return cost
