"""Damaged HDF5 and ``.keras`` files, one for each seed; each is read in a separate process.

    python -m tests.unit.weights.mangled_hdf5 FIRST CASES

The command prints every file that gives neither tensors nor a one-line error, and finally, as JSON, how often the HDF5 library
looped forever or crashed. Both can happen, so godeeper reads HDF5 in a child process.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tests.unit.weights.mangled import ENDS, bytes_changed, outcome, replaced, zipped

from godeeper.weights.formats import keras_h5, keras_zip

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAYERS: dict[str, dict[str, NDArray[np.float32]]] = {
    "conv2d": {"kernel": np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)},
    "batch_normalization": {part: np.ones(4, np.float32) for part in ("beta", "moving_mean", "moving_variance")},
    "predictions": {"kernel": np.ones((4, 2), np.float32), "bias": np.zeros(2, np.float32)},
}
DENSE = {"class_name": "Dense", "config": {"name": "predictions", "activation": "softmax"}}
CONFIG = {"class_name": "Functional", "config": {"layers": [DENSE], "output_layers": [["predictions", 0, 0]]}}

CPU_SECONDS = 1.0
"""The limits for one file; an intact file takes a few milliseconds."""


@cache
def wholes() -> dict[str, bytes]:
    """Return kind -> an intact HDF5 file."""
    h5py = import_module("h5py")
    with tempfile.TemporaryDirectory() as folder:
        keras2, keras3 = Path(folder) / "2.h5", Path(folder) / "3.h5"
        with h5py.File(keras2, "w") as file:
            file.attrs["layer_names"] = [layer.encode() for layer in LAYERS]
            file.attrs["model_config"] = json.dumps(CONFIG)
            for layer, parts in LAYERS.items():
                group = file.create_group(layer)
                group.attrs["weight_names"] = [f"{layer}/{part}:0".encode() for part in parts]
                for part, values in parts.items():
                    group[f"{layer}/{part}:0"] = values
        with h5py.File(keras3, "w") as file:
            for layer, parts in LAYERS.items():
                group = file.create_group(f"layers/{layer}/vars")
                group.attrs["name"] = layer
                for number, values in enumerate(parts.values()):
                    group.create_dataset(str(number), data=values, chunks=True, compression="gzip")
        return {"keras2": keras2.read_bytes(), "keras3": keras3.read_bytes()}


def mangled(seed: int) -> tuple[str, bytes]:
    """Return (name, content) of the file for this seed."""
    dice = random.Random(seed)
    kind = ("keras2", "keras3", "archive")[seed % 3]
    change = dice.choice([bytes_changed, overwritten, overwritten, overwritten])
    if kind != "archive":
        return "x.h5", change(wholes()[kind], dice)
    members = {"config.json": json.dumps(replaced(CONFIG, dice)).encode(), "model.weights.h5": wholes()["keras3"]}
    name = dice.choice([None, *members])
    if name is None:
        return "x.keras", change(zipped(members), dice)
    return "x.keras", zipped({**members, name: change(members[name], dice)})


def overwritten(payload: bytes, dice: random.Random) -> bytes:
    """Return ``payload`` with some bytes changed and none moved, because HDF5 finds its content by offsets."""
    found = bytearray(payload)
    used = [place for place, byte in enumerate(found) if byte]
    for _ in range(dice.choice([1, 2, 4, 16])):
        start = max(0, dice.choice(used) - dice.choice([0, 0, 1, 4]))
        change = dice.choice([dice.randbytes(1), dice.randbytes(4), b"\0", *ENDS])[: len(found) - start]
        found[start : start + len(change)] = change
    return bytes(found)


def told(path: Path) -> int:
    """Return the exit code of a process that reads the file: 0 if it is read or refused as expected."""
    wrong = outcome(path, keras_zip.read_here if path.suffix == ".keras" else keras_h5.read_here)
    if wrong:
        os.write(1, f"  {wrong[:300]}\n".encode())
    return 1 if wrong else 0


def in_fork(work: Callable[[], int]) -> int:
    """Run ``work`` in a forked process; return its exit code, or the negative number of the signal that ended it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(2)  # hides the C library's output in a crash
            signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
            code = work()
        finally:  # after Ctrl-C, the child must not continue in the parent's code
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def warm_up(path: Path) -> None:
    """Read an intact file in this process, so that forked processes inherit the imports and the derived tables."""
    path.write_bytes(wholes()["keras2"])
    outcome(path, keras_h5.read_here)


def outcomes(seeds: Iterable[int]) -> Iterator[tuple[int, str]]:
    """Yield (seed, outcome) of each file; an empty outcome means that the file is read or refused with a one-line error."""
    # each fork ends with os._exit, so it does not matter that it lacks NumPy's threads
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    with tempfile.TemporaryDirectory() as folder:
        warm_up(Path(folder) / "whole.h5")
        for seed in seeds:
            name, content = mangled(seed)
            path = Path(folder) / name
            path.write_bytes(content)
            code = in_fork(partial(told, path))
            yield seed, "" if not code else "wrong" if code > 0 else "endless" if code == -signal.SIGPROF else "crashed"


def main(first: int, cases: int) -> dict[str, list[int]]:
    """Return fault -> seeds of the files; files that are read or refused with a one-line error are left out."""
    found: dict[str, list[int]] = {"wrong": [], "endless": [], "crashed": []}
    for seed, kind in outcomes(range(first, first + cases)):
        if kind:
            found[kind].append(seed)
    return found


if __name__ == "__main__":
    print(json.dumps(main(*map(int, sys.argv[1:]))))
