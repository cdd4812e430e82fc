"""Check that a killed training does not change the result of the next training.

    python -m bench.training.killed [--times 30] [--seed 0]

Trains once without interruption.  Then, ``--times`` times, it starts a training with a new cache, kills it with ``kill -9`` at a random
moment within the duration of the first training, and trains again with the cache that remains.  Prints when each training was killed,
how much it had written, and whether the next classifier has the same bytes and only its report next to it.  Exit code 1 if a
classifier differs.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench.common import datasets, processes, tables
from bench.common.places import RESULTS

FOLDER, WORK = RESULTS / "killed-photos", RESULTS / "killed"
EACH, NOISE = 12, 0.3  # photos per class, and the share that noise hides


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=30, metavar="N", help="number of trainings to kill (default: 30)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    options = parser.parse_args()
    if not FOLDER.exists():
        datasets.crops(FOLDER, EACH, NOISE)
    shutil.rmtree(WORK, ignore_errors=True)
    quiet = Training(WORK / "quiet")
    seconds = quiet.finish()
    moments = random.Random(options.seed)
    rows, same = [], 0
    for number in range(options.times):
        processes.say(f"training {number + 1} of {options.times}")
        killed = Training(WORK / str(number))
        moment = moments.uniform(0, seconds)
        left = killed.kill(moment)
        again = killed.finish()
        is_same = killed.result() == quiet.result()
        same += is_same
        rows.append([f"{moment:.2f}", f"{left / 1024:.0f}", f"{again:.1f}", "the same" if is_same else "**different**"])
        shutil.rmtree(killed.place)
    processes.say("")
    print(
        f"An uninterrupted training: {seconds:.1f} s.  Killed {options.times} times; the next training wrote the same bytes {same} times.\n"
    )
    print(
        "\n".join(tables.table(["killed after, s", "KiB written", "duration of the next training, s", "bytes"], rows))
    )
    return 0 if same == options.times else 1


class Training:
    """A training with its own cache and classifier."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.cache = place / "cache"
        self.out = place / "out" / "photos.godeeper"
        self.out.parent.mkdir(parents=True)
        self.command = [sys.executable, "-m", "godeeper", "retrain", str(FOLDER), "--out", str(self.out)]

    def finish(self) -> float:
        """Train to the end, and return the duration in seconds."""
        return processes.measure(self.command, self.cache).wall

    def kill(self, moment: float) -> int:
        """Start a training, kill it after ``moment`` seconds, and return the number of bytes that it had written."""
        with subprocess.Popen(
            self.command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(processes.environment(self.cache)),
        ) as started:
            time.sleep(moment)
            started.kill()
        return sum(path.stat().st_size for path in self.place.rglob("*") if path.is_file())

    def result(self) -> str:
        """Return the classifier's SHA-256, or the names of the files if anything but its report lies next to it."""
        beside = sorted(path.name for path in self.out.parent.iterdir())
        expected = sorted(f"{self.out.stem}{ending}" for ending in (".godeeper", ".html", ".json"))
        return hashlib.sha256(self.out.read_bytes()).hexdigest() if beside == expected else ", ".join(beside)


if __name__ == "__main__":
    sys.exit(main())
