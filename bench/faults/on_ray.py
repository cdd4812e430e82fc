"""Check that ``embed --on ray`` writes the same bytes as a local run, even if nodes or the driver are killed.

    python -m bench.faults.on_ray [--nodes 20] [--drivers 10] [--photos 384] [--seed 0]

Starts a cluster of three single-core Ray nodes (processes on loopback).  While ``embed`` runs, the script repeatedly kills a random node
and adds a new one.  The output must equal the local run's output.  Then it kills the driver at random moments.  The next run must
write the same output.  Exit code 1 if any output differs.  Needs godeeper[ray].
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.common import processes, tables
from bench.common.datasets import tiny
from bench.common.places import RESULTS

WORK = RESULTS / "faults-on-ray"
KILLS_A_RUN = 4
LONGEST = 600.0  # time limit of a run, in seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=20, metavar="N", help="number of nodes to kill (default: 20)")
    parser.add_argument("--drivers", type=int, default=10, metavar="N", help="number of drivers to kill (default: 10)")
    parser.add_argument(
        "--photos", type=int, default=384, metavar="N", help="number of photos in the folder (default: 384)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    options = parser.parse_args()
    shutil.rmtree(WORK, ignore_errors=True)
    photos = WORK / "photos"
    tiny(photos, options.photos)
    local = Run(photos, "local")
    seconds = local.finish()
    moments = random.Random(options.seed)
    rows = [*node_kills(options.nodes, photos, local, moments), *driver_kills(options.drivers, photos, local, moments)]
    print(f"{options.photos} photos; a local run takes {seconds:.1f} s.\n")
    print(
        "\n".join(
            tables.table(["killed", "time of the kill, s", "duration of the run that finished, s", "bytes"], rows)
        )
    )
    return 0 if all(row[-1] == "the same" for row in rows) else 1


class Run:
    """``embed`` of a folder, in a separate process."""

    def __init__(self, photos: Path, name: str, on: str = "", environment: Mapping[str, str] | None = None) -> None:
        self.out = WORK / f"{name}.npz"
        self.command = [sys.executable, "-m", "godeeper", "embed", str(photos), "--out", str(self.out)]
        self.command += ["--on", on] if on else []
        self.environment = {**processes.environment(WORK / "cache"), **(environment or {})}

    def start(self) -> subprocess.Popen[bytes]:
        """Start the process."""
        return subprocess.Popen(
            self.command,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def finish(self) -> float:
        """Run to the end, and return the duration in seconds."""
        started = time.perf_counter()
        wait(self.start())
        return time.perf_counter() - started

    def verdict(self, other: Run) -> str:
        """Return whether the file has the same bytes as the file of another run."""
        return "the same" if self.out.read_bytes() == other.out.read_bytes() else "**different**"


def wait(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process, which must succeed."""
    _, words = process.communicate(timeout=LONGEST)
    if process.returncode:
        raise SystemExit(f"exit {process.returncode}\n{words.decode()}")


def node_kills(count: int, photos: Path, local: Run, moments: random.Random) -> list[list[str]]:
    """Kill a few nodes of a cluster in each run, and return one row per run."""
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "disabled",
    }
    from ray.cluster_utils import Cluster

    rows: list[list[str]] = []
    quiet: float | None = None
    while count > 0:
        cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        try:
            nodes = [cluster.add_node(num_cpus=1) for _ in range(3)]
            run = Run(photos, "nodes", "ray", {"RAY_ADDRESS": cluster.address})
            if quiet is None:
                quiet = run.finish()
                rows.append(["nothing", "", f"{quiet:.1f}", run.verdict(local)])
            kills = min(KILLS_A_RUN, count)
            started = time.perf_counter()
            process = run.start()
            when = [kill_one(cluster, nodes, moments, quiet, started, process) for _ in range(kills)]
            wait(process)
            seconds = time.perf_counter() - started
            done = [f"{moment:.1f}" for moment in when if moment]
            count -= len(done)
            rows.append([f"{len(done)} nodes", ", ".join(done), f"{seconds:.1f}", run.verdict(local)])
            say(rows[-1])
        finally:
            cluster.shutdown()
    return rows


def kill_one(
    cluster: Any,
    nodes: list[Any],
    moments: random.Random,
    quiet: float,
    started: float,
    process: subprocess.Popen[bytes],
) -> float:
    """Kill a random node after a delay, and add another; return the time of the kill, or 0 if the run had ended."""
    time.sleep(moments.uniform(1, quiet / 2))
    if process.poll() is not None:
        return 0.0
    moment = time.perf_counter() - started
    cluster.remove_node(nodes.pop(moments.randrange(len(nodes))), allow_graceful=False)
    nodes.append(cluster.add_node(num_cpus=1))
    return moment


def driver_kills(count: int, photos: Path, local: Run, moments: random.Random) -> list[list[str]]:
    """Kill drivers at random moments of their run, run again, and return one row per driver."""
    rows: list[list[str]] = []
    if not count:
        return rows
    quiet = Run(photos, "driver", "ray").finish()
    for number in range(count):
        run = Run(photos, f"driver-{number}", "ray")
        moment = moments.uniform(0, quiet)
        process = run.start()
        time.sleep(moment)
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        rows.append(["the driver", f"{moment:.1f}", f"{run.finish():.1f}", run.verdict(local)])
        say(rows[-1])
    return rows


def say(row: list[str]) -> None:
    """Print a row as progress."""
    print(*row, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
