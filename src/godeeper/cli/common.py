"""What several commands share: options, JSON, tables."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..visible import escaped, json_text

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[Any]
    Run = Callable[[argparse.Namespace], int]


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


def add_engine(parser: argparse.ArgumentParser) -> None:
    """The option ``--engine``."""
    parser.add_argument(
        "--engine", default="auto", metavar="E", help="what computes: auto (default), onnxruntime, openvino or torch"
    )


def add_force(parser: argparse.ArgumentParser) -> None:
    """The option ``--force``."""
    parser.add_argument("--force", action="store_true", help="replace files that godeeper did not write, too")


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    print(json_text(document, indent=2, encoding=getattr(sys.stdout, "encoding", None) or "utf-8"))


def print_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell, the last one ragged; cells are escaped."""
    lines = [list(map(escaped, line)) for line in (heading, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading) - 1)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        print("  ".join([*cells, line[-1]]).rstrip())
