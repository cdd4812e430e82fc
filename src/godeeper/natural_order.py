"""The order in which people expect names: 1, 2, 10 rather than 1, 10, 2."""

from __future__ import annotations

import re
from collections.abc import Sequence

DIGITS = re.compile(r"([0-9]+)")

Key = tuple[tuple[tuple[int, int, str], ...], str]


def natural_key(name: str) -> Key:
    """A key to sort names by: runs of digits count as numbers, letters without regard to case.

    Names that differ in case or leading zeros only are told apart by their characters, so the order is total.
    """
    parts = DIGITS.split(name.casefold())
    return tuple(number(part) if place % 2 else (1, 0, part) for place, part in enumerate(parts)), name


def natural_order(names: Sequence[str]) -> list[int]:
    """The places of names, in the order in which people expect them."""
    return sorted(range(len(names)), key=lambda place: natural_key(names[place]))


def number(digits: str) -> tuple[int, int, str]:
    """Digits of any length by their value, before all letters: converting millions of them to an integer is slow."""
    significant = digits.lstrip("0")
    return 0, len(significant), significant
