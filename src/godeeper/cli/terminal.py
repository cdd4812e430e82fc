"""Standard input, output and error: the one way in and out of all commands.

Lines are escaped, so that no name of a file or a class moves the cursor, colours the screen or begins a line of its
own.  A standard output that cannot be written is an error like any other; a standard error that cannot be is ignored.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Any

from ..errors import OutputError, PhotoError
from ..escaping import escaped, json_text


class ReaderLeft(Exception):
    """The reader of standard output, ``head`` perhaps, has closed it."""


def prepare() -> None:
    """Make the standard streams safe to use, before anything else opens a file.

    Closed streams are pointed at the null device: otherwise the next file that is opened would take their number.
    Names that the stream's encoding cannot hold are written with escapes.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:  # until 0, 1 and 2 are taken
        pass
    os.close(number)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def check_output() -> None:
    """Raise ``OutputError`` where standard output was closed from the start: before any work is done."""
    if sys.stdout is None:
        raise unwritable(ValueError())


def say(line: str = "") -> None:
    """A line on standard output, escaped.

    Raises:
        OutputError: standard output cannot be written.
        ReaderLeft: its reader has closed it.
    """
    write(f"{escaped(line)}\n")


def complain(line: str) -> None:
    """A line on standard error, escaped; lost where standard error cannot be written."""
    with suppress(AttributeError, OSError, ValueError):  # None, full, closed
        sys.stderr.write(f"{escaped(line)}\n")
        sys.stderr.flush()


def write(text: str) -> None:
    """Text on standard output, as it is; raises as ``say`` does."""
    try:
        sys.stdout.write(text)
    except (AttributeError, OSError, ValueError) as error:
        raise unwritable(error) from None


def flush() -> None:
    """Write what is still buffered; raises as ``say`` does."""
    try:
        sys.stdout.flush()
    except (AttributeError, OSError, ValueError) as error:
        raise unwritable(error) from None


def unwritable(error: Exception) -> Exception:
    """What to raise where standard output cannot be written; what is still buffered is dropped."""
    with suppress(AttributeError, OSError, ValueError):  # so that the end of the process does not try again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return ReaderLeft()
    reason = getattr(error, "strerror", None) or "it is closed"
    return OutputError(f"cannot write standard output: {reason}; send it to a file, or to a program that reads it")


def read_input() -> bytes:
    """All of standard input, for a photo called ``-``; raises ``PhotoError`` where it cannot be read."""
    try:
        return sys.stdin.buffer.read()
    except (AttributeError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is closed"
        raise PhotoError(
            f"-: cannot read standard input: {reason}; expected a photo, as in: godeeper … - < photo.jpg"
        ) from None


def print_json(document: Any) -> None:
    """One JSON document on standard output; what a terminal does not show is escaped."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    write(f"{json_text(document, indent=2, encoding=encoding, allow_nan=False)}\n")
