"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from .errors import OutputError


def write_atomically(path: Path, payload: bytes, *, durable: bool = True) -> None:
    """Write under a temporary name beside ``path``, flush to the disk, rename; ``OutputError`` if that fails.

    ``durable`` False leaves the flushing to the system: for what is checked when it is read, and can be made again.
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
    finally:  # also on Ctrl-C: after the rename there is nothing left to remove
        with suppress(OSError):
            temporary.unlink()


def unwritable(path: Path, error: OSError) -> OutputError:
    """The error for a path that cannot be written, with the system's reason."""
    in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
    reason = "a file stands where a folder is needed" if in_the_way else error.strerror or error
    return OutputError(f"cannot write {path}: {reason}; choose another place or free some space")
