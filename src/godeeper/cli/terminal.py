"""Standard input, output and error; all commands read and write through this module.

Lines are escaped, so that no file or class name can move the cursor, colour the screen or start a new line.  A failure to
write standard output raises an error; failures to write standard error are ignored.
"""

from __future__ import annotations

import io
import os
import re
import sys
from contextlib import suppress
from typing import Any

from ..errors import OutputError, PhotoError
from ..escaping import escaped, json_text
from ..wording import LONGEST_NAME, shortened

LONG_NAME = re.compile(rf"\S{{{LONGEST_NAME + 1},}}")


class ReaderLeft(Exception):
    """The reader of standard output, such as ``head``, has closed it."""


def prepare() -> None:
    """Make the standard streams safe to use, before anything else opens a file.

    Closed streams are redirected to the null device, because otherwise the next file that is opened would get their file
    descriptor.  Characters that the stream's encoding does not have are written as escapes.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:  # until 0, 1 and 2 are taken
        pass
    os.close(number)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def check_output() -> None:
    """Raise ``OutputError`` before any work is done if standard output was closed from the start."""
    if sys.stdout is None:
        raise unwritable(ValueError())


def say(line: str = "") -> None:
    """Print a line on standard output, escaped.

    Raises:
        OutputError: writing to standard output failed.
        ReaderLeft: its reader has closed it.
    """
    write(f"{escaped(line)}\n")


def complain(line: str) -> None:
    """Print a line on standard error, escaped, with long names shortened; write errors are ignored."""
    line = LONG_NAME.sub(lambda name: shortened(name[0]), line)
    with suppress(AttributeError, OSError, ValueError):  # None, full, closed
        sys.stderr.write(f"{escaped(line)}\n")
        sys.stderr.flush()


def write(text: str) -> None:
    """Write text to standard output unchanged; raises as ``say`` does."""
    try:
        sys.stdout.write(text)
    except (AttributeError, OSError, ValueError) as error:
        raise unwritable(error) from None


def flush() -> None:
    """Flush standard output; raises as ``say`` does."""
    try:
        sys.stdout.flush()
    except (AttributeError, OSError, ValueError) as error:
        raise unwritable(error) from None


def unwritable(error: Exception) -> Exception:
    """The exception for a standard output that cannot be written; buffered text is discarded."""
    with suppress(AttributeError, OSError, ValueError):  # so that the process does not try to write it again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return ReaderLeft()
    reason = getattr(error, "strerror", None) or "it is closed"
    return OutputError(
        f"cannot write to standard output: {reason}; redirect it to a file or to a program that reads it"
    )


def read_input() -> bytes:
    """Read standard input, for the photo ``-``; raises ``PhotoError``."""
    try:
        return sys.stdin.buffer.read()
    except (AttributeError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is closed"
        raise PhotoError(
            f"-: cannot read from standard input: {reason}; expected a photo, for example: godeeper … - < photo.jpg"
        ) from None


def print_json(document: Any) -> None:
    """Print one JSON document on standard output; invisible characters are escaped."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    write(f"{json_text(document, indent=2, encoding=encoding, allow_nan=False)}\n")
