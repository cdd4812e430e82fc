"""Command-line options that the benchmarks share, such as the number of rounds."""

from __future__ import annotations

import argparse
from collections.abc import Callable

LEAST_ROUNDS = 2  # a single round has no spread


def parse(
    about: str | None, rounds: int, more: Callable[[argparse.ArgumentParser], None] = lambda _: None
) -> argparse.Namespace:
    """Parse the options; ``about`` is a script's docstring, ``rounds`` its default, and ``more`` adds other options."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, metavar="N", help=f"number of rounds (default: {rounds})")
    more(parser)
    options = parser.parse_args()
    if options.rounds < LEAST_ROUNDS:
        parser.error(
            f"--rounds {options.rounds}: expected {LEAST_ROUNDS} or more, because a single round has no spread"
        )
    return options
