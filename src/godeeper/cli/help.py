"""``godeeper help``: prints help for godeeper or for one command."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .common import Verbs

EXAMPLE = """\
  godeeper help                all commands
  godeeper help peek           one command, the same as: godeeper peek --help
  godeeper help weights add
"""


def add_to(verbs: Verbs) -> None:
    parser = verbs.add_parser(
        "help",
        help="show how a command is used",
        description="Show how a command is used.",
        epilog=f"example:\n{EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "words",
        metavar="COMMAND",
        nargs="*",
        default=[],
        help="a command, optionally with an action (default: list all)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from .main import make_parser

    parser = make_parser()
    for word in options.words:
        parser = parser.child(word)
    parser.print_help()
    return 0
