"""Natural order of names: digits are compared as numbers."""

from __future__ import annotations

import random

from godeeper.natural_order import natural_key


def test_numbers_count() -> None:
    """Digits anywhere in a name are compared as numbers, and case is compared last."""
    names = ["1", "2", "10", "a", "A2", "a10", "a10b1", "a10b02", "b"]
    mixed = random.Random(0).sample(names, len(names))
    assert sorted(mixed, key=natural_key) == names


def test_odd_names_have_an_order_too() -> None:
    """Digits of other scripts, a million digits and empty names raise no error."""
    names = ["", "٣", "²", "9" * 1_000_000, "01", "1", "猫1"]
    assert sorted(names, key=natural_key) == sorted(set(names), key=natural_key)
    assert len({natural_key(name) for name in names}) == len(names)
