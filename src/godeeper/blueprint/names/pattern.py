"""Matches patterns against tensor names: ``*`` and ``?`` stay within a scope, ``**`` crosses scopes.

A pattern is matched as a nondeterministic finite automaton whose set of states is one integer, a bit
for each place in the pattern (Baeza-Yates and Gonnet, "A New Approach to Text Searching", 1992).  Each
character of a name costs a few operations on that integer, whatever the pattern: there is no backtracking.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

SEPARATORS = "/."
WILDCARDS = "*?"


@dataclass(frozen=True)
class Pattern:
    """A compiled pattern; bit i of each mask is the i-th place of the pattern.

    ``advance``: character -> places that match it; ``anything``: the places that match any character not in ``advance``.
    ``within`` and ``across``: places with ``*`` and ``**``.  ``length``: the number of places.
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
        """The set of states before the first character and after each one; stops once the set is empty."""
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
        """``states`` plus the place after each star reached, since a star may match nothing; stars are never adjacent."""
        return states | (states & (self.within | self.across)) << 1


def is_pattern(text: str) -> bool:
    """Whether ``text`` contains a wildcard."""
    return any(character in text for character in WILDCARDS)


def compile_pattern(text: str) -> Pattern:
    """Compile ``text``; a run of more than two stars counts as ``**``."""
    places = re.findall(r"\*{2,}|.", text, re.DOTALL)
    masks: dict[str, int] = {}
    for number, place in enumerate(places):
        masks[place[:2]] = masks.get(place[:2], 0) | 1 << number
    within, across, anything = (masks.pop(wildcard, 0) for wildcard in ("*", "**", "?"))
    scoped = dict.fromkeys(SEPARATORS, 0) | masks
    advance = {character: mask if character in SEPARATORS else mask | anything for character, mask in scoped.items()}
    return Pattern(advance, anything, within, across, len(places))
