"""Speed and memory of ``embed`` on small photos, in one process and on Ray, compared with scripts that use torchvision.

    python -m bench.speed.on_ray [--photos 500] [--rounds 2] [--address pool_3] [--no-peers]

All programs compute the same 2,048 features with the same weights, one after the other, on this machine.  The peers are Ray Data and
PyTorch's DataLoader, each with torchvision (``bench/peers/``); godeeper uses torchvision's dialect.  The rate counts only the photos
between the first and the last progress report, which excludes the start-up.  Another column shows the seconds until the first report.
Memory is the peak of the sum over all processes, with shared pages counted once.  With another ``--address``, the peers are left out.
Prints tables and targets.  Exit code 1 if a target is missed.  Needs godeeper[ray].
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench.common import environment, processes, tables
from bench.common.datasets import tiny
from bench.common.memory import Watch
from bench.common.places import FEATURES, HERE, RESULTS, TORCHVISION_WEIGHTS
from bench.common.targets import Target

LEAST, AGREEMENT = 0.85, 1e-3
ADDRESS = "pool_3"
LOCAL, RAY = "godeeper", "godeeper on Ray"
PEERS = {"DataLoader, torchvision": "data_loader_folder.py", "Ray Data, torchvision": "ray_data_folder.py"}
WEIGHTS = "bench-torchvision"  # the bundled weights in torchvision's dialect


@dataclass(frozen=True)
class Run:
    """One run: photos per second after the first report, seconds until that report, peak MiB of all processes."""

    rate: float
    first: float
    mebibytes: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=500, metavar="N", help="number of small photos (default: 500)")
    parser.add_argument(
        "--rounds", type=int, default=2, metavar="N", help="number of runs of each program (default: 2)"
    )
    parser.add_argument("--address", default=ADDRESS, metavar="ADDRESS", help="tensor to compute (default: pool_3)")
    parser.add_argument("--no-peers", action="store_true", help="run only godeeper, locally and on Ray")
    for hidden in ("--on", "--inside", "--out", "--weights"):
        parser.add_argument(hidden, default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(inside(options)))
        return 0
    FEATURES.mkdir(parents=True, exist_ok=True)
    folder = RESULTS / f"tiny-{options.photos}"
    if not folder.exists():
        tiny(folder, options.photos)
    peers = None if options.no_peers or options.address != ADDRESS else environment.python()
    commands = our_commands(options.address, folder, with_peers=peers is not None)
    if peers:
        commands |= peer_commands(peers, folder)
    print(
        f"{options.address} of {options.photos} small photos, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}.\n"
    )
    measured = runs(commands, options.rounds)
    differences = {name: difference(name) for name in commands}
    print(*tables.table(COLUMNS, rows(measured, differences)), "", sep="\n")
    targets = [
        Target(
            "rate on Ray, relative to the local rate",
            rate_of(measured[RAY]) / rate_of(measured[LOCAL]),
            LEAST,
            at_least=True,
        )
    ]
    targets += [
        Target(f"relative difference of the features of {name}", differences[name], AGREEMENT)
        for name in PEERS
        if peers
    ]
    print(*tables.target_table(targets), sep="\n")
    return 0 if all(target.is_met for target in targets) else 1


def our_commands(address: str, folder: Path, *, with_peers: bool) -> dict[str, list[str | Path]]:
    """Return godeeper's commands; ``with_peers`` selects torchvision's dialect."""
    ours: list[str | Path] = [sys.executable, "-m", "bench.speed.on_ray", "--address", address, "--inside", folder]
    ours += ["--weights", WEIGHTS] if with_peers else []
    return {
        LOCAL: [*ours, "--out", out_of(LOCAL)],
        RAY: [*ours, "--out", out_of(RAY), "--on", "ray"],
    }


def peer_commands(python: Path, folder: Path) -> dict[str, list[str | Path]]:
    """Write the peers' weights, add them to godeeper, and return the peers' commands."""
    processes.measure([sys.executable, HERE / "common" / "prepare.py", python])
    add: list[str | Path] = [
        "weights",
        "add",
        TORCHVISION_WEIGHTS,
        "--name",
        WEIGHTS,
        "--scaling",
        "inception",
        "--replace",
    ]
    processes.measure([sys.executable, "-m", "godeeper", *add])
    return {
        name: [python, HERE / "peers" / script, folder, TORCHVISION_WEIGHTS, out_of(name)]
        for name, script in PEERS.items()
    }


def runs(commands: dict[str, list[str | Path]], rounds: int) -> dict[str, list[Run]]:
    """Run all commands in turn."""
    measured: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            child = subprocess.Popen(
                command, env=processes.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            with Watch(child.pid) as watch:
                out, _ = child.communicate()
            if child.returncode:
                raise SystemExit(f"{' '.join(map(str, command))}: exit {child.returncode}")
            rate, first = json.loads(out.splitlines()[-1])
            measured[name].append(Run(rate, first, watch.peak))
            print(name, measured[name][-1], file=sys.stderr)
    return measured


COLUMNS = (
    "",
    "photos per second",
    "relative to the local rate",
    "seconds until the first report",
    "peak MiB",
    "relative to the local memory",
    "largest relative difference",
)


def rows(measured: dict[str, list[Run]], differences: dict[str, float]) -> list[list[str]]:
    """Return the cells of the table."""
    local = measured[LOCAL]
    return [
        [
            name,
            f"{rate_of(each):.1f}",
            f"{rate_of(each) / rate_of(local):.2f}",
            f"{statistics.median(run.first for run in each):.1f}",
            f"{memory_of(each):,.0f}",
            f"{memory_of(each) / memory_of(local):.1f}",
            f"{differences[name]:.1e}",
        ]
        for name, each in measured.items()
    ]


def rate_of(measured: Sequence[Run]) -> float:
    """The median rate."""
    return statistics.median(run.rate for run in measured)


def memory_of(measured: Sequence[Run]) -> float:
    """The median peak."""
    return statistics.median(run.mebibytes for run in measured)


def out_of(name: str) -> Path:
    """Return the path of a run's features."""
    return FEATURES / f"on-ray-{name.replace(', ', '-').replace(' ', '-')}.npy"


def difference(name: str) -> float:
    """Return the largest difference of a run's features from the local run's features, relative to the greatest feature."""
    ours, theirs = np.load(out_of(LOCAL)), np.load(out_of(name))
    return float(np.abs(theirs - ours).max() / np.abs(ours).max())


def inside(options: argparse.Namespace) -> tuple[float, float]:
    """Return photos per second after the first report, and the seconds until that report; write the features (N, C)."""
    from godeeper import Preprocess, load
    from godeeper.features.executors.executor import executor_named
    from godeeper.features.stream import stream
    from godeeper.network import Network

    photos = sorted(map(str, Path(options.inside).rglob("*.jpg")))
    started = time.perf_counter()
    reports: list[tuple[float, int]] = []

    def report(done: int) -> None:
        if done:
            reports.append((time.perf_counter(), done))

    network = load(weights=options.weights) if options.weights else load()
    network = Network(network.engine, Preprocess())  # with torchvision's weights, the default is a crop
    with executor_named(options.on) as executor:
        batches = stream(network, photos, [options.address], executor=executor, progress=report)
        features = [batch.features[options.address] for batch in batches]
    np.save(options.out, np.concatenate(features))
    (begin, first), (end, last) = reports[0], reports[-1]
    return (last - first) / (end - begin), begin - started


if __name__ == "__main__":
    raise SystemExit(main())
