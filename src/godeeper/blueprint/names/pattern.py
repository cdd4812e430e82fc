"""Matches patterns against tensor names: ``*`` and ``?`` stay within a scope, ``**`` crosses scopes.

A pattern is compiled to a nondeterministic finite automaton.  Its set of states is one integer with a bit for
each place in the pattern (Baeza-Yates and Gonnet, "A New Approach to Text Searching", 1992).  Matching takes a few
operations on that integer for each character of a name, without backtracking.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

SEPARATORS = "/."
WILDCARDS = "*?"


@dataclass(frozen=True)
class Pattern:
    """A compiled pattern; bit i of each mask stands for place i of the pattern.

    ``advance``: character -> the places that match it.  ``anything``: the places that match a character not in
    ``advance``.  ``within`` and ``across``: the places with ``*`` and ``**``.  ``length``: the number of places.
    """

    advance: Mapping[str, int]
    anything: int
    within: int
    across: int
    length: int

    def fits(self, name: str) -> bool:
        """Whether the pattern matches all of ``name``."""
        states = 0
        for states in self.states(name):  # noqa: B007 (only the final set is used)
            pass
        return bool(states >> self.length & 1)

    def states(self, name: str) -> Iterator[int]:
        """Yield the set of states before the first character and after each character, until the set is empty."""
        states = self.skip_stars(1)
        yield states
        for character in name:
            stars = self.across if character in SEPARATORS else self.across | self.within
            passed = states & self.advance.get(character, self.anything)
            states = self.skip_stars(passed << 1 | states & stars)
            yield states
            if not states:
                return

    def skip_stars(self, states: int) -> int:
        """``states`` and the place after each star among them, as stars can match nothing; stars are never adjacent."""
        return states | (states & (self.within | self.across)) << 1


def is_pattern(text: str) -> bool:
    """Whether ``text`` contains a wildcard."""
    return any(character in text for character in WILDCARDS)


def compile_pattern(text: str) -> Pattern:
    """The compiled pattern; more than two consecutive stars are equivalent to ``**``."""
    places = re.findall(r"\*{2,}|.", text, re.DOTALL)
    masks: dict[str, int] = {}
    for number, place in enumerate(places):
        masks[place[:2]] = masks.get(place[:2], 0) | 1 << number
    within, across, anything = (masks.pop(wildcard, 0) for wildcard in ("*", "**", "?"))
    scoped = dict.fromkeys(SEPARATORS, 0) | masks
    advance = {character: mask if character in SEPARATORS else mask | anything for character, mask in scoped.items()}
    return Pattern(advance, anything, within, across, len(places))
