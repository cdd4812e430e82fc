"""What several commands share: options, exit codes, tables."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..escaping import escaped
from .terminal import write

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[Any]
    Run = Callable[[argparse.Namespace], int]

DONE, PARTLY_DONE, NOTHING_DONE, STOPPED = 0, 1, 2, 130
"""Exit codes: everything is done; some inputs could not be used, or a check failed; nothing is done; Ctrl-C."""


def exit_code(done: int, failed: int) -> int:
    """The exit code of a command that could use ``done`` of its inputs and could not use ``failed``.

    >>> [exit_code(3, 0), exit_code(2, 1), exit_code(0, 3)]
    [0, 1, 2]
    """
    if not failed:
        return DONE
    return PARTLY_DONE if done else NOTHING_DONE


def records_code(records: Sequence[Mapping[str, Any]]) -> int:
    """The exit code of a command with one record a photo, whose ``error`` says why the photo could not be used."""
    failed = sum(bool(record["error"]) for record in records)
    return exit_code(len(records) - failed, failed)


def none_of(errors: Sequence[str]) -> str:
    """What is said where there is nothing to write."""
    return errors[0] if len(errors) == 1 else f"none of {len(errors)} photos can be read; the first: {errors[0]}"


def add_command(verbs: Verbs, name: str, summary: str, example: str, run: Run) -> argparse.ArgumentParser:
    """A command with its one-line summary, an example in its help, and the options all commands have."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    parser.set_defaults(run=run)
    return parser


def add_group(verbs: Verbs, name: str, summary: str, example: str) -> Verbs:
    """A command that consists of actions; without one it shows its help."""
    parser = verbs.add_parser(
        name, help=summary, epilog=f"example:\n{example}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(run=partial(show_help, parser))
    actions: Verbs = parser.add_subparsers(title="actions", metavar="ACTION")
    return actions


def show_help(parser: argparse.ArgumentParser, _: argparse.Namespace) -> int:
    """What a command without arguments does if it needs some."""
    parser.print_help()
    return 0


def add_engine(parser: argparse.ArgumentParser) -> None:
    """The option ``--engine``."""
    parser.add_argument(
        "--engine", default="auto", metavar="E", help="what computes: auto (default), onnxruntime, openvino or torch"
    )


def add_force(parser: argparse.ArgumentParser) -> None:
    """The option ``--force``."""
    parser.add_argument("--force", action="store_true", help="replace files that godeeper did not write, too")


def print_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell, the last one ragged; cells are escaped."""
    lines = [list(map(escaped, line)) for line in (heading, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading) - 1)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        write(f"{'  '.join([*cells, line[-1]]).rstrip()}\n")
