"""Speed of computing features for 500 JPEGs of 1 to 12 megapixels, compared with the scripts that users would write.

    python -m bench.speed.folder [--rounds 2] [--quick]

Prints tables, and then each target: whether it was met, and by what margin.  Exit code 1 if a target is missed.
``--quick`` uses 60 photos.  The first run installs the peers, writes their weights (see ``peek.py``) and generates the
photos (about 1 GB).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.common import arguments, environment, processes, tables
from bench.common.places import FEATURES, HERE, KERAS_WEIGHTS, PHOTOS, TORCHVISION_WEIGHTS
from bench.common.processes import Cost, middle
from bench.common.targets import Target

OURS, INT8 = "godeeper, onnxruntime", "godeeper, openvino, int8"
ENGINES: dict[str, tuple[str, tuple[str, ...]]] = {  # name -> (required module, options)
    OURS: ("onnxruntime", ("--engine", "onnxruntime")),
    "godeeper, onnxruntime, --exact": ("onnxruntime", ("--engine", "onnxruntime", "--exact")),
    "godeeper, openvino": ("openvino", ("--engine", "openvino")),
    INT8: ("openvino", ("--engine", "openvino", "--precision", "int8")),
}
PEERS = {"keras": KERAS_WEIGHTS, "torchvision": TORCHVISION_WEIGHTS}
ONCE = ("godeeper, onnxruntime, --exact", "godeeper, openvino")  # no target refers to these
TIMES_FASTER = {OURS: {"keras": 1.3, "torchvision": 2.5}, INT8: {"keras": 3.0, "torchvision": 6.0}}
INT8_COSINE = 0.995  # the mean over all photos
ALIKE = {"keras": 0.99}  # not torchvision: its pools count the padding, so its values differ with the same weights
OVERHEAD = 1.08
FLAT = 1.05
SMALL_PHOTOS = 128  # at most one megapixel each
MANY, FEW = 20_000, 1_000  # numbers of photos in the memory runs
WEIGHINGS = 5  # the memory of identical runs varies by a tenth, with the timing of threads


def main() -> int:
    options = arguments.parse(__doc__, 2, more_options)
    count = options.photos or (60 if options.quick else 500)
    peers = environment.python()
    FEATURES.mkdir(parents=True, exist_ok=True)
    processes.measure([sys.executable, HERE / "common" / "prepare.py", peers])
    photos = made(f"large-{count}", count, 1, 12)
    print(tables.heading(peers, options.rounds))
    commands = {name: embed(photos, name, *extra) for name, (module, extra) in ENGINES.items() if is_there(module)}
    for peer, weights in PEERS.items():
        commands[peer] = [peers, HERE / "peers" / f"{peer}_folder.py", photos, weights, FEATURES / f"{peer}.npy"]
    costs = processes.interleave(commands, list(commands), 1, warm=False)
    others = [name for name in commands if name not in ONCE]
    for name, taken in processes.interleave(commands, others, options.rounds - 1, warm=False).items():
        costs[name] += taken
    memory = weigh_memory(MANY // 10 if options.quick else MANY)
    small = made("small", SMALL_PHOTOS, 0.1, 1)
    inside = measure_inside(small, options.rounds + 2, list(costs))
    targets = all_targets(costs, memory, inside)
    for lines in (
        cost_table(costs, count),
        agreement_table(inside),
        overhead_table(inside),
        memory_table(memory),
        tables.target_table(targets),
    ):
        print("", *lines, sep="\n")
    return 0 if all(target.is_met for target in targets) else 1


def more_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--photos", type=int, default=0, metavar="N", help="number of photos (default: 500, or 60 with --quick)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="use 60 photos, and a tenth of the photos in the memory runs"
    )


def is_there(module: str) -> bool:
    """Return whether an engine is installed."""
    return importlib.util.find_spec(module) is not None


def made(name: str, count: int, least: float, most: float) -> Path:
    """Return a folder of photos; create it if it is missing."""
    folder = PHOTOS / name
    processes.say(f"making {count} photos")
    script: list[str | Path] = [sys.executable, HERE / "speed" / "folder_photos.py", folder]
    processes.measure([*script, str(count), str(least), str(most)])
    return folder


def embed(photos: Path, name: str, *options: str) -> list[str | Path]:
    """Return the command ``godeeper embed``."""
    out = FEATURES / f"{name.replace(', ', '-')}.npz"
    return [sys.executable, "-m", "godeeper", "embed", photos, "--out", out, "--features", "mixed_10/join", *options]


def weigh_memory(many: int) -> dict[int, list[Cost]]:
    """Measure memory on folders that hold one small photo under many names. The tensor is cheap, because this tests the loop."""
    folders = {count: PHOTOS / f"same-{count}" for count in (FEW, many)}
    for count, folder in folders.items():
        link(made("one", 1, 0.05, 0.05) / "0000.jpg", folder, count)
    out = FEATURES / "same.npz"
    commands: dict[str, list[str | Path]] = {
        f"{count:,} photos": [sys.executable, "-m", "godeeper", "embed", folder, "--out", out, "--features", "conv"]
        for count, folder in folders.items()
    }
    costs = processes.interleave(commands, list(commands), WEIGHINGS, warm=False)
    return dict(zip(folders, costs.values(), strict=True))


def link(photo: Path, folder: Path, count: int) -> None:
    """Create ``count`` links to one photo."""
    folder.mkdir(exist_ok=True)
    for number in range(count):
        name = folder / f"{number:05}.jpg"
        if not name.exists():
            name.symlink_to(photo.resolve())


def measure_inside(small: Path, rounds: int, names: list[str]) -> dict[str, Any]:
    """Measure in a child process, so that this process stays small."""
    files = [f"{name}={FEATURES / name.replace(', ', '-')}.{'npy' if name in PEERS else 'npz'}" for name in names]
    command = [sys.executable, str(HERE / "speed" / "folder_inside.py"), str(small), str(rounds), *files]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=processes.environment())
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def all_targets(costs: dict[str, list[Cost]], memory: dict[int, list[Cost]], inside: dict[str, Any]) -> list[Target]:
    """Return every target of one run."""
    few, many = (middle(costs, "mebibytes") for costs in memory.values())
    agreement = {row["name"]: row for row in inside["agreement"]}
    return [
        *(
            Target(f"speed-up over {peer}: {ours}", times(costs, peer, ours), least, at_least=True)
            for ours, peers in TIMES_FASTER.items()
            if ours in costs
            for peer, least in peers.items()
        ),
        *(
            Target(
                f"minimum cosine similarity with the features of {peer}",
                agreement[peer]["least"],
                least,
                at_least=True,
            )
            for peer, least in ALIKE.items()
        ),
        *(
            Target(f"mean cosine similarity of the features: {INT8}", row["mean"], INT8_COSINE, at_least=True)
            for name, row in agreement.items()
            if name == INT8
        ),
        Target("time of photos up to 1 megapixel, relative to the engine alone", overhead(inside), OVERHEAD),
        Target(f"peak memory with {max(memory):,} photos, relative to {min(memory):,} photos", many / few, FLAT),
    ]


def times(costs: dict[str, list[Cost]], name: str, ours: str = OURS) -> float:
    """Return the time of another program divided by ours."""
    return middle(costs[name]) / middle(costs[ours])


def overhead(inside: dict[str, Any]) -> float:
    """Return the median time from files divided by the median time from prepared tensors."""
    seconds = inside["seconds"]
    ratio: float = median(seconds["from files"]) / median(seconds["prepared tensors"])
    return ratio


def spread(costs: list[Cost]) -> str:
    """Return the quartiles of the peaks."""
    return tables.brackets([cost.mebibytes for cost in costs], 0)


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def cost_table(costs: dict[str, list[Cost]], count: int) -> list[str]:
    """Return the table of complete processes, folder to file."""
    rows = [
        [
            name,
            f"{times(costs, name):.2f}",
            tables.seconds([cost.wall for cost in taken]) if len(taken) > 1 else f"{taken[0].wall:.2f} (once)",
            f"{1000 * middle(taken) / count:.0f}",
            f"{middle(taken, 'cpu'):.1f}",
            f"{middle(taken, 'mebibytes'):.0f}",
        ]
        for name, taken in costs.items()
    ]
    what = f"{count} JPEGs of 1 to 12 megapixels to features"
    return tables.table([what, "× our time", "wall s", "ms per photo", "cpu s", "peak MiB"], rows)


def agreement_table(inside: dict[str, Any]) -> list[str]:
    """Return the table that compares features; they differ because decoders and resizing differ."""
    rows = [[row["name"], *(f"{row[what]:.6f}" for what in ("least", "mean", "median"))] for row in inside["agreement"]]
    return tables.table(
        ["features of", "minimum cosine similarity with our features of fully decoded JPEGs", "mean", "median"], rows
    )


def overhead_table(inside: dict[str, Any]) -> list[str]:
    """Return the table of the overhead in one process."""
    ready = median(inside["seconds"]["prepared tensors"])
    rows = [
        [name, f"{median(taken) / ready:.3f}", tables.seconds(taken), f"{1000 * median(taken) / SMALL_PHOTOS:.1f}"]
        for name, taken in inside["seconds"].items()
    ]
    return tables.table(
        [
            f"{SMALL_PHOTOS} photos of 0.1 to 1 megapixel, in one process",
            "× prepared tensors",
            "wall s",
            "ms per photo",
        ],
        rows,
    )


def memory_table(memory: dict[int, list[Cost]]) -> list[str]:
    """Return the table that shows whether memory grows."""
    rows = [
        [f"{count:,}", f"{middle(costs, 'mebibytes'):.0f} ({spread(costs)})", f"{middle(costs):.1f}"]
        for count, costs in memory.items()
    ]
    return tables.table(["photos, computing only conv", "peak MiB", "wall s"], rows)


if __name__ == "__main__":
    sys.exit(main())
