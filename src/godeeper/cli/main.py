"""The program's entry point: parses the arguments, runs the command, and prints user errors as one line."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import NoReturn

from ..errors import GodeeperError
from ..version import __version__
from .common import DONE, NOTHING_DONE, STOPPED, show_help
from .interruption import interruptible
from .parser import Parser
from .terminal import ReaderLeft, check_output, complain, flush, prepare

COMMANDS = (
    "peek", "poster", "tensors", "map", "doctor", "retrain", "classify", "explain", "index", "top", "filter", "contributions",
    "visualise", "embed", "serve", "export", "weights", "cache", "help", "completion",
)  # fmt: skip
"""The commands; each is a module of this package."""

EXAMPLE = """\
example:
  godeeper peek photo.jpg                      the blog's three pictures
  godeeper peek photo.jpg mixed_7/join         every filter of the eighth module
  godeeper tensors 'mixed_4/**'                all tensors, with shapes and costs
  godeeper map --out network.html              the whole network as a picture
  godeeper retrain photos/ --out my.godeeper   a classifier for your own photos, with a test report
  godeeper serve                               a web page to explore all of it
"""

SINGLE_THREADED = {"peek", "poster"}
"""Commands that multiply no matrices in NumPy; more OpenBLAS threads would only busy-wait."""

GARBAGE_THRESHOLD = 200_000
"""New objects between two garbage collections; high, because imports create many objects and little garbage."""


def run() -> NoReturn:
    """The program's entry point: ``main`` with a fast start and exit.

    Everything is written and flushed when ``main`` returns, so the process can skip the interpreter's shutdown.  The
    shutdown takes a seventh of the time of a warm peek (``docs/decisions/0005-fast-exit.md``).
    """
    gc.set_threshold(GARBAGE_THRESHOLD)
    set_environment(sys.argv[1:2])
    prepare()
    if "--debug" not in sys.argv:
        hush_libraries()
    try:
        code = main()
    except SystemExit as end:
        code = int(end.code or DONE)
    os._exit(code)


def set_environment(command: Sequence[str]) -> None:
    """Set the environment variables that libraries read when they are imported."""
    if SINGLE_THREADED.intersection(command):
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def hush_libraries() -> None:
    """Suppress the warnings of libraries, which are meant for programmers.

    Some libraries set their own filters when they are imported, so the function that prints warnings is replaced too.
    """
    warnings.simplefilter("ignore")
    warnings.showwarning = drop_warning
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def drop_warning(*_: object, **__: object) -> None:
    """Ignore a warning; this replaces ``warnings.showwarning``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see ``common.exit_code``).

    Raises:
        SystemExit: after printing the requested help, or an error about the arguments.
    """
    given = sys.argv[1:] if arguments is None else arguments
    try:
        with interruptible():
            check_output()
            code = run_command(given)
            flush()
    except GodeeperError as error:
        if "--debug" in given:
            raise
        complain(f"godeeper: {error}")
        return NOTHING_DONE
    except KeyboardInterrupt:
        complain("godeeper: stopped")
        return STOPPED
    except MemoryError:
        if "--debug" in given:
            raise
        complain("godeeper: not enough memory; give the program more, or leave out the largest photos")
        return NOTHING_DONE
    except ReaderLeft:
        return DONE
    except FileNotFoundError:
        if working_folder_exists():
            raise
        complain("godeeper: the working folder was removed; change to another folder")
        return NOTHING_DONE
    return code


def working_folder_exists() -> bool:
    """Whether the working folder still exists."""
    try:
        os.getcwd()  # noqa: PTH109 (no path is wanted)
    except FileNotFoundError:
        return False
    return True


def run_command(given: Sequence[str]) -> int:
    """Parse the arguments and run the command."""
    try:
        options = make_parser(commands_for(given)).parse_args(given)
    except SystemExit:
        flush()  # the help may not be written yet
        raise
    code: int = options.run(options)
    return code


def commands_for(arguments: Sequence[str]) -> Sequence[str]:
    """The command that the arguments name, so that only its module is imported; all commands if they name none."""
    named = list(arguments[:1])
    return named if named and named[0] in COMMANDS else COMMANDS


def make_parser(commands: Sequence[str] = COMMANDS) -> Parser:
    """The parser of the given commands."""
    parser = Parser(
        prog="godeeper",
        description="Look inside the Inception networks, and retrain them on your own photos.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"godeeper {__version__}")
    parser.set_defaults(debug=False, run=partial(show_help, parser))
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in commands:
        import_module(f".{command}", __package__).add_to(verbs)
    return parser
