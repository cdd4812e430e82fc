"""Read and write files: only regular files are read, and files are written atomically."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from .errors import OutputError

NOT_A_FILE = "is a named pipe, device or socket, not a file"


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading, without blocking.  ``open`` would block on a named pipe that has no writer.

    Raises:
        IsADirectoryError: the path is a folder.
        OSError: it cannot be read; ``strerror`` is ``NOT_A_FILE`` for a named pipe, a device or a socket.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.EOPNOTSUPP):  # a socket, or a device that does not exist
            raise OSError(error.errno, NOT_A_FILE, str(path)) from None
        raise
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, NOT_A_FILE, str(path))


def read_regular(path: str | Path) -> bytes:
    """The bytes of a regular file; raises the errors of ``open_regular``."""
    with open_regular(path) as file:
        return file.read()


def write_atomically(path: Path, payload: bytes, *, durable: bool = True) -> None:
    """Write a temporary file beside ``path``, flush it to the disk, and rename it to ``path``.

    Without ``durable``, the file is not flushed.  This suits files that are verified when read and can be regenerated.

    Raises:
        OutputError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name[:40]}.{os.urandom(6).hex()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(payload)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:  # also after Ctrl-C; once renamed, there is nothing to remove
        with suppress(OSError):
            temporary.unlink()


def unwritable(path: Path, error: OSError) -> OutputError:
    """The error for a path that cannot be written, with the system's reason."""
    in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
    reason = "a file is where a folder is needed" if in_the_way else error.strerror or error
    return OutputError(f"cannot write {path}: {reason}; choose another place or free some space")


def is_folder(path: str | Path) -> bool:
    """Whether ``path`` is a folder; False if the name is too long or access is denied."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: str | Path) -> bool:
    """Whether ``path`` is a regular file; False if the name is too long or access is denied."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def is_there(path: str | Path) -> bool:
    """Whether ``path`` exists; False if the name is too long or access is denied."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False
