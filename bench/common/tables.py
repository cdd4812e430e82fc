"""Format the benchmarks' results as Markdown tables."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.common.processes import middle
from bench.common.targets import STARTS, Costs, Target, overhead, times

PACKAGES = (
    "openvino",
    "torch",
    "torchvision",
    "tensorflow_cpu",
    "keras",
    "numpy",
    "onnxruntime",
    "pillow",
    "scikit_learn",
)


def heading(peers: Path | None, rounds: int) -> str:
    """Return the heading of the results: date, machine, versions of godeeper's and the peers' packages, number of rounds."""
    return "\n".join(
        [
            *own_heading("godeeper's speed"),
            *([f"Peers: {versions(peers)}."] if peers else []),
            f"Medians of {rounds} interleaved rounds, quartiles in brackets.",
        ]
    )


def own_heading(title: str) -> list[str]:
    """Return the lines of a heading: title and date, machine and load, versions of godeeper's packages."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return [
        f"# {title}, {datetime.date.today().isoformat()}",
        "",
        f"{processor()}, {os.cpu_count()} cores, load {load} (other load on the machine makes short commands look slower).",
        f"Ours: {versions(sys.executable)}.",
    ]


def processor() -> str:
    """Return the processor's name on Linux, and the architecture elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def versions(python: str | Path) -> str:
    """Return the versions of Python and of ``PACKAGES`` in the environment of ``python``."""
    code = (
        "import platform, importlib.metadata as m\n"
        f"have = {{d.name.lower().replace('-', '_'): d.version for d in m.distributions()}}\n"
        f"print('Python', platform.python_version(), *(f'{{p}} {{have[p]}}' for p in {PACKAGES!r} if p in have), sep=', ')"
    )
    answer = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout
    return answer.strip().replace("Python, ", "Python ", 1)


def picture_table(pictures: Costs) -> list[str]:
    """Return the table of complete processes, from JPEG to PNG."""
    rows = [
        [
            name,
            f"{times(pictures, name, 'wall'):.1f}",
            f"{times(pictures, name, 'mebibytes'):.1f}",
            seconds([cost.wall for cost in costs]),
            f"{middle(costs, 'cpu'):.2f}",
            f"{middle(costs, 'mebibytes'):.0f}",
        ]
        for name, costs in pictures.items()
    ]
    return table(["whole process, from JPEG to PNG", "× our time", "× our memory", "wall s", "cpu s", "peak MiB"], rows)


def agreement_table(inside: dict[str, Any]) -> list[str]:
    """Return the table that compares the values in the pictures."""
    rows = [[row["peer"], row["dialect"], f"{row['own']:.1e}", f"{row['drawn']:.1e}"] for row in inside["agreement"]]
    names = [
        "peer",
        "dialect of the peer",
        "largest relative difference from godeeper in that dialect",
        "largest relative difference from our picture",
    ]
    return table(names, rows)


def compute_table(inside: dict[str, Any]) -> list[str]:
    """Return the table of the times of cut graphs, measured in one process."""
    rows = [
        [
            row["address"],
            f"{overhead(row):.2f}",
            f"{statistics.median(row['seconds']) / statistics.median(row['full_seconds']):.3f}",
            f"{row['share']:.3f}",
            milliseconds(row["seconds"]),
            milliseconds(row["full_seconds"]),
        ]
        for row in inside["compute"]
    ]
    return table(
        [
            "tensor, computation only",
            "share of time / share of multiply-adds",
            "share of time",
            "share of multiply-adds",
            "ms",
            "full forward pass, ms",
        ],
        rows,
    )


def short_table(starts: Costs, inside: dict[str, Any]) -> list[str]:
    """Return the table of durations that users should not notice."""
    bare = middle(starts[STARTS[0]])
    rows = [
        [name, milliseconds([cost.wall for cost in starts[name]]), f"{1000 * (middle(starts[name]) - bare):.1f}"]
        for name in STARTS
    ]
    rows += [
        [f"mixed_10/join, 2,048 filters, {what}", milliseconds(taken), ""] for what, taken in inside["mosaic"].items()
    ]
    return table(["duration that users should not notice", "ms", "ms in addition to `python -c pass`"], rows)


def target_table(targets: Sequence[Target]) -> list[str]:
    """Return the table of all targets and results."""
    return table(["target", "", "measured", "promised"], [target.row for target in targets])


def seconds(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({brackets(values, 2)})"


def milliseconds(values: Sequence[float]) -> str:
    return f"{1000 * statistics.median(values):.1f} ({brackets([1000 * value for value in values], 1)})"


def brackets(values: Sequence[float], digits: int) -> str:
    """Return the first and the third quartile, for use in brackets."""
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return f"{first:.{digits}f} to {third:.{digits}f}"


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [names, ["---"] * len(names), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]
