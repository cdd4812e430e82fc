"""``Cluster``: Ray on this machine or elsewhere: started or connected, used, and stopped again.

Ray on this machine listens on loopback only, sends no usage reports, has no dashboard, prints nothing, and ends with the block.
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
WAIT = 120.0  # seconds in which a worker must start; machines that a cluster adds on demand need some
WAIT_VARIABLE = "GODEEPER_RAY_WAIT"
LEAST_FREE = 1 << 18  # bytes on the disk of Ray's sockets and logs
MOST_CORES = 4  # of a worker: more threads for one photo after the other wait for one another
LOOPBACK = "127.0.0.1"
PREFIX = "gdray-"  # of folders of logs and sockets
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # avoids a warning
    "RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S": "6",  # a busy machine needs some; there are three attempts
    "RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S": "8",
}
"""Environment variables that Ray reads when it is imported or started."""


class Cluster:
    """A connection to Ray."""

    def __init__(self, address: str, cores: int = 0, status: Callable[[str], None] | None = None) -> None:
        """``address``: ``ray`` or ``ray://HOST:PORT``.  ``cores``: of each worker; 0 chooses.  ``status``: is called with what the run waits for."""
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
        self.joined = self.address == "ray" and self.ray.is_initialized()  # by the program that uses godeeper
        if self.joined:
            return
        self.stack.enter_context(silence())
        try:
            if named:
                self.join(named)
            else:
                self.start()
        except Exception as error:  # Ray raises bare exceptions, too
            self.disconnect()
            raise ClusterError(f"cannot use Ray at {named or 'this machine'}: {one_line(error)}") from error
        except BaseException:
            self.disconnect()
            raise

    def start(self) -> None:
        """Start Ray on this machine, for this run alone."""
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
        """Connect to a cluster that runs already."""
        check_reachable(address)
        self.ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)

    def disconnect(self) -> None:
        """Stop what ``connect`` started."""
        if self.joined or self.ray is None:
            return
        with self.stack, suppress(Exception):  # nothing can be done if Ray does not stop properly
            self.ray.shutdown()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def errors(self) -> tuple[type[BaseException], ...]:
        """The errors that a lost process or machine causes."""
        return self.ray.exceptions.RayError, ConnectionError

    def is_alive(self) -> bool:
        """Whether the cluster responds."""
        try:
            return any(node["Alive"] for node in self.ray.nodes())
        except Exception:
            return False

    def why(self, error: BaseException) -> str:
        """A message, in one line, for an error that ended the run."""
        return f"Ray stopped the work: {one_line(error)}; finished results are kept if the command can resume; run it again"

    def put(self, payload: bytes) -> Any:
        """Store bytes where all workers can get them from."""
        return self.ray.put(payload)

    def results(self, parcel: Parcel, rows: Sequence[Row]) -> Generator[tuple[int, bytes, bytes], None, None]:
        """Number, result and error of each row, in any order.

        Raises:
            ClusterError: no worker can start.
        """
        if not any(self.sizes()):  # a cluster that adds machines on demand
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
        """Whether this process is outside the cluster: Ray Data then runs in a process inside."""
        return bool(self.ray.util.client.ray.is_connected())

    def layout(self) -> tuple[int, int]:
        """The number of workers, and the cores of each."""
        usable = [size for size in self.sizes() if size]
        cores = self.cores or min([MOST_CORES, *usable])
        return max(1, sum(size // cores for size in usable)), cores

    def sizes(self) -> list[int]:
        """The number of cores of each machine."""
        return [int(node["Resources"].get("CPU", 0)) for node in self.ray.nodes() if node["Alive"]]

    def wait_for_worker(self, cores: int) -> None:
        """Wait until Ray can start a process on so many cores, for a limited time: Ray itself would wait without end.

        Raises:
            ClusterError: it cannot.
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
    """Have Ray's processes listen on loopback only, and to each other: Ray would store their token in the user's home.

    Ray reads the variables when it is imported.
    """
    if "ray" in sys.modules:
        return
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # its other effect: addresses are those of loopback
    if "RAY_AUTH_MODE" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        os.environ["RAY_AUTH_MODE"] = "token"


def use_token() -> None:
    """Send the token that Ray finds on this machine: clusters ask for it if they found one, and Ray's client sends none by itself."""
    stored = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    if "RAY_AUTH_TOKEN" in os.environ or is_file(stored):
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def imported() -> Any:
    """Imports Ray, with its messages and reports off.

    Raises:
        MissingExtra: it is not installed, or a part of it is missing.
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
    ray._private.worker.print_to_stdstream = say_nothing  # prints on standard output, where JSON goes
    return ray


@contextmanager
def silence() -> Iterator[None]:
    """Drop the log lines of Ray, also of its C++ code and of the processes it starts; our own messages are still printed."""
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
    """A task that Ray can run as soon as a worker could start."""


def waiting_time() -> float:
    """Seconds in which a worker must start; raises ``OptionError``."""
    text = os.environ.get(WAIT_VARIABLE, "")
    try:
        seconds = float(text or WAIT)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise OptionError(f"{WAIT_VARIABLE}={quoted(text)}: expected a number of seconds, such as 600")
    return seconds


def check_space() -> None:
    """Raise ``OSError`` if the disk of Ray's sockets and logs is full: Ray itself would wait for its own processes."""
    folder = short_folder()
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE:
        raise OSError(
            f"{folder} is full ({free >> 10} kB free), and Ray keeps its sockets and logs there; free some space"
        )


def say_nothing(*_: object, **__: object) -> None:
    """Replaces the function that prints messages of other machines."""


def check_reachable(address: str) -> None:
    """Raise ``OSError`` unless something listens at an address; Ray itself would try for a minute."""
    host, _, port = address.removeprefix(SCHEME).rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()


def short_folder() -> str:
    """A folder for temporary files with a short path: it holds Ray's sockets, whose paths may have at most 107 bytes."""
    return "/tmp" if Path("/tmp").is_dir() else tempfile.gettempdir()  # noqa: S108


def remove_abandoned() -> None:
    """Remove the folders of Ray's logs that killed processes left."""
    for folder in Path(short_folder()).glob(f"{PREFIX}*-*"):
        process = folder.name.removeprefix(PREFIX).partition("-")[0]
        if not Path("/proc", process).exists() and Path("/proc", str(os.getpid())).exists():
            shutil.rmtree(folder, ignore_errors=True)


def one_line(error: BaseException) -> str:
    """The first line of an error's message, or its last one if the first ends with a colon; at most 200 characters."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    line = f"{lines[0]} {lines[-1]}" if lines[0].endswith(":") and len(lines) > 1 else lines[0]
    return " ".join(line.split())[:200]
