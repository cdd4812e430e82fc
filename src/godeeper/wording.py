"""Wording that many messages share: counts with nouns, shortened lists and shortened names."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST_NAME = 300
"""The longest name or path, in characters, that a message shows in full.  File systems limit a part of a path to 255."""


def count_of(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun.

    >>> count_of(1, "photo"), count_of(2, "photo"), count_of(1_000, "class", "classes")
    ('1 photo', '2 photos', '1000 classes')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def first_of(names: Iterable[str], most: int = 5) -> str:
    """The first ``most`` names, and the number of the others.

    >>> first_of(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def shortened(name: object, longest: int = LONGEST_NAME) -> str:
    """``name`` as text; if it is long, without its middle, so that the folder and the extension stay readable.

    >>> shortened("photos/" + 5000 * "x" + ".jpg", 30)
    'photos/xxxxxxxx…xxxxxxxxxx.jpg'
    """
    text = str(name)
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}…{text[-half + 1 :]}"
