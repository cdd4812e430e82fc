"""The command line: parse, call, print.  Every user error is rendered here, as one line."""

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
    "peek", "poster", "tensors", "map", "doctor", "retrain", "classify", "explain", "top", "embed", "serve", "export",
    "weights", "cache", "help", "completion",
)  # fmt: skip
"""Named like their modules here."""

EXAMPLE = """\
example:
  godeeper peek photo.jpg                      the blog's three pictures
  godeeper peek photo.jpg mixed_7/join         every filter of the eighth module
  godeeper tensors 'mixed_4/**'                what can be looked at, and what it costs
  godeeper map --out network.html              the whole network as a picture
  godeeper retrain photos/ --out my.godeeper   a classifier of your own photos, and how far to trust it
  godeeper serve                               a web page to walk through it all
"""

RARELY = 200_000  # new objects between two collections of garbage: imports make many, and little of it


def run() -> NoReturn:
    """The program: ``main``, started and left as fast as can be.

    Everything is written and flushed when ``main`` returns, so the process ends there, without taking the
    interpreter apart piece by piece: that is a seventh of a warm peek (``docs/decisions/0005-fast-exit.md``).
    """
    gc.set_threshold(RARELY)
    prepare()
    if "--debug" not in sys.argv:
        hush_libraries()
    try:
        code = main()
    except SystemExit as end:
        code = int(end.code or DONE)
    os._exit(code)


def hush_libraries() -> None:
    """Drop what libraries warn of: it is for programmers.  What users need to know godeeper says itself.

    Some libraries set filters of their own when they are imported, so the function that prints is replaced, too.
    """
    warnings.simplefilter("ignore")
    warnings.showwarning = drop_warning
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def drop_warning(*_: object, **__: object) -> None:
    """In the place of ``warnings.showwarning``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: see ``common.exit_code``.

    Raises:
        SystemExit: help was asked for, or the arguments cannot be parsed; either is written.
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
    except ReaderLeft:
        return DONE
    except FileNotFoundError:
        if is_somewhere():
            raise
        complain("godeeper: the working folder was removed; change to another one")
        return NOTHING_DONE
    return code


def is_somewhere() -> bool:
    """Whether the working folder is still there."""
    try:
        os.getcwd()  # noqa: PTH109 (no path is wanted)
    except FileNotFoundError:
        return False
    return True


def run_command(given: Sequence[str]) -> int:
    """Parse and run."""
    try:
        options = make_parser(commands_for(given)).parse_args(given)
    except SystemExit:
        flush()  # the help
        raise
    code: int = options.run(options)
    return code


def commands_for(arguments: Sequence[str]) -> Sequence[str]:
    """The command that is named, or all of them: the others need not be imported."""
    named = list(arguments[:1])
    return named if named and named[0] in COMMANDS else COMMANDS


def make_parser(commands: Sequence[str] = COMMANDS) -> Parser:
    """The parser of some commands."""
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
