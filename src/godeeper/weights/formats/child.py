"""Reads HDF5 files in a child process, because the HDF5 library can loop forever or crash on a damaged file.

The child writes one line of JSON and then the bytes of each tensor to its standard output.  The parent kills it after a
time limit, and on Ctrl-C.  No pickle and no temporary file is needed.

    python -m godeeper.weights.formats.child keras_h5 FILE
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Literal

from ...errors import WeightsError
from .foreign import MOST_BYTES, TYPES, ForeignWeights, array_of, damaged

Reader = Literal["keras_h5", "keras_zip"]
READERS: tuple[Reader, ...] = ("keras_h5", "keras_zip")
"""The modules whose ``read_here`` a child may call."""

MOST_MEMORY = 4 * MOST_BYTES
LEAST_SECONDS = 30
SECONDS_PER_MIB = 1
"""The time limit for an InceptionV3 file of 92 MiB is two minutes; reading it takes two seconds on two busy cores."""


def read_in_child(path: Path, reader: Reader) -> ForeignWeights:
    """Read a file with ``reader`` in a child process; raises ``WeightsError``, also after a crash or the time limit."""
    seconds = time_limit(path)
    try:
        code, data = output_of(command(reader, path, seconds), seconds)
    except subprocess.TimeoutExpired:
        raise damaged(path, "HDF5 file", f"reading it took more than {seconds} s") from None
    except OSError as error:
        raise WeightsError(f"{path}: cannot start a process to read it ({error.strerror}); free some memory") from None
    if code:
        raise damaged(path, "HDF5 file", f"reading it failed with {exit_reason(code)}")
    return parse_output(path, data)


def output_of(command: list[str], seconds: int) -> tuple[int, bytes]:
    """The exit code and standard output of a child process, which never outlives this call, not even after Ctrl-C."""
    with subprocess.Popen(  # noqa: S603 - this interpreter, a module of ours and plain arguments
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    ) as child:
        try:
            data, _ = child.communicate(timeout=seconds)
        finally:  # after Ctrl-C, subprocess.run would wait only a quarter of a second
            child.kill()
            child.wait()
    return child.returncode, data


def command(reader: Reader, path: Path, seconds: int) -> list[str]:
    """The command line of the child; with -P, Python does not import modules from the current folder."""
    return [sys.executable, "-P", "-m", __name__, reader, str(path), str(seconds)]


def time_limit(path: Path) -> int:
    """The time limit for a file in seconds, which depends on its size."""
    return LEAST_SECONDS + SECONDS_PER_MIB * (path.stat().st_size >> 20)


def environment() -> dict[str, str]:
    """The environment of the child, in which Python imports modules from the same places as in this process."""
    places = [*filter(None, sys.path), str(Path(__file__).parents[3])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places)}


def exit_reason(code: int) -> str:
    """The name of the signal that ended a process, or its exit code."""
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def parse_output(path: Path, data: bytes) -> ForeignWeights:
    """The weights in the output of the child; raises ``WeightsError``."""
    line, _, _ = data.partition(b"\n")
    try:
        header = json.loads(line)
        if "error" in header:
            raise WeightsError(header["error"])
        tensors, types, start = {}, {}, len(line) + 1
        for name, kind, shape in header["tensors"]:
            stored = stored_as(kind)
            end = start + math.prod(shape) * int(TYPES[stored][-1].replace("?", "1"))
            tensors[name] = array_of(memoryview(data)[start:end], stored, tuple(shape), f"{path}: {name}")
            types[name], start = kind, end
        return ForeignWeights(path, header["format"], tensors, types, activation=header["activation"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(path, "HDF5 file", error) from None


def stored_as(kind: str) -> str:
    """The type in which the child sends a tensor; tensors of unknown types are sent as int8 zeros."""
    return kind if kind in TYPES else "int8"


def main(reader: str, path: str, seconds: str) -> None:
    """The entry point of the child: read the file and send its weights or an error."""
    limit_resources(int(seconds))
    output = sys.stdout.buffer
    try:
        foreign = import_module(f".{READERS[READERS.index(reader)]}", __package__).read_here(Path(path))
    except WeightsError as error:
        output.write(json.dumps({"error": str(error)}).encode())
    else:
        send(foreign, output)
    output.flush()


def limit_resources(seconds: int) -> None:
    """Limit the memory and run time of this process, and prevent core files; has no effect on Windows.

    The time limit also applies if the parent has ended.
    """
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(ValueError, OSError):  # macOS also counts memory that is only mapped, and may refuse
            resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        signal.alarm(seconds)


def send(foreign: ForeignWeights, output: BinaryIO) -> None:
    """Write the header and the tensors."""
    import numpy as np

    listed: list[Any] = [[name, foreign.types[name], values.shape] for name, values in foreign.tensors.items()]
    header = {"format": foreign.format, "activation": foreign.activation, "tensors": listed}
    output.write(json.dumps(header).encode() + b"\n")
    for values in foreign.tensors.values():
        output.write(np.ascontiguousarray(values).data)


if __name__ == "__main__":
    main(*sys.argv[1:])
