"""Address patterns match the same names as equivalent regular expressions, in linear time."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from godeeper.blueprint.names.pattern import compile_pattern


def reference(pattern: str) -> re.Pattern[str]:
    """Return the regular expression that is equivalent to ``pattern``.  Backtracking makes it usable for short patterns only."""
    crossing = {"**": ".*", "*": r"[^/.]*", "?": r"[^/.]"}
    return re.compile("".join(crossing.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*|\?)", pattern)))


NAMES = ["".join(letters) for length in range(5) for letters in itertools.product("ab/.", repeat=length)]


@pytest.mark.parametrize("length", range(5))
def test_every_short_pattern_is_the_regular_expression(length: int) -> None:
    """All patterns over a small alphabet match the same names as their regular expressions."""
    for letters in itertools.product("a/.*?", repeat=length):
        pattern, expected = compile_pattern("".join(letters)), reference("".join(letters))
        for name in NAMES[:: 1 if length < 4 else 7]:
            assert pattern.fits(name) == bool(expected.fullmatch(name)), ("".join(letters), name)


def test_random_patterns_are_the_regular_expression() -> None:
    """Names with some characters replaced by wildcards match the same names as their regular expressions."""
    draw = random.Random(11)
    fitted = 0
    for _ in range(4000):
        name = "".join(draw.choice("aab/.[^$\\é") for _ in range(draw.randrange(12)))
        text = "".join(letter if draw.random() < 0.6 else draw.choice(["*", "**", "?", "", "b"]) for letter in name)
        fits = compile_pattern(text).fits(name)
        assert fits == bool(reference(text).fullmatch(name)), (text, name)
        fitted += fits
    assert 500 < fitted < 3500


@pytest.mark.parametrize("text", ["*" * 40 + "a", "**" * 40 + "a", "*?" * 40, "**?" * 40 + "b", "**a*" * 40, "*a" * 60])
def test_steps_are_one_a_character(text: str) -> None:
    """The automaton takes one step per character of the name, for any pattern."""
    for length in (0, 10, 100, 1000):
        name = "a" * length
        assert len(list(compile_pattern(text).states(name))) <= length + 1


def test_states_stay_within_the_pattern() -> None:
    """The automaton's state is an integer with at most one bit more than the pattern's length."""
    pattern = compile_pattern("**a*?" * 50)
    assert max(states.bit_length() for states in pattern.states("a" * 500)) <= pattern.length + 1
