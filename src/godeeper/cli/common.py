"""Helpers that the commands share: options, exit codes, notes, tables."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..escaping import escaped
from ..wording import count_of, first_of, shortened
from .terminal import write

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[Any]
    Run = Callable[[argparse.Namespace], int]

REDUCED = "decoded at 1/"
"""The beginning of the note that ``photos.decode`` makes for a JPEG decoded at reduced size."""

DONE, PARTLY_DONE, NOTHING_DONE, STOPPED = 0, 1, 2, 130
"""Exit codes.

``DONE``: everything was done.  ``PARTLY_DONE``: some inputs could not be used, or a check failed.  ``NOTHING_DONE``: nothing
was done.  ``STOPPED``: the user pressed Ctrl-C.
"""


def exit_code(done: int, failed: int) -> int:
    """The exit code of a command that used ``done`` of its inputs and could not use ``failed``.

    >>> [exit_code(3, 0), exit_code(2, 1), exit_code(0, 3)]
    [0, 1, 2]
    """
    if not failed:
        return DONE
    return PARTLY_DONE if done else NOTHING_DONE


def records_code(records: Sequence[Mapping[str, Any]]) -> int:
    """The exit code of a command with one record per photo; a record has an ``error`` if the photo could not be used."""
    failed = sum(bool(record["error"]) for record in records)
    return exit_code(len(records) - failed, failed)


def none_of(errors: Sequence[str]) -> str:
    """The error message if no photo can be read."""
    return errors[0] if len(errors) == 1 else f"none of {len(errors)} photos can be read; the first: {errors[0]}"


def note_lines(notes: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """Summarise the notes on photos, one line per kind of note.

    A kind that several photos share becomes their number and the first names.  Notes on reduced decoding are left out,
    because reduced decoding is an option and not a repair.

    Args:
        notes: the name and the notes of each photo (see ``Photo.notes``).

    >>> note_lines([("a.jpg", ["turned upright (EXIF orientation 6)"]), ("b.jpg", ["turned upright (EXIF orientation 8)"])])
    ['note: turned upright: 2 photos (a.jpg, b.jpg)']
    """
    photos: dict[str, dict[str, str]] = {}  # kind of note -> photo -> note
    for name, texts in notes:
        for text in texts:
            if not text.startswith(REDUCED):
                photos.setdefault(text.partition(" (")[0], {})[shortened(name)] = text
    return [
        f"note: {kind}: {count_of(len(by_name), 'photo')} ({first_of(by_name)})"
        if len(by_name) > 1
        else "".join(f"note: {name}: {text}" for name, text in by_name.items())
        for kind, by_name in photos.items()
    ]


def add_command(verbs: Verbs, name: str, summary: str, example: str, run: Run) -> argparse.ArgumentParser:
    """Add a command with its one-line summary, an example in its help, and the options of all commands."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    parser.add_argument("--debug", action="store_true", help="show a traceback for errors")
    parser.set_defaults(run=run)
    return parser


def add_group(verbs: Verbs, name: str, summary: str, example: str) -> Verbs:
    """Add a command that has actions; without an action, the command prints its help."""
    parser = verbs.add_parser(
        name, help=summary, epilog=f"example:\n{example}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(run=partial(show_help, parser))
    actions: Verbs = parser.add_subparsers(title="actions", metavar="ACTION")
    return actions


def show_help(parser: argparse.ArgumentParser, _: argparse.Namespace) -> int:
    """Print the help; this is what a command does if its action is missing."""
    parser.print_help()
    return 0


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--engine``."""
    parser.add_argument(
        "--engine", default="auto", metavar="E", help="inference engine: auto (default), onnxruntime, openvino or torch"
    )


def add_weights(parser: argparse.ArgumentParser, default: str | None = "bundled", text: str = "bundled") -> None:
    """Add the option ``--weights``, with the bundled weights as default."""
    parser.add_argument(
        "--weights", default=default, metavar="W", help=f"installed weights, or a file (default: {text})"
    )


def add_on(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--on``."""
    parser.add_argument(
        "--on",
        metavar="ray[://HOST:PORT]",
        help="compute with godeeper[ray]: in processes on this machine (ray), or on a cluster (ray://HOST:PORT)",
    )


def add_force(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--force``."""
    parser.add_argument(
        "--force", action="store_true", help="replace existing files even if godeeper did not write them"
    )


def print_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; cells are escaped, and all columns except the last are padded."""
    lines = [list(map(escaped, line)) for line in (heading, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading) - 1)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        write(f"{'  '.join([*cells, line[-1]]).rstrip()}\n")
