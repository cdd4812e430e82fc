"""Is ``embed --on ray`` as fast as ``embed``, once it has started?

    python -m bench.speed.on_ray [--photos 2000] [--rounds 2]

computes features of small photos in one process and on Ray on the same machine, in turn.  The rate is that of the photos between the
first and the last report of progress, so that starting does not count; seconds to the first report are shown beside it.  Exit code
1 if Ray's rate is below 0.85 of the local one.  With torch and torchvision installed, it also runs what a user would write with them:
Ray Data, and a DataLoader (``bench/peers/``).  Needs godeeper[ray].
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from bench.common import processes, tables
from bench.common.datasets import tiny
from bench.common.places import HERE, RESULTS

LEAST = 0.85
ADDRESS = "pool_3"
PEERS = {"Ray Data, torchvision": "ray_data_folder.py", "DataLoader, torchvision": "data_loader_folder.py"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=2000, metavar="N", help="small photos (2000)")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="runs of each kind (2)")
    parser.add_argument("--inside", default="", help=argparse.SUPPRESS)
    parser.add_argument("--folder", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        print(json.dumps(inside(options.inside, Path(options.folder))))
        return 0
    folder = RESULTS / f"tiny-{options.photos}"
    if not folder.exists():
        tiny(folder, options.photos)
    measured = runs(folder, options.rounds)
    rates = {name: statistics.median(rate for rate, _ in each) for name, each in measured.items()}
    ratio = rates["on Ray"] / rates["local"]
    print(f"{options.photos} small photos to {ADDRESS}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}.\n")
    rows = [
        [
            name,
            f"{rates[name]:.1f}",
            f"{rates[name] / rates['local']:.2f}",
            f"{statistics.median(first for _, first in each):.1f}",
        ]
        for name, each in measured.items()
    ]
    print("\n".join(tables.table(["executor", "photos per second", "of the local rate", "seconds to the first"], rows)))
    return 0 if ratio >= LEAST else 1


def runs(folder: Path, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Name -> rate and seconds to the first report, of each round."""
    ours = [sys.executable, "-m", "bench.speed.on_ray", "--folder", str(folder)]
    commands = {"local": ours, "on Ray": [*ours, "--inside", "ray"]}
    if find_spec("torchvision"):
        commands |= {
            name: [sys.executable, str(HERE / "peers" / script), str(folder)] for name, script in PEERS.items()
        }
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            done = subprocess.run(command, env=processes.environment(), capture_output=True, text=True, check=True)
            rate, first = json.loads(done.stdout.splitlines()[-1])
            measured[name].append((rate, first))
            print(name, f"{rate:.1f} photos per second, the first after {first:.1f} s", file=sys.stderr)
    return measured


def inside(on: str, folder: Path) -> tuple[float, float]:
    """Photos a second after the first report, and seconds to it."""
    from godeeper.features.executors.executor import executor_named
    from godeeper.features.stream import stream
    from godeeper.network import load

    photos = sorted(map(str, folder.rglob("*.jpg")))
    started = time.perf_counter()
    reports: list[tuple[float, int]] = []

    def report(done: int) -> None:
        if done:
            reports.append((time.perf_counter(), done))

    with executor_named(on) as executor:
        for _ in stream(load(), photos, [ADDRESS], executor=executor, progress=report):
            pass
    (begin, first), (end, last) = reports[0], reports[-1]
    return (last - first) / (end - begin), begin - started


if __name__ == "__main__":
    raise SystemExit(main())
