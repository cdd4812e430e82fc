"""``Cluster``: starts Ray on this machine or connects to a running cluster, and runs work on it.

Ray on this machine listens on loopback only, sends no usage reports, has no dashboard, and prints nothing.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from ...errors import ClusterError, MissingExtra, OptionError, quoted
from ...files import is_file
from ...wording import count_of
from .mapping import Coordinator, Row, mapped
from .worker import Parcel

SCHEME = "ray://"
PATIENCE = 5.0  # seconds in which a cluster must respond
WAIT = 120.0  # seconds in which a worker must start; a cluster may have to add a machine first
WAIT_VARIABLE = "GODEEPER_RAY_WAIT"
LEAST_FREE = 1 << 18  # free bytes needed on the disk of Ray's sockets and logs
MOST_CORES = 4  # per worker; more threads would mostly wait for each other
LOOPBACK = "127.0.0.1"
PREFIX = "gdray-"  # of the names of folders with Ray's logs and sockets
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # avoids a warning
    "RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S": "6",  # enough for a busy machine; there are three attempts
    "RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S": "8",
}
"""Environment variables that Ray reads when it is imported or started."""


class Cluster:
    """A connection to Ray."""

    def __init__(self, address: str, cores: int = 0, status: Callable[[str], None] | None = None) -> None:
        """``address``: ``ray`` or ``ray://HOST:PORT``.  ``cores``: cores per worker; 0 means the default.

        ``status``: called with a message while the run waits, and with an empty string afterwards.
        """
        self.address = address
        self.cores = cores
        self.status = status or (lambda _: None)
        self.ray: Any = None
        self.folder: Path | None = None
        self.joined = False
        self.stack = ExitStack()

    def connect(self) -> None:
        """Start Ray, or connect to it.

        Raises:
            MissingExtra: Ray is not installed.
            ClusterError: there is no Ray at that address.
        """
        named = os.environ.get("RAY_ADDRESS", "") if self.address == "ray" else self.address
        if named:
            use_token()
        else:
            set_private()
        self.ray = imported()
        self.joined = self.address == "ray" and self.ray.is_initialized()  # by the calling program
        if self.joined:
            return
        self.stack.enter_context(silence())
        try:
            if named:
                self.join(named)
            else:
                self.start()
        except Exception as error:  # Ray also raises plain Exception
            self.disconnect()
            raise ClusterError(f"cannot use Ray at {named or 'this machine'}: {one_line(error)}") from error
        except BaseException:
            self.disconnect()
            raise

    def start(self) -> None:
        """Start Ray on this machine, for this run only."""
        remove_abandoned()
        check_space()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=short_folder()))
        self.ray.init(
            address="local",
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            _node_ip_address=LOOPBACK,
            _temp_dir=str(self.folder),
        )

    def join(self, address: str) -> None:
        """Connect to a running cluster."""
        check_reachable(address)
        self.ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)

    def disconnect(self) -> None:
        """Stop the Ray that ``connect`` started, or disconnect from a cluster."""
        if self.joined or self.ray is None:
            return
        with self.stack, suppress(Exception):  # nothing can be done if Ray does not stop properly
            self.ray.shutdown()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def errors(self) -> tuple[type[BaseException], ...]:
        """The exceptions that Ray raises when a process or machine is lost."""
        return self.ray.exceptions.RayError, ConnectionError

    def is_alive(self) -> bool:
        """Whether the cluster responds."""
        try:
            return any(node["Alive"] for node in self.ray.nodes())
        except Exception:
            return False

    def why(self, error: BaseException) -> str:
        """A one-line message for an error that ended the run."""
        return f"Ray stopped the work: {one_line(error)}; finished results are kept if the command can resume; run it again"

    def put(self, payload: bytes) -> Any:
        """Store bytes in Ray's object store, where all workers can read them; returns a reference."""
        return self.ray.put(payload)

    def results(self, parcel: Parcel, rows: Sequence[Row]) -> Generator[tuple[int, bytes, bytes], None, None]:
        """Yield the number, result and error of each row, in any order.

        Raises:
            ClusterError: no worker can start.
        """
        if not any(self.sizes()):  # the cluster adds machines on demand
            self.wait_for_worker(self.cores or 1)
        workers, cores = self.layout()
        self.wait_for_worker(cores)
        if not self.is_client():
            yield from mapped(parcel, rows, min(workers, len(rows)), cores)
            return
        coordinator = self.ray.remote(num_cpus=0)(Coordinator).remote(parcel, rows, min(workers, len(rows)), cores)
        try:
            while (result := self.ray.get(coordinator.next.remote())) is not None:
                yield result
        finally:
            with suppress(Exception):
                self.ray.kill(coordinator)

    def is_client(self) -> bool:
        """Whether this process is outside the cluster; Ray Data then runs in a process inside the cluster."""
        return bool(self.ray.util.client.ray.is_connected())

    def layout(self) -> tuple[int, int]:
        """The number of workers, and the number of cores per worker."""
        usable = [size for size in self.sizes() if size]
        cores = self.cores or min([MOST_CORES, *usable])
        return max(1, sum(size // cores for size in usable)), cores

    def sizes(self) -> list[int]:
        """The number of cores of each machine."""
        return [int(node["Resources"].get("CPU", 0)) for node in self.ray.nodes() if node["Alive"]]

    def wait_for_worker(self, cores: int) -> None:
        """Wait until Ray can start a process with ``cores`` cores.  Ray itself has no time limit for this.

        Raises:
            ClusterError: no process could start within ``waiting_time()``.
        """
        patience = waiting_time()
        probe = self.ray.remote(num_cpus=cores)(nothing).remote()
        until = time.monotonic() + patience
        try:
            while not self.ray.wait([probe], timeout=1.0)[0]:
                if time.monotonic() > until:
                    raise ClusterError(self.no_worker(cores, patience))
                self.status(f"waiting for {count_of(cores, 'free core')} of the cluster at {self.address}")
        except BaseException:
            with suppress(Exception):
                self.ray.cancel(probe, force=True)
            raise
        finally:
            self.status("")

    def no_worker(self, cores: int, patience: float) -> str:
        """The message for a cluster that starts no worker."""
        sizes = self.sizes()
        free = int(self.ray.available_resources().get("CPU", 0))
        what = f"{len(sizes)} machines" if len(sizes) != 1 else "one machine"
        return (
            f"no worker could start in {patience:.0f} s: a worker needs {count_of(cores, 'core')} of one machine, and the cluster at "
            f"{self.address} has {what} with {count_of(sum(sizes), 'core')}, {free} of them free; add a machine, stop other work "
            f"there, or wait longer with {WAIT_VARIABLE}=SECONDS"
        )


def set_private() -> None:
    """Make Ray's processes listen on loopback only, and accept only requests with a random token.

    Ray reads these variables when it is imported.  Without the token, Ray would write one to the user's home folder.
    """
    if "ray" in sys.modules:
        return
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # as a side effect, Ray uses loopback addresses
    if "RAY_AUTH_MODE" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        os.environ["RAY_AUTH_MODE"] = "token"


def use_token() -> None:
    """Make Ray's client send the token that is stored on this machine, if any; by default it sends none.

    A cluster that has a token requires it.
    """
    stored = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    if "RAY_AUTH_TOKEN" in os.environ or is_file(stored):
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def imported() -> Any:
    """Import Ray, with its messages and usage reports off.

    Raises:
        MissingExtra: Ray or pyarrow is not installed.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import pyarrow  # noqa: F401 (a part of the extra)
        import ray._private.worker
        import ray.util.client

        import ray
    except ImportError:
        raise MissingExtra("ray") from None
    ray._private.worker.print_to_stdstream = say_nothing  # it prints on standard output, which must contain only JSON
    return ray


@contextmanager
def silence() -> Iterator[None]:
    """Drop all log lines of Ray, its C++ code and its processes; godeeper's own messages are still printed."""
    disabled, own = logging.root.manager.disable, sys.stderr
    logging.disable(logging.CRITICAL)
    before = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    os.close(sink)
    if writes_to(own, 2):
        sys.stderr = open(before, "w", buffering=1, encoding=own.encoding, errors=own.errors, closefd=False)  # noqa: SIM115
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = own
        os.dup2(before, 2)
        os.close(before)
        logging.disable(disabled)


def writes_to(stream: Any, descriptor: int) -> bool:
    """Whether a stream writes to a file descriptor; False if it is closed or None."""
    try:
        return bool(stream.fileno() == descriptor)
    except (AttributeError, OSError, ValueError):
        return False


def nothing() -> None:
    """A task that does nothing; Ray runs it as soon as a worker can start."""


def waiting_time() -> float:
    """The time limit for the start of a worker in seconds; raises ``OptionError``."""
    text = os.environ.get(WAIT_VARIABLE, "")
    try:
        seconds = float(text or WAIT)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise OptionError(f"{WAIT_VARIABLE}={quoted(text)}: expected a number of seconds, such as 600")
    return seconds


def check_space() -> None:
    """Raise ``OSError`` if the disk of Ray's sockets and logs is full; Ray itself would hang."""
    folder = short_folder()
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE:
        raise OSError(
            f"{folder} is full ({free >> 10} kB free), and Ray keeps its sockets and logs there; free some space"
        )


def say_nothing(*_: object, **__: object) -> None:
    """Replaces Ray's function that prints messages of other machines."""


def check_reachable(address: str) -> None:
    """Raise ``OSError`` unless something listens at an address; Ray itself would try for a minute."""
    host, _, port = address.removeprefix(SCHEME).rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()


def short_folder() -> str:
    """A temporary folder with a short path, because the paths of Ray's sockets can have at most 107 bytes."""
    return "/tmp" if Path("/tmp").is_dir() else tempfile.gettempdir()  # noqa: S108


def remove_abandoned() -> None:
    """Remove the folders with Ray's logs that killed processes left behind."""
    for folder in Path(short_folder()).glob(f"{PREFIX}*-*"):
        process = folder.name.removeprefix(PREFIX).partition("-")[0]
        if not Path("/proc", process).exists() and Path("/proc", str(os.getpid())).exists():
            shutil.rmtree(folder, ignore_errors=True)


def one_line(error: BaseException) -> str:
    """The first line of an error's message, and the last if the first ends with a colon; at most 200 characters."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    line = f"{lines[0]} {lines[-1]}" if lines[0].endswith(":") and len(lines) > 1 else lines[0]
    return " ".join(line.split())[:200]
