"""``Worker``, which Ray Data runs in processes on any machine, and the parcel that contains its work.

The parcel has the pickled work and references to the weights files.  A worker first looks for a weights file with the
same SHA-256 at the driver's path and in its own cache folder.  If there is none, it gets the bytes from Ray and stores
them in the cache folder.  A worker opens its engine once, with one thread per core that Ray assigns to it.
"""

from __future__ import annotations

import errno
import hashlib
import io
import pickle
import secrets
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

from ...cores import limit_cores
from ...disk_cache import DiskCache, cache_folder
from ...errors import ClusterError, GodeeperError, OutputError, PhotoError, WeightsError
from ...files import open_regular, read_regular, write_atomically
from ...version import __version__
from ...weights.file import WeightsFile
from .kept import ATTEMPTS, TRAVELLED

Work = Callable[[Sequence[Any]], Any]
Parcel = dict[str, Any]  # built-in types, so that another version of godeeper can read it too

MOST_ATTEMPTS = 10
STARTS = "a worker was killed {count} times while it started"
PHOTOS = "{count} workers were killed on the same photos"
OUT_OF_MEMORY = "a worker ran out of memory: give each more, or leave out the largest photos"
ALLOCATION = (
    "allocate memory",
    "bad_alloc",
    "bad allocation",
    "start new thread",
)  # in messages of engines and of Python
DISK_FULL = "a worker's disk is full ({path}): free some space there"
FOREIGN = (
    "the workers have godeeper {there} and this is {here}: install the same version on all machines of the cluster"
)


class Packer(pickle.Pickler):
    """Pickles work.  Weights and caches are pickled by reference, because their paths differ between machines."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.weights: dict[str, Path] = {}  # SHA-256 of the file -> its path

    def persistent_id(self, obj: Any) -> Any:
        """The reference by which a worker finds the object; None if the object itself is pickled."""
        if isinstance(obj, WeightsFile):
            digest = file_sha256(obj.path)
            self.weights[digest] = obj.path
            return "weights", digest, str(obj.path), obj.description
        if isinstance(obj, DiskCache) and obj.folder.is_relative_to(cache_folder()):
            return "cache", str(obj.folder.relative_to(cache_folder())), obj.most_bytes, obj.ending, obj.durable
        return None


class Unpacker(pickle.Unpickler):
    """Unpickles the output of ``Packer``, with this machine's paths."""

    def __init__(self, work: bytes, weights: dict[str, Callable[[], bytes]]) -> None:
        super().__init__(io.BytesIO(work))
        self.weights = weights

    def persistent_load(self, pid: Any) -> Any:
        """The object on this machine for a reference."""
        kind, *facts = pid
        if kind == "weights":
            digest, path, description = facts
            return WeightsFile(found(digest, Path(path), self.weights[digest]), description)
        folder, *settings = facts
        return DiskCache(cache_folder() / folder, *settings)


def packed(work: Work, put: Callable[[bytes], Any]) -> Parcel:
    """The parcel of ``work``; ``put`` stores bytes where all workers can read them, and returns a reference."""
    file = io.BytesIO()
    packer = Packer(file)
    packer.dump(work)
    weights = {digest: [put(read_regular(path))] for digest, path in packer.weights.items()}
    return {
        "version": __version__,
        "run": secrets.token_hex(8),
        "attempts": MOST_ATTEMPTS,
        "work": put(file.getvalue()),
        "weights": weights,
    }


def unpacked(parcel: Parcel, get: Callable[[Any], bytes]) -> Work:
    """The work in a parcel; ``get`` returns the bytes of a reference.

    Raises:
        ClusterError: the parcel is of another version of godeeper.
        WeightsError: the weights are damaged.
    """
    if parcel["version"] != __version__:
        raise ClusterError(FOREIGN.format(there=__version__, here=parcel["version"]))
    weights: dict[str, Callable[[], bytes]] = {
        digest: partial(get, reference) for digest, [reference] in parcel["weights"].items()
    }
    return cast("Work", Unpacker(get(parcel["work"]), weights).load())


