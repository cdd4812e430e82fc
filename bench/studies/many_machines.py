"""Compute the table of docs/how-to/many-machines.md: estimated times for 10 million and 1 billion photos.

python -m bench.studies.many_machines [--rate 7.4] [--megabytes 0.5] [--values 2048]
"""

from __future__ import annotations

import argparse

from bench.common import tables

RATE = 7.4  # photos per second and core, up to pool_3; measured by bench.speed.on_ray on two cores
MEGABYTES = 0.5  # size of a photo's file, an assumption
VALUES = 2048  # features of pool_3
OF_LOCAL = 0.85  # lowest accepted ratio of Ray's rate to the local rate, a target of bench.speed.on_ray
COUNTS = {"10 million": 10**7, "1 billion": 10**9}
CORES = (64, 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=RATE, help=f"photos per second and core ({RATE})")
    parser.add_argument("--megabytes", type=float, default=MEGABYTES, help=f"megabytes per photo ({MEGABYTES})")
    parser.add_argument("--values", type=int, default=VALUES, help=f"features per photo ({VALUES})")
    options = parser.parse_args()
    print("\n".join(table(options.rate, options.megabytes, options.values)))


def table(rate: float, megabytes: float, values: int) -> list[str]:
    """The lines of the table."""
    head = [
        "photos",
        "core hours",
        *(f"on {cores} cores" for cores in CORES),
        "read",
        "written",
        f"read per second, {CORES[-1]} cores",
    ]
    rows = []
    for name, count in COUNTS.items():
        seconds = count / (rate * OF_LOCAL)
        times = [duration(seconds / cores) for cores in CORES]
        speed = rate * OF_LOCAL * CORES[-1] * megabytes
        sizes = [f"{count * megabytes / 1e6:,.0f} TB", f"{count * values * 4 / 1e12:,.2f} TB"]
        rows.append([name, f"{seconds / 3600:,.0f}", *times, *sizes, f"{speed / 1000:.1f} GB"])
    return tables.table(head, rows)


def duration(seconds: float) -> str:
    """A duration in hours or days, as text."""
    hours = seconds / 3600
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.0f} days"


if __name__ == "__main__":
    main()
