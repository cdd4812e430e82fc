"""Natural sort order of names: 1, 2, 10 rather than 1, 10, 2."""

from __future__ import annotations

import re
from collections.abc import Sequence

DIGITS = re.compile(r"([0-9]+)")

Key = tuple[tuple[tuple[int, int, str], ...], str]


def natural_key(name: str) -> Key:
    """Sort key: runs of digits compare as numbers, letters ignore case.

    Names that differ only in case or leading zeros compare by their characters, so the order is total.
    """
    parts = DIGITS.split(name.casefold())
    return tuple(number(part) if place % 2 else (1, 0, part) for place, part in enumerate(parts)), name


def natural_order(names: Sequence[str]) -> list[int]:
    """The indices that sort names naturally."""
    return sorted(range(len(names)), key=lambda place: natural_key(names[place]))


def number(digits: str) -> tuple[int, int, str]:
    """Sort key of a run of digits: by value, before all letters.  It avoids ``int``, which is slow for millions of digits."""
    significant = digits.lstrip("0")
    return 0, len(significant), significant
