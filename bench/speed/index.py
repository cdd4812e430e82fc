"""Speed of building a filter index, compared with ``godeeper embed`` on the same photos at the same depth, and speed of a lookup.

    python -m bench.speed.index [--rounds 3] [--photos 300] [--many 2000]

Every round builds the index from scratch.  The script also measures peak memory with few and with many photos, a lookup as a complete
process and in an open index, and the size of the file.  Prints tables and all targets.  Exit code 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.common import arguments, processes, tables
from bench.common.places import FEATURES, HERE, PHOTOS, RESULTS
from bench.common.processes import Cost, middle
from bench.common.targets import Target

STORES = RESULTS / "cache-index"  # emptied before each index, so that no earlier result is reused
EMBED, INDEX = "embed --features mixed_10/join --exact", "index"
SIDE = 0.4  # megapixels per photo
FILTER = "mixed_4/tower_1/conv_4[17]"
TIMES_EMBED, FLAT, WHOLE_MS, INSIDE_MS, MEGABYTES = 1.15, 1.05, 100.0, 5.0, 5.0
INSIDE = f"""
import sys, time
from godeeper.blueprint.address import resolve_one
from godeeper.filters.index import read_index
from godeeper.filters.lookup import look_up
index = read_index(sys.argv[1])
look_up(index, resolve_one(index.blueprint, {FILTER!r}), 10, None)
start = time.perf_counter()
for number in range(192):
    look_up(index, resolve_one(index.blueprint, f"mixed_4/tower_1/conv_4[{{number}}]"), 10, None)
print((time.perf_counter() - start) / 192)
"""


def main() -> int:
    options = arguments.parse(__doc__, 3, more_options)
    FEATURES.mkdir(parents=True, exist_ok=True)
    out = FEATURES / "photos.index"
    print(*tables.own_heading("The filter index"), sep="\n")
    photos = made(f"index-{options.photos}", options.photos)
    costs = passes(photos, out, options.rounds)
    lookup = ours("top", out, FILTER, "--json")
    whole = processes.interleave({"lookup": lookup}, ["lookup"], 4 * options.rounds)["lookup"]
    inside = float(processes.run([sys.executable, "-c", INSIDE, out])[1])
    few = [each.mebibytes for each in costs[INDEX]]
    many = [fresh(made(f"index-{options.many}", options.many), FEATURES / "many.index").mebibytes for _ in range(2)]
    size = (FEATURES / "many.index").stat().st_size / 1e6
    ratio = middle(costs[INDEX], "cpu") / middle(costs[EMBED], "cpu")
    targets = [
        Target("CPU time of `index`, relative to `embed`", ratio, TIMES_EMBED),
        Target(
            f"peak memory with {options.many:,} photos, relative to {options.photos:,} photos",
            min(many) / min(few),
            FLAT,
        ),
        Target("duration of a lookup as a whole process, ms", 1000 * middle(whole), WHOLE_MS),
        Target("duration of a lookup in an open index, ms", 1000 * inside, INSIDE_MS),
        Target(f"size of the index of {options.many:,} photos, MB", size, MEGABYTES),
    ]
    rows = [
        [
            name,
            tables.seconds([each.wall for each in taken]),
            f"{middle(taken, 'cpu'):.1f}",
            f"{middle(taken, 'mebibytes'):.0f}",
        ]
        for name, taken in costs.items()
    ]
    heading = [f"{options.photos} photos of {SIDE} megapixels", "seconds", "CPU seconds", "MiB"]
    for lines in (tables.table(heading, rows), tables.target_table(targets)):
        print("", *lines, sep="\n")
    return 0 if all(target.is_met for target in targets) else 1


def more_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--photos", type=int, default=300, metavar="N", help="number of photos (default: 300)")
    parser.add_argument(
        "--many", type=int, default=2000, metavar="N", help="number of photos in the memory runs (default: 2000)"
    )


def passes(photos: Path, out: Path, rounds: int) -> dict[str, list[Cost]]:
    """Measure ``embed`` and ``index`` in turn, after one uncounted run of each."""
    embed = ours("embed", photos, "--out", FEATURES / "index.npz", "--features", "mixed_10/join", "--exact")
    costs: dict[str, list[Cost]] = {EMBED: [], INDEX: []}
    for number in range(rounds + 1):
        processes.say(f"round {number} of {rounds}")
        taken = processes.measure(embed), fresh(photos, out)
        for name, cost in zip(costs, taken, strict=True):
            costs[name] += [cost] if number else []
    return costs


def fresh(photos: Path, out: Path) -> Cost:
    """Measure ``index`` without stored features; only the graph is in the cache."""
    for path in STORES.glob("features-*"):
        path.unlink()
    return processes.measure(ours("index", photos, "--out", out), STORES)


def ours(*words: str | Path) -> list[str | Path]:
    """Return a godeeper command."""
    return [sys.executable, "-m", "godeeper", *words]


def made(name: str, count: int) -> Path:
    """Return a folder of photos; create it if it is missing."""
    folder = PHOTOS / name
    script: list[str | Path] = [sys.executable, HERE / "speed" / "folder_photos.py", folder]
    processes.measure([*script, str(count), str(SIDE), str(SIDE)])
    return folder


if __name__ == "__main__":
    sys.exit(main())
