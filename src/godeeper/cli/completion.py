"""``godeeper completion``: prints a shell script that completes commands, options, their values and file names.

The script is generated from the parser and from the tables of valid values.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from .terminal import write

if TYPE_CHECKING:
    from .common import Verbs
    from .parser import Parser

EXAMPLE = """\
  source <(godeeper completion bash)                                        in ~/.bashrc
  source <(godeeper completion zsh)                                         in ~/.zshrc, after compinit
  godeeper completion fish > ~/.config/fish/completions/godeeper.fish       once
"""

SHELLS = ("bash", "zsh", "fish")
TABLES = {
    "--scale": ("peek.mosaic", "SCALES"),
    "--colour": ("peek.colour", "COLOURS"),
    "--engine": ("engine.engines", "ENGINES"),
    "--fit": ("photos.preprocess", "FITS"),
    "--filter": ("photos.preprocess", "FILTERS"),
    "--to": ("export.targets", "TARGETS"),
    "--network": ("blueprint.networks", "BLUEPRINTS"),
    "retrain --precision": ("training.int8_check", "PRECISIONS"),
    "embed --precision": ("engine.engines", "PRECISIONS"),
}
"""Maps an option, or a command and its option, to the module and the name of the table of valid values."""

FILES = re.compile("PHOTO|FOLDER|FILE|PATH|CSV")


@dataclass(frozen=True)
class Value:
    """The values that are valid at one place of a command line: words, files or folders."""

    title: str
    words: tuple[str, ...] = ()
    files: bool = False
    folders: bool = False


@dataclass(frozen=True)
class Option:
    """An option; ``value`` is None if it takes no value."""

    names: tuple[str, ...]
    summary: str
    value: Value | None


@dataclass(frozen=True)
class Command:
    """A command or an action; ``values`` are its positional arguments, and with ``more`` the last one can be repeated."""

    words: tuple[str, ...]
    summary: str
    options: tuple[Option, ...]
    values: tuple[Value, ...]
    more: bool
    children: tuple[Command, ...]


def add_to(verbs: Verbs) -> None:
    parser = verbs.add_parser(
        "completion",
        help="print a shell script that completes godeeper's commands",
        description="Print a shell script that completes godeeper's commands.",
        epilog=f"example:\n{EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or fish")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from . import shells
    from .main import make_parser

    script: str = getattr(shells, options.shell)(command_of(make_parser(), ()))
    write(script)
    return 0


def command_of(parser: Parser, words: tuple[str, ...], summary: str = "") -> Command:
    """The command that a parser describes, with its children."""
    summaries = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {each.dest: each.help or "" for each in action._choices_actions}
    children = tuple(command_of(child, (*words, name), summaries[name]) for name, child in parser.children().items())
    places = [each for each in parser._actions if not each.option_strings and each.dest != argparse.SUPPRESS]
    return Command(
        words,
        summary,
        tuple(options_of(parser, " ".join(words))),
        () if children else tuple(value_of(" ".join(words), each) for each in places),
        bool(places) and places[-1].nargs in ("*", "+"),
        children,
    )


def options_of(parser: Parser, command: str) -> Iterator[Option]:
    """The options of a command, in the parser's order."""
    for action in parser._actions:
        if action.option_strings:
            takes = action.nargs != 0
            yield Option(tuple(action.option_strings), action.help or "", value_of(command, action) if takes else None)


def value_of(command: str, action: argparse.Action) -> Value:
    """The valid values of an option or of a positional argument."""
    title = str(action.metavar or action.dest)
    if action.choices:
        return Value(title, tuple(map(str, action.choices)))
    return Value(
        title,
        words_for(command, action.option_strings[-1] if action.option_strings else title),
        bool(FILES.search(title)) or (title == "W"),
        title == "DIR",
    )


def words_for(command: str, place: str) -> tuple[str, ...]:
    """The valid words for an argument, as far as they are known when the script is generated."""
    from ..blueprint.address import resolve
    from ..blueprint.networks import blueprint_named
    from ..weights.official import OFFICIAL
    from .main import COMMANDS

    table = TABLES.get(f"{command} {place}") or TABLES.get(place)
    if table:
        return tuple(getattr(import_module(f"..{table[0]}", __package__), table[1]))
    if place in ("ADDRESS", "PATTERN", "ADDRESS[FILTERS]", "--features"):
        return tuple(tensor.address for tensor in resolve(blueprint_named("inception_v3"), "**"))
    if place in ("--weights", "NAME", "FILE_OR_NAME"):
        return (*(() if place == "FILE_OR_NAME" else ("bundled",)), *OFFICIAL)
    return COMMANDS if place == "COMMAND" else ()
