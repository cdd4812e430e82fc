"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from .errors import OutputError


def write_atomically(path: Path, payload: bytes) -> None:
    """Write under a temporary name beside ``path``, flush to the disk, rename; ``OutputError`` if that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".part")
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~current_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:  # also on Ctrl-C: after the rename there is nothing left to remove
        Path(temporary).unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> OutputError:
    """The error for a path that cannot be written, with the system's reason."""
    return OutputError(f"cannot write {path}: {error.strerror or error}; choose another place or free some space")


def current_umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
