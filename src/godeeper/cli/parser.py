"""``argparse`` with one-line errors that name the mistake, suggest a correction and point to the help."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ..errors import LONGEST_QUOTE, meant, quoted
from .common import NOTHING_DONE
from .terminal import complain, write

LONG = re.compile(rf"\S{{{LONGEST_QUOTE + 1},}}")
KINDS: dict[Any, str] = {int: "a whole number"}
"""The types of options, as error messages call them."""


class Parser(argparse.ArgumentParser):
    """An ``ArgumentParser`` with one-line errors; a failure to write the help raises an error."""

    def _print_message(self, message: str, file: object = None) -> None:  # argparse ignores errors here
        if file is sys.stderr:
            complain(message)
        else:
            write(message)

    def error(self, message: str) -> NoReturn:
        end = "" if message.endswith("?") else ";"
        complain(f"{self.prog}: {LONG.sub(beginning_of, message)}{end} see: {self.prog} -h")
        raise SystemExit(NOTHING_DONE)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Like argparse's method, but each command reports unknown arguments itself and suggests its own options."""
        known, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(unknown_argument(rest, self.options()))
        return known, rest

    def options(self) -> list[str]:
        """The long options."""
        return [name for action in self._actions for name in action.option_strings if name.startswith("--")]

    def children(self) -> dict[str, Parser]:
        """The commands, or the actions of a command, by name."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return dict(action.choices)
        return {}

    def child(self, name: str) -> Parser:
        """A child by name; exits with an error if there is none."""
        if name not in self.children():
            self.error(unknown_command(name, self.children()))
        return self.children()[name]

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            raise argparse.ArgumentError(None, unknown_command(value, action.choices))
        super()._check_value(action, value)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError:
            kind = KINDS.get(action.type, "another value")
            raise argparse.ArgumentError(action, f"{quoted(arg_string)}: expected {kind}") from None


def unknown_command(got: str, known: Iterable[str]) -> str:
    """The error message for an unknown command."""
    names = list(known)
    if not names:
        return f"unexpected {quoted(got)}: this command has no actions"
    hint = meant(got, names, 0.6)
    if not hint and "peek" in names and is_file(got):
        hint = "; for a photo: godeeper peek PHOTO"
    listed = hint or f": expected one of {', '.join(names)}"
    return f"unknown command {quoted(got)}{listed}"


def is_file(name: str) -> bool:
    """Whether there is a file of that name."""
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # too long, or contains a NUL
        return False


def unknown_argument(rest: Sequence[str], options: Iterable[str]) -> str:
    """The error message for the first unknown argument."""
    first = rest[0]
    if not first.startswith("-"):
        return f"unexpected argument {quoted(first)}: no more arguments are expected here"
    name = first.partition("=")[0]
    hint = meant(name, options, 0.6) or "; for a file of that name write ./NAME"
    return f"unknown option {quoted(name)}{hint}"


def beginning_of(match: re.Match[str]) -> str:
    """The beginning of a long word, and its length."""
    return f"{match[0][:LONGEST_QUOTE]}… ({len(match[0])} characters)"