def found(digest: str, path: Path, fetch: Callable[[], bytes]) -> Path:
    """A file on this machine with this SHA-256: at ``path``, in the cache folder, or newly written from ``fetch()``.

    Raises:
        WeightsError: ``fetch`` returns other bytes.
        OutputError: the file cannot be stored anywhere.
    """
    stored = cache_folder() / TRAVELLED / f"{digest}.safetensors"
    for candidate in (path, stored):
        if file_sha256(candidate) == digest:
            return candidate
    payload = fetch()
    if hashlib.sha256(payload).hexdigest() != digest:
        raise WeightsError(f"the weights {path.name} were damaged on their way to a worker: start again")
    try:
        write_atomically(stored, payload)
    except OutputError:  # a read-only or full cache folder
        stored = Path(tempfile.gettempdir()) / f"godeeper-{digest}.safetensors"
        write_atomically(stored, payload)
    return stored


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file; empty if it cannot be read."""
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(cast("Any", file), "sha256").hexdigest()
    except OSError:
        return ""


class Worker:
    """Processes chunks.  Errors are returned as results, so that Ray does not repeat work that would fail again."""

    def __init__(self, parcel: Parcel) -> None:
        import ray

        self.run = str(parcel.get("run", ""))
        self.attempts = int(parcel.get("attempts", MOST_ATTEMPTS))
        self.error: Exception | None = None
        context: Any = ray.get_runtime_context()
        actor = context.get_actor_id()  # stays the same if Ray starts this worker again
        limit_cores(max(1, int(context.get_assigned_resources().get("CPU", 1))))
        try:
            with counted(f"{self.run}-{actor}", STARTS, self.attempts):
                self.work = unpacked(parcel, ray.get)
        except Exception as error:
            self.error = error

    def __call__(self, table: Any) -> Any:
        """A table with the columns ``number``, ``result`` and ``error``, for a table with ``number`` and ``items``."""
        import pyarrow

        results, errors = [], []
        for number, items in zip(table["number"].to_pylist(), table["items"].to_pylist(), strict=True):
            try:
                if self.error:
                    raise self.error
                with counted(f"{self.run}-{number}", PHOTOS, self.attempts):
                    results.append(pickle.dumps(self.work(pickle.loads(items))))  # noqa: S301 (from our driver)
                errors.append(b"")
            except Exception as error:
                results.append(b"")
                errors.append(pickle.dumps(described(error)))
        columns = [pyarrow.array(column, pyarrow.large_binary()) for column in (results, errors)]
        return pyarrow.table({"number": table["number"], "result": columns[0], "error": columns[1]})


@contextmanager
def counted(name: str, what: str, most: int) -> Iterator[None]:
    """Count the attempts to run a block on this machine, in a file that is removed when the block ends.

    Ray repeats a block whose process was killed.  ``what``: the beginning of the error message.

    Raises:
        ClusterError: more than ``most`` attempts; the chunk itself probably kills the processes.
    """
    attempts = cache_folder() / ATTEMPTS / name
    with suppress(OSError):
        attempts.parent.mkdir(parents=True, exist_ok=True)
        with attempts.open("ab") as file:
            file.write(b".")
            count = file.tell()
        if count > most:
            attempts.unlink()
            raise ClusterError(
                f"{what.format(count=most)}, perhaps for lack of memory: give each worker more, or leave out the largest photos"
            )
    try:
        yield
    finally:
        with suppress(OSError):
            attempts.unlink()


def described(error: Exception) -> tuple[str, str, str]:
    """The class name, message and traceback of an error; the traceback is empty if the input caused the error."""
    if is_out_of_memory(error):
        return ClusterError.__name__, OUT_OF_MEMORY, ""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError.__name__, DISK_FULL.format(path=error.filename or tempfile.gettempdir()), ""
    trace = "" if isinstance(error, GodeeperError) else "".join(traceback.format_exception(error))
    return type(error).__name__, str(error), trace


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory could not be allocated, by Python or by an engine."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in ALLOCATION)


def restored(kind: str, message: str, trace: str) -> Exception:
    """The error from the result of ``described``; its message includes the worker's traceback, if there is one."""
    if trace:
        return RuntimeError(f"{kind} in a worker: {message}\n{trace}")
    classes: dict[str, type[GodeeperError]] = {
        each.__name__: each for each in (ClusterError, OutputError, PhotoError, WeightsError)
    }
    return classes.get(kind, GodeeperError)(message)
