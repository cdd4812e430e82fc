"""Speed and memory of training, measured as complete processes on photos generated here.

    python -m bench.training.retrain [--quick] [--photos N]

Prints tables, then each target: whether it was met, and by what margin.  Exit code 1 if a target is missed.  ``--quick``
uses a tenth of the photos.  Its numbers are preliminary; the targets stay the same.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.common import processes
from bench.common.places import HERE, RESULTS, RETRAIN_CACHE
from bench.common.processes import Cost, middle, say
from bench.common.tables import own_heading, seconds, table, target_table
from bench.common.targets import Target

WARM_SECONDS = 5.0  # in addition to start-up, for 3,000 photos
NETWORK_SHARE = 0.90  # of the wall-clock time of a cold run
MEMORY_GROWTH = 1.10  # peak memory with ten times the photos, relative to the peak with fewer
ROUNDS = 3
PART = 4  # one photo in four is used to measure the features alone
UP_TO_A_MEGAPIXEL = "photos"
CHEAP = "conv"  # a graph of one convolution, so that the rest is the cost of a run without the network
IMPORTS = (
    "import godeeper.cli.retrain, godeeper.training.train, godeeper.report.page, onnxruntime, threadpoolctl, "
    "sklearn.linear_model, safetensors.numpy, sqlite3, PIL.JpegImagePlugin"
)


@dataclass(frozen=True)
class Sizes:
    """Numbers of photos: ``photos`` of up to a megapixel each, ``few`` and ``many`` tiny ones."""

    photos: int
    few: int
    many: int


def main() -> int:
    sizes = parse_sizes()
    RESULTS.mkdir(exist_ok=True)
    print("\n".join(own_heading("godeeper's training")))
    prime()
    cold = measure_cold(sizes)
    warm = measure_warm(sizes)
    memory = measure_memory(sizes)
    samples = {"sizes": vars(sizes), "cold": cold, "warm": warm, "memory": memory}
    (RESULTS / "retrain.json").write_text(json.dumps(samples, indent=1, default=vars))
    targets = all_targets(cold, warm, memory)
    for lines in (cold_table(cold), warm_table(warm, sizes), memory_table(memory, sizes), target_table(targets)):
        print("", *lines, sep="\n")
    return 0 if all(target.is_met for target in targets) else 1


def parse_sizes() -> Sizes:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--photos", type=int, default=3000, metavar="N", help="number of photos to train on (default: 3000)"
    )
    parser.add_argument("--quick", action="store_true", help="use a tenth of all photos")
    options = parser.parse_args()
    tenth = 10 if options.quick else 1
    if options.photos // tenth < 200:
        parser.error(f"--photos {options.photos}: expected {200 * tenth} or more, so that a test set can be held back")
    return Sizes(options.photos // tenth, 1000 // tenth, 10_000 // tenth)


def folder(kind: str, count: int) -> Path:
    """Write ``count`` photos in a child process, so that this process stays small; child processes start as copies of it."""
    made = RESULTS / "folders" / f"{kind}-{count}"
    if not made.exists():
        say(f"making {count} photos")
        unfinished = made.with_name(f"{made.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        processes.measure([sys.executable, HERE / "common" / "datasets.py", kind, unfinished, "--count", str(count)])
        unfinished.rename(made)
    return made


def prime() -> None:
    """Build the network's graphs; all later runs use them."""
    photos = folder("tiny", 20)
    ask("retrain", photos)
    ask("fill", photos, CHEAP)


def forget() -> None:
    """Delete the stored results of all photos."""
    for path in RETRAIN_CACHE.glob("features*"):
        path.unlink()


def retrain(photos: Path) -> list[str | Path]:
    """Return the command as a user types it."""
    return [sys.executable, "-m", "godeeper", "retrain", photos, "--out", RESULTS / "bench.godeeper"]


def inside(*arguments: str | Path) -> list[str | Path]:
    """Return the command of ``retrain_inside.py``."""
    return [sys.executable, HERE / "training" / "retrain_inside.py", *arguments]


def ask(*arguments: str | Path) -> dict[str, Any]:
    """Return the output of ``retrain_inside.py``."""
    say(" ".join(map(str, arguments)))
    environment = processes.environment(RETRAIN_CACHE)
    child = subprocess.run(inside(*arguments), check=True, stdout=subprocess.PIPE, env=environment)
    answer: dict[str, Any] = json.loads(child.stdout)
    return answer


def cost(command: list[str | Path]) -> Cost:
    """Return the cost of a command."""
    say(" ".join(map(str, command[1:])))
    return processes.measure(command, RETRAIN_CACHE)


