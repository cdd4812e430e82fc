"""Measure the cost of reading a Keras file in a child process instead of the current process.

python -m bench.studies.hdf5_child FILE.h5|FILE.keras [--rounds N]
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path

from godeeper.weights.formats import keras_h5, keras_zip, read_foreign


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    here = keras_zip.read_here if options.file.suffix == ".keras" else keras_h5.read_here
    for name, read in (("in a child", read_foreign), ("here", here)):
        took = [seconds(read, options.file) for _ in range(options.rounds)]
        wall, processor = (min(values) for values in zip(*took, strict=True))
        print(f"{name}: {wall:.2f} s, {processor:.2f} CPU seconds (minimum of {options.rounds} rounds)")


def seconds(read: Callable[[Path], object], path: Path) -> tuple[float, float]:
    """Return wall-clock and CPU seconds, children included."""
    wall, processor = time.perf_counter(), used()
    read(path)
    return time.perf_counter() - wall, used() - processor


def used() -> float:
    """Return the CPU seconds of this process and its terminated children."""
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in both)


if __name__ == "__main__":
    main()