def measure_cold(sizes: Sizes) -> list[dict[str, Any]]:
    """Measure the share of a first run's time that is spent in the network."""
    part, whole = sizes.photos // PART, sizes.photos
    forget()
    alone = ask("fill", folder(UP_TO_A_MEGAPIXEL, part), "mixed*/join")
    forget()
    run = ask("retrain", folder(UP_TO_A_MEGAPIXEL, whole))
    both = run["steps"]["doctor"] + run["steps"]["features"]
    return [
        {"what": "doctor and features", "photos": whole, "seconds": both, "network": run["network"]},
        {"what": "features alone", "photos": part, "seconds": alone["steps"]["features"], "network": alone["network"]},
        {
            "what": "everything, including the report",
            "photos": whole,
            "seconds": sum(run["steps"].values()),
            "network": run["network"],
        },
    ]


def measure_warm(sizes: Sizes) -> dict[str, Any]:
    """Measure second runs of the command as complete processes, in alternation with start-ups."""
    again = retrain(folder(UP_TO_A_MEGAPIXEL, sizes.photos))
    costs: dict[str, list[Cost]] = {"again": [], "start": []}
    cost(again)
    for _ in range(ROUNDS):
        costs["start"].append(cost([sys.executable, "-c", IMPORTS]))
        costs["again"].append(cost(again))
    steps = json.loads((RESULTS / "bench.json").read_text())["seconds"]
    return {**costs, "steps": steps}


def measure_memory(sizes: Sizes) -> list[dict[str, Any]]:
    """Measure the peak memory of complete first runs, with few photos and with ten times as many."""
    commands: dict[str, Callable[[Path], list[str | Path]]] = {
        "godeeper doctor": lambda photos: [sys.executable, "-m", "godeeper", "doctor", photos],
        f"features of {CHEAP} alone": lambda photos: inside("fill", photos, CHEAP),
        "godeeper retrain, all modules": retrain,
    }
    rows = []
    for what, command in commands.items():
        costs = []
        for count in (sizes.few, sizes.many):
            photos = folder("tiny", count)
            forget()
            costs.append(cost(command(photos)))
        rows.append({"what": what, "few": costs[0], "many": costs[1]})
    say("")
    return rows


def all_targets(cold: list[dict[str, Any]], warm: dict[str, Any], memory: list[dict[str, Any]]) -> list[Target]:
    """Return every target of one run."""
    shares = (
        Target(
            f"share of time in the network: {row['what']}",
            row["network"] / row["seconds"],
            NETWORK_SHARE,
            at_least=True,
        )
        for row in cold[:2]
    )
    grown = (
        Target(f"peak memory with ten times the photos, relative to fewer: {row['what']}", growth(row), MEMORY_GROWTH)
        for row in memory[1:]
    )
    return [Target("duration of a second run without start-up, s", besides_start(warm), WARM_SECONDS), *shares, *grown]


def besides_start(warm: dict[str, Any]) -> float:
    """Return the median time of the second run minus the median time of start-up (interpreter and imports)."""
    return middle(warm["again"]) - middle(warm["start"])


def growth(row: dict[str, Any]) -> float:
    """Return the peak with many photos divided by the peak with few."""
    ratio: float = row["many"].mebibytes / row["few"].mebibytes
    return ratio


def cold_table(cold: list[dict[str, Any]]) -> list[str]:
    """Return the table of a first run's time."""
    rows = [
        [
            row["what"],
            f"{row['photos']}",
            f"{row['network'] / row['seconds']:.1%}",
            f"{row['seconds']:.1f}",
            f"{row['network']:.1f}",
            f"{row['photos'] / row['seconds']:.1f}",
        ]
        for row in cold
    ]
    return table(
        ["first run", "photos", "share of time in the network", "s", "s in the network", "photos per second"], rows
    )


def warm_table(warm: dict[str, Any], sizes: Sizes) -> list[str]:
    """Return the table of the second run's time."""
    rows = [
        ["without start-up", f"{besides_start(warm):.2f}", "", ""],
        *(
            [
                what,
                seconds([each.wall for each in costs]),
                f"{middle(costs, 'cpu'):.2f}",
                f"{middle(costs, 'mebibytes'):.0f}",
            ]
            for what, costs in (
                ("the whole process", warm["again"]),
                ("start-up: interpreter and imports", warm["start"]),
            )
        ),
        *([f"the step {step}", f"{taken:.2f}", "", ""] for step, taken in warm["steps"].items()),
    ]
    return table([f"second run, {sizes.photos} photos", "s", "cpu s", "peak MiB"], rows)


def memory_table(memory: list[dict[str, Any]], sizes: Sizes) -> list[str]:
    """Return the table of peaks, and of the memory per additional photo."""
    rows = [
        [
            row["what"],
            f"{row['few'].mebibytes:.0f}",
            f"{row['many'].mebibytes:.0f}",
            f"{growth(row):.2f}",
            f"{1024 * (row['many'].mebibytes - row['few'].mebibytes) / (sizes.many - sizes.few):.1f}",
        ]
        for row in memory
    ]
    names = [
        "first run, tiny photos",
        f"peak MiB, {sizes.few} photos",
        f"{sizes.many} photos",
        "ratio",
        "KiB per additional photo",
    ]
    return table(names, rows)


if __name__ == "__main__":
    sys.exit(main())
